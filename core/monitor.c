/* SPDX-License-Identifier: MIT */
/* Counting samples and deciding. Times of samples order them and are told to others;
 * waiting goes by the running clock, so that setting the time of day makes nothing
 * overdue. Times of edges never go back, for hookspoold orders events by them. */
#include "config.h"

#include "cursor.h"
#include "monitor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND_US INT64_C(1000000)
#define DAY_US (86400 * SECOND_US)
#define COUNT_MAX (INT64_C(1) << 53) /* what a payload can hold */

static int64_t read_clock(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * SECOND_US + now.tv_nsec / 1000;
}

struct hsp_clock hsp_clock_now(void) {
    return (struct hsp_clock){
        .wall_us = read_clock(CLOCK_REALTIME),
        .running_us = read_clock(CLOCK_MONOTONIC),
    };
}

bool hsp_limits_hold(const struct hsp_limits *limits, double value) {
    if (isnan(value))
        return false;
    return !(value < limits->min) && !(value > limits->max);
}

void hsp_limits_explain(const struct hsp_limits *limits, double value, char *text,
                        size_t size) {
    if (isnan(value))
        snprintf(text, size, "the value is not a number");
    else if (value < limits->min)
        snprintf(text, size, "%.15g is below %.15g", value, limits->min);
    else if (value > limits->max)
        snprintf(text, size, "%.15g is above %.15g", value, limits->max);
    else
        snprintf(text, size, "%.15g", value);
}

int64_t hsp_sane_time_s(int64_t time_us, const struct hsp_clock *now) {
    const bool sane = time_us <= now->wall_us && time_us > now->wall_us - DAY_US;
    return (sane ? time_us : now->wall_us) / SECOND_US;
}

void hsp_monitor_start(struct hsp_monitor *monitor, const struct hsp_clock *now) {
    *monitor = (struct hsp_monitor){.seen_us = now->running_us};
}

/* Keeping */

static const char *const words[] = {
    [HS_STATE_NONE] = "NONE",
    [HS_STATE_UP] = "UP",
    [HS_STATE_DOWN] = "DOWN",
};

void hsp_monitor_save(const struct hsp_monitor *monitor,
                      char text[HSP_MONITOR_TEXT_MAX]) {
    snprintf(text, HSP_MONITOR_TEXT_MAX,
             "%s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, words[monitor->state],
             monitor->failures, monitor->level, monitor->edge_s, monitor->notified_s);
}

bool hsp_monitor_load(struct hsp_monitor *monitor, const char *text,
                      const struct hsp_clock *now) {
    struct hsp_cursor cursor = {text, text + strlen(text)};
    uint64_t numbers[4];
    enum hs_state state = HS_STATE_NONE;
    while (!hsp_take(&cursor, words[state]))
        if (++state > HS_STATE_DOWN)
            return false;
    for (size_t i = 0; i < 4; i++)
        if (!hsp_take(&cursor, " ") || !hsp_take_number(&cursor, COUNT_MAX, &numbers[i]))
            return false;
    if (cursor.at != cursor.end)
        return false;
    monitor->state = state;
    monitor->failures = (int64_t)numbers[0];
    monitor->level = (int64_t)numbers[1];
    monitor->edge_s = (int64_t)numbers[2];
    monitor->notified_s = (int64_t)numbers[3];
    /* How long ago it was by the time of day; one of the future was now. */
    const int64_t ago_s = now->wall_us / SECOND_US - monitor->notified_s;
    monitor->notified_us = now->running_us - (ago_s > 0 ? ago_s * SECOND_US : 0);
    return true;
}

/* Deciding */

/* Is one of the numbers of NotifyAt among before + 1 … after? */
static bool passes_mark(const struct hsp_monitor_rules *rules, int64_t before,
                        int64_t after) {
    for (size_t i = 0; i < rules->notify_at_count; i++)
        if (rules->notify_at[i] > before && rules->notify_at[i] <= after)
            return true;
    return false;
}

/* The clamp: an edge is not before the last one. A kept time of the far future, left by
 * a clock that was wrong once, does not count. */
static int64_t edge_time(const struct hsp_monitor *monitor, int64_t time_us,
                         const struct hsp_clock *now) {
    const int64_t time_s = hsp_sane_time_s(time_us, now);
    const int64_t now_s = now->wall_us / SECOND_US;
    return monitor->edge_s > time_s && monitor->edge_s <= now_s ? monitor->edge_s
                                                                : time_s;
}

