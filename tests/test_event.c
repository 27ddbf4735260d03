/* SPDX-License-Identifier: MIT */
/* Events: setters, and what becomes of them in payload, details and record. */
#include "config.h"

#include "alloc_fail.h"
#include "event.h"
#include "payload.h"
#include "record.h"
#include "scratch.h"
#include "units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define R "\xEF\xBF\xBD"

static struct hs_config *config;

static int load_config(void **state) {
    (void)state;
    setenv("HOOKSPOOL_CONFIG", "/dev/null", 1);
    return hs_config_load(&config, NULL, NULL) == HS_OK ? 0 : -1;
}

static int free_config(void **state) {
    (void)state;
    hs_config_free(config);
    return 0;
}

static struct hs_event *new_event(enum hs_kind kind, enum hs_state state) {
    struct hs_event *event = NULL;
    assert_int_equal(hs_event_new(&event, kind, state, NULL), HS_OK);
    return event;
}

static void set(struct hs_event *event, enum hs_text which, const char *text) {
    assert_int_equal(hs_event_set_text(event, which, text, strlen(text), NULL), HS_OK);
}

static void set_number(struct hs_event *event, enum hs_number which, int64_t value) {
    assert_int_equal(hs_event_set_number(event, which, value, NULL), HS_OK);
}

/* The payload as an object; json_object_put(). */
static json_object *payload_of(const struct hs_event *event) {
    char *json = NULL;
    size_t length = 0;
    struct hs_error err = {0};
    if (hs_event_payload(event, config, &json, &length, &err) != HS_OK ||
        hsp_payload_check(json, length, NULL, &err) != HS_OK)
        fail_msg("%s", err.text);
    json_object *object = hsp_json_parse(json, length, NULL);
    assert_non_null(object);
    free(json);
    return object;
}

/* Compare `section`.`key` with its JSON text; NULL: there is no such key. */
static void check_field(const struct hs_event *event, const char *section,
                        const char *key, const char *expected) {
    json_object *payload = payload_of(event);
    json_object *inner = json_object_object_get(payload, section);
    json_object *value = NULL;
    const bool found = json_object_object_get_ex(inner, key, &value);
    if (found != (expected != NULL))
        fail_msg("%s.%s: found: %d", section, key, found);
    if (expected != NULL)
        assert_string_equal(
            json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
                                                      JSON_C_TO_STRING_NOSLASHESCAPE),
            expected);
    json_object_put(payload);
}

/* The details object of the event's record; json_object_put(). */
static json_object *details_of(const struct hs_event *event) {
    char *record = NULL;
    size_t length = 0;
    struct hsp_record_reader reader;
    struct hsp_record_event part;
    assert_int_equal(hs_event_record(event, config, &record, &length, NULL), HS_OK);
    assert_int_equal(hsp_record_open(&reader, record, length, NULL), HS_OK);
    assert_int_equal(reader.count, 1);
    assert_true(hsp_record_next(&reader, &part));
    assert_string_equal(part.id, hs_event_id(event));
    json_object *details = hsp_json_parse(part.details, part.details_length, NULL);
    assert_non_null(details);
    /* Written as json-c writes it: compact, and without a key twice. */
    size_t again;
    assert_memory_equal(hsp_json_text(details, &again), part.details,
                        part.details_length);
    assert_int_equal(again, part.details_length);
    free(record);
    return details;
}

static void check_details(const struct hs_event *event, const char *expected) {
    json_object *details = details_of(event);
    size_t length;
    assert_string_equal(hsp_json_text(details, &length), expected);
    json_object_put(details);
}

static void test_kinds(void **state) {
    (void)state;
    static const char *const words[] = {"incident", "recovery", "acknowledgement",
                                        "downtime", "flapping", "custom",
                                        "test",     "other",    "unchanged"};
    for (int i = 0; i < 9; i++) {
        assert_string_equal(hs_kind_text((enum hs_kind)i), words[i]);
        assert_int_equal(hs_kind_parse(words[i]), i);
    }
    assert_int_equal(hs_kind_parse("Incident"), -1);
    assert_int_equal(hs_kind_parse(""), -1);
    assert_string_equal(hs_kind_text((enum hs_kind)9), "other");
}

