/* SPDX-License-Identifier: MIT */
/* What options and JSON say of an event: what is taken, what is refused and how it is
 * named, and that a payload can be made of whatever is taken. */
#include "config.h"

#include "alloc_fail.h"
#include "cli/fields.h"
#include "payload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct hs_config *config;

static int setup(void **state) {
    (void)state;
    return hs_config_load(&config, "/nonexistent/hookspool.conf", NULL) == HS_OK ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    hs_config_free(config);
    return 0;
}

static json_object *parse(const char *json) {
    struct hs_error err = {0};
    json_object *object = hsp_json_parse(json, strlen(json), &err);
    if (object == NULL)
        fail_msg("%s: %s", json, err.text);
    return object;
}

static enum hs_status make(const char *json, struct hs_event **event,
                           struct hs_error *err) {
    struct hsp_fields fields;
    json_object *object = parse(json);
    hsp_fields_init(&fields);
    enum hs_status status = hsp_fields_read(&fields, object, err);
    if (status == HS_OK)
        status = hsp_fields_event(&fields, event, err);
    json_object_put(object);
    return status;
}

/* The payload and the details that come of it hold `expected`. */
static void check_makes(const char *json, const char *expected) {
    struct hs_event *event = NULL;
    struct hs_error err = {0};
    char *record = NULL, *payload = NULL;
    size_t length;
    if (make(json, &event, &err) != HS_OK)
        fail_msg("%s: %s", json, err.text);
    assert_int_equal(hs_event_record(event, config, &record, &length, NULL), HS_OK);
    if (strstr(record, expected) == NULL)
        fail_msg("%s: no %s in %s", json, expected, record);
    assert_int_equal(hs_event_payload(event, config, &payload, &length, NULL), HS_OK);
    assert_int_equal(hsp_payload_check(payload, length, NULL, NULL), HS_OK);
    free(payload);
    free(record);
    hs_event_free(event);
}

