/* SPDX-License-Identifier: MIT */
/* What was taken in of late: questions, the ring's going round, and the file through
 * restarts, torn and spoilt lines. The full disk is a small tmpfs, for which the test
 * must be root; else that part is skipped and says so. */
#include "config.h"

#include "alloc_fail.h"
#include "delivery/recent.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX HSP_RECENT_MAX
#define LINE HSP_RECENT_LINE

static int dirfd = -1;

static int setup(void **state) {
    (void)state;
    dirfd = open(scratch_make(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dirfd < 0;
}

static int teardown(void **state) {
    (void)state;
    close(dirfd);
    umount2(scratch_path("disk"), MNT_DETACH); /* where a test failed before it did so */
    scratch_remove();
    return 0;
}

static struct hsp_recent *open_recent(void) {
    struct hsp_recent *recent = NULL;
    struct hs_error err = {0};
    if (hsp_recent_open(&recent, dirfd, &err) != HS_OK)
        fail_msg("%s", err.text);
    return recent;
}

/* The n-th event: an object, a fold key and a time of its own. */
static struct hsp_recent_entry event(uint32_t n) {
    struct hsp_recent_entry entry = {
        .fold = 0xf00000 + n,
        .object = 0xb00000 + n,
        .sequence = n,
        .at_ms = 1000 * (int64_t)n,
        .state = n % 2 == 0 ? HS_STATE_UP : HS_STATE_DOWN,
    };
    snprintf(entry.id, sizeof entry.id, "018d0c7c-8b00-7000-8000-%012x", n);
    return entry;
}

static bool knows(const struct hsp_recent *recent, uint32_t n) {
    const struct hsp_recent_entry want = event(n);
    const bool id = hsp_recent_has_id(recent, want.id);
    assert_int_equal(hsp_recent_has_fold(recent, want.fold, want.object, want.at_ms), id);
    assert_false(hsp_recent_has_fold(recent, want.fold, want.object, want.at_ms + 1));
    assert_int_equal(hsp_recent_state(recent, want.object),
                     id ? want.state : HS_STATE_NONE);
    return id;
}

/* Take in events first..last, written as the daemon does: a group at a time. */
static void take_in(struct hsp_recent *recent, uint32_t first, uint32_t last) {
    enum { GROUP = 100 };
    static char lines[GROUP * LINE + 1];
    for (uint32_t n = first; n <= last;) {
        uint32_t place = 0, count = 0;
        for (; count < GROUP && n <= last; count++, n++) {
            const struct hsp_recent_entry entry = event(n);
            const uint32_t got = hsp_recent_add(recent, &entry);
            place = count == 0 ? got : place;
            assert_int_equal(got, (place + count) % MAX);
            hsp_recent_format(&entry, lines + (size_t)count * LINE);
        }
        assert_int_equal(hsp_recent_write(recent, place, lines, count, NULL), HS_OK);
    }
    assert_int_equal(hsp_recent_sync(recent, NULL), HS_OK);
}

/* Questions
 * ------------------------------------------------------------------------------------ */

static void test_nothing_is_known_at_first(void **state) {
    (void)state;
    struct hsp_recent *recent = open_recent();
    assert_false(knows(recent, 1));
    assert_int_equal(hsp_recent_state(recent, 0), HS_STATE_NONE);
    assert_false(hsp_recent_has_fold(recent, 0, 0, 0));
    assert_int_equal(hsp_recent_top(recent), 0);
    hsp_recent_close(recent);
    hsp_recent_close(NULL);
}

static void test_fold_window(void **state) {
    static const struct {
        uint64_t fold, object;
        int64_t since_ms;
        bool found;
    } cases[] = {
        {7, 1, 0, true},         {7, 1, 5000, true},       {7, 1, 5001, false},
        {7, 2, 5000, false},     {7, 2, 4000, true},       {7, 3, 0, false},
        {8, 1, 0, false},        {0, 1, INT64_MIN, false}, {7, 1, INT64_MAX, false},
        {7, 1, INT64_MIN, true},
    };
    (void)state;
    struct hsp_recent *recent = open_recent();
    struct hsp_recent_entry entry = event(1);
    entry.fold = 7;
    entry.object = 1;
    entry.at_ms = 5000;
    hsp_recent_add(recent, &entry);
    entry = event(2); /* an older one of the same object: the newest counts */
    entry.fold = 7;
    entry.object = 1;
    entry.at_ms = 3000;
    hsp_recent_add(recent, &entry);
    entry = event(3);
    entry.fold = 7;
    entry.object = 2;
    entry.at_ms = 4000;
    hsp_recent_add(recent, &entry);
    entry = event(4);
    entry.fold = 0; /* none */
    entry.object = 1;
    hsp_recent_add(recent, &entry);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (hsp_recent_has_fold(recent, cases[i].fold, cases[i].object,
                                cases[i].since_ms) != cases[i].found)
            fail_msg("case %zu", i);
    hsp_recent_close(recent);
}

static void test_newest_state_of_an_object(void **state) {
    static const struct {
        uint32_t number;
        enum hs_state state, newest;
    } cases[] = {
        {5, HS_STATE_DOWN, HS_STATE_DOWN},  {6, HS_STATE_UP, HS_STATE_UP},
        {4, HS_STATE_DOWN, HS_STATE_UP}, /* an older one, taken in later */
        {8, HS_STATE_NONE, HS_STATE_NONE},  {7, HS_STATE_UP, HS_STATE_NONE},
        {10, HS_STATE_DOWN, HS_STATE_DOWN},
    };
    (void)state;
    struct hsp_recent *recent = open_recent();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hsp_recent_entry entry = event(cases[i].number);
        entry.object = 5;
        entry.state = cases[i].state;
        hsp_recent_add(recent, &entry);
        assert_int_equal(hsp_recent_state(recent, 5), cases[i].newest);
        assert_int_equal(hsp_recent_state(recent, 6), HS_STATE_NONE);
    }
    assert_int_equal(hsp_recent_top(recent), 10);
    hsp_recent_close(recent);
}

/* Keys that fall into one bucket are still told apart. */
static void test_one_bucket(void **state) {
    (void)state;
    struct hsp_recent *recent = open_recent();
    for (uint32_t n = 1; n <= 20; n++) {
        struct hsp_recent_entry entry = event(n);
        entry.object = entry.fold = (uint64_t)n << 14;
        hsp_recent_add(recent, &entry);
    }
    for (uint32_t n = 0; n <= 21; n++) {
        const uint64_t key = (uint64_t)n << 14;
        const bool there = n >= 1 && n <= 20;
        assert_int_equal(hsp_recent_has_fold(recent, key, key, 0), there);
        assert_int_equal(hsp_recent_state(recent, key),
                         there ? event(n).state : HS_STATE_NONE);
    }
    hsp_recent_close(recent);
}

/* Going round
 * ------------------------------------------------------------------------------------ */

static void check_window(const struct hsp_recent *recent, uint32_t first, uint32_t last) {
    assert_false(knows(recent, first - 1));
    for (uint32_t n = first; n <= last; n += 13)
        assert_true(knows(recent, n));
    assert_true(knows(recent, last));
    assert_false(knows(recent, last + 1));
    assert_int_equal(hsp_recent_top(recent), last);
}

static void test_ring(void **state) {
    (void)state;
    struct hsp_recent *recent = open_recent();
    take_in(recent, 1, MAX);
    check_window(recent, 1, MAX);
    take_in(recent, MAX + 1, MAX + 1);
    check_window(recent, 2, MAX + 1);
    take_in(recent, MAX + 2, 2 * MAX + 50); /* groups over the end */
    check_window(recent, MAX + 51, 2 * MAX + 50);
    hsp_recent_close(recent);
    recent = open_recent();
    check_window(recent, MAX + 51, 2 * MAX + 50);
    take_in(recent, 2 * MAX + 51, 2 * MAX + 60); /* where the last one ended */
    check_window(recent, MAX + 61, 2 * MAX + 60);
    hsp_recent_close(recent);
}

/* What falls out of the ring takes nothing away of what is in. */
static void test_ring_of_one_object(void **state) {
    (void)state;
    struct hsp_recent *recent = open_recent();
    for (uint32_t n = 1; n <= 2 * MAX + 7; n++) {
        struct hsp_recent_entry entry = event(n);
        entry.object = 5;
        entry.fold = 9;
        hsp_recent_add(recent, &entry);
    }
    assert_int_equal(hsp_recent_state(recent, 5), event(2 * MAX + 7).state);
    assert_true(hsp_recent_has_fold(recent, 9, 5, event(2 * MAX + 7).at_ms));
    for (uint32_t n = 2 * MAX + 8; n <= 3 * MAX + 6; n++) {
        const struct hsp_recent_entry entry = event(n);
        hsp_recent_add(recent, &entry);
    }
    assert_int_equal(hsp_recent_state(recent, 5), event(2 * MAX + 7).state);
    assert_true(hsp_recent_has_fold(recent, 9, 5, 0)); /* the last one of it */
    const struct hsp_recent_entry entry = event(3 * MAX + 7);
    hsp_recent_add(recent, &entry);
    assert_int_equal(hsp_recent_state(recent, 5), HS_STATE_NONE);
    assert_false(hsp_recent_has_fold(recent, 9, 5, 0));
    hsp_recent_close(recent);
}

/* The file
 * ------------------------------------------------------------------------------------ */

static void test_line(void **state) {
    char line[LINE + 1];
    (void)state;
    struct hsp_recent_entry entry = event(0xab);
    entry.at_ms = INT64_C(1705314615123);
    entry.state = HS_STATE_DOWN;
    hsp_recent_format(&entry, line);
    assert_int_equal(strlen(line), LINE);
    const char *text = "018d0c7c-8b00-7000-8000-0000000000ab 0000000000f000ab "
                       "0000000000b000ab 00000000000000ab 0000018d0cabff53 2";
    assert_memory_equal(line, text, strlen(text));
    for (size_t i = strlen(text); i < LINE - 1; i++)
        assert_int_equal(line[i], ' ');
    assert_int_equal(line[LINE - 1], '\n');
    entry.fold = entry.object = entry.sequence = UINT64_MAX;
    entry.at_ms = INT64_MAX;
    hsp_recent_format(&entry, line);
    assert_int_equal(strlen(line), LINE);
    assert_int_equal(line[LINE - 1], '\n');
}

static void test_new_file(void **state) {
    struct stat info;
    (void)state;
    const mode_t mask = umask(0);
    struct hsp_recent *recent = open_recent();
    umask(mask);
    assert_int_equal(fstatat(dirfd, "recent", &info, 0), 0);
    assert_int_equal(info.st_mode, S_IFREG | 0600);
    assert_int_equal(info.st_size, MAX * LINE);
    assert_true(info.st_blocks * 512 >= info.st_size); /* no hole */
    const struct hsp_recent_entry entry = event(1);
    assert_int_equal(hsp_recent_add(recent, &entry), 0);
    hsp_recent_close(recent); /* nothing is written by it */
    recent = open_recent();
    assert_false(knows(recent, 1));
    hsp_recent_close(recent);
}

static void put_line(const char *bytes, size_t length, uint32_t place) {
    int fd = openat(dirfd, "recent", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, length, (off_t)place * LINE), length);
    close(fd);
}