static void test_statuses(void **state) {
    (void)state;
    for (int i = HS_OK; i <= HS_E_FULL; i++) {
        assert_true(hs_status_text((enum hs_status)i)[0] != '\0');
        for (int k = HS_OK; k < i; k++)
            assert_string_not_equal(hs_status_text((enum hs_status)i),
                                    hs_status_text((enum hs_status)k));
    }
    assert_string_equal(hs_status_text((enum hs_status)99), "unknown status");
    assert_string_equal(hs_version(), PACKAGE_VERSION);
}

static void test_ids(void **state) {
    (void)state;
    static const char id[] = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
    struct hs_event *event = new_event(HS_KIND_TEST, HS_STATE_UP);
    struct hs_error err = {0};
    assert_true(hsp_id_is_valid(hs_event_id(event)));
    assert_int_equal(hs_event_set_id(event, id, NULL), HS_OK);
    assert_string_equal(hs_event_id(event), id);
    assert_int_equal(hs_event_set_id(event, "x\ny", &err), HS_E_DATA);
    assert_string_equal(err.text, "event id: 'x?y' is not a UUIDv7 in lower case");
    assert_string_equal(hs_event_id(event), id);
    hs_event_free(event);
    hs_event_free(NULL);
}

/* What the payload says of an event that has nothing but a host and these. */
static void test_defaults(void **state) {
    (void)state;
    static const struct {
        enum hs_kind kind;
        enum hs_state state, previous;
        const char *message; /* set, NULL: not */
        int64_t failures;    /* set, -1: not */
        const char *status, *previous_status, *error_message, *consecutive_failures;
    } cases[] = {
        {HS_KIND_INCIDENT, HS_STATE_DOWN, HS_STATE_NONE, NULL, -1, "\"DOWN\"", "null",
         "\"\"", "1"},
        {HS_KIND_INCIDENT, HS_STATE_DOWN, HS_STATE_UP, "m", 3, "\"DOWN\"", "\"UP\"",
         "\"m\"", "3"},
        {HS_KIND_INCIDENT, HS_STATE_DOWN, HS_STATE_DOWN, "", 0, "\"DOWN\"", "\"DOWN\"",
         "\"\"", "0"},
        {HS_KIND_RECOVERY, HS_STATE_UP, HS_STATE_NONE, "m", 3, "\"UP\"", "\"DOWN\"", NULL,
         "0"},
        {HS_KIND_RECOVERY, HS_STATE_NONE, HS_STATE_UP, NULL, -1, "\"UP\"", "\"UP\"", NULL,
         "0"},
        {HS_KIND_ACKNOWLEDGEMENT, HS_STATE_DOWN, HS_STATE_DOWN, "m", 5, "\"DOWN\"",
         "\"DOWN\"", "\"m\"", "5"},
        {HS_KIND_DOWNTIME, HS_STATE_UP, HS_STATE_UP, "m", -1, "\"UP\"", "\"UP\"", "\"m\"",
         "0"},
        {HS_KIND_FLAPPING, HS_STATE_UP, HS_STATE_UP, "", 2, "\"UP\"", "\"UP\"", NULL,
         "2"},
        {HS_KIND_UNCHANGED, HS_STATE_UP, HS_STATE_UP, NULL, -1, "\"UP\"", "\"UP\"", NULL,
         "0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hs_event *event = new_event(cases[i].kind, cases[i].state);
        set(event, HS_TEXT_HOST, "h");
        hs_event_set_previous(event, cases[i].previous);
        if (cases[i].message != NULL)
            set(event, HS_TEXT_ERROR_MESSAGE, cases[i].message);
        if (cases[i].failures >= 0)
            set_number(event, HS_NUMBER_CONSECUTIVE_FAILURES, cases[i].failures);
        check_field(event, "monitor", "status", cases[i].status);
        check_field(event, "check_result", "status", cases[i].status);
        check_field(event, "check_result", "error_message", cases[i].error_message);
        check_field(event, "check_result", "response_time_ms", "null");
        check_field(event, "check_result", "status_code", "null");
        check_field(event, "context", "previous_status", cases[i].previous_status);
        check_field(event, "context", "consecutive_failures",
                    cases[i].consecutive_failures);
        check_field(event, "context", "notification_level", "1");
        check_field(event, "monitor", "url", "null");
        hs_event_free(event);
    }
}

static void test_everything_set(void **state) {
    (void)state;
    struct hs_event *event = new_event(HS_KIND_CUSTOM, HS_STATE_DOWN);
    set(event, HS_TEXT_MONITOR_NAME, "API Server");
    set(event, HS_TEXT_MONITOR_ID, "mon_x");
    set(event, HS_TEXT_MONITOR_URL, "https://a/b");
    set(event, HS_TEXT_REGION, "mars");
    set_number(event, HS_NUMBER_TIME, 1705314615);
    set_number(event, HS_NUMBER_RESPONSE_TIME_MS, 12);
    set_number(event, HS_NUMBER_STATUS_CODE, 503);
    set_number(event, HS_NUMBER_NOTIFICATION_LEVEL, 4);
    check_field(event, "monitor", "name", "\"API Server\"");
    check_field(event, "monitor", "id", "\"mon_x\"");
    check_field(event, "monitor", "url", "\"https://a/b\"");
    check_field(event, "check_result", "region", "\"mars\"");
    check_field(event, "check_result", "timestamp", "\"2024-01-15T10:30:15Z\"");
    check_field(event, "check_result", "response_time_ms", "12");
    check_field(event, "check_result", "status_code", "503");
    check_field(event, "context", "notification_level", "4");
    check_field(event, "context", "notification_type", "\"custom\"");
    hs_event_free(event);
}

static void test_time_default_is_now(void **state) {
    (void)state;
    struct hs_event *event = new_event(HS_KIND_TEST, HS_STATE_UP);
    set(event, HS_TEXT_HOST, "h");
    const int64_t now = hsp_now_ms(CLOCK_REALTIME) / 1000;
    json_object *payload = payload_of(event);
    json_object *result = json_object_object_get(payload, "check_result");
    int64_t time = 0;
    assert_true(hsp_parse_time(
        json_object_get_string(json_object_object_get(result, "timestamp")), &time));
    assert_true(time >= now - 1 && time <= now + 60);
    json_object_put(payload);
    hs_event_free(event);
}

static void test_names_and_ids(void **state) {
    (void)state;
    static char long_id[300];
    memset(long_id, 'x', sizeof long_id - 1);
    static const struct {
        const char *system, *host, *service, *monitor_name, *monitor_id;
        const char *name, *id;
    } cases[] = {
        {"nagios", "web-01", "", "", "", "\"web-01\"", "\"mon_1mi9n8q5jo06\""},
        {"nagios", "web-01", "API", "", "", "\"web-01/API\"", "\"mon_03qcec2a8x6a\""},
        {"nagios", "web-01", "API", "n", "i", "\"n\"", "\"i\""},
        {"icinga2", "web-01", "API", "n", "", "\"n\"", "\"mon_q2bdh6amy0b0\""},
        {"", "", "", "n", "", "\"n\"", "\"mon_68fxt3q1y7lh\""},
        {"", "", "s", "n", "i", "\"n\"", "\"i\""},
        {"nagios", "web-01", "", "", long_id, "\"web-01\"", "\"mon_fm5e4cjjc2wf\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hs_event *event = new_event(HS_KIND_TEST, HS_STATE_UP);
        set(event, HS_TEXT_SYSTEM, cases[i].system);
        set(event, HS_TEXT_HOST, cases[i].host);
        set(event, HS_TEXT_SERVICE, cases[i].service);
        set(event, HS_TEXT_MONITOR_NAME, cases[i].monitor_name);
        set(event, HS_TEXT_MONITOR_ID, cases[i].monitor_id);
        check_field(event, "monitor", "name", cases[i].name);
        check_field(event, "monitor", "id", cases[i].id);
        hs_event_free(event);
    }
}

static void test_texts_are_repaired(void **state) {
    (void)state;
    struct hs_event *event = new_event(HS_KIND_TEST, HS_STATE_DOWN);
    set(event, HS_TEXT_HOST, "caf\xE9");
    assert_int_equal(
        hs_event_set_text(event, HS_TEXT_ERROR_MESSAGE, "\0a\0\0b\xC3\0", 7, NULL),
        HS_OK);
    assert_int_equal(hs_event_set_detail(event, "k\xFF", "v\0\xFE", 3, NULL), HS_OK);
    check_field(event, "monitor", "name", "\"caf" R "\"");
    check_field(event, "check_result", "error_message", "\"" R "a" R R "b" R R "\"");
    check_details(event, "{\"system\":\"\",\"site\":\"\",\"host\":\"caf" R
                         "\",\"service\":\"\",\"details\":{\"k" R "\":\"v" R R "\"}}");
    set(event, HS_TEXT_ERROR_MESSAGE, "");
    check_field(event, "check_result", "error_message", "\"\"");
    assert_int_equal(hs_event_set_text(event, HS_TEXT_HOST, NULL, 0, NULL), HS_OK);
    set(event, HS_TEXT_MONITOR_NAME, "n");
    check_details(event, "{\"system\":\"\",\"site\":\"\",\"host\":\"\",\"service\":\"\","
                         "\"details\":{\"k" R "\":\"v" R R "\"}}");
    hs_event_free(event);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        enum hs_number which;
        int64_t value;
        bool taken;
    } cases[] = {
        {HS_NUMBER_TIME, 0, true},
        {HS_NUMBER_TIME, -1, false},
        {HS_NUMBER_TIME, INT64_C(253402300799), true},
        {HS_NUMBER_TIME, INT64_C(253402300800), false},
        {HS_NUMBER_RESPONSE_TIME_MS, 0, true},
        {HS_NUMBER_RESPONSE_TIME_MS, -1, false},
        {HS_NUMBER_RESPONSE_TIME_MS, INT64_C(1) << 53, true},
        {HS_NUMBER_RESPONSE_TIME_MS, (INT64_C(1) << 53) + 1, false},
        {HS_NUMBER_STATUS_CODE, 0, true},
        {HS_NUMBER_STATUS_CODE, 999, true},
        {HS_NUMBER_STATUS_CODE, 1000, false},
        {HS_NUMBER_CONSECUTIVE_FAILURES, -1, false},
        {HS_NUMBER_NOTIFICATION_LEVEL, 1, true},
        {HS_NUMBER_NOTIFICATION_LEVEL, 0, false},
        {HS_NUMBER_ORDER_TIME, 0, true},
        {HS_NUMBER_ORDER_TIME, INT64_MAX, false},
        {HS_NUMBER_ORDER_SEQUENCE, INT64_MIN, false},
        {HS_NUMBER_COUNT, 1, false},
    };
    struct hs_event *event = new_event(HS_KIND_TEST, HS_STATE_UP);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hs_error err = {0};
        assert_int_equal(hs_event_set_number(event, cases[i].which, cases[i].value, &err),
                         cases[i].taken ? HS_OK : HS_E_DATA);
        assert_int_equal(err.text[0] == '\0', cases[i].taken);
    }
    assert_int_equal(hs_event_set_text(event, HS_TEXT_COUNT, "x", 1, NULL), HS_E_DATA);
    hs_event_free(event);
}

