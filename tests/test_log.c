/* SPDX-License-Identifier: MIT */
/* The daemon's lines on stderr and in a file. */
#include "config.h"

#include "delivery/log.h"
#include "scratch.h"

#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* What one call writes; free(). */
static char *line_of(enum hsp_severity severity, const char *text, int number) {
    size_t length;
    fflush(stderr);
    const int kept = dup(STDERR_FILENO);
    int fd = open(scratch_path("stderr"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(kept >= 0 && fd >= 0);
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    hsp_log(severity, "%s%d", text, number);
    fflush(stderr);
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    close(kept);
    close(fd);
    return scratch_read(scratch_path("stderr"), &length);
}

static void test_lines(void **state) {
    static const struct {
        bool journal;
        enum hsp_severity severity;
        const char *text, *line;
    } cases[] = {
        {false, HSP_LOG_ERROR, "no ", "hookspoold: no 5\n"},
        {false, HSP_LOG_INFO, "", "hookspoold: 5\n"},
        {true, HSP_LOG_ERROR, "no ", "<3>hookspoold: no 5\n"},
        {true, HSP_LOG_WARNING, "no ", "<4>hookspoold: no 5\n"},
        {true, HSP_LOG_NOTICE, "no ", "<5>hookspoold: no 5\n"},
        {true, HSP_LOG_INFO, "no ", "<6>hookspoold: no 5\n"},
        {false, HSP_LOG_INFO, "a\nb\r\t\x01 c", "hookspoold: a b    c5\n"},
        {false, HSP_LOG_INFO,
         "Gr\xc3\xbc\xc3\x9f"
         "e ",
         "hookspoold: Gr\xc3\xbc\xc3\x9f"
         "e 5\n"},
        {false, HSP_LOG_INFO, "%s%n ", "hookspoold: %s%n 5\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (cases[i].journal)
            setenv("JOURNAL_STREAM", "8:1", 1);
        else
            unsetenv("JOURNAL_STREAM");
        char *line = line_of(cases[i].severity, cases[i].text, 5);
        assert_string_equal(line, cases[i].line);
        free(line);
    }
}

/* One line, of 1 KB at most. */
static void test_long_line(void **state) {
    char text[5000];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    unsetenv("JOURNAL_STREAM");
    char *line = line_of(HSP_LOG_INFO, text, 5);
    assert_int_equal(strlen(line), strlen("hookspoold: \n") + 1023);
    assert_int_equal(strcspn(line, "\n"), strlen(line) - 1);
    free(line);
}

/* Does the whole text fit the extended expression? */
static void assert_fits(const char *text, const char *expression) {
    regex_t compiled;
    assert_int_equal(regcomp(&compiled, expression, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&compiled, text, 0, NULL, 0) != 0)
        fail_msg("'%s' does not fit '%s'", text, expression);
    regfree(&compiled);
}

static void assert_file_fits(const char *path, const char *expression) {
    size_t length;
    char *text = scratch_read(path, &length);
    assert_fits(text, expression);
    free(text);
}

/* Log one line; what of it stderr gets has to be this. */
static void assert_stderr(const char *text, const char *expected) {
    char *line = line_of(HSP_LOG_WARNING, text, 5);
    assert_fits(line, expected);
    free(line);
}

/* A path in the scratch folder, for longer than scratch_path keeps it. */
static const char *path_of(char room[SCRATCH_PATH_MAX], const char *name) {
    snprintf(room, SCRATCH_PATH_MAX, "%s", scratch_path(name));
    return room;
}

#define STAMP "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z hookspoold\\[[0-9]+\\]: "

static void test_file(void **state) {
    char rooms[2][SCRATCH_PATH_MAX];
    const char *path = path_of(rooms[0], "file.log");
    const char *rotated = path_of(rooms[1], "file.log.1");
    struct stat info;
    (void)state;
    unsetenv("JOURNAL_STREAM");
    const mode_t mask = umask(077);
    hsp_log_open(path);
    assert_stderr("start ", "^hookspoold: start 5\n$");
    hsp_log_leave_stderr();
    assert_stderr("a\nb ", "^$");
    assert_file_fits(path, "^" STAMP "warning: start 5\n" STAMP "warning: a b 5\n$");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0640);

    /* Renamed: the next line begins a new file. The mode of one that is there stays. */
    assert_int_equal(rename(path, rotated), 0);
    assert_stderr("after ", "^$");
    assert_file_fits(path, "^" STAMP "warning: after 5\n$");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(chmod(scratch_write("file.log", "", 0), 0600), 0);
    assert_stderr("anew ", "^$");
    assert_file_fits(path, "^" STAMP "warning: anew 5\n$");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);

    hsp_log_open(path);
    assert_stderr("same ", "^$");
    hsp_log_open("stderr");
    assert_stderr("back ", "^hookspoold: back 5\n$");
    hsp_log_open(path);
    hsp_log_close();
    assert_stderr("end ", "^hookspoold: end 5\n$");
    assert_file_fits(path, "anew 5\n" STAMP "warning: same 5\n$");
    umask(mask);
}

/* What is no regular file, or cannot be written, is said once, and nothing is lost. */
static void test_file_that_cannot_be_written(void **state) {
    char rooms[4][SCRATCH_PATH_MAX];
    const char *const paths[] = {path_of(rooms[0], "missing/file.log"),
                                 path_of(rooms[1], "pipe"), path_of(rooms[2], "link"),
                                 path_of(rooms[3], "."), "/dev/full"};
    (void)state;
    unsetenv("JOURNAL_STREAM");
    assert_int_equal(mkfifo(paths[1], 0600), 0);
    assert_int_equal(symlink("target", paths[2]), 0);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        hsp_log_open(paths[i]);
        hsp_log_leave_stderr();
        assert_stderr("one ",
                      "^hookspoold: log /[^:]*: .*; until it can be written lines "
                      "come here\nhookspoold: one 5\n$");
        assert_stderr("two ", "^hookspoold: two 5\n$");
        hsp_log_close();
    }
    /* It heals by itself, and a new failure is said again. */
    hsp_log_open(paths[0]);
    hsp_log_leave_stderr();
    assert_stderr("lost ", "come here\nhookspoold: lost 5\n$");
    assert_int_equal(mkdir(scratch_path("missing"), 0700), 0);
    assert_stderr("found ", "^$");
    assert_file_fits(paths[0], "^" STAMP "warning: found 5\n$");
    assert_int_equal(unlink(paths[0]), 0);
    assert_int_equal(rmdir(scratch_path("missing")), 0);
    assert_stderr("again ", "come here\nhookspoold: again 5\n$");
    hsp_log_close();
}

/* A full disk may take a part of a line: it is ended before the next one. */
static void test_torn_line(void **state) {
    char room[SCRATCH_PATH_MAX];
    const char *path = path_of(room, "torn.log");
    struct rlimit old;
    struct stat info;
    (void)state;
    unsetenv("JOURNAL_STREAM");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    hsp_log_open(path);
    hsp_log_leave_stderr();
    for (int i = 0; i < 20; i++)
        hsp_log(HSP_LOG_INFO, "a line that makes the file longer");
    assert_int_equal(stat(path, &info), 0);
    const struct rlimit small = {(rlim_t)info.st_size + 10, old.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_stderr("full ", "^hookspoold: log /.*come here\nhookspoold: full 5\n$");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    assert_stderr("whole ", "^$");
    assert_file_fits(path, "longer\n[0-9T:-]{10}\n" STAMP "warning: whole 5\n$");
    hsp_log_close();
}

static int setup(void **state) {
    (void)state;
    scratch_make();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_torn_line),
        cmocka_unit_test(test_file_that_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
