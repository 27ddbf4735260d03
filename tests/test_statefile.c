/* SPDX-License-Identifier: MIT */
/* The state file: what is committed is there again, whatever became of the file's end,
 * and a disk that fails costs nothing while the process lives. */
#include "config.h"

#include "alloc_fail.h"
#include "scratch.h"
#include "statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The n-th write and each after it fails so. */
static int write_errno;
ssize_t __real_write(int fd, const void *bytes, size_t length);
ssize_t __wrap_write(int fd, const void *bytes, size_t length);
ssize_t __wrap_write(int fd, const void *bytes, size_t length) {
    if (write_errno == 0)
        return __real_write(fd, bytes, length);
    __real_write(fd, bytes, length / 2); /* torn */
    errno = write_errno;
    return -1;
}

static int sync_errno;
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd) {
    errno = sync_errno;
    return sync_errno == 0 ? __real_fdatasync(fd) : -1;
}

static const char *path;

static int setup(void **state) {
    (void)state;
    scratch_make();
    path = scratch_path("state");
    write_errno = sync_errno = 0;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

/* Open it; what is wrong is the empty text, or holds `warning`. */
static struct hsp_statefile *open_state(const char *warning) {
    struct hs_error wrong = {0}, err = {0};
    struct hsp_statefile *file = NULL;
    assert_int_equal(hsp_statefile_open(&file, path, &wrong, &err), HS_OK);
    if (strstr(wrong.text, warning) == NULL || (*warning == '\0' && *wrong.text != '\0'))
        fail_msg("warning '%s', not '%s'", wrong.text, warning);
    return file;
}

static void set(struct hsp_statefile *file, const char *key, const char *value) {
    assert_int_equal(hsp_statefile_set(file, key, value, NULL), HS_OK);
}

static void push(struct hsp_statefile *file, const char *edge) {
    assert_int_equal(hsp_statefile_push(file, edge, strlen(edge), NULL), HS_OK);
}

static void commit(struct hsp_statefile *file) {
    struct hs_error err = {0};
    if (hsp_statefile_commit(file, &err) != HS_OK)
        fail_msg("%s", err.text);
    assert_false(hsp_statefile_is_dirty(file));
}

static void check_value(const struct hsp_statefile *file, const char *key,
                        const char *value) {
    const char *found = hsp_statefile_get(file, key);
    if (value == NULL)
        assert_null(found);
    else
        assert_string_equal(found, value);
}

static void check_edges(const struct hsp_statefile *file, const char *edges) {
    char found[256] = "";
    for (size_t i = 0; i < hsp_statefile_edges(file); i++) {
        size_t length = 0;
        const char *edge = hsp_statefile_edge(file, i, &length);
        assert_int_equal(strlen(edge), length);
        strcat(strcat(found, edge), " ");
    }
    assert_string_equal(found, edges);
}

static void test_over_restarts(void **state) {
    (void)state;
    struct hsp_statefile *file = open_state("");
    check_value(file, "a", NULL);
    assert_false(hsp_statefile_is_dirty(file));
    set(file, "a", "UP");
    set(file, "b\n\x01\xff", "DOWN");
    set(file, "", "");
    push(file, "one");
    push(file, "two");
    assert_true(hsp_statefile_is_dirty(file));
    commit(file);
    hsp_statefile_close(file);

    file = open_state("");
    check_value(file, "a", "UP");
    check_value(file, "b\n\x01\xff", "DOWN");
    check_value(file, "", "");
    check_edges(file, "one two ");
    set(file, "a", "DOWN");
    set(file, "", NULL);
    hsp_statefile_pop(file, 1);
    push(file, "three");
    commit(file);
    set(file, "a", "UP");
    commit(file); /* an append */
    set(file, "a", "lost");
    push(file, "lost");
    hsp_statefile_close(file); /* not committed */

    file = open_state("");
    check_value(file, "a", "UP");
    check_value(file, "", NULL);
    check_edges(file, "two three ");
    hsp_statefile_close(file);
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0600);
}

