/* SPDX-License-Identifier: MIT */
/* The event that hookspool-notify puts: what of an alert is in the payload, and which of
 * the host's words are its details. */
#include "config.h"

#include "alloc_fail.h"
#include "details.h"
#include "json.h"
#include "record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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

static const struct hsp_rules rules = {HSP_OBJECT_SERVICE, "nagios", HS_STATE_DOWN};

static const char *const arguments[] = {"HOSTNAME=web-01",
                                        "SERVICEDESC=API",
                                        "NOTIFICATIONTYPE=ACKNOWLEDGEMENT",
                                        "SERVICESTATE=CRITICAL",
                                        "SERVICEOUTPUT=a\xff"
                                        "b",
                                        "NOTIFICATIONAUTHOR=alice",
                                        "NOTIFICATIONCOMMENT=on it",
                                        "TEAM=ops",
                                        "EMPTY=",
                                        "STATUS_CODE=404",
                                        "NONE=$NONE$",
                                        "LASTSERVICECHECK=1705314615"};

static struct hsp_input collect(void) {
    struct hsp_input input = {0};
    for (size_t i = 0; i < COUNT(arguments); i++)
        assert_int_equal(hsp_input_add_argument(&input, arguments[i], NULL), HS_OK);
    return input;
}

/* The two JSON objects of the event's record; json_object_put(). */
static void objects_of(const struct hsp_input *input, json_object **body,
                       json_object **details) {
    struct hsp_alert alert = {0};
    struct hs_event *event = NULL;
    char *record = NULL;
    size_t length = 0;
    struct hsp_record_reader reader;
    struct hsp_record_event part;
    assert_int_equal(hsp_alert_map(&alert, input, &rules, NULL), HS_OK);
    assert_int_equal(hsp_alert_event(&event, &alert, input, &rules, NULL), HS_OK);
    assert_int_equal(hs_event_record(event, config, &record, &length, NULL), HS_OK);
    assert_int_equal(hsp_record_open(&reader, record, length, NULL), HS_OK);
    assert_true(hsp_record_next(&reader, &part));
    *body = hsp_json_parse(part.body, part.body_length, NULL);
    *details = hsp_json_parse(part.details, part.details_length, NULL);
    assert_non_null(*body);
    assert_non_null(*details);
    free(record);
    hs_event_free(event);
    hsp_alert_free(&alert);
}

/* The text of a member of a member; NULL where there is none. */
static const char *text_at(json_object *object, const char *section, const char *key) {
    json_object *inner = object;
    json_object *value = NULL;
    if (section && !json_object_object_get_ex(object, section, &inner))
        return NULL;
    return json_object_object_get_ex(inner, key, &value) ? json_object_get_string(value)
                                                         : NULL;
}

static void body_and_details(void **state) {
    (void)state;
    static const struct {
        bool in_body;
        const char *section;
        const char *key;
        const char *expected; /* NULL: no such key */
    } cases[] = {
        {true, "monitor", "name", "web-01/API"},
        {true, "monitor", "status", "DOWN"},
        {true, "check_result", "error_message",
         "a\xEF\xBF\xBD"
         "b"},
        {true, "check_result", "status_code", "404"},
        {true, "check_result", "timestamp", "2024-01-15T10:30:15Z"},
        {true, "context", "notification_type", "acknowledgement"},
        {true, "context", "previous_status", "DOWN"},
        {false, NULL, "system", "nagios"},
        {false, NULL, "host", "web-01"},
        {false, NULL, "service", "API"},
        {false, "details", "type", "ACKNOWLEDGEMENT"},
        {false, "details", "state", "CRITICAL"},
        {false, "details", "author", "alice"},
        {false, "details", "comment", "on it"},
        {false, "details", "NOTIFICATIONCOMMENT", "on it"},
        {false, "details", "TEAM", "ops"},
        {false, "details", "STATUS_CODE", "404"},
        {false, "details", "SERVICEOUTPUT",
         "a\xEF\xBF\xBD"
         "b"},
        {false, "details", "EMPTY", NULL},
        {false, "details", "NONE", NULL},
    };
    struct hsp_input input = collect();
    json_object *body = NULL;
    json_object *details = NULL;
    objects_of(&input, &body, &details);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *got =
            text_at(cases[i].in_body ? body : details, cases[i].section, cases[i].key);
        const char *expected = cases[i].expected;
        if ((got == NULL) != (expected == NULL) || (got && strcmp(got, expected) != 0))
            fail_msg("%s: %s", cases[i].key, got ? got : "(absent)");
    }
    json_object_put(body);
    json_object_put(details);
    hsp_input_free(&input);
}

/* A long value that comes first takes no room from a short one that comes last. */
static void short_details_come_first(void **state) {
    (void)state;
    static char huge[HSP_DETAILS_MAX];
    memset(huge, 'x', sizeof(huge) - 1);
    struct hsp_input input = {0};
    assert_int_equal(hsp_input_add(&input, "LONGSERVICEOUTPUT", huge, NULL), HS_OK);
    assert_int_equal(hsp_input_add(&input, "HOSTNAME", "web-01", NULL), HS_OK);
    assert_int_equal(hsp_input_add(&input, "SERVICEDESC", "API", NULL), HS_OK);
    json_object *body = NULL;
    json_object *details = NULL;
    objects_of(&input, &body, &details);
    assert_string_equal(text_at(details, "details", "SERVICEDESC"), "API");
    assert_null(text_at(details, "details", "LONGSERVICEOUTPUT"));
    assert_string_equal(text_at(details, NULL, "cut"), "true");
    json_object_put(body);
    json_object_put(details);
    hsp_input_free(&input);
}

/* A number out of the payload's range costs the number, not the event. */
static void wild_numbers(void **state) {
    (void)state;
    struct hsp_input input = {0};
    assert_int_equal(hsp_input_add(&input, "HOSTNAME", "web-01", NULL), HS_OK);
    assert_int_equal(hsp_input_add(&input, "SERVICEDESC", "API", NULL), HS_OK);
    assert_int_equal(hsp_input_add(&input, "LASTSERVICECHECK", "253402300800", NULL),
                     HS_OK);
    json_object *body = NULL;
    json_object *details = NULL;
    objects_of(&input, &body, &details);
    const char *timestamp = text_at(body, "check_result", "timestamp");
    assert_int_equal(strlen(timestamp), strlen("2024-01-15T10:30:15Z"));
    assert_string_equal(text_at(details, "details", "LASTSERVICECHECK"), "253402300800");
    json_object_put(body);
    json_object_put(details);
    hsp_input_free(&input);
}

struct made {
    const struct hsp_alert *alert;
    const struct hsp_input *input;
};

static enum hs_status make(void *context, struct hs_error *err) {
    const struct made *made = context;
    struct hs_event *event = NULL;
    enum hs_status status =
        hsp_alert_event(&event, made->alert, made->input, &rules, err);
    if (status != HS_OK)
        assert_null(event);
    hs_event_free(event);
    return status;
}

static void without_memory(void **state) {
    (void)state;
    struct hsp_input input = collect();
    struct hsp_alert alert = {0};
    assert_int_equal(hsp_alert_map(&alert, &input, &rules, NULL), HS_OK);
    alloc_fail_each(make, &(struct made){&alert, &input});
    hsp_alert_free(&alert);
    hsp_input_free(&input);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(body_and_details),
        cmocka_unit_test(short_details_come_first),
        cmocka_unit_test(wild_numbers),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, load_config, free_config);
}
