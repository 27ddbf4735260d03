/* SPDX-License-Identifier: MIT */
/* Alerts of Zabbix: the message's form and what it withstands, and the rules of
 * docs/zabbix.md, a row a case. */
#include "config.h"

#include "alert.h"
#include "alloc_fail.h"
#include "reading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW INT64_C(1795481000) /* 2026-11-24T00:43:20Z */
#define UP HS_STATE_UP
#define DOWN HS_STATE_DOWN

/* Messages
 * ------------------------------------------------------------------------------------ */

static void absent_values(void **state) {
    (void)state;
    static const struct {
        const char *value;
        bool absent;
    } cases[] = {
        {"", true},
        {"*UNKNOWN*", true},
        {"{EVENT.ID}", true},
        {"{ITEM.VALUE1}", true},
        {"{EVENT.TAGS.webhook}", true},
        {"{EVENT.TAGS.\"webhook.url\"}", true},
        {"{$WEBHOOK.URL}", true},
        {"{$URL:\"a b\"}", true},
        {"{event.id}", false},
        {"{EVENT.ID} ", false},
        {"x{EVENT.ID}", false},
        {"{EVENT.ID}{EVENT.ID}", false},
        {"{}", false},
        {"{1}", false},
        {"{\"a\":1}", false},
        {"UNKNOWN", false},
        {"0", false},
        {" ", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (hsp_message_is_absent(cases[i].value) != cases[i].absent)
            fail_msg("\"%s\"", cases[i].value);
}

#define MARKED "event_id=7\nevent_value.7=1\n"

static void messages(void **state) {
    (void)state;
    static const struct {
        const char *text, *key, *value; /* value NULL: absent */
    } cases[] = {
        {"event_id=1\nhost=a\n", "host", "a"},
        {"event_id=1\r\nhost=a\r\n", "event_id", "1"},
        {"event_id=1\r\nhost=a", "host", "a"},
        {"a=1=2", "a", "1=2"},
        {"a= 1 ", "a", " 1 "},
        {"junk\na=1", "a", "1"},
        {"a=\nb=2", "a", NULL},
        {"a={EVENT.ID}", "a", NULL},
        {"a=1", "b", NULL},
        {"", "a", NULL},
        {"=1\na=2", "a", "2"},
        {"1a=1\na=2", "a", "2"},
        {"my.own-key=1", "my.own-key", "1"},
        /* The first of a key counts, also where it says nothing. */
        {"a=1\na=2", "a", "1"},
        {"a=\na=2", "a", NULL},
        /* A line that is no pair goes on with the value before. */
        {"a=1\r\n2 3\r\nb=4", "a", "1\n2 3"},
        /* After the first text other keys are none. */
        {"host_name=x\nhost=evil", "host", NULL},
        {"host_name=x\nhost=evil", "host_name", "x\nhost=evil"},
        {"event_name=x\nevent_value=0\nmessage=m", "event_value", NULL},
        {"event_name=x\nevent_name=y", "event_name", "x\nevent_name=y"},
        /* The message takes all that follows. */
        {"message=a\r\nevent_id=9\nmessage=b\r\n", "message", "a\nevent_id=9\nmessage=b"},
        {"message=a\nevent_id=9", "event_id", NULL},
        {"message=", "message", NULL},
        {"event_name=n\nmessage=\nx", "message", "\nx"},
        /* Values that others write, where keys bear no number: no key behind them. */
        {"monitor_name=x\nmonitor_id=evil", "monitor_id", NULL},
        {"trigger_url=x\nstatus_code=5\nregion=evil", "region", NULL},
        {"url=x\nfailures=77", "failures", NULL},
        {"update_author=x\ntags_json=[]", "tags_json", NULL},
        {"status_code=x\nhost=evil", "host", NULL},
        {"response_time=x\nhost=evil", "host", NULL},
        {"response_time_ms=x\nhost=evil", "host", NULL},
        {"opdata=x\nhost=evil", "host", NULL},
        /* Keys that bear the event's number. */
        {MARKED "host.7=a", "host", "a"},
        {"event_id=7\r\nhost.7=a\r\nmore\r\n", "host", "a\nmore"},
        {MARKED "host.7=a", "event_id", "7"},
        {MARKED "host=a", "host", NULL},
        {MARKED "host.8=a", "host", NULL},
        {MARKED "host.77=a", "host", NULL},
        {MARKED "host7=a", "host", NULL},
        {MARKED ".7=a\n7=b\n=c", "event_value", "1\n.7=a\n7=b\n=c"},
        {MARKED "1.7=a\na b.7=c", "event_value", "1\n1.7=a\na b.7=c"},
        {MARKED "my.own-key.7=a=b", "my.own-key", "a=b"},
        {MARKED "event_id.7=9", "event_id", "7"},
        {MARKED "event_value.7=9", "event_value", "1"},
        {MARKED "host_name.7=x\nhost.7=evil", "host", NULL},
        {MARKED "host_name.7=x\nmessage=evil\nmessage.7=m", "message", "m"},
        {MARKED "host_name.7=x\nmessage=evil\nmessage.7=m", "host_name",
         "x\nmessage=evil"},
        {MARKED "message.7=x\nhost_name.7=evil", "host_name", NULL},
        {MARKED "message.7=x\nmessage.7=y", "message", "x\nmessage.7=y"},
        {MARKED "update_message.7=x\nmonitor_name.7=evil", "monitor_name", NULL},
        {MARKED "message.7=x\nupdate_message.7=y", "update_message", "y"},
        {"event_id={EVENT.ID}\nevent_value.{EVENT.ID}={EVENT.VALUE}\n"
         "host.{EVENT.ID}=a",
         "host", "a"},
        /* No number is in the second line's key: in none. */
        {"event_id=7\nhost=a\nevent_value.7=0", "event_value", NULL},
        {"event_id=7\nhost=a\nevent_value.7=0", "event_value.7", "0"},
        {"host=a\nevent_id=7\nevent_value.7=0", "event_value", NULL},
        {"event_id=\nevent_value.=0", "event_value", NULL},
        {"event_id=7", "event_id", "7"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hsp_message message = {0};
        assert_int_equal(hsp_message_parse(&message, cases[i].text, NULL), HS_OK);
        const char *value = hsp_message_get(&message, cases[i].key);
        if ((value == NULL) != (cases[i].value == NULL) ||
            (value != NULL && strcmp(value, cases[i].value) != 0))
            fail_msg("case %zu: \"%s\"", i, value ? value : "(absent)");
        hsp_message_free(&message);
    }
}

static void arguments(void **state) {
    (void)state;
    static const struct {
        const char *argument, *value; /* of "a"; NULL: refused */
    } cases[] = {
        {"a=1", "1"},   {"a=x\nevent_id=2\r\n", "x\nevent_id=2\r\n"},
        {"a==", "="},   {"a", NULL},
        {"=1", NULL},   {"", NULL},
        {" a=1", NULL}, {"a b=1", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hsp_message message = {0};
        struct hs_error err = {0};
        enum hs_status status = hsp_message_add(&message, cases[i].argument, &err);
        assert_int_equal(status, cases[i].value ? HS_OK : HS_E_DATA);
        if (cases[i].value)
            assert_string_equal(hsp_message_get(&message, "a"), cases[i].value);
        else
            assert_non_null(strstr(err.text, "is not key=value"));
        hsp_message_free(&message);
    }
}

/* Readings
 * ------------------------------------------------------------------------------------ */

static void readings(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds, ms, code; /* as seconds, as milliseconds, as a status code */
    } cases[] = {
        {"0.25", 250, 0, -1},
        {"503", 503000, 503, 503},
        {"250ms", 250, 250, -1},
        {"1s 500ms", 1500, 1500, -1},
        {"2m 3s", 123000, 123000, -1},
        {"1.5 s", 1500, 1500, -1},
        {"< 1ms", 1, 1, -1},
        {"Service unavailable (503)", -1, -1, 503},
        {"HTTP/1.1 404 Not Found", -1, -1, 404},
        {"99", 99000, 99, -1},
        {"600", 600000, 600, -1},
        {"2000", 2000000, 2000, -1},
        {"soon", -1, -1, -1},
        {"1 2", -1, -1, -1},
        {"3 apples", -1, -1, -1},
        {"-1", -1, -1, -1},
        {"", -1, -1, -1},
        {NULL, -1, -1, -1},
        {"99999999999999999999999999999999999", -1, -1, -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *text = cases[i].text;
        if (hsp_reading_response_ms(text, 1000) != cases[i].seconds ||
            hsp_reading_response_ms(text, 1) != cases[i].ms ||
            hsp_reading_status_code(text) != cases[i].code)
            fail_msg("\"%s\"", text ? text : "(none)");
    }
    assert_int_equal(hsp_reading_time("2026.11.23", "09:39:41"), 1795426781);
    assert_int_equal(hsp_reading_time("2026.11.23", "9:39:41"), -1);
    assert_int_equal(hsp_reading_time("23.11.2026", "09:39:41"), -1);
    assert_int_equal(hsp_reading_time("2026.13.23", "09:39:41"), -1);
    assert_int_equal(hsp_reading_time(NULL, "09:39:41"), -1);
    assert_int_equal(hsp_reading_severity("High"), 4);
    assert_int_equal(hsp_reading_severity("0"), 0);
    assert_int_equal(hsp_reading_severity("6"), -1);
    assert_int_equal(hsp_reading_severity(NULL), -1);
}

/* Alerts
 * ------------------------------------------------------------------------------------ */

#define SAID "event_id=7\nevent_date=2026.11.23\nevent_time=09:39:41\n"
#define TAGGED(name, value) "tags_json=[{\"tag\":\"" name "\",\"value\":\"" value "\"}]\n"

static const struct alert_case {
    const char *text;
    int down_from;
    enum hs_kind kind;
    enum hs_state state, previous;
} kinds[] = {
    {SAID "event_value=1\nupdate_status=0", 0, HS_KIND_INCIDENT, DOWN, UP},
    {SAID "event_value=0\nupdate_status=0", 0, HS_KIND_RECOVERY, UP, DOWN},
    {SAID "event_value=1\nupdate_status=1\nupdate_action=acknowledged", 0,
     HS_KIND_ACKNOWLEDGEMENT, DOWN, DOWN},
    {SAID "event_value=1\nupdate_status=1\nupdate_action=commented and acknowledged", 0,
     HS_KIND_ACKNOWLEDGEMENT, DOWN, DOWN},
    {SAID "event_value=1\nupdate_status=1\nupdate_action=unacknowledged", 0,
     HS_KIND_CUSTOM, DOWN, DOWN},
    {SAID "event_value=1\nupdate_status=1\nupdate_action=xacknowledged", 0,
     HS_KIND_CUSTOM, DOWN, DOWN},
    {SAID "event_value=1\nupdate_status=1\nupdate_action=acknowledged", 0,
     HS_KIND_ACKNOWLEDGEMENT, DOWN, DOWN},
    {SAID "event_value=1\nupdate_status=1\nupdate_action=unacknowledged, acknowledged", 0,
     HS_KIND_ACKNOWLEDGEMENT, DOWN, DOWN},
    {SAID "event_value=1\nupdate_status=1\nupdate_action={EVENT.UPDATE.ACTION}", 0,
     HS_KIND_CUSTOM, DOWN, DOWN},
    /* After its recovery an update is still one. */
    {SAID "event_value=0\nupdate_status=1\nupdate_action=commented", 0, HS_KIND_CUSTOM,
     UP, UP},
    {SAID "event_value=1", 0, HS_KIND_INCIDENT, DOWN, UP},
    {SAID "event_status=RESOLVED", 0, HS_KIND_RECOVERY, UP, DOWN},
    {SAID "event_status=PROBLEM", 0, HS_KIND_INCIDENT, DOWN, UP},
    {SAID "recovery_event_id=8", 0, HS_KIND_RECOVERY, UP, DOWN},
    {SAID "recovery_event_id={EVENT.RECOVERY.ID}", 0, HS_KIND_INCIDENT, DOWN, UP},
    {SAID "event_value=1\nseverity_number=2", 3, HS_KIND_UNCHANGED, UP, UP},
    {SAID "event_value=1\nseverity=Average", 3, HS_KIND_INCIDENT, DOWN, UP},
    {SAID "event_value=1\nseverity=Mine", 3, HS_KIND_INCIDENT, DOWN, UP},
    {SAID "event_value=0\nseverity_number=2", 3, HS_KIND_RECOVERY, UP, DOWN},
    {"event_id={EVENT.ID}\nevent_value={EVENT.VALUE}\nupdate_status={EVENT.UPDATE."
     "STATUS}",
     0, HS_KIND_TEST, UP, UP},
    {"event_id={EVENT.ID}\nevent_value.{EVENT.ID}={EVENT.VALUE}", 0, HS_KIND_TEST, UP,
     UP},
    /* What is not clear is no test. */
    {"event_status=PROBLEM", 0, HS_KIND_INCIDENT, DOWN, UP},
    {"event_status=RESOLVED", 0, HS_KIND_RECOVERY, UP, DOWN},
    {"event_status={EVENT.STATUS}", 0, HS_KIND_TEST, UP, UP},
    {"event_id=", 0, HS_KIND_INCIDENT, DOWN, UP},
    {"event_id=*UNKNOWN*\nevent_value=*UNKNOWN*", 0, HS_KIND_INCIDENT, DOWN, UP},
    {"event_id={EVENT.ID}\nupdate_status=0", 0, HS_KIND_INCIDENT, DOWN, UP},
};

static void map_text(struct hsp_alert *alert, struct hsp_message *message,
                     const char *text, int down_from) {
    const struct hsp_alert_rules rules = {
        .sendto = "main", .subject = "subject", .down_from = down_from, .now_s = NOW};
    *message = (struct hsp_message){0};
    assert_int_equal(hsp_message_parse(message, text, NULL), HS_OK);
    assert_true(hsp_message_tells(message));
    assert_int_equal(hsp_alert_map(alert, message, &rules, NULL), HS_OK);
}

static void kinds_of_alerts(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct hsp_alert alert;
        struct hsp_message message;
        map_text(&alert, &message, kinds[i].text, kinds[i].down_from);
        if (alert.kind != kinds[i].kind || alert.state != kinds[i].state ||
            alert.previous != kinds[i].previous)
            fail_msg("case %zu: %s", i, hs_kind_text(alert.kind));
        hsp_alert_free(&alert);
        hsp_message_free(&message);
    }
}

/* What stands before the word's only letter is not looked at. */
static void action_at_the_begin_of_its_memory(void **state) {
    (void)state;
    static const char action[] = "xacknowledged";
    char *alone = malloc(sizeof(action)); /* for the sanitizer */
    struct hsp_message_pair pairs[] = {{"update_status", "1", 1},
                                       {"update_action", alone, sizeof(action) - 1}};
    const struct hsp_message message = {.pairs = pairs, .count = COUNT(pairs)};
    const struct hsp_alert_rules rules = {.now_s = NOW};
    struct hsp_alert alert;
    assert_non_null(alone);
    memcpy(alone, action, sizeof(action));
    assert_int_equal(hsp_alert_map(&alert, &message, &rules, NULL), HS_OK);
    assert_int_equal(alert.kind, HS_KIND_CUSTOM);
    hsp_alert_free(&alert);
    free(alone);
}

static void texts_of_alerts(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum hs_text which;
        const char *value; /* NULL: none */
    } cases[] = {
        {"host=a\ntrigger_id=5\ntrigger_name=T", HS_TEXT_SERVICE, "5"},
        {"host=a\ntrigger_name=T", HS_TEXT_SERVICE, "T"},
        {"host_name=A", HS_TEXT_HOST, "A"},
        {"", HS_TEXT_HOST, "Zabbix"},
        {"trigger_name=T\nevent_name=E", HS_TEXT_MONITOR_NAME, "T"},
        {"event_name=E", HS_TEXT_MONITOR_NAME, "E"},
        {"", HS_TEXT_MONITOR_NAME, "subject"},
        {"monitor_name=M\ntrigger_name=T", HS_TEXT_MONITOR_NAME, "M"},
        {TAGGED("webhook.monitor", "Tag") "monitor_name=M", HS_TEXT_MONITOR_NAME, "Tag"},
        {TAGGED("webhook.monitor", "{ITEM.VALUE}") "monitor_name=M", HS_TEXT_MONITOR_NAME,
         "M"},
        {TAGGED("webhook.id", "mon_1"), HS_TEXT_MONITOR_ID, "mon_1"},
        {TAGGED("webhook.region", "eu"), HS_TEXT_REGION, "eu"},
        {TAGGED("webhook.endpoints", "ops"), HS_TEXT_ENDPOINTS, "ops"},
        {"", HS_TEXT_ENDPOINTS, "main"},
        {TAGGED("webhook.url", "https://t/") "trigger_url=https://u/",
         HS_TEXT_MONITOR_URL, "https://t/"},
        {"url=https://m/\ntrigger_url=https://u/", HS_TEXT_MONITOR_URL, "https://u/"},
        {"url=https://m/\ntrigger_url=tr_events.php?a=1", HS_TEXT_MONITOR_URL,
         "https://m/"},
        {"url=javascript:x", HS_TEXT_MONITOR_URL, NULL},
        {"event_name=E\nmessage=said", HS_TEXT_ERROR_MESSAGE, "said"},
        {"event_name=E", HS_TEXT_ERROR_MESSAGE, "E"},
        {"tags_json=[1,2]", HS_TEXT_MONITOR_ID, NULL},
        {"tags_json=[{\"tag\":1}]", HS_TEXT_MONITOR_ID, NULL},
        {"tags_json=[{\"tag\":null,\"value\":\"x\"}]", HS_TEXT_MONITOR_ID, NULL},
        {"tags_json=[{\"tag\":\"webhook.id\",\"value\":\"mon", HS_TEXT_MONITOR_ID, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[512];
        struct hsp_alert alert;
        struct hsp_message message;
        snprintf(text, sizeof(text), SAID "event_value=1\n%s", cases[i].text);
        map_text(&alert, &message, text, 0);
        const char *value = alert.texts[cases[i].which];
        if ((value == NULL) != (cases[i].value == NULL) ||
            (value != NULL && strcmp(value, cases[i].value) != 0))
            fail_msg("case %zu: \"%s\"", i, value ? value : "(none)");
        hsp_alert_free(&alert);
        hsp_message_free(&message);
    }
}

static void numbers_of_alerts(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum hs_number which;
        int64_t value;
    } cases[] = {
        {"event_value=1", HS_NUMBER_TIME, 1795426781},
        {"event_value=1", HS_NUMBER_ORDER_SEQUENCE, 7},
        {"event_value=0\nrecovery_event_id=9\nrecovery_date=2026.11.23\n"
         "recovery_time=09:40:41",
         HS_NUMBER_TIME, 1795426841},
        {"event_value=0\nrecovery_event_id=9", HS_NUMBER_ORDER_SEQUENCE, 9},
        {"update_status=1\nupdate_date=2026.11.23\nupdate_time=09:41:41", HS_NUMBER_TIME,
         1795426901},
        {"update_status=1\nupdate_date=2026.11.24\nupdate_time=02:41:41", HS_NUMBER_TIME,
         -1}, /* two hours ahead: another time zone */
        {TAGGED("webhook.status_code", "503") "event_value=1", HS_NUMBER_STATUS_CODE,
         503},
        {TAGGED("webhook.status_code", "503") "event_value=0", HS_NUMBER_STATUS_CODE, -1},
        {"recovery_" TAGGED("webhook.status_code", "200") "event_value=0",
         HS_NUMBER_STATUS_CODE, 200},
        {"event_value=1\nstatus_code=404", HS_NUMBER_STATUS_CODE, 404},
        {"event_value=1\nresponse_time=0.5", HS_NUMBER_RESPONSE_TIME_MS, 500},
        {"event_value=1\nresponse_time_ms=30\nresponse_time=0.5",
         HS_NUMBER_RESPONSE_TIME_MS, 30},
        {"failures=3\nevent_value=1", HS_NUMBER_CONSECUTIVE_FAILURES, 3},
        {"failures=soon\nevent_value=1", HS_NUMBER_CONSECUTIVE_FAILURES, -1},
        {"level=2\nevent_value=1", HS_NUMBER_NOTIFICATION_LEVEL, 2},
        {"level=0\nevent_value=1", HS_NUMBER_NOTIFICATION_LEVEL, -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[512];
        struct hsp_alert alert;
        struct hsp_message message;
        snprintf(text, sizeof(text), SAID "%s", cases[i].text);
        map_text(&alert, &message, text, 0);
        if (alert.numbers[cases[i].which] != cases[i].value)
            fail_msg("case %zu: %lld", i, (long long)alert.numbers[cases[i].which]);
        hsp_alert_free(&alert);
        hsp_message_free(&message);
    }
}

/* What is told twice is one, what differs is not. */
static void fold_keys(void **state) {
    (void)state;
    static const struct {
        const char *first, *second;
        bool same;
    } cases[] = {
        {"event_value=1", "event_value=1\nseverity=High", true},
        {"event_value=1", "event_value=0", false},
        {"event_value=1", "event_value=1\nlevel=2", false},
        {"event_value=1", "event_value=1\nhost=other", false},
        {"update_status=1\nupdate_message=a", "update_status=1\nupdate_message=a", true},
        {"update_status=1\nupdate_message=a", "update_status=1\nupdate_message=b", false},
        {"event_value=1", "event_value=1\n" TAGGED("webhook.endpoints", "ops"), false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *const both[] = {cases[i].first, cases[i].second};
        char *keys[2];
        for (size_t k = 0; k < 2; k++) {
            char text[512];
            struct hsp_alert alert;
            struct hsp_message message;
            snprintf(text, sizeof(text), SAID "%s", both[k]);
            map_text(&alert, &message, text, 0);
            keys[k] = strdup(alert.fold_key);
            hsp_alert_free(&alert);
            hsp_message_free(&message);
        }
        if ((strcmp(keys[0], keys[1]) == 0) != cases[i].same)
            fail_msg("case %zu: %s, %s", i, keys[0], keys[1]);
        free(keys[0]);
        free(keys[1]);
    }
}

static void plain_texts(void **state) {
    (void)state;
    static const struct {
        const char *subject, *text;
        enum hs_kind kind;
        enum hs_state state;
        const char *name, *message;
    } cases[] = {
        {"Zabbix database is not available.",
         "<html><pre>PostgreSQL &quot;zabbix&quot; &lt;down&gt; &amp; out\n</pre></html>",
         HS_KIND_INCIDENT, DOWN, "Zabbix database", "PostgreSQL \"zabbix\" <down> & out"},
        {"Test subject", "This is the test message from Zabbix", HS_KIND_TEST, UP,
         "Test subject", "This is the test message from Zabbix"},
        {"Test subject 2 is down", "y", HS_KIND_INCIDENT, DOWN, "Test subject 2 is down",
         "y"},
        {"Resolved in 5m: x", "y", HS_KIND_CUSTOM, UP, "Resolved in 5m: x", "y"},
        {"Updated problem in 5m: x", "y", HS_KIND_CUSTOM, DOWN,
         "Updated problem in 5m: x", "y"},
        {"Problem: x", "a < b", HS_KIND_INCIDENT, DOWN, "Problem: x", "a < b"},
        {NULL, "", HS_KIND_INCIDENT, DOWN, "Zabbix", ""},
        {"x", "", HS_KIND_INCIDENT, DOWN, "x", "x"},
        {"x", "<html>1 < 2 &unknown; &amp;lt;", HS_KIND_INCIDENT, DOWN, "x",
         "1 < 2 &unknown; &lt;"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct hsp_alert_rules rules = {.subject = cases[i].subject, .now_s = NOW};
        struct hsp_alert alert;
        assert_int_equal(hsp_alert_map_plain(&alert, cases[i].text, &rules, NULL), HS_OK);
        assert_int_equal(alert.kind, cases[i].kind);
        assert_int_equal(alert.state, cases[i].state);
        assert_string_equal(alert.texts[HS_TEXT_MONITOR_NAME], cases[i].name);
        assert_string_equal(alert.texts[HS_TEXT_ERROR_MESSAGE], cases[i].message);
        hsp_alert_free(&alert);
    }
}

/* Zabbix cuts a message at 65,535 bytes, in the midst of whatever it is; and bytes that
 * are no UTF-8 come as they are. */
static void cut_message_and_wrong_bytes(void **state) {
    (void)state;
    char *text = malloc(65536);
    assert_non_null(text);
    const int head = snprintf(text, 65536, SAID "event_value=1\nhost=\xff\xc3\nmessage=");
    memset(text + head, 'x', 65535 - (size_t)head);
    memcpy(text + 65533, "\xe2\x82", 3);
    struct hsp_alert alert;
    struct hsp_message message;
    struct hs_event *event = NULL;
    struct hs_config *config = NULL;
    char *payload = NULL;
    size_t length = 0;
    map_text(&alert, &message, text, 0);
    assert_int_equal(hs_config_load(&config, "/nonexistent", NULL), HS_OK);
    assert_int_equal(hsp_alert_event(&event, &alert, &message, NULL), HS_OK);
    assert_int_equal(hs_event_payload(event, config, &payload, &length, NULL), HS_OK);
    assert_non_null(strstr(payload, "xxx\xEF\xBF\xBD\",\"response_time_ms\""));
    free(payload);
    hs_event_free(event);
    hs_config_free(config);
    hsp_alert_free(&alert);
    hsp_message_free(&message);
    free(text);
}

static enum hs_status whole_way(void *context, struct hs_error *err) {
    struct hsp_message message = {0};
    struct hsp_alert alert = {0};
    struct hs_event *event = NULL;
    const struct hsp_alert_rules rules = {.sendto = "a", .subject = "b", .now_s = NOW};
    enum hs_status status =
        hsp_message_parse(&message, "event_id=7\nhost.7=a\nmore\nmessage.7=m\n", err);
    if (status == HS_OK)
        status = *(bool *)context ? hsp_alert_map_plain(&alert, "<html>x", &rules, err)
                                  : hsp_alert_map(&alert, &message, &rules, err);
    if (status == HS_OK)
        status = hsp_alert_event(&event, &alert, &message, err);
    hs_event_free(event);
    hsp_alert_free(&alert);
    hsp_message_free(&message);
    return status;
}

static void no_memory(void **state) {
    (void)state;
    bool plain = false;
    alloc_fail_each(whole_way, &plain);
    plain = true;
    alloc_fail_each(whole_way, &plain);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_values),
        cmocka_unit_test(messages),
        cmocka_unit_test(arguments),
        cmocka_unit_test(readings),
        cmocka_unit_test(kinds_of_alerts),
        cmocka_unit_test(action_at_the_begin_of_its_memory),
        cmocka_unit_test(texts_of_alerts),
        cmocka_unit_test(numbers_of_alerts),
        cmocka_unit_test(fold_keys),
        cmocka_unit_test(plain_texts),
        cmocka_unit_test(cut_message_and_wrong_bytes),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
