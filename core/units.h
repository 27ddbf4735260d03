/* SPDX-License-Identifier: MIT */
/* The words of the configuration: durations, sizes, rates, shares; and times as text.
 * Pure functions. Each parse returns false and leaves its output alone when `text` is not
 * of its form or out of range. */
#ifndef HSP_UNITS_H
#define HSP_UNITS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* A whole number and ms, s, m, h or d: "30s", "500ms", "3d". Milliseconds, up to ten
 * years. */
bool hsp_parse_duration(const char *text, int64_t *duration_ms);
/* A whole number, or one with K, M or G (1024): "100K". Bytes, up to 2^50. */
bool hsp_parse_size(const char *text, int64_t *bytes);
/* "N/s", "N/min", "N/h" with N from 1 to 100000, or "none" (count 0). */
struct hsp_rate {
    int64_t count;     /* requests; 0: no limit */
    int64_t window_ms; /* in any window of this length */
};
bool hsp_parse_rate(const char *text, struct hsp_rate *rate);
/* "5%" (0 to 99) or a size. Exactly one of the two is set, the other is -1. */
struct hsp_share {
    int percent;
    int64_t bytes;
};
bool hsp_parse_share(const char *text, struct hsp_share *share);

#define HSP_TIME_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define HSP_TIME_LENGTH 24                 /* "2024-01-15T10:30:15.000Z" */
/* RFC 3339, UTC. Seconds: "2024-01-15T10:30:15Z"; milliseconds: "….123Z". */
void hsp_format_time(int64_t utc_seconds, char text[HSP_TIME_LENGTH + 1]);
void hsp_format_time_ms(int64_t utc_ms, char text[HSP_TIME_LENGTH + 1]);
/* The first form only. */
bool hsp_parse_time(const char *text, int64_t *utc_seconds);
/* RFC 3339 from 1970 on, with any zone: "2024-01-15T11:30:15.123+01:00". A blank may
 * stand for the "T"; of a fraction three digits count. */
bool hsp_parse_time_ms(const char *text, int64_t *utc_ms);

int64_t hsp_now_ms(clockid_t clock);

/* What follows the noun: "1 event", "2 events". */
static inline const char *hsp_plural(int64_t count) { return count == 1 ? "" : "s"; }

#endif
