/* SPDX-License-Identifier: MIT */
/* A name looked up as libcurl does it (getaddrinfo), but with all its addresses, the
 * resolver's own error code, and a wait that can be given up. */
#ifndef HSP_LOOKUP_H
#define HSP_LOOKUP_H

#include <netdb.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HSP_LOOKUP_TEXT 400

struct hsp_lookup_answer {
    int error;                       /* EAI_*; 0: found; EAI_AGAIN: given up, too */
    char addresses[HSP_LOOKUP_TEXT]; /* "192.0.2.1, 2001:db8::1" */
};

/* Blocks at most `timeout_ms`, and ends within 100 ms of `cancelled`. Names below
 * .invalid are not asked for (RFC 6761, section 6.4). Any thread. A lookup that was given
 * up goes on in a thread of its own until the resolver ends it. */
void hsp_lookup(const char *host, int64_t timeout_ms, const atomic_bool *cancelled,
                struct hsp_lookup_answer *answer);

#endif
