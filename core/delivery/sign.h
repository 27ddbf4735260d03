/* SPDX-License-Identifier: MIT */
/* Secrets and signatures; the one module that knows OpenSSL's cryptography. Sources:
 * StatusPageOne webhook documentation (X-StatusPageOne-Signature), Standard
 * Webhooks 1.0.0 (webhook-id, webhook-timestamp, webhook-signature). */
#ifndef HSP_SIGN_H
#define HSP_SIGN_H

#include "../hookspool.h"
#include <stdbool.h>

#define HSP_SIGNATURE_LENGTH 71 /* "sha256=" and 64 hex digits */

struct hsp_signer;

/* Read the secrets of `count` files (1 or more). One trailing LF or CRLF is removed.
 * HS_E_CONFIG, naming the file, for a missing, empty or world-readable one, one above 4
 * KB, and with `standard_webhooks` for a "whsec_" text that is no base64. A relative path
 * is looked up in $CREDENTIALS_DIRECTORY where that is set. No error text ever holds a
 * part of a secret. */
enum hs_status hsp_signer_load(struct hsp_signer **signer, char *const *files,
                               size_t count, bool standard_webhooks,
                               struct hs_error *err) HS_MUST_CHECK;
/* Another holder of the same secrets, who calls hsp_signer_free like the first. One
 * thread holds and frees; others may sign meanwhile. */
struct hsp_signer *hsp_signer_hold(struct hsp_signer *signer);
/* The last one wipes the secrets. NULL is fine. */
void hsp_signer_free(struct hsp_signer *signer);

/* "sha256=" and lower-case hex HMAC-SHA256 of the body with the first secret's literal
 * bytes. HS_E_NOMEM. */
enum hs_status hsp_sign_statuspageone(const struct hsp_signer *signer, const char *body,
                                      size_t length,
                                      char signature[HSP_SIGNATURE_LENGTH + 1],
                                      struct hs_error *err) HS_MUST_CHECK;

/* The value of webhook-signature: "v1," and base64 for each secret, separated by blanks.
 * A "whsec_" secret is decoded, another one keys with its literal bytes. free().
 * HS_E_NOMEM; HS_E_CONFIG: the secrets were loaded without `standard_webhooks`. */
enum hs_status hsp_sign_standard(const struct hsp_signer *signer, const char *id,
                                 int64_t timestamp, const char *body, size_t length,
                                 char **signature, struct hs_error *err) HS_MUST_CHECK;

/* Checking
 * ------------------------------------------------------------------------------------ */

enum hsp_scheme {
    HSP_SCHEME_STATUSPAGEONE, /* lower-case hex; keyed with the literal bytes */
    HSP_SCHEME_STANDARD,      /* base64; keyed with the decoded bytes */
};

/* What a secret is taken for: rightly, or by one of the mistakes that are made. */
enum hsp_key {
    HSP_KEY_RIGHT,
    HSP_KEY_LF,      /* the newline at the end of its file belongs to it */
    HSP_KEY_CRLF,    /* so do carriage return and newline */
    HSP_KEY_TRIMMED, /* blanks around it do not */
    HSP_KEY_OTHER,   /* the bytes that key the other scheme */
    HSP_KEY_COUNT,
};

#define HSP_DIGEST_TEXT_MAX 64

size_t hsp_signer_count(const struct hsp_signer *signer);

/* The digest of `text` (for Standard Webhooks "ID.TIMESTAMP.BODY"), keyed with secret
 * `index` taken as `key`, as the scheme writes it; "" where there is no such key: the
 * same as another's, or the secrets were loaded without `standard_webhooks`. HS_E_NOMEM.
 */
enum hs_status hsp_signer_digest(const struct hsp_signer *signer, size_t index,
                                 enum hsp_key key, enum hsp_scheme scheme,
                                 const char *text, size_t length,
                                 char digest[HSP_DIGEST_TEXT_MAX + 1],
                                 struct hs_error *err) HS_MUST_CHECK;

/* Are the two texts equal? In a time that their lengths alone decide. */
bool hsp_signature_equal(const char *one, const char *other);

#endif