static void check_no_payload(struct hs_event *event, const char *text) {
    char *bytes = NULL;
    size_t length = 0;
    struct hs_error err = {0};
    assert_int_equal(hs_event_payload(event, config, &bytes, &length, &err), HS_E_DATA);
    assert_non_null(strstr(err.text, text));
    assert_int_equal(hs_event_record(event, config, &bytes, &length, NULL), HS_E_DATA);
    assert_null(bytes);
    hs_event_free(event);
}

static void test_no_payload(void **state) {
    (void)state;
    struct hs_event *event = new_event(HS_KIND_INCIDENT, HS_STATE_DOWN);
    set(event, HS_TEXT_SERVICE, "s");
    check_no_payload(event, "no monitor name and no host");
    event = new_event(HS_KIND_INCIDENT, HS_STATE_NONE);
    set(event, HS_TEXT_HOST, "h");
    check_no_payload(event, "monitor.status");
    event = new_event(HS_KIND_INCIDENT, HS_STATE_DOWN);
    char *name = malloc(HSP_PAYLOAD_DEFAULT_MAX);
    assert_non_null(name);
    memset(name, 'n', HSP_PAYLOAD_DEFAULT_MAX);
    assert_int_equal(
        hs_event_set_text(event, HS_TEXT_HOST, name, HSP_PAYLOAD_DEFAULT_MAX, NULL),
        HS_OK);
    free(name);
    check_no_payload(event, "without the message");
}

