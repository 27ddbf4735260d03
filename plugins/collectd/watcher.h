/* SPDX-License-Identifier: MIT */
/* Watching: values and notifications in, events out. It holds the status of every Monitor
 * on every host, and of every other series that a notification said is DOWN.
 *
 *     value, note, tick -> core/monitor.h -> alert.h -> core/outbox.h
 *
 * Threads: open, start, stop and close by one; value, note and wants by any, at once. A
 * value that no Monitor wants takes no lock and no memory; nothing waits for a disk. No
 * call logs while it holds a lock, but for those of the outbox's thread. */
#ifndef HSP_WATCHER_H
#define HSP_WATCHER_H

#include "alert.h"
#include "outbox.h"

struct hsp_watcher;

#define HSP_OTHERS_MAX 100000 /* other series that are DOWN */
/* What is DOWN is remembered for 30 days while nobody asks for it. */
#define HSP_ABSENCE_MAX_S INT64_C(2592000)

struct hsp_watcher_options {
    const struct hsp_settings *settings; /* borrowed until close */
    const struct hs_config *config;      /* likewise */
    const char *state_path;              /* NULL: in memory only */
    int64_t interval_us;                 /* of values, where none has come yet */
    void (*log)(enum hsp_outbox_level level, const char *line); /* from any thread */
};

/* HS_E_NOMEM. */
enum hs_status hsp_watcher_open(struct hsp_watcher **watcher,
                                const struct hsp_watcher_options *options,
                                struct hs_error *err) HS_MUST_CHECK;
/* Begin to watch: from now on a Monitor that hears nothing can be overdue. As
 * hsp_outbox_start. */
enum hs_status hsp_watcher_start(struct hsp_watcher *watcher,
                                 struct hs_error *err) HS_MUST_CHECK;

/* Is a value of this series of any use? */
bool hsp_watcher_wants(const struct hsp_watcher *watcher,
                       const struct hsp_series *series);
void hsp_watcher_value(struct hsp_watcher *watcher, const struct hsp_reading *reading);
/* The ticket of what came of it, for hsp_outbox_wait; 0: nothing. */
uint64_t hsp_watcher_note(struct hsp_watcher *watcher, const struct hsp_note *note);

/* To wait on and to flush; the watcher's. */
struct hsp_outbox *hsp_watcher_outbox(const struct hsp_watcher *watcher);

/* As hsp_outbox_stop; values that come later are passed over. */
size_t hsp_watcher_stop(struct hsp_watcher *watcher, int64_t timeout_ms, bool *kept);
/* No thread may be in a call, nor come with one. NULL is fine. */
void hsp_watcher_close(struct hsp_watcher *watcher);

#endif
