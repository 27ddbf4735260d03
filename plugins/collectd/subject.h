/* SPDX-License-Identifier: MIT */
/* A Monitor on one host: its status, and what values, notifications and the time make of
 * it. Whoever calls holds the Monitor's lock (post.h), but for hsp_subject_finish. */
#ifndef HSP_SUBJECT_H
#define HSP_SUBJECT_H

#include "alert.h"

#include <pthread.h>
#include <stdatomic.h>

#define HSP_INTERVALS_A_TIMEOUT 3 /* where no Timeout is given */

/* What all have in common. */
struct hsp_shared {
    struct hsp_outbox *outbox;
    const char *region;       /* borrowed; NULL: as configured */
    int64_t interval_us;      /* of values, where none has come yet */
    enum hs_state warning_is; /* where the Monitor does not say */
    atomic_size_t hosts;      /* of Monitors without a Host of their own */
    atomic_ulong refused;     /* events that the outbox did not take */
    atomic_bool crowded;      /* there was a host too many */
};

struct hsp_subject {
    struct hsp_shared *shared;
    const struct hsp_watch *watch;
    pthread_mutex_t *lock; /* the Monitor's */
    char *host;            /* "": of no known host */
    char *key;             /* in the state file */
    struct hsp_monitor monitor;
    int64_t interval_us;
    int64_t edge_us; /* time of the sample that made the last edge */
    struct {
        bool known;
        double value;
        int64_t time_us;
        bool is_ms;
    } feeds[HSP_FEEDS];
    bool done; /* stood in for hosts that were not known, and now are */
};

#define HSP_SUBJECT_PREFIX "monitor "

/* The key in the state file; the caller's, ended by free(). NULL: out of memory. */
char *hsp_subject_key(const struct hsp_watch *watch, const char *host);

/* A new one, with what the state file says of it (NULL: nothing). All but `host` and
 * `text` is borrowed. NULL: out of memory. */
struct hsp_subject *hsp_subject_new(struct hsp_shared *shared,
                                    const struct hsp_watch *watch, pthread_mutex_t *lock,
                                    const char *host, const char *text);
void hsp_subject_free(void *subject);

/* A value that decides; false: it lacks the Monitor's data source. */
bool hsp_subject_value(struct hsp_subject *subject, const struct hsp_reading *reading,
                       const struct hsp_clock *now);
/* One that says more about the others. */
void hsp_subject_feed(struct hsp_subject *subject, enum hsp_feed_kind feed,
                      const struct hsp_reading *reading, const struct hsp_clock *now);
/* The ticket of what came of it; 0: nothing. */
uint64_t hsp_subject_note(struct hsp_subject *subject, const struct hsp_note *note,
                          const struct hsp_clock *now);
/* Time has passed, `pause_us` of which does not count. */
void hsp_subject_tick(struct hsp_subject *subject, const struct hsp_clock *now,
                      int64_t pause_us);
/* A host has been heard of: if this one stood in for it, that is over. */
void hsp_subject_end(struct hsp_subject *subject, const struct hsp_clock *now);

/* As `finish` of core/outbox.h: response time and status code of the last edge. Takes the
 * lock. */
bool hsp_subject_finish(struct hsp_subject *subject, struct hs_event *event, bool last);

#endif
