/* SPDX-License-Identifier: MIT */
/* The module's work in Zabbix's history syncers: several processes on one board, killed
 * at any step, restarted, with a spool or a state file that fails. */
#include "config.h"

#include "alloc_fail.h"
#include "scratch.h"
#include "zabbix_rig.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Statuses
 * ------------------------------------------------------------------------------------ */

static void test_edges(void **state) {
    (void)state;
    rig_map("up >0\nname API\nid api\nurl https://example.com/\n", 1);
    rig_start();
    feed(1, 1);
    assert_int_equal(rig_read(), 0);
    feed(1, 0);
    feed(1, 0);
    feed(1, 1);
    assert_int_equal(rig_read(), 2);
    assert_string_equal(rig_edges(1), "DU");
    const struct rig_event *down = rig_event(0);
    static const char *const parts[] = {
        "\"monitor\":{\"id\":\"api\",\"name\":\"API\",\"url\":\"https://example.com/\","
        "\"status\":\"DOWN\"}",
        "\"error_message\":\"0 is not above 0\"",
        "\"consecutive_failures\":1,\"previous_status\":\"UP\"",
        "\"response_time_ms\":null,\"status_code\":null",
        "\"notification_level\":1,\"notification_type\":\"incident\"",
    };
    for (size_t i = 0; i < COUNT(parts); i++)
        if (strstr(down->body, parts[i]) == NULL)
            fail_msg("no %s in %s", parts[i], down->body);
    assert_non_null(strstr(down->details, "\"item_id\":\"1\""));
    assert_non_null(strstr(down->details, "\"value\":\"0\""));
    assert_non_null(strstr(rig_event(1)->body, "\"notification_type\":\"recovery\""));
}

/* A first value that is bad is an incident. */
static void test_first_is_bad(void **state) {
    (void)state;
    rig_map("up >0\n", 1);
    rig_start();
    feed(1, 0);
    assert_int_equal(rig_read(), 1);
    assert_string_equal(rig_edges(1), "D");
    assert_non_null(strstr(rig_event(0)->body, "\"previous_status\":null"));
}

/* What no file is written for. */
static void test_no_edges(void **state) {
    struct stat before, after;
    (void)state;
    rig_map("up >0\n", 2);
    rig_start();
    feed(77, 0);
    feed_text(78, "x");
    assert_int_equal(access(scratch_path("dir/module.state"), F_OK), -1);
    feed(1, 1);
    assert_int_equal(stat(scratch_path("dir/module.state"), &before), 0);
    for (int i = 0; i < 100; i++)
        feed(1, 1);
    assert_int_equal(stat(scratch_path("dir/module.state"), &after), 0);
    assert_int_equal(before.st_size, after.st_size);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

static void test_texts_and_extras(void **state) {
    (void)state;
    rig_map("up ~OK\nresponse_time 50\nstatus_code 51\n", 1);
    rig_start();
    feed_text(1, "all OK");
    feed(50, 0.25);
    feed_text(51, "503");
    feed_text(1, "a \"bad\"\nday");
    feed(50, NAN);
    feed_text(1, "OK");
    rig_read();
    assert_string_equal(rig_edges(1), "DU");
    const char *down = rig_event(0)->body;
    assert_non_null(strstr(down, "\"response_time_ms\":250,\"status_code\":503"));
    assert_non_null(
        strstr(down, "\"error_message\":\"a \\\"bad\\\"\\nday does not match OK\""));
    assert_non_null(strstr(rig_event(1)->body, "\"response_time_ms\":null"));
}

/* All values of a batch in one file. */
static void test_one_file(void **state) {
    (void)state;
    rig_map("up >0\n", 1000);
    rig_start();
    feed_all(1000, 1);
    feed_all(1000, 0);
    assert_int_equal(scratch_count(scratch_path("spool/incoming"), NULL), 1);
    assert_int_equal(rig_read(), 1000);
}

static void test_repeat(void **state) {
    (void)state;
    rig_map("up >0\nrepeat 1s\n", 1);
    rig_start();
    feed(1, 1);
    feed(1, 0);
    for (int i = 0; i < 400 && rig_read() < 3; i++) {
        usleep(50000);
        hsp_syncer_attend(&rig_syncer);
    }
    assert_string_equal(rig_edges(1), "DDD");
    assert_non_null(strstr(rig_event(2)->body, "\"notification_level\":3"));
    assert_non_null(strstr(rig_event(2)->body, "\"error_message\":\"0 is not above 0\""));
    assert_non_null(strstr(rig_event(2)->body, "\"previous_status\":\"DOWN\""));
}

/* Four processes
 * ------------------------------------------------------------------------------------ */

#define PROCESSES 4
#define ITEMS 100
#define ROUNDS 80

/* Each process has every fourth batch. Short pauses in the one or the other bring them
 * out of order. */
static void run_share(int process, const bool *bad) {
    srand((unsigned)process);
    for (int round = process; round < ROUNDS; round += PROCESSES) {
        if (rand() % 4 == 0)
            usleep((useconds_t)(rand() % 2000));
        hsp_syncer_begin(&rig_syncer);
        for (int item = 0; item < ITEMS; item++)
            feed_at((uint64_t)item + 1, INT64_C(1000000000) + round,
                    bad[round * ITEMS + item] ? 0 : 1);
        hsp_syncer_end(&rig_syncer);
    }
}

static const char *expected_edges(const bool *bad, int item) {
    static char edges[ROUNDS + 1];
    size_t length = 0;
    bool was_bad = false;
    for (int round = 0; round < ROUNDS; round++) {
        const bool is_bad = bad[round * ITEMS + item];
        if (is_bad != was_bad)
            edges[length++] = is_bad ? 'D' : 'U';
        was_bad = is_bad;
    }
    edges[length] = '\0';
    return edges;
}

static void run_four(const bool *bad, int killed) {
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = rig_fork();
        if (children[i] == 0) {
            run_share(i, bad);
            _exit(0);
        }
    }
    if (killed > 0) {
        usleep((useconds_t)killed);
        kill(children[0], SIGKILL);
    }
    for (int i = killed > 0; i < PROCESSES; i++)
        rig_await(children[i], 0);
    if (killed > 0)
        waitpid(children[0], NULL, 0);
}