static enum hsp_step turn(struct hsp_monitor *monitor, enum hs_state state,
                          int64_t time_us, const struct hsp_clock *now,
                          struct hsp_edge *edge) {
    const enum hs_state previous = monitor->state;
    monitor->state = state;
    monitor->successes = 0;
    if (state == HS_STATE_UP)
        monitor->failures = 0;
    if (state == HS_STATE_UP && previous != HS_STATE_DOWN) {
        monitor->level = 0;
        return previous == state ? HSP_NOTHING : HSP_REMEMBER;
    }
    monitor->edge_s = edge_time(monitor, time_us, now);
    if (state == HS_STATE_DOWN) {
        monitor->level++;
        monitor->notified_us = now->running_us;
        monitor->notified_s = now->wall_us / SECOND_US;
    }
    *edge = (struct hsp_edge){
        .kind = state == HS_STATE_UP ? HS_KIND_RECOVERY : HS_KIND_INCIDENT,
        .state = state,
        .previous = previous,
        .failures = monitor->failures,
        .level = monitor->level > 0 ? monitor->level : 1,
        .time_s = monitor->edge_s,
        .overdue = monitor->overdue > 0,
        .never = !monitor->heard,
        .silent_us = now->running_us - monitor->seen_us,
    };
    if (state == HS_STATE_UP)
        monitor->level = 0;
    return HSP_SEND;
}

/* `more` failures; `enough` of them for DOWN whatever the count says. */
static enum hsp_step fail(struct hsp_monitor *monitor,
                          const struct hsp_monitor_rules *rules, int64_t more,
                          bool enough, int64_t time_us, const struct hsp_clock *now,
                          struct hsp_edge *edge) {
    const int64_t before = monitor->failures;
    monitor->successes = 0;
    monitor->failures = before < COUNT_MAX - more ? before + more : COUNT_MAX;
    const bool due = monitor->state == HS_STATE_DOWN
                         ? rules->every || passes_mark(rules, before, monitor->failures)
                         : enough || monitor->failures >= rules->failures;
    return due ? turn(monitor, HS_STATE_DOWN, time_us, now, edge) : HSP_NOTHING;
}

static enum hsp_step succeed(struct hsp_monitor *monitor,
                             const struct hsp_monitor_rules *rules, int64_t time_us,
                             const struct hsp_clock *now, struct hsp_edge *edge) {
    if (monitor->state == HS_STATE_UP) {
        monitor->failures = 0;
        return HSP_NOTHING;
    }
    /* While it is DOWN the failures stay as they are: a single good sample must not let
     * the escalation begin again. */
    if (monitor->state == HS_STATE_NONE)
        monitor->failures = 0;
    if (++monitor->successes < rules->successes)
        return HSP_NOTHING;
    return turn(monitor, HS_STATE_UP, time_us, now, edge);
}

enum hsp_step hsp_monitor_sample(struct hsp_monitor *monitor,
                                 const struct hsp_monitor_rules *rules,
                                 const struct hsp_sample *sample,
                                 const struct hsp_clock *now, struct hsp_edge *edge) {
    /* One of the future counts as of now, or all later ones would come too late. */
    const int64_t time_us =
        sample->time_us < now->wall_us ? sample->time_us : now->wall_us;
    if (sample->ordered) {
        if (monitor->sample_us != 0 && time_us <= monitor->sample_us &&
            monitor->sample_us <= now->wall_us)
            return HSP_NOTHING;
        monitor->sample_us = time_us;
    }
    monitor->seen_us = now->running_us;
    monitor->heard = true;
    monitor->overdue = 0;
    if (sample->verdict == HSP_GOOD)
        return succeed(monitor, rules, time_us, now, edge);
    return fail(monitor, rules, 1, false, time_us, now, edge);
}

enum hsp_step hsp_monitor_tick(struct hsp_monitor *monitor,
                               const struct hsp_monitor_rules *rules,
                               const struct hsp_clock *now, struct hsp_edge *edge) {
    const int64_t silent_us = now->running_us - monitor->seen_us;
    const int64_t overdue = rules->timeout_us > 0 ? silent_us / rules->timeout_us : 0;
    if (overdue > monitor->overdue) {
        const int64_t more = overdue - monitor->overdue;
        monitor->overdue = overdue;
        const enum hsp_step step =
            fail(monitor, rules, more, true, now->wall_us, now, edge);
        if (step != HSP_NOTHING)
            return step;
    }
    if (monitor->state == HS_STATE_DOWN && rules->repeat_us > 0 &&
        now->running_us - monitor->notified_us >= rules->repeat_us)
        return turn(monitor, HS_STATE_DOWN, now->wall_us, now, edge);
    return HSP_NOTHING;
}

void hsp_monitor_excuse(struct hsp_monitor *monitor, int64_t pause_us,
                        const struct hsp_clock *now) {
    const int64_t excused_us = monitor->seen_us + pause_us;
    monitor->seen_us = excused_us < now->running_us ? excused_us : now->running_us;
}
