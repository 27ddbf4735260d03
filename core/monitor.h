/* SPDX-License-Identifier: MIT */
/* What turns samples of a monitored value into UP and DOWN: it counts bad and good ones
 * in a row, notices when none come any more, and says when an incident or a recovery is
 * due. It knows of no host, no file and no thread; who calls it keeps what it says
 * (core/statefile.h, core/outbox.h). Pure but for hsp_clock_now.
 *
 *     samples -> struct hsp_monitor -> HSP_NOTHING | HSP_REMEMBER | HSP_SEND + edge
 *
 * A monitor that never had a status becomes UP without a word: a start is no recovery.
 * One struct hsp_monitor may be used by one thread at a time. */
#ifndef HSP_MONITOR_H
#define HSP_MONITOR_H

#include "hookspool.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Now, twice: the time of day, and a clock that never jumps, for waiting. */
struct hsp_clock {
    int64_t wall_us;
    int64_t running_us;
};
struct hsp_clock hsp_clock_now(void);

/* Bounds of a good value; both are inside. NaN where there is none. */
struct hsp_limits {
    double min, max;
};
/* NaN is never within. */
bool hsp_limits_hold(const struct hsp_limits *limits, double value);
/* "503 is above 399"; also for a value within: "200". */
void hsp_limits_explain(const struct hsp_limits *limits, double value, char *text,
                        size_t size);

/* When a monitor turns, and what is told beyond that. */
struct hsp_monitor_rules {
    int64_t failures;         /* bad samples in a row until it is DOWN, at least 1 */
    int64_t successes;        /* good ones until it is UP, at least 1 */
    int64_t timeout_us;       /* without a sample, from the start on; 0: wait for ever */
    int64_t repeat_us;        /* while DOWN, another incident after this time; 0: none */
    const int64_t *notify_at; /* while DOWN, another incident at these numbers of */
    size_t notify_at_count;   /* failures; ascending */
    bool every;               /* while DOWN, another incident at each failure */
};

enum hsp_verdict { HSP_GOOD, HSP_BAD };

struct hsp_sample {
    enum hsp_verdict verdict;
    int64_t time_us; /* of day, as its host says */
    bool ordered;    /* one that is not newer than the last one counts for nothing */
};

/* What a step came to. */
enum hsp_step {
    HSP_NOTHING,
    HSP_REMEMBER, /* there is a status to keep, and nothing to tell */
    HSP_SEND,     /* keep it, and send what the edge says */
};

/* What an event needs of it. */
struct hsp_edge {
    enum hs_kind kind; /* incident or recovery */
    enum hs_state state, previous;
    int64_t failures; /* in a row; 0 for a recovery */
    int64_t level;    /* incidents since it was UP, this one included */
    int64_t time_s;   /* UTC; never before that of the edge before */
    bool overdue;     /* nothing was heard for `silent_us` */
    bool never;       /* … nor ever before */
    int64_t silent_us;
};

/* All that is known of one monitor. Copy it to be able to take a step back. */
struct hsp_monitor {
    enum hs_state state; /* NONE: not known yet */
    int64_t failures;
    int64_t successes;
    int64_t level;
    int64_t sample_us;   /* time of the last sample, not in the future; 0: none yet */
    int64_t seen_us;     /* running clock: the last sample's arrival, or the start */
    bool heard;          /* a sample has arrived since the start */
    int64_t overdue;     /* how many times `timeout_us` nothing has been heard */
    int64_t notified_us; /* running clock: the last incident */
    int64_t notified_s;  /* the same, time of day */
    int64_t edge_s;      /* time of the last edge */
};

/* A new one, from which nothing was heard yet. */
void hsp_monitor_start(struct hsp_monitor *monitor, const struct hsp_clock *now);

/* The status as text to be kept ("DOWN 3 1 1700000000 1700000000"), and a monitor that
 * has been started made of it again. false: no such text, the monitor is as before. */
#define HSP_MONITOR_TEXT_MAX 128
void hsp_monitor_save(const struct hsp_monitor *monitor, char text[HSP_MONITOR_TEXT_MAX]);
bool hsp_monitor_load(struct hsp_monitor *monitor, const char *text,
                      const struct hsp_clock *now);

/* A sample has arrived. `edge` is written with HSP_SEND. */
enum hsp_step hsp_monitor_sample(struct hsp_monitor *monitor,
                                 const struct hsp_monitor_rules *rules,
                                 const struct hsp_sample *sample,
                                 const struct hsp_clock *now, struct hsp_edge *edge);

/* Time has passed: is it overdue, or is an incident to be repeated? To be called a few
 * times a `timeout_us`. Every further `timeout_us` of silence is one more failure. */
enum hsp_step hsp_monitor_tick(struct hsp_monitor *monitor,
                               const struct hsp_monitor_rules *rules,
                               const struct hsp_clock *now, struct hsp_edge *edge);

/* Nothing could be heard for `pause_us`, and that was not the monitored object's fault.
 */
void hsp_monitor_excuse(struct hsp_monitor *monitor, int64_t pause_us,
                        const struct hsp_clock *now);

/* A host's time as UTC seconds: the time of day now where it lies in the future or is
 * more than a day off. */
int64_t hsp_sane_time_s(int64_t time_us, const struct hsp_clock *now);

#endif
