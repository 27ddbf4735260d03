/* SPDX-License-Identifier: MIT */
/* What was seen of a trial's request, between trial.c, which sees it, and trial_report.c,
 * which tells it. */
#ifndef HSP_TRIAL_SEEN_H
#define HSP_TRIAL_SEEN_H

#include "http.h"
#include "lookup.h"
#include "trial.h"

struct hsp_trial_seen {
    const struct hsp_trial *trial;
    const char *id;
    char *body;
    size_t body_length;
    char host[256]; /* that was looked up: the endpoint's, or its proxy's */
    struct hsp_lookup_answer lookup;
    struct hsp_happened happened;
    struct hsp_handshake handshake, proxy_handshake;
    bool has_proxy_begun; /* its handshake */
    char ip[64];          /* the address that took the connection */
    long port;
    /* Milliseconds: of each step, and of all. */
    int64_t lookup_ms, connect_ms, tls_ms, answer_ms, took_ms;
    int64_t tls_began_us;        /* after the request was begun; 0: it was not */
    char error[CURL_ERROR_SIZE]; /* libcurl's words */
    struct hsp_buffer sent;      /* the head of the request, as it went out */
    char status_line[128];       /* fit to be shown, as are these two: */
    char *location;              /* masked; NULL: none */
    char greeting[128];          /* of a port or proxy that speaks another language */
    int64_t retry_after_s;       /* -1: none */
    size_t excerpt_length;
    char excerpt[HSP_EXCERPT_MAX + 1];
};

/* The report's object, NULL: out of memory. */
json_object *hsp_trial_report(const struct hsp_trial_seen *seen, enum hsp_fault fault);
/* The fault in one line: what is wrong and the words of the step that failed. */
void hsp_trial_reason(const struct hsp_trial_seen *seen, enum hsp_fault fault,
                      char *reason, size_t size);

#endif
