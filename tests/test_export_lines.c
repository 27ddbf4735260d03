/* SPDX-License-Identifier: MIT */
/* Exported lines, the tags of items and what follows from them, the ids of events. */
#include "config.h"

#include "alloc_fail.h"
#include "id.h"
#include "told.h"
#include "watched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_lines(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int kind; /* -1: none */
    } cases[] = {
        {"{\"clock\":1,\"ns\":2,\"value\":1,\"eventid\":3,\"name\":\"n\"}",
         HSP_LINE_PROBLEM},
        {"{\"clock\":1,\"ns\":2,\"value\":0,\"eventid\":4,\"p_eventid\":3}",
         HSP_LINE_RECOVERY},
        {"{\"clock\":1,\"ns\":2,\"itemid\":18446744073709551615,\"value\":\"x\"}",
         HSP_LINE_VALUE},
        {"{\"clock\":1,\"itemid\":5,\"value\":0.5,\"host\":7,\"item_tags\":{}}",
         HSP_LINE_VALUE},
        {"{\"clock\":1,\"ns\":2,\"value\":1,\"eventid\":3,\"severity\":9,\"hosts\":[1],"
         "\"tags\":[1,{},{\"tag\":1}]}",
         HSP_LINE_PROBLEM},
        {"", -1},
        {"[]", -1},
        {"1", -1},
        {"{}", -1},
        {"{\"clock\":1}", -1},
        {"{\"clock\":\"1\",\"eventid\":1,\"value\":1}", -1},
        {"{\"clock\":-1,\"eventid\":1,\"value\":1}", -1},
        {"{\"clock\":1,\"eventid\":1,\"value\":2}", -1},
        {"{\"clock\":1,\"eventid\":-1,\"value\":1}", -1},
        {"{\"clock\":1,\"eventid\":1,\"value\":0}", -1},
        {"{\"clock\":1,\"itemid\":1}", -1},
        {"{\"clock\":1,\"itemid\":1,\"value\":null}", -1},
        {"{\"clock\":1,\"itemid\":1,\"value\":1} x", -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hsp_line line = {0};
        struct hs_error err = {0};
        const char *name, *value;
        const enum hs_status status =
            hsp_line_read(&line, cases[i].text, strlen(cases[i].text), &err);
        if (cases[i].kind < 0) {
            assert_int_equal(status, HS_E_DATA);
            assert_true(*err.text != '\0');
        } else {
            assert_int_equal(status, HS_OK);
            assert_int_equal(line.kind, cases[i].kind);
            assert_true(line.severity >= 0 && line.severity < HSP_SEVERITIES);
            for (size_t k = 0; hsp_line_tag(&line, k, &name, &value); k++)
                assert_non_null(value);
        }
        hsp_line_free(&line);
    }
}

static void test_order(void **state) {
    (void)state;
    const struct hsp_line lines[] = {
        {.clock = 1, .ns = 9, .eventid = 9},
        {.clock = 2, .ns = 1, .eventid = 8},
        {.clock = 2, .ns = 2, .eventid = 3},
        {.clock = 2, .ns = 2, .eventid = 4},
    };
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(hsp_line_before(&lines[i], &lines[k]), i < k);
}

