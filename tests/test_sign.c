/* SPDX-License-Identifier: MIT */
/* Secrets and signatures: published vectors, which files are taken, and that no secret
 * shows up in an error text or in memory that was given back. */
#include "config.h"

#include "alloc_fail.h"
#include "delivery/sign.h"
#include "scratch.h"

#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SECRET "correct horse battery staple"
#define STANDARD_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

/* Memory
 * ------------------------------------------------------------------------------------ */

static volatile bool was_left_in_memory;

void __real_free(void *memory);
void __wrap_free(void *memory);

/* Of the large blocks, which are the signers, none may hold the secret any more. */
void __wrap_free(void *memory) {
    const size_t size = memory == NULL ? 0 : malloc_usable_size(memory);
    if (size > 4096 && memmem(memory, size, SECRET, strlen(SECRET)) != NULL)
        was_left_in_memory = true;
    __real_free(memory);
}

/* Files
 * ------------------------------------------------------------------------------------ */

static const char *folder;

static int setup(void **state) {
    (void)state;
    folder = scratch_make();
    unsetenv("CREDENTIALS_DIRECTORY");
    return chdir(folder);
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return chdir("/");
}

static void write_file(const char *name, const void *bytes, size_t length, mode_t mode) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static struct hsp_signer *load(const char *const *files, size_t count, bool standard) {
    struct hsp_signer *signer = NULL;
    struct hs_error err = {0};
    if (hsp_signer_load(&signer, (char *const *)files, count, standard, &err) != HS_OK)
        fail_msg("%s", err.text);
    return signer;
}

static struct hsp_signer *load_bytes(const void *bytes, size_t length, bool standard) {
    static const char *const files[] = {"a"};
    write_file("a", bytes, length, 0600);
    return load(files, 1, standard);
}

static void check_statuspageone(struct hsp_signer *signer, const char *body,
                                size_t length, const char *hex) {
    char signature[HSP_SIGNATURE_LENGTH + 1], expected[HSP_SIGNATURE_LENGTH + 1];
    snprintf(expected, sizeof(expected), "sha256=%s", hex);
    assert_int_equal(hsp_sign_statuspageone(signer, body, length, signature, NULL),
                     HS_OK);
    assert_string_equal(signature, expected);
}

static char *sign_standard(struct hsp_signer *signer, const char *id, int64_t timestamp,
                           const char *body) {
    char *signature = NULL;
    assert_int_equal(
        hsp_sign_standard(signer, id, timestamp, body, strlen(body), &signature, NULL),
        HS_OK);
    return signature;
}

/* Vectors
 * ------------------------------------------------------------------------------------ */

