/* SPDX-License-Identifier: MIT */
/* Secrets and signatures; the one module that knows OpenSSL. Sources: StatusPageOne
 * webhook documentation (X-StatusPageOne-Signature), Standard Webhooks 1.0.0 (webhook-id,
 * webhook-timestamp, webhook-signature). */
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
/* Wipes the secrets. NULL is fine. */
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

#endif
