/* SPDX-License-Identifier: MIT */
/* From what was seen of a request to the fault's name, stage by stage: the first stage
 * that was not passed decides. */
#include "config.h"

#include "fault.h"

#include <errno.h>
#include <netdb.h>
#include <stddef.h>

#define COUNT(rows) (sizeof(rows) / sizeof(*(rows)))

/* Answers
 * ------------------------------------------------------------------------------------ */

static enum hsp_fault of_status(long status) {
    static const struct {
        short first, last;
        enum hsp_fault fault;
    } rows[] = {
        {200, 299, HSP_FAULT_NONE},
        {300, 399, HSP_FAULT_REDIRECT},
        {400, 400, HSP_FAULT_BAD_REQUEST},
        {401, 401, HSP_FAULT_UNAUTHORIZED},
        {403, 403, HSP_FAULT_FORBIDDEN},
        {404, 404, HSP_FAULT_NOT_FOUND},
        {405, 405, HSP_FAULT_METHOD},
        {407, 407, HSP_FAULT_PROXY_CREDENTIALS},
        {408, 408, HSP_FAULT_REQUEST_TIMEOUT},
        {410, 410, HSP_FAULT_GONE},
        {413, 413, HSP_FAULT_TOO_LARGE},
        {415, 415, HSP_FAULT_MEDIA_TYPE},
        {422, 422, HSP_FAULT_CONTENT},
        {429, 429, HSP_FAULT_RATE_LIMITED},
        {400, 499, HSP_FAULT_REJECTED},
        {502, 502, HSP_FAULT_GATEWAY},
        {503, 503, HSP_FAULT_UNAVAILABLE},
        {504, 504, HSP_FAULT_GATEWAY},
        {500, 599, HSP_FAULT_SERVER_ERROR},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (status >= rows[i].first && status <= rows[i].last)
            return rows[i].fault;
    return HSP_FAULT_ODD_STATUS;
}

/* A TLS server says 400 to what is no TLS, or nothing. */
static enum hsp_fault of_answer(const struct hsp_happened *happened) {
    enum hsp_fault fault = of_status(happened->http_status);
    return fault == HSP_FAULT_BAD_REQUEST && happened->port_speaks_tls
               ? HSP_FAULT_TLS_PORT
               : fault;
}

/* Names and connections
 * ---------------------------------------------------------------------------- */

static enum hsp_fault of_lookup(const struct hsp_happened *happened) {
    if (happened->lookup_error == EAI_MEMORY)
        return HSP_FAULT_NO_MEMORY;
    if (happened->lookup_error == EAI_AGAIN || happened->lookup_error == EAI_FAIL ||
        happened->lookup_error == EAI_SYSTEM)
        return HSP_FAULT_NO_NAME_SERVER;
    return happened->proxy_name_failed ? HSP_FAULT_PROXY_UNKNOWN_NAME
                                       : HSP_FAULT_UNKNOWN_NAME;
}

static enum hsp_fault of_connection(const struct hsp_happened *happened) {
    static const struct {
        int os_errno;
        enum hsp_fault direct, by_proxy;
    } rows[] = {
        {ECONNREFUSED, HSP_FAULT_CLOSED_PORT, HSP_FAULT_PROXY_CLOSED_PORT},
        {ETIMEDOUT, HSP_FAULT_CONNECT_TIMEOUT, HSP_FAULT_PROXY_TIMEOUT},
        {ENETUNREACH, HSP_FAULT_UNREACHABLE, HSP_FAULT_PROXY_UNREACHABLE},
        {EHOSTUNREACH, HSP_FAULT_UNREACHABLE, HSP_FAULT_PROXY_UNREACHABLE},
        {ENETDOWN, HSP_FAULT_UNREACHABLE, HSP_FAULT_PROXY_UNREACHABLE},
        {EHOSTDOWN, HSP_FAULT_UNREACHABLE, HSP_FAULT_PROXY_UNREACHABLE},
        {EADDRNOTAVAIL, HSP_FAULT_SOURCE_ADDRESS, HSP_FAULT_SOURCE_ADDRESS},
        {EACCES, HSP_FAULT_CONNECT_FORBIDDEN, HSP_FAULT_CONNECT_FORBIDDEN},
        {EPERM, HSP_FAULT_CONNECT_FORBIDDEN, HSP_FAULT_CONNECT_FORBIDDEN},
        {EAFNOSUPPORT, HSP_FAULT_CONNECT_FORBIDDEN, HSP_FAULT_CONNECT_FORBIDDEN},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i].os_errno == happened->os_errno)
            return happened->has_proxy ? rows[i].by_proxy : rows[i].direct;
    return HSP_FAULT_CONNECT_FAILED;
}

