/* SPDX-License-Identifier: MIT */
/* From samples to events, for one Monitor on one host. The event is handed to the outbox
 * while the Monitor's lock is held, so the order of events is that of the decisions; what
 * the outbox does not take is decided again with the next sample. */
#include "config.h"

#include "subject.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX 320

char *hsp_subject_key(const struct hsp_watch *watch, const char *host) {
    char *key = NULL;
    return asprintf(&key, HSP_SUBJECT_PREFIX "%s\t%s", watch->label, host) < 0 ? NULL
                                                                               : key;
}

void hsp_subject_free(void *value) {
    struct hsp_subject *subject = value;
    if (subject == NULL)
        return;
    free(subject->host);
    free(subject->key);
    free(subject);
}

struct hsp_subject *hsp_subject_new(struct hsp_shared *shared,
                                    const struct hsp_watch *watch, pthread_mutex_t *lock,
                                    const char *host, const char *text) {
    const struct hsp_clock now = hsp_clock_now();
    struct hsp_subject *subject = calloc(1, sizeof(*subject));
    if (subject == NULL)
        return NULL;
    subject->shared = shared;
    subject->watch = watch;
    subject->lock = lock;
    subject->interval_us = shared->interval_us;
    subject->host = strdup(host);
    subject->key = hsp_subject_key(watch, host);
    hsp_monitor_start(&subject->monitor, &now);
    /* A text that is none is as if there were none. */
    const bool known = text != NULL && hsp_monitor_load(&subject->monitor, text, &now);
    (void)known;
    if (subject->host == NULL || subject->key == NULL) {
        hsp_subject_free(subject);
        return NULL;
    }
    return subject;
}

static struct hsp_monitor_rules rules_of(const struct hsp_subject *subject) {
    const struct hsp_watch *watch = subject->watch;
    struct hsp_monitor_rules rules = watch->rules;
    if (!watch->timeout_is_given)
        rules.timeout_us =
            watch->by_notifications ? 0 : HSP_INTERVALS_A_TIMEOUT * subject->interval_us;
    if (subject->done)
        rules.timeout_us = rules.repeat_us = 0;
    return rules;
}

/* Carry out what a step came to; the monitor is as `before` where it cannot be, so that
 * the next sample tries again. */
static uint64_t follow(struct hsp_subject *subject, enum hsp_step step,
                       const struct hsp_monitor *before, struct hsp_alert *alert,
                       bool wants_feeds) {
    struct hsp_shared *shared = subject->shared;
    uint64_t ticket = 0;
    enum hs_status status = HS_OK;
    if (step == HSP_SEND) {
        alert->watch = subject->watch;
        alert->host = subject->host;
        alert->region = shared->region;
        status = hsp_alert_send(shared->outbox, alert, subject->key, &subject->monitor,
                                wants_feeds ? subject : NULL, &ticket, NULL);
    } else if (step == HSP_REMEMBER) {
        char text[HSP_MONITOR_TEXT_MAX];
        hsp_monitor_save(&subject->monitor, text);
        const struct hsp_outgoing outgoing = {.key = subject->key, .value = text};
        status = hsp_outbox_add(shared->outbox, &outgoing, NULL, NULL);
    }
    if (status != HS_OK) {
        subject->monitor = *before;
        shared->refused += step == HSP_SEND;
    }
    return ticket;
}

void hsp_subject_end(struct hsp_subject *subject, const struct hsp_clock *now) {
    const struct hsp_monitor before = subject->monitor;
    const struct hsp_monitor_rules rules = {.failures = 1, .successes = 1};
    const struct hsp_sample sample = {HSP_GOOD, now->wall_us, false};
    struct hsp_edge edge;
    struct hsp_alert alert = {.edge = &edge};
    if (subject->done)
        return;
    const enum hsp_step step =
        hsp_monitor_sample(&subject->monitor, &rules, &sample, now, &edge);
    if (step == HSP_SEND)
        follow(subject, step, &before, &alert, false);
    subject->done = subject->monitor.state == HS_STATE_UP;
}

/* Values */

/* Which data source decides: the first bad one, else the first; false: none is meant. */
static bool judge(const struct hsp_watch *watch, const struct hsp_reading *reading,
                  size_t *source, enum hsp_verdict *verdict) {
    bool any = false;
    *verdict = HSP_GOOD;
    for (size_t i = 0; i < reading->count && *verdict == HSP_GOOD; i++) {
        if (watch->data_source != NULL &&
            strcmp(watch->data_source, reading->names[i]) != 0)
            continue;
        const bool bad = !hsp_limits_hold(&watch->limits, reading->values[i]);
        if (!any || bad)
            *source = i;
        *verdict = bad ? HSP_BAD : HSP_GOOD;
        any = true;
    }
    return any;
}

