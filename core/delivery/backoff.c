/* SPDX-License-Identifier: MIT */
/* How long to wait: a geometric row with jitter, and the bounds of Retry-After. Pure
 * functions, safe for every value. */
#include "config.h"

#include "backoff.h"

enum { FACTOR = 3 };

int64_t hsp_backoff_ms(int attempts, int64_t first_ms, int64_t max_ms, uint32_t random) {
    int64_t pause_ms = first_ms;
    for (int i = 1; i < attempts && pause_ms > 0 && pause_ms < max_ms; i++)
        pause_ms = pause_ms > max_ms / FACTOR ? max_ms : pause_ms * FACTOR;
    if (pause_ms > max_ms)
        pause_ms = max_ms;
    if (pause_ms < 1)
        return 1;
    /* Downwards only, so that max_ms is a promise. */
    const int64_t most_ms = pause_ms / 5;
    const int64_t cut_ms = (int64_t)((double)most_ms * (random / (double)UINT32_MAX));
    return pause_ms - (cut_ms < most_ms ? cut_ms : most_ms);
}

int64_t hsp_busy_ms(int64_t retry_after_s, int64_t fallback_ms) {
    if (retry_after_s > HSP_BUSY_MAX_MS / 1000)
        return HSP_BUSY_MAX_MS;
    /* 0, or a date that has passed, is no invitation to ask without a pause. */
    int64_t pause_ms = retry_after_s <= 0 ? fallback_ms : retry_after_s * 1000;
    return pause_ms < 1 ? 1 : pause_ms;
}
