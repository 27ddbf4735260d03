/* SPDX-License-Identifier: MIT */
/* Values of one item, in order and out of it: whatever the order, incidents and
 * recoveries alternate and end where the values in order end; with one failure and one
 * success they are those of the values in order. */
#include "config.h"

#include "track.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND_NS INT64_C(1000000000)
#define BEGIN_NS (INT64_C(1700000000) * SECOND_NS)
#define VALUES 400

static struct hsp_monitor_rules rules;
static struct hsp_clock now;
static struct hsp_track track;
static char told[4 * VALUES];
static int64_t last_sequence, last_time_s;

static void begin(int64_t failures, int64_t successes) {
    rules = (struct hsp_monitor_rules){.failures = failures, .successes = successes};
    now = (struct hsp_clock){BEGIN_NS / 1000 + INT64_C(3600000000), 5000000};
    hsp_track_start(&track, &now);
    told[0] = '\0';
    last_sequence = last_time_s = 0;
}

/* 'D' or 'U' a step; each edge is held against those before. */
static void note(const struct hsp_track_result *result) {
    for (size_t i = 0; i < result->count; i++) {
        const struct hsp_track_edge *edge = &result->edges[i];
        const bool is_down = edge->edge.state == HS_STATE_DOWN;
        const size_t length = strlen(told);
        assert_int_equal(edge->edge.kind, is_down ? HS_KIND_INCIDENT : HS_KIND_RECOVERY);
        assert_true(edge->sequence == last_sequence + 1);
        assert_true(edge->edge.time_s >= last_time_s);
        if (length > 0)
            assert_int_equal(edge->edge.previous,
                             told[length - 1] == 'D' ? HS_STATE_DOWN : HS_STATE_UP);
        last_sequence = edge->sequence;
        last_time_s = edge->edge.time_s;
        told[length] = is_down ? 'D' : 'U';
        told[length + 1] = '\0';
    }
}

static bool add(int64_t time_ns, bool bad) {
    const struct hsp_point point = {BEGIN_NS + time_ns, bad};
    struct hsp_track_result result;
    hsp_track_add(&track, &rules, &point, &now, &result);
    note(&result);
    return result.taken;
}

/* "UDU": one value a second, in the order that is given; "U3 D1" at other times. */
static void add_all(const char *values) {
    for (int64_t at = 1; *values != '\0'; at++) {
        const bool bad = *values++ == 'D';
        if (*values >= '0' && *values <= '9')
            at = strtol(values, (char **)&values, 10);
        values += *values == ' ';
        add(at * SECOND_NS, bad);
    }
}

