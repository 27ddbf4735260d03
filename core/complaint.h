/* SPDX-License-Identifier: MIT */
/* When to say that something fails: the first time, when the reason changes, and once a
 * minute; and that it works again. Zero-initialize; holds no pointers. */
#ifndef HSP_COMPLAINT_H
#define HSP_COMPLAINT_H

#include "hookspool.h"
#include <stdbool.h>

struct hsp_complaint {
    struct hs_error last; /* status HS_OK: it works */
    int64_t said_us;
};

/* It failed: is that to be said? */
bool hsp_complaint_due(struct hsp_complaint *complaint, const struct hs_error *err);
/* It worked: did it fail before? */
bool hsp_complaint_over(struct hsp_complaint *complaint);

#endif
