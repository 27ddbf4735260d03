/* SPDX-License-Identifier: MIT */
/* A signature that does not fit is looked at from three sides: how it is written, what
 * bytes were signed, and what the secret was taken for. Each side has a table of the
 * mistakes that are made; the first combination that gives the digest is the reason. */
#include "config.h"

#include "signature.h"

#include "../error.h"
#include "../json.h"
#include "../payload.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COMPARED_MIN 8 /* of a digest that is cut: fewer characters prove nothing */
#define BOM "\xEF\xBB\xBF"

static const struct scheme {
    const char *header, *prefix;
    size_t digest_length;
} schemes[] = {
    [HSP_SCHEME_STATUSPAGEONE] = {"X-StatusPageOne-Signature", "sha256=", 64},
    [HSP_SCHEME_STANDARD] = {"webhook-signature", "v1,", 44},
};

const char *hsp_signature_header(enum hsp_scheme scheme) {
    return schemes[scheme].header;
}

/* What a secret was taken for; NULL: rightly. */
static const char *fault_of_key(enum hsp_key key, enum hsp_scheme scheme) {
    switch (key) {
    case HSP_KEY_LF:
        return "signed with the newline at the end of the secret's file as a part of the "
               "secret";
    case HSP_KEY_CRLF:
        return "signed with the CR LF at the end of the secret's file as a part of the "
               "secret";
    case HSP_KEY_TRIMMED:
        return "signed without the blanks that stand around the secret in its file";
    case HSP_KEY_OTHER:
        return scheme == HSP_SCHEME_STATUSPAGEONE
                   ? "signed with the bytes that the whsec_ secret stands for; this "
                     "signature takes its text as it is"
                   : "signed with the text of the whsec_ secret; this signature takes "
                     "the bytes that its base64 stands for";
    default:
        return NULL;
    }
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* Bodies
 * ------------------------------------------------------------------------------------ */

/* A body that may have been the signed one. */
struct variant {
    const char *fault; /* what was done to it since; NULL: nothing */
    struct hsp_buffer bytes;
};

#define VARIANTS_MAX 8
struct variants {
    struct variant items[VARIANTS_MAX];
    size_t count;
};

static struct hsp_buffer *add(struct variants *variants, const char *fault) {
    struct variant *made = &variants->items[variants->count++];
    made->fault = fault;
    return &made->bytes;
}

bool hsp_signature_canonical(struct hsp_buffer *out, const char *body, size_t length) {
    while (length > 0 && is_blank(body[length - 1]))
        length--;
    struct hs_error wrong = {0};
    json_object *value = hsp_json_parse(body, length, &wrong);
    out->failed = out->failed || wrong.status == HS_E_NOMEM;
    if (value == NULL)
        return false;
    size_t size = 0;
    const char *text = hsp_json_text(value, &size);
    if (text != NULL)
        hsp_buffer_append(out, text, size);
    out->failed = out->failed || text == NULL;
    json_object_put(value);
    return true;
}

/* The body without what was put at its end, in ever larger parts. */
static void add_shorter(struct variants *variants, const char *body, size_t length) {
    const bool has_lf = length > 0 && body[length - 1] == '\n';
    const size_t line = length - has_lf;
    const bool has_cr = line > 0 && body[line - 1] == '\r';
    size_t end = line - has_cr;
    if (has_lf)
        hsp_buffer_append(
            add(variants, "the body has a newline at its end that was not signed"), body,
            line);
    if (has_cr)
        hsp_buffer_append(
            add(variants, has_lf ? "the body has a CR LF at its end that was not signed"
                                 : "the body has a CR at its end that was not signed"),
            body, end);
    const size_t one = end;
    while (end > 0 && is_blank(body[end - 1]))
        end--;
    if (end < one)
        hsp_buffer_append(add(variants,
                              "the body has blanks or newlines at its end that were not "
                              "signed"),
                          body, end);
}

static void add_variants(struct variants *variants, const char *body, size_t length) {
    hsp_buffer_append(add(variants, NULL), body, length);
    add_shorter(variants, body, length);
    struct hsp_buffer *longer =
        add(variants, "the newline at the end of the signed body is missing");
    hsp_buffer_append(longer, body, length);
    hsp_buffer_append(longer, "\n", 1);
    const size_t bom = strlen(BOM);
    const bool has_bom = length >= bom && memcmp(body, BOM, bom) == 0;
    if (has_bom) {
        body += bom;
        length -= bom;
        hsp_buffer_append(
            add(variants, "the body has a byte order mark in front that was not signed"),
            body, length);
    }
    hsp_signature_canonical(
        add(variants, "the body was written anew since it was signed (white space, "
                      "escapes): its canonical form is the signed one; verify the bytes "
                      "as they came"),
        body, length);
}

/* Digests
 * ------------------------------------------------------------------------------------ */

/* A digest as it was given. */
struct given {
    char digest[HSP_DIGEST_TEXT_MAX + 1]; /* as it should have been written */
    size_t compared;                      /* how much of it there is */
    char fault[200];                      /* "": it is written as it should be */
};

static void note(struct given *given, const char *fault) {
    const size_t used = strlen(given->fault);
    snprintf(given->fault + used, sizeof given->fault - used, "%s%s",
             used > 0 ? "; " : "", fault);
}

/* Look at `length` bytes, from the prefix on. */
static void read_digest(struct given *given, const struct scheme *scheme,
                        const char *text, size_t length) {
    const size_t prefix = strlen(scheme->prefix);
    char fault[80];
    *given = (struct given){.fault = ""};
    if (length >= prefix && memcmp(text, scheme->prefix, prefix) == 0) {
        text += prefix;
        length -= prefix;
    } else if (length >= prefix && strncasecmp(text, scheme->prefix, prefix) == 0) {
        snprintf(fault, sizeof fault, "%.6s must be in small letters", scheme->prefix);
        note(given, fault);
        text += prefix;
        length -= prefix;
    } else {
        snprintf(fault, sizeof fault, "there is no %s in front of the digest",
                 scheme->prefix);
        note(given, fault);
    }
    if (length != scheme->digest_length) {
        snprintf(fault, sizeof fault, "the digest has %zu characters instead of %zu%s",
                 length, scheme->digest_length,
                 length < scheme->digest_length ? ": it was cut off" : "");
        note(given, fault);
    }
    given->compared = length < scheme->digest_length ? length : scheme->digest_length;
    bool upper = false;
    for (size_t i = 0; i < given->compared; i++) {
        const bool is_upper = text[i] >= 'A' && text[i] <= 'F';
        const bool fold = is_upper && scheme->digest_length == 64;
        given->digest[i] = (char)(fold ? text[i] - 'A' + 'a' : text[i]);
        upper = upper || fold;
    }
    if (upper)
        note(given,
             "its hexadecimal digits are capital letters; small ones are compared");
}

/* Without the header's name and blanks. */
static const char *skip_header(const char *text, const struct scheme *scheme,
                               size_t *length) {
    const size_t name = strlen(scheme->header);
    while (is_blank(*text))
        text++;
    if (strncasecmp(text, scheme->header, name) == 0 && text[name] == ':')
        text += name + 1;
    while (is_blank(*text))
        text++;
    *length = strlen(text);
    while (*length > 0 && is_blank(text[*length - 1]))
        (*length)--;
    return text;
}

/* Judging
 * ------------------------------------------------------------------------------------ */

static enum hs_status matches(const struct hsp_signer *signer, size_t secret,
                              enum hsp_key key, enum hsp_scheme scheme,
                              const struct hsp_buffer *text, const struct given *given,
                              bool *found, struct hs_error *err) {
    char digest[HSP_DIGEST_TEXT_MAX + 1];
    enum hs_status status = hsp_signer_digest(signer, secret, key, scheme, text->data,
                                              text->length, digest, err);
    if (status != HS_OK)
        return status;
    *found = digest[0] != '\0' && given->compared >= COMPARED_MIN;
    if (*found) {
        digest[given->compared] = '\0';
        *found = hsp_signature_equal(digest, given->digest);
    }
    return HS_OK;
}

/* The digest fits, but for these faults: of how it is written, of body and key. */
static void explain(struct hsp_finding *finding, const char *digest, const char *body,
                    const char *key) {
    const char *const parts[] = {digest, body, key};
    finding->reason[0] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const size_t used = strlen(finding->reason);
        if (parts[i] != NULL && parts[i][0] != '\0')
            snprintf(finding->reason + used, sizeof finding->reason - used, "%s%s",
                     used > 0 ? "; " : "", parts[i]);
    }
    finding->good = finding->reason[0] == '\0';
}

