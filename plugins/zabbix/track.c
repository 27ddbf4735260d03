/* SPDX-License-Identifier: MIT */
/* Counting values that may be late. In order, which is nearly always, a value takes one
 * step of core/monitor.c; the points are gone through again for a late one only. */
#include "config.h"

#include "track.h"

#include "cursor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define US_NS 1000
#define SEQUENCE_MAX (INT64_C(1) << 53)

void hsp_track_start(struct hsp_track *track, const struct hsp_clock *now) {
    *track = (struct hsp_track){0};
    hsp_monitor_start(&track->monitor, now);
    track->base = track->monitor;
}

int64_t hsp_track_last_ns(const struct hsp_track *track) {
    return track->count > 0 ? track->points[track->count - 1].time_ns : track->floor_ns;
}

static enum hsp_step step(struct hsp_monitor *monitor,
                          const struct hsp_monitor_rules *rules,
                          const struct hsp_point *point, const struct hsp_clock *now,
                          struct hsp_edge *edge) {
    /* Ordered by us: the monitor would count in microseconds. */
    const struct hsp_sample sample = {
        .verdict = point->bad ? HSP_BAD : HSP_GOOD,
        .time_us = point->time_ns / US_NS,
    };
    return hsp_monitor_sample(monitor, rules, &sample, now, edge);
}

/* Make room and put the point at `at`. */
static void insert(struct hsp_track *track, int32_t at, const struct hsp_point *point) {
    memmove(&track->points[at + 1], &track->points[at],
            (size_t)(track->count - at) * sizeof(*point));
    track->points[at] = *point;
    track->count++;
}

/* The oldest point becomes part of the base. */
static void settle_oldest(struct hsp_track *track, const struct hsp_monitor_rules *rules,
                          const struct hsp_clock *now) {
    struct hsp_edge edge;
    step(&track->base, rules, &track->points[0], now, &edge);
    track->floor_ns = track->points[0].time_ns;
    track->count--;
    memmove(&track->points[0], &track->points[1],
            (size_t)track->count * sizeof(track->points[0]));
}

/* All points from the base on. */
struct recount {
    struct hsp_monitor monitor;
    size_t count;
    struct hsp_track_edge edges[HSP_TRACK_POINTS];
};

static void recount(struct recount *all, const struct hsp_track *track,
                    const struct hsp_monitor_rules *rules, const struct hsp_clock *now) {
    all->monitor = track->base;
    all->count = 0;
    for (int32_t i = 0; i < track->count; i++) {
        struct hsp_track_edge *found = &all->edges[all->count];
        found->time_ns = track->points[i].time_ns;
        all->count +=
            step(&all->monitor, rules, &track->points[i], now, &found->edge) == HSP_SEND;
    }
}

/* How many edges are the same in kind at the beginning. */
static size_t same(const struct recount *a, const struct recount *b) {
    size_t i = 0;
    while (i < a->count && i < b->count && a->edges[i].edge.kind == b->edges[i].edge.kind)
        i++;
    return i;
}

/* One more edge to tell. Its time is never before that of the one before, for hookspoold
 * sorts by time; its state before is what was told. */
static void tell(struct hsp_track *track, const struct hsp_track_edge *edge,
                 struct hsp_track_result *result) {
    struct hsp_track_edge *told = &result->edges[result->count++];
    *told = *edge;
    told->sequence = ++track->sequence;
    if (told->edge.time_s < track->monitor.edge_s)
        told->edge.time_s = track->monitor.edge_s;
    if (told->edge.previous != track->monitor.state)
        told->edge.previous = track->monitor.state;
    track->monitor.state = told->edge.state;
    track->monitor.edge_s = told->edge.time_s;
}

/* The edge that leads to a status without one of its own. */
static struct hsp_track_edge leading_to(const struct hsp_monitor *monitor,
                                        const struct hsp_point *point,
                                        const struct hsp_clock *now) {
    const bool is_up = monitor->state == HS_STATE_UP;
    return (struct hsp_track_edge){
        .edge =
            {
                .kind = is_up ? HS_KIND_RECOVERY : HS_KIND_INCIDENT,
                .state = monitor->state,
                .failures = is_up ? 0 : monitor->failures,
                .level = monitor->level > 0 ? monitor->level : 1,
                .time_s = hsp_sane_time_s(point->time_ns / US_NS, now),
            },
        .time_ns = point->time_ns,
    };
}

/* Tell what the recount has more than what was known, and end where it ends. */
static void settle_late(struct hsp_track *track, const struct recount *before,
                        const struct recount *after, const struct hsp_point *point,
                        const struct hsp_clock *now, struct hsp_track_result *result) {
    const enum hs_state had = track->monitor.state;
    size_t from = same(before, after);
    if (from < before->count)
        from = after->count; /* it contradicts: only the end counts */
    for (; from < after->count; from++)
        if (after->edges[from].edge.state == HS_STATE_DOWN ||
            track->monitor.state == HS_STATE_DOWN)
            tell(track, &after->edges[from], result);
    const enum hs_state should = after->monitor.state;
    if (should != track->monitor.state && should != HS_STATE_NONE &&
        (should == HS_STATE_DOWN || track->monitor.state == HS_STATE_DOWN)) {
        const struct hsp_track_edge last = leading_to(&after->monitor, point, now);
        tell(track, &last, result);
    }
    const struct hsp_monitor told = track->monitor;
    track->monitor = after->monitor;
    track->monitor.edge_s = told.edge_s;
    if (result->count == 0) { /* repeats are not among the points */
        track->monitor.level = told.level;
        track->monitor.notified_us = told.notified_us;
        track->monitor.notified_s = told.notified_s;
    }
    result->remember = result->count > 0 || track->monitor.state != had;
}

