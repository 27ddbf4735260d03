/* SPDX-License-Identifier: MIT */
/* Reading the journal: lines of files that grow, are cut, hold garbage; files that are
 * renamed, copied, removed and made anew under the reader; the last lines that match. */
#include "config.h"

#include "alloc_fail.h"
#include "cli/journal_reader.h"
#include "cli/journal_watch.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state) {
    (void)state;
    return chdir(scratch_make());
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return chdir("/");
}

static void put(const char *name, const char *mode, const char *text) {
    FILE *file = fopen(name, mode);
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

#define WRITE(name, text) put(name, "w", text)
#define APPEND(name, text) put(name, "a", text)

static void move(const char *from, const char *to) {
    assert_int_equal(rename(from, to), 0);
}

static struct hsp_journal_reader *open_reader(bool follow) {
    struct hsp_journal_reader *reader = NULL;
    struct hs_error err = {0};
    if (hsp_journal_reader_open(&reader, "j", follow, &err) != HS_OK)
        fail_msg("%s", err.text);
    return reader;
}

/* What is there now, each line with a "|" behind it; long ones as "LONG|". */
static void expect(struct hsp_journal_reader *reader, const char *expected) {
    struct hsp_buffer text = {0};
    struct hsp_line line;
    struct hs_error err = {0};
    enum hsp_lines_step step;
    while ((step = hsp_journal_reader_next(reader, &line, &err)) == HSP_LINES_ONE ||
           step == HSP_LINES_LONG) {
        if (step == HSP_LINES_LONG)
            hsp_buffer_print(&text, "LONG");
        else
            hsp_buffer_append(&text, line.text, line.length);
        hsp_buffer_append(&text, "|", 1);
    }
    if (step != HSP_LINES_END)
        fail_msg("%s", err.text);
    assert_string_equal(text.data != NULL ? text.data : "", expected);
    hsp_buffer_free(&text);
}

/* What a reader of the files as they are now sees, from begin to end. */
static void expect_all(const char *expected) {
    struct hsp_journal_reader *reader = open_reader(false);
    expect(reader, expected);
    hsp_journal_reader_close(reader);
}

/* Without following
 * -------------------------------------------------------------------------- */

static void test_files(void **state) {
    (void)state;
    struct hsp_journal_reader *reader = open_reader(false);
    assert_true(hsp_journal_reader_is_missing(reader));
    expect(reader, "");
    hsp_journal_reader_close(reader);
    WRITE("j", "");
    expect_all("");
    WRITE("j", "\n\na\n\nb");
    expect_all("||a||b|");
    WRITE("j.1", "x\ny");
    expect_all("x|y|||a||b|");
    unlink("j");
    expect_all("x|y|");
    assert_int_equal(link("j.1", "j"), 0); /* renamed while it was opened */
    expect_all("x|y|");
}

static void test_ends_where_the_file_ended(void **state) {
    (void)state;
    WRITE("j", "a\n");
    struct hsp_journal_reader *reader = open_reader(false);
    APPEND("j", "b\n");
    expect(reader, "a|");
    hsp_journal_reader_close(reader);
}

static void test_no_files(void **state) {
    (void)state;
    struct hsp_journal_reader *reader = NULL;
    static const char *const messages[] = {"not a file", "not a file", "a link"};
    for (int i = 0; i < 3; i++) {
        struct hs_error err = {0};
        assert_int_equal(i == 0   ? mkdir("j", 0700)
                         : i == 1 ? mkfifo("j", 0600)
                                  : symlink("other", "j"),
                         0);
        assert_int_equal(hsp_journal_reader_open(&reader, "j", true, &err), HS_E_IO);
        assert_non_null(strstr(err.text, messages[i]));
        assert_non_null(strstr(err.text, " j: "));
        remove("j");
    }
    WRITE("j", "a\n");
    assert_int_equal(mkdir("j.1", 0700), 0);
    reader = open_reader(false);
    assert_non_null(strstr(hsp_journal_reader_warning(reader), "j.1"));
    expect(reader, "a|");
    hsp_journal_reader_close(reader);
}

/* Longer than is kept, with and without a newline, between others. */
static void test_long_lines_and_nuls(void **state) {
    (void)state;
    const size_t size = 3 * HSP_LINE_MAX;
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, 'x', size);
    text[size] = '\0';
    text[2] = text[size - 3] = '\n';
    WRITE("j", text);
    expect_all("xx|LONG|xx|");
    text[size - 3] = 'x';
    WRITE("j", text);
    expect_all("xx|LONG|");
    free(text);
    FILE *file = fopen("j", "w");
    assert_non_null(file);
    assert_int_equal(fwrite("\0\0\0a\n\0\n", 1, 7, file), 7);
    assert_int_equal(fclose(file), 0);
    struct hsp_journal_reader *reader = open_reader(false);
    struct hsp_line line;
    assert_int_equal(hsp_journal_reader_next(reader, &line, NULL), HSP_LINES_ONE);
    assert_int_equal(line.length, 4);
    assert_memory_equal(line.text, "\0\0\0a", 4);
    assert_int_equal(hsp_journal_reader_next(reader, &line, NULL), HSP_LINES_ONE);
    assert_int_equal(line.length, 1);
    assert_int_equal(line.start, 5);
    hsp_journal_reader_close(reader);
}

