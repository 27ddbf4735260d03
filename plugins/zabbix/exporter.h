/* SPDX-License-Identifier: MIT */
/* From the export folder to the spool, round by round:
 *
 *     look -> a moment's wait -> lines -> events, and what is to be remembered
 *          -> state file: events, positions, open problems, statuses, in one step
 *          -> spool -> state file: the events are done with
 *
 * Killed anywhere, it goes on from the last step that is on disk; what it reads again
 * becomes events with the same ids again. One thread. */
#ifndef HSP_EXPORTER_H
#define HSP_EXPORTER_H

#include "problems.h"
#include "sources.h"
#include "values.h"

#define HSP_EXPORTER_SETTLE_MS 200 /* for files that are written at the same time */

struct hsp_exporter_options {
    const char *folder, *state_path; /* borrowed, as all here */
    const struct hs_config *config;
    bool problems, values, from_start;
    struct hsp_problem_filter filter;
    void (*log)(void *context, enum hsp_outbox_level level, const char *line);
};

struct hsp_exporter {
    struct hsp_exporter_options options;
    struct hsp_outbox_options courier_options;
    struct hsp_courier courier;
    struct hsp_sources *sources;
    struct hsp_problems problems;
    struct hsp_values *values;
    uint64_t lines, events; /* read; put into the spool */
    int64_t kept_ms;        /* boot clock: when positions were kept last */
    bool failing;           /* the disk takes no state, or the spool no events */
    bool blocked;           /* nothing more is read until it does */
    bool unread;            /* a file may not be opened */
    struct hsp_complaint unread_fails;
};

/* HS_E_SPOOL: the state file cannot be used, is none of ours, or another process uses it.
 * HS_E_IO: the folder cannot be read. HS_E_NOMEM. Fills `exporter`, which stays where it
 * is until hsp_exporter_close. */
enum hs_status hsp_exporter_open(struct hsp_exporter *exporter,
                                 const struct hsp_exporter_options *options,
                                 struct hs_error *err) HS_MUST_CHECK;
void hsp_exporter_close(struct hsp_exporter *exporter);

/* One round. `pause` (may be NULL) waits for so many milliseconds between looking and
 * reading; false: read nothing, for the end has come. A failure is the end: a new start
 * loses nothing. */
enum hs_status hsp_exporter_round(struct hsp_exporter *exporter,
                                  bool (*pause)(int64_t milliseconds),
                                  struct hs_error *err) HS_MUST_CHECK;
/* Tell of what waits for something else, too, and keep everything. */
enum hs_status hsp_exporter_finish(struct hsp_exporter *exporter,
                                   struct hs_error *err) HS_MUST_CHECK;
/* Keep everything; what waits goes on waiting. */
void hsp_exporter_settle(struct hsp_exporter *exporter);

/* How long there is nothing to do but what hsp_sources_fd says; -1: for ever. */
int64_t hsp_exporter_idle_ms(const struct hsp_exporter *exporter);

#endif