/* Proxies
 * ------------------------------------------------------------------------------------ */

static enum hsp_fault of_connect_status(long status) {
    switch (status) {
    case 407:
        return HSP_FAULT_PROXY_CREDENTIALS;
    case 401:
    case 403:
    case 405:
        return HSP_FAULT_PROXY_REFUSES;
    default:
        return HSP_FAULT_PROXY_NO_WAY;
    }
}

static enum hsp_fault of_socks(long error) {
    static const struct {
        long error;
        enum hsp_fault fault;
    } rows[] = {
        {CURLPX_USER_REJECTED, HSP_FAULT_PROXY_CREDENTIALS},
        {CURLPX_NO_AUTH, HSP_FAULT_PROXY_CREDENTIALS},
        {CURLPX_IDENTD, HSP_FAULT_PROXY_CREDENTIALS},
        {CURLPX_IDENTD_DIFFER, HSP_FAULT_PROXY_CREDENTIALS},
        {CURLPX_REPLY_NOT_ALLOWED, HSP_FAULT_PROXY_REFUSES},
        {CURLPX_REQUEST_FAILED, HSP_FAULT_PROXY_NO_WAY},
        {CURLPX_RESOLVE_HOST, HSP_FAULT_UNKNOWN_NAME},
        {CURLPX_REPLY_CONNECTION_REFUSED, HSP_FAULT_PROXY_NO_WAY},
        {CURLPX_REPLY_GENERAL_SERVER_FAILURE, HSP_FAULT_PROXY_NO_WAY},
        {CURLPX_REPLY_HOST_UNREACHABLE, HSP_FAULT_PROXY_NO_WAY},
        {CURLPX_REPLY_NETWORK_UNREACHABLE, HSP_FAULT_PROXY_NO_WAY},
        {CURLPX_REPLY_TTL_EXPIRED, HSP_FAULT_PROXY_NO_WAY},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i].error == error)
            return rows[i].fault;
    return HSP_FAULT_PROXY_ODD;
}

static bool is_tls_result(CURLcode result) {
    return result == CURLE_SSL_CONNECT_ERROR || result == CURLE_PEER_FAILED_VERIFICATION;
}

/* NONE: the proxy is not at fault. */
static enum hsp_fault of_proxy(const struct hsp_happened *happened) {
    if (!happened->has_proxy || happened->handshake->begun)
        return HSP_FAULT_NONE;
    if (is_tls_result(happened->result))
        return HSP_FAULT_PROXY_TLS;
    if (happened->result == CURLE_PROXY)
        return of_socks(happened->proxy_error);
    if (!happened->is_tunnel || happened->proxy_status / 100 == 2)
        return HSP_FAULT_NONE;
    if (happened->proxy_status != 0)
        return of_connect_status(happened->proxy_status);
    return happened->result == CURLE_OPERATION_TIMEDOUT && !happened->has_proxy_answered
               ? HSP_FAULT_PROXY_TIMEOUT
               : HSP_FAULT_PROXY_ODD;
}

/* TLS
 * ----------------------------------------------------------------------------------------
 */

static enum hsp_fault of_certificate(const struct hsp_happened *happened) {
    static const enum hsp_fault faults[] = {
        /* libcurl compares the names itself, when all else was right. */
        [HSP_CERTIFICATE_OK] = HSP_FAULT_CERTIFICATE_NAME,
        [HSP_CERTIFICATE_EXPIRED] = HSP_FAULT_CERTIFICATE_EXPIRED,
        [HSP_CERTIFICATE_NOT_YET] = HSP_FAULT_CERTIFICATE_NOT_YET,
        [HSP_CERTIFICATE_SELF_SIGNED] = HSP_FAULT_CERTIFICATE_SELF_SIGNED,
        [HSP_CERTIFICATE_UNKNOWN_AUTHORITY] = HSP_FAULT_CERTIFICATE_AUTHORITY,
        [HSP_CERTIFICATE_WRONG_NAME] = HSP_FAULT_CERTIFICATE_NAME,
        [HSP_CERTIFICATE_REVOKED] = HSP_FAULT_CERTIFICATE_REVOKED,
        [HSP_CERTIFICATE_WEAK] = HSP_FAULT_CERTIFICATE_WEAK,
        [HSP_CERTIFICATE_OTHER] = HSP_FAULT_CERTIFICATE_INVALID,
    };
    return faults[happened->handshake->has_certificate
                      ? happened->handshake->fault
                      : hsp_certificate_fault(happened->verify)];
}