/* A hole of a gigabyte costs no memory that lasts. */
static void test_a_hole(void **state) {
    (void)state;
    WRITE("j", "a\n");
    assert_int_equal(truncate("j", 1 << 27), 0);
    APPEND("j", "\nb\n");
    expect_all("a|LONG|b|");
}

/* Following
 * -------------------------------------------------------------------------------- */

static void test_grows(void **state) {
    (void)state;
    struct hsp_journal_reader *reader = open_reader(true);
    expect(reader, "");
    assert_true(hsp_journal_reader_is_missing(reader));
    WRITE("j", "a\nhal");
    expect(reader, "a|");
    assert_false(hsp_journal_reader_is_missing(reader));
    APPEND("j", "f");
    expect(reader, "");
    APPEND("j", "\nb\n");
    expect(reader, "half|b|");
    expect(reader, "");
    hsp_journal_reader_close(reader);
}

static void test_renamed(void **state) {
    (void)state;
    WRITE("j.1", "0\n");
    WRITE("j", "a\n");
    struct hsp_journal_reader *reader = open_reader(true);
    expect(reader, "0|a|");
    APPEND("j", "b\n");
    move("j", "j.1");
    expect(reader, "b|");
    WRITE("j", "");         /* as logrotate's "create" */
    APPEND("j.1", "c\nto"); /* by a writer that has not noticed yet */
    expect(reader, "c|");
    APPEND("j.1", "rn");
    APPEND("j", "d\n");
    expect(reader, "torn|d|");
    APPEND("j", "e\n");
    expect(reader, "e|");
    unlink("j");
    expect(reader, "");
    WRITE("j", "f\n"); /* nobody made a rotated file */
    expect(reader, "f|");
    hsp_journal_reader_close(reader);
}

/* Two rotations between two looks; j.1 was once read and is not read again. */
static void test_renamed_twice(void **state) {
    (void)state;
    WRITE("j.1", "0\n");
    WRITE("j", "a\n");
    struct hsp_journal_reader *reader = open_reader(true);
    expect(reader, "0|a|");
    APPEND("j", "b\n");
    move("j", "j.1");
    WRITE("j", "c\n");
    move("j", "j.1");
    WRITE("j", "d\n");
    expect(reader, "b|c|d|");
    for (int i = 0; i < 20; i++) { /* however inodes are used again */
        move("j", "j.1");
        WRITE("j", "e\n");
        expect(reader, "e|");
        move("j", "j.1");
        WRITE("j", "f\n");
        move("j", "j.1");
        WRITE("j", "g\n");
        expect(reader, "f|g|");
    }
    hsp_journal_reader_close(reader);
}

/* With an old j.1 that has nothing to do with it (dated names). */
static void test_renamed_away(void **state) {
    (void)state;
    WRITE("j.1", "0\n");
    WRITE("j", "a\n");
    struct hsp_journal_reader *reader = open_reader(true);
    expect(reader, "0|a|");
    move("j", "j-20240115");
    WRITE("j", "b\n");
    expect(reader, "b|");
    hsp_journal_reader_close(reader);
}

static void test_only_the_rotated_one(void **state) {
    (void)state;
    WRITE("j.1", "a\n");
    struct hsp_journal_reader *reader = open_reader(true);
    expect(reader, "a|");
    WRITE("j", "b\n");
    expect(reader, "b|");
    hsp_journal_reader_close(reader);
}

static void copy_and_cut(void) {
    size_t length;
    char *text = scratch_read("j", &length);
    WRITE("j.2", text); /* another inode each time */
    move("j.2", "j.1");
    free(text);
    assert_int_equal(truncate("j", 0), 0);
}

