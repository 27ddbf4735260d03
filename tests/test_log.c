/* SPDX-License-Identifier: MIT */
/* The daemon's lines on stderr. */
#include "config.h"

#include "delivery/log.h"
#include "scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