static void test_four_processes(void **state) {
    static bool bad[ROUNDS * ITEMS];
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        bad[i] = rand() % 2 == 0;
    rig_map("up >0\n", ITEMS);
    rig_start();
    feed_all(ITEMS, 1);
    run_four(bad, 0);
    rig_attend();
    rig_read();
    for (int item = 0; item < ITEMS; item++)
        assert_string_equal(rig_edges((uint64_t)item + 1), expected_edges(bad, item));
    assert_true(atomic_load(&rig_syncer.board->counts[HSP_BOARD_IGNORED]) == 0);
    rig_stop();
}

/* One of them is killed while it works: nobody waits for it, incidents and recoveries
 * alternate, and each item's next value is what it is. */
static void test_one_is_killed(void **state) {
    static bool bad[ROUNDS * ITEMS];
    (void)state;
    for (int turn = 0; turn < 12; turn++) {
        for (size_t i = 0; i < COUNT(bad); i++)
            bad[i] = rand() % 2 == 0;
        rig_map("up >0\n", ITEMS);
        rig_start();
        run_four(bad, 300 + turn * 700);
        hsp_syncer_begin(&rig_syncer);
        for (int item = 1; item <= ITEMS; item++)
            feed_at((uint64_t)item, INT64_C(2000000000) + turn * INT64_C(1000000000),
                    item % 2);
        hsp_syncer_end(&rig_syncer);
        rig_attend();
        rig_read();
        for (int item = 1; item <= ITEMS; item++) {
            const char *edges = rig_edges((uint64_t)item);
            for (size_t i = 1; i < strlen(edges); i++)
                assert_true(edges[i] != edges[i - 1]);
            assert_true(*edges == '\0' ||
                        edges[strlen(edges) - 1] == (item % 2 != 0 ? 'U' : 'D'));
        }
        rig_stop();
        rig_clear();
    }
}

/* It died with the lock, in the middle of a change that was written down. */
static void test_change_is_made_again(void **state) {
    (void)state;
    rig_map("up >0\n", 1);
    rig_start();
    feed(1, 1);
    struct hsp_board *board = rig_syncer.board;
    const uint64_t tail = atomic_load(&board->tail);
    const pid_t child = rig_fork();
    if (child == 0) {
        hsp_board_lock(board);
        struct hsp_board_item *item = hsp_board_find(board, 1);
        board->redo.item = *item;
        board->redo.item.track.sequence = 4711;
        board->redo.index = 0;
        board->redo.tail = tail;
        atomic_store(&board->redo.pending, 1);
        memset(&item->track, 0x55, sizeof(item->track) / 2);
        raise(SIGKILL);
    }
    rig_await(child, SIGKILL);
    hsp_board_lock(board);
    assert_true(hsp_board_find(board, 1)->track.sequence == 4711);
    assert_int_equal(hsp_board_find(board, 1)->track.monitor.state, HS_STATE_UP);
    hsp_board_unlock(board);
    feed(1, 0);
    rig_read();
    assert_string_equal(rig_edges(1), "D");
}