static void test_details(void **state) {
    (void)state;
    struct hs_event *event = new_event(HS_KIND_TEST, HS_STATE_UP);
    set(event, HS_TEXT_SYSTEM, "nagios");
    set(event, HS_TEXT_HOST, "web-01");
    set(event, HS_TEXT_ENDPOINTS, "all");
    check_details(event, "{\"system\":\"nagios\",\"site\":\"\",\"host\":\"web-01\","
                         "\"service\":\"\"}");
    set(event, HS_TEXT_SERVICE, "A\"P/I");
    set(event, HS_TEXT_FOLD_KEY, "f\n");
    set(event, HS_TEXT_ENDPOINTS, "a,b");
    assert_int_equal(hs_event_set_detail(event, "A", "1", 1, NULL), HS_OK);
    assert_int_equal(hs_event_set_detail(event, "B", "", 0, NULL), HS_OK);
    assert_int_equal(hs_event_set_detail(event, "A", "22", 2, NULL), HS_OK);
    assert_int_equal(hs_event_set_detail(event, "A\":\"", "x", 1, NULL), HS_OK);
    check_details(event,
                  "{\"system\":\"nagios\",\"site\":\"\",\"host\":\"web-01\","
                  "\"service\":\"A\\\"P/I\",\"fold\":\"f\\n\",\"endpoints\":\"a,b\","
                  "\"details\":{\"B\":\"\",\"A\":\"22\",\"A\\\":\\\"\":\"x\"}}");
    hs_event_free(event);
}

