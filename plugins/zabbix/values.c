/* SPDX-License-Identifier: MIT */
/* Values to edges. Values of one item may come out of several files, so those that are
 * older than the last one count for nothing; of a second they are told apart by their
 * nanoseconds. What is kept of a monitor is kept whenever it changed, so that a restart
 * between two failures counts on. */
#include "config.h"

#include "criteria.h"
#include "error.h"
#include "id.h"
#include "json.h"
#include "told.h"
#include "values.h"
#include "watched.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX 40
#define PREFIX "item "
#define SECOND_NS INT64_C(1000000000)

struct hsp_values {
    struct hsp_courier *courier;
    const struct hs_config *config;
    struct hsp_table items; /* struct hsp_watched, by the item's number */
    struct hsp_extras extras;
    int64_t repeat_us; /* the shortest of all items; 0: none */
    bool told_full;
};

static void say(const struct hsp_values *values, const struct hsp_line *line,
                const char *what) {
    const struct hsp_outbox_options *options = values->courier->options;
    char text[700];
    snprintf(text, sizeof(text), "item %" PRIu64 " (%.100s, %.100s): %s", line->itemid,
             line->host, line->name, what);
    options->log(options->context, HSP_OUTBOX_WARNING, text);
}

static enum hs_status keep(const struct hsp_values *values,
                           const struct hsp_watched *watched, uint64_t itemid,
                           struct hs_error *err) {
    char key[KEY_MAX], text[HSP_WATCHED_TEXT_MAX];
    snprintf(key, sizeof(key), PREFIX "%" PRIu64, itemid);
    hsp_watched_save(watched, text);
    return hsp_statefile_set(values->courier->state, key, text, err);
}

/* Items
 * ------------------------------------------------------------------------------------ */

static enum hs_status add(struct hsp_values *values, const struct hsp_line *line,
                          const char *key, struct hsp_watched **found,
                          struct hs_error *err) {
    const struct hsp_clock now = hsp_clock_now();
    char state_key[KEY_MAX + sizeof(PREFIX)];
    if (values->items.count >= HSP_VALUES_MAX) {
        if (!values->told_full)
            say(values, line,
                "too many items: this one, and perhaps others, are left "
                "out");
        values->told_full = true;
        *found = NULL;
        return HS_OK;
    }
    snprintf(state_key, sizeof(state_key), PREFIX "%s", key);
    struct hsp_watched *made =
        hsp_watched_new(hsp_statefile_get(values->courier->state, state_key), &now);
    if (made == NULL || !hsp_table_put(&values->items, key, made)) {
        hsp_watched_free(made);
        return hsp_fail(err, HS_E_NOMEM, "watch item: out of memory");
    }
    *found = made;
    return HS_OK;
}

/* The item of a line, with what its tags say now. NULL: there is nothing to do. */
static enum hs_status find(struct hsp_values *values, const struct hsp_line *line,
                           struct hsp_watched **found, struct hs_error *err) {
    char key[KEY_MAX];
    struct hs_error own = {0};
    enum hs_status status = HS_OK;
    snprintf(key, sizeof(key), "%" PRIu64, line->itemid);
    *found = hsp_table_get(&values->items, key);
    if (*found == NULL)
        status = add(values, line, key, found, err);
    if (status != HS_OK || *found == NULL)
        return status;
    status = hsp_watched_update(*found, line, &own);
    if (status == HS_E_NOMEM)
        return hsp_fail(err, status, "%s", own.text);
    if (status == HS_E_DATA)
        say(values, line, own.text);
    if (!(*found)->usable)
        *found = NULL;
    else if ((*found)->criteria.rules.repeat_us > 0 &&
             (values->repeat_us == 0 ||
              (*found)->criteria.rules.repeat_us < values->repeat_us))
        values->repeat_us = (*found)->criteria.rules.repeat_us;
    return HS_OK;
}

/* Events
 * ------------------------------------------------------------------------------------ */

static enum hs_status fill(const struct hsp_values *values, struct hs_event *event,
                           const struct hsp_line *line, const struct hsp_edge *edge,
                           struct hs_error *err) {
    char number[24];
    hsp_told_number(event, HS_NUMBER_CONSECUTIVE_FAILURES, edge->failures);
    hsp_told_number(event, HS_NUMBER_NOTIFICATION_LEVEL, edge->level);
    hsp_extras_fill(&values->extras, event, line);
    snprintf(number, sizeof(number), "%" PRIu64, line->itemid);
    enum hs_status status = hsp_told_detail(event, "item_id", number, err);
    if (status == HS_OK)
        status = hsp_told_detail(event, "item_name", line->name, err);
    if (status == HS_OK)
        status =
            hsp_told_detail(event, "value", json_object_get_string(line->value), err);
    return status;
}

