/* SPDX-License-Identifier: MIT */
/* The module's map and its rules: what is right, what is wrong and costs one item, and
 * what costs the map. */
#include "config.h"

#include "alloc_fail.h"
#include "map.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HEAD "hookspool-zabbix-map 1\n"
#define ITEM "item 7\nhost h\nservice s\nup >0\n"

/* Rules
 * ------------------------------------------------------------------------------------ */

static void test_rules(void **state) {
    static const struct {
        const char *rule;
        struct hsp_worth worth;
        bool holds;
        const char *explained; /* where it does not hold */
    } cases[] = {
        {"=1", {1, NULL}, true, NULL},
        {"=1", {2, NULL}, false, "2 is not 1"},
        {" = 1 ", {1, NULL}, true, NULL},
        {"!=0", {0, NULL}, false, "0 is 0"},
        {"!=0", {-1, NULL}, true, NULL},
        {"<5", {5, NULL}, false, "5 is not below 5"},
        {"<5", {4.999, NULL}, true, NULL},
        {"<=5", {5, NULL}, true, NULL},
        {"<=5", {5.5, NULL}, false, "5.5 is above 5"},
        {">0", {0, NULL}, false, "0 is not above 0"},
        {">=0.5", {0.5, NULL}, true, NULL},
        {">=-1.5e3", {-1501, NULL}, false, "-1501 is below -1.5e3"},
        {"200..399", {200, NULL}, true, NULL},
        {"200..399", {399, NULL}, true, NULL},
        {"200..399", {503, NULL}, false, "503 is above 399"},
        {"200 .. 399", {0, NULL}, false, "0 is below 200"},
        {"-2..-1", {-1.5, NULL}, true, NULL},
        {"<5", {NAN, NULL}, false, "the value is not a number"},
        {"!=5", {NAN, NULL}, false, "the value is not a number"},
        /* Texts. */
        {"=OK", {0, "OK"}, true, NULL},
        {"=OK", {0, "OK "}, false, "OK  is not OK"},
        {"!=failed", {0, "failed"}, false, "failed is failed"},
        {"~^HTTP/1.[01] 2", {0, "HTTP/1.1 204"}, true, NULL},
        {"~^HTTP/1.[01] 2",
         {0, "HTTP/1.1 503"},
         false,
         "HTTP/1.1 503 does not match ^HTTP/1.[01] 2"},
        {"!~error|fatal",
         {0, "a fatal thing"},
         false,
         "a fatal thing matches error|fatal"},
        {"!~error", {0, ""}, true, NULL},
        {"=", {0, ""}, true, NULL},
        /* Each as the other. */
        {">5", {0, " 6\n"}, true, NULL},
        {">5", {0, "4"}, false, "4 is not above 5"},
        {">5", {0, "six"}, false, "six is not a number"},
        {">5", {0, "0x10"}, false, "0x10 is not a number"},
        {">5", {0, "inf"}, false, "inf is not a number"},
        {"1..5", {0, ""}, false, " is not a number"},
        {"1..5", {0, "9"}, false, "9 is above 5"},
        {"~^1[0-9]$", {12, NULL}, true, NULL},
        {"=up", {1, NULL}, false, "1 is not up"},
        {"~^0.25$", {0.25, NULL}, true, NULL},
        {"~^18014398509481984$",
         {18014398509481984.0, NULL},
         false,
         "1.8014398509482e+16 does not match ^18014398509481984$"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hsp_rule rule = {0};
        char text[128];
        assert_int_equal(hsp_rule_parse(&rule, cases[i].rule, NULL), HS_OK);
        if (hsp_rule_holds(&rule, &cases[i].worth) != cases[i].holds)
            fail_msg("rule '%s', case %zu", cases[i].rule, i);
        hsp_rule_explain(&rule, &cases[i].worth, text, sizeof(text));
        if (!cases[i].holds)
            assert_string_equal(text, cases[i].explained);
        hsp_rule_free(&rule);
    }
}

static void test_wrong_rules(void **state) {
    static const struct {
        const char *rule, *message;
    } cases[] = {
        {"", "is no rule"},
        {"5", "is no rule"},
        {"up", "is no rule"},
        {"<", "is no number"},
        {"<x", "'x' is no number"},
        {">=0x10", "is no number"},
        {"1..", "is no rule"},
        {"..5", "is no rule"},
        {"5..1", "begins above"},
        {"~(", "'('"},
        {"!~[", "'['"},
        {"< 1 2", "is no number"},
        {"1..2..3", "is no rule"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hsp_rule rule = {0};
        struct hs_error err = {0};
        assert_int_equal(hsp_rule_parse(&rule, cases[i].rule, &err), HS_E_DATA);
        if (strstr(err.text, cases[i].message) == NULL)
            fail_msg("rule '%s': %s", cases[i].rule, err.text);
        assert_null(rule.text);
    }
}

/* A message that does not fit ends between code points. */
static void test_cut(void **state) {
    const struct hsp_worth worth = {0, "\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC"};
    struct hsp_rule rule = {0};
    char text[16];
    (void)state;
    assert_int_equal(hsp_rule_parse(&rule, "=OK", NULL), HS_OK);
    for (size_t size = 1; size <= 9; size++) {
        hsp_rule_explain(&rule, &worth, text, size);
        assert_true(strlen(text) < size);
        assert_int_equal(strlen(text) % 3, 0);
    }
    hsp_rule_free(&rule);
}

/* Maps
 * ------------------------------------------------------------------------------------ */

static char told[2048];

static void say(void *context, const char *line) {
    const size_t used = strlen(told);
    assert_ptr_equal(context, told);
    snprintf(told + used, sizeof(told) - used, "%s\n", line);
}

static enum hs_status parse(struct hsp_map *map, const char *text, struct hs_error *err) {
    *map = (struct hsp_map){0};
    told[0] = '\0';
    return hsp_map_parse(map, text, strlen(text), say, told, err);
}

static void test_all_words(void **state) {
    const struct hsp_map_item *item = NULL;
    struct hsp_map map;
    (void)state;
    assert_int_equal(parse(&map,
                           HEAD
                           "# a comment\n\nitem 44321\nhost Web \"01\" \\ \xE2\x82\xAC\n"
                           "service icmpping[,3]\nname Web server\nid web\n"
                           "url https://example.com/?a=b c\nregion eu\n"
                           "endpoints a,b\nup >0\nfailures 3\nsuccesses 2\n"
                           "notify_at 5 10\nrepeat 30m\nresponse_time 44322 1\n"
                           "status_code 44323\n"
                           "item 2\nhost h\nservice s\nup 1..2\n"
                           "response_time 44322\nend 2\n",
                           NULL),
                     HS_OK);
    assert_string_equal(told, "");
    assert_int_equal(map.count, 2);
    assert_true(map.repeats);
    assert_true(hsp_map_find(&map, 44321, &item));
    assert_string_equal(item->texts[HSP_MAP_HOST], "Web \"01\" \\ \xE2\x82\xAC");
    assert_string_equal(item->texts[HSP_MAP_SERVICE], "icmpping[,3]");
    assert_string_equal(item->texts[HSP_MAP_NAME], "Web server");
    assert_string_equal(item->texts[HSP_MAP_ID], "web");
    assert_string_equal(item->texts[HSP_MAP_URL], "https://example.com/?a=b c");
    assert_string_equal(item->texts[HSP_MAP_REGION], "eu");
    assert_string_equal(item->texts[HSP_MAP_ENDPOINTS], "a,b");
    assert_int_equal(item->rules.failures, 3);
    assert_int_equal(item->rules.successes, 2);
    assert_int_equal(item->rules.notify_at_count, 2);
    assert_int_equal(item->rules.notify_at[1], 10);
    assert_true(item->rules.repeat_us == INT64_C(1800000000));
    assert_int_equal(item->extras[HSP_MAP_RESPONSE_TIME].itemid, 44322);
    assert_true(item->extras[HSP_MAP_RESPONSE_TIME].factor == 1);
    assert_int_equal(item->extras[HSP_MAP_STATUS_CODE].itemid, 44323);
    assert_true(hsp_map_find(&map, 2, &item));
    assert_null(item->texts[HSP_MAP_NAME]);
    assert_int_equal(item->rules.failures, 1);
    assert_true(item->extras[HSP_MAP_RESPONSE_TIME].factor == 1000);
    /* Only wanted beside others. */
    assert_true(hsp_map_find(&map, 44322, &item));
    assert_null(item);
    assert_false(hsp_map_find(&map, 1, &item));
    hsp_map_free(&map);
    assert_false(hsp_map_find(&map, 2, &item));
}

/* What costs one item, or nothing, and what is said of it. */
static void test_mistakes(void **state) {
    static const struct {
        const char *lines;
        size_t items; /* that are left */
        const char *message;
    } cases[] = {
        {ITEM "nmae x\nend 1\n", 1, "line 6: item 7: 'nmae' is not known, passed over\n"},
        {ITEM "failures 0\nend 1\n", 0,
         "line 6: item 7: failures: '0' is no number from 1 to 1000000: left out\n"},
        {ITEM "up >1\nend 1\n", 0, "line 6: item 7: up: is there twice: left out\n"},
        {"item 7\nhost h\nup >0\nend 1\n", 0, "line 2: item 7: has no service\n"},
        {"item 7\nhost \nservice s\nup >0\nend 1\n", 0, "line 2: item 7: has no host\n"},
        {"item 7\nhost h\nservice s\nend 1\n", 0, "line 2: item 7: has no rule for up\n"},
        {"item x\nhost h\nend 1\n", 0, "line 2: item: no number of an item: left out\n"},
        {"item 0\nend 1\n", 0, "line 2: item: no number of an item: left out\n"},
        {ITEM "response_time x\nend 1\n", 0,
         "line 6: item 7: response_time: 'x' is no number of an item: left out\n"},
        {ITEM "response_time 5 x\nend 1\n", 0,
         "line 6: item 7: response_time: '5 x' is no number of an item and a factor: "
         "left "
         "out\n"},
        {ITEM "status_code 5 7\nend 1\n", 0,
         "line 6: item 7: status_code: '5 7' is no number of an item: left out\n"},
        {ITEM ITEM "end 2\n", 2, "line 10: item 7: is there twice: the first counts\n"},
        {"item 6\nhost h\nservice s\nup nonsense\n" ITEM "end 2\n", 1,
         "line 5: item 6: up: 'nonsense' is no rule; these are: =1, !=1, <5, <=5, >0, "
         ">=1, 200..399, =OK, !=OK, ~REGEX, !~REGEX: left out\n"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hsp_map map;
        char text[512];
        snprintf(text, sizeof(text), HEAD "%s", cases[i].lines);
        assert_int_equal(parse(&map, text, NULL), HS_OK);
        assert_string_equal(told, cases[i].message);
        assert_int_equal(map.count, cases[i].items);
        hsp_map_free(&map);
    }
}

/* What costs the map. */
static void test_no_maps(void **state) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "line 1: torn"},
        {"hookspool-zabbix-map 1", "line 1: torn"},
        {"hookspool-zabbix-map 2\nend 0\n",
         "a map of version 2, which is not known here"},
        {"something\n", "this is no map"},
        {HEAD, "line 2: torn"},
        {HEAD ITEM, "line 6: torn"},
        {HEAD ITEM "end 1", "line 6: torn"},
        {HEAD ITEM "end 2\n", "line 6: \"end 2\" after 1 items"},
        {HEAD ITEM "end\n", "line 6: \"end \" after 1 items"},
        {HEAD ITEM "end 1\n\n", "line 6: more after the end"},
        {HEAD "host h\nend 0\n", "line 2: 'host' before any item"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hsp_map map;
        struct hs_error err = {0};
        assert_int_equal(parse(&map, cases[i].text, &err), HS_E_DATA);
        if (strstr(err.text, cases[i].message) == NULL)
            fail_msg("case %zu: %s", i, err.text);
        assert_null(map.items);
    }
}

/* A file that is cut anywhere is no map. */
static void test_cut_anywhere(void **state) {
    static const char whole[] = HEAD ITEM "notify_at 3\nend 1\n";
    struct hsp_map map = {0};
    (void)state;
    for (size_t length = 0; length < strlen(whole); length++)
        assert_int_equal(hsp_map_parse(&map, whole, length, say, told, NULL), HS_E_DATA);
    assert_int_equal(hsp_map_parse(&map, whole, strlen(whole), say, told, NULL), HS_OK);
    hsp_map_free(&map);
}

static void test_many(void **state) {
    const struct hsp_map_item *item = NULL;
    struct hsp_map map = {0};
    char *text = malloc(HSP_MAP_ITEMS_MAX * 48);
    char *at = text + sprintf(text, HEAD);
    (void)state;
    for (int i = 1; i <= HSP_MAP_ITEMS_MAX; i++)
        at += sprintf(at, "item %d\nhost h\nservice s%d\nup >0\n", i * 64, i);
    sprintf(at, "end %d\n", HSP_MAP_ITEMS_MAX);
    assert_int_equal(hsp_map_parse(&map, text, strlen(text), say, told, NULL), HS_OK);
    assert_int_equal(map.count, HSP_MAP_ITEMS_MAX);
    for (uint64_t i = 1; i <= HSP_MAP_ITEMS_MAX; i++) {
        assert_true(hsp_map_find(&map, i * 64, &item));
        assert_int_equal(item->itemid, i * 64);
        assert_false(hsp_map_find(&map, i * 64 + 1, &item));
    }
    hsp_map_free(&map);
    sprintf(at, ITEM "end %d\n", HSP_MAP_ITEMS_MAX + 1);
    assert_int_equal(hsp_map_parse(&map, text, strlen(text), say, told, NULL), HS_E_DATA);
    free(text);
}

static enum hs_status parse_and_free(void *context, struct hs_error *err) {
    struct hsp_map map;
    (void)context;
    const enum hs_status status = parse(
        &map,
        HEAD "item 1\nhost h\nservice s\nname n\nup =OK\nnotify_at 2 3\n" ITEM "end 2\n",
        err);
    hsp_map_free(&map);
    return status;
}

static void test_no_memory(void **state) {
    (void)state;
    alloc_fail_each(parse_and_free, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),        cmocka_unit_test(test_wrong_rules),
        cmocka_unit_test(test_cut),          cmocka_unit_test(test_all_words),
        cmocka_unit_test(test_mistakes),     cmocka_unit_test(test_no_maps),
        cmocka_unit_test(test_cut_anywhere), cmocka_unit_test(test_many),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
