/* SPDX-License-Identifier: MIT */
/* The delivery journal: its lines, and a file that keeps whole lines through crashes,
 * rotation by others and by itself, and a full disk. The full disk is a small tmpfs, for
 * which the test must be root; else that part is skipped and says so. */
#include "config.h"

#include "alloc_fail.h"
#include "delivery/journal.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX (INT64_C(1) << 20)

/* Renaming
 * ------------------------------------------------------------------------------------ */

static int rename_failing; /* 1: the next one, 2: the one after it */

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

int __wrap_rename(const char *from, const char *to) {
    if (rename_failing > 0 && --rename_failing == 0) {
        errno = EIO;
        return -1;
    }
    return __real_rename(from, to);
}

/* Files
 * ------------------------------------------------------------------------------------ */

static const char *folder;
static char path[SCRATCH_PATH_MAX];

static int setup(void **state) {
    (void)state;
    folder = scratch_make();
    snprintf(path, sizeof(path), "%s/j", folder);
    return chdir(folder);
}

static int teardown(void **state) {
    (void)state;
    umount2("disk", MNT_DETACH); /* where a test failed before it did so */
    scratch_remove();
    return chdir("/");
}

static struct hsp_journal *open_journal(const char *name, int64_t max_bytes) {
    struct hsp_journal *journal = NULL;
    struct hs_error err = {0};
    if (hsp_journal_open(&journal, name, max_bytes, &err) != HS_OK)
        fail_msg("%s", err.text);
    return journal;
}

static void write_lines(struct hsp_journal *journal, const char *lines) {
    struct hs_error err = {0};
    if (hsp_journal_write(journal, lines, strlen(lines), &err) != HS_OK)
        fail_msg("%s", err.text);
}

