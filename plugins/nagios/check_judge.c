/* SPDX-License-Identifier: MIT */
/* Every check is a step that adds what it finds. What comes from the status is cleaned
 * where it enters a text: "|" would begin performance data. */
#include "config.h"

#include "check_judge.h"

#include "text.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FULL_PERCENT 80      /* of max_queued and max_dead: events are given up soon */
#define LAST_ERROR_BYTES 120 /* of it that are told */

struct judging {
    struct hsp_result *result;
    const struct hsp_status *status;
    const struct hsp_thresholds *thresholds;
};

static void add(struct hsp_result *result, enum hsp_severity severity, const char *format,
                ...) HS_PRINTF(3, 4);

/* Findings stay sorted: the new one goes behind those that are as bad. */
static void add(struct hsp_result *result, enum hsp_severity severity, const char *format,
                ...) {
    if (result->count == result->capacity) {
        size_t capacity = result->capacity > 0 ? 2 * result->capacity : 16;
        struct hsp_finding *more =
            realloc(result->findings, capacity * sizeof *result->findings);
        if (more == NULL) {
            result->failed = true;
            return;
        }
        result->findings = more;
        result->capacity = capacity;
    }
    size_t place = result->count;
    while (place > 0 && result->findings[place - 1].severity < severity)
        place--;
    memmove(&result->findings[place + 1], &result->findings[place],
            (result->count - place) * sizeof *result->findings);
    result->count++;
    struct hsp_finding *finding = &result->findings[place];
    finding->severity = severity;
    va_list args;
    va_start(args, format);
    vsnprintf(finding->text, sizeof finding->text, format, args);
    va_end(args);
    for (char *at = finding->text; (at = strchr(at, '|')) != NULL;)
        *at = '/';
}

/* Metrics
 * --------------------------------------------------------------------------------- */

/* One value: its performance data, and how bad it is. `max` below 0: there is none. */
static enum hsp_severity measure(struct judging *judging, enum hsp_metric metric,
                                 const char *endpoint, double value, double max) {
    const struct hsp_range *warning = &judging->thresholds->warning[metric];
    const struct hsp_range *critical = &judging->thresholds->critical[metric];
    char texts[2][HSP_RANGE_LENGTH], limit[32] = "";
    if (max >= 0)
        snprintf(limit, sizeof limit, ";%.16g", max);
    struct hsp_buffer *out = &judging->result->perfdata;
    hsp_buffer_print(out, "%s'%s%s%s'=%.*f%s;%s;%s;0%s", out->length > 0 ? " " : "",
                     hsp_metric_name(metric), endpoint != NULL ? "_" : "",
                     endpoint != NULL ? endpoint : "",
                     metric == HSP_SPACE || metric == HSP_INODES ? 1 : 0, value,
                     hsp_metric_uom(metric), hsp_range_text(warning, texts[0]),
                     hsp_range_text(critical, texts[1]), limit);
    if (hsp_range_alerts(critical, value))
        return HSP_CRITICAL;
    return hsp_range_alerts(warning, value) ? HSP_WARNING : HSP_OKAY;
}

static double age_s(const struct judging *judging, int64_t at) {
    int64_t age_ms = at == HSP_NO_TIME ? 0 : judging->status->read_at - at;
    return age_ms > 0 ? (double)(age_ms / 1000) : 0;
}

static const char *span(double seconds, char text[HSP_SPAN_LENGTH]) {
    return hsp_span_text((int64_t)seconds * 1000, text);
}

/* Spool
 * ----------------------------------------------------------------------------------- */

