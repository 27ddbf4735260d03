/* SPDX-License-Identifier: MIT */
/* Secrets and signatures; the one module that knows OpenSSL's
 * cryptography (its TLS: certificate.c). The secrets live in one
 * block of memory that is wiped before it is freed, as is every copy on the stack. Error
 * texts name files, never their contents.
 *
 * HMAC() is called once a signature rather than copying a context keyed beforehand: 1.2
 * against 0.6 microseconds for a usual body, and a signer that is only read may be used
 * by any number of threads. */
#include "config.h"

#include "sign.h"

#include "../buffer.h"
#include "../error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_MAX 4096
#define DIGEST_LENGTH 32 /* of SHA-256 */
#define STANDARD_PREFIX "whsec_"

struct secret {
    unsigned char literal[SECRET_MAX];
    size_t literal_length;
    unsigned char key[SECRET_MAX]; /* for Standard Webhooks */
    size_t key_length;
};

struct hsp_signer {
    unsigned holders;
    size_t count;
    struct secret secrets[];
};

/* Reading
 * ------------------------------------------------------------------------------------ */

/* Where `file` stands. free(); NULL: out of memory. */
static char *locate(const char *file) {
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char *path = NULL;
    if (file[0] == '/' || folder == NULL || folder[0] == '\0')
        return strdup(file);
    return asprintf(&path, "%s/%s", folder, file) < 0 ? NULL : path;
}

static enum hs_status check_file(int fd, const char *path, struct hs_error *err) {
    struct stat info;
    if (fstat(fd, &info) != 0)
        return hsp_fail_errno(err, HS_E_CONFIG, "secret file %s", path);
    if (!S_ISREG(info.st_mode))
        return hsp_fail(err, HS_E_CONFIG, "secret file %s: not a file", path);
    if ((info.st_mode & S_IROTH) != 0)
        return hsp_fail(err, HS_E_CONFIG,
                        "secret file %s: everybody may read it (mode %04o); chmod o-r",
                        path, (unsigned)(info.st_mode & 07777));
    if (info.st_size > SECRET_MAX)
        return hsp_fail(err, HS_E_CONFIG, "secret file %s: more than %d bytes", path,
                        SECRET_MAX);
    return HS_OK;
}

static enum hs_status read_bytes(int fd, const char *path, struct secret *secret,
                                 struct hs_error *err) {
    while (secret->literal_length < SECRET_MAX) {
        ssize_t got = read(fd, secret->literal + secret->literal_length,
                           SECRET_MAX - secret->literal_length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return hsp_fail_errno(err, HS_E_CONFIG, "secret file %s", path);
        if (got == 0)
            break;
        secret->literal_length += (size_t)got;
    }
    size_t length = secret->literal_length;
    if (length > 0 && secret->literal[length - 1] == '\n')
        length--;
    if (length < secret->literal_length && length > 0 &&
        secret->literal[length - 1] == '\r')
        length--;
    secret->literal_length = length;
    if (length == 0)
        return hsp_fail(err, HS_E_CONFIG, "secret file %s: empty", path);
    return HS_OK;
}

/* Base64 with padding (RFC 4648 section 4) and nothing else, at least one byte of it. */
static bool decode_base64(struct secret *secret, const unsigned char *text,
                          size_t length) {
    size_t padding = 0;
    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;
    if (length == 0)
        return false;
    for (size_t i = 0; i < length - padding; i++) {
        const unsigned char c = text[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              (c >= '0' && c <= '9') || c == '+' || c == '/'))
            return false;
    }
    /* It leaves blanks out, which is why they are looked for, and refuses other lengths.
     */
    const int decoded = EVP_DecodeBlock(secret->key, text, (int)length);
    if (decoded < 0)
        return false;
    secret->key_length = (size_t)decoded - padding;
    return true;
}

static bool make_key(struct secret *secret) {
    const size_t prefix = strlen(STANDARD_PREFIX);
    if (secret->literal_length >= prefix &&
        memcmp(secret->literal, STANDARD_PREFIX, prefix) == 0)
        return decode_base64(secret, secret->literal + prefix,
                             secret->literal_length - prefix);
    memcpy(secret->key, secret->literal, secret->literal_length);
    secret->key_length = secret->literal_length;
    return true;
}

