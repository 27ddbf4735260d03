/* SPDX-License-Identifier: MIT */
/* The state machine of monitors. Most cases are a line of steps, a second apart, beside
 * what each comes to. */
#include "config.h"

#include "monitor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define S INT64_C(1000000)
#define START (INT64_C(1700000000) * S)

static struct hsp_clock at(int64_t seconds) {
    return (struct hsp_clock){START + seconds * S, 5000 * S + seconds * S};
}

static char letter(enum hsp_step step, const struct hsp_edge *edge) {
    if (step == HSP_NOTHING)
        return '.';
    if (step == HSP_REMEMBER)
        return 'r';
    return edge->state == HS_STATE_UP ? 'U' : 'D';
}

/* Steps: g good, b bad, t a tick; each one second later than the one before. `repeat`
 * below 0: at every failure. */
struct script {
    const char *what;
    int64_t failures, successes, timeout, repeat;
    int64_t notify_at[4];
    const char *steps, *results;
    int64_t last_failures, last_level; /* of the last edge; -1: there is none */
    enum hs_state last_previous;
};

static void play(const struct script *script) {
    size_t marks = 0;
    while (marks < 4 && script->notify_at[marks] != 0)
        marks++;
    const struct hsp_monitor_rules rules = {
        script->failures,    script->successes,
        script->timeout * S, script->repeat > 0 ? script->repeat * S : 0,
        script->notify_at,   marks,
        script->repeat < 0};
    struct hsp_monitor monitor;
    struct hsp_edge edge = {0};
    struct hsp_clock now = at(0);
    char results[64] = "";
    hsp_monitor_start(&monitor, &now);
    for (size_t i = 0; script->steps[i] != '\0'; i++) {
        now = at((int64_t)i + 1);
        struct hsp_edge one = {0};
        const struct hsp_sample sample = {script->steps[i] == 'b' ? HSP_BAD : HSP_GOOD,
                                          now.wall_us - S / 2, true};
        const enum hsp_step step =
            script->steps[i] == 't'
                ? hsp_monitor_tick(&monitor, &rules, &now, &one)
                : hsp_monitor_sample(&monitor, &rules, &sample, &now, &one);
        if (step == HSP_SEND)
            edge = one;
        results[i] = letter(step, &one);
    }
    if (strcmp(results, script->results) != 0)
        fail_msg("%s: %s gives %s, not %s", script->what, script->steps, results,
                 script->results);
    if (script->last_failures >= 0) {
        assert_int_equal(edge.failures, script->last_failures);
        assert_int_equal(edge.level, script->last_level);
        assert_int_equal(edge.previous, script->last_previous);
    }
}

#define UP HS_STATE_UP
#define DOWN HS_STATE_DOWN
#define NONE HS_STATE_NONE

static void test_scripts(void **state) {
    (void)state;
    static const struct script scripts[] = {
        {"the first good one is no recovery", 1, 1, 0, 0, {0}, "gg", "r.", -1, 0, NONE},
        {"down and up", 1, 1, 0, 0, {0}, "gbg", "rDU", 0, 1, DOWN},
        {"never up", 1, 1, 0, 0, {0}, "bb", "D.", 1, 1, NONE},
        {"three in a row", 3, 1, 0, 0, {0}, "gbbgbbb", "r.....D", 3, 1, UP},
        {"two good ones", 1, 2, 0, 0, {0}, "ggbgbgg", ".rD...U", 0, 1, DOWN},
        {"marks", 1, 1, 0, 0, {1, 3, 5}, "gbbbbbbb", "rD.D.D..", 5, 3, DOWN},
        {"marks below", 3, 1, 0, 0, {1, 3, 5}, "gbbbbbb", "r..D.D.", 5, 2, DOWN},
        {"marks begin again", 1, 1, 0, 0, {1, 3}, "bbbgbbb", "D.DUD.D", 3, 2, DOWN},
        {"a good one between", 1, 2, 0, 0, {3}, "ggbbgb", ".rD..D", 3, 2, DOWN},
        {"repeat", 1, 1, 0, 3, {0}, "gbtttttttg", "rD..D..D.U", 0, 3, DOWN},
        {"repeat counts", 1, 1, 0, 3, {0}, "gbbbbt", "rD...D", 4, 2, DOWN},
        {"every one", 1, 1, 0, -1, {0}, "gbbbg", "rDDDU", 0, 3, DOWN},
        {"never seen", 1, 1, 3, 0, {0}, "ttttt", "..D..", 1, 1, NONE},
        {"overdue", 3, 1, 3, 0, {0}, "gttt", "r..D", 1, 1, UP},
        {"overdue and back", 3, 1, 3, 0, {0}, "gtttg", "r..DU", 0, 1, DOWN},
        {"silence counts on", 1, 1, 2, 0, {3}, "gtttttt", "r.D...D", 3, 2, DOWN},
        {"bad, then silent", 2, 1, 2, 0, {0}, "gbtt", "r..D", 2, 1, UP},
        {"in time", 1, 1, 3, 0, {0}, "gttgttg", "r......", -1, 0, NONE},
        {"no timeout", 1, 1, 0, 0, {0}, "tttttttt", "........", -1, 0, NONE},
    };
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
        play(&scripts[i]);
}

