/* SPDX-License-Identifier: MIT */
/* The webhook body: what is written, what is cut, what is refused; and JSON text. */
#include "config.h"

#include "alloc_fail.h"
#include "payload.h"
#include "text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The documented body. */
#define DOWN_BODY                                                                        \
    "{\"event_type\":\"monitor_alert\",\"monitor\":{\"id\":\"mon_abc123xyz789\","        \
    "\"name\":\"API Server\",\"url\":\"https://api.example.com/health\","                \
    "\"status\":\"DOWN\"},\"check_result\":{\"status\":\"DOWN\","                        \
    "\"timestamp\":\"2024-01-15T10:30:15Z\",\"region\":\"us-east-1\","                   \
    "\"error_message\":\"Connection timeout after 30 seconds\","                         \
    "\"response_time_ms\":30000,\"status_code\":null},\"context\":{"                     \
    "\"consecutive_failures\":3,\"previous_status\":\"UP\",\"notification_level\":1,"    \
    "\"notification_type\":\"incident\"}}"

#define UP_BODY                                                                          \
    "{\"event_type\":\"monitor_alert\",\"monitor\":{\"id\":\"m\",\"name\":\"n\","        \
    "\"url\":null,\"status\":\"UP\"},\"check_result\":{\"status\":\"UP\","               \
    "\"timestamp\":\"1970-01-01T00:00:00Z\",\"region\":\"\","                            \
    "\"response_time_ms\":null,\"status_code\":200},\"context\":{"                       \
    "\"consecutive_failures\":0,\"previous_status\":null,\"notification_level\":"        \
    "9007199254740992,\"notification_type\":\"recovery\"}}"

static const struct hsp_payload down = {
    .monitor_id = "mon_abc123xyz789",
    .monitor_name = "API Server",
    .monitor_url = "https://api.example.com/health",
    .state = HS_STATE_DOWN,
    .time = 1705314615,
    .region = "us-east-1",
    .error_message = "Connection timeout after 30 seconds",
    .response_time_ms = 30000,
    .status_code = -1,
    .consecutive_failures = 3,
    .previous = HS_STATE_UP,
    .notification_level = 1,
    .kind = HS_KIND_INCIDENT,
};

static const struct hsp_payload up = {
    .monitor_id = "m",
    .monitor_name = "n",
    .state = HS_STATE_UP,
    .region = "",
    .response_time_ms = -1,
    .status_code = 200,
    .notification_level = INT64_C(1) << 53,
    .kind = HS_KIND_RECOVERY,
};

static char *write_body(const struct hsp_payload *payload, size_t max, size_t *length) {
    char *json = NULL;
    struct hs_error err = {0};
    if (hsp_payload_write(payload, max, &json, length, &err) != HS_OK)
        fail_msg("%s", err.text);
    assert_int_equal(strlen(json), *length);
    assert_true(*length <= max);
    if (hsp_payload_check(json, *length, NULL, &err) != HS_OK)
        fail_msg("%s in %s", err.text, json);
    return json;
}

static void test_documented_bodies(void **state) {
    (void)state;
    size_t length;
    char *json = write_body(&down, HSP_PAYLOAD_DEFAULT_MAX, &length);
    assert_string_equal(json, DOWN_BODY);
    free(json);
    json = write_body(&up, HSP_PAYLOAD_DEFAULT_MAX, &length);
    assert_string_equal(json, UP_BODY);
    free(json);
}