/* All points become part of the base: a late value counts no more. */
static void begin_anew(struct hsp_track *track) {
    track->floor_ns = hsp_track_last_ns(track);
    track->base = track->monitor;
    track->count = 0;
}

static void add_late(struct hsp_track *track, const struct hsp_monitor_rules *rules,
                     const struct hsp_point *point, const struct hsp_clock *now,
                     struct hsp_track_result *result) {
    struct recount before, after;
    int32_t at = track->count;
    result->late = true;
    while (at > 0 && track->points[at - 1].time_ns > point->time_ns)
        at--;
    const bool is_known = at > 0 && track->points[at - 1].time_ns == point->time_ns;
    /* Where there is no room it is too old as well: the oldest would have to go first. */
    if (is_known || point->time_ns <= track->floor_ns ||
        (at == 0 && track->count == HSP_TRACK_POINTS))
        return;
    if (track->count == HSP_TRACK_POINTS) {
        settle_oldest(track, rules, now);
        at--;
    }
    recount(&before, track, rules, now);
    /* By these rules they do not lead to what was told: the rules are others now. */
    if (before.monitor.state != track->monitor.state) {
        begin_anew(track);
        return;
    }
    result->taken = true;
    insert(track, at, point);
    recount(&after, track, rules, now);
    settle_late(track, &before, &after, point, now, result);
}

void hsp_track_add(struct hsp_track *track, const struct hsp_monitor_rules *rules,
                   const struct hsp_point *point, const struct hsp_clock *now,
                   struct hsp_track_result *result) {
    const int64_t now_ns = now->wall_us * US_NS;
    /* One of the future counts as of now, or all later ones would come too late; so would
     * they after a time of the future, which a wrong clock left. */
    struct hsp_point real = *point;
    if (real.time_ns > now_ns)
        real.time_ns = now_ns;
    if (hsp_track_last_ns(track) > now_ns) {
        track->base = track->monitor;
        track->count = 0;
        track->floor_ns = 0;
    }
    result->late = result->taken = result->remember = false;
    result->count = 0;
    if (real.time_ns <= hsp_track_last_ns(track)) {
        add_late(track, rules, &real, now, result);
        return;
    }
    result->taken = true;
    if (track->count == HSP_TRACK_POINTS)
        settle_oldest(track, rules, now);
    insert(track, track->count, &real);
    struct hsp_track_edge *found = &result->edges[0];
    const enum hsp_step done = step(&track->monitor, rules, &real, now, &found->edge);
    result->remember = done != HSP_NOTHING;
    if (done != HSP_SEND)
        return;
    found->time_ns = real.time_ns;
    found->sequence = ++track->sequence;
    result->count = 1;
}

void hsp_track_tick(struct hsp_track *track, const struct hsp_monitor_rules *rules,
                    const struct hsp_clock *now, struct hsp_track_result *result) {
    struct hsp_track_edge *found = &result->edges[0];
    result->late = result->taken = result->remember = false;
    result->count = 0;
    if (hsp_monitor_tick(&track->monitor, rules, now, &found->edge) != HSP_SEND)
        return;
    found->time_ns = now->wall_us * US_NS;
    found->sequence = ++track->sequence;
    result->count = 1;
    result->remember = true;
}

/* Keeping: "MONITOR;SUCCESSES SEQUENCE LAST_NS"
 * ------------------------------------------------------------------------------------ */

void hsp_track_save(const struct hsp_track *track, char text[HSP_TRACK_TEXT_MAX]) {
    hsp_monitor_save(&track->monitor, text);
    const size_t length = strlen(text);
    snprintf(text + length, HSP_TRACK_TEXT_MAX - length,
             ";%" PRId64 " %" PRId64 " %" PRId64, track->monitor.successes,
             track->sequence, hsp_track_last_ns(track));
}

static bool load_rest(struct hsp_track *track, const char *text) {
    struct hsp_cursor cursor = {text, text + strlen(text)};
    uint64_t successes = 0, sequence = 0, last_ns = 0;
    if (!hsp_take_number(&cursor, SEQUENCE_MAX, &successes) || !hsp_take(&cursor, " ") ||
        !hsp_take_number(&cursor, SEQUENCE_MAX, &sequence) || !hsp_take(&cursor, " ") ||
        !hsp_take_number(&cursor, INT64_MAX, &last_ns) || cursor.at != cursor.end)
        return false;
    track->monitor.successes = (int64_t)successes;
    track->sequence = (int64_t)sequence;
    track->floor_ns = (int64_t)last_ns;
    return true;
}

bool hsp_track_load(struct hsp_track *track, const char *text,
                    const struct hsp_clock *now) {
    char monitor[HSP_MONITOR_TEXT_MAX];
    struct hsp_track loaded = *track;
    const size_t length = strcspn(text, ";");
    if (text[length] == '\0' || length >= sizeof(monitor))
        return false;
    memcpy(monitor, text, length);
    monitor[length] = '\0';
    if (!hsp_monitor_load(&loaded.monitor, monitor, now) ||
        !load_rest(&loaded, text + length + 1))
        return false;
    loaded.base = loaded.monitor;
    *track = loaded;
    return true;
}
