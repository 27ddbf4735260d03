/* SPDX-License-Identifier: MIT */
/* Following a file that is rotated: each line once, whatever became of its names. */
#include "config.h"

#include "alloc_fail.h"
#include "follow.h"
#include "position.h"
#include "scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int folder = -1;
static int said;
static char heard[512]; /* the last of it */

static void say(void *context, const char *line) {
    (void)context;
    said++;
    snprintf(heard, sizeof(heard), "%s", line);
}

static int setup(void **state) {
    (void)state;
    folder = open(scratch_make(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(folder >= 0);
    said = 0;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    close(folder);
    scratch_remove();
    return 0;
}

static void append(const char *text) {
    const int fd =
        openat(folder, "a.ndjson", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* As Zabbix does it. */
static void rotate(void) {
    unlinkat(folder, "a.ndjson.old", 0);
    assert_int_equal(renameat(folder, "a.ndjson", folder, "a.ndjson.old"), 0);
}

static struct hsp_follow *begin(const char *position, bool from_end, const char *needle) {
    struct hsp_follow *follow = NULL;
    const struct hsp_follow_options options = {
        .dirfd = folder,
        .name = "a",
        .position = position,
        .from_end = from_end,
        .needle = needle,
        .say = say,
    };
    assert_int_equal(hsp_follow_open(&follow, &options, NULL), HS_OK);
    return follow;
}

/* The lines that are there, "a b c". */
static const char *lines(struct hsp_follow *follow) {
    static char all[1024];
    const char *text;
    size_t length;
    *all = '\0';
    for (;;) {
        assert_int_equal(hsp_follow_peek(follow, &text, &length, NULL), HS_OK);
        if (text == NULL)
            return all;
        const size_t used = strlen(all);
        snprintf(all + used, sizeof(all) - used, "%s%.*s", used == 0 ? "" : " ",
                 (int)(length > 20 ? 20 : length), text);
        hsp_follow_consume(follow);
    }
}

static void test_lines(void **state) {
    (void)state;
    struct hsp_follow *follow = begin(NULL, false, NULL);
    char position[HSP_POSITION_MAX];
    assert_false(hsp_follow_position(follow, position));
    assert_string_equal(lines(follow), "");
    append("one\ntw");
    assert_string_equal(lines(follow), "one");
    append("o\n\nthree\n");
    assert_string_equal(lines(follow), "two  three");
    assert_string_equal(lines(follow), "");
    assert_int_equal(said, 0);
    hsp_follow_close(follow);
    hsp_follow_close(NULL);
}

static void test_needle(void **state) {
    (void)state;
    struct hsp_follow *follow = begin(NULL, false, "x");
    append("one\ntxo\nthree\nx\n");
    assert_string_equal(lines(follow), "txo x");
    hsp_follow_close(follow);
}

/* What is half written at the first look is news once it is whole. */
static void test_from_end(void **state) {
    (void)state;
    append("old\nhal");
    struct hsp_follow *follow = begin(NULL, true, NULL);
    assert_string_equal(lines(follow), "");
    append("f\nnew\n");
    assert_string_equal(lines(follow), "half new");
    hsp_follow_close(follow);
}

static void test_rotation(void **state) {
    (void)state;
    append("a1\n");
    struct hsp_follow *follow = begin(NULL, false, NULL);
    assert_string_equal(lines(follow), "a1");
    append("a2\n");
    rotate();
    assert_string_equal(lines(follow), "a2"); /* nobody writes: there is no other */
    append("b1\n");
    assert_string_equal(lines(follow), "b1");
    append("b2\n");
    rotate(); /* twice between two looks: c is .old, b has no name */
    append("c1\n");
    rotate();
    append("d1\n");
    hsp_follow_mark(follow);
    assert_false(hsp_follow_is_due(follow));
    assert_string_equal(lines(follow), "b2 c1 d1");
    assert_true(hsp_follow_is_due(follow));
    append("cut");
    rotate();
    append("e1\n");
    assert_string_equal(lines(follow), "e1");
    assert_int_equal(hsp_follow_skipped(follow), 1);
    assert_non_null(strstr(heard, "cut"));
    hsp_follow_close(follow);
}

static void test_positions(void **state) {
    (void)state;
    char position[HSP_POSITION_MAX];
    append("a1\n");
    struct hsp_follow *follow = begin(NULL, false, NULL);
    assert_string_equal(lines(follow), "a1");
    assert_true(hsp_follow_position(follow, position));
    hsp_follow_close(follow);
    append("a2\n");
    follow = begin(position, false, NULL);
    assert_string_equal(lines(follow), "a2");
    assert_true(hsp_follow_position(follow, position));
    hsp_follow_close(follow);
    append("a3\n");
    rotate();
    append("b1\n");
    follow = begin(position, true, NULL);
    assert_string_equal(lines(follow), "a3 b1");
    hsp_follow_close(follow);
    assert_int_equal(said, 0);
    /* Away: what there is comes from its beginning. */
    rotate();
    append("c1\n");
    follow = begin(position, true, NULL);
    assert_string_equal(lines(follow), "b1 c1");
    assert_int_equal(said, 1);
    hsp_follow_close(follow);
    follow = begin("nonsense", true, NULL);
    assert_string_equal(lines(follow), "b1 c1");
    hsp_follow_close(follow);
}

/* An inode that another file has got is not that file. */
static void test_inode_again(void **state) {
    (void)state;
    char position[HSP_POSITION_MAX], text[160];
    unsigned long long offset, length, hash;
    struct stat info;
    append("a1\n");
    struct hsp_follow *follow = begin(NULL, false, NULL);
    assert_string_equal(lines(follow), "a1");
    assert_true(hsp_follow_position(follow, position));
    hsp_follow_close(follow);
    assert_int_equal(unlinkat(folder, "a.ndjson", 0), 0);
    append("b1\nb2\n");
    assert_int_equal(fstatat(folder, "a.ndjson", &info, 0), 0);
    assert_int_equal(sscanf(position, "%*u %llu %llu %llu", &offset, &length, &hash), 3);
    snprintf(text, sizeof(text), "%llu %llu %llu %llu", (unsigned long long)info.st_ino,
             offset, length, hash);
    follow = begin(text, true, NULL);
    assert_string_equal(lines(follow), "b1 b2");
    assert_int_equal(said, 1);
    hsp_follow_close(follow);
}

static void test_shorter(void **state) {
    (void)state;
    append("a1\na2\n");
    struct hsp_follow *follow = begin(NULL, false, NULL);
    assert_string_equal(lines(follow), "a1 a2");
    assert_int_equal(truncate(scratch_path("a.ndjson"), 0), 0);
    append("b\n");
    assert_string_equal(lines(follow), "b");
    assert_int_equal(said, 1);
    hsp_follow_close(follow);
}

static void test_long_line(void **state) {
    (void)state;
    char *text = malloc(HSP_FOLLOW_LINE_MAX * 2 + 2);
    assert_non_null(text);
    memset(text, 'x', HSP_FOLLOW_LINE_MAX * 2);
    strcpy(text + HSP_FOLLOW_LINE_MAX * 2, "\n");
    append("a\n");
    append(text);
    append("b\n");
    strcpy(text + HSP_FOLLOW_LINE_MAX - 1, "\n");
    append(text);
    struct hsp_follow *follow = begin(NULL, false, NULL);
    assert_string_equal(lines(follow), "a b xxxxxxxxxxxxxxxxxxxx");
    assert_int_equal(hsp_follow_skipped(follow), 1);
    assert_int_equal(said, 1);
    hsp_follow_close(follow);
    free(text);
}

static void test_places(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",        "1",        "1 2 3",         "1 2 3 4 ", "1 2 3 4",
        "a 2 1 4", "1 -2 1 4", "1 9000 4097 4", "1  2 1 4", "01 2 1 4"};
    struct hsp_place place;
    char text[HSP_POSITION_MAX];
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(hsp_place_read(&place, wrong[i]));
    assert_true(hsp_place_read(&place, "18446744073709551615 4097 4096 7"));
    hsp_place_print(&place, text, sizeof(text));
    assert_string_equal(text, "18446744073709551615 4097 4096 7");
}

static enum hs_status read_all(void *context, struct hs_error *err) {
    struct hsp_follow *follow = NULL;
    const char *text = NULL;
    size_t length;
    const struct hsp_follow_options options = {
        .dirfd = folder, .name = "a", .position = context, .say = say};
    enum hs_status status = hsp_follow_open(&follow, &options, err);
    if (status == HS_OK)
        status = hsp_follow_peek(follow, &text, &length, err);
    hsp_follow_close(follow);
    return status;
}

static void test_without_memory(void **state) {
    (void)state;
    append("a\n");
    char position[] = "1 0 0 0";
    alloc_fail_each(read_all, position);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_needle, setup, teardown),
        cmocka_unit_test_setup_teardown(test_from_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_positions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inode_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shorter, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_line, setup, teardown),
        cmocka_unit_test(test_places),
        cmocka_unit_test_setup_teardown(test_without_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