static void test_criteria(void **state) {
    (void)state;
    static const struct {
        const char *word, *value;
        bool good;
    } cases[] = {
        {"up", ">0", true},          {"up", "200..399", true},
        {"up", "", false},           {"up", "~(", false},
        {"failures", "1", true},     {"failures", "1000000", true},
        {"failures", "0", false},    {"failures", "1000001", false},
        {"failures", "-1", false},   {"failures", "1 ", false},
        {"successes", "3", true},    {"successes", "", false},
        {"notify_at", "", true},     {"notify_at", " 3  5 10 ", true},
        {"notify_at", "5 5", false}, {"notify_at", "5 x", false},
        {"notify_at", "0", false},   {"repeat", "30m", true},
        {"repeat", "0s", true},      {"repeat", "999ms", false},
        {"repeat", "30", false},     {"nosuch", "1", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hsp_criteria criteria;
        struct hs_error err = {0};
        hsp_criteria_init(&criteria);
        const enum hs_status status =
            hsp_criteria_set(&criteria, cases[i].word, cases[i].value, &err);
        assert_int_equal(status, cases[i].good ? HS_OK : HS_E_DATA);
        if (!cases[i].good)
            assert_non_null(strstr(err.text, cases[i].word));
        hsp_criteria_free(&criteria);
    }
}

static void test_marks(void **state) {
    (void)state;
    struct hsp_criteria criteria;
    hsp_criteria_init(&criteria);
    assert_int_equal(hsp_criteria_set(&criteria, "notify_at", "3 5 10", NULL), HS_OK);
    assert_int_equal(criteria.rules.notify_at_count, 3);
    assert_int_equal(criteria.rules.notify_at[2], 10);
    assert_int_equal(criteria.rules.failures, 1);
    hsp_criteria_free(&criteria);
}

static enum hs_status set_up(void *context, struct hs_error *err) {
    struct hsp_criteria criteria;
    (void)context;
    hsp_criteria_init(&criteria);
    const enum hs_status status = hsp_criteria_set(&criteria, "up", "~^OK$", err);
    hsp_criteria_free(&criteria);
    return status;
}

static void test_without_memory(void **state) {
    (void)state;
    alloc_fail_each(set_up, NULL);
}

static struct hsp_line line_of(const char *tags, const char *value) {
    char text[512];
    struct hsp_line line = {0};
    snprintf(text, sizeof(text),
             "{\"clock\":1000,\"ns\":5,\"itemid\":7,\"host\":{\"host\":\"h\"},"
             "\"name\":\"n\",\"item_tags\":[%s],\"value\":%s}",
             tags, value);
    assert_int_equal(hsp_line_read(&line, text, strlen(text), NULL), HS_OK);
    return line;
}

#define MONITOR "{\"tag\":\"webhook.monitor\",\"value\":\"m\"}"
#define UP(rule) ",{\"tag\":\"webhook.up\",\"value\":\"" rule "\"}"

static void test_watched(void **state) {
    (void)state;
    const struct hsp_clock now = {INT64_C(1000000000000), INT64_C(5000000)};
    struct hsp_watched *watched = hsp_watched_new(NULL, &now);
    assert_non_null(watched);
    struct hsp_line line = line_of(MONITOR, "1");
    assert_int_equal(hsp_watched_update(watched, &line, NULL), HS_E_DATA);
    assert_int_equal(hsp_watched_update(watched, &line, NULL), HS_OK); /* told once */
    assert_false(watched->usable);
    hsp_line_free(&line);
    line = line_of(MONITOR UP("<5"), "\"4\"");
    assert_int_equal(hsp_watched_update(watched, &line, NULL), HS_OK);
    assert_true(watched->usable);
    const struct hsp_worth worth = hsp_watched_worth(&line);
    assert_string_equal(worth.text, "4");
    assert_true(hsp_rule_holds(&watched->criteria.up, &worth));
    hsp_watched_remember(watched, &line);
    assert_null(watched->last.root);
    hsp_line_free(&line);
    hsp_watched_free(watched);
    hsp_watched_free(NULL);
}

static void test_kept(void **state) {
    (void)state;
    const struct hsp_clock now = {INT64_C(1000000000000), INT64_C(5000000)};
    static const char *const texts[] = {"DOWN 3 2 1000 1000;1 1000000000005",
                                        "NONE 1 0 0 0;0 7", "UP 0 0 5 5;0 0"};
    for (size_t i = 0; i < 3; i++) {
        char text[HSP_WATCHED_TEXT_MAX];
        struct hsp_watched *watched = hsp_watched_new(texts[i], &now);
        hsp_watched_save(watched, text);
        assert_string_equal(text, texts[i]);
        hsp_watched_free(watched);
    }
    static const char *const wrong[] = {"", ";", "DOWN", "DOWN 3 2 1000 1000", "x;1 2"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct hsp_watched *watched = hsp_watched_new(wrong[i], &now);
        assert_int_equal(watched->monitor.state, HS_STATE_NONE);
        assert_int_equal(watched->last_ns, 0);
        hsp_watched_free(watched);
    }
}

static void test_ids(void **state) {
    (void)state;
    char one[HSP_TOLD_ID_SIZE], two[HSP_TOLD_ID_SIZE];
    char seed[32];
    hsp_told_id(one, INT64_C(1795480000000), "event 1 0");
    assert_string_equal(one, "01a20af2-9600-714d-84df-34f862ab5ee4");
    for (int i = 0; i < 2000; i++) {
        snprintf(seed, sizeof(seed), "event %d", i);
        hsp_told_id(one, i, seed);
        assert_true(hsp_id_is_valid(one));
        hsp_told_id(two, i, seed);
        assert_string_equal(one, two);
        snprintf(seed, sizeof(seed), "event %d", i + 1);
        hsp_told_id(two, i, seed);
        assert_string_not_equal(one, two);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),          cmocka_unit_test(test_order),
        cmocka_unit_test(test_criteria),       cmocka_unit_test(test_marks),
        cmocka_unit_test(test_without_memory), cmocka_unit_test(test_watched),
        cmocka_unit_test(test_kept),           cmocka_unit_test(test_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
