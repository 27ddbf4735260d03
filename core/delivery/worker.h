/* SPDX-License-Identifier: MIT */
/* One thread that waits for the disk so that the main loop need not. Jobs run one after
 * the other, in the order in which they were handed in; each is given back to the main
 * loop, which alone touches the daemon's state. */
#ifndef HSP_WORKER_H
#define HSP_WORKER_H

#include "../hookspool.h"
#include <stdbool.h>

struct hsp_worker;

/* Embed it as the first member of a larger struct. */
struct hsp_job {
    /* In the thread: do it. May be run again after a failure. */
    enum hs_status (*work)(struct hsp_job *job, struct hs_error *err);
    /* In the main loop, after it ran; the job is the callee's again. */
    void (*done)(struct hsp_job *job);
    enum hs_status status;
    struct hs_error err;
    struct hsp_job *next;
};

/* Start the thread. It blocks every signal. HS_E_IO, HS_E_NOMEM. */
enum hs_status hsp_worker_open(struct hsp_worker **worker,
                               struct hs_error *err) HS_MUST_CHECK;
/* Finish what was handed in, end the thread, then call `done` of the rest. NULL is fine.
 */
void hsp_worker_close(struct hsp_worker *worker);

void hsp_worker_submit(struct hsp_worker *worker, struct hsp_job *job);
/* Readable when jobs have been done. */
int hsp_worker_fd(const struct hsp_worker *worker);
/* Call `done` of each job that has been done. Does not block. */
void hsp_worker_collect(struct hsp_worker *worker);

#endif
