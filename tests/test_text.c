/* SPDX-License-Identifier: MIT */
/* UTF-8 repair and cutting, and the buffer underneath. The expectations of repair are
 * what TextDecoder gives. */
#include "config.h"

#include "alloc_fail.h"
#include "text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define R "\xEF\xBF\xBD"

struct repair_case {
    const char *input;
    const char *output;
};

static const struct repair_case repairs[] = {
    {"", ""},
    {"plain text, longer than a word of eight",
     "plain text, longer than a word of eight"},
    {"gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80",
     "gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80"},
    {"\x7F\xC2\x80\xDF\xBF", "\x7F\xC2\x80\xDF\xBF"},
    {"\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF",
     "\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF"},
    {"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"},
    {"caf\xE9", "caf" R},
    {"\xE9t\xE9", R "t" R},
    {"\x80\xBF", R R},
    {"\xC0\xAF", R R},              /* overlong, two bytes */
    {"\xC1\xBF", R R},              /* overlong */
    {"\xE0\x80\xAF", R R R},        /* overlong, three bytes */
    {"\xE0\x9F\xBF", R R R},        /* overlong */
    {"\xF0\x80\x80\xAF", R R R R},  /* overlong, four bytes */
    {"\xF0\x8F\xBF\xBF", R R R R},  /* overlong */
    {"\xED\xA0\x80", R R R},        /* surrogate */
    {"\xED\xBF\xBF", R R R},        /* surrogate */
    {"\xF4\x90\x80\x80", R R R R},  /* beyond U+10FFFF */
    {"\xF5\x80\x80\x80", R R R R},  /* no such lead */
    {"\xFE\xFF", R R},              /* never bytes of UTF-8 */
    {"\xE2\x82", R},                /* cut: one maximal part */
    {"\xE2\x82x", R "x"},           /* cut inside */
    {"\xF0\x9F\x98", R},            /* cut: one maximal part */
    {"\xF0\x9F\x98x", R "x"},       /* cut inside */
    {"\xF0\x9F", R},                /* cut */
    {"\xF0", R},                    /* lead alone */
    {"\xC3", R},                    /* lead alone */
    {"\xC3\xC3\xBC", R "\xC3\xBC"}, /* lead, then a good one */
    {"\xF1\x80\x80\xE1\x80\xC2x", R R R "x"},
    {"a\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64", "a" R R R "b" R "c" R R "d"},
    {"12345678\xFF"
     "12345678",
     "12345678" R "12345678"},
};

static void test_repair(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof repairs / sizeof repairs[0]; i++) {
        const struct repair_case *c = &repairs[i];
        const size_t length = strlen(c->input);
        struct hsp_buffer out = {0};
        hsp_text_repair(&out, c->input, length);
        assert_string_equal(out.data, c->output);
        assert_int_equal(out.length, strlen(c->output));
        assert_int_equal(hsp_text_is_utf8(c->input, length),
                         strcmp(c->input, c->output) == 0);
        assert_true(hsp_text_is_utf8(out.data, out.length));
        hsp_buffer_free(&out);
    }
}

static void test_repair_keeps_nul(void **state) {
    (void)state;
    struct hsp_buffer out = {0};
    hsp_text_repair(&out, "a\0b\xFF", 4);
    assert_int_equal(out.length, 6);
    assert_memory_equal(out.data, "a\0b" R, 6);
    assert_true(hsp_text_is_utf8("a\0b", 3));
    hsp_buffer_free(&out);
}

/* Every pair of bytes between two letters: repaired once it is well-formed, and the
 * letters are still there. */
static void test_repair_of_all_pairs(void **state) {
    (void)state;
    for (int pair = 0; pair < 0x10000; pair++) {
        const char text[] = {'<', (char)(pair >> 8), (char)pair, '>'};
        struct hsp_buffer out = {0};
        hsp_text_repair(&out, text, sizeof text);
        assert_true(hsp_text_is_utf8(out.data, out.length));
        assert_int_equal(out.data[0], '<');
        assert_int_equal(out.data[out.length - 1], '>');
        if (hsp_text_is_utf8(text, sizeof text))
            assert_memory_equal(out.data, text, sizeof text);
        hsp_buffer_free(&out);
    }
}

static void test_cut(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t max;
        size_t kept;
    } cases[] = {
        {"", 0, 0},
        {"abc", 0, 0},
        {"abc", 2, 2},
        {"abc", 3, 3},
        {"abc", 9, 3},
        {"a\xC3\xBC", 1, 1},
        {"a\xC3\xBC", 2, 1},
        {"a\xC3\xBC", 3, 3},
        {"\xE2\x82\xAC", 1, 0},
        {"\xE2\x82\xAC", 2, 0},
        {"\xE2\x82\xACx", 3, 3},
        {"\xF0\x9F\x98\x80", 3, 0},
        {"x\xF0\x9F\x98\x80y", 4, 1},
        {"x\xF0\x9F\x98\x80y", 5, 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(hsp_text_cut(cases[i].text, strlen(cases[i].text), cases[i].max),
                         cases[i].kept);
}

static void test_buffer(void **state) {
    (void)state;
    struct hsp_buffer buffer = {0};
    size_t length = 99;
    assert_null(hsp_buffer_take(&buffer, &length));
    assert_int_equal(length, 99);
    for (int i = 0; i < 1000; i++)
        hsp_buffer_print(&buffer, "%04d,", i);
    assert_int_equal(buffer.length, 5000);
    assert_memory_equal(buffer.data + 4995, "0999,", 6);
    hsp_buffer_clear(&buffer);
    assert_string_equal(buffer.data, "");
    hsp_buffer_append(&buffer, "a\0b", 3);
    char *bytes = hsp_buffer_take(&buffer, &length);
    assert_int_equal(length, 3);
    assert_memory_equal(bytes, "a\0b", 4);
    free(bytes);
    assert_null(buffer.data);
    hsp_buffer_free(&buffer);
}

static void test_buffer_refuses_absurd_lengths(void **state) {
    (void)state;
    struct hsp_buffer buffer = {0};
    hsp_buffer_append(&buffer, "", SIZE_MAX);
    assert_true(buffer.failed);
    assert_null(buffer.data);
}

/* After a failure nothing is added any more, and nothing is handed out. */
static void test_buffer_without_memory(void **state) {
    (void)state;
    struct hsp_buffer buffer = {0};
    hsp_buffer_append(&buffer, "kept", 4);
    alloc_fail_at(1);
    for (int i = 0; i < 100; i++)
        hsp_buffer_print(&buffer, "%s", "0123456789");
    hsp_text_repair(&buffer, "more", 4);
    assert_true(alloc_fail_stop());
    assert_true(buffer.failed);
    assert_true(buffer.length < 300);
    assert_null(hsp_buffer_take(&buffer, NULL));
    assert_null(buffer.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repair),
        cmocka_unit_test(test_repair_keeps_nul),
        cmocka_unit_test(test_repair_of_all_pairs),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_buffer_refuses_absurd_lengths),
        cmocka_unit_test(test_buffer_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
