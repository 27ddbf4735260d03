/* SPDX-License-Identifier: MIT */
/* Ranges by the Monitoring Plugins guidelines, and the thresholds of check_hookspool. */
#include "config.h"

#include "check_metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define C HSP_UNIT_COUNT
#define S HSP_UNIT_SECONDS
#define P HSP_UNIT_PERCENT

/* Text, how it is written back, a value that is well and one that alerts (NAN: none). */
static const struct good {
    const char *text;
    enum hsp_unit unit;
    const char *written;
    double well[3], alerts[3];
} good[] = {
    {"10", C, "10", {0, 10, 5}, {-1, 10.5, 11}},
    {"0", C, "0", {0, 0, 0}, {1, -1, 0.5}},
    {"10:", C, "10:", {10, 11, 1e12}, {9, 0, -5}},
    {"~:10", C, "~:10", {10, -1e12, 0}, {11, 10.1, 1e12}},
    {"10:20", C, "10:20", {10, 20, 15}, {9, 21, -15}},
    {"@10:20", C, "@10:20", {9, 21, -15}, {10, 20, 15}},
    {"@10", C, "@10", {-1, 11, 12}, {0, 10, 5}},
    {"@10:", C, "@10:", {9, 0, -1}, {10, 11, 1e9}},
    {"@~:0", C, "@~:0", {1, 2, 0.1}, {0, -1, -1e9}},
    {"-20:-10", C, "-20:-10", {-20, -10, -15}, {-21, -9, 0}},
    {"-1:1", C, "-1:1", {-1, 1, 0}, {-2, 2, 5}},
    {"0:10", C, "10", {0, 10, 5}, {-1, 11, 12}},
    {":10", C, "10", {0, 10, 5}, {-1, 11, 12}},
    {"0:", C, "0:", {0, 1, 1e12}, {-1, -2, -0.5}},
    {"~:", C, "~:", {0, -1e12, 1e12}, {NAN, NAN, NAN}},
    {":", C, "0:", {0, 1, 2}, {-1, -2, -3}},
    {"", C, "", {0, -1e12, 1e12}, {NAN, NAN, NAN}},
    {"1.5:2.25", C, "1.5:2.25", {1.5, 2.25, 2}, {1.4, 2.3, 0}},
    {"10:10", C, "10:10", {10, 10, 10}, {9, 11, 0}},
    {"007", C, "7", {7, 0, 1}, {8, -1, 100}},
    {"9007199254740992", C, "9007199254740992", {0, 1, 2}, {1e17, -1, 1e18}},
    {"5m", S, "300", {0, 300, 1}, {301, -1, 1e6}},
    {"300", S, "300", {0, 300, 1}, {301, -1, 1e6}},
    {"1m:1h", S, "60:3600", {60, 3600, 100}, {59, 3601, 0}},
    {"@1d:3d", S, "@86400:259200", {0, 1, 259201}, {86400, 259200, 100000}},
    {"~:1500ms", S, "~:1.5", {1.5, 0, -1}, {1.6, 2, 3}},
    {"2h:", S, "7200:", {7200, 1e9, 8000}, {7199, 0, 1}},
    {"10%:", P, "10:", {10, 100, 50}, {9.9, 0, -1}},
    {"5%", P, "5", {0, 5, 1}, {5.1, 6, -1}},
    {"10:20%", P, "10:20", {10, 20, 15}, {9, 21, 0}},
};

static void test_good_ranges(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const struct good *g = &good[i];
        struct hsp_range range = {0};
        char text[HSP_RANGE_LENGTH];
        if (!hsp_range_parse(g->text, strlen(g->text), g->unit, &range))
            fail_msg("'%s' is refused", g->text);
        assert_string_equal(hsp_range_text(&range, text), g->written);
        for (size_t v = 0; v < 3; v++) {
            if (hsp_range_alerts(&range, g->well[v]))
                fail_msg("'%s' alerts for %g", g->text, g->well[v]);
            if (!isnan(g->alerts[v]) && !hsp_range_alerts(&range, g->alerts[v]))
                fail_msg("'%s' does not alert for %g", g->text, g->alerts[v]);
        }
        /* What was written reads as the same. */
        struct hsp_range again = {0};
        assert_true(hsp_range_parse(text, strlen(text), C, &again));
        assert_true(again.start == range.start && again.end == range.end &&
                    again.is_inside == range.is_inside && again.is_set == range.is_set);
    }
}

