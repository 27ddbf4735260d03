/* SPDX-License-Identifier: MIT */
/* What becomes of a file that was read: its part of a plan. Main loop only. */
#ifndef HSP_PLAN_H
#define HSP_PLAN_H

#include "draft.h"
#include "flusher.h"

/* Decide a whole file and add it to the plan, which takes its bytes over. HS_E_FULL,
 * HS_E_IO: not now, and nothing was decided. HS_E_NOMEM: the flusher has to end. */
enum hs_status hsp_plan_decide(struct hsp_flusher *flusher, struct hsp_placing *placing,
                               struct hsp_draft *draft,
                               struct hs_error *err) HS_MUST_CHECK;
/* Why an event is not taken in again, a static text; NULL: it is new. */
const char *hsp_plan_seen_before(const struct hsp_flusher *flusher,
                                 const struct hsp_draft_event *event);
/* One more zeroed element of an array that doubles; NULL: out of memory, and the array is
 * as it was. */
void *hsp_plan_one_more(void **array, size_t *count, size_t *capacity, size_t size);

#endif
