/* SPDX-License-Identifier: MIT */
/* What a TLS handshake showed, also where it failed: version, cipher, the server's
 * certificate, alerts, and whether the other side speaks TLS at all. The one module that
 * knows OpenSSL's X509 and SSL. It only looks on: what is accepted is decided elsewhere.
 */
#ifndef HSP_CERTIFICATE_H
#define HSP_CERTIFICATE_H

#include <stdbool.h>
#include <stdint.h>

#define HSP_CERTIFICATE_TEXT 256

struct hsp_certificate {
    char subject[HSP_CERTIFICATE_TEXT]; /* RFC 2253; these three fit to be shown */
    char issuer[HSP_CERTIFICATE_TEXT];
    char names[HSP_CERTIFICATE_TEXT]; /* "a.example, 192.0.2.1" */
    int64_t not_before_s, not_after_s;
};

/* Why a certificate was not accepted. */
enum hsp_certificate_fault {
    HSP_CERTIFICATE_OK,
    HSP_CERTIFICATE_EXPIRED,
    HSP_CERTIFICATE_NOT_YET,
    HSP_CERTIFICATE_SELF_SIGNED,
    HSP_CERTIFICATE_UNKNOWN_AUTHORITY,
    HSP_CERTIFICATE_WRONG_NAME,
    HSP_CERTIFICATE_REVOKED,
    HSP_CERTIFICATE_WEAK,
    HSP_CERTIFICATE_OTHER,
};

/* Descriptions of alerts, RFC 8446 section 6 and RFC 5246 section 7.2. */
enum hsp_tls_alert {
    HSP_ALERT_NONE = -1,
    HSP_ALERT_HANDSHAKE_FAILURE = 40,
    HSP_ALERT_BAD_CERTIFICATE = 42,
    HSP_ALERT_CERTIFICATE_UNKNOWN = 46,
    HSP_ALERT_UNKNOWN_CA = 48,
    HSP_ALERT_PROTOCOL_VERSION = 70,
    HSP_ALERT_UNRECOGNIZED_NAME = 112,
    HSP_ALERT_CERTIFICATE_REQUIRED = 116,
};

struct hsp_handshake {
    bool begun;   /* our first bytes were made */
    bool heard;   /* something came back */
    bool not_tls; /* and it was no TLS record */
    bool asked_for_certificate;
    int alert_sent, alert_received;   /* enum hsp_tls_alert, the last fatal one */
    char version[16], cipher[64];     /* "" where it did not come so far */
    bool has_certificate;             /* the server showed one */
    struct hsp_certificate server;    /* its own */
    bool has_culprit;                 /* a certificate was not accepted: */
    struct hsp_certificate culprit;   /* this one, of the server or of its authorities */
    int culprit_depth;                /* 0: the server's own */
    enum hsp_certificate_fault fault; /* of the culprit */
    const char *fault_text;           /* OpenSSL's words for it; static */
};

/* Look on at the handshakes of `ssl_ctx`, an SSL_CTX as CURLOPT_SSL_CTX_FUNCTION hands it
 * out; `seen` is filled while they go on and has to outlive the handle. False: it cannot
 * be done, nothing will be seen. */
bool hsp_handshake_watch(void *ssl_ctx, struct hsp_handshake *seen);

/* What a result of verification (CURLINFO_SSL_VERIFYRESULT) means. Pure. */
enum hsp_certificate_fault hsp_certificate_fault(long verify_result);

#endif