static void test_order(void **state) {
    (void)state;
    const int64_t now = hsp_now_ms(CLOCK_REALTIME) / 1000;
    const struct {
        int64_t time;
        bool kept;
    } cases[] = {
        {0, false},           {1, false},          {now, true},
        {now - 86000, true},  {now + 86000, true}, {now - 86460, false},
        {now + 86460, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hs_event *event = new_event(HS_KIND_TEST, HS_STATE_UP);
        set(event, HS_TEXT_HOST, "h");
        set_number(event, HS_NUMBER_ORDER_TIME, cases[i].time);
        set_number(event, HS_NUMBER_ORDER_SEQUENCE, 9);
        json_object *details = details_of(event);
        json_object *time = json_object_object_get(details, "time");
        json_object *sequence = json_object_object_get(details, "sequence");
        assert_int_equal(time != NULL, cases[i].kept);
        assert_int_equal(sequence != NULL, cases[i].kept);
        if (cases[i].kept) {
            assert_true(json_object_get_int64(time) == cases[i].time);
            assert_int_equal(json_object_get_int64(sequence), 9);
        }
        json_object_put(details);
        hs_event_free(event);
    }
}

static void set_detail_of(struct hs_event *event, int number, size_t length) {
    char key[16];
    char *value = malloc(length);
    assert_non_null(value);
    memset(value, 'v', length);
    snprintf(key, sizeof key, "K%d", number);
    assert_int_equal(hs_event_set_detail(event, key, value, length, NULL), HS_OK);
    free(value);
}

static void check_cut(const struct hs_event *event, int count, bool cut) {
    json_object *details = details_of(event);
    json_object *all = json_object_object_get(details, "details");
    assert_int_equal(all == NULL ? 0 : json_object_object_length(all), count);
    assert_int_equal(json_object_get_boolean(json_object_object_get(details, "cut")),
                     cut);
    json_object_put(details);
}

static void test_details_are_cut(void **state) {
    (void)state;
    struct hs_event *event = new_event(HS_KIND_TEST, HS_STATE_UP);
    set(event, HS_TEXT_HOST, "h");
    for (int i = 0; i < 100; i++)
        set_detail_of(event, i, 2500);
    check_cut(event, 100, false);
    set_detail_of(event, 99, 4000); /* another value for one that is there */
    check_cut(event, 100, false);
    set_detail_of(event, 100, 12000);
    check_cut(event, 100, true);
    set_detail_of(event, 101, 10);
    check_cut(event, 101, true);
    set_detail_of(event, 101, HSP_DETAILS_MAX); /* what is wrong now does not stay */
    check_cut(event, 100, true);
    hs_event_free(event);
}

static void test_config_shapes_the_payload(void **state) {
    (void)state;
    static const struct {
        const char *pattern;
        const char *name;
    } cases[] = {
        {"{service} on {host}", "\"API on web-01\""},
        {"{site}:{system}:{host}:{service}", "\"s:nagios:web-01:API\""},
        {"{host} {other} {", "\"web-01 {other} {\""},
        {"{host}{host}", "\"web-01web-01\""},
        {"fixed", "\"fixed\""},
    };
    struct hs_config *before = config;
    scratch_make();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        const int size = snprintf(text, sizeof text,
                                  "site=\"s\"\nregion=\"r\"\nmax_payload=1K\n"
                                  "monitor_name=\"%s\"\n",
                                  cases[i].pattern);
        const char *path = scratch_write("hookspool.conf", text, (size_t)size);
        assert_int_equal(hs_config_load(&config, path, NULL), HS_OK);
        assert_null(hs_config_warning(config));

        struct hs_event *event = new_event(HS_KIND_INCIDENT, HS_STATE_DOWN);
        set(event, HS_TEXT_SYSTEM, "nagios");
        set(event, HS_TEXT_HOST, "web-01");
        set(event, HS_TEXT_SERVICE, "API");
        check_field(event, "monitor", "name", cases[i].name);
        check_field(event, "check_result", "region", "\"r\"");
        check_details(event, "{\"system\":\"nagios\",\"site\":\"s\",\"host\":\"web-01\","
                             "\"service\":\"API\"}");
        char message[2000];
        char *json = NULL;
        size_t length = 0;
        memset(message, 'm', sizeof message);
        assert_int_equal(hs_event_set_text(event, HS_TEXT_ERROR_MESSAGE, message,
                                           sizeof message, NULL),
                         HS_OK);
        assert_int_equal(hs_event_payload(event, config, &json, &length, NULL), HS_OK);
        assert_int_equal(length, 1024);
        free(json);
        hs_event_free(event);
        hs_config_free(config);
    }
    config = before;
    scratch_remove();
}

