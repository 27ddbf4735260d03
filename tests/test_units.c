/* SPDX-License-Identifier: MIT */
/* The words of the configuration, and times as text. */
#include "config.h"

#include "units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NONE INT64_C(-77) /* refused: the output keeps this */

struct number_case {
    const char *text;
    int64_t value;
};

static void check_numbers(const struct number_case *cases, size_t count,
                          bool (*parse)(const char *, int64_t *)) {
    for (size_t i = 0; i < count; i++) {
        int64_t value = NONE;
        assert_int_equal(parse(cases[i].text, &value), cases[i].value != NONE);
        assert_true(value == cases[i].value);
    }
}

static void test_duration(void **state) {
    (void)state;
    static const struct number_case cases[] = {
        {"0s", 0},
        {"500ms", 500},
        {"30s", 30000},
        {"5m", 300000},
        {"1h", 3600000},
        {"3d", 259200000},
        {"030s", 30000},
        {"3650d", INT64_C(315360000000)},
        {"3651d", NONE},
        {"315360000001ms", NONE},
        {"99999999999999999999s", NONE},
        {"9223372036854775807d", NONE},
        {"", NONE},
        {"30", NONE},
        {"s", NONE},
        {"30 s", NONE},
        {" 30s", NONE},
        {"30s ", NONE},
        {"-30s", NONE},
        {"+30s", NONE},
        {"1.5h", NONE},
        {"1e3s", NONE},
        {"30S", NONE},
        {"30min", NONE},
        {"1h30m", NONE},
        {"0x10s", NONE},
    };
    check_numbers(cases, sizeof cases / sizeof cases[0], hsp_parse_duration);
}

static void test_size(void **state) {
    (void)state;
    static const struct number_case cases[] = {
        {"0", 0},
        {"102399", 102399},
        {"100K", 102400},
        {"1M", 1048576},
        {"2G", INT64_C(2147483648)},
        {"1048576G", INT64_C(1) << 50},
        {"1048577G", NONE},
        {"1125899906842624", INT64_C(1) << 50},
        {"1125899906842625", NONE},
        {"9223372036854775807G", NONE},
        {"", NONE},
        {"K", NONE},
        {"1k", NONE},
        {"1KB", NONE},
        {"1 K", NONE},
        {"-1", NONE},
        {"1.5M", NONE},
        {"1T", NONE},
    };
    check_numbers(cases, sizeof cases / sizeof cases[0], hsp_parse_size);
}

static void test_rate(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t count, window_ms; /* count NONE: refused */
    } cases[] = {
        {"100/min", 100, 60000}, {"1/s", 1, 1000},   {"100000/h", 100000, 3600000},
        {"none", 0, 0},          {"0/s", NONE, 0},   {"100001/h", NONE, 0},
        {"100", NONE, 0},        {"100/m", NONE, 0}, {"100/minute", NONE, 0},
        {"100 /min", NONE, 0},   {"/s", NONE, 0},    {"-1/s", NONE, 0},
        {"", NONE, 0},           {"None", NONE, 0},  {"none ", NONE, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hsp_rate rate = {NONE, NONE};
        const bool taken = hsp_parse_rate(cases[i].text, &rate);
        assert_int_equal(taken, cases[i].count != NONE);
        assert_true(rate.count == cases[i].count);
        assert_true(rate.window_ms == (taken ? cases[i].window_ms : NONE));
    }
}

static void test_share(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool taken;
        int percent;
        int64_t bytes;
    } cases[] = {
        {"5%", true, 5, -1},           {"0%", true, 0, -1},  {"99%", true, 99, -1},
        {"100%", false, 0, 0},         {"-1%", false, 0, 0}, {"5 %", false, 0, 0},
        {"5%%", false, 0, 0},          {"%", false, 0, 0},   {"", false, 0, 0},
        {"100M", true, -1, 104857600}, {"0", true, -1, 0},   {"500", true, -1, 500},
        {"5.5%", false, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hsp_share share = {.percent = -7, .bytes = -7};
        assert_int_equal(hsp_parse_share(cases[i].text, &share), cases[i].taken);
        assert_int_equal(share.percent, cases[i].taken ? cases[i].percent : -7);
        assert_true(share.bytes == (cases[i].taken ? cases[i].bytes : -7));
    }
}

static void test_times(void **state) {
    (void)state;
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {59, "1970-01-01T00:00:59Z"},
        {68169599, "1972-02-28T23:59:59Z"},
        {68169600, "1972-02-29T00:00:00Z"},
        {68256000, "1972-03-01T00:00:00Z"},
        {951782400, "2000-02-29T00:00:00Z"},
        {978307199, "2000-12-31T23:59:59Z"},
        {1705314615, "2024-01-15T10:30:15Z"},
        {2147483648, "2038-01-19T03:14:08Z"},
        {INT64_C(4107542400), "2100-03-01T00:00:00Z"},
        {INT64_C(253402300799), "9999-12-31T23:59:59Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[HSP_TIME_LENGTH + 1];
        int64_t seconds = NONE;
        hsp_format_time(cases[i].seconds, text);
        assert_string_equal(text, cases[i].text);
        assert_true(hsp_parse_time(text, &seconds));
        assert_true(seconds == cases[i].seconds);
    }
}

