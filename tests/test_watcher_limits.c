/* SPDX-License-Identifier: MIT */
/* collectd's notifications, without collectd; and where the watcher comes to its limits:
 * of time, of room, of memory. */
#include "config.h"

#include "alloc_fail.h"
#include "others.h"
#include "scratch.h"
#include "watcher_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Notifications */

static void test_notes(void **state) {
    (void)state;
    const struct option options[] = {
        {"Plugin", "noted", 0}, {"Source", "notifications", 0}, {NULL, NULL, 0}};
    add_monitor("noted", options);
    settings.notifications = true;
    start();
    assert_int_equal(note("web1", "noted", HSP_OKAY), 0);
    assert_true(note("web1", "noted", HSP_WARNING) > 0);
    assert_true(note("web1", "noted", HSP_OKAY) > 0);
    assert_string_equal(told(), " noted@web1 UP 1; recovery noted@web1 DOWN 0;");
    assert_int_equal(note("web1", "else", HSP_OKAY), 0);
    assert_true(note("web1", "else", HSP_FAILURE) > 0);
    restart();
    assert_int_equal(note("web1", "else", HSP_FAILURE), 0);
    assert_true(note("web1", "else", HSP_OKAY) > 0);
    assert_int_equal(note("web1", "else", HSP_OKAY), 0);
}

/* collectd says goodbye to us while its sockets still take notifications. */
static void test_notes_after_the_stop(void **state) {
    (void)state;
    bool kept = false;
    settings.notifications = true;
    start();
    assert_int_equal(hsp_watcher_stop(watcher, 1000, &kept), 0);
    const uint64_t ticket = note("", "p", HSP_FAILURE);
    assert_true(ticket > 0);
    assert_true(hsp_outbox_wait(hsp_watcher_outbox(watcher), ticket, 20000));
    assert_non_null(strstr(told(), " 1;"));
    hsp_watcher_close(watcher);
    watcher = NULL;
}

/* Beyond the limit of series nothing of them is remembered, on disk either. */
static void test_series_beyond_the_limit(void **state) {
    (void)state;
    struct hsp_others others = {.min_severity = HSP_WARNING,
                                .warning_is = HS_STATE_DOWN,
                                .lock = PTHREAD_MUTEX_INITIALIZER};
    const struct hsp_note one = {.series = {{"web1", "p", "", "t", ""}},
                                 .severity = HSP_FAILURE,
                                 .time_us = wall_us(),
                                 .message = "m"};
    const struct hsp_clock now = hsp_clock_now();
    uint64_t ticket = 0;
    start();
    others.outbox = hsp_watcher_outbox(watcher);
    assert_true(hsp_table_put(&others.down, "another", &others));
    others.down.count = HSP_OTHERS_MAX;
    assert_int_equal(hsp_others_note(&others, &one, &now, &ticket, NULL), HS_OK);
    assert_true(ticket > 0);
    assert_true(strlen(told()) > 0);
    others.down.count = 1;
    hsp_table_free(&others.down, NULL);
    stop();
    settings.notifications = true;
    assert_int_equal(open_watcher(NULL), HS_OK);
    assert_null(hsp_outbox_state(hsp_watcher_outbox(watcher), "series web1/p/t"));
    hsp_watcher_close(watcher);
    watcher = NULL;
}

/* Nobody is told twenty times a second that the line is full. */
static void test_full_is_told_now_and_then(void **state) {
    (void)state;
    const struct option options[] = {
        {"Plugin", "exec", 0}, {"Timeout", NULL, 0.1}, {NULL, NULL, 0}};
    add_monitor("quick", options);
    settings.notifications = true;
    assert_int_equal(rmdir(scratch_path("spool")), 0);
    start();
    for (int i = 0; i < HSP_OUTBOX_MAX + 10; i++)
        note("web1", "p", HSP_FAILURE);
    for (int i = 0; i < 1000 && count_log("could not be queued") == 0; i++)
        usleep(20000);
    for (int i = 0; i < 20; i++) {
        note("web1", "p", HSP_FAILURE);
        usleep(50000);
    }
    assert_int_equal(count_log("could not be queued"), 1);
    assert_int_equal(mkdir(scratch_path("spool"), 0755), 0);
    stop();
}

/* Memory */

static enum hs_status open_and_close(void *context, struct hs_error *err) {
    (void)context;
    const enum hs_status status = open_watcher(err);
    if (status == HS_OK)
        hsp_watcher_close(watcher);
    watcher = NULL;
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    add_with_feeds();
    add_plain("plain");
    alloc_fail_each(open_and_close, NULL);
}

static enum hs_status read_block(void *context, struct hs_error *err) {
    static const struct hsp_option_value label = {.text = "m"}, part = {.text = "/a.*/"},
                                         feed = {.text = "a-b/c-d"},
                                         mark = {.type = HSP_OPTION_NUMBER, .number = 3};
    static const struct hsp_option children[] = {{"Host", &part, 1, NULL, 0},
                                                 {"ResponseTime", &feed, 1, NULL, 0},
                                                 {"NotifyAt", &mark, 1, NULL, 0},
                                                 {"Name", &feed, 1, NULL, 0}};
    static const struct hsp_option inside[] = {{"Monitor", &label, 1, children, 4},
                                               {"Region", &label, 1, NULL, 0}};
    static const struct hsp_option block = {"Plugin", NULL, 0, inside, 2};
    (void)context;
    hsp_settings_free(&settings);
    return hsp_settings_read(&settings, &block, complain, err);
}

static void test_settings_out_of_memory(void **state) {
    (void)state;
    alloc_fail_each(read_block, NULL);
    assert_int_equal(settings.watch_count, 1);
    assert_string_equal(log_text, "");
}

/* Of memory that ends while it runs: a value is decided again with the next one. */
static void test_out_of_memory_later(void **state) {
    (void)state;
    state_path = NULL; /* the other thread needs no memory until there is an event */
    add_plain("plain");
    start();
    value("web1", 1);
    assert_string_equal(told(), "");
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        alloc_fail_at(n);
        value("web1", 11);
        failed = alloc_fail_stop();
        assert_true(n < 1000);
        if (!failed)
            break;
    }
    value("web1", 12);
    const char *text = told();
    assert_non_null(strstr(text, " plain@web1 UP "));
    assert_null(strchr(strchr(text, ';') + 1, ';'));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_notes),
        TEST(test_notes_after_the_stop),
        TEST(test_series_beyond_the_limit),
        TEST(test_full_is_told_now_and_then),
        TEST(test_out_of_memory),
        TEST(test_settings_out_of_memory),
        TEST(test_out_of_memory_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
