/* SPDX-License-Identifier: MIT */
/* How long to wait. Pure functions; milliseconds. */
#ifndef HSP_BACKOFF_H
#define HSP_BACKOFF_H

#include <stdint.h>

#define HSP_BUSY_MAX_MS (3600 * 1000)

/* Pause after the `attempts`-th failure in a row (1 or more): first_ms * 3^(attempts-1),
 * at most max_ms, then spread evenly over 80 % to 100 % of that by `random` (any value).
 * Never below 1. */
int64_t hsp_backoff_ms(int attempts, int64_t first_ms, int64_t max_ms, uint32_t random);

/* How long a busy endpoint is left alone: Retry-After (seconds, -1: absent) bounded to an
 * hour; 0 or absent: `fallback_ms`. At least 1. */
int64_t hsp_busy_ms(int64_t retry_after_s, int64_t fallback_ms);

#endif
