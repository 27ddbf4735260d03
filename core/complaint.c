/* SPDX-License-Identifier: MIT */
/* Complaints, each held back for a while. */
#include "config.h"

#include "complaint.h"

#include "monitor.h"

#define REPEAT_US INT64_C(60000000) /* between two equal ones */

bool hsp_complaint_due(struct hsp_complaint *complaint, const struct hs_error *err) {
    const int64_t now = hsp_clock_now().running_us;
    if (complaint->last.status == err->status &&
        complaint->last.sys_errno == err->sys_errno &&
        now < complaint->said_us + REPEAT_US)
        return false;
    complaint->last = *err;
    complaint->said_us = now;
    return true;
}

bool hsp_complaint_over(struct hsp_complaint *complaint) {
    const bool failed = complaint->last.status != HS_OK;
    complaint->last.status = HS_OK;
    return failed;
}
