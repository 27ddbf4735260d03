/* SPDX-License-Identifier: MIT */
/* A spool's status from outside: parsed, found without a daemon, judged by
 * check_hookspool. */
#include "config.h"

#include "alloc_fail.h"
#include "check_judge.h"
#include "error.h"
#include "scratch.h"
#include "status.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define WHOLE                                                                            \
    "{\"version\":1,\"daemon\":\"0.1.0\",\"pid\":42,"                                    \
    "\"started_at\":\"2024-01-15T08:00:00.000Z\","                                       \
    "\"updated_at\":\"2024-01-15T10:30:15.123Z\",\"incoming\":0,\"corrupt\":3,"          \
    "\"space\":\"short\",\"endpoints\":{\"main\":{\"state\":\"backoff\",\"url\":null,"   \
    "\"pending\":7,\"max_queued\":1000,\"oldest_at\":\"2024-01-15T10:29:58.001Z\","      \
    "\"sent\":17,\"failed\":3,\"dead\":1,\"max_dead\":10,\"rate_limit\":100,"            \
    "\"rate_window_ms\":60000,\"rate_used\":4,\"next_attempt_at\":null,"                 \
    "\"last_error\":\"a\\u001bb|c\\u009b d\\u007f\"},"                                   \
    "\"second\":{\"state\":\"ok\",\"pending\":\"x\",\"dead\":-5,\"last_error\":7}}}"

static enum hs_status parse(struct hsp_status *status, const char *text,
                            struct hs_error *err) {
    json_object *json = json_tokener_parse(text);
    assert_non_null(json);
    enum hs_status result = hsp_status_parse(status, json, err);
    json_object_put(json);
    return result;
}

static void test_parse(void **state) {
    (void)state;
    struct hsp_status status = {0};
    struct hs_error err = {0};
    assert_int_equal(parse(&status, WHOLE, &err), HS_OK);
    assert_string_equal(status.daemon, "0.1.0");
    assert_int_equal(status.pid, 42);
    assert_true(status.started_at == INT64_C(1705305600000));
    assert_true(status.updated_at == INT64_C(1705314615123));
    assert_int_equal(status.corrupt, 3);
    assert_true(status.is_short);
    assert_int_equal(status.endpoint_count, 2);
    const struct hsp_endpoint_status *main = hsp_status_find(&status, "main");
    assert_ptr_equal(main, &status.endpoints[0]);
    assert_string_equal(main->state, "backoff");
    assert_int_equal(main->pending, 7);
    assert_int_equal(main->rate_window_ms, 60000);
    assert_true(main->oldest_at == INT64_C(1705314598001));
    assert_true(main->next_attempt_at == HSP_NO_TIME);
    assert_true(main->last_success_at == HSP_NO_TIME);
    assert_string_equal(main->last_error, "a?b|c? d?");
    /* What is of no use counts as absent. */
    const struct hsp_endpoint_status *second = hsp_status_find(&status, "second");
    assert_int_equal(second->pending, 0);
    assert_int_equal(second->dead, 0);
    assert_string_equal(second->last_error, "");
    assert_null(hsp_status_find(&status, "third"));
    hsp_status_free(&status);
    hsp_status_free(&status);
}

static void test_parse_refuses(void **state) {
    (void)state;
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"{}", "damaged"},
        {"[]", "damaged"},
        {"{\"version\":1}", "damaged"},
        {"{\"version\":1,\"endpoints\":[]}", "damaged"},
        {"{\"version\":\"1\",\"endpoints\":{}}", "damaged"},
        {"{\"version\":2,\"endpoints\":{}}", "version 2"},
        {"{\"version\":1,\"endpoints\":{\"a b\":{\"state\":\"ok\"}}}", "'a b'"},
        {"{\"version\":1,\"endpoints\":{\"\":{\"state\":\"ok\"}}}", "''"},
        {"{\"version\":1,\"endpoints\":{\"a'b\":{\"state\":\"ok\"}}}", "endpoint"},
        {"{\"version\":1,\"endpoints\":{\"a\":{\"state\":\"o|k\"}}}", "'a'"},
        {"{\"version\":1,\"endpoints\":{\"a\":{}}}", "'a'"},
        {"{\"version\":1,\"endpoints\":{\"a\":null}}", "'a'"},
        {"{\"version\":1,\"endpoints\":{\"a\":7}}", "'a'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hsp_status status = {0};
        struct hs_error err = {0};
        assert_int_equal(parse(&status, cases[i].text, &err), HS_E_DATA);
        if (strstr(err.text, cases[i].told) == NULL)
            fail_msg("%s: %s", cases[i].text, err.text);
        hsp_status_free(&status);
    }
}

static void test_span(void **state) {
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {-5, "0s"},           {0, "0s"},
        {999, "0s"},          {1000, "1s"},
        {59999, "59s"},       {60000, "1m00s"},
        {185000, "3m05s"},    {3599999, "59m59s"},
        {3600000, "1h00m"},   {7620000, "2h07m"},
        {86399999, "23h59m"}, {86400000, "1d00h"},
        {273600000, "3d04h"}, {INT64_C(86400000000), "1000d00h"},
    };
    char text[HSP_SPAN_LENGTH];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(hsp_span_text(cases[i].ms, text), cases[i].text);
}