static void test_copied_and_cut(void **state) {
    (void)state;
    WRITE("j", "a\n");
    struct hsp_journal_reader *reader = open_reader(true);
    expect(reader, "a|");
    APPEND("j", "b\n");
    expect(reader, "b|");
    copy_and_cut();
    expect(reader, "");
    APPEND("j", "c\n");
    expect(reader, "c|");
    APPEND("j", "d\ne"); /* not read before it is copied */
    expect(reader, "d|");
    APPEND("j", "nd\nf\n");
    copy_and_cut();
    APPEND("j", "g\n");
    expect(reader, "end|f|g|");
    copy_and_cut();
    APPEND("j", "longer than what was there before\n");
    expect(reader, "longer than what was there before|");
    hsp_journal_reader_close(reader);
}

static void test_cut_without_a_copy(void **state) {
    (void)state;
    WRITE("j", "a\nb\nc");
    struct hsp_journal_reader *reader = open_reader(true);
    expect(reader, "a|b|");
    WRITE("j", "d\n");
    expect(reader, "d|");
    WRITE("j", "e\nf\n");
    expect(reader, "e|f|");
    hsp_journal_reader_close(reader);
}

/* The daemon cuts back what it could not write as a whole. */
static void test_a_write_is_taken_back(void **state) {
    (void)state;
    WRITE("j", "a\nb\nc\nto");
    struct hsp_journal_reader *reader = open_reader(true);
    expect(reader, "a|b|c|");
    assert_int_equal(truncate("j", 6), 0);
    expect(reader, "");
    APPEND("j", "d\n");
    expect(reader, "d|");
    hsp_journal_reader_close(reader);
}

/* The last lines
 * --------------------------------------------------------------------------- */

static bool is_wanted(void *context, const struct hsp_line *line) {
    (void)context;
    return line->length > 0 && line->text[0] != '-';
}

static void expect_tail(bool follow, int64_t count, const char *expected) {
    struct hsp_journal_reader *reader = open_reader(follow);
    struct hs_error err = {0};
    assert_int_equal(hsp_journal_reader_tail(reader, count, is_wanted, NULL, &err),
                     HS_OK);
    expect(reader, expected);
    hsp_journal_reader_close(reader);
}

static void test_tail(void **state) {
    (void)state;
    expect_tail(false, 5, "");
    WRITE("j", "");
    expect_tail(true, 5, "");
    WRITE("j", "a\n-\nb\n-\nc\n-\ntorn");
    expect_tail(false, 0, "");
    expect_tail(false, 1, "torn|");
    expect_tail(false, 2, "c|-|torn|");
    expect_tail(true, 1, "c|-|");
    expect_tail(true, 0, "");
    expect_tail(false, 9, "a|-|b|-|c|-|torn|");
    WRITE("j.1", "x\n-\ny\n-\nz");
    expect_tail(true, 3, "a|-|b|-|c|-|");
    expect_tail(true, 4, "z|a|-|b|-|c|-|");
    expect_tail(true, 5, "y|-|z|a|-|b|-|c|-|");
    expect_tail(true, 99, "x|-|y|-|z|a|-|b|-|c|-|");
    WRITE("j", "-\n-\n");
    expect_tail(true, 1, "z|-|-|");
    expect_tail(true, 0, "");
}

static void test_tail_goes_on(void **state) {
    (void)state;
    WRITE("j", "a\nb\nto");
    struct hsp_journal_reader *reader = open_reader(true);
    assert_int_equal(hsp_journal_reader_tail(reader, 0, is_wanted, NULL, NULL), HS_OK);
    expect(reader, "");
    APPEND("j", "rn\nc\n");
    expect(reader, "torn|c|");
    hsp_journal_reader_close(reader);
}

/* Lines of all lengths up to beyond what is read at once, against counting by hand. */
static void test_tail_of_any_size(void **state) {
    (void)state;
    enum { LINES = 400 };
    static const size_t lengths[] = {1,   2,      63,     300,     4095,        65535,
                                     700, 262143, 262144, 1048000, 2 * 1048576, 5};
    FILE *file = fopen("j", "w");
    assert_non_null(file);
    char *filler = malloc(2 * 1048576);
    assert_non_null(filler);
    memset(filler, 'x', 2 * 1048576);
    unsigned dice = 1;
    int64_t wanted = 0;
    for (int i = 0; i < LINES; i++) {
        dice = dice * 1103515245 + 12345;
        unsigned number = dice >> 16;
        size_t length = lengths[number % (i % 20 == 0 ? 12 : 5)];
        filler[0] = number % 3 == 0 ? '-' : 'x';
        wanted += filler[0] == 'x' && length <= HSP_LINE_MAX;
        assert_int_equal(fwrite(filler, 1, length, file), length);
        assert_int_equal(fputc('\n', file), '\n');
    }
    free(filler);
    assert_int_equal(fclose(file), 0);
    for (int64_t count = 1; count <= wanted + 1; count += count < 12 ? 1 : 23) {
        struct hsp_journal_reader *reader = open_reader(false);
        struct hsp_line line;
        enum hsp_lines_step step;
        int64_t found = 0;
        bool first = true;
        assert_int_equal(hsp_journal_reader_tail(reader, count, is_wanted, NULL, NULL),
                         HS_OK);
        while ((step = hsp_journal_reader_next(reader, &line, NULL)) != HSP_LINES_END) {
            bool matches = step == HSP_LINES_ONE && is_wanted(NULL, &line);
            assert_true(!first || matches || count > wanted);
            first = false;
            found += matches;
        }
        assert_int_equal(found, count < wanted ? count : wanted);
        hsp_journal_reader_close(reader);
    }
}

