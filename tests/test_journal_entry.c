/* SPDX-License-Identifier: MIT */
/* Entries of the journal: what is one, which are wanted, how they are shown. */
#include "config.h"

#include "alloc_fail.h"
#include "cli/journal_entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_tokener *tokener;

static int setup(void **state) {
    (void)state;
    tokener = json_tokener_new();
    return tokener == NULL ? -1 : 0;
}

static int teardown(void **state) {
    (void)state;
    json_tokener_free(tokener);
    return 0;
}

static json_object *parse(const char *text) {
    struct hsp_line line = {.text = text, .length = strlen(text)};
    json_object *entry = NULL;
    if (hsp_journal_entry_parse(&entry, tokener, &line, NULL) != HS_OK || entry == NULL)
        fail_msg("%s", text);
    return entry;
}

/* Lines
 * ------------------------------------------------------------------------------------ */

static void test_lines(void **state) {
    (void)state;
    enum what { ENTRY, BLANK, BROKEN };
#define CASE(text, what)                                                                 \
    { text, sizeof(text) - 1, what }
    static const struct {
        const char *text;
        size_t length;
        enum what what;
    } cases[] = {
        CASE("{}", ENTRY),
        CASE("{\"at\":\"x\",\"new\":{\"deep\":[1,null]}}", ENTRY),
        CASE(" {\"a\":1} \r", ENTRY),
        CASE("\0\0{\"a\":1}", ENTRY),
        CASE("{\"a\":\"\\u001b\\u0000\"}", ENTRY),
        CASE("", BLANK),
        CASE(" \t\r", BLANK),
        CASE("\0", BROKEN),
        CASE("\0\0\0", BROKEN),
        CASE("{\"a\":1", BROKEN),
        CASE("{\"a\":\"x", BROKEN),
        CASE("{", BROKEN),
        CASE("\"a\":1}", BROKEN),
        CASE("{\"a\":1}{\"a\":1}", BROKEN),
        CASE("{\"a\":1}\0", BROKEN),
        CASE("{\"a\":\"\x1b[31m\"}", BROKEN),
        CASE("{\"a\":\"\xff\"}", BROKEN),
        CASE("[1]", BROKEN),
        CASE("17", BROKEN),
        CASE("null", BROKEN),
        CASE("garbage", BROKEN),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        /* Whatever came before it. */
        struct hsp_line line = {.text = cases[i].text, .length = cases[i].length};
        json_object *entry = NULL;
        enum hs_status status = hsp_journal_entry_parse(&entry, tokener, &line, NULL);
        enum what what = status != HS_OK ? BROKEN : entry == NULL ? BLANK : ENTRY;
        if (what != cases[i].what)
            fail_msg("case %zu: %s", i, cases[i].text);
        json_object_put(entry);
        json_object_put(parse("{\"a\":1}"));
    }
}

/* Wanted
 * ----------------------------------------------------------------------------------- */

#define NO_TIMES .since_ms = -1, .until_ms = -1
#define ONE_OF(...)                                                                      \
    {                                                                                    \
        .items = {__VA_ARGS__},                                                          \
        .count = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)                  \
    }

