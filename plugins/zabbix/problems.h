/* SPDX-License-Identifier: MIT */
/* Exported problems and recoveries. A recovery says only which problem it ends, so open
 * problems are kept in the state file until their recovery has come; see kept.h.
 *
 * Syncers write files of their own, so a recovery may be read before its problem. It
 * waits for HSP_PROBLEMS_WAIT_S; then it is told without what only the problem knows, as
 * an event of its own. Where the problem comes after all, problem and recovery are told
 * as they would have been, so that no incident stays without an end. */
#ifndef HSP_PROBLEMS_H
#define HSP_PROBLEMS_H

#include "complaint.h"
#include "courier.h"
#include "kept.h"
#include "ndjson.h"
#include "options.h"

#define HSP_PROBLEMS_MAX 100000 /* that are open; the oldest are forgotten beyond it */
#define HSP_PROBLEMS_WAIT_S 10
/* Recoveries that were told without their problem are remembered for so long, and so many
 * of them. */
#define HSP_PROBLEMS_OVER_S (7 * 86400)
#define HSP_PROBLEMS_OVER_MAX 10000

extern const char *const hsp_problem_severities[HSP_SEVERITIES];

/* Which problems are told. */
struct hsp_problem_filter {
    int min_severity;
    const struct hsp_option_list *with; /* "NAME" or "NAME=VALUE": at least one; NULL */
    const struct hsp_option_list *without; /* none of these; NULL */
};

struct hsp_problems {
    const struct hs_config *config; /* borrowed */
    struct hsp_courier *courier;    /* borrowed */
    struct hsp_problem_filter filter;
    struct hsp_kept kept;
    int64_t forgot_s; /* when those of long ago were forgotten last */
    struct hsp_complaint late;
    bool told_full;
};

/* Begin with what the state file holds. */
void hsp_problems_start(struct hsp_problems *problems);

/* A line, not a value, with its text. HS_E_NOMEM, HS_E_IO (no random bytes): what came of
 * it so far must not be committed. */
enum hs_status hsp_problems_line(struct hsp_problems *problems,
                                 const struct hsp_line *line, const char *text,
                                 size_t length, struct hs_error *err) HS_MUST_CHECK;

/* Tell of recoveries that have waited long enough, or of `all`, and forget what is too
 * old. As above. */
enum hs_status hsp_problems_tick(struct hsp_problems *problems, int64_t now_s, bool all,
                                 struct hs_error *err) HS_MUST_CHECK;

#endif
