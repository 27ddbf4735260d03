/* SPDX-License-Identifier: MIT */
/* Is a captured signature the right one for a captured body; and if not, why not, as far
 * as that can be found: by trying what is usually done to bodies, secrets and digests on
 * their way. Pure but for memory. */
#ifndef HSP_SIGNATURE_H
#define HSP_SIGNATURE_H

#include "../buffer.h"
#include "../delivery/sign.h"

/* What was captured. */
struct hsp_capture {
    enum hsp_scheme scheme;
    const char *signature;      /* with or without the header's name in front */
    const char *id, *timestamp; /* HSP_SCHEME_STANDARD: as in their headers */
    const char *body;
    size_t length;
};

struct hsp_finding {
    bool good;
    size_t secret;    /* the index of the one that signed; SIZE_MAX: none is known */
    char reason[512]; /* not good: why, in words without a secret */
};

/* The header that carries signatures of this scheme. */
const char *hsp_signature_header(enum hsp_scheme scheme);

/* Tell whether one of the signer's secrets made the signature. HS_E_NOMEM. */
enum hs_status hsp_signature_judge(const struct hsp_capture *capture,
                                   const struct hsp_signer *signer,
                                   struct hsp_finding *finding,
                                   struct hs_error *err) HS_MUST_CHECK;

/* Append the body as JSON.stringify(JSON.parse(body)) gives it; false: it is no JSON. */
bool hsp_signature_canonical(struct hsp_buffer *out, const char *body, size_t length);

#endif
