/* SPDX-License-Identifier: MIT */
/* Ranges of the Monitoring Plugins guidelines (Threshold and Ranges): "10" is alert
 * outside 0 to 10, "10:" below 10, "~:10" above 10, "10:20" outside, "@10:20" inside, the
 * ends included. Pure functions. */
#ifndef HSP_CHECK_RANGE_H
#define HSP_CHECK_RANGE_H

#include <stdbool.h>
#include <stddef.h>

enum hsp_unit {
    HSP_UNIT_COUNT,   /* 10 */
    HSP_UNIT_SECONDS, /* 10, or a duration: 5m */
    HSP_UNIT_PERCENT, /* 10 or 10% */
};

struct hsp_range {
    bool is_set;    /* unset alerts for nothing */
    bool is_inside; /* alert inside, not outside */
    double start, end;
};

/* Read `length` bytes of `text`; "" makes an unset range. False, and `range` as it was,
 * for what is no range, or starts above its end. */
bool hsp_range_parse(const char *text, size_t length, enum hsp_unit unit,
                     struct hsp_range *range);

bool hsp_range_alerts(const struct hsp_range *range, double value);

/* In the guidelines' shortest form, numbers in the base unit; "" for an unset one. */
#define HSP_RANGE_LENGTH 64
const char *hsp_range_text(const struct hsp_range *range, char text[HSP_RANGE_LENGTH]);

#endif
