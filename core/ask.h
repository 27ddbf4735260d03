/* SPDX-License-Identifier: MIT */
/* control.sock, the asking end, for `hookspool` and check_hookspool. The answering end is
 * delivery/control.c. Format: docs/control.md */
#ifndef HSP_ASK_H
#define HSP_ASK_H

#include "hookspool.h"

#include <stdbool.h>

#define HSP_CONTROL_NAME "control.sock"
#define HSP_ASK_PATIENCE_MS 10000

/* Send the line `request` (without its newline) to the daemon that serves `spool` and get
 * its answer line, free(). Blocks for `patience_ms` in all. HS_E_SPOOL, with sys_errno:
 * none listens (ENOENT, ECONNREFUSED), it may not be asked (EACCES), it does not answer
 * in time (ETIMEDOUT), it hung up (ECONNRESET). */
enum hs_status hsp_ask(const char *spool, const char *request, int patience_ms,
                       char **answer, struct hs_error *err) HS_MUST_CHECK;
/* Only connect, to see whether somebody listens. The same statuses. */
enum hs_status hsp_ask_reach(const char *spool, int patience_ms,
                             struct hs_error *err) HS_MUST_CHECK;
/* After a failure: is it as when hookspoold starts, or has just been ended? Whoever has
 * the spool's lock may listen soon, or give it up. */
bool hsp_ask_may_pass(const struct hs_error *failure);

#endif