/* Every day of the range, against the C library. */
static void test_times_of_all_days(void **state) {
    (void)state;
    for (int64_t day = 0; day < 2932897; day += 1) {
        char text[HSP_TIME_LENGTH + 1];
        char expected[HSP_TIME_LENGTH + 1];
        const time_t seconds = (time_t)(day * 86400 + day % 86400);
        struct tm tm;
        int64_t back = NONE;
        hsp_format_time(seconds, text);
        gmtime_r(&seconds, &tm);
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%SZ", &tm);
        if (strcmp(text, expected) != 0 || !hsp_parse_time(text, &back) ||
            back != seconds)
            fail_msg("%s for %s", text, expected);
    }
}

static void test_times_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        "2024-01-15",
        "2024-01-15T10:30:15",
        "2024-01-15T10:30:15z",
        "2024-01-15t10:30:15Z",
        "2024-01-15 10:30:15Z",
        "2024-01-15T10:30:15.000Z",
        "2024-01-15T10:30:15+00:00",
        "2024-01-15T10:30:15ZZ",
        "2024-00-15T10:30:15Z",
        "2024-13-15T10:30:15Z",
        "2024-01-00T10:30:15Z",
        "2024-01-32T10:30:15Z",
        "2023-02-29T10:30:15Z",
        "2100-02-29T10:30:15Z",
        "2024-01-15T24:00:00Z",
        "2024-01-15T10:60:15Z",
        "2024-01-15T10:30:60Z",
        "9999-12-31T23:59:60Z",
        "1969-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "-024-01-15T10:30:15Z",
        "2024-1-15T10:30:15Z",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t seconds = NONE;
        if (hsp_parse_time(cases[i], &seconds) || seconds != NONE)
            fail_msg("%s was taken", cases[i]);
    }
}

static void test_times_in_ms(void **state) {
    (void)state;
    char text[HSP_TIME_LENGTH + 1];
    hsp_format_time_ms(INT64_C(1705314615123), text);
    assert_string_equal(text, "2024-01-15T10:30:15.123Z");
    hsp_format_time_ms(7, text);
    assert_string_equal(text, "1970-01-01T00:00:00.007Z");
    hsp_format_time_ms(INT64_MAX, text);
    assert_int_equal(strlen(text), HSP_TIME_LENGTH);
    hsp_format_time_ms(-1, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    hsp_format_time(-1, text);
    assert_string_equal(text, "1970-01-01T00:00:00Z");
    hsp_format_time(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
}

static void test_times_of_any_zone(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"2024-01-15T10:30:15Z", 1705314615000},
        {"2024-01-15t10:30:15z", 1705314615000},
        {"2024-01-15 10:30:15.1Z", 1705314615100},
        {"2024-01-15T10:30:15.123Z", 1705314615123},
        {"2024-01-15T10:30:15.123999999+01:30", 1705309215123},
        {"2024-01-15T10:30:15-23:59", 1705400955000},
        {"1970-01-01T00:00:00.000Z", 0},
        {"1970-01-01T01:00:00+01:00", 0},
        {"1970-01-01T00:59:59.999+01:00", NONE},
        {"2024-01-15T10:30:15", NONE},
        {"2024-01-15T10:30:15.Z", NONE},
        {"2024-01-15T10:30:15.5", NONE},
        {"2024-01-15T10:30:15+24:00", NONE},
        {"2024-01-15T10:30:15+01:60", NONE},
        {"2024-01-15T10:30:15+1:000", NONE},
        {"2024-01-15T10:30:15+0100", NONE},
        {"2024-01-15T10:30:15 01:00", NONE},
        {"2024-01-15T10:30:15ZZ", NONE},
        {"2024-01-15_10:30:15Z", NONE},
        {"2024-02-30T10:30:15Z", NONE},
        {"2024-01-15", NONE},
        {"", NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = NONE;
        if (hsp_parse_time_ms(cases[i].text, &ms) != (cases[i].ms != NONE) ||
            ms != cases[i].ms)
            fail_msg("%s: %lld", cases[i].text, (long long)ms);
    }
}

static void test_now(void **state) {
    (void)state;
    const int64_t seconds = (int64_t)time(NULL);
    const int64_t ms = hsp_now_ms(CLOCK_REALTIME);
    assert_true(ms >= (seconds - 1) * 1000 && ms < (seconds + 60) * 1000);
    assert_true(hsp_now_ms(CLOCK_MONOTONIC) <= hsp_now_ms(CLOCK_MONOTONIC));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duration),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_times_of_all_days),
        cmocka_unit_test(test_times_refused),
        cmocka_unit_test(test_times_in_ms),
        cmocka_unit_test(test_times_of_any_zone),
        cmocka_unit_test(test_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