/* Try every key and secret on one body. */
static enum hs_status try_keys(const struct hsp_capture *capture,
                               const struct hsp_signer *signer,
                               const struct variant *variant, const struct given *given,
                               struct hsp_finding *finding, bool *found,
                               struct hs_error *err) {
    struct hsp_buffer text = {0};
    enum hs_status status = HS_OK;
    if (capture->scheme == HSP_SCHEME_STANDARD)
        hsp_buffer_print(&text, "%s.%s.", capture->id, capture->timestamp);
    hsp_buffer_append(&text, variant->bytes.data, variant->bytes.length);
    if (text.failed)
        status = hsp_fail(err, HS_E_NOMEM, "verify: out of memory");
    *found = false;
    for (int key = 0; key < HSP_KEY_COUNT && status == HS_OK && !*found; key++)
        for (size_t i = 0; i < hsp_signer_count(signer) && status == HS_OK && !*found;
             i++) {
            status = matches(signer, i, (enum hsp_key)key, capture->scheme, &text, given,
                             found, err);
            if (status != HS_OK || !*found)
                continue;
            finding->secret = i;
            explain(finding, given->fault, variant->fault,
                    fault_of_key((enum hsp_key)key, capture->scheme));
        }
    hsp_buffer_free(&text);
    return status;
}