static enum hs_status tell(const struct hsp_values *values,
                           const struct hsp_watched *watched, const struct hsp_line *line,
                           const struct hsp_edge *edge, struct hs_error *err) {
    char seed[256], message[512];
    struct hs_event *event = NULL;
    const struct hsp_worth worth = hsp_watched_worth(line);
    snprintf(seed, sizeof(seed),
             "item %" PRIu64 " %" PRId64 " %" PRId64 " %s %" PRId64 " %" PRId64 " %.100s",
             line->itemid, line->clock, line->ns, hs_kind_text(edge->kind),
             edge->failures, edge->level, hs_config_site(values->config));
    hsp_rule_explain(&watched->criteria.up, &worth, message, sizeof(message));
    const char *monitor = hsp_line_tag_value(line, HSP_TAG_MONITOR);
    const struct hsp_told told = {
        .line = line,
        .kind = edge->kind,
        .previous = edge->previous,
        .service = *monitor == '\0' ? line->name : monitor,
        .message = edge->kind == HS_KIND_RECOVERY ? NULL : message,
        .seed = seed,
        .made_s = line->clock,
        .time_s = edge->time_s,
        .sequence = (uint64_t)line->ns,
    };
    enum hs_status status = hsp_told_event(&event, &told, err);
    if (status == HS_OK)
        status = fill(values, event, line, edge, err);
    if (status == HS_OK)
        status = hsp_courier_enter(values->courier, &event, NULL, NULL);
    hs_event_free(event);
    if (status == HS_E_NOMEM)
        return hsp_fail(err, status, "enter event: out of memory");
    return status == HS_E_DATA ? HS_OK : status;
}

static enum hs_status watch(struct hsp_values *values, const struct hsp_line *line,
                            struct hs_error *err) {
    struct hsp_watched *watched = NULL;
    struct hsp_edge edge;
    enum hs_status status = find(values, line, &watched, err);
    if (status != HS_OK || watched == NULL)
        return status;
    const int64_t time_ns = line->clock * SECOND_NS + line->ns;
    if (time_ns < watched->last_ns)
        return HS_OK;
    watched->last_ns = time_ns;
    hsp_watched_remember(watched, line);
    const struct hsp_clock now = hsp_clock_now();
    const struct hsp_worth worth = hsp_watched_worth(line);
    const struct hsp_sample sample = {
        .verdict = hsp_rule_holds(&watched->criteria.up, &worth) ? HSP_GOOD : HSP_BAD,
        .time_us = time_ns / 1000,
    };
    const struct hsp_monitor before = watched->monitor;
    const enum hsp_step step = hsp_monitor_sample(
        &watched->monitor, &watched->criteria.rules, &sample, &now, &edge);
    if (hsp_watched_differs(watched, &before))
        status = keep(values, watched, line->itemid, err);
    return status == HS_OK && step == HSP_SEND ? tell(values, watched, line, &edge, err)
                                               : status;
}

enum hs_status hsp_values_line(struct hsp_values *values, const struct hsp_line *line,
                               struct hs_error *err) {
    const enum hs_status status = hsp_extras_take(&values->extras, line, err);
    return status == HS_OK && hsp_line_tag_value(line, HSP_TAG_MONITOR) != NULL
               ? watch(values, line, err)
               : status;
}

/* Repeating
 * ------------------------------------------------------------------------------------ */

struct ticking {
    struct hsp_values *values;
    struct hsp_clock now;
    enum hs_status status;
    struct hs_error *err;
};

static void tick_one(const char *key, void *value, void *context) {
    struct ticking *ticking = context;
    struct hsp_watched *watched = value;
    struct hsp_edge edge;
    (void)key;
    if (ticking->status != HS_OK || !watched->usable || watched->last.root == NULL ||
        hsp_monitor_tick(&watched->monitor, &watched->criteria.rules, &ticking->now,
                         &edge) != HSP_SEND)
        return;
    ticking->status = keep(ticking->values, watched, watched->last.itemid, ticking->err);
    if (ticking->status == HS_OK)
        ticking->status =
            tell(ticking->values, watched, &watched->last, &edge, ticking->err);
}

enum hs_status hsp_values_tick(struct hsp_values *values, struct hs_error *err) {
    struct ticking ticking = {.values = values, .now = hsp_clock_now(), .err = err};
    if (values->repeat_us > 0)
        hsp_table_walk(&values->items, tick_one, &ticking);
    return ticking.status;
}

/* Often enough for the shortest time, and seldom where none is DOWN is not worth it. */
int64_t hsp_values_idle_ms(const struct hsp_values *values) {
    const int64_t idle_ms = values->repeat_us / 4000;
    return values->repeat_us == 0 ? -1 : idle_ms < 60000 ? idle_ms : 60000;
}

/* Opening
 * ------------------------------------------------------------------------------------ */

enum hs_status hsp_values_open(struct hsp_values **values, struct hsp_courier *courier,
                               const struct hs_config *config, struct hs_error *err) {
    struct hsp_values *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return hsp_fail(err, HS_E_NOMEM, "watch items: out of memory");
    made->courier = courier;
    made->config = config;
    *values = made;
    return HS_OK;
}

static void free_watched(void *watched) { hsp_watched_free(watched); }

void hsp_values_close(struct hsp_values *values) {
    if (values == NULL)
        return;
    hsp_table_free(&values->items, free_watched);
    hsp_extras_free(&values->extras);
    free(values);
}
