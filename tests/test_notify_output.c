/* SPDX-License-Identifier: MIT */
/* What is read from plugin output and perfdata. */
#include "config.h"

#include "alloc_fail.h"
#include "output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void status_codes(void **state) {
    (void)state;
    static const struct {
        const char *output;
        int64_t expected;
    } cases[] = {
        {"HTTP OK: HTTP/1.1 200 OK - 1234 bytes in 0.032 second response time", 200},
        {"HTTP CRITICAL: HTTP/1.1 503 Service Unavailable - 190 bytes", 503},
        {"HTTP WARNING: HTTP/2 404", 404},
        {"HTTP/1.0 301", 301},
        {"HTTP/3 500\nsecond line", 500},
        {"redirected HTTP/1.1 302 Found, then HTTP/1.1 200 OK", 302},
        {"HTTP/1.1 is spoken, HTTP/1.1 418 I'm a teapot", 418},
        {"HTTP/HTTP/1.1 204", 204},
        {"HTTP/1.1 599", 599},
        {"HTTP/1.1 600", -1},
        {"HTTP/1.1 099", -1},
        {"HTTP/1.1 20", -1},
        {"HTTP/1.1 2000", -1},
        {"HTTP/1.1  200", -1},
        {"HTTP/1.1", -1},
        {"HTTP/1.1 ", -1},
        {"HTTP/ 200", -1},
        {"HTTP/x 200", -1},
        {"http/1.1 200", -1},
        {"CRITICAL - Socket timeout after 10 seconds", -1},
        {"", -1},
        {NULL, -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t got = hsp_output_status_code(cases[i].output);
        if (got != cases[i].expected)
            fail_msg("%s: %lld", cases[i].output, (long long)got);
    }
}

static void response_times(void **state) {
    (void)state;
    static const struct {
        const char *perfdata;
        int64_t expected;
    } cases[] = {
        {"time=0.032s;;;0.000 size=1234B;;;0", 32},
        {"time=0.032260s;1.000000;2.000000;0.000000;10.000000", 32},
        {"size=1234B;;;0 time=12ms", 12},
        {"rta=0.5ms;200;500;0; pl=0%;40;80;;", 1},
        {"rta=0.499ms;200;500", 0},
        {"rta=0.055000ms;3000.000000;5000.000000;0.000000 pl=0%;80;100;0", 0},
        {"pl=0% rta=17.4", 17},
        {"time=2", 2000},
        {"time=1500us", 2},
        {"TIME=3s", 3000},
        {"Rta=3MS", 3},
        {"'time'=0.1s", 100},
        {"'time' =0.1s", 100},
        {"'total time'=9s time=1s", 1000},
        {"total time=9s", -1}, /* the quotes were stripped on the way */
        {"q time=5s time=2s", 2000},
        {"time_connect=0.1s time=0.2s", 200},
        {"time=0s", 0},
        {".5", -1},
        {"time=.5s", 500},
        {"time=5.s", 5000},
        {"time=1\ntime=2s", 1000},
        {"size=3B\ntime=2s", 2000},
        {"time=U rta=3ms", 3},
        {"time=-1s", -1},
        {"time=1e-3s", -1},
        {"time=inf", -1},
        {"time=nan", -1},
        {"time=0x10", -1},
        {"time=1.2.3s", -1},
        {"time=0,032s", -1},
        {"time=.s", -1},
        {"time=s", -1},
        {"time=", -1},
        {"time", -1},
        {"=5s", -1},
        {"time=5h", -1},
        {"time=5%", -1},
        {"time=99999999999999999999s", -1},
        {"time=9007199254740991s", -1},
        {"time=11111111111111111111111111111111111111111s", -1},
        {"time=0.00000000000000000000000000000000000000001s", -1},
        {"loss=3%;time=1s", -1},
        {"", -1},
        {NULL, -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t got = hsp_output_response_ms(cases[i].perfdata);
        if (got != cases[i].expected)
            fail_msg("%s: %lld", cases[i].perfdata, (long long)got);
    }
}

static void whole_numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t expected; /* -1: refused, and the output is as it was */
    } cases[] = {
        {"0", 0},
        {"30", 30},
        {"007", 7},
        {"1795458687", 1795458687},
        {"60.000000", 60},
        {"0.5", 1},
        {"9007199254740992", 9007199254740992},
        {"9007199254740994", -1},
        {"18446744073709551616", -1},
        {"", -1},
        {" 1", -1},
        {"1 ", -1},
        {"+1", -1},
        {"-1", -1},
        {"1e3", -1},
        {"12ms", -1},
        {".", -1},
        {NULL, -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t value = -1;
        bool ok = hsp_parse_whole(cases[i].text, &value);
        if (ok != (cases[i].expected >= 0) || value != cases[i].expected)
            fail_msg("%s: %lld", cases[i].text, (long long)value);
    }
}

static void texts(void **state) {
    (void)state;
    static const struct {
        const char *output;
        const char *long_output;
        const char *expected;
    } cases[] = {
        {"CRITICAL", NULL, "CRITICAL"},
        {"CRITICAL", "", "CRITICAL"},
        {"CRITICAL", "one\\ntwo", "CRITICAL\none\ntwo"},
        {"CRITICAL", "one\\ntwo\\n", "CRITICAL\none\ntwo"},
        {"CRITICAL", "C:\\\\new\\\\table", "CRITICAL\nC:\\new\\table"},
        {"CRITICAL", "\\\\\\n", "CRITICAL\n\\"},
        {"CRITICAL", "a\\tb \\x", "CRITICAL\na\\tb \\x"},
        {"CRITICAL", "ends in \\", "CRITICAL\nends in \\"},
        {"C:\\new \\\\", NULL, "C:\\new \\\\"}, /* the first line is never encoded */
        {"CRITICAL", "real\nC:\\new", "CRITICAL\nreal\nC:\\new"},
        {"first\nsecond", NULL, "first\nsecond"},
        {NULL, "only\\nlong", "only\nlong"},
        {"", "only", "only"},
        {"blanks \t\r\n", NULL, "blanks"},
        {"\xff\xfe", "\xe4", "\xff\xfe\n\xe4"},
        {NULL, NULL, ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t length = 0;
        char *text = hsp_output_text(cases[i].output, cases[i].long_output, &length);
        assert_non_null(text);
        assert_string_equal(text, cases[i].expected);
        assert_int_equal(length, strlen(cases[i].expected));
        free(text);
    }
}

static void text_without_memory(void **state) {
    (void)state;
    size_t length = 5;
    alloc_fail_at(1);
    assert_null(hsp_output_text("out", "long", &length));
    assert_true(alloc_fail_stop());
    assert_int_equal(length, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_codes),        cmocka_unit_test(response_times),
        cmocka_unit_test(whole_numbers),       cmocka_unit_test(texts),
        cmocka_unit_test(text_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