/* Nothing fits: what can be said all the same. */
static enum hs_status guess(const struct hsp_capture *capture, const struct given *given,
                            struct hsp_finding *finding, struct hs_error *err) {
    struct hs_error wrong = {0};
    struct hsp_buffer canonical = {0};
    const bool is_json =
        hsp_signature_canonical(&canonical, capture->body, capture->length);
    const bool failed = canonical.failed;
    hsp_buffer_free(&canonical);
    if (failed)
        return hsp_fail(err, HS_E_NOMEM, "verify: out of memory");
    char *reason = finding->reason;
    const size_t size = sizeof finding->reason;
    const int used =
        snprintf(reason, size, "%s%s", given->fault, given->fault[0] != '\0' ? "; " : "");
    const size_t left = size - (size_t)used;
    if (given->compared < COMPARED_MIN)
        snprintf(reason + used, left, "too little of it is left to say more");
    else if (capture->length == 0)
        snprintf(reason + used, left, "the body is empty");
    else if (!is_json)
        snprintf(reason + used, left,
                 "signed with another secret, or the body was changed: it is no JSON, "
                 "was it cut off?");
    else if (hsp_payload_check(capture->body, capture->length, NULL, &wrong) == HS_OK)
        snprintf(reason + used, left,
                 "signed with another secret: the body is whole and as hookspoold sends "
                 "it%s",
                 capture->scheme == HSP_SCHEME_STANDARD
                     ? "; or webhook-id or webhook-timestamp belong to another request"
                     : "");
    else
        snprintf(reason + used, left,
                 "signed with another secret, or the body was changed: it is not as "
                 "hookspoold sends it (%.200s)",
                 wrong.text);
    return HS_OK;
}

/* One of the signatures in the header, all of `length` bytes. */
static enum hs_status judge_one(const struct hsp_capture *capture,
                                const struct hsp_signer *signer,
                                const struct variants *variants, const char *text,
                                size_t length, struct hsp_finding *finding,
                                struct hs_error *err) {
    struct given given;
    bool found = false;
    enum hs_status status = HS_OK;
    read_digest(&given, &schemes[capture->scheme], text, length);
    for (size_t i = 0; i < variants->count && status == HS_OK && !found; i++)
        if (i == 0 || variants->items[i].bytes.data != NULL)
            status = try_keys(capture, signer, &variants->items[i], &given, finding,
                              &found, err);
    if (status == HS_OK && !found) {
        finding->secret = SIZE_MAX;
        status = guess(capture, &given, finding, err);
    }
    return status;
}

/* Standard Webhooks: several signatures with blanks between, of which one has to fit;
 * versions but v1 are not ours. */
static enum hs_status judge_list(const struct hsp_capture *capture,
                                 const struct hsp_signer *signer,
                                 const struct variants *variants, const char *text,
                                 size_t length, struct hsp_finding *finding,
                                 struct hs_error *err) {
    enum hs_status status = HS_OK;
    bool any = false;
    for (size_t at = 0; at < length && status == HS_OK && !finding->good;) {
        size_t end = at;
        while (end < length && !is_blank(text[end]))
            end++;
        struct hsp_finding one = {.secret = SIZE_MAX};
        const bool other_version = strncasecmp(text + at, "v", 1) == 0 &&
                                   strncasecmp(text + at, "v1,", 3) != 0 &&
                                   memchr(text + at, ',', end - at) != NULL;
        if (end > at && !other_version) {
            status = judge_one(capture, signer, variants, text + at, end - at, &one, err);
            /* The one of which a secret is known says more. */
            if (!any || one.good ||
                (finding->secret == SIZE_MAX && one.secret != SIZE_MAX))
                *finding = one;
            any = true;
        }
        at = end + 1;
    }
    if (!any)
        snprintf(finding->reason, sizeof finding->reason,
                 "there is no signature of version v1 in it");
    return status;
}

enum hs_status hsp_signature_judge(const struct hsp_capture *capture,
                                   const struct hsp_signer *signer,
                                   struct hsp_finding *finding, struct hs_error *err) {
    struct variants variants = {.count = 0};
    struct hsp_finding made = {.secret = SIZE_MAX};
    enum hs_status status = HS_OK;
    size_t length;
    const char *text =
        skip_header(capture->signature, &schemes[capture->scheme], &length);
    add_variants(&variants, capture->body, capture->length);
    for (size_t i = 0; i < variants.count; i++)
        if (variants.items[i].bytes.failed)
            status = hsp_fail(err, HS_E_NOMEM, "verify: out of memory");
    if (status == HS_OK && length == 0)
        snprintf(made.reason, sizeof made.reason, "it is empty");
    else if (status == HS_OK)
        status = (capture->scheme == HSP_SCHEME_STANDARD ? judge_list : judge_one)(
            capture, signer, &variants, text, length, &made, err);
    if (status == HS_OK)
        *finding = made;
    for (size_t i = 0; i < variants.count; i++)
        hsp_buffer_free(&variants.items[i].bytes);
    return status;
}