static void test_order(void **state) {
    static const struct {
        int64_t failures, successes;
        const char *values, *edges;
    } cases[] = {
        /* In order. */
        {1, 1, "UUU", ""},
        {1, 1, "D", "D"},
        {1, 1, "UDDU", "DU"},
        {2, 1, "UDUDDU", "DU"},
        {1, 2, "DUDUU", "DU"},
        /* One too late. */
        {1, 1, "U1 U3 D2", "DU"},
        {1, 1, "U1 D3 U2", "D"},
        {1, 1, "D1 D3 U2", "DUD"},
        {1, 1, "U1 D3 D2", "D"},
        {1, 1, "U1 D3 D2 U4", "DU"},
        {1, 1, "D1 D4 U5 U2", "DUDU"},
        {1, 1, "U2 D1", "DU"},
        {2, 1, "U1 D2 U4 D3", "DU"},
        {3, 1, "U1 D2 D4 D3", "D"},
        {1, 2, "D1 U2 U4 U3", "DU"},
        /* What was told cannot be taken back: it is ended. */
        {2, 1, "U1 D2 D4 U3", "DU"},
        {2, 1, "U1 D2 D4 U3 D5", "DUD"},
        {1, 2, "D1 U2 U4 D3", "DUD"},
        /* Twice the same time: the first counts. */
        {1, 1, "U1 D1 U2", ""},
        {1, 1, "U1 U3 D3 U4", ""},
        {1, 1, "U1 U3 U2 D2", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(cases[i].failures, cases[i].successes);
        add_all(cases[i].values);
        if (strcmp(told, cases[i].edges) != 0)
            fail_msg("'%s' gave '%s', not '%s'", cases[i].values, told, cases[i].edges);
    }
}

/* Other rules change nothing by themselves: a late value is not counted by them together
 * with those of before. */
static void test_other_rules(void **state) {
    (void)state;
    begin(1, 1);
    add_all("U1 D20");
    rules.failures = 5;
    assert_false(add(10 * SECOND_NS, true));
    assert_string_equal(told, "D");
    add_all("D30 U28 U40 D41 D42 D43 D45");
    assert_string_equal(told, "DU");
    add_all("D44");
    assert_string_equal(told, "DUD");
}

/* A nanosecond apart is apart. */
static void test_nanoseconds(void **state) {
    (void)state;
    begin(1, 1);
    for (int i = 0; i < 10; i++)
        add(i, i % 2 == 1);
    assert_string_equal(told, "DUDUDUDUD");
}

/* Values in a random order, none more than `depth` places from its own. */
static void shuffle(int order[VALUES], int depth) {
    int keys[VALUES];
    for (int i = 0; i < VALUES; i++)
        keys[i] = i * 16 + rand() % (depth * 16);
    for (int i = 0; i < VALUES; i++) {
        int at = i;
        for (; at > 0 && keys[order[at - 1]] > keys[i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

static void test_shuffled(void **state) {
    (void)state;
    for (int seed = 0; seed < 300; seed++) {
        char expected[4 * VALUES];
        bool bad[VALUES];
        int order[VALUES] = {0};
        const int64_t failures = seed % 3 == 0 ? 1 + seed / 3 % 4 : 1;
        const int64_t successes = seed % 5 == 0 ? 1 + seed / 5 % 3 : 1;
        srand((unsigned)seed);
        for (int i = 0; i < VALUES; i++)
            bad[i] = i > 0 && rand() % 3 == 0;
        begin(failures, successes);
        for (int i = 0; i < VALUES; i++)
            add(i * 1000, bad[i]);
        strcpy(expected, told);
        const enum hs_state end = track.monitor.state;
        const int64_t in_a_row = track.monitor.failures;
        shuffle(order, 1 + seed % 12);
        begin(failures, successes);
        for (int i = 0; i < VALUES; i++)
            assert_true(add(order[i] * 1000, bad[order[i]]));
        assert_int_equal(track.monitor.state, end);
        if (end == HS_STATE_UP)
            assert_true(track.monitor.failures == in_a_row);
        for (size_t i = 1; told[i] != '\0'; i++)
            assert_true(told[i] != told[i - 1]);
        if (failures == 1 && successes == 1)
            assert_string_equal(told, expected);
    }
}

/* Too old to be put in its place. */
static void test_too_old(void **state) {
    (void)state;
    begin(1, 1);
    for (int i = 1; i <= HSP_TRACK_POINTS + 5; i++)
        assert_true(add(i * 10, false));
    assert_false(add(45, true));
    assert_false(add(50, true));
    assert_true(add(75, true));
    assert_string_equal(told, "DU");
}

/* Further incidents are told at each mark, and a late value does not tell them again. */
static void test_marks(void **state) {
    static const int64_t marks[] = {3, 5};
    (void)state;
    begin(2, 1);
    rules.notify_at = marks;
    rules.notify_at_count = 2;
    add_all("UDDDDDD");
    assert_string_equal(told, "DDD");
    assert_int_equal(track.monitor.level, 3);
    add(7 * SECOND_NS + 5, false);
    assert_string_equal(told, "DDDU");
    begin(1, 1);
    rules.notify_at = marks;
    rules.notify_at_count = 2;
    add_all("D1 D2 D4");
    assert_string_equal(told, "DD");
    add_all("D3");
    assert_string_equal(told, "DD");
    add_all("D5");
    assert_string_equal(told, "DDD");
    /* A mark that is found to have been reached after all is over. */
    begin(1, 1);
    rules.notify_at = marks;
    rules.notify_at_count = 2;
    add_all("D1 D2 U4 D3");
    assert_string_equal(told, "DU");
}

static void test_repeat(void **state) {
    struct hsp_track_result result;
    (void)state;
    begin(1, 1);
    rules.repeat_us = 60000000;
    add_all("UD");
    for (int i = 0; i < 5; i++) {
        now.running_us += 30000000;
        now.wall_us += 30000000;
        hsp_track_tick(&track, &rules, &now, &result);
        note(&result);
    }
    assert_string_equal(told, "DDD");
    assert_int_equal(track.monitor.level, 3);
    /* A late value that changes nothing leaves the count of incidents alone. */
    assert_true(add(SECOND_NS + 5, false));
    assert_int_equal(track.monitor.level, 3);
    add(3600 * SECOND_NS, false);
    assert_string_equal(told, "DDDU");
}

/* A value of the future counts as of now, and later ones after it. */
static void test_future(void **state) {
    (void)state;
    begin(1, 1);
    add(7200 * SECOND_NS, true);
    now.wall_us += 10;
    add(7200 * SECOND_NS + 1, false);
    assert_string_equal(told, "DU");
    assert_true(hsp_track_last_ns(&track) <= now.wall_us * 1000);
    /* The clock was wrong, and is set back. */
    last_time_s = 0;
    now.wall_us -= 1800 * INT64_C(1000000);
    assert_true(add(1700 * SECOND_NS, true));
    assert_string_equal(told, "DUD");
}

static void test_keeping(void **state) {
    char text[HSP_TRACK_TEXT_MAX], again[HSP_TRACK_TEXT_MAX];
    struct hsp_track loaded;
    static const char *const wrong[] = {
        "",
        ";",
        "UP 0 0 0 0",
        "UP 0 0 0 0;",
        "UP 0 0 0 0;0 0",
        "UP 0 0 0 0;0 0 0 ",
        "x",
        "UP 0 0 0;0 0 0",
        "UP 0 0 0 0;0 0 -1",
    };
    (void)state;
    begin(3, 2);
    add_all("UDDDU");
    hsp_track_save(&track, text);
    hsp_track_start(&loaded, &now);
    assert_true(hsp_track_load(&loaded, text, &now));
    hsp_track_save(&loaded, again);
    assert_string_equal(text, again);
    /* It goes on as if nothing had been; what was counted before does not count again. */
    track = loaded;
    assert_false(add(5 * SECOND_NS, false));
    assert_string_equal(told, "D");
    assert_true(add(6 * SECOND_NS, false));
    assert_string_equal(told, "DU");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(hsp_track_load(&loaded, wrong[i], &now));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),       cmocka_unit_test(test_other_rules),
        cmocka_unit_test(test_nanoseconds), cmocka_unit_test(test_shuffled),
        cmocka_unit_test(test_too_old),     cmocka_unit_test(test_marks),
        cmocka_unit_test(test_repeat),      cmocka_unit_test(test_future),
        cmocka_unit_test(test_keeping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