static void test_escapes(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *json;
    } cases[] = {
        {"", "\"\""},
        {"a/b <&> '", "\"a/b <&> '\""},
        {"\" \\", "\"\\\" \\\\\""},
        {"\b\t\n\f\r", "\"\\b\\t\\n\\f\\r\""},
        {"\x01\x07\x0B\x0E\x1F\x7F", "\"\\u0001\\u0007\\u000b\\u000e\\u001f\x7F\""},
        {"gr\xC3\xBC\xC3\x9F \xE2\x80\xA8 \xF0\x9F\x98\x80",
         "\"gr\xC3\xBC\xC3\x9F \xE2\x80\xA8 \xF0\x9F\x98\x80\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text = cases[i].text;
        struct hsp_buffer out = {0};
        hsp_json_string(&out, text, strlen(text));
        assert_string_equal(out.data, cases[i].json);
        assert_int_equal(hsp_json_size(text) + 2, out.length);

        char back[64] = "";
        size_t size = 0;
        struct hsp_cursor cursor = {out.data, out.data + out.length};
        assert_true(hsp_json_take_string(&cursor, &size, back, sizeof back - 1));
        assert_ptr_equal(cursor.at, cursor.end);
        assert_int_equal(size, strlen(text));
        assert_string_equal(back, text);

        /* json-c agrees. */
        json_object *value = hsp_json_parse(out.data, out.length, NULL);
        assert_string_equal(json_object_get_string(value), text);
        assert_string_equal(hsp_json_text(value, &size), out.data);
        json_object_put(value);
        hsp_buffer_free(&out);
    }
}

static void test_strings_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        "a",
        "\"",
        "\"a",
        "\"\\",
        "\"\\\"",
        "\"\\u00",
        "\"\\/\"",
        "\"\\u0041\"",
        "\"\\u000A\"",
        "\"\\u000a\"",
        "\"\\u001F\"",
        "\"\\u0020\"",
        "\"\\ud800\"",
        "\"\\x\"",
        "\"\\a\"",
        "\"\n\"",
        "\"\t\"",
        "\"\x1F\"",
        "'a'",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t size;
        struct hsp_cursor cursor = {cases[i], cases[i] + strlen(cases[i])};
        if (hsp_json_take_string(&cursor, &size, NULL, 0))
            fail_msg("%s was taken", cases[i]);
    }
}

/* Every room from none to enough: never too long, always well-formed, as much as fits. */
static void check_cuts(const char *message, size_t longest_character) {
    size_t whole;
    size_t bare;
    struct hsp_payload payload = down;
    payload.error_message = "";
    free(write_body(&payload, HSP_PAYLOAD_MAX, &bare));
    payload.error_message = message;
    free(write_body(&payload, HSP_PAYLOAD_MAX, &whole));
    for (size_t max = bare; max <= whole + 1; max++) {
        size_t length;
        char *json = write_body(&payload, max, &length);
        const bool marked = strstr(json, "\xE2\x80\xA6\",\"response") != NULL;
        assert_int_equal(marked, max < whole && max >= bare + 3);
        if (max < whole && max >= bare + 3)
            assert_true(max - length < longest_character);
        free(json);
    }
    char *json;
    size_t length;
    struct hs_error err = {0};
    assert_int_equal(hsp_payload_write(&payload, bare - 1, &json, &length, &err),
                     HS_E_DATA);
    assert_non_null(strstr(err.text, "without the message"));
}

static void test_cuts(void **state) {
    (void)state;
    check_cuts("an ordinary message of one line", 1);
    check_cuts("\"quotes\" and\n\tlines\\ \x01\x02\x03\x04 controls\x05", 6);
    check_cuts("\xF0\x9F\x98\x80\xE2\x82\xAC\xC3\xBC\xF0\x9F\x98\x80xx\xE2\x82\xAC", 4);
}

static void test_too_long_without_message(void **state) {
    (void)state;
    char *json;
    size_t length;
    struct hsp_payload payload = up;
    assert_int_equal(
        hsp_payload_write(&payload, strlen(UP_BODY) - 1, &json, &length, NULL),
        HS_E_DATA);
    assert_int_equal(hsp_payload_write(&payload, strlen(UP_BODY), &json, &length, NULL),
                     HS_OK);
    free(json);
}

