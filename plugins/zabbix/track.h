/* SPDX-License-Identifier: MIT */
/* The status of one item, made of values that may come out of order: several of Zabbix's
 * history syncers hand over values of the same item at once. The last values are kept, so
 * that a late one is put where it belongs and all is counted again from there:
 *
 *     base -> points, in the order of their time -> monitor
 *
 * What a late value brings to light is told late, never taken back: where the recount
 * contradicts what was told already, one more edge leads to the status that it should be.
 * So incidents and recoveries always alternate, and with `failures` and `successes` of 1
 * they are exactly those of the values in order.
 *
 * Holds no pointers: it may live in shared memory. Pure. */
#ifndef HSP_TRACK_H
#define HSP_TRACK_H

#include "monitor.h"

/* A syncer that is held up for a while must not find that the others went further. */
#define HSP_TRACK_POINTS 128
#define HSP_TRACK_EDGES_MAX (HSP_TRACK_POINTS + 2)

struct hsp_point {
    int64_t time_ns : 63; /* since 1970 */
    uint64_t bad : 1;
};

struct hsp_track {
    struct hsp_monitor monitor; /* as it was told */
    struct hsp_monitor base;
    struct hsp_point points[HSP_TRACK_POINTS];
    int32_t count;
    int64_t floor_ns; /* what is not newer counts for nothing */
    int64_t sequence; /* edges told so far */
};

/* An edge to be told. */
struct hsp_track_edge {
    struct hsp_edge edge;
    int64_t time_ns;  /* of the value that made it */
    int64_t sequence; /* one more than that of the edge before */
};

struct hsp_track_result {
    bool late;  /* came after a newer one */
    bool taken; /* counts; else it is too old, or was there before */
    bool remember;
    size_t count;
    struct hsp_track_edge edges[HSP_TRACK_EDGES_MAX];
};

void hsp_track_start(struct hsp_track *track, const struct hsp_clock *now);

/* A value has arrived. */
void hsp_track_add(struct hsp_track *track, const struct hsp_monitor_rules *rules,
                   const struct hsp_point *point, const struct hsp_clock *now,
                   struct hsp_track_result *result);
/* Time has passed: is an incident to be repeated? */
void hsp_track_tick(struct hsp_track *track, const struct hsp_monitor_rules *rules,
                    const struct hsp_clock *now, struct hsp_track_result *result);

/* The time of the last value that counts. */
int64_t hsp_track_last_ns(const struct hsp_track *track);

/* As text to be kept, and a track that was started made of it again. false: no such text.
 */
#define HSP_TRACK_TEXT_MAX (HSP_MONITOR_TEXT_MAX + 80)
void hsp_track_save(const struct hsp_track *track, char text[HSP_TRACK_TEXT_MAX]);
bool hsp_track_load(struct hsp_track *track, const char *text,
                    const struct hsp_clock *now);

#endif
