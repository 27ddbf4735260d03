/* SPDX-License-Identifier: MIT */
/* One request of a test, as far as it goes without a receiver: a closed port, the end
 * asked for before it began, no memory. The rest is tested at real servers. */
#include "config.h"

#include "delivery/settings_endpoint.h"
#include "delivery/trial.h"

#include "alloc_fail.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct hsp_endpoint_settings settings = {
    .name = "main",
    .url = "http://user:pa55word@127.0.0.1:1/hook?key=t0ken",
    .shown_url = "http://***@127.0.0.1:1/hook?***",
    .timeout_ms = 5000,
    .connect_timeout_ms = 5000,
};
static struct hsp_signer *signer;
static atomic_bool cancelled;

static struct hsp_trial trial_of(enum hs_kind kind) {
    return (struct hsp_trial){
        .settings = &settings, .signer = signer, .kind = kind, .cancelled = &cancelled};
}

static int set_up(void **state) {
    (void)state;
    scratch_make();
    char *files[] = {(char *)scratch_write("secret", "s3cret", 6)};
    assert_int_equal(chmod(files[0], 0600), 0);
    assert_int_equal(hsp_signer_load(&signer, files, 1, false, NULL), HS_OK);
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    hsp_signer_free(signer);
    curl_global_cleanup();
    scratch_remove();
    return 0;
}

static void test_closed_port(void **state) {
    const struct hsp_trial trial = trial_of(HS_KIND_INCIDENT);
    struct hsp_trial_result result;
    (void)state;
    assert_int_equal(hsp_trial_run(&trial, &result, NULL), HS_OK);
    assert_int_equal(result.fault, HSP_FAULT_CLOSED_PORT);
    assert_false(result.may_be_taken);
    assert_int_equal(result.http_status, 0);
    assert_true(hsp_id_is_valid(result.id));
    const char *text = hsp_json_text(result.report, &(size_t){0});
    assert_non_null(strstr(text, "\"fault\":\"closed-port\""));
    assert_null(strstr(text, "pa55word"));
    assert_null(strstr(text, "t0ken"));
    assert_null(strstr(result.reason, "pa55word"));
    json_object_put(result.report);
}

static void test_cancelled(void **state) {
    const struct hsp_trial trial = trial_of(HS_KIND_RECOVERY);
    struct hsp_trial_result result;
    (void)state;
    atomic_store(&cancelled, true);
    assert_int_equal(hsp_trial_run(&trial, &result, NULL), HS_OK);
    atomic_store(&cancelled, false);
    assert_int_equal(result.fault, HSP_FAULT_CANCELLED);
    assert_false(result.may_be_taken);
    json_object_put(result.report);
}

/* Whatever allocation fails: an error, or a report with less in it. */
static void test_no_memory(void **state) {
    const struct hsp_trial trial = trial_of(HS_KIND_INCIDENT);
    (void)state;
    for (unsigned n = 1;; n++) {
        struct hsp_trial_result result = {0};
        struct hs_error err = {0};
        alloc_fail_at(n);
        const enum hs_status status = hsp_trial_run(&trial, &result, &err);
        const bool failed = alloc_fail_stop();
        assert_true(status == HS_OK || (failed && status == HS_E_NOMEM));
        assert_int_equal(result.report != NULL, status == HS_OK);
        if (status != HS_OK)
            assert_true(strlen(err.text) > 0);
        json_object_put(result.report);
        if (!failed)
            break;
    }
}

static enum hs_status copy(void *context, struct hs_error *err) {
    const struct hsp_endpoint_settings *from = context;
    struct hsp_endpoint_settings to = {0};
    enum hs_status status = hsp_endpoint_copy(&to, from, err);
    if (status != HS_OK) {
        assert_null(to.name);
        return status;
    }
    assert_string_equal(to.url, from->url);
    assert_ptr_not_equal(to.url, from->url);
    assert_string_equal(to.secret_files[1], "b");
    assert_null(to.secret_files[2]);
    assert_string_equal(to.proxy, from->proxy);
    assert_null(to.ca_file);
    assert_int_equal(to.timeout_ms, 5000);
    hsp_endpoint_clear(&to);
    return HS_OK;
}

static void test_copy(void **state) {
    struct hsp_endpoint_settings from = settings;
    (void)state;
    from.secret_files[0] = "a";
    from.secret_files[1] = "b";
    from.proxy = "http://127.0.0.1:3128";
    from.source_address = "127.0.0.2";
    alloc_fail_each(copy, &from);
}

/* A secret lives as long as its last holder. */
static void test_hold(void **state) {
    char signature[HSP_SIGNATURE_LENGTH + 1];
    (void)state;
    assert_ptr_equal(hsp_signer_hold(signer), signer);
    hsp_signer_free(signer);
    assert_int_equal(hsp_sign_statuspageone(signer, "{}", 2, signature, NULL), HS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed_port), cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_no_memory),   cmocka_unit_test(test_copy),
        cmocka_unit_test(test_hold),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