static const struct hsp_monitor_rules simple = {1, 1, 0, 0, NULL, 0, false};

/* One sample at `now` with the time of `time_s` seconds. */
static char give(struct hsp_monitor *monitor, enum hsp_verdict verdict, double time_s,
                 bool ordered, int64_t now_s, struct hsp_edge *edge) {
    const struct hsp_clock now = at(now_s);
    const struct hsp_sample sample = {verdict, START + (int64_t)(time_s * S), ordered};
    return letter(hsp_monitor_sample(monitor, &simple, &sample, &now, edge), edge);
}

static void test_out_of_order(void **state) {
    (void)state;
    struct hsp_monitor monitor;
    struct hsp_edge edge;
    const struct hsp_clock now = at(0);
    hsp_monitor_start(&monitor, &now);
    assert_int_equal(give(&monitor, HSP_GOOD, 1, true, 1, &edge), 'r');
    assert_int_equal(give(&monitor, HSP_BAD, 3, true, 3, &edge), 'D');
    assert_int_equal(give(&monitor, HSP_GOOD, 2, true, 3, &edge), '.');   /* late */
    assert_int_equal(give(&monitor, HSP_GOOD, 3, true, 3, &edge), '.');   /* twice */
    assert_int_equal(give(&monitor, HSP_GOOD, 3.5, true, 4, &edge), 'U'); /* newer */
    /* Where the host gives no order, as they come. */
    assert_int_equal(give(&monitor, HSP_BAD, -4000, false, 5, &edge), 'D');
    assert_int_equal(give(&monitor, HSP_GOOD, -5000, false, 5, &edge), 'U');
}

/* One value of the future must not make all others late, nor an old clock. */
static void test_clocks(void **state) {
    (void)state;
    struct hsp_monitor monitor;
    struct hsp_edge edge;
    const struct hsp_clock now = at(0);
    hsp_monitor_start(&monitor, &now);
    assert_int_equal(give(&monitor, HSP_GOOD, 90000, true, 1, &edge), 'r');
    assert_int_equal(give(&monitor, HSP_BAD, 2, true, 2, &edge), 'D');
    assert_int_equal(edge.time_s, START / S + 2);
    assert_int_equal(give(&monitor, HSP_GOOD, 3, true, 3, &edge), 'U');
    /* The clock was an hour ahead and has been set right. */
    assert_int_equal(give(&monitor, HSP_GOOD, 3600, true, 3600, &edge), '.');
    assert_int_equal(give(&monitor, HSP_BAD, 10, true, 11, &edge), 'D');
    assert_int_equal(give(&monitor, HSP_GOOD, 11, true, 12, &edge), 'U');
}