static enum hs_status load_secret(struct secret *secret, const char *file,
                                  bool standard_webhooks, struct hs_error *err) {
    enum hs_status status = HS_OK;
    int fd = -1;
    char *path = locate(file);
    if (path == NULL) {
        status = hsp_fail(err, HS_E_NOMEM, "secret file %s: out of memory", file);
        goto out;
    }
    /* Links are followed: credentials and configuration management use them. */
    fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        status = hsp_fail_errno(err, HS_E_CONFIG, "secret file %s", path);
        goto out;
    }
    status = check_file(fd, path, err);
    if (status == HS_OK)
        status = read_bytes(fd, path, secret, err);
    if (status == HS_OK && standard_webhooks && !make_key(secret))
        status = hsp_fail(
            err, HS_E_CONFIG,
            "secret file %s: what follows " STANDARD_PREFIX " is not base64", path);
out:
    if (fd >= 0)
        close(fd);
    free(path);
    return status;
}

enum hs_status hsp_signer_load(struct hsp_signer **signer, char *const *files,
                               size_t count, bool standard_webhooks,
                               struct hs_error *err) {
    enum hs_status status = HS_OK;
    struct hsp_signer *made = calloc(1, sizeof(*made) + count * sizeof(made->secrets[0]));
    if (made == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read secrets: out of memory");
    made->holders = 1;
    made->count = count;
    for (size_t i = 0; i < count && status == HS_OK; i++)
        status = load_secret(&made->secrets[i], files[i], standard_webhooks, err);
    if (status == HS_OK) {
        *signer = made;
        made = NULL;
    }
    hsp_signer_free(made);
    return status;
}

struct hsp_signer *hsp_signer_hold(struct hsp_signer *signer) {
    signer->holders++;
    return signer;
}

void hsp_signer_free(struct hsp_signer *signer) {
    if (signer == NULL || --signer->holders > 0)
        return;
    OPENSSL_cleanse(signer, sizeof(*signer) + signer->count * sizeof(signer->secrets[0]));
    free(signer);
}

/* Signing
 * ------------------------------------------------------------------------------------ */

static enum hs_status hmac(const unsigned char *key, size_t key_length, const char *text,
                           size_t length, unsigned char digest[DIGEST_LENGTH],
                           struct hs_error *err) {
    if (HMAC(EVP_sha256(), key, (int)key_length, (const unsigned char *)text, length,
             digest, NULL) == NULL)
        return hsp_fail(err, HS_E_NOMEM, "sign: out of memory");
    return HS_OK;
}

static void write_hex(char *out, const unsigned char digest[DIGEST_LENGTH]) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < DIGEST_LENGTH; i++) {
        *out++ = digits[digest[i] >> 4];
        *out++ = digits[digest[i] & 15];
    }
    *out = '\0';
}

enum hs_status hsp_sign_statuspageone(const struct hsp_signer *signer, const char *body,
                                      size_t length,
                                      char signature[HSP_SIGNATURE_LENGTH + 1],
                                      struct hs_error *err) {
    static const char prefix[] = "sha256=";
    const struct secret *secret = &signer->secrets[0];
    unsigned char digest[DIGEST_LENGTH];
    enum hs_status status =
        hmac(secret->literal, secret->literal_length, body, length, digest, err);
    if (status != HS_OK)
        return status;
    memcpy(signature, prefix, sizeof(prefix) - 1);
    write_hex(signature + sizeof(prefix) - 1, digest);
    return HS_OK;
}

