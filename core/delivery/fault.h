/* SPDX-License-Identifier: MIT */
/* What went wrong with a request, by name, and what to look at next: for `hookspool
 * test`. Told apart by codes, never by texts. Pure functions. Names: docs/faults.md. */
#ifndef HSP_FAULT_H
#define HSP_FAULT_H

#include "certificate.h"
#include <curl/curl.h>

enum hsp_fault {
    HSP_FAULT_NONE, /* delivered */
    HSP_FAULT_UNKNOWN_NAME,
    HSP_FAULT_NO_NAME_SERVER,
    HSP_FAULT_CLOSED_PORT,
    HSP_FAULT_UNREACHABLE,
    HSP_FAULT_CONNECT_TIMEOUT,
    HSP_FAULT_CONNECT_FORBIDDEN,
    HSP_FAULT_CONNECT_FAILED,
    HSP_FAULT_SOURCE_ADDRESS,
    HSP_FAULT_PROXY_UNKNOWN_NAME,
    HSP_FAULT_PROXY_CLOSED_PORT,
    HSP_FAULT_PROXY_UNREACHABLE,
    HSP_FAULT_PROXY_TIMEOUT,
    HSP_FAULT_PROXY_CREDENTIALS,
    HSP_FAULT_PROXY_REFUSES,
    HSP_FAULT_PROXY_NO_WAY,
    HSP_FAULT_PROXY_ODD,
    HSP_FAULT_PROXY_TLS,
    HSP_FAULT_PLAIN_PORT,
    HSP_FAULT_TLS_PORT,
    HSP_FAULT_TLS_SILENT,
    HSP_FAULT_TLS_CLOSED,
    HSP_FAULT_TLS_TOO_OLD,
    HSP_FAULT_TLS_REFUSED,
    HSP_FAULT_CLIENT_CERTIFICATE,
    HSP_FAULT_CERTIFICATE_EXPIRED,
    HSP_FAULT_CERTIFICATE_NOT_YET,
    HSP_FAULT_CERTIFICATE_SELF_SIGNED,
    HSP_FAULT_CERTIFICATE_AUTHORITY,
    HSP_FAULT_CERTIFICATE_NAME,
    HSP_FAULT_CERTIFICATE_REVOKED,
    HSP_FAULT_CERTIFICATE_WEAK,
    HSP_FAULT_CERTIFICATE_INVALID,
    HSP_FAULT_CA_FILE,
    HSP_FAULT_CERT_FILE,
    HSP_FAULT_SILENT,
    HSP_FAULT_SLOW,
    HSP_FAULT_CLOSED,
    HSP_FAULT_NOT_HTTP,
    HSP_FAULT_REDIRECT,
    HSP_FAULT_BAD_REQUEST,
    HSP_FAULT_UNAUTHORIZED,
    HSP_FAULT_FORBIDDEN,
    HSP_FAULT_NOT_FOUND,
    HSP_FAULT_METHOD,
    HSP_FAULT_REQUEST_TIMEOUT,
    HSP_FAULT_GONE,
    HSP_FAULT_TOO_LARGE,
    HSP_FAULT_MEDIA_TYPE,
    HSP_FAULT_CONTENT,
    HSP_FAULT_RATE_LIMITED,
    HSP_FAULT_REJECTED,
    HSP_FAULT_SERVER_ERROR,
    HSP_FAULT_GATEWAY,
    HSP_FAULT_UNAVAILABLE,
    HSP_FAULT_ODD_STATUS,
    HSP_FAULT_CANCELLED,
    HSP_FAULT_NO_MEMORY,
    HSP_FAULT_OTHER,
    HSP_FAULT_COUNT /* not a fault: their number */
};

/* What was seen of one request. */
struct hsp_happened {
    int lookup_error; /* EAI_*, 0: none */
    CURLcode result;
    int os_errno;
    bool is_https, has_proxy;
    bool is_tunnel;          /* the proxy is asked for a connection (CONNECT, SOCKS) */
    bool is_cancelled;       /* by us */
    bool proxy_name_failed;  /* the name that was looked up is the proxy's */
    bool has_proxy_answered; /* something, to CONNECT */
    long proxy_status;       /* of its answer to CONNECT; 0: none */
    long proxy_error;        /* CURLPX_*, of SOCKS */
    long verify;             /* CURLINFO_SSL_VERIFYRESULT */
    bool is_connected, is_tls_done, is_body_sent, has_answer_begun;
    bool port_speaks_tls;                  /* it was tried, with a URL that does not */
    long http_status;                      /* 0: no complete head */
    const struct hsp_handshake *handshake; /* with the endpoint */
};

enum hsp_fault hsp_fault_find(const struct hsp_happened *happened);

const char *hsp_fault_name(enum hsp_fault fault); /* "closed-port" */
const char *hsp_fault_text(enum hsp_fault fault); /* what is wrong, in a few words */
const char *hsp_fault_hint(enum hsp_fault fault); /* what to look at next, a sentence */

/* May the receiver have taken what was sent? True where the whole body went out and the
 * answer is not one of a sound receiver that refuses. */
bool hsp_fault_may_be_taken(enum hsp_fault fault, bool is_body_sent);

#endif
