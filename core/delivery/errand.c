/* SPDX-License-Identifier: MIT */
/* The verbs of the control socket, one row each. */
#include "config.h"

#include "errand.h"
#include "trials.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hsp_errand *hsp_errand_new(const char *line, size_t length) {
    struct hsp_errand *errand = calloc(1, sizeof *errand);
    if (errand != NULL)
        errand->request = hsp_json_parse(line, length, NULL);
    return errand;
}

void hsp_errand_free(struct hsp_errand *errand) {
    if (errand == NULL)
        return;
    json_object_put(errand->request);
    hsp_buffer_free(&errand->answer);
    free(errand);
}

const char *hsp_errand_text(const struct hsp_errand *errand, const char *key) {
    json_object *value = NULL;
    if (!json_object_object_get_ex(errand->request, key, &value) ||
        !json_object_is_type(value, json_type_string))
        return "";
    return json_object_get_string(value);
}

void hsp_errand_refuse(struct hsp_errand *errand, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    hsp_buffer_print(&errand->answer, "{\"error\":");
    hsp_json_string(&errand->answer, text, strlen(text));
    hsp_buffer_print(&errand->answer, "}");
    errand->answered(errand);
}

void hsp_errand_answer(struct hsp_errand *errand, const char *key, const char *json) {
    hsp_buffer_print(&errand->answer, "{\"ok\":true");
    if (key != NULL)
        hsp_buffer_print(&errand->answer, ",\"%s\":%s", key, json);
    hsp_buffer_print(&errand->answer, "}");
    errand->answered(errand);
}

/* Verbs
 * -------------------------------------------------------------------------------------
 */

static void do_status(struct hsp_flusher *flusher, struct hsp_errand *errand) {
    char *text = hsp_report_text(flusher);
    hsp_errand_answer(errand, "status", text != NULL ? text : "null");
    free(text);
}

static void do_reload(struct hsp_flusher *flusher, struct hsp_errand *errand) {
    flusher->reload_wanted = true;
    hsp_errand_answer(errand, NULL, NULL);
}

static void set_state(struct hsp_flusher *flusher, struct hsp_errand *errand,
                      bool paused) {
    struct hsp_endpoint *endpoint = errand->endpoint;
    hsp_breaker_reset(&endpoint->breaker);
    if (paused)
        endpoint->breaker.state = HSP_STATE_PAUSED;
    else
        hsp_queue_wake(endpoint->queue, true);
    flusher->changed = true;
    hsp_log(HSP_LOG_NOTICE, "endpoint %s %s by hand, uid %ld", endpoint->name,
            paused ? "paused" : "resumed", (long)errand->uid);
    struct hs_error err = {0};
    if (hsp_endpoint_save(endpoint, &err) == HS_OK)
        hsp_errand_answer(errand, NULL, NULL);
    else
        hsp_errand_refuse(errand,
                          "%s is %s, but not on disk, so until the next start only: %s",
                          endpoint->name, paused ? "paused" : "resumed", err.text);
}

static void do_pause(struct hsp_flusher *flusher, struct hsp_errand *errand) {
    set_state(flusher, errand, true);
}

static void do_resume(struct hsp_flusher *flusher, struct hsp_errand *errand) {
    set_state(flusher, errand, false);
}

enum needs { NO_ENDPOINT, ANY_ENDPOINT, CONFIGURED };

static const struct verb {
    const char *name;
    bool changes;
    enum needs needs;
    void (*run)(struct hsp_flusher *, struct hsp_errand *);
} verbs[] = {
    {"status", false, NO_ENDPOINT, do_status},
    {"reload", true, NO_ENDPOINT, do_reload},
    {"pause", true, CONFIGURED, do_pause},
    {"resume", true, CONFIGURED, do_resume},
    {"test", true, CONFIGURED, hsp_trials_begin},
    {"retry", true, CONFIGURED, hsp_selection_retry},
    {"drop", true, ANY_ENDPOINT, hsp_selection_drop},
    {"move", true, ANY_ENDPOINT, hsp_selection_move},
};

static const struct verb *find_verb(const char *name) {
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

void hsp_errand_begin(struct hsp_flusher *flusher, struct hsp_errand *errand) {
    const struct verb *verb = find_verb(hsp_errand_text(errand, "verb"));
    const char *name = hsp_errand_text(errand, "endpoint");
    errand->endpoint = hsp_flusher_find(flusher, name);
    if (verb == NULL)
        hsp_errand_refuse(errand, "unknown verb");
    else if (verb->changes && !errand->trusted)
        hsp_errand_refuse(errand,
                          "only root and the user of hookspoold may change things");
    else if (verb->needs != NO_ENDPOINT && errand->endpoint == NULL)
        hsp_errand_refuse(errand, "no such endpoint: '%s'", name);
    else if (verb->needs == CONFIGURED && errand->endpoint->settings == NULL)
        hsp_errand_refuse(errand, "no such endpoint in the configuration: '%s'", name);
    else
        verb->run(flusher, errand);
}
