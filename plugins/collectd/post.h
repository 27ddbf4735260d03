/* SPDX-License-Identifier: MIT */
/* A Monitor: the one lock over its status on every host, and the hosts. Any thread may
 * call anything but init, first, load and free; a value that it wants waits for the same
 * Monitor's other values only. */
#ifndef HSP_POST_H
#define HSP_POST_H

#include "subject.h"
#include "table.h"

#define HSP_SUBJECTS_MAX 10000 /* hosts of Monitors without a Host of their own */

/* What a series is to a Monitor: a target of the watcher's index. */
struct hsp_role {
    struct hsp_post *post;
    int feed; /* enum hsp_feed_kind; -1: the value itself */
};

struct hsp_post {
    struct hsp_shared *shared;
    const struct hsp_watch *watch;
    pthread_mutex_t lock;
    struct hsp_table subjects; /* by host; none is freed before the post, for events that
                                  wait point to them */
    struct hsp_role roles[HSP_FEEDS + 1];
    bool lacks_source; /* a value came without the data source */
    bool told_so;
};

void hsp_post_init(struct hsp_post *post, struct hsp_shared *shared,
                   const struct hsp_watch *watch);
/* Make the host that is there from the start, so that it can be overdue: the only one, or
 * one that stands in for those that are not known yet. HS_E_NOMEM. */
enum hs_status hsp_post_first(struct hsp_post *post, struct hs_error *err) HS_MUST_CHECK;
/* Make another one, of which the state file says `text`; false: it is not this Monitor's
 * now, or there is no room for it. */
bool hsp_post_load(struct hsp_post *post, const char *host, const char *text);
void hsp_post_free(struct hsp_post *post);

/* A value in one role. */
void hsp_post_value(const struct hsp_role *role, const struct hsp_reading *reading,
                    const struct hsp_clock *now);
/* A notification; false: it is about another data source. `ticket` grows to that of what
 * came of it. */
bool hsp_post_note(struct hsp_post *post, const struct hsp_note *note,
                   const struct hsp_clock *now, uint64_t *ticket);
void hsp_post_tick(struct hsp_post *post, const struct hsp_clock *now, int64_t pause_us);

/* Has a value come without the data source? Says so once. */
bool hsp_post_lacks_source(struct hsp_post *post);

#endif