bool hsp_subject_value(struct hsp_subject *subject, const struct hsp_reading *reading,
                       const struct hsp_clock *now) {
    const struct hsp_watch *watch = subject->watch;
    const struct hsp_monitor before = subject->monitor;
    struct hsp_sample sample = {HSP_GOOD, reading->time_us, true};
    char message[MESSAGE_MAX];
    struct hsp_edge edge;
    struct hsp_alert alert = {.edge = &edge, .message = message, .reading = reading};
    if (!judge(watch, reading, &alert.source, &sample.verdict))
        return false;
    if (reading->interval_us > 0)
        subject->interval_us = reading->interval_us;
    const struct hsp_monitor_rules rules = rules_of(subject);
    const enum hsp_step step =
        hsp_monitor_sample(&subject->monitor, &rules, &sample, now, &edge);
    hsp_limits_explain(&watch->limits, reading->values[alert.source], message,
                       sizeof(message));
    if (step == HSP_SEND)
        subject->edge_us = reading->time_us;
    follow(subject, step, &before, &alert,
           watch->feeds[HSP_RESPONSE_TIME].wanted ||
               watch->feeds[HSP_STATUS_CODE].wanted);
    return true;
}

void hsp_subject_feed(struct hsp_subject *subject, enum hsp_feed_kind feed,
                      const struct hsp_reading *reading, const struct hsp_clock *now) {
    /* After one of the future any is newer, or all later ones would come too late. */
    const int64_t last_us = subject->feeds[feed].time_us;
    if (reading->count == 0 || (reading->time_us <= last_us && last_us <= now->wall_us))
        return;
    subject->feeds[feed].known = true;
    subject->feeds[feed].value = reading->values[0];
    subject->feeds[feed].time_us = reading->time_us;
    subject->feeds[feed].is_ms = strcmp(reading->series.parts[HSP_TYPE], "ping") == 0;
}

/* What `feed` had to say about the sample of the last edge. Where the writers are quicker
 * with the value than with its sibling, that is the one before, and not yet `fresh`. */
static bool feed_number(const struct hsp_subject *subject, int feed, bool last,
                        double *number) {
    const struct hsp_feed *wanted = &subject->watch->feeds[feed];
    const int64_t apart_us = llabs(subject->feeds[feed].time_us - subject->edge_us);
    const bool fresh =
        subject->feeds[feed].known &&
        (subject->interval_us <= 0 ||
         (last ? apart_us < subject->interval_us : 2 * apart_us < subject->interval_us));
    *number = NAN;
    if (fresh && wanted->factor > 0)
        *number = subject->feeds[feed].value * wanted->factor;
    else if (fresh)
        *number = subject->feeds[feed].value *
                  (feed == HSP_RESPONSE_TIME && !subject->feeds[feed].is_ms ? 1000 : 1);
    return fresh;
}

bool hsp_subject_finish(struct hsp_subject *subject, struct hs_event *event, bool last) {
    static const enum hs_number which[] = {HS_NUMBER_RESPONSE_TIME_MS,
                                           HS_NUMBER_STATUS_CODE};
    bool ready = true;
    pthread_mutex_lock(subject->lock);
    for (int i = 0; i < HSP_FEEDS; i++) {
        double number;
        if (!subject->watch->feeds[i].wanted)
            continue;
        ready = feed_number(subject, i, last, &number) && ready;
        /* Not a number, or out of range: null. */
        if (number >= 0 && number < 9e15 &&
            hs_event_set_number(event, which[i], llround(number), NULL) != HS_OK)
            continue;
    }
    pthread_mutex_unlock(subject->lock);
    return ready;
}

/* Notifications */

uint64_t hsp_subject_note(struct hsp_subject *subject, const struct hsp_note *note,
                          const struct hsp_clock *now) {
    const struct hsp_watch *watch = subject->watch;
    const struct hsp_monitor before = subject->monitor;
    const struct hsp_monitor_rules rules = rules_of(subject);
    const enum hs_state warning_is = watch->warning_is != HS_STATE_NONE
                                         ? watch->warning_is
                                         : subject->shared->warning_is;
    const bool bad = note->severity == HSP_FAILURE ||
                     (note->severity == HSP_WARNING && warning_is == HS_STATE_DOWN);
    const struct hsp_sample sample = {bad ? HSP_BAD : HSP_GOOD, note->time_us, false};
    struct hsp_edge edge;
    struct hsp_alert alert = {.edge = &edge, .message = note->message, .note = note};
    const enum hsp_step step =
        hsp_monitor_sample(&subject->monitor, &rules, &sample, now, &edge);
    return follow(subject, step, &before, &alert, false);
}

/* Time */

void hsp_subject_tick(struct hsp_subject *subject, const struct hsp_clock *now,
                      int64_t pause_us) {
    char message[MESSAGE_MAX];
    struct hsp_edge edge;
    struct hsp_alert alert = {.edge = &edge, .message = message};
    if (pause_us > 0)
        hsp_monitor_excuse(&subject->monitor, pause_us, now);
    const struct hsp_monitor before = subject->monitor;
    const struct hsp_monitor_rules rules = rules_of(subject);
    const enum hsp_step step = hsp_monitor_tick(&subject->monitor, &rules, now, &edge);
    if (step == HSP_NOTHING)
        return;
    const char *what = subject->watch->by_notifications ? "notification" : "value";
    const double seconds = (double)edge.silent_us / 1e6;
    if (!edge.overdue)
        snprintf(message, sizeof(message), "still down");
    else
        snprintf(message, sizeof(message), "no %s for %.*f s%s", what, seconds < 10,
                 seconds, edge.never ? ", since the start" : "");
    follow(subject, step, &before, &alert, false);
}