/* Restarts
 * ------------------------------------------------------------------------------------ */

/* Counts go on, nothing is told twice. */
static void test_restart(void **state) {
    (void)state;
    rig_map("up >0\nfailures 3\nsuccesses 2\nnotify_at 5\n", 1);
    static const int values[] = {1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 1, 1};
    for (size_t i = 0; i < COUNT(values); i++) {
        rig_start();
        feed(1, values[i]);
        rig_stop();
    }
    rig_read();
    assert_string_equal(rig_edges(1), "DDUDU");
    assert_int_equal(rig_logged("hookspool: /"), COUNT(values)); /* the map, each time */
    assert_int_equal(rig_logged("put again"), 0);
}

/* What is in the spool is not put again after a kill, but for the last second's. */
static void test_done(void **state) {
    (void)state;
    rig_map("up >0\n", 10);
    rig_start();
    feed_all(10, 0);
    for (int i = 0; i < 400 && atomic_load(&rig_syncer.board->file.done) > 0; i++) {
        usleep(50000);
        hsp_syncer_attend(&rig_syncer);
    }
    feed_all(10, 1);
    rig_kill();
    rig_start();
    feed_all(10, 1);
    assert_int_equal(rig_logged("hookspool: 10 events of before are put again"), 1);
    rig_stop();
    rig_start();
    feed_all(10, 1);
    rig_stop();
    assert_int_equal(rig_logged("put again"), 1);
    assert_int_equal(rig_read(), 20);
}

#ifdef HSP_CRASH_POINTS

static void test_killed_server(void **state) {
    static const char *const points[] = {
        "module-keep", "module-kept", "module-put",  "put-created",
        "put-written", "put-synced",  "put-renamed",
    };
    (void)state;
    rig_map("up >0\n", 50);
    for (size_t i = 0; i < COUNT(points); i++) {
        rig_start();
        feed_all(50, 1);
        rig_kill();
        const pid_t child = rig_fork();
        if (child == 0) {
            rig_start();
            setenv("HOOKSPOOL_CRASH", points[i], 1);
            feed_all(50, 0);
            _exit(1);
        }
        rig_await(child, SIGKILL);
        rig_start();
        feed_all(0, 0); /* the child's values have had this time */
        feed_all(50, 1);
        feed_all(50, 0);
        feed_all(50, 1);
        rig_attend();
        rig_kill();
    }
    rig_read();
    for (uint64_t item = 1; item <= 50; item++) {
        const char *edges = rig_edges(item);
        for (size_t i = 0; i < strlen(edges); i++)
            assert_int_equal(edges[i], i % 2 == 0 ? 'D' : 'U');
        /* Of the first kill nobody knows that there was an edge. */
        assert_int_equal(strlen(edges), 4 * COUNT(points) - 2);
    }
}

/* The others go on where one was killed in the middle of its work on the disk. */
static void test_killed_at_work(void **state) {
    static const char *const points[] = {
        "module-keep", "module-kept", "module-put",  "put-created",
        "put-written", "put-synced",  "put-renamed",
    };
    (void)state;
    rig_map("up >0\n", 50);
    rig_start();
    feed_all(50, 1);
    for (size_t i = 0; i < COUNT(points); i++) {
        const pid_t child = rig_fork();
        if (child == 0) {
            setenv("HOOKSPOOL_CRASH", points[i], 1);
            feed_all(50, 0);
            _exit(1);
        }
        rig_await(child, SIGKILL);
        feed_all(0, 0); /* the child's values have had this time */
        feed_all(50, 1);
        rig_attend();
    }
    rig_read();
    for (uint64_t item = 1; item <= 50; item++)
        assert_string_equal(rig_edges(item), "DUDUDUDUDUDUDU");
}

#endif

/* Disks
 * ------------------------------------------------------------------------------------ */