/* One line cannot be read: the others can. */
static void test_spoilt_lines(void **state) {
    static const char zeros[LINE] = "";
    static const struct {
        const char *bytes;
        size_t length;
    } cases[] = {
        {zeros, LINE},
        {zeros, 20},
        {"garbage", 7},
        {"                                                  ", 50},
        {"018D0C7C", 8},
        {"018d0c7c-8b00-4000", 18},
        {"018d0c7c-8b00-7000-8000-000000000002 xyz", 40},
        {"018d0c7c-8b00-7000-8000-000000000002 0000000000f00002 0000000000b00002 "
         "0000000000000002 00000000000007d0 3",
         106},
        {"018d0c7c-8b00-7000-8000-000000000002 0000000000f00002 0000000000b00002 "
         "0000000000000002 00000000000007d0 -",
         106},
        {"\xff\xfe\xfd\xfc%s%n%s%n", 12},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hsp_recent *recent = open_recent();
        take_in(recent, 1, 3);
        hsp_recent_close(recent);
        put_line(cases[i].bytes, cases[i].length, 1);
        recent = open_recent();
        assert_true(knows(recent, 1));
        assert_false(knows(recent, 2));
        assert_true(knows(recent, 3));
        const struct hsp_recent_entry entry = event(4);
        assert_int_equal(hsp_recent_add(recent, &entry), 3);
        hsp_recent_close(recent);
        assert_int_equal(unlinkat(dirfd, "recent", 0), 0);
    }
}

