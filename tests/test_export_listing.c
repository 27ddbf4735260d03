/* SPDX-License-Identifier: MIT */
/* From the API's items to a map; out of memory, and answers that are none. */
#include "config.h"

#include "alloc_fail.h"
#include "json.h"
#include "listing.h"
#include "map.h"

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
static char told[4096];

static void say(const char *line) {
    const size_t used = strlen(told);
    assert_non_null(line);
    said++;
    snprintf(told + used, sizeof(told) - used, "%s\n", line);
}

static void no_complaint(void *context, const char *line) {
    (void)context;
    fail_msg("the module says: %s", line);
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

/* What is written, the module takes, whole and without a word. */
static void write_and_read(const char *text, const char *expected, const char *line) {
    struct hsp_buffer map = {0};
    struct hsp_map read = {0};
    size_t count = 0;
    json_object *items = parse(text);
    *told = '\0';
    assert_int_equal(hsp_listing_write(&map, items, &count, say, NULL), HS_OK);
    assert_int_equal(hsp_map_parse(&read, map.data, map.length, no_complaint, NULL, NULL),
                     HS_OK);
    assert_int_equal(read.count, count);
    if (expected != NULL && strcmp(map.data + strlen(HSP_LISTING_MAGIC), expected) != 0)
        fail_msg("%s: %s", text, map.data);
    if (strcmp(told, line) != 0)
        fail_msg("%.200s: %s", text, told);
    hsp_map_free(&read);
    hsp_buffer_free(&map);
    json_object_put(items);
}

#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define TOO_LONG                                                                         \
    "item 3 (h, " X50 X50 X50 X50 "): a line of it would be longer than 64 KB: left "    \
    "out\n"
#define GOOD ITEM("5", TAG("monitor", "a") "," TAG("up", ">0"))
#define GOOD_LINES "item 5\nhost h\nservice a\nname a\nup >0\n"
#define EXTRA(tags) ITEM("9", TAG("response_time", "a") tags)
#define OTHER(host, key)                                                                 \
    "{\"itemid\":\"3\",\"key_\":\"" key "\",\"hosts\":[{\"host\":\"" host "\"}],"        \
    "\"tags\":[" TAG("monitor", "") "," TAG("up", ">0") "]}"

static void test_what_is_left_out(void **state) {
    (void)state;
    static const struct {
        const char *items, *map, *line;
    } cases[] = {
        {GOOD, GOOD_LINES "end 1\n", ""},
        /* A factor that is none. */
        {GOOD "," EXTRA("," TAG("factor", "0.5")),
         GOOD_LINES "response_time 9 0.5\nend 1\n", ""},
        {GOOD "," EXTRA("," TAG("factor", "abc")), GOOD_LINES "end 1\n",
         "item 9 (h, k[9]): webhook.factor: 'abc' is no number: left out\n"},
        {GOOD "," EXTRA("," TAG("factor", "")), GOOD_LINES "end 1\n",
         "item 9 (h, k[9]): webhook.factor: '' is no number: left out\n"},
        {GOOD "," EXTRA("," TAG("factor", "1\\nend 1")), GOOD_LINES "end 1\n",
         "item 9 (h, k[9]): webhook.factor: '1\nend 1' is no number: left out\n"},
        {GOOD "," EXTRA("," TAG("factor", "0x10")), GOOD_LINES "end 1\n",
         "item 9 (h, k[9]): webhook.factor: '0x10' is no number: left out\n"},
        /* Only of response times. */
        {GOOD "," ITEM("9", TAG("status_code", "a") "," TAG("factor", "abc")),
         GOOD_LINES "status_code 9\nend 1\n", ""},
        /* Items that are none. */
        {"{}," GOOD, GOOD_LINES "end 1\n",
         "item.get: item 1 of 2 has no number, key, host or tags: left out\n"},
        {GOOD ",{\"itemid\":\"1\",\"key_\":\"k\",\"hosts\":[],\"tags\":[]},7",
         GOOD_LINES "end 1\n",
         "item.get: item 2 of 3 has no number, key, host or tags: left out\n"
         "item.get: item 3 of 3 has no number, key, host or tags: left out\n"},
        {GOOD "," ITEM("0", TAG("monitor", "z") "," TAG("up", ">0")),
         GOOD_LINES "end 1\n",
         "item.get: item 2 of 2 has no number, key, host or tags: left out\n"},
        /* Twice. */
        {GOOD "," ITEM("5", TAG("monitor", "b") "," TAG("up", "=1")),
         GOOD_LINES "end 1\n",
         "item 5 (h, k[5]): it is there twice: the second is left out\n"},
        {GOOD "," GOOD "," GOOD, GOOD_LINES "end 1\n",
         "item 5 (h, k[5]): it is there twice: the second is left out\n"
         "item 5 (h, k[5]): it is there twice: the second is left out\n"},
        /* Line ends where none can be, and nothing at all. */
        {GOOD "," OTHER("h\\nup =1", "k"), GOOD_LINES "end 1\n",
         "item 3 (h\nup =1, k): there is a line end in its host or key: left out\n"},
        {GOOD "," OTHER("h", "k\\nend 2"), GOOD_LINES "end 1\n",
         "item 3 (h, k\nend 2): there is a line end in its host or key: left out\n"},
        {GOOD "," OTHER("", "k"), GOOD_LINES "end 1\n",
         "item 3 (, k): it has no host or no key: left out\n"},
        {GOOD "," OTHER("h", ""), GOOD_LINES "end 1\n",
         "item 3 (h, ): it has no host or no key: left out\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[2048];
        snprintf(text, sizeof(text), "[%s]", cases[i].items);
        write_and_read(text, cases[i].map, cases[i].line);
    }
}

/* Of the module's lines the longest is taken, and one byte more costs that item only. */
static void test_long_lines(void **state) {
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        const size_t length = HSP_LISTING_LINE_MAX - strlen("service ") + more;
        char *text = malloc(length + 1024);
        assert_non_null(text);
        const int head = sprintf(text, "[" GOOD ",{\"itemid\":\"3\",\"key_\":\"");
        memset(text + head, 'x', length);
        strcpy(text + head + length, "\",\"hosts\":[{\"host\":\"h\"}],\"tags\":[" TAG(
                                         "monitor", "") "," TAG("up", ">0") "]}]");
        if (more == 0)
            write_and_read(text, NULL, "");
        else
            write_and_read(text, GOOD_LINES "end 1\n", TOO_LONG);
        free(text);
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
        cmocka_unit_test(test_what_is_left_out),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
