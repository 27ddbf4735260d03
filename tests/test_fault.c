/* SPDX-License-Identifier: MIT */
/* From what was seen of a request to the fault's name: a row a way to fail, beside those
 * that the integration tests meet at real servers. */
#include "config.h"

#include "delivery/fault.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/x509_vfy.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof(*(rows)))

static const struct hsp_handshake none = {.alert_sent = HSP_ALERT_NONE,
                                          .alert_received = HSP_ALERT_NONE};

static const char *find(struct hsp_happened happened) {
    if (happened.handshake == NULL)
        happened.handshake = &none;
    return hsp_fault_name(hsp_fault_find(&happened));
}

static void test_lookups(void **state) {
    static const struct {
        int error;
        const char *endpoint, *proxy;
    } rows[] = {
        {EAI_NONAME, "unknown-name", "proxy-unknown-name"},
        {EAI_NODATA, "unknown-name", "proxy-unknown-name"},
        {EAI_AGAIN, "no-name-server", "no-name-server"},
        {EAI_FAIL, "no-name-server", "no-name-server"},
        {EAI_SYSTEM, "no-name-server", "no-name-server"},
        {EAI_MEMORY, "no-memory", "no-memory"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_string_equal(find((struct hsp_happened){.lookup_error = rows[i].error}),
                            rows[i].endpoint);
        assert_string_equal(find((struct hsp_happened){.lookup_error = rows[i].error,
                                                       .proxy_name_failed = true}),
                            rows[i].proxy);
    }
}

static void test_connections(void **state) {
    static const struct {
        int os_errno;
        const char *direct, *by_proxy;
    } rows[] = {
        {ECONNREFUSED, "closed-port", "proxy-closed-port"},
        {ENETUNREACH, "unreachable", "proxy-unreachable"},
        {EHOSTUNREACH, "unreachable", "proxy-unreachable"},
        {ETIMEDOUT, "connect-timeout", "proxy-timeout"},
        {EADDRNOTAVAIL, "source-address", "source-address"},
        {EACCES, "connect-forbidden", "connect-forbidden"},
        {EPERM, "connect-forbidden", "connect-forbidden"},
        {EINVAL, "connect-failed", "connect-failed"},
        {0, "connect-failed", "connect-failed"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct hsp_happened happened = {.result = CURLE_COULDNT_CONNECT,
                                        .os_errno = rows[i].os_errno};
        assert_string_equal(find(happened), rows[i].direct);
        happened.has_proxy = true;
        assert_string_equal(find(happened), rows[i].by_proxy);
    }
    assert_string_equal(find((struct hsp_happened){.result = CURLE_OPERATION_TIMEDOUT}),
                        "connect-timeout");
}

static void test_proxies(void **state) {
    static const struct {
        CURLcode result;
        long status, error;
        bool has_answered;
        const char *name;
    } rows[] = {
        {CURLE_RECV_ERROR, 407, 0, true, "proxy-credentials"},
        {CURLE_COULDNT_CONNECT, 407, 0, true, "proxy-credentials"},
        {CURLE_RECV_ERROR, 403, 0, true, "proxy-refuses"},
        {CURLE_RECV_ERROR, 405, 0, true, "proxy-refuses"},
        {CURLE_RECV_ERROR, 504, 0, true, "proxy-no-way"},
        {CURLE_RECV_ERROR, 0, 0, false, "proxy-odd"},
        {CURLE_OPERATION_TIMEDOUT, 0, 0, false, "proxy-timeout"},
        {CURLE_OPERATION_TIMEDOUT, 0, 0, true, "proxy-odd"},
        {CURLE_SSL_CONNECT_ERROR, 0, 0, false, "proxy-tls"},
        {CURLE_PEER_FAILED_VERIFICATION, 0, 0, false, "proxy-tls"},
        {CURLE_PROXY, 0, CURLPX_USER_REJECTED, false, "proxy-credentials"},
        {CURLE_PROXY, 0, CURLPX_REPLY_NOT_ALLOWED, false, "proxy-refuses"},
        {CURLE_PROXY, 0, CURLPX_REPLY_HOST_UNREACHABLE, false, "proxy-no-way"},
        {CURLE_PROXY, 0, CURLPX_RESOLVE_HOST, false, "unknown-name"},
        {CURLE_PROXY, 0, CURLPX_BAD_VERSION, false, "proxy-odd"},
        {CURLE_COULDNT_RESOLVE_PROXY, 0, 0, false, "proxy-unknown-name"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(
            find((struct hsp_happened){.result = rows[i].result,
                                       .has_proxy = true,
                                       .is_tunnel = true,
                                       .is_https = true,
                                       .is_connected = true,
                                       .proxy_status = rows[i].status,
                                       .proxy_error = rows[i].error,
                                       .has_proxy_answered = rows[i].has_answered}),
            rows[i].name);
}

static void test_alerts(void **state) {
    static const struct {
        int sent, received;
        bool asked;
        const char *name;
    } rows[] = {
        {HSP_ALERT_PROTOCOL_VERSION, -1, false, "tls-too-old"},
        {-1, HSP_ALERT_PROTOCOL_VERSION, false, "tls-too-old"},
        {-1, HSP_ALERT_HANDSHAKE_FAILURE, false, "tls-refused"},
        {-1, HSP_ALERT_HANDSHAKE_FAILURE, true, "client-certificate"},
        {-1, HSP_ALERT_CERTIFICATE_REQUIRED, true, "client-certificate"},
        {-1, HSP_ALERT_UNKNOWN_CA, true, "client-certificate"},
        {-1, HSP_ALERT_BAD_CERTIFICATE, true, "client-certificate"},
        {-1, HSP_ALERT_UNRECOGNIZED_NAME, false, "tls-refused"},
        {-1, -1, true, "client-certificate"},
        {-1, -1, false, "tls-closed"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct hsp_handshake handshake = {.begun = true,
                                                .heard = rows[i].received >= 0,
                                                .alert_sent = rows[i].sent,
                                                .alert_received = rows[i].received,
                                                .asked_for_certificate = rows[i].asked};
        assert_string_equal(find((struct hsp_happened){.result = CURLE_SSL_CONNECT_ERROR,
                                                       .is_https = true,
                                                       .is_connected = true,
                                                       .handshake = &handshake}),
                            rows[i].name);
    }
}

/* Told by what was seen, or, where nothing could be, by the result of verification. */
static void test_certificates(void **state) {
    static const struct {
        long verify;
        const char *name;
    } rows[] = {
        {X509_V_OK, "certificate-name"},
        {X509_V_ERR_UNSPECIFIED, "certificate-name"},
        {X509_V_ERR_HOSTNAME_MISMATCH, "certificate-name"},
        {X509_V_ERR_CERT_HAS_EXPIRED, "certificate-expired"},
        {X509_V_ERR_CERT_NOT_YET_VALID, "certificate-not-yet-valid"},
        {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "certificate-self-signed"},
        {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "certificate-authority"},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "certificate-authority"},
        {X509_V_ERR_CERT_REVOKED, "certificate-revoked"},
        {X509_V_ERR_EE_KEY_TOO_SMALL, "certificate-weak"},
        {X509_V_ERR_INVALID_PURPOSE, "certificate-invalid"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct hsp_handshake seen = none;
        struct hsp_happened happened = {.result = CURLE_PEER_FAILED_VERIFICATION,
                                        .is_https = true,
                                        .is_connected = true,
                                        .verify = rows[i].verify};
        assert_string_equal(find(happened), rows[i].name);
        seen.has_certificate = true;
        seen.fault = hsp_certificate_fault(rows[i].verify);
        happened.handshake = &seen;
        happened.verify = X509_V_ERR_UNSPECIFIED;
        assert_string_equal(find(happened), rows[i].name);
    }
}

static void test_statuses(void **state) {
    static const struct {
        long first, last;
        const char *name;
    } rows[] = {
        {200, 299, "none"},
        {300, 399, "redirect"},
        {400, 400, "bad-request"},
        {401, 401, "unauthorized"},
        {402, 402, "rejected"},
        {403, 403, "forbidden"},
        {404, 404, "not-found"},
        {405, 405, "method-not-allowed"},
        {406, 406, "rejected"},
        {407, 407, "proxy-credentials"},
        {408, 408, "request-timeout"},
        {409, 409, "rejected"},
        {410, 410, "gone"},
        {411, 412, "rejected"},
        {413, 413, "too-large"},
        {414, 414, "rejected"},
        {415, 415, "media-type"},
        {422, 422, "content"},
        {429, 429, "rate-limited"},
        {430, 499, "rejected"},
        {500, 501, "server-error"},
        {502, 502, "gateway"},
        {503, 503, "unavailable"},
        {504, 504, "gateway"},
        {505, 599, "server-error"},
        {600, 999, "odd-status"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (long status = rows[i].first; status <= rows[i].last; status++)
            /* Whatever became of the rest of the answer. */
            assert_string_equal(find((struct hsp_happened){.http_status = status,
                                                           .is_connected = true,
                                                           .result = CURLE_RECV_ERROR}),
                                rows[i].name);
    assert_string_equal(
        find((struct hsp_happened){.http_status = 400, .port_speaks_tls = true}),
        "tls-port");
}

static void test_silence(void **state) {
    static const struct {
        CURLcode result;
        bool has_begun;
        const char *name;
    } rows[] = {
        {CURLE_OPERATION_TIMEDOUT, false, "silent"},
        {CURLE_OPERATION_TIMEDOUT, true, "slow"},
        {CURLE_GOT_NOTHING, false, "closed"},
        {CURLE_SEND_ERROR, false, "closed"},
        {CURLE_RECV_ERROR, true, "closed"},
        {CURLE_UNSUPPORTED_PROTOCOL, false, "not-http"},
        {CURLE_WEIRD_SERVER_REPLY, false, "not-http"},
        {CURLE_OK, false, "not-http"},
        {CURLE_SSL_CACERT_BADFILE, false, "ca-file"},
        {CURLE_SSL_CERTPROBLEM, false, "cert-file"},
        {CURLE_INTERFACE_FAILED, false, "source-address"},
        {CURLE_OUT_OF_MEMORY, false, "no-memory"},
        {CURLE_TOO_MANY_REDIRECTS, false, "other"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(
            find((struct hsp_happened){.result = rows[i].result,
                                       .is_connected = true,
                                       .has_answer_begun = rows[i].has_begun}),
            rows[i].name);
    assert_string_equal(find((struct hsp_happened){.result = CURLE_GOT_NOTHING,
                                                   .is_connected = true,
                                                   .port_speaks_tls = true}),
                        "tls-port");
    assert_string_equal(
        find((struct hsp_happened){.is_cancelled = true, .lookup_error = EAI_AGAIN}),
        "cancelled");
}

/* A recovery follows a body that went out whole and was not refused. */
static void test_what_may_be_taken(void **state) {
    static const enum hsp_fault taken[] = {
        HSP_FAULT_NONE,      HSP_FAULT_SILENT,      HSP_FAULT_SLOW,
        HSP_FAULT_CLOSED,    HSP_FAULT_NOT_HTTP,    HSP_FAULT_SERVER_ERROR,
        HSP_FAULT_GATEWAY,   HSP_FAULT_UNAVAILABLE, HSP_FAULT_ODD_STATUS,
        HSP_FAULT_CANCELLED, HSP_FAULT_OTHER,
    };
    (void)state;
    for (int fault = 0; fault < HSP_FAULT_COUNT; fault++) {
        bool expected = false;
        for (size_t i = 0; i < COUNT(taken); i++)
            expected = expected || taken[i] == (enum hsp_fault)fault;
        assert_int_equal(hsp_fault_may_be_taken(fault, true), expected);
        assert_false(hsp_fault_may_be_taken(fault, false));
    }
}

static void test_every_fault_has_words(void **state) {
    (void)state;
    for (int i = 0; i < HSP_FAULT_COUNT; i++) {
        assert_non_null(hsp_fault_name(i));
        assert_true(strlen(hsp_fault_text(i)) > 0);
        assert_int_equal(strlen(hsp_fault_hint(i)) > 10, i != HSP_FAULT_NONE);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(hsp_fault_name(i), hsp_fault_name(j));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookups),
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_proxies),
        cmocka_unit_test(test_alerts),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_what_may_be_taken),
        cmocka_unit_test(test_every_fault_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