static void test_write_refuses(void **state) {
    (void)state;
    static char long_id[HSP_MONITOR_ID_MAX + 2];
    memset(long_id, 'x', sizeof long_id - 1);
    struct hsp_payload cases[16];
    size_t count = 0;
#define CASE(change)                                                                     \
    cases[count] = down;                                                                 \
    cases[count++] change
    CASE(.monitor_id = "");
    CASE(.monitor_id = NULL);
    CASE(.monitor_id = long_id);
    CASE(.monitor_name = "");
    CASE(.monitor_name = NULL);
    CASE(.state = HS_STATE_NONE);
    CASE(.time = -1);
    CASE(.time = INT64_C(253402300800));
    CASE(.region = NULL);
    CASE(.response_time_ms = (INT64_C(1) << 53) + 1);
    CASE(.status_code = 1000);
    CASE(.consecutive_failures = -1);
    CASE(.notification_level = 0);
#undef CASE
    for (size_t i = 0; i < count; i++) {
        char *json = NULL;
        size_t length = 0;
        struct hs_error err = {0};
        if (hsp_payload_write(&cases[i], HSP_PAYLOAD_MAX, &json, &length, &err) !=
            HS_E_DATA)
            fail_msg("case %zu was written", i);
        assert_null(json);
        assert_int_equal(err.status, HS_E_DATA);
    }
    long_id[HSP_MONITOR_ID_MAX] = '\0';
    struct hsp_payload payload = down;
    payload.monitor_id = long_id;
    size_t length;
    free(write_body(&payload, HSP_PAYLOAD_MAX, &length));
}

static void test_facts(void **state) {
    (void)state;
    struct hsp_payload_facts facts = {0};
    assert_int_equal(hsp_payload_check(DOWN_BODY, strlen(DOWN_BODY), &facts, NULL),
                     HS_OK);
    assert_int_equal(facts.kind, HS_KIND_INCIDENT);
    assert_int_equal(facts.state, HS_STATE_DOWN);
    assert_string_equal(facts.monitor_id, "mon_abc123xyz789");
    assert_int_equal(hsp_payload_check(UP_BODY, strlen(UP_BODY), &facts, NULL), HS_OK);
    assert_int_equal(facts.kind, HS_KIND_RECOVERY);
    assert_int_equal(facts.state, HS_STATE_UP);
    assert_string_equal(facts.monitor_id, "m");
}

/* A long id is cut between code points. */
static void test_facts_of_long_ids(void **state) {
    (void)state;
    struct hsp_payload_facts facts;
    char id[HSP_MONITOR_ID_MAX + 1] = "";
    for (size_t i = 0; i < HSP_MONITOR_ID_MAX; i += 2)
        memcpy(id + i, "\xC3\xBC", 3);
    struct hsp_payload payload = down;
    payload.monitor_id = id;
    size_t length;
    char *json = write_body(&payload, HSP_PAYLOAD_MAX, &length);
    assert_int_equal(hsp_payload_check(json, length, &facts, NULL), HS_OK);
    assert_int_equal(strlen(facts.monitor_id), 62);
    assert_true(hsp_text_is_utf8(facts.monitor_id, 62));
    free(json);
}