/* Events of one monitor are ordered by these times. */
static void test_times_of_edges(void **state) {
    (void)state;
    struct hsp_monitor monitor;
    struct hsp_edge edge;
    struct hsp_clock now = at(0);
    const struct hsp_monitor_rules rules = {1, 1, 5 * S, 0, NULL, 0, false};
    hsp_monitor_start(&monitor, &now);
    assert_int_equal(give(&monitor, HSP_GOOD, 1, true, 1, &edge), 'r');
    now = at(10);
    assert_int_equal(hsp_monitor_tick(&monitor, &rules, &now, &edge), HSP_SEND);
    assert_int_equal(edge.time_s, START / S + 10);
    assert_true(edge.overdue && !edge.never);
    assert_int_equal(edge.silent_us, 9 * S);
    assert_int_equal(give(&monitor, HSP_GOOD, 4, true, 11, &edge), 'U');
    assert_int_equal(edge.time_s, START / S + 10); /* not before the incident */
    assert_false(edge.overdue);
    assert_int_equal(hsp_sane_time_s(12 * S, &now), START / S + 10);
    assert_int_equal(hsp_sane_time_s(START + 400 * S, &now), START / S + 10);
    assert_int_equal(hsp_sane_time_s(START - 400 * S, &now), START / S - 400);
}

static void test_never(void **state) {
    (void)state;
    struct hsp_monitor monitor;
    struct hsp_edge edge;
    struct hsp_clock now = at(0);
    const struct hsp_monitor_rules rules = {3, 1, 5 * S, 0, NULL, 0, false};
    hsp_monitor_start(&monitor, &now);
    now = at(4);
    assert_int_equal(hsp_monitor_tick(&monitor, &rules, &now, &edge), HSP_NOTHING);
    now = at(50); /* late, and counted by the time that has passed */
    assert_int_equal(hsp_monitor_tick(&monitor, &rules, &now, &edge), HSP_SEND);
    assert_true(edge.never);
    assert_int_equal(edge.failures, 10);
}

static void test_excuse(void **state) {
    (void)state;
    struct hsp_monitor monitor;
    struct hsp_edge edge;
    struct hsp_clock now = at(0);
    const struct hsp_monitor_rules rules = {1, 1, 5 * S, 0, NULL, 0, false};
    hsp_monitor_start(&monitor, &now);
    now = at(100);
    hsp_monitor_excuse(&monitor, 97 * S, &now);
    assert_int_equal(hsp_monitor_tick(&monitor, &rules, &now, &edge), HSP_NOTHING);
    now = at(102);
    assert_int_equal(hsp_monitor_tick(&monitor, &rules, &now, &edge), HSP_SEND);
    hsp_monitor_excuse(&monitor, 1000 * S, &now); /* never into the future */
    assert_int_equal(monitor.seen_us, now.running_us);
}

