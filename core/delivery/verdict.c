/* SPDX-License-Identifier: MIT */
/* What an answer means: one row for each range of HTTP status, the first that fits
 * decides. Whatever no row names (no answer, 1xx, 5xx, numbers nobody defined) is the
 * endpoint's fault and tried again: that loses nothing. Pure functions. */
#include "config.h"

#include "verdict.h"

#include <stddef.h>

static const struct {
    short first, last;
    bool needs_retry_after;
    enum hsp_verdict verdict;
} rules[] = {
    {200, 299, false, HSP_DELIVERED},     /* taken */
    {300, 399, false, HSP_MISCONFIGURED}, /* redirects are not followed */
    {401, 401, false, HSP_MISCONFIGURED}, /* wrong credentials */
    {403, 405, false, HSP_MISCONFIGURED}, /* forbidden, no such place or method */
    {407, 407, false, HSP_MISCONFIGURED}, /* the proxy wants credentials */
    {408, 408, false, HSP_RETRY},         /* request timeout */
    {410, 410, false, HSP_GONE},          /* for good */
    {425, 425, false, HSP_RETRY},         /* too early */
    {429, 429, false, HSP_BUSY},          /* too many requests */
    {400, 499, false, HSP_REJECTED},      /* it does not want this event */
    {503, 503, true, HSP_BUSY},           /* it says when it is back */
};

enum hsp_verdict hsp_verdict(long http_status, int64_t retry_after_s) {
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (http_status >= rules[i].first && http_status <= rules[i].last &&
            (!rules[i].needs_retry_after || retry_after_s >= 0))
            return rules[i].verdict;
    }
    return HSP_RETRY;
}

const char *hsp_verdict_text(enum hsp_verdict verdict) {
    static const char *const texts[] = {
        [HSP_DELIVERED] = "delivered", [HSP_RETRY] = "retry",
        [HSP_BUSY] = "busy",           [HSP_MISCONFIGURED] = "misconfigured",
        [HSP_GONE] = "gone",           [HSP_REJECTED] = "rejected",
    };
    return texts[verdict];
}