static void put_file(const char *name, const char *text) {
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void check_file(const char *name, const char *expected) {
    char text[8192] = "";
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    const size_t length = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[length] = '\0';
    assert_string_equal(text, expected);
}

static int64_t allocated(const char *name) {
    struct stat info;
    assert_int_equal(stat(name, &info), 0);
    return (int64_t)info.st_blocks * 512;
}

/* Lines
 * ------------------------------------------------------------------------------------ */

static void check_line(const struct hsp_journal_line *line, const char *expected) {
    struct hsp_buffer out = {0};
    hsp_buffer_append(&out, "before\n", 7);
    hsp_journal_compose(&out, line);
    assert_false(out.failed);
    assert_int_equal(out.length, strlen(out.data));
    assert_memory_equal(out.data, "before\n", 7);
    assert_string_equal(out.data + 7, expected);
    hsp_buffer_free(&out);
}

static void test_lines(void **state) {
    (void)state;
    struct hsp_journal_line line = HSP_JOURNAL_LINE(1705314615123, "delivered");
    check_line(&line, "{\"at\":\"2024-01-15T10:30:15.123Z\",\"what\":\"delivered\"}\n");
    line = (struct hsp_journal_line){.at_ms = 0,
                                     .what = "failed",
                                     .endpoint = "statuspage",
                                     .id = "018d0c7c-8b00-7000-8000-000000000000",
                                     .monitor = "mon_abc123xyz789",
                                     .kind = "incident",
                                     .sequence = 1,
                                     .attempt = 2,
                                     .status = 500,
                                     .took_ms = 0,
                                     .next_at_ms = 1705314625000,
                                     .uid = 0,
                                     .reason = "HTTP 500"};
    check_line(&line, "{\"at\":\"1970-01-01T00:00:00.000Z\",\"what\":\"failed\","
                      "\"endpoint\":\"statuspage\","
                      "\"id\":\"018d0c7c-8b00-7000-8000-000000000000\","
                      "\"monitor\":\"mon_abc123xyz789\",\"kind\":\"incident\","
                      "\"sequence\":1,\"attempt\":2,\"status\":500,\"took_ms\":0,"
                      "\"next_at\":\"2024-01-15T10:30:25.000Z\",\"uid\":0,"
                      "\"reason\":\"HTTP 500\"}\n");
    line = HSP_JOURNAL_LINE(0, "warning");
    line.sequence = INT64_MAX;
    line.reason = "";
    check_line(&line, "{\"at\":\"1970-01-01T00:00:00.000Z\",\"what\":\"warning\","
                      "\"sequence\":9223372036854775807,\"reason\":\"\"}\n");
}

/* One line whatever the text holds, and always JSON. */
static void test_texts(void **state) {
    static const struct {
        const char *reason, *json;
    } cases[] = {
        {"a \"quoted\" \\ word", "a \\\"quoted\\\" \\\\ word"},
        {"one\ntwo\r\n\tthree\b\f", "one\\ntwo\\r\\n\\tthree\\b\\f"},
        {"\x01\x1f\x7f", "\\u0001\\u001f\x7f"},
        {"Gr\xc3\xbc\xc3\x9f"
         "e / \xf0\x9f\x98\x80",
         "Gr\xc3\xbc\xc3\x9f"
         "e / \xf0\x9f\x98\x80"},
        {"\xff"
         "a\xc3",
         "\xef\xbf\xbd"
         "a\xef\xbf\xbd"},
        {"\xff\n", "\xef\xbf\xbd\\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[256];
        struct hsp_journal_line line = HSP_JOURNAL_LINE(0, "failed");
        line.reason = cases[i].reason;
        line.monitor = cases[i].reason;
        snprintf(expected, sizeof(expected),
                 "{\"at\":\"1970-01-01T00:00:00.000Z\",\"what\":\"failed\","
                 "\"monitor\":\"%s\",\"reason\":\"%s\"}\n",
                 cases[i].json, cases[i].json);
        check_line(&line, expected);
    }
}

/* At 1 KB, and not in the middle of a character. */
static void test_long_reason(void **state) {
    char reason[3000], expected[3000];
    (void)state;
    strcpy(expected,
           "{\"at\":\"1970-01-01T00:00:00.000Z\",\"what\":\"failed\",\"reason\":\"");
    reason[0] = 'x';
    strcat(expected, "x");
    for (size_t i = 0; i < 1000; i++)
        memcpy(reason + 1 + 2 * i, "\xc3\xbc", 3);
    for (size_t i = 0; i < 511; i++)
        strcat(expected, "\xc3\xbc");
    strcat(expected, "\"}\n");
    struct hsp_journal_line line = HSP_JOURNAL_LINE(0, "failed");
    line.reason = reason;
    check_line(&line, expected);
}

/* Opening
 * ------------------------------------------------------------------------------------ */

static void test_made_where_missing(void **state) {
    struct stat info;
    char deep[SCRATCH_PATH_MAX];
    (void)state;
    snprintf(deep, sizeof(deep), "%s/log/j", folder);
    const mode_t mask = umask(0077);
    struct hsp_journal *journal = open_journal(deep, MAX);
    umask(mask);
    assert_int_equal(stat(deep, &info), 0);
    assert_int_equal(info.st_mode, S_IFREG | 0640);
    assert_int_equal(info.st_size, 0);
    write_lines(journal, "{\"a\":1}\n");
    write_lines(journal, "");
    write_lines(journal, "{\"a\":2}\n{\"a\":3}\n");
    hsp_journal_close(journal);
    hsp_journal_close(NULL);
    check_file(deep, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
}

static void test_appends(void **state) {
    struct stat info;
    (void)state;
    put_file(path, "old\n");
    assert_int_equal(chmod(path, 0600), 0);
    struct hsp_journal *journal = open_journal(path, MAX);
    write_lines(journal, "new\n");
    hsp_journal_close(journal);
    check_file(path, "old\nnew\n");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode, S_IFREG | 0600); /* as somebody chose */
}

static void test_torn_last_line(void **state) {
    (void)state;
    put_file(path, "whole\n{\"at\":\"20");
    struct hsp_journal *journal = open_journal(path, MAX);
    check_file(path, "whole\n{\"at\":\"20\n");
    write_lines(journal, "new\n");
    check_file(path, "whole\n{\"at\":\"20\nnew\n");
    /* The same where somebody else wrote half a line meanwhile. */
    FILE *file = fopen(path, "a");
    fputs("half", file);
    fclose(file);
    write_lines(journal, "newer\n");
    hsp_journal_close(journal);
    check_file(path, "whole\n{\"at\":\"20\nnew\nhalf\nnewer\n");
}

static void check_open_refused(const char *why) {
    struct hsp_journal *journal = NULL;
    struct hs_error err = {0};
    assert_int_equal(hsp_journal_open(&journal, path, MAX, &err), HS_E_IO);
    assert_null(journal);
    assert_non_null(strstr(err.text, path));
    if (strstr(err.text, why) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err.text, why);
}

static void test_refused_paths(void **state) {
    (void)state;
    assert_int_equal(mkdir(path, 0700), 0);
    check_open_refused("directory");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    check_open_refused("not a file");
    assert_int_equal(unlink(path), 0);
    put_file("target", "");
    assert_int_equal(symlink("target", path), 0);
    check_open_refused("symbolic link");
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof(path), "%s/no/such/j", folder);
    check_open_refused("No such file");
    strcpy(path, "/dev/null");
    check_open_refused("not a file");
}

/* Rotation
 * ------------------------------------------------------------------------------------ */

static void test_rotation_by_others(void **state) {
    (void)state;
    struct hsp_journal *journal = open_journal(path, MAX);
    write_lines(journal, "one\n");
    assert_int_equal(rename("j", "j-20240115"), 0); /* logrotate, nocreate */
    write_lines(journal, "two\n");
    check_file("j-20240115", "one\n");
    check_file(path, "two\n");
    assert_int_equal(rename("j", "j-20240116"), 0); /* logrotate, create */
    put_file(path, "");
    write_lines(journal, "three\n");
    check_file("j-20240116", "two\n");
    check_file(path, "three\n");
    assert_int_equal(unlink(path), 0);
    write_lines(journal, "four\n");
    check_file(path, "four\n");
    assert_int_equal(truncate(path, 0), 0); /* logrotate, copytruncate */
    write_lines(journal, "five\n");
    check_file(path, "five\n");
    hsp_journal_close(journal);
}

/* Where PATH cannot be opened nothing is written, and all is well once it can be. */
static void test_rotation_into_something_else(void **state) {
    struct hs_error err = {0};
    (void)state;
    struct hsp_journal *journal = open_journal(path, MAX);
    write_lines(journal, "one\n");
    assert_int_equal(rename("j", "old"), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(hsp_journal_write(journal, "two\n", 4, &err), HS_E_IO);
    assert_non_null(strstr(err.text, path));
    check_file("old", "one\n");
    assert_int_equal(rmdir(path), 0);
    write_lines(journal, "two\n");
    check_file(path, "two\n");
    hsp_journal_close(journal);
}

static void test_own_size_limit(void **state) {
    struct stat info;
    (void)state;
    put_file("j.new", "left by a crash");
    struct hsp_journal *journal = open_journal(path, 10);
    assert_int_equal(hsp_journal_reserve(journal, 1000, NULL), HS_OK);
    write_lines(journal, "one\n");
    write_lines(journal, "two\n");
    assert_int_not_equal(access("j.1", F_OK), 0);
    write_lines(journal, "three\n"); /* would be 14 */
    check_file("j.1", "one\ntwo\n");
    check_file(path, "three\n");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode, S_IFREG | 0640);
    assert_int_not_equal(access("j.new", F_OK), 0);
    write_lines(journal, "longer than the limit\n"); /* whole all the same */
    check_file("j.1", "three\n");
    check_file(path, "longer than the limit\n");
    write_lines(journal, "last\n");
    check_file("j.1", "longer than the limit\n");
    check_file(path, "last\n");
    hsp_journal_close(journal);
    /* What was reserved in each has been given back. */
    assert_true(allocated("j.1") <= 4096);
    assert_true(allocated(path) <= 4096);
}

/* A line too many is better than a line lost. */
static void test_rotation_that_fails(void **state) {
    (void)state;
    struct hsp_journal *journal = open_journal(path, 10);
    write_lines(journal, "one\n");
    assert_int_equal(mkdir("j.1", 0700), 0); /* rename cannot replace it */
    write_lines(journal, "longer than the limit\n");
    check_file(path, "one\nlonger than the limit\n");
    assert_int_not_equal(access("j.new", F_OK), 0);
    assert_int_equal(rmdir("j.1"), 0);
    assert_int_equal(mkdir("j.new", 0700), 0); /* the next file cannot be made */
    write_lines(journal, "two\n");
    check_file(path, "one\nlonger than the limit\ntwo\n");
    assert_int_equal(rmdir("j.new"), 0);
    rename_failing = 2; /* after j has become j.1 */
    write_lines(journal, "more\n");
    assert_int_not_equal(access("j.1", F_OK), 0);
    check_file(path, "one\nlonger than the limit\ntwo\nmore\n");
    write_lines(journal, "three\n");
    check_file("j.1", "one\nlonger than the limit\ntwo\nmore\n");
    check_file(path, "three\n");
    hsp_journal_close(journal);
}

/* Space
 * ------------------------------------------------------------------------------------ */

static void test_reserve(void **state) {
    struct stat info;
    (void)state;
    put_file(path, "one\n");
    struct hsp_journal *journal = open_journal(path, MAX);
    assert_int_equal(hsp_journal_reserve(journal, 1 << 20, NULL), HS_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 4);
    assert_true(allocated(path) >= 1 << 20);
    write_lines(journal, "two\n");
    check_file(path, "one\ntwo\n");
    assert_int_equal(truncate(path, 0), 0); /* takes the reserve with it: had again */
    write_lines(journal, "three\n");
    assert_true(allocated(path) >= 1 << 20);
    assert_int_equal(rename("j", "old"), 0);
    write_lines(journal, "four\n");
    assert_true(allocated("old") <= 4096);
    assert_true(allocated(path) >= 1 << 20);
    hsp_journal_close(journal);
    assert_true(allocated(path) >= 1 << 20); /* kept for a start on a full disk */
}

#define DISK (1024 * 1024)

/* A tmpfs at "disk", with a journal in it. False: not allowed to. */
static bool mount_disk(void) {
    assert_int_equal(mkdir("disk", 0700), 0);
    snprintf(path, sizeof(path), "%s/disk/j", folder);
    if (mount("none", "disk", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m") == 0)
        return true;
    print_message("SKIPPED, mount: %s: what happens on a full disk\n", strerror(errno));
    return false;
}

static void fill_disk(const char *name) {
    static const char block[4096];
    int fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    ssize_t written = 1;
    while (written > 0)
        written = write(fd, block, sizeof(block));
    assert_int_equal(errno, ENOSPC);
    close(fd);
}

/* 1000 bytes, the last a newline. */
static const char *thousand(char letter) {
    static char line[1001];
    memset(line, letter, 999);
    line[999] = '\n';
    return line;
}

static enum hs_status write_thousands(struct hsp_journal *journal, int count) {
    for (int i = 0; i < count; i++) {
        struct hs_error err = {0};
        const enum hs_status status =
            hsp_journal_write(journal, thousand('x'), 1000, &err);
        assert_int_equal(err.status, status);
        if (status != HS_OK)
            return status;
    }
    return HS_OK;
}

static void test_full_disk(void **state) {
    struct hs_error err = {0};
    struct stat info;
    (void)state;
    if (!mount_disk())
        skip();
    struct hsp_journal *journal = open_journal(path, MAX);
    write_lines(journal, "first\n");
    assert_int_equal(hsp_journal_reserve(journal, 40000, NULL), HS_OK);
    fill_disk("disk/ballast");
    /* More cannot be had, but what was reserved is there. */
    assert_int_equal(hsp_journal_reserve(journal, 2 * DISK, &err), HS_E_FULL);
    assert_int_equal(write_thousands(journal, 40), HS_OK);
    assert_int_equal(write_thousands(journal, DISK / 1000), HS_E_FULL);
    /* Nothing of the line that failed was left, and it may be written again. */
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal((info.st_size - 6) % 1000, 0);
    const off_t size = info.st_size;
    assert_int_equal(write_thousands(journal, 1), HS_E_FULL);
    assert_int_equal(unlink("disk/ballast"), 0);
    assert_int_equal(write_thousands(journal, 1), HS_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, size + 1000);
    hsp_journal_close(journal);
    assert_int_equal(umount("disk"), 0);
}

/* At its size limit, on a full disk, the journal keeps the file in which it has space. */
static void test_full_disk_at_the_size_limit(void **state) {
    (void)state;
    if (!mount_disk())
        skip();
    struct hsp_journal *journal = open_journal(path, 3000);
    assert_int_equal(hsp_journal_reserve(journal, 40000, NULL), HS_OK);
    fill_disk("disk/ballast");
    assert_int_equal(write_thousands(journal, 10), HS_OK);
    assert_int_not_equal(access("disk/j.1", F_OK), 0);
    assert_int_equal(unlink("disk/ballast"), 0);
    assert_int_equal(write_thousands(journal, 1), HS_OK);
    struct stat info;
    assert_int_equal(stat("disk/j.1", &info), 0);
    assert_int_equal(info.st_size, 10000);
    hsp_journal_close(journal);
    assert_int_equal(umount("disk"), 0);
}

/* Failures
 * ------------------------------------------------------------------------------------ */

static enum hs_status open_and_close(void *context, struct hs_error *err) {
    struct hsp_journal *journal = NULL;
    (void)context;
    enum hs_status status = hsp_journal_open(&journal, path, MAX, err);
    if (status != HS_OK)
        assert_null(journal);
    hsp_journal_close(journal);
    return status;
}

static enum hs_status compose(void *context, struct hs_error *err) {
    struct hsp_buffer out = {0};
    struct hsp_journal_line line = HSP_JOURNAL_LINE(0, "failed");
    (void)context;
    line.reason = "\xff";
    hsp_journal_compose(&out, &line);
    if (out.failed)
        *err = (struct hs_error){.status = HS_E_NOMEM, .text = "compose"};
    hsp_buffer_free(&out);
    return err->status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    alloc_fail_each(open_and_close, NULL);
    alloc_fail_each(compose, NULL);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_lines),
        TEST(test_texts),
        TEST(test_long_reason),
        TEST(test_made_where_missing),
        TEST(test_appends),
        TEST(test_torn_last_line),
        TEST(test_refused_paths),
        TEST(test_rotation_by_others),
        TEST(test_rotation_into_something_else),
        TEST(test_own_size_limit),
        TEST(test_rotation_that_fails),
        TEST(test_reserve),
        TEST(test_full_disk),
        TEST(test_full_disk_at_the_size_limit),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
