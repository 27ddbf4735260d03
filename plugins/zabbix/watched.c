/* SPDX-License-Identifier: MIT */
/* Items by their tags. */
#include "config.h"

#include "error.h"
#include "id.h"
#include "json.h"
#include "told.h"
#include "watched.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXTRA_AGE_S 300 /* between a value and the one that decided */
#define EXTRA_KEY_MAX 1100

/* The monitor
 * ------------------------------------------------------------------------------------ */

struct hsp_watched *hsp_watched_new(const char *kept, const struct hsp_clock *now) {
    struct hsp_watched *watched = calloc(1, sizeof(*watched));
    if (watched == NULL)
        return NULL;
    hsp_criteria_init(&watched->criteria);
    hsp_monitor_start(&watched->monitor, now);
    const char *rest = kept == NULL ? NULL : strchr(kept, ';');
    if (rest != NULL && rest - kept < HSP_MONITOR_TEXT_MAX) {
        char text[HSP_MONITOR_TEXT_MAX];
        snprintf(text, sizeof(text), "%.*s", (int)(rest - kept), kept);
        if (hsp_monitor_load(&watched->monitor, text, now) &&
            sscanf(rest, ";%" SCNd64 " %" SCNd64, &watched->monitor.successes,
                   &watched->last_ns) != 2)
            watched->monitor.successes = watched->last_ns = 0;
    }
    return watched;
}

void hsp_watched_free(struct hsp_watched *watched) {
    if (watched == NULL)
        return;
    hsp_criteria_free(&watched->criteria);
    hsp_line_free(&watched->last);
    free(watched);
}

void hsp_watched_save(const struct hsp_watched *watched,
                      char text[HSP_WATCHED_TEXT_MAX]) {
    hsp_monitor_save(&watched->monitor, text);
    const size_t length = strlen(text);
    snprintf(text + length, HSP_WATCHED_TEXT_MAX - length, ";%" PRId64 " %" PRId64,
             watched->monitor.successes, watched->last_ns);
}

bool hsp_watched_differs(const struct hsp_watched *watched,
                         const struct hsp_monitor *before) {
    const struct hsp_monitor *now = &watched->monitor;
    return now->state != before->state || now->failures != before->failures ||
           now->successes != before->successes || now->level != before->level ||
           now->edge_s != before->edge_s || now->notified_s != before->notified_s;
}

/* Tags
 * ------------------------------------------------------------------------------------ */

static enum hs_status read_tags(struct hsp_watched *watched, const struct hsp_line *line,
                                struct hs_error *err) {
    const char *name, *value;
    const size_t prefix = strlen(HSP_TAG);
    enum hs_status status = HS_OK;
    for (size_t i = 0; status == HS_OK && hsp_line_tag(line, i, &name, &value); i++)
        if (strncmp(name, HSP_TAG, prefix) == 0 && hsp_criteria_has(name + prefix))
            status = hsp_criteria_set(&watched->criteria, name + prefix, value, err);
    if (status == HS_OK && !watched->criteria.has_up)
        status = hsp_fail(err, HS_E_DATA,
                          "it has the tag webhook.monitor but no webhook.up, which says "
                          "when it is up: left out");
    return status;
}