/* A line of which only the beginning reached the disk is either the new one or none. */
static void test_torn_line(void **state) {
    char line[LINE + 1];
    (void)state;
    struct hsp_recent *recent = open_recent();
    take_in(recent, 1, 5);
    hsp_recent_close(recent);
    const struct hsp_recent_entry sixth = event(6);
    hsp_recent_format(&sixth, line);
    for (size_t length = 1; length <= LINE; length += 3) {
        put_line(line, length, 5);
        recent = open_recent();
        for (uint32_t n = 1; n <= 5; n++)
            assert_true(knows(recent, n));
        /* The state is the last thing of a line. */
        const bool whole =
            length >= strlen("018d0c7c-8b00-7000-8000-000000000006") + 4 * 17 + 2;
        assert_int_equal(hsp_recent_has_id(recent, sixth.id), whole);
        hsp_recent_close(recent);
    }
}

static void test_cut_and_long_files(void **state) {
    (void)state;
    struct hsp_recent *recent = open_recent();
    take_in(recent, 1, 4);
    hsp_recent_close(recent);
    assert_int_equal(truncate(scratch_path("recent"), 2 * LINE + 50), 0);
    recent = open_recent(); /* and the space is had again */
    assert_true(knows(recent, 2));
    assert_false(knows(recent, 3));
    take_in(recent, 3, MAX);
    hsp_recent_close(recent);
    assert_int_equal(truncate(scratch_path("recent"), (off_t)2 * MAX * LINE), 0);
    recent = open_recent();
    check_window(recent, 1, MAX);
    hsp_recent_close(recent);
}

