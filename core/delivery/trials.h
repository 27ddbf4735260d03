/* SPDX-License-Identifier: MIT */
/* The verb "test": tests of endpoints under way, each in a thread of its own with its own
 * copy of the settings, so that neither deliveries nor a reload wait for one. It asks the
 * endpoint's rate window like any other request and changes nothing else of the
 * endpoint. Main loop only. Format of the answer: docs/control.md */
#ifndef HSP_TRIALS_H
#define HSP_TRIALS_H

#include "errand.h"
#include <poll.h>

#define HSP_TRIALS_MAX 3 /* at a time, one an endpoint */

/* Begin a test of errand->endpoint, which has settings. */
void hsp_trials_begin(struct hsp_flusher *flusher, struct hsp_errand *errand);

/* Fill `fds` (HSP_TRIALS_MAX of them) with what to wait for; their number. */
unsigned hsp_trials_fds(const struct hsp_flusher *flusher, struct pollfd *fds);
/* Go on with what has come to its end. Does not block. */
void hsp_trials_collect(struct hsp_flusher *flusher);
/* End them soon; each is answered all the same. */
void hsp_trials_cancel(struct hsp_flusher *flusher);
/* End and answer them now; waits for their threads. */
void hsp_trials_close(struct hsp_flusher *flusher);

#endif
