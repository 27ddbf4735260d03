/* SPDX-License-Identifier: MIT */
/* Judging captured signatures where memory runs out, and what is never said: a part of a
 * secret. What is found in which case is tested with the program. */
#include "config.h"

#include "alloc_fail.h"
#include "cli/signature.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define SECRET "correct horse battery staple"
#define BODY "{\"a\": 1}\r\n"

static struct hsp_signer *signer;

static int setup(void **state) {
    (void)state;
    scratch_make();
    char *files[] = {(char *)(uintptr_t)scratch_write("secret", SECRET, strlen(SECRET))};
    chmod(files[0], 0600);
    return hsp_signer_load(&signer, files, 1, true, NULL) == HS_OK ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    hsp_signer_free(signer);
    scratch_remove();
    return 0;
}

static struct hsp_capture capture_of(enum hsp_scheme scheme, const char *signature) {
    return (struct hsp_capture){.scheme = scheme,
                                .signature = signature,
                                .id = "id",
                                .timestamp = "1",
                                .body = BODY,
                                .length = strlen(BODY)};
}

static void sign(const char *body, char signature[HSP_SIGNATURE_LENGTH + 1]) {
    assert_int_equal(hsp_sign_statuspageone(signer, body, strlen(body), signature, NULL),
                     HS_OK);
}

static struct hsp_finding judge(enum hsp_scheme scheme, const char *signature) {
    struct hsp_finding finding;
    const struct hsp_capture capture = capture_of(scheme, signature);
    assert_int_equal(hsp_signature_judge(&capture, signer, &finding, NULL), HS_OK);
    assert_null(strstr(finding.reason, "horse"));
    return finding;
}

static void test_bodies(void **state) {
    static const struct {
        const char *signed_body, *reason;
    } cases[] = {
        {BODY, ""},
        {"{\"a\": 1}", "CR LF at its end"},
        {"{\"a\": 1}\r", "a newline at its end"},
        {BODY "\n", "newline at the end of the signed body is missing"},
        {"{\"a\":1}", "written anew"},
        {"{\"a\":2}", "another secret"},
        {"", "another secret"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char signature[HSP_SIGNATURE_LENGTH + 1];
        sign(cases[i].signed_body, signature);
        const struct hsp_finding finding = judge(HSP_SCHEME_STATUSPAGEONE, signature);
        assert_int_equal(finding.good, cases[i].reason[0] == '\0');
        if (strstr(finding.reason, cases[i].reason) == NULL)
            fail_msg("\"%s\" instead of \"%s\"", finding.reason, cases[i].reason);
    }
}

/* No cut of a digest is good, and nothing is read behind one's end. */
static void test_every_cut(void **state) {
    char signature[HSP_SIGNATURE_LENGTH + 1];
    (void)state;
    sign(BODY, signature);
    for (size_t length = strlen(signature); length-- > 0;) {
        char *cut = strndup(signature, length);
        assert_false(judge(HSP_SCHEME_STATUSPAGEONE, cut).good);
        assert_false(judge(HSP_SCHEME_STANDARD, cut).good);
        free(cut);
    }
}

static void test_garbage(void **state) {
    static const char *const garbage[] = {"",
                                          " ",
                                          ":",
                                          "sha256=",
                                          "sha256=\xff\xff",
                                          "v1,",
                                          "v1, v1,",
                                          "v2,x v1a,y",
                                          ",",
                                          "X-StatusPageOne-Signature:",
                                          "webhook-signature: v1,v1,v1,"};
    (void)state;
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++)
        for (int scheme = 0; scheme < 2; scheme++) {
            const struct hsp_finding finding = judge((enum hsp_scheme)scheme, garbage[i]);
            assert_false(finding.good);
            assert_true(finding.reason[0] != '\0');
        }
}

static enum hs_status judge_both(void *context, struct hs_error *err) {
    struct hsp_finding finding;
    struct hsp_capture capture = capture_of(HSP_SCHEME_STATUSPAGEONE, context);
    enum hs_status status = hsp_signature_judge(&capture, signer, &finding, err);
    if (status != HS_OK)
        return status;
    capture = capture_of(HSP_SCHEME_STANDARD, "v1,AAAA");
    return hsp_signature_judge(&capture, signer, &finding, err);
}

static void test_out_of_memory(void **state) {
    char signature[HSP_SIGNATURE_LENGTH + 1];
    (void)state;
    sign("{\"a\":1}", signature);
    alloc_fail_each(judge_both, signature);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
