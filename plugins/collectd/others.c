/* SPDX-License-Identifier: MIT */
/* Series that are DOWN by what notifications said. One that comes from the state file
 * waits for its first notification: that of the same status only says what is known, for
 * collectd tells everything anew after a start. */
#include "config.h"

#include "error.h"
#include "others.h"
#include "watcher.h"

#include <stdlib.h>
#include <string.h>

struct other {
    struct hsp_monitor monitor;
    bool restored; /* from the state file, and not confirmed yet */
};

static const struct hsp_monitor_rules rules = {
    .failures = 1, .successes = 1, .every = true};

bool hsp_others_load(struct hsp_others *others, const char *key, const char *text) {
    const struct hsp_clock now = hsp_clock_now();
    if (strncmp(key, HSP_OTHERS_PREFIX, strlen(HSP_OTHERS_PREFIX)) != 0)
        return false;
    struct other *other = calloc(1, sizeof(*other));
    if (other == NULL)
        return true;
    other->restored = true;
    hsp_monitor_start(&other->monitor, &now);
    if (!hsp_monitor_load(&other->monitor, text, &now) ||
        other->monitor.state != HS_STATE_DOWN ||
        !hsp_table_put(&others->down, key, other)) {
        free(other);
        return false;
    }
    return true;
}

static enum hs_state state_of(const struct hsp_others *others,
                              enum hsp_severity severity) {
    static const enum hs_state states[] = {HS_STATE_UP, HS_STATE_NONE, HS_STATE_DOWN};
    const enum hs_state state = states[severity];
    return state == HS_STATE_NONE ? others->warning_is : state;
}

/* An UP of a series that is not DOWN: recorded, if it was asked for, and never sent. */
static enum hs_status tell_unchanged(struct hsp_others *others,
                                     const struct hsp_note *note,
                                     const struct hsp_clock *now, uint64_t *ticket,
                                     struct hs_error *err) {
    const struct hsp_edge edge = {.kind = HS_KIND_UNCHANGED,
                                  .state = HS_STATE_UP,
                                  .previous = HS_STATE_UP,
                                  .level = 1,
                                  .time_s = hsp_sane_time_s(note->time_us, now)};
    const struct hsp_alert alert = {.host = note->series.parts[HSP_HOST],
                                    .region = others->region,
                                    .edge = &edge,
                                    .note = note};
    if (note->severity < others->min_severity)
        return HS_OK;
    return hsp_alert_send(others->outbox, &alert, NULL, NULL, NULL, ticket, err);
}

/* The status after the notification, and its event. `kept` is what was known. */
static enum hs_status tell(struct hsp_others *others, const struct hsp_note *note,
                           const char *key, struct hsp_monitor *monitor,
                           const struct hsp_clock *now, uint64_t *ticket,
                           struct hs_error *err) {
    const enum hs_state state = state_of(others, note->severity);
    const struct hsp_sample sample = {state == HS_STATE_UP ? HSP_GOOD : HSP_BAD,
                                      note->time_us, false};
    struct hsp_edge edge = {0};
    if (hsp_monitor_sample(monitor, &rules, &sample, now, &edge) != HSP_SEND)
        return HS_OK;
    const struct hsp_alert alert = {.host = note->series.parts[HSP_HOST],
                                    .region = others->region,
                                    .edge = &edge,
                                    .message = note->message,
                                    .note = note};
    const bool down = edge.state == HS_STATE_DOWN;
    return hsp_alert_send(others->outbox, &alert, key, down ? monitor : NULL, NULL,
                          ticket, err);
}

/* With the lock held, of a series that has not been DOWN. */
static enum hs_status first_down(struct hsp_others *others, const struct hsp_note *note,
                                 const char *key, const struct hsp_clock *now,
                                 uint64_t *ticket, struct hs_error *err) {
    if (note->severity < others->min_severity)
        return HS_OK;
    struct other *other = calloc(1, sizeof(*other));
    if (other == NULL)
        return hsp_fail(err, HS_E_NOMEM, "remember series: out of memory");
    hsp_monitor_start(&other->monitor, now);
    /* Beyond the limit it is not remembered, and its end will be passed over. */
    const bool fits = others->down.count < HSP_OTHERS_MAX;
    const enum hs_status status =
        tell(others, note, fits ? key : NULL, &other->monitor, now, ticket, err);
    if (status != HS_OK || !fits || !hsp_table_put(&others->down, key, other))
        free(other);
    return status;
}

static enum hs_status next(struct hsp_others *others, const struct hsp_note *note,
                           const char *key, struct other *other,
                           const struct hsp_clock *now, uint64_t *ticket,
                           struct hs_error *err) {
    const bool up = state_of(others, note->severity) == HS_STATE_UP;
    const struct hsp_monitor before = other->monitor;
    if (!up && (other->restored || note->severity < others->min_severity)) {
        other->restored = false;
        return HS_OK;
    }
    const enum hs_status status =
        tell(others, note, key, &other->monitor, now, ticket, err);
    if (status != HS_OK)
        other->monitor = before;
    else if (up)
        free(hsp_table_remove(&others->down, key));
    return status;
}

enum hs_status hsp_others_note(struct hsp_others *others, const struct hsp_note *note,
                               const struct hsp_clock *now, uint64_t *ticket,
                               struct hs_error *err) {
    struct hsp_buffer key = {0};
    enum hs_status status = HS_OK;
    hsp_buffer_append(&key, HSP_OTHERS_PREFIX, strlen(HSP_OTHERS_PREFIX));
    hsp_series_print(&note->series, &key);
    if (key.failed) {
        hsp_buffer_free(&key);
        return hsp_fail(err, HS_E_NOMEM, "remember series: out of memory");
    }
    pthread_mutex_lock(&others->lock);
    struct other *other = hsp_table_get(&others->down, key.data);
    if (other != NULL)
        status = next(others, note, key.data, other, now, ticket, err);
    else if (state_of(others, note->severity) == HS_STATE_UP)
        status = tell_unchanged(others, note, now, ticket, err);
    else
        status = first_down(others, note, key.data, now, ticket, err);
    pthread_mutex_unlock(&others->lock);
    hsp_buffer_free(&key);
    return status;
}

void hsp_others_free(struct hsp_others *others) { hsp_table_free(&others->down, free); }
