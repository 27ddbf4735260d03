/* SPDX-License-Identifier: MIT */
/* hookspoold's working parts in one place, for the modules that are its main loop:
 * intake.c and plan.c (what comes in), send.c (what goes out), settle.c (what became of
 * it), report.c and control.c (what a person sees and says), start.c. The loop itself is
 * flusher.c. One thread, but for the jobs handed to `placer` and `settler`. */
#ifndef HSP_FLUSHER_H
#define HSP_FLUSHER_H

#include "batch.h"
#include "http.h"
#include "log.h"
#include "placing.h"
#include "settings.h"
#include "supervisor.h"

#define HSP_RETRY_MS 1000 /* after a step that failed for want of space or the like */

struct hsp_control;
struct hsp_test;

struct hsp_flusher {
    struct hsp_settings *settings;
    struct hsp_spooldir dir;
    struct hsp_sequence sequence;
    struct hsp_journal *journal;
    struct hsp_recent *recent;
    struct hsp_worker *placer;  /* does the placings */
    struct hsp_worker *settler; /* does the batches */
    struct hsp_notice *notice;
    struct hsp_http *http;
    struct hsp_control *control;    /* NULL where it could not be had */
    struct hsp_copies copies;       /* of what was placed last */
    struct hsp_endpoint *endpoints; /* configured ones first, in the file's order */

    struct hsp_placing *placing; /* with the placer, or waiting for `placing_again_ms` */
    int64_t clean_tmp_ms;        /* when tmp/ is looked through again */
    int64_t placing_again_ms;    /* 0: with the placer */
    struct hsp_batch *open;      /* being filled */
    struct hsp_batch *closed;    /* with the settler, or waiting for `closed_again_ms` */
    int64_t closed_again_ms;
    int64_t reserve_again_ms; /* when to ask for room again while not `recordable` */
    bool recordable;          /* the journal has room for what is in flight */

    struct hsp_supervisor supervisor;
    struct hsp_test *tests; /* of endpoints, under way (trials.c) */
    bool clerk;             /* hookspool's own: takes nothing in, sends nothing */
    bool drain;             /* deliver what is due, then end */
    int64_t stop_at_ms; /* 0: running; else no new requests, and the boot clock's end of
                           patience */
    bool reload_wanted;
    bool failed; /* out of memory or worse: end, a new start loses nothing */

    size_t incoming;     /* names noticed and not yet taken in, when last looked at */
    bool changed;        /* status.json is out of date */
    int64_t reported_ms; /* boot clock, when it was written */
    int report_errno;    /* why it could not be, as logged; 0: it could */
    int64_t started_utc_ms;
    bool short_of_space;
};

/* flusher.c -----------------------------------------------------------------------------
 */

struct hsp_flusher_options {
    const char *config; /* NULL: the default */
    bool drain;
};
/* Run until SIGTERM or SIGINT (or, with drain, until nothing is due). Returns the
 * program's exit status; has logged what was to be said. */
int hsp_flusher_run(const struct hsp_flusher_options *options);

/* The endpoint of that name, NULL: none. */
struct hsp_endpoint *hsp_flusher_find(struct hsp_flusher *flusher, const char *name);
/* A failure that only a new start can heal: log it once and end. */
void hsp_flusher_fail(struct hsp_flusher *flusher, const struct hs_error *err);

/* start.c */

/* Read and check a configuration with its secrets, changing nothing: what start, reload
 * and `hookspool check-config` have in common. `path` NULL: the default. Statuses of
 * hsp_settings_load and hsp_signer_load. */
enum hs_status hsp_flusher_check(const char *path, struct hsp_settings **settings,
                                 struct hs_error *err) HS_MUST_CHECK;

/* Open everything that flusher->settings names, heal what a crash left, start the
 * threads. On failure what is open is left to hsp_start_close. */
enum hs_status hsp_start_open(struct hsp_flusher *flusher,
                              struct hs_error *err) HS_MUST_CHECK;
void hsp_start_close(struct hsp_flusher *flusher);
/* Read the configuration again; a wrong one changes nothing. */
void hsp_start_reload(struct hsp_flusher *flusher);

/* intake.c
 * --------------------------------------------------------------------------------- */

/* Read files of incoming/ and plan their placing; NULL in `placing`: there was nothing to
 * do. HS_E_NOMEM: the flusher has to end, for what was noted in memory is then ahead of
 * the disk. */
enum hs_status hsp_intake_plan(struct hsp_flusher *flusher, struct hsp_placing **placing,
                               struct hs_error *err) HS_MUST_CHECK;
/* Plan again what a crash left in queue/.staged. */
enum hs_status hsp_intake_plan_staged(struct hsp_flusher *flusher,
                                      struct hsp_placing **placing,
                                      struct hs_error *err) HS_MUST_CHECK;
/* Remember the event of a waiting file that was placed but not yet remembered when the
 * process died; for hsp_queue_each_from. */
struct hsp_intake_context {
    struct hsp_flusher *flusher;
    const struct hsp_endpoint *endpoint;
};
void hsp_intake_remember(void *context, const struct hsp_entry *entry);

/* send.c
 * --------------------------------------------------------------------------------- */

/* Start all requests that may go out now, kill what is too old or too much. */
void hsp_send_all(struct hsp_flusher *flusher, int64_t now_boot_ms);
/* When the endpoint may be sent to, from its side alone (state, rate, connections), boot
 * clock; INT64_MAX: not by time. */
int64_t hsp_send_next(const struct hsp_endpoint *endpoint, int64_t now_boot_ms);
/* When hsp_send_all next has something to do without anything else happening; INT64_MAX:
 * never. */
int64_t hsp_send_due(const struct hsp_flusher *flusher, int64_t now_boot_ms);

/* settle.c
 * ------------------------------------------------------------------------------- */

/* Judge the answer to a request (hsp_http's callback). */
void hsp_settle_answer(void *flusher, struct hsp_request *request,
                       const struct hsp_response *response);
/* Give an event up, unsent: "expired" or "queue full". Its line must have been started.
 */
void hsp_settle_kill(struct hsp_flusher *flusher, struct hsp_endpoint *endpoint,
                     hsp_line line, const char *reason);
/* A waiting file that cannot be read goes to corrupt/. Its line must have been started.
 */
void hsp_settle_quarantine(struct hsp_flusher *flusher, struct hsp_endpoint *endpoint,
                           hsp_line line, const char *reason);
/* A journal line without an operation. */
void hsp_settle_note(struct hsp_flusher *flusher, const struct hsp_journal_line *line);
/* Hand the open batch to the settler where it is free. */
void hsp_settle_submit(struct hsp_flusher *flusher, int64_t now_boot_ms);
/* The batch to fill; ends the flusher and returns NULL when out of memory. */
struct hsp_batch *hsp_settle_batch(struct hsp_flusher *flusher);

/* report.c
 * ------------------------------------------------------------------------------- */

/* The status as JSON text; free(). NULL: out of memory. docs/status.md */
char *hsp_report_text(const struct hsp_flusher *flusher);
/* Write status.json if it is out of date, at most once a second; `force`: now. */
void hsp_report_write(struct hsp_flusher *flusher, int64_t now_boot_ms, bool force);
int64_t hsp_report_due(const struct hsp_flusher *flusher);

#endif
