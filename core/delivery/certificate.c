/* SPDX-License-Identifier: MIT */
/* Looking on at a TLS handshake by OpenSSL's callbacks. */
#include "config.h"

#include "certificate.h"

#include "plain.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define FATAL 2
#define CERTIFICATE_REQUEST 13 /* handshake type, RFC 8446 section 4 */

/* One certificate as text
 * ------------------------------------------------------------------------------- */

static void take_text(BIO *bio, char *text) {
    char *bytes = NULL;
    long length = BIO_get_mem_data(bio, &bytes);
    hsp_plain_copy(text, HSP_CERTIFICATE_TEXT, bytes, length > 0 ? (size_t)length : 0);
}

static void describe_name(const X509_NAME *name, char *text) {
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL)
        return;
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    take_text(bio, text);
    BIO_free(bio);
}

static void print_address(BIO *bio, const ASN1_OCTET_STRING *address) {
    const unsigned char *bytes = ASN1_STRING_get0_data(address);
    if (ASN1_STRING_length(address) == 4) {
        BIO_printf(bio, "%d.%d.%d.%d", bytes[0], bytes[1], bytes[2], bytes[3]);
        return;
    }
    for (int i = 0; i + 1 < ASN1_STRING_length(address); i += 2)
        BIO_printf(bio, "%s%x", i > 0 ? ":" : "", bytes[i] << 8 | bytes[i + 1]);
}

/* The names that the certificate is for. */
static void describe_alternatives(const X509 *certificate, char *text) {
    GENERAL_NAMES *names =
        X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    BIO *bio = BIO_new(BIO_s_mem());
    for (int i = 0; bio != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS && name->type != GEN_IPADD)
            continue;
        if (BIO_ctrl_pending(bio) > 0)
            BIO_puts(bio, ", ");
        if (name->type == GEN_DNS)
            BIO_write(bio, ASN1_STRING_get0_data(name->d.dNSName),
                      ASN1_STRING_length(name->d.dNSName));
        else
            print_address(bio, name->d.iPAddress);
    }
    if (bio != NULL)
        take_text(bio, text);
    BIO_free(bio);
    GENERAL_NAMES_free(names);
}

static int64_t seconds_of(const ASN1_TIME *time) {
    struct tm parts;
    return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

static void describe(const X509 *certificate, struct hsp_certificate *out) {
    describe_name(X509_get_subject_name(certificate), out->subject);
    describe_name(X509_get_issuer_name(certificate), out->issuer);
    describe_alternatives(certificate, out->names);
    out->not_before_s = seconds_of(X509_get0_notBefore(certificate));
    out->not_after_s = seconds_of(X509_get0_notAfter(certificate));
}

/* Verification
 * ------------------------------------------------------------------------------------ */

enum hsp_certificate_fault hsp_certificate_fault(long verify_result) {
    static const struct {
        long result;
        enum hsp_certificate_fault fault;
    } rows[] = {
        {X509_V_OK, HSP_CERTIFICATE_OK},
        {X509_V_ERR_UNSPECIFIED, HSP_CERTIFICATE_OK}, /* libcurl's "not verified yet" */
        {X509_V_ERR_CERT_HAS_EXPIRED, HSP_CERTIFICATE_EXPIRED},
        {X509_V_ERR_CERT_NOT_YET_VALID, HSP_CERTIFICATE_NOT_YET},
        {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, HSP_CERTIFICATE_SELF_SIGNED},
        {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, HSP_CERTIFICATE_UNKNOWN_AUTHORITY},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, HSP_CERTIFICATE_UNKNOWN_AUTHORITY},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, HSP_CERTIFICATE_UNKNOWN_AUTHORITY},
        {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, HSP_CERTIFICATE_UNKNOWN_AUTHORITY},
        {X509_V_ERR_CERT_UNTRUSTED, HSP_CERTIFICATE_UNKNOWN_AUTHORITY},
        /* Issued under the name of an authority that is known, with another key. */
        {X509_V_ERR_CERT_SIGNATURE_FAILURE, HSP_CERTIFICATE_UNKNOWN_AUTHORITY},
        {X509_V_ERR_HOSTNAME_MISMATCH, HSP_CERTIFICATE_WRONG_NAME},
        {X509_V_ERR_IP_ADDRESS_MISMATCH, HSP_CERTIFICATE_WRONG_NAME},
        {X509_V_ERR_CERT_REVOKED, HSP_CERTIFICATE_REVOKED},
        {X509_V_ERR_EE_KEY_TOO_SMALL, HSP_CERTIFICATE_WEAK},
        {X509_V_ERR_CA_KEY_TOO_SMALL, HSP_CERTIFICATE_WEAK},
        {X509_V_ERR_CA_MD_TOO_WEAK, HSP_CERTIFICATE_WEAK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].result == verify_result)
            return rows[i].fault;
    return HSP_CERTIFICATE_OTHER;
}