static void judge_daemon(struct judging *judging) {
    const struct hsp_status *status = judging->status;
    struct hsp_result *result = judging->result;
    char seen[HSP_SPAN_LENGTH + 32] = "", waits[48] = "", text[HSP_SPAN_LENGTH];
    if (status->updated_at != HSP_NO_TIME && status->source == HSP_STATUS_FILE)
        snprintf(seen, sizeof seen, " (its last status is %s old)",
                 hsp_span_text(status->read_at - status->updated_at, text));
    if (status->incoming > 0)
        snprintf(waits, sizeof waits, ", incoming/ holds %" PRId64 " file%s",
                 status->incoming, hsp_plural(status->incoming));
    if (status->service != HSP_SERVED)
        add(result, HSP_CRITICAL, "hookspoold is not running%s%s", seen, waits);
    else if (status->silence.sys_errno == ETIMEDOUT)
        add(result, HSP_CRITICAL, "hookspoold hangs: it does not answer%s", seen);
    else if (status->source != HSP_STATUS_SOCKET)
        add(result, HSP_WARNING, "hookspoold runs, but cannot be asked: %s",
            status->silence.text);
    if (status->service == HSP_SERVED && status->is_short)
        add(result, HSP_CRITICAL, "hookspoold is short of space and holds events up");
    if (status->source != HSP_STATUS_NONE && status->endpoint_count == 0)
        add(result, HSP_WARNING, "no endpoint is configured: nothing is sent");
}

static void judge_incoming(struct judging *judging) {
    const struct hsp_status *status = judging->status;
    struct hsp_result *result = judging->result;
    char text[HSP_SPAN_LENGTH];
    if (status->incoming < 0) {
        add(result, HSP_WARNING, "incoming/ may not be listed");
        return;
    }
    enum hsp_severity bad =
        measure(judging, HSP_INCOMING, NULL, (double)status->incoming, -1);
    if (bad != HSP_OKAY)
        add(result, bad, "%" PRId64 " file%s in incoming/", status->incoming,
            hsp_plural(status->incoming));
    double age = age_s(judging, status->incoming_oldest_at);
    bad = measure(judging, HSP_INCOMING_AGE, NULL, age, -1);
    if (bad != HSP_OKAY)
        add(result, bad, "oldest file in incoming/ is %s old", span(age, text));
}

static void judge_spool(struct judging *judging) {
    const struct hsp_status *status = judging->status;
    struct hsp_result *result = judging->result;
    judge_incoming(judging);
    enum hsp_severity bad = HSP_OKAY;
    if (status->source != HSP_STATUS_NONE)
        bad = measure(judging, HSP_CORRUPT, NULL, (double)status->corrupt, -1);
    if (bad != HSP_OKAY)
        add(result, bad, "%" PRId64 " file%s set aside in corrupt/", status->corrupt,
            hsp_plural(status->corrupt));
    if (status->space_free >= 0) {
        bad = measure(judging, HSP_SPACE, NULL, status->space_free, 100);
        if (bad != HSP_OKAY)
            add(result, bad, "%.1f%% of space free", status->space_free);
    }
    if (status->inodes_free >= 0) {
        bad = measure(judging, HSP_INODES, NULL, status->inodes_free, 100);
        if (bad != HSP_OKAY)
            add(result, bad, "%.1f%% of inodes free", status->inodes_free);
    }
}

/* Endpoints
 * ------------------------------------------------------------------------------- */

static const struct state {
    const char *name;
    enum hsp_severity severity;
    const char *text;
    bool is_held; /* by a person: that its events wait is no news */
    bool tells_error;
} states[] = {
    {"ok", HSP_OKAY, "", false, false},
    {"backoff", HSP_WARNING, "fails and is probed", false, true},
    {"misconfigured", HSP_CRITICAL, "is misconfigured", false, true},
    {"gone", HSP_CRITICAL, "is gone (410)", false, false},
    {"paused", HSP_WARNING, "is paused", true, false},
    {"orphaned", HSP_WARNING, "is not in the configuration and has events", true, false},
};

/* Returns whether its events are held back by a person. */
static bool judge_state(struct judging *judging,
                        const struct hsp_endpoint_status *endpoint) {
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        const struct state *state = &states[i];
        if (strcmp(state->name, endpoint->state) != 0)
            continue;
        bool tells = state->tells_error && endpoint->last_error[0] != '\0';
        if (state->severity != HSP_OKAY)
            add(judging->result, state->severity, "%s %s%s%.*s", endpoint->name,
                state->text, tells ? ": " : "",
                tells ? (int)hsp_text_cut(endpoint->last_error,
                                          strlen(endpoint->last_error), LAST_ERROR_BYTES)
                      : 0,
                endpoint->last_error);
        return state->is_held;
    }
    add(judging->result, HSP_WARNING, "%s is %s", endpoint->name, endpoint->state);
    return false;
}