/* The documented body with one thing replaced. */
static const struct {
    const char *old;
    const char *new;
    const char *error; /* NULL: is accepted */
} changes[] = {
    {"{\"event", " {\"event", "byte 0: {"},
    {"\"incident\"}}", "\"incident\"}} ", "}} and the end"},
    {"\"incident\"}}", "\"incident\"}}\n", "}} and the end"},
    {"\"incident\"}}", "\"incident\"}", "}} and the end"},
    {"\"incident\"}}", "\"incident\",\"x\":1}}", "}} and the end"},
    {"\"incident\"", "\"incidents\"", "notification_type"},
    {"\"incident\"", "\"downtime\"", NULL},
    {"\"incident\"", "\"unchanged\"", NULL},
    {"\"incident\"", "null", "notification_type"},
    {"\"incident\"", "\"a word longer than any kind can be\"", "notification_type"},
    {"monitor_alert", "other", "byte 0: {"},
    {"\"name\"", "\"Name\"", ",\"name\": is expected"},
    {"\"name\":\"API Server\",", "", ",\"name\": is expected"},
    {"\"name\":\"API Server\"", "\"name\":\"\"", "monitor.name"},
    {"\"name\":\"API Server\"", "\"name\":null", "monitor.name"},
    {"\"name\":\"API Server\"", "\"name\":\"a\",\"name\":\"b\"", ",\"url\": is expected"},
    {"API Server", "\xC3\xBC \xF0\x9F\x98\x80", NULL},
    {"API Server", "\xFF", "UTF-8"},
    {"API Server", "\xED\xA0\x80", "UTF-8"},
    {"API Server", "\\u00fc", "monitor.name"},
    {"API Server", "\\ud83d\\ude00", "monitor.name"},
    {"API Server", "\\ud800", "monitor.name"},
    {"API Server", "a\\/b", "monitor.name"},
    {"API Server", "\\u0000", NULL},
    {"API Server", "\\u001F", "monitor.name"},
    {"API Server", "\\u001f\\\"\\\\\\b", NULL},
    {"API Server", "a\tb", "monitor.name"},
    {"mon_abc123xyz789", "", "monitor.id"},
    {"\"https://api.example.com/health\"", "null", NULL},
    {"\"https://api.example.com/health\"", "\"\"", NULL},
    {"\"https://api.example.com/health\"", "7", "monitor.url"},
    {"\"https://api.example.com/health\"", "[]", "monitor.url"},
    {"\"status\":\"DOWN\"},", "\"status\":\"down\"},", "monitor.status"},
    {"\"status\":\"DOWN\"},", "\"status\":null},", "monitor.status"},
    {"\"status\":\"DOWN\",", "\"status\":\"WARNING\",", "check_result.status"},
    {"2024-01-15T10:30:15Z", "2024-01-15T10:30:15.000Z", "timestamp"},
    {"2024-01-15T10:30:15Z", "2024-02-30T10:30:15Z", "timestamp"},
    {"2024-01-15T10:30:15Z", "", "timestamp"},
    {"us-east-1", "", NULL},
    {"\"us-east-1\"", "null", "region"},
    {"\"error_message\":\"Connection timeout after 30 seconds\",", "", NULL},
    {"Connection timeout after 30 seconds", "", NULL},
    {"\"Connection timeout after 30 seconds\"", "null", "error_message"},
    {"30000", "0", NULL},
    {"30000", "9007199254740992", NULL},
    {"30000", "9007199254740993", "response_time_ms"},
    {"30000", "92233720368547758070", "response_time_ms"},
    {"30000", "-1", "response_time_ms"},
    {"30000", "-0", "response_time_ms"},
    {"30000", "030", "response_time_ms"},
    {"30000", "1e3", ",\"status_code\""},
    {"30000", "1.0", ",\"status_code\""},
    {"30000", "true", "response_time_ms"},
    {"30000", "\"30000\"", "response_time_ms"},
    {"30000", "", "response_time_ms"},
    {"\"status_code\":null", "\"status_code\":999", NULL},
    {"\"status_code\":null", "\"status_code\":1000", "status_code"},
    {"\"consecutive_failures\":3", "\"consecutive_failures\":null",
     "consecutive_failures"},
    {"\"UP\"", "null", NULL},
    {"\"UP\"", "\"DOWN\"", NULL},
    {"\"UP\"", "\"\"", "previous_status"},
    {"\"notification_level\":1", "\"notification_level\":0", "notification_level"},
    {"\"notification_level\":1", "\"notification_level\":2", NULL},
};

static size_t change_body(char *out, size_t size, const char *old, const char *new) {
    const char *at = strstr(DOWN_BODY, old);
    assert_non_null(at);
    const int length = snprintf(out, size, "%.*s%s%s", (int)(at - DOWN_BODY), DOWN_BODY,
                                new, at + strlen(old));
    return (size_t)length;
}

static void test_check(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char body[1024];
        const size_t length =
            change_body(body, sizeof body, changes[i].old, changes[i].new);
        struct hs_error err = {0};
        struct hsp_payload_facts facts = {.monitor_id = "untouched"};
        const enum hs_status status = hsp_payload_check(body, length, &facts, &err);
        if (changes[i].error == NULL) {
            if (status != HS_OK)
                fail_msg("%s for %s", err.text, body);
            continue;
        }
        if (status != HS_E_DATA || strstr(err.text, changes[i].error) == NULL)
            fail_msg("'%s' for %s", err.text, body);
        assert_string_equal(facts.monitor_id, "untouched");
    }
}