/* NONE: no alert that says something. */
static enum hsp_fault of_alert(const struct hsp_handshake *handshake) {
    const int received = handshake->alert_received;
    if (received == HSP_ALERT_PROTOCOL_VERSION ||
        handshake->alert_sent == HSP_ALERT_PROTOCOL_VERSION)
        return HSP_FAULT_TLS_TOO_OLD;
    if (received == HSP_ALERT_CERTIFICATE_REQUIRED || received == HSP_ALERT_UNKNOWN_CA ||
        (received >= HSP_ALERT_BAD_CERTIFICATE &&
         received <= HSP_ALERT_CERTIFICATE_UNKNOWN) ||
        (received == HSP_ALERT_HANDSHAKE_FAILURE && handshake->asked_for_certificate))
        return HSP_FAULT_CLIENT_CERTIFICATE;
    return received != HSP_ALERT_NONE ? HSP_FAULT_TLS_REFUSED : HSP_FAULT_NONE;
}

/* Of a handshake that did not end well, or of an alert after it; NONE: neither. */
static enum hsp_fault of_tls(const struct hsp_happened *happened) {
    const struct hsp_handshake *handshake = happened->handshake;
    if (!happened->is_https)
        return HSP_FAULT_NONE;
    if (happened->result == CURLE_PEER_FAILED_VERIFICATION)
        return of_certificate(happened);
    if (handshake->not_tls)
        return HSP_FAULT_PLAIN_PORT;
    enum hsp_fault fault = of_alert(handshake);
    if (fault != HSP_FAULT_NONE || happened->is_tls_done || !handshake->begun)
        return fault;
    /* Asked for a certificate, it got none or the wrong one, and hung up. */
    if (handshake->asked_for_certificate)
        return HSP_FAULT_CLIENT_CERTIFICATE;
    if (happened->result == CURLE_OPERATION_TIMEDOUT)
        return HSP_FAULT_TLS_SILENT;
    return handshake->heard ? HSP_FAULT_TLS_REFUSED : HSP_FAULT_TLS_CLOSED;
}

/* All together
 * ------------------------------------------------------------------------------- */

static enum hsp_fault of_time(const struct hsp_happened *happened) {
    if (!happened->is_connected)
        return happened->has_proxy ? HSP_FAULT_PROXY_TIMEOUT : HSP_FAULT_CONNECT_TIMEOUT;
    return happened->has_answer_begun ? HSP_FAULT_SLOW : HSP_FAULT_SILENT;
}

/* What the code alone says; NONE: nothing. */
static enum hsp_fault of_code(CURLcode code) {
    static const struct {
        CURLcode code;
        enum hsp_fault fault;
    } rows[] = {
        {CURLE_COULDNT_RESOLVE_HOST, HSP_FAULT_UNKNOWN_NAME},
        {CURLE_COULDNT_RESOLVE_PROXY, HSP_FAULT_PROXY_UNKNOWN_NAME},
        {CURLE_INTERFACE_FAILED, HSP_FAULT_SOURCE_ADDRESS},
        {CURLE_SSL_CACERT_BADFILE, HSP_FAULT_CA_FILE},
        {CURLE_SSL_CERTPROBLEM, HSP_FAULT_CERT_FILE},
        {CURLE_OUT_OF_MEMORY, HSP_FAULT_NO_MEMORY},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i].code == code)
            return rows[i].fault;
    return HSP_FAULT_NONE;
}

/* The connection stands, the request went out or should have, and no answer came. */
static enum hsp_fault of_silence(const struct hsp_happened *happened) {
    if (happened->port_speaks_tls)
        return HSP_FAULT_TLS_PORT;
    switch (happened->result) {
    case CURLE_OPERATION_TIMEDOUT:
        return of_time(happened);
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
        return HSP_FAULT_CLOSED;
    case CURLE_OK: /* an answer without a head */
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return HSP_FAULT_NOT_HTTP;
    default:
        return HSP_FAULT_OTHER;
    }
}

enum hsp_fault hsp_fault_find(const struct hsp_happened *happened) {
    if (happened->is_cancelled)
        return HSP_FAULT_CANCELLED;
    if (happened->lookup_error != 0)
        return of_lookup(happened);
    /* The receiver has said what it thinks: how the rest fared does not matter. */
    if (happened->http_status != 0)
        return of_answer(happened);
    enum hsp_fault fault = of_code(happened->result);
    if (fault != HSP_FAULT_NONE)
        return fault;
    if (happened->result == CURLE_COULDNT_CONNECT && !happened->is_connected)
        return of_connection(happened);
    if (happened->result == CURLE_OPERATION_TIMEDOUT && !happened->is_connected)
        return of_time(happened);
    fault = of_proxy(happened);
    if (fault == HSP_FAULT_NONE)
        fault = of_tls(happened);
    return fault != HSP_FAULT_NONE ? fault : of_silence(happened);
}