/* Where lines begin at the very borders of what is read at once, a power of two. */
static void test_tail_at_borders(void **state) {
    (void)state;
    enum { LINES = 20000, LENGTH = 64 };
    FILE *file = fopen("j", "w");
    assert_non_null(file);
    for (int i = 0; i < LINES; i++)
        assert_int_equal(fprintf(file, "%0*d\n", LENGTH - 1, i), LENGTH);
    assert_int_equal(fclose(file), 0);
    for (int64_t size = LENGTH; size < (int64_t)LINES * LENGTH; size *= 2)
        for (int64_t count = size / LENGTH - 1; count <= size / LENGTH + 1; count++) {
            struct hsp_journal_reader *reader = open_reader(false);
            struct hsp_line line;
            assert_int_equal(
                hsp_journal_reader_tail(reader, count, is_wanted, NULL, NULL), HS_OK);
            if (count > 0) {
                assert_int_equal(hsp_journal_reader_next(reader, &line, NULL),
                                 HSP_LINES_ONE);
                assert_int_equal(atoi(line.text), LINES - count);
            }
            hsp_journal_reader_close(reader);
        }
}

/* Memory, waiting
 * -------------------------------------------------------------------------- */

static enum hs_status read_once(void *context, struct hs_error *err) {
    struct hsp_journal_reader *reader = NULL;
    struct hsp_line line;
    int lines = 0;
    (void)context;
    enum hs_status status = hsp_journal_reader_open(&reader, "j", false, err);
    if (status == HS_OK)
        status = hsp_journal_reader_tail(reader, 3, is_wanted, NULL, err);
    while (status == HS_OK) {
        enum hsp_lines_step step = hsp_journal_reader_next(reader, &line, err);
        if (step == HSP_LINES_FAILED)
            status = err->status;
        if (step == HSP_LINES_END)
            break;
        lines++;
    }
    hsp_journal_reader_close(reader);
    assert_true(status != HS_OK || lines == 3);
    return status;
}

static void test_allocations(void **state) {
    (void)state;
    WRITE("j.1", "a\nb\n");
    WRITE("j", "c\nd\n");
    alloc_fail_each(read_once, NULL);
}

static void test_watch(void **state) {
    (void)state;
    struct hsp_journal_watch watch;
    struct hs_error err = {0};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(hsp_journal_watch_open(&watch, "new/j", &err), HS_OK);
    assert_true(hsp_journal_watch_wait(&watch, ends[1], NULL));
    assert_true(watch.watch < 0);
    assert_int_equal(mkdir("new", 0700), 0);
    assert_true(hsp_journal_watch_wait(&watch, ends[1], NULL));
    assert_true(watch.watch >= 0);
    move("new", "old"); /* another folder takes its place */
    assert_int_equal(mkdir("new", 0700), 0);
    for (int i = 0; i < 3; i++)
        assert_true(hsp_journal_watch_wait(&watch, ends[1], NULL));
    assert_true(watch.watch >= 0);
    close(ends[0]);
    assert_false(hsp_journal_watch_wait(&watch, ends[1], NULL));
    close(ends[1]);
    hsp_journal_watch_close(&watch);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_files),
        TEST(test_ends_where_the_file_ended),
        TEST(test_no_files),
        TEST(test_long_lines_and_nuls),
        TEST(test_a_hole),
        TEST(test_grows),
        TEST(test_renamed),
        TEST(test_renamed_twice),
        TEST(test_renamed_away),
        TEST(test_only_the_rotated_one),
        TEST(test_copied_and_cut),
        TEST(test_cut_without_a_copy),
        TEST(test_a_write_is_taken_back),
        TEST(test_tail),
        TEST(test_tail_goes_on),
        TEST(test_tail_of_any_size),
        TEST(test_tail_at_borders),
        TEST(test_allocations),
        TEST(test_watch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