static void test_matches(void **state) {
    (void)state;
    static const char failed[] =
        "{\"at\":\"2024-01-15T10:30:15.123Z\",\"what\":\"failed\",\"endpoint\":\"a\","
        "\"id\":\"018d\",\"monitor\":\"m\\u00e9/\\\"x\\\"\",\"kind\":\"incident\"}";
    static const char filtered[] = "{\"at\":\"2024-01-15T10:30:16.000Z\",\"what\":"
                                   "\"filtered\",\"id\":\"018e\",\"kind\":\"custom\"}";
    static const char foreign[] = "{\"at\":\"then\",\"what\":17}";
    const int64_t at_ms = INT64_C(1705314615123);
    const struct {
        struct hsp_journal_filter filter;
        bool failed, filtered, foreign;
    } cases[] = {
        {{NO_TIMES}, true, true, true},
        {{NO_TIMES, .problems = true}, true, false, true},
        {{.since_ms = at_ms, .until_ms = at_ms}, true, false, false},
        {{.since_ms = at_ms + 1, .until_ms = -1}, false, true, false},
        {{.since_ms = -1, .until_ms = at_ms - 1}, false, false, false},
        {{NO_TIMES, .lists[HSP_JOURNAL_WHAT] = ONE_OF("failed")}, true, false, false},
        {{NO_TIMES, .lists[HSP_JOURNAL_WHAT] = ONE_OF("17")}, false, false, true},
        {{NO_TIMES, .lists[HSP_JOURNAL_WHAT] = ONE_OF("x", "filtered", "failed")},
         true,
         true,
         false},
        {{NO_TIMES, .lists[HSP_JOURNAL_WHAT] = ONE_OF("fail")}, false, false, false},
        {{NO_TIMES, .lists[HSP_JOURNAL_ENDPOINT] = ONE_OF("a")}, true, false, false},
        {{NO_TIMES, .lists[HSP_JOURNAL_ENDPOINT] = ONE_OF("failed")},
         false,
         false,
         false},
        {{NO_TIMES, .lists[HSP_JOURNAL_ID] = ONE_OF("018e")}, false, true, false},
        {{NO_TIMES, .lists[HSP_JOURNAL_MONITOR] = ONE_OF("m\xC3\xA9/\"x\"")},
         true,
         false,
         false},
        {{NO_TIMES, .lists[HSP_JOURNAL_KIND] = ONE_OF("incident"),
          .lists[HSP_JOURNAL_ID] = ONE_OF("018e")},
         false,
         false,
         false},
        {{NO_TIMES, .problems = true, .lists[HSP_JOURNAL_KIND] = ONE_OF("custom")},
         false,
         false,
         false},
    };
    const char *const texts[] = {failed, filtered, foreign};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const bool expected[] = {cases[i].failed, cases[i].filtered, cases[i].foreign};
        for (size_t j = 0; j < 3; j++) {
            struct hsp_line line = {.text = texts[j], .length = strlen(texts[j])};
            json_object *entry = parse(texts[j]);
            if (hsp_journal_entry_matches(entry, &cases[i].filter) != expected[j])
                fail_msg("case %zu: %s", i, texts[j]);
            if (expected[j] && !hsp_journal_line_may_match(&line, &cases[i].filter))
                fail_msg("case %zu: %s is not looked at", i, texts[j]);
            json_object_put(entry);
        }
    }
}

