/* SPDX-License-Identifier: MIT */
/* What is kept of problems in the state file, by the number of the problem's event:
 *
 *     problem EVENTID     the line, of a problem that is open; or "-", of one that is of
 *                         no interest
 *     recovery EVENTID    seconds and the line, of a recovery whose problem has not come
 *     over EVENTID        the same, once it was told without its problem
 *
 * It changes memory; the next commit of the state file makes it durable. */
#ifndef HSP_KEPT_H
#define HSP_KEPT_H

#include "statefile.h"

#include <stddef.h>
#include <stdint.h>

enum hsp_kept_kind { HSP_KEPT_PROBLEM, HSP_KEPT_RECOVERY, HSP_KEPT_OVER, HSP_KEPT_KINDS };

struct hsp_kept {
    struct hsp_statefile *state; /* borrowed */
    size_t count[HSP_KEPT_KINDS];
};

/* Count what the state file holds. Out of memory: as if there were nothing. */
void hsp_kept_start(struct hsp_kept *kept, struct hsp_statefile *state);

/* The text; NULL: none. Borrowed until the next set. */
const char *hsp_kept_get(const struct hsp_kept *kept, enum hsp_kept_kind kind,
                         uint64_t eventid);
/* `text` NULL: forget. HS_E_NOMEM. */
enum hs_status hsp_kept_set(struct hsp_kept *kept, enum hsp_kept_kind kind,
                            uint64_t eventid, const char *text,
                            struct hs_error *err) HS_MUST_CHECK;

/* The numbers of all of a kind, ascending; free(). HS_E_NOMEM. */
enum hs_status hsp_kept_list(const struct hsp_kept *kept, enum hsp_kept_kind kind,
                             uint64_t **all, size_t *count,
                             struct hs_error *err) HS_MUST_CHECK;

/* Where there are `max` of a kind, forget the tenth with the lowest numbers, which are
 * the oldest; `dropped` says whether. HS_E_NOMEM. */
enum hs_status hsp_kept_make_room(struct hsp_kept *kept, enum hsp_kept_kind kind,
                                  size_t max, bool *dropped,
                                  struct hs_error *err) HS_MUST_CHECK;
/* Forget those of a kind whose text begins with seconds of before `since_s`. HS_E_NOMEM.
 */
enum hs_status hsp_kept_forget_before(struct hsp_kept *kept, enum hsp_kept_kind kind,
                                      int64_t since_s,
                                      struct hs_error *err) HS_MUST_CHECK;

#endif