/* Without a daemon: status.json or nothing, and what the disk says. */
static void test_get(void **state) {
    (void)state;
    struct hsp_status status;
    struct hs_error err = {.status = HS_E_IO, .text = "of before"};
    const char *spool = scratch_make();
    assert_int_equal(hsp_status_get(&status, scratch_path("no"), 100, &err), HS_E_SPOOL);
    assert_int_equal(err.sys_errno, ENOENT);
    assert_non_null(strstr(err.text, "hookspool init"));
    hsp_status_free(&status);

    assert_int_equal(hsp_status_get(&status, spool, 100, &err), HS_OK);
    assert_int_equal(status.source, HSP_STATUS_NONE);
    assert_int_equal(status.service, HSP_NOT_SERVED);
    assert_int_equal(status.incoming, -1);
    assert_true(status.space_free > 0 && status.space_free <= 100);
    hsp_status_free(&status);

    assert_int_equal(mkdir(scratch_path("incoming"), 0700), 0);
    scratch_write("incoming/018d0e5c-0000-7000-8000-000000000001.evt", "", 0);
    scratch_write("incoming/018d0e5b-ffff-7000-8000-000000000001.evt", "", 0);
    scratch_write("incoming/018d0e5b-ffff-7000-8000-000000000001", "", 0);
    scratch_write("incoming/other", "", 0);
    scratch_write("status.json", WHOLE "\n", sizeof WHOLE);
    scratch_write("daemon.lock", "", 0);
    assert_int_equal(hsp_status_get(&status, spool, 100, &err), HS_OK);
    assert_int_equal(status.source, HSP_STATUS_FILE);
    assert_int_equal(status.service, HSP_NOT_SERVED);
    assert_int_equal(status.silence.status, HS_OK);
    assert_int_equal(status.incoming, 2);
    assert_true(status.incoming_oldest_at == INT64_C(0x018d0e5bffff));
    assert_int_equal(status.endpoint_count, 2);
    hsp_status_free(&status);

    scratch_write("status.json", "{\"version\":1,", 13);
    assert_int_equal(hsp_status_get(&status, spool, 100, &err), HS_E_DATA);
    assert_non_null(strstr(err.text, "status.json is damaged"));
    assert_int_equal(status.service, HSP_NOT_SERVED);
    hsp_status_free(&status);
    scratch_remove();
}

/* Judging
 * --------------------------------------------------------------------------------- */

static void judge(struct hsp_result *result, const char *text, const char *name) {
    struct hsp_status status = {.service = HSP_SERVED,
                                .source = HSP_STATUS_SOCKET,
                                .read_at = INT64_C(1705314615000),
                                .incoming_oldest_at = HSP_NO_TIME,
                                .space_free = 50,
                                .inodes_free = -1};
    struct hsp_option_list names = {{name}, name != NULL};
    struct hsp_thresholds thresholds = {0};
    struct hs_error err = {0};
    hsp_thresholds_default(&thresholds);
    assert_int_equal(parse(&status, text, &err), HS_OK);
    hsp_check_judge(result, &status, &thresholds, &names);
    hsp_status_free(&status);
}

static void test_judge(void **state) {
    (void)state;
    struct hsp_result result = {0};
    judge(&result, WHOLE, NULL);
    static const struct {
        enum hsp_severity severity;
        const char *text;
    } expected[] = {
        {HSP_CRITICAL, "hookspoold is short of space and holds events up"},
        {HSP_WARNING, "main fails and is probed: a?b/c? d?"},
        {HSP_WARNING, "main: 1 dead letter"},
        {HSP_WARNING, "3 files set aside in corrupt/"},
    };
    assert_int_equal(result.count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < result.count; i++) {
        assert_string_equal(result.findings[i].text, expected[i].text);
        assert_int_equal(result.findings[i].severity, expected[i].severity);
    }
    assert_string_equal(
        result.perfdata.data,
        "'pending_main'=7;100;;0;1000 'age_main'=16s;300;3600;0 'dead_main'=1;0;;0;10 "
        "'sent_main'=17c;;;0 'failed_main'=3c;;;0 'rate_main'=4%;;;0;100 "
        "'pending_second'=0;100;;0 'age_second'=0s;300;3600;0 'dead_second'=0;0;;0 "
        "'sent_second'=0c;;;0 'failed_second'=0c;;;0 'incoming'=0;100;1000;0 "
        "'incoming_age'=0s;60;300;0 'corrupt'=3;0;;0 'space'=50.0%;10:;5:;0;100");
    hsp_result_free(&result);
    judge(&result, WHOLE, "second");
    assert_int_equal(result.count, 2);
    assert_null(strstr(result.perfdata.data, "main"));
    hsp_result_free(&result);
}

/* Out of memory
 * ------------------------------------------------------------------------------------ */

static enum hs_status parse_once(void *context, struct hs_error *err) {
    struct hsp_status status = {0};
    enum hs_status result = hsp_status_parse(&status, context, err);
    hsp_status_free(&status);
    return result;
}

static enum hs_status judge_once(void *context, struct hs_error *err) {
    struct hsp_result result = {0};
    struct hsp_thresholds thresholds = {0};
    struct hsp_option_list names = {.count = 0};
    hsp_thresholds_default(&thresholds);
    hsp_check_judge(&result, context, &thresholds, &names);
    enum hs_status status = result.failed ? hsp_fail(err, HS_E_NOMEM, "judge") : HS_OK;
    hsp_result_free(&result);
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    json_object *json = json_tokener_parse(WHOLE);
    alloc_fail_each(parse_once, json);
    struct hsp_status status = {.source = HSP_STATUS_FILE};
    struct hs_error err = {0};
    assert_int_equal(hsp_status_parse(&status, json, &err), HS_OK);
    alloc_fail_each(judge_once, &status);
    hsp_status_free(&status);
    json_object_put(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse), cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_span),  cmocka_unit_test(test_get),
        cmocka_unit_test(test_judge), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