/* A line that is cut is looked at, and so counted. */
static void test_may_match(void **state) {
    (void)state;
    const struct hsp_journal_filter filter = {NO_TIMES, .lists[HSP_JOURNAL_ID] =
                                                            ONE_OF("018d0c7c")};
    static const struct {
        const char *text;
        bool may;
    } cases[] = {{"{\"id\":\"018d0c7d\"}", false},
                 {"{\"id\":\"018d0c7c\"}", true},
                 {"{\"id\":\"018d0", true},
                 {"8d0c7c\"}", true},
                 {"{", true},
                 {"", true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hsp_line line = {.text = cases[i].text, .length = strlen(cases[i].text)};
        if (hsp_journal_line_may_match(&line, &filter) != cases[i].may)
            fail_msg("%s", cases[i].text);
    }
}

/* Shown
 * ------------------------------------------------------------------------------------ */

static void expect_shown(struct hsp_journal_layout *layout, const char *json,
                         const char *expected) {
    struct hsp_buffer out = {0};
    json_object *entry = parse(json);
    hsp_journal_entry_print(entry, layout, &out);
    assert_string_equal(out.data, expected);
    json_object_put(entry);
    hsp_buffer_free(&out);
}

static void test_columns(void **state) {
    (void)state;
    struct hsp_journal_layout layout = {0};
    expect_shown(&layout,
                 "{\"at\":\"2024-01-15T10:30:15.123Z\",\"what\":\"failed\",\"endpoint\":"
                 "\"statuspage\",\"id\":\"018d\",\"monitor\":\"mon_abc123xyz789\","
                 "\"kind\":\"incident\",\"attempt\":1,\"status\":500,\"took_ms\":38,"
                 "\"next_at\":\"2024-01-15T10:30:25.123Z\",\"reason\":\"HTTP 500\"}",
                 "2024-01-15T10:30:15.123Z  failed     statuspage  incident  "
                 "mon_abc123xyz789  #1  500    38ms  HTTP 500; again in 10s  018d\n");
    expect_shown(&layout, "{\"at\":\"2024-01-15T10:30:15.123Z\",\"what\":\"folded\"}",
                 "2024-01-15T10:30:15.123Z  folded     -           -         "
                 "-                  -    -       -\n");
    expect_shown(&layout, "{\"what\":\"misconfigured\",\"reason\":\"r\"}",
                 "-                         misconfigured  -           -         "
                 "-                  -    -       -  r\n");
    expect_shown(&layout, "{\"what\":\"\xC3\xA9\",\"id\":\"i\"}",
                 "-                         \xC3\xA9              -           -         "
                 "-                  -    -       -  i\n");
}

/* One monstrous name is shown whole and leaves the next line as it was. */
static void test_a_wide_cell(void **state) {
    (void)state;
    struct hsp_journal_layout layout = {0};
    expect_shown(&layout, "{\"endpoint\":\"0123456789012345678901234567890123456789\"}",
                 "-                         -          "
                 "0123456789012345678901234567890123456789  -         -"
                 "                  -    -       -\n");
    expect_shown(&layout, "{\"endpoint\":\"a\"}",
                 "-                         -          a         -         -"
                 "                  -    -       -\n");
}

static void test_harmless(void **state) {
    (void)state;
    struct hsp_journal_layout layout = {0};
    expect_shown(&layout,
                 "{\"reason\":\"a\\u001b[31m\\n\\u0000\x7F\xC2\x9B\\u202e\xE2\x81\xA6"
                 "\\u2028\xC3\xA4\xE2\x82\xAC\xF0\x9F\x94\xA5\"}",
                 "-                         -          -         -         -"
                 "                  -    -       -  "
                 "a\\u001b[31m\\u000a\\u0000\\u007f\\u009b\\u202e\\u2066\\u2028"
                 "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x94\xA5\n");
}

static void test_colours(void **state) {
    (void)state;
    static const struct {
        const char *what, *colour;
    } cases[] = {{"delivered", NULL},
                 {"retried", NULL},
                 {"failed", "\033[33m"},
                 {"something", "\033[33m"},
                 {"dead", "\033[1;31m"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hsp_journal_layout layout = {.colour = true};
        struct hsp_buffer out = {0};
        char text[64], expected[64];
        snprintf(text, sizeof text, "{\"what\":\"%s\"}", cases[i].what);
        json_object *entry = parse(text);
        hsp_journal_entry_print(entry, &layout, &out);
        snprintf(expected, sizeof expected, "%s%s%s",
                 cases[i].colour != NULL ? cases[i].colour : "", cases[i].what,
                 cases[i].colour != NULL ? "\033[0m" : "");
        assert_non_null(strstr(out.data, expected));
        assert_int_equal(strchr(out.data, '\033') != NULL, cases[i].colour != NULL);
        json_object_put(entry);
        hsp_buffer_free(&out);
    }
}

static enum hs_status show_once(void *context, struct hs_error *err) {
    struct hsp_journal_layout layout = {0};
    struct hsp_buffer out = {0};
    hsp_journal_entry_print(context, &layout, &out);
    enum hs_status status = out.failed ? HS_E_NOMEM : HS_OK;
    if (status != HS_OK && err != NULL) {
        err->status = status;
        strcpy(err->text, "no memory");
    }
    hsp_buffer_free(&out);
    return status;
}

static void test_allocations(void **state) {
    (void)state;
    json_object *entry = parse("{\"what\":\"failed\",\"reason\":\"r\",\"id\":\"i\"}");
    alloc_fail_each(show_once, entry);
    json_object_put(entry);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),       cmocka_unit_test(test_matches),
        cmocka_unit_test(test_may_match),   cmocka_unit_test(test_columns),
        cmocka_unit_test(test_a_wide_cell), cmocka_unit_test(test_harmless),
        cmocka_unit_test(test_colours),     cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