static void test_bad_ranges(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum hsp_unit unit;
    } cases[] = {
        {"x", C},
        {"10x", C},
        {"20:10", C},
        {"@", C},
        {"@@10", C},
        {"10:20:30", C},
        {"~", C},
        {"10:~", C},
        {" 10", C},
        {"10 ", C},
        {"1e3", C},
        {"0x10", C},
        {"nan", C},
        {"inf", C},
        {"-", C},
        {"+10", C},
        {"10.", C},
        {".5", C},
        {"--1", C},
        {"10;20", C},
        {"5m", C},
        {"5%", C},
        {"5m", P},
        {"5%", S},
        {"5y", S},
        {"%", P},
        {"5%%", P},
        {"1h:1m", S},
        {"@5:4", C},
        {"~:-", C},
        {"10,", C},
        {"9007199254740994", C},
        {"5m5s", S},
        {"11111111111111111111111111111111111111111111", C},
        {"1:11111111111111111111111111111111111111111111", C},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hsp_range range = {.is_set = true, .start = 3, .end = 4};
        if (hsp_range_parse(cases[i].text, strlen(cases[i].text), cases[i].unit, &range))
            fail_msg("'%s' is taken", cases[i].text);
        assert_true(range.is_set && range.start == 3 && range.end == 4);
    }
}

/* Only the bytes that belong to it are looked at. */
static void test_length_counts(void **state) {
    (void)state;
    struct hsp_range range = {0};
    assert_true(hsp_range_parse("10:20,dead=1", 5, C, &range));
    assert_true(range.start == 10 && range.end == 20);
    assert_true(hsp_range_parse("10:20", 2, C, &range));
    assert_true(range.start == 0 && range.end == 10);
}

static void test_thresholds(void **state) {
    (void)state;
    struct hsp_thresholds t = {0};
    struct hs_error err = {0};
    hsp_thresholds_default(&t);
    assert_true(hsp_range_alerts(&t.warning[HSP_DEAD], 1));
    assert_false(hsp_range_alerts(&t.warning[HSP_DEAD], 0));
    assert_true(hsp_range_alerts(&t.critical[HSP_AGE], 3601));
    assert_true(hsp_range_alerts(&t.critical[HSP_SPACE], 4.9));
    assert_false(t.critical[HSP_DEAD].is_set || t.warning[HSP_SENT].is_set);
    assert_int_equal(hsp_thresholds_set(t.warning, "pending=5,age=1h,dead=", &err),
                     HS_OK);
    assert_true(hsp_range_alerts(&t.warning[HSP_PENDING], 6));
    assert_false(hsp_range_alerts(&t.warning[HSP_AGE], 3600));
    assert_false(hsp_range_alerts(&t.warning[HSP_DEAD], 1000));
    assert_true(hsp_range_alerts(&t.warning[HSP_INCOMING], 101)); /* as it was */
    assert_int_equal(hsp_thresholds_set(t.warning, "incoming_age=2m", &err), HS_OK);
    assert_true(hsp_range_alerts(&t.warning[HSP_INCOMING_AGE], 121));
    assert_true(hsp_range_alerts(&t.warning[HSP_INCOMING], 101));
}

static void test_wrong_thresholds(void **state) {
    (void)state;
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"", "'' is no metric; these are: pending, age"},
        {"10", "'10' is no metric"},
        {"pendin=10", "'pendin' is no metric"},
        {"pending2=10", "'pending2' is no metric"},
        {"pending", "pending: '' is no range"},
        {"pending=x", "pending: 'x' is no range"},
        {"dead=0,", "'' is no metric"},
        {"dead=0,,age=1", "'' is no metric"},
        {"dead=0,age=5y", "age: '5y' is no range"},
        {"dead=1=2", "dead: '1=2' is no range"},
        {"=10", "'' is no metric"},
        {"PENDING=10", "'PENDING' is no metric"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hsp_thresholds t = {0};
        struct hs_error err = {0};
        assert_int_equal(hsp_thresholds_set(t.warning, cases[i].text, &err), HS_E_DATA);
        if (strstr(err.text, cases[i].told) != err.text)
            fail_msg("'%s': %s", cases[i].text, err.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_ranges),      cmocka_unit_test(test_bad_ranges),
        cmocka_unit_test(test_length_counts),    cmocka_unit_test(test_thresholds),
        cmocka_unit_test(test_wrong_thresholds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