static void fill(struct hs_event *event) {
    set(event, HS_TEXT_HOST, "h");
    set(event, HS_TEXT_SERVICE, "s");
    set(event, HS_TEXT_ERROR_MESSAGE, "m");
    set_number(event, HS_NUMBER_ORDER_TIME, hsp_now_ms(CLOCK_REALTIME) / 1000);
    assert_int_equal(hs_event_set_detail(event, "k", "v", 1, NULL), HS_OK);
}

static enum hs_status make_new(void *context, struct hs_error *err) {
    struct hs_event *event = NULL;
    (void)context;
    const enum hs_status status = hs_event_new(&event, HS_KIND_TEST, HS_STATE_UP, err);
    assert_int_equal(event != NULL, status == HS_OK);
    hs_event_free(event);
    return status;
}

static enum hs_status make_text(void *event, struct hs_error *err) {
    return hs_event_set_text(event, HS_TEXT_HOST, "another", 7, err);
}

static enum hs_status make_detail(void *context, struct hs_error *err) {
    struct hs_event *event = context;
    static int number;
    char key[16];
    snprintf(key, sizeof key, "K%d", number++);
    const size_t before = event->detail_count;
    const enum hs_status status = hs_event_set_detail(event, key, "v", 1, err);
    assert_int_equal(event->detail_count, before + (status == HS_OK ? 1 : 0));
    return status;
}

