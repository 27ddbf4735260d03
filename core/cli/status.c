/* SPDX-License-Identifier: MIT */
/* hookspool status: what waits, where, and why. */
#include "config.h"

#include "cli.h"

#include "../delivery/spooldir.h"
#include "../error.h"
#include "../units.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_MAX (64 * 1024 * 1024)

static bool as_json;

static const char *text_of(json_object *object, const char *key) {
    json_object *value = NULL;
    json_object_object_get_ex(object, key, &value);
    return value != NULL ? json_object_get_string(value) : "-";
}

/* "2026-01-15T10:30:15.000Z" as "10m 5s ago" or "in 3s". */
static const char *relative(const char *time, char text[32]) {
    char seconds_only[HSP_TIME_LENGTH + 1];
    int64_t at_s;
    snprintf(seconds_only, sizeof seconds_only, "%.19sZ", time);
    if (!hsp_parse_time(seconds_only, &at_s))
        return "-";
    int64_t ago_s = hsp_now_ms(CLOCK_REALTIME) / 1000 - at_s;
    int64_t s = ago_s < 0 ? -ago_s : ago_s;
    if (s < 60)
        snprintf(text, 32, "%" PRId64 "s", s);
    else if (s < 3600)
        snprintf(text, 32, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
    else
        snprintf(text, 32, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
    return text;
}

static void print_endpoint(const char *name, json_object *endpoint) {
    char oldest[32], next[32], rate[48];
    snprintf(rate, sizeof rate, "%s/%s", text_of(endpoint, "rate_used"),
             text_of(endpoint, "rate_limit"));
    printf("%-20s %-14s %8s %8s %8s %8s %8s %9s %8s  %s\n", name,
           text_of(endpoint, "state"), text_of(endpoint, "pending"),
           relative(text_of(endpoint, "oldest_at"), oldest), text_of(endpoint, "sent"),
           text_of(endpoint, "failed"), text_of(endpoint, "dead"), rate,
           relative(text_of(endpoint, "next_attempt_at"), next),
           text_of(endpoint, "last_error"));
}

static void print_status(json_object *status, const char *spool, bool served) {
    char since[32];
    printf("%s: hookspoold %s, status of %s ago\n", spool,
           served ? "is running" : "is NOT RUNNING",
           relative(text_of(status, "updated_at"), since));
    printf("incoming %s, corrupt %s, space %s\n\n", text_of(status, "incoming"),
           text_of(status, "corrupt"), text_of(status, "space"));
    printf("%-20s %-14s %8s %8s %8s %8s %8s %9s %8s  %s\n", "ENDPOINT", "STATE",
           "PENDING", "OLDEST", "SENT", "FAILED", "DEAD", "RATE", "NEXT", "LAST ERROR");
    json_object *endpoints = NULL;
    if (!json_object_object_get_ex(status, "endpoints", &endpoints))
        return;
    json_object_object_foreach(endpoints, name, endpoint) print_endpoint(name, endpoint);
}

static json_object *read_status(const char *spool, struct hs_error *err) {
    char path[PATH_MAX];
    size_t length = 0;
    snprintf(path, sizeof path, "%s/status.json", spool);
    char *text = hsp_read_file(AT_FDCWD, path, STATUS_MAX, &length, NULL);
    if (text == NULL) {
        hsp_fail_errno(err, HS_E_SPOOL, "no hookspoold runs on %s; read %s", spool, path);
        return NULL;
    }
    json_object *status = hsp_json_parse(text, strcspn(text, "\n"), err);
    free(text);
    return status;
}

/* From the daemon where one runs, else what it wrote last. The caller's. */
static json_object *get_status(const char *spool, bool served, struct hs_error *err) {
    if (!served)
        return read_status(spool, err);
    json_object *request = json_object_new_object(), *answer = NULL, *status = NULL;
    json_object_object_add(request, "verb", json_object_new_string("status"));
    if (hsp_cli_ask(spool, request, &answer, err) == HS_OK &&
        json_object_object_get_ex(answer, "status", &status))
        json_object_get(status);
    json_object_put(answer);
    json_object_put(request);
    return status;
}

static int do_status(const struct hsp_cli *cli) {
    struct hs_error err = {0};
    char *spool = hsp_cli_find_spool(cli, &err);
    if (spool == NULL)
        return hsp_cli_complain(cli, &err);
    bool served = hsp_spooldir_is_served(spool);
    json_object *status = get_status(spool, served, &err);
    if (status != NULL && as_json)
        puts(hsp_json_text(status, &(size_t){0}));
    else if (status != NULL)
        print_status(status, spool, served);
    free(spool);
    if (status == NULL)
        return hsp_cli_complain(cli, &err);
    json_object_put(status);
    return served ? 0 : HSP_EXIT_PARTLY;
}

static const struct hsp_option options[] = {
    {'\0', "json", NULL, "for machines", HSP_OPTION_FLAG, &as_json},
    {.name = NULL},
};

const struct hsp_verb hsp_verb_status = {
    "status", "", 0, 0, "what waits, where, and why", do_status, options};