/* Cut anywhere, it holds what one of the commits left, and the newest that is whole. */
static void test_cut_anywhere(void **state) {
    (void)state;
    size_t sizes[4], length = 0;
    struct hsp_statefile *file = open_state("");
    for (int i = 0; i < 4; i++) {
        char number[8];
        snprintf(number, sizeof(number), "%d", i);
        set(file, "n", number);
        push(file, number);
        commit(file);
        free(scratch_read(path, &sizes[i]));
    }
    hsp_statefile_close(file);
    char *bytes = scratch_read(path, &length);
    assert_int_equal(length, sizes[3]);
    for (size_t cut = 0; cut <= length; cut++) {
        int whole = 3;
        while (whole >= 0 && sizes[whole] > cut)
            whole--;
        const bool exact = whole >= 0 && sizes[whole] == cut;
        scratch_write("state", bytes, cut);
        file = open_state(exact || cut == 18 ? ""
                          : cut < 18         ? "no state"
                                             : "torn at byte");
        char number[8];
        snprintf(number, sizeof(number), "%d", whole);
        check_value(file, "n", whole < 0 ? NULL : number);
        assert_int_equal(hsp_statefile_edges(file), (size_t)(whole + 1));
        hsp_statefile_close(file);
    }
    /* One changed byte of a group costs that group and what comes after. */
    for (size_t i = sizes[1]; i < sizes[2]; i++) {
        bytes[i] ^= 1;
        scratch_write("state", bytes, length);
        bytes[i] ^= 1;
        file = open_state("torn at byte");
        check_value(file, "n", "1");
        hsp_statefile_close(file);
    }
    /* The first commit after it makes the file whole again. */
    scratch_write("state", bytes, sizes[2] - 3);
    file = open_state("torn");
    set(file, "m", "new");
    commit(file);
    hsp_statefile_close(file);
    file = open_state("");
    check_value(file, "n", "1");
    check_value(file, "m", "new");
    hsp_statefile_close(file);
    free(bytes);
}

static void test_none_of_ours(void **state) {
    (void)state;
    scratch_write("state", "precious\n", 9);
    struct hsp_statefile *file = open_state("this is no state file");
    set(file, "a", "UP");
    commit(file);
    hsp_statefile_close(file);
    size_t length;
    char *bytes = scratch_read(scratch_path("state.bad"), &length);
    assert_memory_equal(bytes, "precious\n", 9);
    free(bytes);
    file = open_state("");
    check_value(file, "a", "UP");
    hsp_statefile_close(file);
}

/* What could not be read is not written over; nobody waits for a pipe. */
static void test_what_cannot_be_read_is_kept(void **state) {
    (void)state;
    const char *bad = scratch_path("state.bad");
    struct stat found;
    struct hsp_statefile *file;
    for (int kind = 0; kind < 5; kind++) {
        unlink(bad);
        unlink(path);
        switch (kind) {
        case 0: /* torn: what follows may be of use to somebody */
            scratch_write("state", "hookspool-state 1\ngroup 9", 25);
            file = open_state("torn at byte 18");
            break;
        case 1: /* of a later version */
            scratch_write("state", "hookspool-state 2\n", 18);
            file = open_state("newer version");
            break;
        case 2: /* larger than any that is read */
            scratch_write("state", "hookspool-state 1\n", 18);
            assert_int_equal(truncate(path, (off_t)2 * 1024 * 1024 * 1024), 0);
            file = open_state("File too large");
            break;
        case 3:
            assert_int_equal(symlink("elsewhere", path), 0);
            file = open_state("symbolic links");
            break;
        default:
            assert_int_equal(mkfifo(path, 0600), 0);
            file = open_state("Invalid argument");
        }
        set(file, "a", "UP");
        commit(file);
        if (lstat(bad, &found) != 0)
            fail_msg("case %d is gone", kind);
        hsp_statefile_close(file);
        file = open_state("");
        check_value(file, "a", "UP");
        hsp_statefile_close(file);
    }
}

/* A pipe that came later. */
static void test_a_pipe_in_its_place(void **state) {
    (void)state;
    struct hsp_statefile *file = open_state("");
    set(file, "a", "UP");
    commit(file);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    set(file, "a", "DOWN");
    commit(file);
    hsp_statefile_close(file);
    file = open_state("");
    check_value(file, "a", "DOWN");
    hsp_statefile_close(file);
}

static void test_failing_disk(void **state) {
    (void)state;
    struct hs_error err = {0};
    struct hsp_statefile *file = open_state("");
    set(file, "a", "UP");
    commit(file);
    static const int causes[][2] = {{0, EIO}, {ENOSPC, 0}, {EIO, 0}};
    for (size_t i = 0; i < 3; i++) {
        char value[8];
        snprintf(value, sizeof(value), "%zu", i);
        set(file, "a", value);
        push(file, value);
        write_errno = causes[i][0];
        sync_errno = causes[i][1];
        err = (struct hs_error){0};
        assert_int_equal(hsp_statefile_commit(file, &err),
                         causes[i][0] == ENOSPC ? HS_E_FULL : HS_E_IO);
        assert_non_null(strstr(err.text, path));
        assert_true(hsp_statefile_is_dirty(file));
        check_value(file, "a", value);
        write_errno = sync_errno = 0;
        commit(file);
        write_errno = ENOSPC; /* the rewrite fails too, and the file is as it was */
        set(file, "b", value);
        assert_int_equal(hsp_statefile_commit(file, NULL), HS_E_FULL);
        assert_int_equal(hsp_statefile_commit(file, NULL), HS_E_FULL);
        write_errno = 0;
    }
    hsp_statefile_close(file);
    file = open_state("torn");
    check_value(file, "a", "2");
    check_value(file, "b", "1");
    check_edges(file, "0 1 2 ");
    hsp_statefile_close(file);
}