static void check_refused(int fd, enum hs_status expected) {
    struct hsp_recent *recent = NULL;
    struct hs_error err = {0};
    assert_int_equal(hsp_recent_open(&recent, fd, &err), expected);
    assert_null(recent);
    assert_int_equal(err.status, expected);
    assert_non_null(strstr(err.text, "state/recent"));
}

static void test_not_a_file(void **state) {
    (void)state;
    assert_int_equal(mkdirat(dirfd, "recent", 0700), 0);
    check_refused(dirfd, HS_E_IO);
    assert_int_equal(unlinkat(dirfd, "recent", AT_REMOVEDIR), 0);
    assert_int_equal(mkfifoat(dirfd, "recent", 0600), 0);
    check_refused(dirfd, HS_E_IO);
    assert_int_equal(unlinkat(dirfd, "recent", 0), 0);
    scratch_write("target", "", 0);
    assert_int_equal(symlinkat("target", dirfd, "recent"), 0);
    check_refused(dirfd, HS_E_IO);
}

static void test_full_disk(void **state) {
    (void)state;
    const char *disk = scratch_path("disk");
    assert_int_equal(mkdir(disk, 0700), 0);
    if (mount("none", disk, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m") != 0) {
        print_message("SKIPPED, mount: %s: a full disk\n", strerror(errno));
        skip();
    }
    int fd = open(disk, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check_refused(fd, HS_E_FULL); /* 16384 lines take 1.9 MB */
    close(fd);
    assert_int_equal(umount(disk), 0);
}

static enum hs_status open_and_close(void *context, struct hs_error *err) {
    struct hsp_recent *recent = NULL;
    (void)context;
    const enum hs_status status = hsp_recent_open(&recent, dirfd, err);
    if (status != HS_OK)
        assert_null(recent);
    hsp_recent_close(recent);
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    alloc_fail_each(open_and_close, NULL);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_is_known_at_first),
        TEST(test_fold_window),
        TEST(test_newest_state_of_an_object),
        TEST(test_one_bucket),
        TEST(test_ring),
        TEST(test_ring_of_one_object),
        TEST(test_line),
        TEST(test_new_file),
        TEST(test_spoilt_lines),
        TEST(test_torn_line),
        TEST(test_cut_and_long_files),
        TEST(test_not_a_file),
        TEST(test_full_disk),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
