/* SPDX-License-Identifier: MIT */
/* Filling struct hs_error. Used by every module; see hookspool.h for what the struct
 * means. */
#ifndef HSP_ERROR_H
#define HSP_ERROR_H

#include "hookspool.h"

/* Write `status` and the formatted text unless `err` (may be NULL) holds an earlier
 * failure. Returns `status`. */
enum hs_status hsp_fail(struct hs_error *err, enum hs_status status, const char *format,
                        ...) HS_PRINTF(3, 4);

/* The same for a failed system call: takes errno, appends ": " and its text, and turns
 * ENOSPC, EDQUOT into HS_E_FULL and ENOMEM into HS_E_NOMEM whatever `status` says.
 * Returns the status that it wrote. */
enum hs_status hsp_fail_errno(struct hs_error *err, enum hs_status status,
                              const char *format, ...) HS_PRINTF(3, 4);

/* What a failed step on files means, by errno: HS_E_SPOOL where it helps to set the place
 * up, else HS_E_IO. For hsp_fail_errno. */
enum hs_status hsp_status_of_step(void);

#endif