static void test_no_folder_and_back(void **state) {
    (void)state;
    struct hs_error err = {0};
    path = scratch_path("gone/state");
    struct hsp_statefile *file = open_state("gone/state.lock: No such file");
    set(file, "a", "UP");
    assert_int_equal(hsp_statefile_commit(file, &err), HS_E_SPOOL);
    assert_non_null(strstr(err.text, "gone/state"));
    assert_int_equal(mkdir(scratch_path("gone"), 0755), 0);
    commit(file);
    /* Somebody removes it while it is in use. */
    assert_int_equal(unlink(path), 0);
    set(file, "b", "UP");
    commit(file);
    hsp_statefile_close(file);
    file = open_state("");
    check_value(file, "a", "UP");
    check_value(file, "b", "UP");
    hsp_statefile_close(file);
}

static void test_somebody_elses_lock(void **state) {
    (void)state;
    struct hsp_statefile *file = open_state("");
    set(file, "a", "UP");
    commit(file);
    hsp_statefile_close(file);
    const int fd = open(scratch_path("state.lock"), O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    file = open_state("another process uses it");
    check_value(file, "a", NULL); /* may be wrong by now */
    set(file, "a", "DOWN");
    assert_int_equal(hsp_statefile_commit(file, NULL), HS_E_SPOOL);
    close(fd);
    commit(file); /* the other has gone */
    check_value(file, "a", "DOWN");
    assert_int_equal(access(scratch_path("state.bad"), F_OK), 0);
    hsp_statefile_close(file);
}

static void test_in_memory(void **state) {
    (void)state;
    path = NULL;
    struct hsp_statefile *file = open_state("");
    set(file, "a", "UP");
    push(file, "one");
    assert_false(hsp_statefile_is_dirty(file));
    commit(file);
    check_value(file, "a", "UP");
    check_edges(file, "one ");
    hsp_statefile_close(file);
    hsp_statefile_close(NULL);
}

/* It stays small, however often something changes, and many edges may wait. */
static void test_growth(void **state) {
    (void)state;
    static char long_value[2000];
    struct stat found;
    struct hsp_statefile *file = open_state("");
    memset(long_value, 'x', sizeof(long_value) - 1);
    for (int i = 0; i < 3000; i++) {
        long_value[0] = (char)('a' + i % 26);
        set(file, "a", long_value);
        push(file, long_value);
        if (i % 2 == 1)
            hsp_statefile_pop(file, 2);
        if (i % 5 == 0)
            commit(file);
    }
    commit(file);
    assert_int_equal(stat(path, &found), 0);
    assert_true(found.st_size < 2 * 1024 * 1024);
    assert_int_equal(hsp_statefile_edges(file), 0);
    for (int i = 0; i < 1000; i++)
        push(file, "e");
    hsp_statefile_pop(file, 999);
    push(file, "last");
    commit(file);
    hsp_statefile_close(file);
    file = open_state("");
    check_value(file, "a", long_value);
    check_edges(file, "e last ");
    hsp_statefile_close(file);
}

static void count_one(const char *key, void *value, void *context) {
    assert_true(*key != '\0' && *(const char *)value != '\0');
    ++*(int *)context;
}

static void test_walk(void **state) {
    (void)state;
    int count = 0;
    struct hsp_statefile *file = open_state("");
    set(file, "a", "1");
    set(file, "b", "2");
    set(file, "a", "3");
    hsp_statefile_walk(file, count_one, &count);
    assert_int_equal(count, 2);
    hsp_statefile_close(file);
}

static enum hs_status whole_life(void *context, struct hs_error *err) {
    (void)context;
    struct hs_error warning = {0};
    struct hsp_statefile *file = NULL;
    enum hs_status status = hsp_statefile_open(&file, path, &warning, err);
    if (status == HS_OK)
        status = hsp_statefile_set(file, "a", "UP", err);
    if (status == HS_OK)
        status = hsp_statefile_push(file, "one", 3, err);
    if (status == HS_OK)
        status = hsp_statefile_commit(file, err);
    hsp_statefile_close(file);
    return status;
}

/* A failure is told or made good: the next commit has it all. */
static void test_out_of_memory(void **state) {
    (void)state;
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        struct hs_error err = {0};
        alloc_fail_at(n);
        const enum hs_status status = whole_life(NULL, &err);
        failed = alloc_fail_stop();
        assert_true(status == HS_OK || (failed && status == HS_E_NOMEM));
        assert_int_equal(err.status, status);
        if (status == HS_OK) {
            struct hsp_statefile *file = open_state("");
            check_value(file, "a", "UP");
            hsp_statefile_close(file);
        }
        unlink(path);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_over_restarts),
        TEST(test_cut_anywhere),
        TEST(test_none_of_ours),
        TEST(test_what_cannot_be_read_is_kept),
        TEST(test_a_pipe_in_its_place),
        TEST(test_failing_disk),
        TEST(test_no_folder_and_back),
        TEST(test_somebody_elses_lock),
        TEST(test_in_memory),
        TEST(test_growth),
        TEST(test_walk),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