/* What comes after a restart depends on what was kept. */
static void test_restart(void **state) {
    (void)state;
    static const struct {
        const char *kept;
        char on_bad, on_good;
        enum hs_state previous;
        int64_t failures, level;
    } cases[] = {
        {"NONE 0 0 0 0", 'D', 'r', NONE, 1, 1},
        {"UP 0 0 1699999000 0", 'D', '.', UP, 1, 1},
        {"DOWN 4 2 1699999000 1699999000", '.', 'U', DOWN, 0, 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hsp_monitor monitor, other;
        struct hsp_edge edge = {0};
        const struct hsp_clock now = at(0);
        char text[HSP_MONITOR_TEXT_MAX];
        hsp_monitor_start(&monitor, &now);
        assert_true(hsp_monitor_load(&monitor, cases[i].kept, &now));
        hsp_monitor_save(&monitor, text);
        assert_string_equal(text, cases[i].kept);
        other = monitor;
        assert_int_equal(give(&monitor, HSP_BAD, 1, true, 1, &edge), cases[i].on_bad);
        assert_int_equal(give(&other, HSP_GOOD, 1, true, 1, &edge), cases[i].on_good);
        if (cases[i].on_bad == '.')
            assert_int_equal(monitor.failures, 5);
    }
}

/* A repeat goes on from when it was last sent, whatever was down meanwhile. */
static void test_repeat_over_restart(void **state) {
    (void)state;
    struct hsp_monitor monitor;
    struct hsp_edge edge;
    struct hsp_clock now = at(0);
    const struct hsp_monitor_rules rules = {1, 1, 0, 100 * S, NULL, 0, false};
    hsp_monitor_start(&monitor, &now);
    assert_true(hsp_monitor_load(&monitor, "DOWN 7 2 1699999930 1699999930", &now));
    now = at(29);
    assert_int_equal(hsp_monitor_tick(&monitor, &rules, &now, &edge), HSP_NOTHING);
    now = at(30);
    assert_int_equal(hsp_monitor_tick(&monitor, &rules, &now, &edge), HSP_SEND);
    assert_int_equal(edge.level, 3);
    assert_int_equal(edge.failures, 7);
    assert_int_equal(edge.previous, DOWN);
    /* Sent in the future: counts from now. */
    assert_true(hsp_monitor_load(&monitor, "DOWN 7 2 1800000000 1800000000", &now));
    now = at(129);
    assert_int_equal(hsp_monitor_tick(&monitor, &rules, &now, &edge), HSP_NOTHING);
    now = at(130);
    assert_int_equal(hsp_monitor_tick(&monitor, &rules, &now, &edge), HSP_SEND);
    assert_int_equal(edge.time_s, START / S + 130);
}

static void test_garbage_is_not_loaded(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "UP",
        "UP 1 1 1",
        "UP 1 1 1 1 ",
        "up 0 0 0 0",
        "UP 0 0 0 -1",
        "DOWN 1 1 1 x",
        "UP  0 0 0 0",
        "DOWN 1 1 1 99999999999999999999",
    };
    const struct hsp_clock now = at(0);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct hsp_monitor monitor, before;
        memset(&monitor, 0, sizeof(monitor));
        hsp_monitor_start(&monitor, &now);
        before = monitor;
        assert_false(hsp_monitor_load(&monitor, texts[i], &now));
        assert_memory_equal(&monitor, &before, sizeof(monitor));
    }
}

/* Whatever numbers there are, it lives on. */
static void test_far_times_are_loaded(void **state) {
    (void)state;
    const struct hsp_clock now = at(0);
    struct hsp_monitor monitor;
    hsp_monitor_start(&monitor, &now);
    assert_true(hsp_monitor_load(&monitor, "DOWN 1 1 0 9007199254740992", &now));
    assert_int_equal(monitor.notified_us, now.running_us);
    assert_true(hsp_monitor_load(&monitor, "DOWN 1 1 0 0", &now));
    assert_int_equal(monitor.notified_us, now.running_us - START / S * S);
}

static void test_limits(void **state) {
    (void)state;
    static const struct {
        double min, max, value;
        bool holds;
        const char *text;
    } cases[] = {
        {200, 399, 200, true, "200"},
        {200, 399, 399, true, "399"},
        {200, 399, 503, false, "503 is above 399"},
        {200, 399, 101, false, "101 is below 200"},
        {NAN, 0.5, 0.75, false, "0.75 is above 0.5"},
        {NAN, 0.5, -1e9, true, "-1000000000"},
        {1, NAN, 0, false, "0 is below 1"},
        {1, NAN, INFINITY, true, "inf"},
        {NAN, NAN, 7, true, "7"},
        {NAN, NAN, NAN, false, "the value is not a number"},
        {1, 2, NAN, false, "the value is not a number"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct hsp_limits limits = {cases[i].min, cases[i].max};
        char text[64];
        assert_int_equal(hsp_limits_hold(&limits, cases[i].value), cases[i].holds);
        hsp_limits_explain(&limits, cases[i].value, text, sizeof(text));
        assert_string_equal(text, cases[i].text);
    }
}

static void test_clock(void **state) {
    (void)state;
    const struct hsp_clock first = hsp_clock_now();
    const struct hsp_clock second = hsp_clock_now();
    assert_true(first.wall_us > START);
    assert_true(second.running_us >= first.running_us);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_out_of_order),
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_times_of_edges),
        cmocka_unit_test(test_never),
        cmocka_unit_test(test_excuse),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_repeat_over_restart),
        cmocka_unit_test(test_garbage_is_not_loaded),
        cmocka_unit_test(test_far_times_are_loaded),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
