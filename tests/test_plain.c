/* SPDX-License-Identifier: MIT */
/* Strangers' texts: what a terminal obeys goes, and what they repeat of a secret URL. */
#include "config.h"

#include "delivery/plain.h"
#include "delivery/url.h"

#include "alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof(*(rows)))
#define BAD "\xEF\xBF\xBD"

static void test_plain(void **state) {
    static const struct {
        const char *text, *plain;
    } rows[] = {
        {"", ""},
        {"plain", "plain"},
        {"caf\xC3\xA9 \xF0\x9F\x98\x80", "caf\xC3\xA9 \xF0\x9F\x98\x80"},
        {"two\r\nlines\n\n\tof it", "two lines of it"},
        {"\x1B[2J\x07", BAD "[2J" BAD},
        {"a\x7F\x62", "a" BAD "b"},
        {"\xC2\x9B\x33m", BAD "3m"}, /* C1: CSI */
        {"abc\xE2\x80\xAE"
         "cba",
         "abc" BAD "cba"}, /* right-to-left override */
        {"\xE2\x81\xA6x\xE2\x81\xA9\xEF\xBB\xBF", BAD "x" BAD BAD},
        {"\xFF\xC3", BAD BAD},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct hsp_buffer out = {0};
        hsp_buffer_append(&out, ":", 1);
        hsp_plain_append(&out, rows[i].text, strlen(rows[i].text));
        assert_false(out.failed);
        assert_string_equal(out.data + 1, rows[i].plain);
        hsp_buffer_free(&out);
    }
    struct hsp_buffer out = {0};
    hsp_plain_append(&out, "a\0b", 3);
    assert_string_equal(out.data, "a" BAD "b");
    hsp_buffer_free(&out);
}

static void test_cut(void **state) {
    char room[6];
    (void)state;
    hsp_plain_copy(room, sizeof room, "abcd\xC3\xA9", 6);
    assert_string_equal(room, "abcd");
    hsp_plain_copy(room, sizeof room, "abc\xC3\xA9", 5);
    assert_string_equal(room, "abc\xC3\xA9");
    hsp_plain_copy(room, sizeof room, "", 0);
    assert_string_equal(room, "");
}

/* No half text where memory runs out, and a buffer that says so. */
static void test_no_memory(void **state) {
    static const char text[] = "some \x1B text that has to go somewhere, and some more";
    char room[64];
    (void)state;
    for (unsigned n = 1;; n++) {
        struct hsp_buffer out = {0};
        alloc_fail_at(n);
        hsp_plain_append(&out, text, strlen(text));
        const bool failed = alloc_fail_stop();
        assert_int_equal(out.failed, failed);
        hsp_buffer_free(&out);
        alloc_fail_at(n);
        hsp_plain_copy(room, sizeof room, text, strlen(text));
        assert_int_equal(alloc_fail_stop(), failed);
        assert_int_equal(*room == '\0', failed);
        if (!failed)
            break;
    }
}

static void test_hide(void **state) {
    static const char url[] =
        "https://user:pa55word@h.example/services/T0T0/xyzzy?token=t0ken&a=1#fragm";
    static const struct {
        const char *text;
        bool hide_path;
        const char *hidden;
    } rows[] = {
        {"nothing of it", true, "nothing of it"},
        {"pa55word pa55wor", false, "*** pa55wor"},
        {"user", false, "***"},
        {"GET /services/T0T0/xyzzy?token=t0ken&a=1", false,
         "GET /services/T0T0/xyzzy?***=***&a=1"},
        {"GET /services/T0T0/xyzzy?token=t0ken&a=1", true,
         "GET /***/***/***?***=***&a=1"},
        {"xyzzyxyzzy", true, "******"},
        {"h.example #fragm", true, "h.example #***"},
        {"", true, ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct hsp_buffer out = {0};
        hsp_buffer_append(&out, ":", 1);
        hsp_url_hide(&out, rows[i].text, url, rows[i].hide_path);
        assert_string_equal(out.data + 1, rows[i].hidden);
        hsp_buffer_free(&out);
    }
    struct hsp_buffer out = {0};
    hsp_url_hide(&out, "all of it", "", true);
    assert_string_equal(out.data, "all of it");
    hsp_buffer_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_hide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