enum hs_status hsp_sign_standard(const struct hsp_signer *signer, const char *id,
                                 int64_t timestamp, const char *body, size_t length,
                                 char **signature, struct hs_error *err) {
    struct hsp_buffer text = {0}, made = {0};
    enum hs_status status = HS_OK;
    hsp_buffer_print(&text, "%s.%" PRId64 ".", id, timestamp);
    hsp_buffer_append(&text, body, length);
    for (size_t i = 0; i < signer->count && !text.failed; i++) {
        const struct secret *secret = &signer->secrets[i];
        unsigned char digest[DIGEST_LENGTH];
        unsigned char encoded[(DIGEST_LENGTH + 2) / 3 * 4 + 1];
        status = secret->key_length == 0
                     ? hsp_fail(err, HS_E_CONFIG,
                                "sign: secrets not read for webhook-signature")
                     : hmac(secret->key, secret->key_length, text.data, text.length,
                            digest, err);
        if (status != HS_OK)
            break;
        EVP_EncodeBlock(encoded, digest, sizeof(digest));
        hsp_buffer_print(&made, "%sv1,%s", i == 0 ? "" : " ", (const char *)encoded);
    }
    if (status == HS_OK && (text.failed || made.failed))
        status = hsp_fail(err, HS_E_NOMEM, "sign: out of memory");
    if (status == HS_OK)
        *signature = hsp_buffer_take(&made, NULL);
    hsp_buffer_free(&made);
    hsp_buffer_free(&text);
    return status;
}

/* Checking
 * ------------------------------------------------------------------------------------ */

static bool is_blank(unsigned char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without the blanks around it. `key` begins with `length` bytes; how many it keeps. */
static size_t trim(unsigned char *key, size_t length) {
    size_t first = 0;
    while (length > 0 && is_blank(key[length - 1]))
        length--;
    while (first < length && is_blank(key[first]))
        first++;
    memmove(key, key + first, length - first);
    return length - first;
}

/* Has it a key of its own for Standard Webhooks, beside its literal bytes? */
static bool is_decoded(const struct secret *secret) {
    return secret->key_length > 0 &&
           (secret->key_length != secret->literal_length ||
            memcmp(secret->key, secret->literal, secret->key_length) != 0);
}

/* Write what `secret` keys with when it is taken as `key`; the length, 0 where that is
 * nothing of its own. */
static size_t take_as(const struct secret *secret, enum hsp_key key,
                      enum hsp_scheme scheme, unsigned char bytes[SECRET_MAX + 2]) {
    const bool decoded = (scheme == HSP_SCHEME_STANDARD) != (key == HSP_KEY_OTHER);
    size_t length = decoded ? secret->key_length : secret->literal_length;
    memcpy(bytes, decoded ? secret->key : secret->literal, length);
    if (key == HSP_KEY_RIGHT)
        return length;
    if (key == HSP_KEY_OTHER)
        return is_decoded(secret) ? length : 0;
    /* What stands around base64 does not get into the bytes that it stands for. */
    if (length == 0 || (decoded && is_decoded(secret)))
        return 0;
    if (key == HSP_KEY_TRIMMED) {
        const size_t kept = trim(bytes, length);
        return kept == length ? 0 : kept;
    }
    if (key == HSP_KEY_CRLF)
        bytes[length++] = '\r';
    bytes[length++] = '\n';
    return length;
}

size_t hsp_signer_count(const struct hsp_signer *signer) { return signer->count; }

enum hs_status hsp_signer_digest(const struct hsp_signer *signer, size_t index,
                                 enum hsp_key key, enum hsp_scheme scheme,
                                 const char *text, size_t length,
                                 char digest[HSP_DIGEST_TEXT_MAX + 1],
                                 struct hs_error *err) {
    unsigned char bytes[SECRET_MAX + 2], made[DIGEST_LENGTH];
    enum hs_status status = HS_OK;
    digest[0] = '\0';
    const size_t size = take_as(&signer->secrets[index], key, scheme, bytes);
    if (size > 0) {
        status = hmac(bytes, size, text, length, made, err);
        if (status == HS_OK && scheme == HSP_SCHEME_STATUSPAGEONE)
            write_hex(digest, made);
        else if (status == HS_OK)
            EVP_EncodeBlock((unsigned char *)digest, made, sizeof(made));
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return status;
}

bool hsp_signature_equal(const char *one, const char *other) {
    const size_t length = strlen(one);
    return length == strlen(other) && CRYPTO_memcmp(one, other, length) == 0;
}