/* RFC 4231, sections 4.2 to 4.8; 4.6 is about truncation and not ours. */
static void test_rfc_4231(void **state) {
    static const struct {
        const char *key;
        size_t key_repeat;
        const char *data;
        size_t data_repeat;
        const char *hex;
    } cases[] = {
        {"\x0b", 20, "Hi There", 1,
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"Jefe", 1, "what do ya want for nothing?", 1,
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {"\xaa", 20, "\xdd", 50,
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13"
         "\x14\x15\x16\x17\x18\x19",
         1, "\xcd", 50,
         "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        {"\xaa", 131, "Test Using Larger Than Block-Size Key - Hash Key First", 1,
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {"\xaa", 131,
         "This is a test using a larger than block-size key and a larger than block-size "
         "data. The key needs to be hashed before being used by the HMAC algorithm.",
         1, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char key[256] = "", data[256] = "";
        for (size_t n = 0; n < cases[i].key_repeat; n++)
            strcat(key, cases[i].key);
        for (size_t n = 0; n < cases[i].data_repeat; n++)
            strcat(data, cases[i].data);
        struct hsp_signer *signer = load_bytes(key, strlen(key), false);
        check_statuspageone(signer, data, strlen(data), cases[i].hex);
        hsp_signer_free(signer);
    }
}

/* The example that Standard Webhooks publishes with its libraries. */
static void test_standard_webhooks(void **state) {
    struct hsp_signer *signer =
        load_bytes(STANDARD_SECRET "\n", strlen(STANDARD_SECRET "\n"), true);
    (void)state;
    char *signature = sign_standard(signer, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                                    "{\"test\": 2432232314}");
    assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    free(signature);
    hsp_signer_free(signer);
}

/* While a secret is rotated: all sign Standard Webhooks, the first signs StatusPageOne,
 * and that with its literal bytes. */
static void test_rotation(void **state) {
    static const char *const files[] = {"a", "b"}, *const second[] = {"b"};
    (void)state;
    write_file("a", STANDARD_SECRET, strlen(STANDARD_SECRET), 0600);
    write_file("b", SECRET, strlen(SECRET), 0640);
    struct hsp_signer *both = load(files, 2, true);
    struct hsp_signer *first = load(files, 1, true), *other = load(second, 1, true);
    char *signature = sign_standard(both, "id", -1, "{}");
    char *first_signature = sign_standard(first, "id", -1, "{}");
    char *other_signature = sign_standard(other, "id", -1, "{}");
    char joined[256];
    snprintf(joined, sizeof(joined), "%s %s", first_signature, other_signature);
    assert_string_equal(signature, joined);
    /* printf %s {} | openssl dgst -sha256 -hmac whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw */
    check_statuspageone(
        both, "{}", 2,
        "6cbbcdf2c8016ca85b50543b19e8e121ef16137967bdfa3ce660972922bafaeb");
    /* printf %s id.-1.{} | openssl dgst -sha256 -hmac SECRET -binary | base64 */
    assert_string_equal(other_signature,
                        "v1,fRWFn4uzSMIFirTnzZx5IOxlAmLyYbvhGyu42kS0ELw=");
    free(signature);
    free(first_signature);
    free(other_signature);
    hsp_signer_free(both);
    hsp_signer_free(first);
    hsp_signer_free(other);
}

/* Which files
 * ------------------------------------------------------------------------------------ */

/* One trailing LF or CRLF goes, nothing else. */
static void test_trailing_newline(void **state) {
    static const struct {
        const char *written, *meant;
    } cases[] = {
        {"Jefe\n", "Jefe"},           {"Jefe\r\n", "Jefe"}, {"Jefe\n\n", "Jefe\n"},
        {"Jefe\r", "Jefe\r"},         {"Jefe \n", "Jefe "}, {"\nJefe\n", "\nJefe"},
        {"Jefe\r\n\r\n", "Jefe\r\n"}, {"\r\r\n", "\r"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char written[HSP_SIGNATURE_LENGTH + 1], meant[HSP_SIGNATURE_LENGTH + 1];
        struct hsp_signer *signer =
            load_bytes(cases[i].written, strlen(cases[i].written), false);
        assert_int_equal(hsp_sign_statuspageone(signer, "x", 1, written, NULL), HS_OK);
        hsp_signer_free(signer);
        /* With a CRLF more what is meant stays. */
        char guarded[32];
        snprintf(guarded, sizeof(guarded), "%s\r\n", cases[i].meant);
        signer = load_bytes(guarded, strlen(guarded), false);
        assert_int_equal(hsp_sign_statuspageone(signer, "x", 1, meant, NULL), HS_OK);
        hsp_signer_free(signer);
        assert_string_equal(written, meant);
    }
}

static void check_refused(bool standard, const char *why) {
    static const char *const files[] = {"b", "a"};
    struct hsp_signer *signer = NULL;
    struct hs_error err = {0};
    write_file("b", SECRET, strlen(SECRET), 0600);
    was_left_in_memory = false;
    assert_int_equal(hsp_signer_load(&signer, (char *const *)files, 2, standard, &err),
                     HS_E_CONFIG);
    assert_null(signer);
    assert_false(was_left_in_memory);
    assert_non_null(strstr(err.text, "secret file a: "));
    if (strstr(err.text, why) == NULL)
        fail_msg("\"%s\" says nothing of \"%s\"", err.text, why);
    assert_null(strstr(err.text, "horse"));
}

static void test_refused_files(void **state) {
    char large[4097];
    (void)state;
    unlink("a");
    check_refused(false, "No such file");
    write_file("a", "", 0, 0600);
    check_refused(false, "empty");
    write_file("a", "\n", 1, 0600);
    check_refused(false, "empty");
    write_file("a", "\r\n", 2, 0600);
    check_refused(false, "empty");
    write_file("a", SECRET, strlen(SECRET), 0604);
    check_refused(false, "everybody may read it (mode 0604)");
    write_file("a", SECRET, strlen(SECRET), 0444);
    check_refused(false, "everybody");
    memset(large, 's', sizeof(large));
    write_file("a", large, sizeof(large), 0600);
    check_refused(false, "more than 4096 bytes");
    unlink("a");
    assert_int_equal(mkdir("a", 0700), 0);
    check_refused(false, "not a file");
    rmdir("a");
    assert_int_equal(mkfifo("a", 0600), 0);
    check_refused(false, "not a file");
    unlink("a");
}

static void test_accepted_files(void **state) {
    static const char *const files[] = {"link"};
    char large[4096];
    (void)state;
    memset(large, 's', sizeof(large));
    hsp_signer_free(load_bytes(large, sizeof(large), true));
    write_file("a", "Jefe", 4, 0660);
    assert_int_equal(symlink("a", "link"), 0);
    struct hsp_signer *signer = load(files, 1, false);
    check_statuspageone(
        signer, "what do ya want for nothing?", 28,
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    hsp_signer_free(signer);
}

static void test_base64(void **state) {
    static const char *const wrong[] = {"whsec_",
                                        "whsec_A",
                                        "whsec_AAA",
                                        "whsec_AAA*",
                                        "whsec_A===",
                                        "whsec_AA=A",
                                        "whsec_====",
                                        "whsec_ AAA=",
                                        "whsec_AAAA A",
                                        "whsec_AA-_",
                                        "whsec_AAAA ",
                                        "whsec_AAA\n",
                                        "whsec_correct horse battery"};
    static const char *const right[] = {
        "whsec_AAAA", "whsec_AAA=", "whsec_AA==", "whsec_+/+/AA==", "whsec", "WHSEC_*"};
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        write_file("a", wrong[i], strlen(wrong[i]), 0600);
        check_refused(true, "is not base64");
        /* Only its literal bytes are used otherwise. */
        hsp_signer_free(load_bytes(wrong[i], strlen(wrong[i]), false));
    }
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        hsp_signer_free(load_bytes(right[i], strlen(right[i]), true));
    /* Without what the padding stands for: 70 bytes, so that HMAC does not pad itself. */
    char key[71] = "", encoded[128];
    memset(key, 'k', 70);
    snprintf(encoded, sizeof(encoded), "whsec_%s",
             "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr"
             "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2traw==");
    struct hsp_signer *decoded = load_bytes(encoded, strlen(encoded), true);
    struct hsp_signer *literal = load_bytes(key, 70, true);
    char *a = sign_standard(decoded, "id", 1, "{}");
    char *b = sign_standard(literal, "id", 1, "{}");
    assert_string_equal(a, b);
    free(a);
    free(b);
    hsp_signer_free(decoded);
    hsp_signer_free(literal);
}

static void test_credentials_directory(void **state) {
    static const char *const relative[] = {"a"};
    struct hsp_signer *signer = NULL;
    struct hs_error err = {0};
    char absolute[SCRATCH_PATH_MAX];
    (void)state;
    write_file("a", "Jefe", 4, 0400);
    assert_int_equal(chdir("/"), 0);
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    hsp_signer_free(load(relative, 1, false));
    snprintf(absolute, sizeof(absolute), "%s/a", folder);
    const char *const absolutes[] = {absolute};
    setenv("CREDENTIALS_DIRECTORY", "/nowhere", 1);
    hsp_signer_free(load(absolutes, 1, false));
    assert_int_equal(hsp_signer_load(&signer, (char *const *)relative, 1, false, &err),
                     HS_E_CONFIG);
    assert_non_null(strstr(err.text, "/nowhere/a"));
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(chdir(folder), 0);
    hsp_signer_free(load(relative, 1, false));
}

/* Checking
 * ------------------------------------------------------------------------------------ */

static void check_digest(const char *secret, bool standard, enum hsp_key key,
                         enum hsp_scheme scheme, const char *expected) {
    char digest[HSP_DIGEST_TEXT_MAX + 1];
    struct hsp_signer *signer = load_bytes(secret, strlen(secret), standard);
    assert_int_equal(hsp_signer_count(signer), 1);
    assert_int_equal(hsp_signer_digest(signer, 0, key, scheme, "{}", 2, digest, NULL),
                     HS_OK);
    assert_string_equal(digest, expected);
    hsp_signer_free(signer);
}

/* printf {} | openssl dgst -sha256 -mac HMAC -macopt hexkey:… */
static void test_mistaken_keys(void **state) {
    static const struct {
        const char *secret;
        enum hsp_key key;
        const char *hex, *base64;
    } cases[] = {
        {"Jefe", HSP_KEY_RIGHT,
         "7bb7ae87018c3fb8b9be866ac39dea2bcc1ad2c907c314bbcad059bdeee591d6",
         "e7euhwGMP7i5voZqw53qK8wa0skHwxS7ytBZve7lkdY="},
        {"Jefe", HSP_KEY_LF,
         "beb88ef38e1a7cbc070c0d3de1d03a3b6d9be291a59047b4c65672d0e90a8fee",
         "vriO844afLwHDA094dA6O22b4pGlkEe0xlZy0OkKj+4="},
        {"Jefe", HSP_KEY_CRLF,
         "2cfc6db1a9a3b7b78222e1e5ea129ed0092b4f74058f67c987dbd19184535215",
         "LPxtsamjt7eCIuHl6hKe0AkrT3QFj2fJh9vRkYRTUhU="},
        {"Jefe", HSP_KEY_TRIMMED, "", ""},
        {" Jefe \n", HSP_KEY_TRIMMED,
         "7bb7ae87018c3fb8b9be866ac39dea2bcc1ad2c907c314bbcad059bdeee591d6",
         "e7euhwGMP7i5voZqw53qK8wa0skHwxS7ytBZve7lkdY="},
        {"Jefe", HSP_KEY_OTHER, "", ""},
        {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", HSP_KEY_RIGHT,
         "6cbbcdf2c8016ca85b50543b19e8e121ef16137967bdfa3ce660972922bafaeb",
         "CXXb9kYZsjIJac+Bhp1j7wYKCpUs/kmK560scKgo0eg="},
        {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", HSP_KEY_OTHER,
         "0975dbf64619b2320969cf81869d63ef060a0a952cfe498ae7ad2c70a828d1e8",
         "bLvN8sgBbKhbUFQ7GejhIe8WE3lnvfo85mCXKSK6+us="},
        {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", HSP_KEY_LF,
         "db8da590f604a64541cf54cad2081569fc5ef1d34e8d96c5bf77cc011c9c7ee4", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_digest(cases[i].secret, true, cases[i].key, HSP_SCHEME_STATUSPAGEONE,
                     cases[i].hex);
        check_digest(cases[i].secret, true, cases[i].key, HSP_SCHEME_STANDARD,
                     cases[i].base64);
    }
    check_digest("Jefe", false, HSP_KEY_RIGHT, HSP_SCHEME_STANDARD, "");
    check_digest("whsec_AAAA", false, HSP_KEY_OTHER, HSP_SCHEME_STATUSPAGEONE, "");
}

static void test_equal(void **state) {
    (void)state;
    assert_true(hsp_signature_equal("", ""));
    assert_true(hsp_signature_equal("ab", "ab"));
    assert_false(hsp_signature_equal("ab", "aB"));
    assert_false(hsp_signature_equal("ab", "abc"));
    assert_false(hsp_signature_equal("ab", ""));
}

/* Failures
 * ------------------------------------------------------------------------------------ */

static void test_not_loaded_for_standard(void **state) {
    struct hsp_signer *signer = load_bytes("Jefe", 4, false);
    struct hs_error err = {0};
    char *signature = NULL;
    (void)state;
    assert_int_equal(hsp_sign_standard(signer, "id", 1, "{}", 2, &signature, &err),
                     HS_E_CONFIG);
    assert_null(signature);
    hsp_signer_free(signer);
}

static void test_secrets_are_wiped(void **state) {
    (void)state;
    struct hsp_signer *signer = load_bytes(SECRET, strlen(SECRET), true);
    char *signature = sign_standard(signer, "id", 1, "{}");
    free(signature);
    was_left_in_memory = false;
    hsp_signer_free(signer);
    assert_false(was_left_in_memory);
    hsp_signer_free(NULL);
    /* The watch itself sees one; free() would let the compiler leave out the copy. */
    char *block = calloc(1, 5000);
    strcpy(block, SECRET);
    __wrap_free(block);
    assert_true(was_left_in_memory);
}

static enum hs_status load_and_sign(void *context, struct hs_error *err) {
    static const char *const files[] = {"a", "b"};
    struct hsp_signer *signer = NULL;
    char *signature = NULL;
    (void)context;
    enum hs_status status = hsp_signer_load(&signer, (char *const *)files, 2, true, err);
    if (status == HS_OK)
        status = hsp_sign_standard(signer, "id", 1, "{}", 2, &signature, err);
    else
        assert_null(signer);
    if (status != HS_OK)
        assert_null(signature);
    free(signature);
    hsp_signer_free(signer);
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    write_file("a", SECRET, strlen(SECRET), 0600);
    write_file("b", STANDARD_SECRET, strlen(STANDARD_SECRET), 0600);
    alloc_fail_each(load_and_sign, NULL);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_rfc_4231),
        TEST(test_standard_webhooks),
        TEST(test_rotation),
        TEST(test_trailing_newline),
        TEST(test_refused_files),
        TEST(test_accepted_files),
        TEST(test_base64),
        TEST(test_credentials_directory),
        TEST(test_mistaken_keys),
        TEST(test_equal),
        TEST(test_not_loaded_for_standard),
        TEST(test_secrets_are_wiped),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
