/* SPDX-License-Identifier: MIT */
/* What check_hookspool measures, and its thresholds. */
#ifndef HSP_CHECK_METRICS_H
#define HSP_CHECK_METRICS_H

#include "check_range.h"

#include "hookspool.h"

#include <stdio.h>

enum hsp_metric {
    HSP_PENDING,
    HSP_AGE,
    HSP_DEAD,
    HSP_SENT,
    HSP_FAILED,
    HSP_RATE,
    HSP_INCOMING,
    HSP_INCOMING_AGE,
    HSP_CORRUPT,
    HSP_SPACE,
    HSP_INODES,
    HSP_METRICS,
};

struct hsp_thresholds {
    struct hsp_range warning[HSP_METRICS], critical[HSP_METRICS];
};

/* The built-in ones. */
void hsp_thresholds_default(struct hsp_thresholds *thresholds);
/* Lay "pending=100,age=5m" over them; "dead=" takes one away. HS_E_DATA: the text says
 * what is wrong, and what would be right. */
enum hs_status hsp_thresholds_set(struct hsp_range ranges[HSP_METRICS], const char *text,
                                  struct hs_error *err) HS_MUST_CHECK;
/* The built-in ones in words, for --help. */
void hsp_thresholds_print(FILE *stream);

/* "pending", and the guidelines' unit of measurement: "", "s", "%" or "c". */
const char *hsp_metric_name(enum hsp_metric metric);
const char *hsp_metric_uom(enum hsp_metric metric);

#endif
