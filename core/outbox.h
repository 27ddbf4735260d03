/* SPDX-License-Identifier: MIT */
/* The way of an event out of a process that must not wait: adapters that live in their
 * host's process hand events over in memory, and one thread of the outbox brings them to
 * disk, as many at once as there are:
 *
 *     add -> queue -> state file (status and edge, one fsync) -> spool (one file) -> done
 *
 * An event is durable when the state file has it; without one (no path, disk full) when
 * the spool has it. What the spool does not take is tried again every second, under the
 * same ids, in the same order. Nothing but the spool's and the state file's disk is ever
 * waited for. Events that an earlier process left in the state file are put first.
 *
 * Threads: open, start, stop and close by one; everything else by any, at once. */
#ifndef HSP_OUTBOX_H
#define HSP_OUTBOX_H

#include "hookspool.h"
#include <stdbool.h>

struct hsp_outbox;

#define HSP_OUTBOX_MAX 100000 /* events that wait in memory */

enum hsp_outbox_level { HSP_OUTBOX_ERROR, HSP_OUTBOX_WARNING, HSP_OUTBOX_NOTICE };

struct hsp_outbox_options {
    const struct hs_config *config; /* borrowed until close */
    const char *state_path;         /* NULL: keep nothing over a restart; copied */
    int64_t tick_ms;                /* how often `tick` is called */
    /* All are called from the outbox's thread, without a lock of its held, with
     * `context`. `log`: one line; repeated complaints are held back. `finish`: a last
     * chance to fill in an event that was added with an `arg`; false: not yet, come again
     * in a few milliseconds, unless it is the `last` time. */
    void (*log)(void *context, enum hsp_outbox_level level, const char *line);
    void (*tick)(void *context, int64_t pause_us);
    bool (*finish)(void *context, void *arg, struct hs_event *event, bool last);
    void *context;
};

/* Open the state file and read it. HS_E_NOMEM. Logs what is wrong with the file. */
enum hs_status hsp_outbox_open(struct hsp_outbox **outbox,
                               const struct hsp_outbox_options *options,
                               struct hs_error *err) HS_MUST_CHECK;
/* The texts that the state file holds; before the start only. */
const char *hsp_outbox_state(const struct hsp_outbox *outbox, const char *key);
void hsp_outbox_walk(const struct hsp_outbox *outbox,
                     void (*each)(const char *key, void *value, void *context),
                     void *context);
/* Start the thread. HS_E_IO: it cannot be. */
enum hs_status hsp_outbox_start(struct hsp_outbox *outbox,
                                struct hs_error *err) HS_MUST_CHECK;

/* One status, one event, or both together. */
struct hsp_outgoing {
    struct hs_event *event; /* NULL: a status alone, written when there is time */
    void *arg;              /* for `finish`; NULL: it is not asked */
    const char *key;        /* copied; NULL: no status */
    const char *value;      /* copied; NULL: forget it */
};
/* Hand it over; never waits. `outgoing->event` is the outbox's from HS_OK on. `ticket`
 * (may be NULL) is for hsp_outbox_wait. HS_E_FULL: HSP_OUTBOX_MAX wait already.
 * HS_E_NOMEM. */
enum hs_status hsp_outbox_add(struct hsp_outbox *outbox,
                              const struct hsp_outgoing *outgoing, uint64_t *ticket,
                              struct hs_error *err) HS_MUST_CHECK;

/* Wait until what the ticket is for is durable, at most `timeout_ms`, and not at all
 * while the disk fails, or while it is slow: somebody has waited in vain, and nothing has
 * come through since. true: it is. */
bool hsp_outbox_wait(struct hsp_outbox *outbox, uint64_t ticket, int64_t timeout_ms);
/* Wait until everything added before is in the spool, likewise. */
bool hsp_outbox_flush(struct hsp_outbox *outbox, int64_t timeout_ms);

/* Bring everything to disk, and end the thread. Events that the state file has are tried
 * once, others for at most `timeout_ms`; a disk that hangs is waited for a second longer.
 * The number of events that are not in the spool; `*kept`: they are in the state file,
 * and come with the next start. What is added later is brought to disk by whoever waits
 * for it. */
size_t hsp_outbox_stop(struct hsp_outbox *outbox, int64_t timeout_ms, bool *kept);
/* Release everything; no thread may be in a call, nor come with one. NULL is fine. */
void hsp_outbox_close(struct hsp_outbox *outbox);

#endif