static void test_no_spool(void **state) {
    (void)state;
    rig_map("up >0\n", 10);
    assert_int_equal(rename(scratch_path("spool"), scratch_path("away")), 0);
    rig_start();
    for (int i = 0; i < 40; i++)
        feed_all(10, i % 2);
    assert_int_equal(rig_logged("run `hookspool init`; 10 events wait"), 1);
    assert_int_equal(rig_logged("events wait"), 1);
    assert_int_equal(atomic_load(&rig_syncer.board->counts[HSP_BOARD_WAITING]), 400);
    rig_kill(); /* all is in the state file */
    rig_start();
    feed_all(10, 0);
    assert_int_equal(rig_logged("400 events of before are put again"), 1);
    assert_int_equal(rename(scratch_path("away"), scratch_path("spool")), 0);
    rig_attend();
    assert_int_equal(rig_logged("the spool takes events again"), 1);
    assert_int_equal(rig_read(), 410);
    for (uint64_t item = 1; item <= 10; item++)
        assert_string_equal(rig_edges(item), "DUDUDUDUDUDUDUDUDUDUDUDUDUDUDUDUDUDUDUDUD");
    rig_stop();
}

static void test_no_folder(void **state) {
    (void)state;
    rig_map("up >0\n", 1);
    rig_start();
    feed(1, 1);
    assert_int_equal(rename(scratch_path("dir"), scratch_path("away")), 0);
    feed(1, 0);
    feed(1, 1);
    feed(1, 0);
    rig_read();
    assert_string_equal(rig_edges(1), "DUD");
    assert_int_equal(rig_logged("until this is mended"), 1);
    assert_int_equal(rename(scratch_path("away"), scratch_path("dir")), 0);
    rig_attend();
    assert_int_equal(rig_logged("the state file can be written again"), 1);
    rig_kill();
    rig_start();
    feed(1, 0);
    feed(1, 1);
    rig_read();
    assert_string_equal(rig_edges(1), "DUDU");
}

static void test_foreign_file(void **state) {
    static const char text[] = "something else\n";
    size_t length = 0;
    (void)state;
    rig_map("up >0\n", 1);
    scratch_write("dir/module.state", text, strlen(text));
    rig_start();
    feed(1, 0);
    assert_int_equal(rig_logged("this is no state file of hookspool's"), 1);
    char *kept = scratch_read(scratch_path("dir/module.state.bad"), &length);
    assert_string_equal(kept, text);
    free(kept);
    rig_kill();
    rig_start();
    feed(1, 0);
    feed(1, 1);
    rig_read();
    assert_string_equal(rig_edges(1), "DU");
}

/* Another server in the same folder. */
static void test_changed_file(void **state) {
    (void)state;
    rig_map("up >0\n", 1);
    rig_start();
    feed(1, 1);
    scratch_write("dir/module.state", "x", 1);
    feed(1, 0);
    feed(1, 1);
    assert_int_equal(rig_logged("does another server use this folder?"), 1);
    rig_kill();
    rig_start();
    feed(1, 1);
    feed(1, 0);
    rig_read();
    assert_string_equal(rig_edges(1), "DUD");
}

/* The file does not grow for ever. */
static void test_rewritten(void **state) {
    struct stat info;
    (void)state;
    rig_map("up >0\n", 100);
    rig_start();
    for (int i = 0; i < 60; i++)
        feed_all(100, i % 2);
    assert_int_equal(stat(scratch_path("dir/module.state"), &info), 0);
    assert_true(info.st_size < 2 * 1024 * 1024);
    assert_int_equal(rig_read(), 6000);
    rig_stop();
    assert_int_equal(stat(scratch_path("dir/module.state"), &info), 0);
    assert_true(info.st_size < 20000);
}

/* With no room for more events statuses stand still, and go on when there is. */
static void test_line_full(void **state) {
    (void)state;
    rig_map("up >0\n", 10);
    rig_set_line_bytes(64 * 1024);
    assert_int_equal(rename(scratch_path("spool"), scratch_path("away")), 0);
    rig_start();
    for (int i = 0; i < 201; i++)
        feed_all(10, i % 2);
    assert_int_equal(rig_logged("too many events wait"), 1);
    assert_true(atomic_load(&rig_syncer.board->counts[HSP_BOARD_REFUSED]) > 0);
    assert_int_equal(rename(scratch_path("away"), scratch_path("spool")), 0);
    rig_attend();
    feed_all(10, 1);
    feed_all(10, 0);
    rig_attend();
    rig_read();
    for (uint64_t item = 1; item <= 10; item++) {
        const char *edges = rig_edges(item);
        assert_true(strlen(edges) > 2);
        for (size_t i = 0; i < strlen(edges); i++)
            assert_int_equal(edges[i], i % 2 == 0 ? 'D' : 'U');
        assert_int_equal(edges[strlen(edges) - 1], 'D');
    }
    rig_set_line_bytes(0);
}