/* At its limits an endpoint's oldest events are given up. */
static void judge_limit(struct judging *judging, const char *name, const char *what,
                        const int64_t used[2], const int64_t limits[2]) {
    static const char *const units[] = {"", " bytes"};
    for (int i = 0; i < 2; i++) {
        double percent = limits[i] > 0 ? 100 * (double)used[i] / (double)limits[i] : 0;
        if (percent >= FULL_PERCENT) {
            add(judging->result, HSP_CRITICAL,
                "%s: %s %.0f%% full (%" PRId64 " of %" PRId64 "%s)", name, what, percent,
                used[i], limits[i], units[i]);
            return;
        }
    }
}

static void judge_numbers(struct judging *judging,
                          const struct hsp_endpoint_status *endpoint, bool is_held) {
    struct hsp_result *result = judging->result;
    const char *name = endpoint->name;
    char text[HSP_SPAN_LENGTH];
    double max = endpoint->max_queued > 0 ? (double)endpoint->max_queued : -1;
    double max_dead = endpoint->max_dead > 0 ? (double)endpoint->max_dead : -1;
    enum hsp_severity bad =
        measure(judging, HSP_PENDING, name, (double)endpoint->pending, max);
    if (bad != HSP_OKAY && !is_held)
        add(result, bad, "%s: %" PRId64 " pending", name, endpoint->pending);
    double age = age_s(judging, endpoint->oldest_at);
    bad = measure(judging, HSP_AGE, name, age, -1);
    if (bad != HSP_OKAY && !is_held)
        add(result, bad, "%s: oldest event waits for %s", name, span(age, text));
    bad = measure(judging, HSP_DEAD, name, (double)endpoint->dead, max_dead);
    if (bad != HSP_OKAY)
        add(result, bad, "%s: %" PRId64 " dead letter%s", name, endpoint->dead,
            hsp_plural(endpoint->dead));
    bad = measure(judging, HSP_SENT, name, (double)endpoint->sent, -1);
    if (bad != HSP_OKAY)
        add(result, bad, "%s: %" PRId64 " sent", name, endpoint->sent);
    bad = measure(judging, HSP_FAILED, name, (double)endpoint->failed, -1);
    if (bad != HSP_OKAY)
        add(result, bad, "%s: %" PRId64 " failed", name, endpoint->failed);
    if (endpoint->rate_limit <= 0)
        return;
    double rate = 100 * (double)endpoint->rate_used / (double)endpoint->rate_limit;
    bad = measure(judging, HSP_RATE, name, rate, 100);
    if (bad != HSP_OKAY)
        add(result, bad, "%s: %.0f%% of its rate limit used", name, rate);
}

bool hsp_check_is_wanted(const struct hsp_option_list *names, const char *name) {
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return true;
    return names->count == 0;
}

void hsp_check_judge(struct hsp_result *result, const struct hsp_status *status,
                     const struct hsp_thresholds *thresholds,
                     const struct hsp_option_list *names) {
    struct judging judging = {result, status, thresholds};
    judge_daemon(&judging);
    for (size_t i = 0; i < status->endpoint_count; i++) {
        const struct hsp_endpoint_status *e = &status->endpoints[i];
        if (!hsp_check_is_wanted(names, e->name))
            continue;
        bool is_held = judge_state(&judging, e);
        judge_limit(&judging, e->name, "queue", (int64_t[]){e->pending, e->pending_bytes},
                    (int64_t[]){e->max_queued, e->max_queued_bytes});
        judge_limit(&judging, e->name, "dead letters",
                    (int64_t[]){e->dead, e->dead_bytes},
                    (int64_t[]){e->max_dead, e->max_dead_bytes});
        judge_numbers(&judging, e, is_held);
    }
    judge_spool(&judging);
    result->failed = result->failed || result->perfdata.failed;
}

void hsp_result_free(struct hsp_result *result) {
    free(result->findings);
    hsp_buffer_free(&result->perfdata);
    *result = (struct hsp_result){0};
}
