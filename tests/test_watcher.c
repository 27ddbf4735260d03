/* SPDX-License-Identifier: MIT */
/* collectd's values, without collectd: which Monitor hears of them, what comes of it,
 * what is known after a restart. */
#include "config.h"

#include "scratch.h"
#include "watcher_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DAY_S INT64_C(86400)

/* Values */

static void test_values(void **state) {
    (void)state;
    const struct option options[] = {
        {"Host", "web1", 0},      {"Plugin", "exec", 0},    {"Type", "gauge", 0},
        {"FailureMax", NULL, 10}, {"Failures", NULL, 2},    {"Timeout", NULL, 0},
        {"Id", "id-%{host}", 0},  {"URL", "https://x/", 0}, {NULL, NULL, 0},
    };
    add_monitor("one", options);
    start();
    const struct hsp_series other = {{"web2", "exec", "", "gauge", ""}};
    assert_false(hsp_watcher_wants(watcher, &other));
    value("web1", 11);
    value("web1", 1);
    assert_string_equal(told(), "");
    value("web1", 11);
    value("web1", NAN);
    value("web1", 10);
    assert_string_equal(told(), " id-web1 UP 2; recovery id-web1 DOWN 0;");
    assert_string_equal(log_text, "");
}

static void test_response_time(void **state) {
    (void)state;
    add_with_feeds();
    start();
    send_value("web1", "delay", 0.25, wall_us());
    value("web1", 11);
    assert_string_equal(told(), " fed@web1 1 250 11;");
}

/* A sibling whose clock is an hour ahead, and then right again. */
static void test_response_time_of_the_future(void **state) {
    (void)state;
    add_with_feeds();
    start();
    send_value("web1", "delay", 0.1, wall_us() + 3600 * SECOND_US);
    value("web1", 1);
    send_value("web1", "delay", 0.2, wall_us());
    value("web1", 11);
    assert_string_equal(told(), " fed@web1 UP 1 200 11;");
}

/* It is never there: null, and the event is not kept back for long. */
static void test_response_time_is_missing(void **state) {
    (void)state;
    add_with_feeds();
    start();
    const int64_t began_us = wall_us();
    value("web1", 11);
    assert_string_equal(told(), " fed@web1 1 11;");
    assert_true(wall_us() - began_us < 2 * SECOND_US);
}

/* Restarts */

static void test_over_a_restart(void **state) {
    (void)state;
    add_plain("plain");
    start();
    value("web1", 1);
    value("web2", 11);
    restart();
    value("web1", 1);
    value("web2", 12);
    assert_string_equal(told(), " plain@web2 1;");
    value("web1", 12);
    value("web2", 1);
    assert_string_equal(told(),
                        " plain@web2 1; plain@web1 UP 1; recovery plain@web2 DOWN 0;");
}

/* Whatever a Monitor and its host are called. */
static void test_names_over_a_restart(void **state) {
    (void)state;
    char label[1001], host[128];
    memset(label, 'm', sizeof(label) - 1);
    memset(host, 'h', sizeof(host) - 1);
    label[sizeof(label) - 1] = host[sizeof(host) - 1] = '\0';
    const char *const cases[][2] = {
        {label, host},
        {"tab\there", "web1"},
        {"plain", "tab\there\t"},
        {"\xff\xfe", "\xe2\x82"},
        {"r\xc3\xa9seau \xe2\x86\x92", "h\xc3\xb4te"},
        {" ", " "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        add_plain(cases[i][0]);
        start();
        value(cases[i][1], 11);
        restart();
        value(cases[i][1], 12);
        value(cases[i][1], 1);
        const char *text = told();
        assert_non_null(strstr(text, "; recovery "));
        assert_int_equal(strncmp(strchr(text, ';') + 1, " recovery ", 10), 0);
        assert_null(strchr(strchr(strchr(text, ';') + 1, ';') + 1, ';'));
        assert_int_equal(teardown(NULL), 0);
        assert_int_equal(setup(NULL), 0);
    }
}

/* A mistake in the configuration must not cost a recovery: what is DOWN is remembered
 * while its Monitor is not there, for a month. */
static void test_left_out_for_a_while(void **state) {
    (void)state;
    add_plain("plain");
    start();
    value("web1", 11);
    value("web2", 1);
    stop();
    hsp_settings_free(&settings);
    add_plain("other");
    start();
    value("web1", 1);
    value("web2", 1);
    stop();
    hsp_settings_free(&settings);
    add_plain("plain");
    start();
    value("web1", 1);
    value("web2", 1);
    assert_string_equal(told(), " plain@web1 1; recovery plain@web1 DOWN 0;");
}

static void keep(const char *key, const char *text) {
    struct hsp_outbox *box = NULL;
    const struct hsp_outbox_options options = {.config = config,
                                               .state_path = state_path};
    const struct hsp_outgoing outgoing = {.key = key, .value = text};
    bool kept = false;
    assert_int_equal(hsp_outbox_open(&box, &options, NULL), HS_OK);
    assert_int_equal(hsp_outbox_start(box, NULL), HS_OK);
    assert_int_equal(hsp_outbox_add(box, &outgoing, NULL, NULL), HS_OK);
    assert_int_equal(hsp_outbox_stop(box, 1000, &kept), 0);
    assert_true(kept);
    hsp_outbox_close(box);
}

static void test_gone_for_long(void **state) {
    (void)state;
    const int64_t now_s = wall_us() / SECOND_US;
    const struct {
        const char *key;
        const char *word;
        int64_t age_s;
        bool stays;
    } cases[] = {
        {"monitor gone\tweb1", "DOWN", 29 * DAY_S, true},
        {"monitor gone\tweb1", "DOWN", 31 * DAY_S, false},
        {"monitor gone\tweb1", "DOWN", -DAY_S, true}, /* a clock that was wrong */
        {"monitor gone\tweb1", "UP", 0, false},
        {"monitor gone\tweb1", "nonsense", 0, false},
        {"nonsense", "DOWN", 0, false},
        {"series web1/exec/gauge", "DOWN", 29 * DAY_S, true},
        {"series web1/exec/gauge", "DOWN", 31 * DAY_S, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[128];
        const long long at = (long long)(now_s - cases[i].age_s);
        snprintf(text, sizeof(text), "%s 1 1 %lld %lld", cases[i].word, at, at);
        keep(cases[i].key, text);
        start();
        stop();
        assert_int_equal(open_watcher(NULL), HS_OK);
        const char *found = hsp_outbox_state(hsp_watcher_outbox(watcher), cases[i].key);
        if ((found != NULL) != cases[i].stays)
            fail_msg("case %zu: %s", i, found == NULL ? "gone" : found);
        hsp_watcher_close(watcher);
        watcher = NULL;
        assert_int_equal(teardown(NULL), 0);
        assert_int_equal(setup(NULL), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_values),
        TEST(test_response_time),
        TEST(test_response_time_of_the_future),
        TEST(test_response_time_is_missing),
        TEST(test_over_a_restart),
        TEST(test_names_over_a_restart),
        TEST(test_left_out_for_a_while),
        TEST(test_gone_for_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