enum hs_status hsp_watched_update(struct hsp_watched *watched,
                                  const struct hsp_line *line, struct hs_error *err) {
    struct hs_error own = {0};
    size_t length = 0;
    const char *text = hsp_json_text(line->tags, &length);
    if (text == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read tags: out of memory");
    const uint64_t hash = hsp_hash(text, length);
    if (hash == watched->tags_hash)
        return HS_OK;
    hsp_criteria_free(&watched->criteria);
    hsp_line_free(&watched->last);
    const enum hs_status status = read_tags(watched, line, &own);
    watched->usable = status == HS_OK;
    if (status != HS_E_NOMEM)
        watched->tags_hash = hash;
    return status == HS_OK ? HS_OK : hsp_fail(err, status, "%s", own.text);
}

void hsp_watched_remember(struct hsp_watched *watched, const struct hsp_line *line) {
    if (watched->criteria.rules.repeat_us == 0)
        return;
    hsp_line_free(&watched->last);
    watched->last = *line;
    watched->last.root = json_object_get(line->root);
}

struct hsp_worth hsp_watched_worth(const struct hsp_line *line) {
    struct hsp_worth worth = {.number = NAN};
    if (json_object_is_type(line->value, json_type_string))
        worth.text = json_object_get_string(line->value);
    else if (json_object_is_type(line->value, json_type_int) ||
             json_object_is_type(line->value, json_type_double))
        worth.number = json_object_get_double(line->value);
    else
        worth.text = "";
    return worth;
}

/* Extras
 * ------------------------------------------------------------------------------------ */

struct extra {
    double number;
    int64_t clock;
};

static const struct extra_kind {
    const char *tag;
    enum hs_number which;
    double factor; /* where there is no webhook.factor */
} kinds[] = {
    {HSP_TAG "response_time", HS_NUMBER_RESPONSE_TIME_MS, 1000},
    {HSP_TAG "status_code", HS_NUMBER_STATUS_CODE, 1},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* A line end is in no host's name. */
static void make_key(char key[EXTRA_KEY_MAX], const struct extra_kind *kind,
                     const char *host, const char *monitor) {
    snprintf(key, EXTRA_KEY_MAX, "%s\n%s\n%s", kind->tag, host, monitor);
}

static bool read_number(const struct hsp_line *line, double *number) {
    const struct hsp_worth worth = hsp_watched_worth(line);
    if (worth.text != NULL)
        return hsp_parse_decimal(worth.text, number);
    *number = worth.number;
    return isfinite(*number);
}

static enum hs_status take_one(struct hsp_extras *extras, const struct hsp_line *line,
                               const struct extra_kind *kind, const char *monitor,
                               struct hs_error *err) {
    char key[EXTRA_KEY_MAX];
    double number = 0, factor = 0;
    const char *scale = hsp_line_tag_value(line, HSP_TAG "factor");
    if (!read_number(line, &number))
        return HS_OK;
    if (scale == NULL || !hsp_parse_decimal(scale, &factor))
        factor = kind->factor;
    make_key(key, kind, line->host, monitor);
    struct extra *extra = hsp_table_get(&extras->values, key);
    if (extra == NULL) {
        if (extras->values.count >= HSP_EXTRAS_MAX)
            return HS_OK;
        extra = calloc(1, sizeof(*extra));
        if (extra == NULL || !hsp_table_put(&extras->values, key, extra)) {
            free(extra);
            return hsp_fail(err, HS_E_NOMEM, "keep value: out of memory");
        }
    }
    *extra = (struct extra){number * factor, line->clock};
    return HS_OK;
}

enum hs_status hsp_extras_take(struct hsp_extras *extras, const struct hsp_line *line,
                               struct hs_error *err) {
    enum hs_status status = HS_OK;
    for (size_t i = 0; i < KINDS && status == HS_OK; i++) {
        const char *monitor = hsp_line_tag_value(line, kinds[i].tag);
        if (monitor != NULL)
            status = take_one(extras, line, &kinds[i], monitor, err);
    }
    return status;
}

void hsp_extras_fill(const struct hsp_extras *extras, struct hs_event *event,
                     const struct hsp_line *line) {
    char key[EXTRA_KEY_MAX];
    const char *monitor = hsp_line_tag_value(line, HSP_TAG_MONITOR);
    for (size_t i = 0; i < KINDS && monitor != NULL; i++) {
        make_key(key, &kinds[i], line->host, monitor);
        const struct extra *extra = hsp_table_get(&extras->values, key);
        if (extra != NULL && llabs(extra->clock - line->clock) <= EXTRA_AGE_S &&
            extra->number >= 0 && extra->number < 1e15)
            hsp_told_number(event, kinds[i].which, (int64_t)llround(extra->number));
    }
}

void hsp_extras_free(struct hsp_extras *extras) { hsp_table_free(&extras->values, free); }
