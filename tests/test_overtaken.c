/* SPDX-License-Identifier: MIT */
/* Letters that were overtaken: in memory, on disk, torn, long, out of memory. */
#include "config.h"

#include "alloc_fail.h"
#include "delivery/overtaken.h"
#include "scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state) {
    static int fd;
    fd = open(scratch_make(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = &fd;
    return fd < 0;
}

static int teardown(void **state) {
    close(*(int *)*state);
    scratch_remove();
    return 0;
}

static struct hsp_overtaken *open_in(int fd) {
    struct hsp_overtaken *overtaken = NULL;
    assert_int_equal(hsp_overtaken_open(&overtaken, fd, "a", NULL), HS_OK);
    return overtaken;
}

static off_t size_of(int fd) {
    struct stat info;
    return fstatat(fd, "a.overtaken", &info, 0) == 0 ? info.st_size : -1;
}

static void test_only_watched_objects_count(void **state) {
    const int fd = *(int *)*state;
    struct hsp_overtaken *overtaken = open_in(fd);
    assert_false(hsp_overtaken_deliver(overtaken, 7, 5));
    assert_false(hsp_overtaken_is_stale(overtaken, 7, 1));
    assert_int_equal(hsp_overtaken_watch(overtaken, 7, 3, NULL), HS_OK);
    assert_false(hsp_overtaken_is_stale(overtaken, 7, 1));
    assert_true(hsp_overtaken_deliver(overtaken, 7, 5));
    assert_false(hsp_overtaken_deliver(overtaken, 7, 5));
    assert_false(hsp_overtaken_deliver(overtaken, 7, 4));
    assert_false(hsp_overtaken_deliver(overtaken, 8, 9));
    assert_true(hsp_overtaken_is_stale(overtaken, 7, 4));
    assert_false(hsp_overtaken_is_stale(overtaken, 7, 5));
    assert_false(hsp_overtaken_is_stale(overtaken, 7, 6));
    assert_false(hsp_overtaken_is_stale(overtaken, 8, 1));
    assert_int_equal(hsp_overtaken_watch(overtaken, 7, 2, NULL), HS_OK);
    assert_true(hsp_overtaken_newest(overtaken, 7) == 3);
    assert_true(hsp_overtaken_newest(overtaken, 8) == 0);
    assert_int_equal(size_of(fd), -1); /* nothing is written by itself */
    hsp_overtaken_close(overtaken);
    hsp_overtaken_close(NULL);
}

static void test_kept_over_a_restart(void **state) {
    const int fd = *(int *)*state;
    for (uint64_t i = 1; i <= 300; i++)
        assert_int_equal(hsp_overtaken_write(fd, "a", i % 100, i, NULL), HS_OK);
    assert_int_equal(size_of(fd), 300 * 34);
    struct hsp_overtaken *overtaken = open_in(fd);
    for (uint64_t object = 0; object < 100; object++) {
        const uint64_t newest = object == 0 ? 300 : 200 + object;
        assert_true(hsp_overtaken_is_stale(overtaken, object, newest - 1));
        assert_false(hsp_overtaken_is_stale(overtaken, object, newest));
    }
    for (uint64_t object = 0; object < 10; object++)
        assert_int_equal(hsp_overtaken_watch(overtaken, object, 1, NULL), HS_OK);
    hsp_overtaken_tidy(overtaken, fd, "a");
    assert_int_equal(size_of(fd), 10 * 34);
    hsp_overtaken_close(overtaken);
    overtaken = open_in(fd);
    assert_true(hsp_overtaken_is_stale(overtaken, 9, 208));
    assert_false(hsp_overtaken_is_stale(overtaken, 10, 1));
    hsp_overtaken_close(overtaken);
}

static void test_torn_and_foreign_lines(void **state) {
    const int fd = *(int *)*state;
    assert_int_equal(hsp_overtaken_write(fd, "a", 1, 10, NULL), HS_OK);
    const int file = openat(fd, "a.overtaken", O_WRONLY | O_APPEND);
    assert_int_equal(write(file, "0000000000000002 00000", 22), 22);
    close(file);
    struct hsp_overtaken *overtaken = open_in(fd);
    assert_true(hsp_overtaken_is_stale(overtaken, 1, 9));
    assert_false(hsp_overtaken_is_stale(overtaken, 2, 0));
    hsp_overtaken_close(overtaken);
    assert_int_equal(hsp_overtaken_write(fd, "a", 3, 30, NULL), HS_OK);
    assert_int_equal(size_of(fd), 2 * 34);
    overtaken = open_in(fd);
    assert_true(hsp_overtaken_is_stale(overtaken, 1, 9));
    assert_true(hsp_overtaken_is_stale(overtaken, 3, 29));
    hsp_overtaken_close(overtaken);
}

static void test_long_file_is_shortened(void **state) {
    const int fd = *(int *)*state;
    const int file = openat(fd, "a.overtaken", O_WRONLY | O_CREAT, 0600);
    for (int i = 0; i < 32 * 1024; i++)
        assert_int_equal(dprintf(file, "%016x %016x\n", i % 50, i + 1), 34);
    close(file);
    assert_int_equal(hsp_overtaken_write(fd, "a", 1, 40000, NULL), HS_OK);
    assert_int_equal(size_of(fd), 50 * 34);
    struct hsp_overtaken *overtaken = open_in(fd);
    assert_true(hsp_overtaken_is_stale(overtaken, 1, 39999));
    assert_true(hsp_overtaken_is_stale(overtaken, 49, 32000));
    hsp_overtaken_close(overtaken);
}

static enum hs_status use(void *context, struct hs_error *err) {
    const int fd = *(int *)context;
    struct hsp_overtaken *overtaken = NULL;
    enum hs_status status = hsp_overtaken_write(fd, "a", 1, 1, err);
    if (status == HS_OK)
        status = hsp_overtaken_open(&overtaken, fd, "a", err);
    for (uint64_t i = 0; status == HS_OK && i < 200; i++)
        status = hsp_overtaken_watch(overtaken, i, 1, err);
    hsp_overtaken_close(overtaken);
    return status;
}

static void test_out_of_memory(void **state) { alloc_fail_each(use, *state); }

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_only_watched_objects_count, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kept_over_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_torn_and_foreign_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_file_is_shortened, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