static enum hs_status make_payload(void *event, struct hs_error *err) {
    char *json = NULL;
    size_t length = 0;
    const enum hs_status status = hs_event_payload(event, config, &json, &length, err);
    assert_int_equal(json != NULL, status == HS_OK);
    free(json);
    return status;
}

static enum hs_status make_record(void *event, struct hs_error *err) {
    char *record = NULL;
    size_t length = 0;
    const enum hs_status status = hs_event_record(event, config, &record, &length, err);
    assert_int_equal(record != NULL, status == HS_OK);
    free(record);
    return status;
}

static void test_without_memory(void **state) {
    (void)state;
    struct hs_event *event = new_event(HS_KIND_TEST, HS_STATE_DOWN);
    fill(event);
    alloc_fail_at(1);
    assert_int_equal(make_text(event, NULL), HS_E_NOMEM);
    assert_true(alloc_fail_stop());
    check_field(event, "monitor", "name", "\"h/s\"");
    alloc_fail_each(make_new, NULL);
    alloc_fail_each(make_text, event);
    for (int i = 0; i < 20; i++)
        alloc_fail_each(make_detail, event);
    alloc_fail_each(make_payload, event);
    alloc_fail_each(make_record, event);
    hs_event_free(event);
}

/* The first failure is the one that is told. */
static void test_first_error_stays(void **state) {
    (void)state;
    struct hs_error err = {0};
    struct hs_event *event = new_event(HS_KIND_TEST, HS_STATE_UP);
    assert_int_equal(hs_event_set_id(event, "first", &err), HS_E_DATA);
    assert_int_equal(hs_event_set_number(event, HS_NUMBER_TIME, -1, &err), HS_E_DATA);
    assert_non_null(strstr(err.text, "first"));
    char long_id[2000];
    memset(long_id, 'x', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    for (size_t i = 1; i < 1000; i += 2)
        memcpy(long_id + i, "\xC3\xBC", 2);
    err = (struct hs_error){0};
    assert_int_equal(hs_event_set_id(event, long_id, &err), HS_E_DATA);
    assert_true(strlen(err.text) >= sizeof err.text - 4);
    assert_true((unsigned char)err.text[strlen(err.text) - 1] != 0xC3);
    hs_event_free(event);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_everything_set),
        cmocka_unit_test(test_time_default_is_now),
        cmocka_unit_test(test_names_and_ids),
        cmocka_unit_test(test_texts_are_repaired),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_payload),
        cmocka_unit_test(test_details),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_details_are_cut),
        cmocka_unit_test(test_config_shapes_the_payload),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_first_error_stays),
    };
    return cmocka_run_group_tests(tests, load_config, free_config);
}
