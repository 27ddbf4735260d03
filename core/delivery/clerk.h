/* SPDX-License-Identifier: MIT */
/* The daemon's errands done by `hookspool` itself where no daemon runs: under the spool's
 * lock, with the same code. Nothing is taken in and nothing sent but what is asked for.
 * One clerk a process, one thread. */
#ifndef HSP_CLERK_H
#define HSP_CLERK_H

#include "errand.h"

struct hsp_clerk;

/* Read the configuration, become the spool's owner (root does, for good, so that no file
 * of root's is left behind), take the lock, load the queues. HS_E_CONFIG, HS_E_SPOOL (a
 * daemon runs, or the spool belongs to somebody else), HS_E_IO, HS_E_FULL, HS_E_NOMEM. */
enum hs_status hsp_clerk_open(struct hsp_clerk **clerk, const char *config,
                              struct hs_error *err) HS_MUST_CHECK;
/* Write the status, give the lock back. NULL is fine. */
void hsp_clerk_close(struct hsp_clerk *clerk);

/* Do the errand and get its answer line, free(). Blocks for as long as it takes. HS_E_IO:
 * it could not be put on disk; what is left undone is whole and may be asked for again.
 */
enum hs_status hsp_clerk_ask(struct hsp_clerk *clerk, const char *request, char **answer,
                             struct hs_error *err) HS_MUST_CHECK;

#endif