/* Callbacks
 * ------------------------------------------------------------------------------------ */

static int seen_index = -1; /* of an SSL_CTX's data */

static void make_index(void) {
    seen_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

static struct hsp_handshake *seen_by(const SSL *ssl) {
    return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), seen_index);
}

static void take_session(const SSL *ssl, struct hsp_handshake *seen) {
    const char *cipher = SSL_get_cipher_name(ssl);
    snprintf(seen->version, sizeof seen->version, "%s", SSL_get_version(ssl));
    if (cipher != NULL && strcmp(cipher, "(NONE)") != 0)
        snprintf(seen->cipher, sizeof seen->cipher, "%s", cipher);
}

/* Called for each certificate of the chain and each error; the decision stays as it is.
 */
static int on_verify(int accepted, X509_STORE_CTX *store) {
    const SSL *ssl =
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct hsp_handshake *seen = ssl != NULL ? seen_by(ssl) : NULL;
    if (seen == NULL)
        return accepted;
    const X509 *server = X509_STORE_CTX_get0_cert(store);
    const X509 *culprit = X509_STORE_CTX_get_current_cert(store);
    if (server != NULL && !seen->has_certificate) {
        seen->has_certificate = true;
        describe(server, &seen->server);
        take_session(ssl, seen);
    }
    if (!accepted && culprit != NULL && !seen->has_culprit) {
        seen->has_culprit = true;
        seen->culprit_depth = X509_STORE_CTX_get_error_depth(store);
        seen->fault = hsp_certificate_fault(X509_STORE_CTX_get_error(store));
        seen->fault_text = X509_verify_cert_error_string(X509_STORE_CTX_get_error(store));
        describe(culprit, &seen->culprit);
    }
    return accepted;
}

static void take_alert(bool is_sent, const unsigned char *bytes, size_t length,
                       struct hsp_handshake *seen) {
    if (length == 2 && bytes[0] == FATAL)
        *(is_sent ? &seen->alert_sent : &seen->alert_received) = bytes[1];
}

/* The first header that comes back says whether this is TLS: a content type from
 * change_cipher_spec to heartbeat, and 3 as the major version. */
static void take_header(const unsigned char *bytes, size_t length,
                        struct hsp_handshake *seen) {
    if (!seen->heard && length >= 2)
        seen->not_tls = bytes[0] < 20 || bytes[0] > 24 || bytes[1] != 3;
    seen->heard = true;
}

static void on_message(int is_sent, int version, int type, const void *bytes,
                       size_t length, SSL *ssl, void *owner) {
    struct hsp_handshake *seen = owner;
    const unsigned char *first = bytes;
    (void)version, (void)ssl;
    if (type == SSL3_RT_ALERT)
        take_alert(is_sent, bytes, length, seen);
    else if (type == SSL3_RT_HEADER && !is_sent)
        take_header(bytes, length, seen);
    else if (type == SSL3_RT_HANDSHAKE && is_sent)
        seen->begun = true;
    else if (type == SSL3_RT_HANDSHAKE && length > 0 && *first == CERTIFICATE_REQUEST)
        seen->asked_for_certificate = true;
}

static void on_progress(const SSL *ssl, int where, int result) {
    struct hsp_handshake *seen = seen_by(ssl);
    (void)result;
    if (seen != NULL && (where & SSL_CB_HANDSHAKE_DONE) != 0)
        take_session(ssl, seen);
}

bool hsp_handshake_watch(void *ssl_ctx, struct hsp_handshake *seen) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    SSL_CTX *ctx = ssl_ctx;
    pthread_once(&once, make_index);
    *seen = (struct hsp_handshake){.alert_sent = HSP_ALERT_NONE,
                                   .alert_received = HSP_ALERT_NONE};
    if (seen_index < 0 || SSL_CTX_set_ex_data(ctx, seen_index, seen) != 1)
        return false;
    SSL_CTX_set_verify(ctx, SSL_CTX_get_verify_mode(ctx), on_verify);
    SSL_CTX_set_msg_callback(ctx, on_message);
    SSL_CTX_set_msg_callback_arg(ctx, seen);
    SSL_CTX_set_info_callback(ctx, on_progress);
    return true;
}
