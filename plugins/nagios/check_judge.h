/* SPDX-License-Identifier: MIT */
/* From a status and thresholds to what is wrong, and to performance data. No clock, no
 * disk. */
#ifndef HSP_CHECK_JUDGE_H
#define HSP_CHECK_JUDGE_H

#include "check_metrics.h"

#include "buffer.h"
#include "options.h"
#include "status.h"

/* The guidelines' exit statuses. */
enum hsp_severity { HSP_OKAY, HSP_WARNING, HSP_CRITICAL, HSP_UNKNOWN };

/* One thing that is wrong. */
struct hsp_finding {
    enum hsp_severity severity;
    char text[256];
};

/* What a check comes to. Zero-initialize; ended by hsp_result_free. */
struct hsp_result {
    struct hsp_finding *findings; /* the worst first; else in the order found */
    size_t count, capacity;
    struct hsp_buffer perfdata; /* one blank between two */
    bool failed;                /* out of memory */
};

/* Judge a status: `names` are the endpoints to look at (none: all of them), which must be
 * in it. Whatever comes from the status is free of "|" and of control characters then. */
void hsp_check_judge(struct hsp_result *result, const struct hsp_status *status,
                     const struct hsp_thresholds *thresholds,
                     const struct hsp_option_list *names);
void hsp_result_free(struct hsp_result *result);

/* Is the endpoint one of those to look at? */
bool hsp_check_is_wanted(const struct hsp_option_list *names, const char *name);

#endif
