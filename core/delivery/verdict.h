/* SPDX-License-Identifier: MIT */
/* What an answer means: the outcome table of the design, as data. Pure functions. */
#ifndef HSP_VERDICT_H
#define HSP_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

enum hsp_verdict {
    HSP_DELIVERED, /* 2xx */
    HSP_RETRY, /* endpoint's fault: no connection, TLS failure, timeout, 408, 425, 5xx */
    HSP_BUSY,  /* 429, 503 with Retry-After */
    HSP_MISCONFIGURED, /* 3xx, 401, 403, 404, 405, 407 */
    HSP_GONE,          /* 410 */
    HSP_REJECTED,      /* event's fault: other 4xx */
};

/* `http_status` 0 (or below 200): no complete answer head came. `retry_after_s` is -1
 * where no such header came. */
enum hsp_verdict hsp_verdict(long http_status, int64_t retry_after_s);

const char *
hsp_verdict_text(enum hsp_verdict verdict); /* "delivered", "retry", "busy" … */

#endif