static void test_taken(void **state) {
    static const struct {
        const char *json, *expected;
    } cases[] = {
#define A "\"monitor\":{\"name\":\"A\",\"status\":\"DOWN\"}"
        {"{" A "}", "\"notification_type\":\"incident\""},
        {"{" A "}", "\"system\":\"cli\",\"site\":\"\",\"host\":\"A\""},
        {"{\"host\":\"h\",\"check_result\":{\"status\":\"up\"}}",
         "\"previous_status\":\"DOWN\",\"notification_level\":1,"
         "\"notification_type\":\"recovery\""},
        {"{\"host\":\"h\",\"service\":\"s\",\"context\":"
         "{\"notification_type\":\"incident\"}}",
         "\"name\":\"h/s\",\"url\":null,\"status\":\"DOWN\""},
        {"{\"monitor\":{\"name\":\"A\",\"id\":42,\"status\":\"UP\"}}", "\"id\":\"42\""},
        {"{\"monitor\":{\"name\":\"A\",\"id\":42,\"status\":\"UP\"}}", "\"host\":\"\""},
        {"{" A ",\"check_result\":{\"status_code\":\"503\"}}", "\"status_code\":503"},
        {"{" A ",\"check_result\":{\"status_code\":null}}", "\"status_code\":null"},
        {"{" A ",\"check_result\":{\"response_time_ms\":31.7}}",
         "\"response_time_ms\":31,"},
        {"{" A ",\"check_result\":{\"timestamp\":\"2024-01-15T11:30:15.25+01:00\"}}",
         "\"timestamp\":\"2024-01-15T10:30:15Z\""},
        {"{" A ",\"check_result\":{\"timestamp\":\"2024-01-15 05:00:15-05:30\"}}",
         "\"timestamp\":\"2024-01-15T10:30:15Z\""},
        {"{" A ",\"check_result\":{\"timestamp\":1705314615}}",
         "\"timestamp\":\"2024-01-15T10:30:15Z\""},
        {"{" A ",\"check_result\":{\"error_message\":\"a\\u0000b\"}}",
         "\"error_message\":\"a\xef\xbf\xbd"
         "b\""},
        {"{" A ",\"endpoints\":[\"a\",\"b\"]}", "\"endpoints\":\"a,b\""},
        {"{" A ",\"endpoints\":\"a,b\"}", "\"endpoints\":\"a,b\""},
        {"{" A ",\"endpoints\":[]}", "\"host\":\"A\",\"service\":\"\"}"},
        {"{" A ",\"details\":{\"t\":\"x\",\"n\":1,\"o\":{\"p\":[true]},\"z\":null}}",
         "\"details\":{\"t\":\"x\",\"n\":\"1\",\"o\":\"{\\\"p\\\":[true]}\",\"z\":\"\"}"},
        {"{" A ",\"id\":\"018d0e5c-0000-7000-8000-000000000001\"}",
         "event 018d0e5c-0000-7000-8000-000000000001 "},
        {"{" A ",\"event_type\":\"monitor_alert\",\"fold\":\"k\"}", "\"fold\":\"k\""},
        {"{" A ",\"context\":{\"notification_type\":\"flapping\"}}",
         "\"notification_type\":\"flapping\""},
        {"{" A ",\"context\":{\"previous_status\":null}}", "\"previous_status\":null"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_makes(cases[i].json, cases[i].expected);
}

static void test_refused(void **state) {
    static const struct {
        const char *json, *why;
    } cases[] = {
        {"{}", "status: UP or DOWN is needed"},
        {"[]", "an object is expected"},
        {"{\"monitor\":{\"status\":\"DOWN\"}}", "a name or a host is needed"},
        {"{\"monitor\":{\"name\":\"\",\"status\":\"DOWN\"}}", "a name or a host"},
        {"{\"monitor\":{\"status\":\"BAD\"}}", "monitor.status: 'BAD' is not UP or DOWN"},
        {"{\"monitor\":{\"status\":\"UP\"},\"check_result\":{\"status\":\"DOWN\"}}",
         "they differ"},
        {"{\"monitor\":{\"nam\":\"A\"}}",
         "monitor: key 'nam' is not known; there are name, id, url, status"},
        {"{\"monitor.name\":\"A\"}", "key 'monitor.name' is not known"},
        {"{\"check_result\":{\"name\":\"A\"}}", "check_result: key 'name'"},
        {"{\"mon\":1}", "details, monitor, check_result, context"},
        {"{\"monitor\":\"A\"}", "monitor: an object is expected"},
        {"{\"context\":null}", "context: an object is expected"},
        {"{\"details\":\"A\"}", "details: an object"},
        {"{\"host\":{}}", "host: a text or a number is expected"},
        {"{\"host\":true}", "host: a text or a number is expected"},
        {"{\"host\":[\"a\"]}", "host: a text or a number is expected"},
        {"{\"event_type\":\"x\"}", "event_type: 'x' is not monitor_alert"},
        {"{\"id\":\"1\"}", "id: '1' is not a UUIDv7 in lower case"},
        {"{\"endpoints\":\"a b\"}", "endpoints: 'a b' is not a list"},
        {"{\"endpoints\":[\"a\",null]}", "endpoints: 'a,' is not a list"},
        {"{\"endpoints\":\",\"}", "endpoints: ',' is not"},
        {"{\"check_result\":{\"status_code\":1000}}",
         "check_result.status_code: '1000' is not a whole number from 0 to 999"},
        {"{\"check_result\":{\"status_code\":-1}}", "from 0 to 999"},
        {"{\"check_result\":{\"status_code\":1e2}}", "from 0 to 999"},
        {"{\"check_result\":{\"response_time_ms\":9007199254740993}}",
         "9007199254740992"},
        {"{\"check_result\":{\"timestamp\":\"2024-02-30T10:30:15Z\"}}", "is not a time"},
        {"{\"check_result\":{\"timestamp\":\"2024-01-15T10:30:15\"}}", "is not a time"},
        {"{\"check_result\":{\"timestamp\":\"2024-01-15T10:30:15+0100\"}}", "is not a"},
        {"{\"check_result\":{\"timestamp\":\"1970-01-01T00:00:00+01:00\"}}", "is not a"},
        {"{\"check_result\":{\"timestamp\":\"yesterday\"}}", "seconds since 1970"},
        {"{\"context\":{\"notification_level\":0}}", "from 1 to"},
        {"{\"context\":{\"notification_type\":\"incident\"},"
         "\"monitor\":{\"status\":\"UP\"}}",
         "incident goes with the status DOWN only"},
        {"{\"context\":{\"notification_type\":\"recovery\"},"
         "\"monitor\":{\"status\":\"DOWN\"}}",
         "recovery goes with the status UP only"},
        {"{\"context\":{\"notification_type\":\"test\"}}", "needed with the type test"},
        {"{\"context\":{\"notification_type\":\"alarm\"}}", "incident, recovery, ackn"},
        {"{\"context\":{\"notification_type\":\"test\\u0000\"}}", "NUL"},
        {"{\"host\":\"\\u001b[31m\",\"id\":\"\\u001b[31m\"}", "id: '?[31m'"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hs_event *event = NULL;
        struct hs_error err = {0};
        assert_int_equal(make(cases[i].json, &event, &err), HS_E_DATA);
        assert_null(event);
        if (strstr(err.text, cases[i].why) == NULL)
            fail_msg("%s: \"%s\" instead of \"%s\"", cases[i].json, err.text,
                     cases[i].why);
    }
}

static void test_too_long(void **state) {
    struct hsp_fields fields;
    struct hs_error err = {0};
    char host[HSP_FIELD_TEXT_MAX + 2];
    (void)state;
    memset(host, 'h', sizeof(host));
    host[HSP_FIELD_TEXT_MAX + 1] = '\0';
    hsp_fields_init(&fields);
    assert_int_equal(hsp_fields_set(&fields, HSP_FIELD_HOST, host, &err), HS_E_DATA);
    assert_string_equal(err.text, "--host: 4097 bytes, 4096 are allowed");
    host[HSP_FIELD_TEXT_MAX] = '\0';
    assert_int_equal(hsp_fields_set(&fields, HSP_FIELD_HOST, host, NULL), HS_OK);
}

/* What an option says holds where JSON says nothing. */
static void test_options_are_defaults(void **state) {
    struct hsp_fields fields;
    struct hs_event *event = NULL;
    char *record = NULL;
    size_t length;
    static const char *const pairs[] = {"rack=12", "empty=", "a=b=c"};
    json_object *object = parse("{\"monitor\":{\"status\":\"UP\"},\"system\":\"mine\"}");
    (void)state;
    hsp_fields_init(&fields);
    assert_int_equal(hsp_fields_set(&fields, HSP_FIELD_STATUS, "DOWN", NULL), HS_OK);
    assert_int_equal(hsp_fields_set(&fields, HSP_FIELD_HOST, "h", NULL), HS_OK);
    assert_int_equal(hsp_fields_set(&fields, HSP_FIELD_SYSTEM, "theirs", NULL), HS_OK);
    assert_int_equal(hsp_fields_set_details(&fields, pairs, 3, NULL), HS_OK);
    assert_int_equal(hsp_fields_read(&fields, object, NULL), HS_OK);
    assert_int_equal(hsp_fields_event(&fields, &event, NULL), HS_OK);
    assert_int_equal(hs_event_record(event, config, &record, &length, NULL), HS_OK);
    assert_non_null(strstr(record, "\"notification_type\":\"recovery\""));
    assert_non_null(strstr(record, "{\"system\":\"mine\",\"site\":\"\",\"host\":\"h\""));
    assert_non_null(strstr(record, "{\"rack\":\"12\",\"empty\":\"\",\"a\":\"b=c\"}"));
    free(record);
    hs_event_free(event);
    json_object_put(object);
}

static void test_wrong_details(void **state) {
    static const char *const wrong[] = {"rack", "=12", ""};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct hsp_fields fields;
        struct hs_error err = {0};
        hsp_fields_init(&fields);
        assert_int_equal(hsp_fields_set_details(&fields, &wrong[i], 1, &err), HS_E_DATA);
        assert_non_null(strstr(err.text, "is not KEY=VALUE"));
    }
}

/* Every option says its own name when it is wrong. */
static void test_options_are_named(void **state) {
    static const struct {
        enum hsp_field field;
        const char *text, *why;
    } cases[] = {
        {HSP_FIELD_STATUS, "x", "--status: 'x' is not UP or DOWN"},
        {HSP_FIELD_TYPE, "x", "--type: 'x' is not incident"},
        {HSP_FIELD_PREVIOUS, "x", "--previous: 'x' is not"},
        {HSP_FIELD_RESPONSE_TIME_MS, "x", "--response-time-ms: 'x' is not"},
        {HSP_FIELD_STATUS_CODE, " 1", "--status-code: ' 1' is not"},
        {HSP_FIELD_FAILURES, "+1", "--failures: '+1' is not"},
        {HSP_FIELD_LEVEL, "0", "--level: '0' is not"},
        {HSP_FIELD_TIME, "x", "--time: 'x' is not a time like 2024-01-15T10:30:15Z"},
        {HSP_FIELD_ENDPOINT, "a/b", "--endpoint: 'a/b' is not"},
        {HSP_FIELD_ID, "x", "--id: 'x' is not a UUIDv7"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hsp_fields fields;
        struct hs_error err = {0};
        hsp_fields_init(&fields);
        assert_int_equal(hsp_fields_set(&fields, cases[i].field, cases[i].text, &err),
                         HS_E_DATA);
        if (strncmp(err.text, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("\"%s\" instead of \"%s\"", err.text, cases[i].why);
    }
}

/* The event's place in the order is the given one, else the time of the check. */
static void test_order(void **state) {
    char json[128], expected[64];
    const long long now = (long long)time(NULL);
    (void)state;
    snprintf(json, sizeof(json), "{" A ",\"time\":%lld,\"sequence\":7}", now);
    snprintf(expected, sizeof(expected), "\"time\":%lld,\"sequence\":7}", now);
    check_makes(json, expected);
    snprintf(json, sizeof(json), "{" A ",\"check_result\":{\"timestamp\":%lld}}",
             now - 9);
    snprintf(expected, sizeof(expected), "\"time\":%lld,\"sequence\":0}", now - 9);
    check_makes(json, expected);
}

static enum hs_status read_all(void *context, struct hs_error *err) {
    struct hsp_fields fields;
    struct hs_event *event = NULL;
    static const char *const pairs[] = {"rack=12"};
    hsp_fields_init(&fields);
    enum hs_status status = hsp_fields_set_details(&fields, pairs, 1, err);
    if (status == HS_OK)
        status = hsp_fields_read(&fields, context, err);
    if (status == HS_OK)
        status = hsp_fields_event(&fields, &event, err);
    if (status != HS_OK)
        assert_null(event);
    hs_event_free(event);
    return status;
}

static enum hs_status read_unknown(void *context, struct hs_error *err) {
    struct hsp_fields fields;
    hsp_fields_init(&fields);
    enum hs_status status = hsp_fields_read(&fields, context, err);
    return status == HS_E_DATA ? HS_OK : status;
}

static void test_out_of_memory(void **state) {
    json_object *object = parse("{" A ",\"endpoints\":[\"a\",\"b\"],\"fold\":\"k\","
                                "\"details\":{\"t\":\"x\",\"n\":1}}");
    json_object *unknown = parse("{\"x\":1}");
    (void)state;
    alloc_fail_each(read_all, object);
    alloc_fail_each(read_unknown, unknown);
    json_object_put(object);
    json_object_put(unknown);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),         cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_long),      cmocka_unit_test(test_options_are_defaults),
        cmocka_unit_test(test_wrong_details), cmocka_unit_test(test_options_are_named),
        cmocka_unit_test(test_order),         cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
