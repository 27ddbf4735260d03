/* SPDX-License-Identifier: MIT */
/* Keeping dead/ENDPOINT and corrupt/ within their bounds: what goes, what is said of it,
 * and under which names things come to corrupt/. */
#include "config.h"

#include "alloc_fail.h"
#include "delivery/trim.h"
#include "scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW INT64_C(1705314615123)
#define AT "{\"at\":\"2024-01-15T10:30:15.123Z\",\"what\":\"removed\","
#define ID "018d0c7c-8b00-7000-8000-000000000001"

static int dirfd = -1;

static int setup(void **state) {
    (void)state;
    dirfd = open(scratch_make(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dirfd < 0;
}

static int teardown(void **state) {
    (void)state;
    close(dirfd);
    scratch_remove();
    return 0;
}

static void put(const char *name, size_t bytes) {
    char *zeros = calloc(1, bytes + 1);
    assert_non_null(zeros);
    scratch_write(name, zeros, bytes);
    free(zeros);
}

static bool is_there(const char *name) {
    return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static struct hsp_trim choose(const char *endpoint, int64_t max_count,
                              int64_t max_bytes) {
    struct hsp_trim trim;
    struct hs_error err = {0};
    if (hsp_trim_choose(&trim, dirfd, endpoint, max_count, max_bytes, NOW, &err) != HS_OK)
        fail_msg("%s", err.text);
    return trim;
}

/* Files "1" to "5" of 10, 20, 30, 40 and 50 bytes. */
static void test_limits(void **state) {
    static const struct {
        int64_t max_count, max_bytes, count, bytes;
    } cases[] = {
        {5, 150, 0, 0},   {INT64_MAX, INT64_MAX, 0, 0},
        {4, 150, 1, 10},  {3, 150, 2, 30},
        {1, 150, 4, 100}, {0, 150, 5, 150},
        {5, 149, 1, 10},  {5, 140, 1, 10},
        {5, 139, 2, 30},  {5, 50, 4, 100},
        {5, 49, 5, 150},  {5, 0, 5, 150},
        {3, 139, 2, 30},  {4, 119, 3, 60},
        {2, 149, 3, 60},  {0, 0, 5, 150},
    };
    static const char *const names[] = {"3", "5", "1", "4", "2"};
    (void)state;
    for (size_t i = 0; i < 5; i++)
        put(names[i], (size_t)(names[i][0] - '0') * 10);
    put(".3.new", 1000); /* one that is being written does not count */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hsp_trim trim = choose("one", cases[i].max_count, cases[i].max_bytes);
        assert_int_equal(trim.count, cases[i].count);
        assert_int_equal(trim.bytes, cases[i].bytes);
        assert_int_equal(trim.left, 5 - cases[i].count);
        assert_int_equal(trim.left_bytes, 150 - cases[i].bytes);
        assert_int_equal(trim.names.length, 2 * cases[i].count);
        for (int64_t k = 0; k < trim.count; k++) /* the oldest */
            assert_int_equal(trim.names.data[2 * k], '1' + k);
        assert_int_equal(trim.lines.length > 0, trim.count > 0);
        hsp_trim_free(&trim);
        assert_true(is_there("1")); /* choosing removes nothing */
    }
}

static void test_empty_folder(void **state) {
    (void)state;
    struct hsp_trim trim = choose("one", 0, 0);
    assert_int_equal(trim.count, 0);
    hsp_trim_remove(&trim, dirfd);
    hsp_trim_free(&trim);
    hsp_trim_free(&(struct hsp_trim){.count = 0});
}

static void test_lines(void **state) {
    static const struct {
        const char *name, *endpoint, *line;
    } cases[] = {
        {"0000000000000010.00000000000000ab." ID, "one",
         AT "\"endpoint\":\"one\",\"id\":\"" ID "\",\"sequence\":16,"
            "\"reason\":\"oldest of too many: dead/one/"
            "0000000000000010.00000000000000ab." ID "\"}\n"},
        {"stranger", "one",
         AT "\"endpoint\":\"one\","
            "\"reason\":\"oldest of too many: dead/one/stranger\"}\n"},
        {"1705314615123-000001-x\"y", NULL,
         AT "\"reason\":\"oldest of too many: corrupt/1705314615123-000001-x\\\"y\"}\n"},
        {"0000000000000010.00000000000000ab." ID, NULL,
         AT "\"reason\":\"oldest of too many: corrupt/"
            "0000000000000010.00000000000000ab." ID "\"}\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put(cases[i].name, 1);
        struct hsp_trim trim = choose(cases[i].endpoint, 0, 0);
        assert_string_equal(trim.lines.data, cases[i].line);
        hsp_trim_remove(&trim, dirfd);
        hsp_trim_free(&trim);
        assert_false(is_there(cases[i].name));
    }
}

static void test_remove(void **state) {
    (void)state;
    put("1", 10);
    put("2", 10);
    assert_int_equal(mkdirat(dirfd, "3", 0700), 0); /* does not count */
    put("3/file", 1000);
    assert_int_equal(symlinkat("/nowhere", dirfd, "4"), 0);
    put("5", 10);
    put("6", 10);
    struct hsp_trim trim = choose(NULL, 1, INT64_MAX);
    assert_int_equal(trim.count, 4);
    assert_int_equal(unlinkat(dirfd, "2", 0), 0); /* gone meanwhile */
    hsp_trim_remove(&trim, dirfd);
    hsp_trim_remove(&trim, dirfd); /* again */
    hsp_trim_free(&trim);
    assert_int_equal(scratch_count(scratch_path("."), NULL), 2);
    assert_true(is_there("6"));
    assert_true(is_there("3/file"));
}

/* One that cannot go does not hold up the others. */
static void test_what_cannot_be_removed(void **state) {
    (void)state;
    put("1", 1);
    put("2", 1);
    struct hsp_trim trim = choose(NULL, 0, 0);
    assert_int_equal(trim.count, 2);
    assert_int_equal(unlinkat(dirfd, "1", 0), 0);
    assert_int_equal(mkdirat(dirfd, "1", 0700), 0);
    hsp_trim_remove(&trim, dirfd);
    hsp_trim_free(&trim);
    assert_true(is_there("1"));
    assert_false(is_there("2"));
}

static void test_not_a_folder(void **state) {
    struct hsp_trim trim;
    struct hs_error err = {0};
    (void)state;
    assert_int_equal(hsp_trim_choose(&trim, -1, "one", 0, 0, NOW, &err), HS_E_IO);
    assert_true(err.text[0] != '\0');
    hsp_trim_free(&trim);
}

/* corrupt/
 * ------------------------------------------------------------------------------------ */

/* Move `name` to corrupt/ and look at what it is called there. */
static void check_move(const char *name, int64_t now_ms, const char *prefix,
                       const char *suffix) {
    char got[SCRATCH_PATH_MAX] = "";
    struct hs_error err = {0};
    const char *corrupt = scratch_path("corrupt");
    int fd = open(corrupt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    if (hsp_corrupt_move(fd, dirfd, name, now_ms, &err) != HS_OK)
        fail_msg("%s", err.text);
    assert_false(is_there(name));
    assert_int_equal(scratch_count(corrupt, got), 1);
    const char *base = strrchr(got, '/') + 1;
    assert_memory_equal(base, prefix, strlen(prefix));
    assert_int_equal(base[13], '-');
    assert_int_equal(strspn(base + 14, "0123456789"), 6); /* makes it unique */
    assert_int_equal(base[20], '-');
    assert_string_equal(base + 21, suffix);
    assert_int_equal(unlinkat(fd, base, 0), 0);
    close(fd);
}

static void test_corrupt_names(void **state) {
    char longest[256];
    (void)state;
    assert_int_equal(mkdirat(dirfd, "corrupt", 0700), 0);
    assert_int_equal(mkdirat(dirfd, "sub", 0700), 0);
    put("plain.evt", 1);
    check_move("plain.evt", NOW, "1705314615123", "plain.evt");
    put("sub/inner", 1);
    check_move("sub/inner", 0, "0000000000000", "inner");
    put("a b\n\x7f\xc3\xbc.~", 1);
    check_move("a b\n\x7f\xc3\xbc.~", 9999999999999, "9999999999999", "a_b____.~");
    memset(longest, 'x', 255);
    longest[255] = '\0';
    put(longest, 1);
    longest[100] = '\0';
    char *cut = strdup(longest);
    assert_non_null(cut);
    longest[100] = 'x';
    check_move(longest, NOW, "1705314615123", cut);
    free(cut);
}

static void test_corrupt_move(void **state) {
    struct hs_error err = {0};
    (void)state;
    assert_int_equal(mkdirat(dirfd, "corrupt", 0700), 0);
    int fd = openat(dirfd, "corrupt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(hsp_corrupt_move(fd, dirfd, "gone", NOW, &err), HS_OK);
    for (int i = 0; i < 3; i++) { /* of one name, at one time */
        put("same", 1);
        assert_int_equal(hsp_corrupt_move(fd, dirfd, "same", NOW, &err), HS_OK);
    }
    assert_int_equal(symlinkat("/nowhere", dirfd, "link"), 0);
    assert_int_equal(hsp_corrupt_move(fd, dirfd, "link", NOW, &err), HS_OK);
    assert_int_equal(mkdirat(dirfd, "folder", 0700), 0);
    assert_int_equal(hsp_corrupt_move(fd, dirfd, "folder", NOW, &err), HS_OK);
    assert_int_equal(scratch_count(scratch_path("corrupt"), NULL), 5);
    close(fd);
}

/* The oldest go first there, whatever their own names are. */
static void test_corrupt_goes_by_time(void **state) {
    (void)state;
    assert_int_equal(mkdirat(dirfd, "corrupt", 0700), 0);
    int fd = openat(dirfd, "corrupt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    put("a", 1);
    put("z", 2);
    assert_int_equal(hsp_corrupt_move(fd, dirfd, "a", NOW, NULL), HS_OK);
    assert_int_equal(hsp_corrupt_move(fd, dirfd, "z", NOW - 1, NULL), HS_OK);
    struct hsp_trim trim;
    assert_int_equal(hsp_trim_choose(&trim, fd, NULL, 1, 100, NOW, NULL), HS_OK);
    assert_int_equal(trim.bytes, 2);
    hsp_trim_free(&trim);
    close(fd);
}

static enum hs_status choose_all(void *context, struct hs_error *err) {
    struct hsp_trim trim;
    (void)context;
    const enum hs_status status =
        hsp_trim_choose(&trim, dirfd, "one", 250, INT64_MAX, NOW, err);
    hsp_trim_free(&trim);
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (int i = 0; i < 260; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        put(name, 1);
    }
    alloc_fail_each(choose_all, NULL);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_limits),
        TEST(test_empty_folder),
        TEST(test_lines),
        TEST(test_remove),
        TEST(test_what_cannot_be_removed),
        TEST(test_not_a_folder),
        TEST(test_corrupt_names),
        TEST(test_corrupt_move),
        TEST(test_corrupt_goes_by_time),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
