/* SPDX-License-Identifier: MIT */
/* From the API's items to a map; out of memory, and answers that are none. */
#include "config.h"

#include "alloc_fail.h"
#include "json.h"
#include "listing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ITEM(id, tags)                                                                   \
    "{\"itemid\":\"" id "\",\"key_\":\"k[" id "]\",\"hosts\":[{\"host\":\"h\"}],"        \
    "\"tags\":[" tags "]}"
#define TAG(name, value) "{\"tag\":\"webhook." name "\",\"value\":\"" value "\"}"

static int said;

static void say(const char *line) {
    assert_non_null(line);
    said++;
}

static json_object *parse(const char *text) {
    json_object *items = hsp_json_parse(text, strlen(text), NULL);
    assert_non_null(items);
    return items;
}

static const char whole[] =
    "[" ITEM("20", TAG("monitor", "") "," TAG("up", "=1")) "," ITEM(
        "3", TAG("monitor", "a") "," TAG("up", ">0") "," TAG(
                 "failures",
                 "2")) "," ITEM("9",
                                TAG("response_time", "a") "," TAG(
                                    "factor",
                                    "1")) "," ITEM("11",
                                                   TAG("monitor",
                                                       "b")) "," ITEM("12",
                                                                      TAG("response_time",
                                                                          "none")) "]";

static void test_map(void **state) {
    (void)state;
    struct hsp_buffer map = {0};
    size_t count = 0, counted = 0;
    json_object *items = parse(whole);
    said = 0;
    assert_int_equal(hsp_listing_write(&map, items, &count, say, NULL), HS_OK);
    assert_string_equal(map.data, "hookspool-zabbix-map 1\n"
                                  "item 3\nhost h\nservice a\nname a\nup >0\n"
                                  "failures 2\nresponse_time 9 1\n"
                                  "item 20\nhost h\nservice k[20]\nup =1\nend 2\n");
    assert_int_equal(count, 2);
    assert_int_equal(said, 1);
    assert_true(hsp_listing_count(map.data, map.length, &counted));
    assert_int_equal(counted, 2);
    hsp_buffer_free(&map);
    json_object_put(items);
}

static void test_no_items(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "{}",
        "1",
        "[1]",
        "[[]]",
        "[{}]",
        "[{\"itemid\":\"1\",\"key_\":\"k\",\"hosts\":[],\"tags\":[]}]",
        "[{\"itemid\":\"1\",\"key_\":\"k\",\"hosts\":[1],\"tags\":[]}]",
        "[{\"itemid\":\"-1\",\"key_\":\"k\",\"hosts\":[{\"host\":\"h\"}],\"tags\":[]}]",
        "[{\"itemid\":\"1\",\"key_\":\"k\",\"hosts\":[{\"host\":\"h\"}]}]",
        "[{\"itemid\":1,\"key_\":\"k\",\"hosts\":[{\"host\":\"h\"}],\"tags\":[]}]",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct hsp_buffer map = {0};
        struct hs_error err = {0};
        size_t count = 0;
        json_object *items = parse(wrong[i]);
        assert_int_equal(hsp_listing_write(&map, items, &count, say, &err), HS_E_DATA);
        assert_non_null(strstr(err.text, "item.get"));
        hsp_buffer_free(&map);
        json_object_put(items);
    }
}

static void test_counts(void **state) {
    (void)state;
    size_t count = 7;
    assert_false(hsp_listing_count("", 0, &count));
    assert_false(hsp_listing_count("hookspool-zabbix-map 2\n", 23, &count));
    assert_true(hsp_listing_count(HSP_LISTING_MAGIC, strlen(HSP_LISTING_MAGIC), &count));
    assert_int_equal(count, 0);
    const char text[] = HSP_LISTING_MAGIC "item 1\nname item 2\nitem 3";
    assert_true(hsp_listing_count(text, strlen(text), &count));
    assert_int_equal(count, 2);
}

static enum hs_status write_it(void *context, struct hs_error *err) {
    struct hsp_buffer map = {0};
    size_t count;
    const enum hs_status status = hsp_listing_write(&map, context, &count, say, err);
    hsp_buffer_free(&map);
    return status;
}

static void test_without_memory(void **state) {
    (void)state;
    json_object *items = parse(whole);
    alloc_fail_each(write_it, items);
    json_object_put(items);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_no_items),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