/* A whole line's worth of events fits, wherever the line was before. */
static void test_all_of_the_line(void **state) {
    (void)state;
    rig_map("up >0\n", 1000);
    rig_set_line_bytes(4 * 1024 * 1024);
    rig_start();
    for (int i = 0; i < 20; i++)
        feed_all(1000, i % 2);
    assert_int_equal(atomic_load(&rig_syncer.board->counts[HSP_BOARD_REFUSED]), 0);
    assert_int_equal(rig_read(), 20000);
    rig_set_line_bytes(0);
}

/* Round and round in a small line. */
static void test_many_laps(void **state) {
    (void)state;
    rig_map("up >0\n", 10);
    rig_set_line_bytes(128 * 1024);
    rig_start();
    for (int i = 0; i < 300; i++)
        feed_all(10, i % 2);
    assert_int_equal(rig_read(), 3000);
    assert_true(atomic_load(&rig_syncer.board->tail) > 10 * 128 * 1024);
    rig_set_line_bytes(0);
}

/* Maps
 * ------------------------------------------------------------------------------------ */

static void wait_for_map(const char *text) {
    for (int i = 0; i < 400 && rig_logged(text) == 0; i++) {
        usleep(50000);
        feed(99, 1);
    }
    assert_int_equal(rig_logged(text), 1);
}

static void test_new_map(void **state) {
    (void)state;
    rig_map("up >0\n", 1);
    rig_start();
    feed(1, 0);
    rig_map("up <0\n", 2);
    wait_for_map("2 items are monitors");
    feed(1, -1);
    feed(2, 0);
    rig_read();
    assert_string_equal(rig_edges(1), "DU");
    assert_string_equal(rig_edges(2), "D");
    /* A torn one is told once, and changes nothing; nor does one that is gone. */
    scratch_write("dir/items.map", "hookspool-zabbix-map 1\nitem", 27);
    wait_for_map("torn, or no line \"end COUNT\"; the map of before stays in use");
    assert_int_equal(unlink(scratch_path("dir/items.map")), 0);
    feed(2, -1);
    rig_read();
    assert_string_equal(rig_edges(2), "DU");
}

/* A process that had no value while a map was good has it all the same. */
static void test_map_of_all(void **state) {
    (void)state;
    int run[2];
    char byte = 0;
    rig_map("up >0\n", 1);
    rig_start();
    feed(1, 1);
    assert_int_equal(pipe(run), 0);
    const pid_t idle = rig_fork();
    if (idle == 0) {
        close(run[1]);
        const bool told = read(run[0], &byte, 1) == 1;
        feed(2, 0);
        _exit(told ? 0 : 1);
    }
    rig_map("up >0\n", 2);
    wait_for_map("2 items are monitors");
    scratch_write("dir/items.map", "nonsense\n", 9);
    wait_for_map("this is no map");
    assert_int_equal(write(run[1], &byte, 1), 1);
    rig_await(idle, 0);
    close(run[0]);
    close(run[1]);
    rig_read();
    assert_string_equal(rig_edges(2), "D");
}

/* Wherever memory is not to be had: no crash, and the values that follow set it right. */
static void test_no_memory(void **state) {
    (void)state;
    rig_map("up >0\n", 1);
    rig_start();
    feed(1, 1);
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        alloc_fail_at(n);
        feed(1, n % 2 == 0);
        failed = alloc_fail_stop();
        feed(1, n % 2 == 0);
    }
    rig_attend();
    rig_read();
    const char *edges = rig_edges(1);
    assert_true(strlen(edges) > 10);
    for (size_t i = 0; i < strlen(edges); i++)
        assert_int_equal(edges[i], i % 2 == 0 ? 'D' : 'U');
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_make, rig_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_edges),
        TEST(test_first_is_bad),
        TEST(test_no_edges),
        TEST(test_texts_and_extras),
        TEST(test_one_file),
        TEST(test_repeat),
        TEST(test_four_processes),
        TEST(test_one_is_killed),
        TEST(test_change_is_made_again),
        TEST(test_restart),
        TEST(test_done),
#ifdef HSP_CRASH_POINTS
        TEST(test_killed_server),
        TEST(test_killed_at_work),
#endif
        TEST(test_no_spool),
        TEST(test_no_folder),
        TEST(test_foreign_file),
        TEST(test_changed_file),
        TEST(test_rewritten),
        TEST(test_line_full),
        TEST(test_many_laps),
        TEST(test_all_of_the_line),
        TEST(test_new_map),
        TEST(test_map_of_all),
        TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