/* What is accepted and json-c can say again, json-c says alike: two implementations. */
static void test_check_agrees_with_json_c(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char body[1024];
        const size_t length =
            change_body(body, sizeof body, changes[i].old, changes[i].new);
        if (hsp_payload_check(body, length, NULL, NULL) != HS_OK)
            continue;
        json_object *value = hsp_json_parse(body, length, NULL);
        assert_non_null(value);
        size_t again;
        assert_string_equal(hsp_json_text(value, &again), body);
        assert_int_equal(again, length);
        json_object_put(value);
    }
}

/* No part of a body is one, nor is a body with a byte of it changed to a control. */
static void test_check_refuses_parts(void **state) {
    (void)state;
    char body[] = DOWN_BODY;
    for (size_t i = 0; i < strlen(DOWN_BODY); i++) {
        assert_int_equal(hsp_payload_check(body, i, NULL, NULL), HS_E_DATA);
        body[i] = '\0';
        assert_int_equal(hsp_payload_check(body, strlen(DOWN_BODY), NULL, NULL),
                         HS_E_DATA);
        body[i] = DOWN_BODY[i];
    }
}

static void test_check_size(void **state) {
    (void)state;
    const size_t extra = HSP_PAYLOAD_MAX;
    char *message = malloc(extra + 1);
    assert_non_null(message);
    memset(message, 'x', extra);
    message[extra] = '\0';
    struct hsp_payload payload = down;
    payload.error_message = message;
    size_t length;
    char *json = write_body(&payload, HSP_PAYLOAD_MAX, &length);
    assert_int_equal(length, HSP_PAYLOAD_MAX);
    free(json);
    assert_int_equal(
        hsp_payload_write(&payload, HSP_PAYLOAD_MAX + 1, &json, &length, NULL), HS_OK);
    assert_int_equal(hsp_payload_check(json, length, NULL, NULL), HS_E_DATA);
    free(json);
    free(message);
}

static void test_parse(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *again; /* NULL: refused */
    } cases[] = {
        {"{}", "{}"},
        {" {\"a\" : [1, true,null,\"x\\/\"]} ", "{\"a\":[1,true,null,\"x/\"]}"},
        {"12", "12"},
        {"\"a\\u00fc\"", "\"a\xC3\xBC\""},
        {"null", NULL},
        {"", NULL},
        {"{", NULL},
        {"{}{}", NULL},
        {"{} x", NULL},
        {"[1,]", NULL},
        {"{\"a\":1,}", NULL},
        {"{\"a\":'b'}", NULL},
        {"/* c */ {}", NULL},
        {"{\"a\":\"\xFF\"}", NULL},
        {"{\"a\":\"\xC0\x80\"}", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hs_error err = {0};
        json_object *value = hsp_json_parse(cases[i].text, strlen(cases[i].text), &err);
        if (cases[i].again == NULL) {
            if (value != NULL)
                fail_msg("%s was taken", cases[i].text);
            assert_int_equal(err.status, HS_E_DATA);
            continue;
        }
        if (value == NULL)
            fail_msg("%s: %s", cases[i].text, err.text);
        size_t length;
        assert_string_equal(hsp_json_text(value, &length), cases[i].again);
        json_object_put(value);
    }
    assert_null(hsp_json_parse("{}\0", 3, NULL));
}

static enum hs_status write_and_free(void *max, struct hs_error *err) {
    char *json = NULL;
    size_t length = 0;
    const enum hs_status status =
        hsp_payload_write(&down, *(const size_t *)max, &json, &length, err);
    assert_int_equal(json != NULL, status == HS_OK);
    free(json);
    return status;
}

static void test_without_memory(void **state) {
    (void)state;
    size_t max = HSP_PAYLOAD_MAX;
    alloc_fail_each(write_and_free, &max);
    max = strlen(DOWN_BODY) - 10;
    alloc_fail_each(write_and_free, &max);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documented_bodies),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_strings_refused),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_too_long_without_message),
        cmocka_unit_test(test_write_refuses),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_facts_of_long_ids),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_check_agrees_with_json_c),
        cmocka_unit_test(test_check_refuses_parts),
        cmocka_unit_test(test_check_size),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
