/* SPDX-License-Identifier: MIT */
/* What is told to the service manager, as it finds it in its socket. */
#include "config.h"

#include "delivery/supervisor.h"
#include "scratch.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int manager; /* the socket of the one that is told */
static char heard[512];

/* Listen at `name`, a path or '@' and an abstract name, and say so in the environment. */
static void listen_at(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(name) < sizeof address.sun_path);
    memcpy(address.sun_path, name, strlen(name));
    if (*name == '@')
        address.sun_path[0] = '\0';
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(manager >= 0);
    assert_int_equal(
        bind(manager, (struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
        0);
    setenv("NOTIFY_SOCKET", name, 1);
}

/* The next datagram; "" where there is none. */
static const char *next(void) {
    ssize_t length = recv(manager, heard, sizeof heard - 1, 0);
    assert_true(length >= 0 || errno == EAGAIN);
    heard[length > 0 ? length : 0] = '\0';
    return heard;
}

static void test_states(void **state) {
    char abstract[64];
    snprintf(abstract, sizeof abstract, "@hookspool-test-%d", (int)getpid());
    const char *const names[] = {scratch_path("notify"), abstract};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct hsp_supervisor supervisor;
        listen_at(names[i]);
        hsp_supervisor_open(&supervisor);
        hsp_supervisor_ready(&supervisor);
        assert_string_equal(next(), "READY=1");
        int64_t before_ms = hsp_now_ms(CLOCK_MONOTONIC), usec = 0;
        hsp_supervisor_reloading(&supervisor);
        assert_int_equal(sscanf(next(), "RELOADING=1\nMONOTONIC_USEC=%" SCNd64, &usec),
                         1);
        assert_in_range(usec / 1000, before_ms, hsp_now_ms(CLOCK_MONOTONIC));
        hsp_supervisor_stopping(&supervisor);
        assert_string_equal(next(), "STOPPING=1");
        assert_string_equal(next(), "");
        hsp_supervisor_close(&supervisor);
        hsp_supervisor_ready(&supervisor); /* nobody is told after the end */
        assert_string_equal(next(), "");
        close(manager);
    }
}

static void test_status_only_when_it_changes(void **state) {
    struct hsp_supervisor supervisor;
    char longer[2 * HSP_SUPERVISOR_STATUS_MAX];
    (void)state;
    listen_at(scratch_path("status"));
    hsp_supervisor_open(&supervisor);
    hsp_supervisor_status(&supervisor, "2 endpoints");
    assert_string_equal(next(), "STATUS=2 endpoints");
    hsp_supervisor_status(&supervisor, "2 endpoints");
    assert_string_equal(next(), "");
    hsp_supervisor_status(&supervisor, "one\nREADY=1");
    assert_string_equal(next(), "STATUS=one");
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    hsp_supervisor_status(&supervisor, longer);
    assert_int_equal(strlen(next()), strlen("STATUS=") + HSP_SUPERVISOR_STATUS_MAX - 1);
    hsp_supervisor_status(&supervisor, longer);
    assert_string_equal(next(), "");
    for (size_t i = 1; i + 1 < sizeof longer; i += 2)
        memcpy(longer + i, "\xc3\xbc", 2); /* the cut comes between two of these … */
    longer[sizeof longer - 1] = '\0';
    hsp_supervisor_status(&supervisor, longer);
    assert_int_equal(strlen(next()), strlen("STATUS=") + HSP_SUPERVISOR_STATUS_MAX - 1);
    hsp_supervisor_status(&supervisor, longer + 1); /* … or within one, which goes */
    assert_int_equal(strlen(next()), strlen("STATUS=") + HSP_SUPERVISOR_STATUS_MAX - 2);
    hsp_supervisor_close(&supervisor);
    close(manager);
}

static void test_watchdog(void **state) {
    char self[24];
    snprintf(self, sizeof self, "%d", (int)getpid());
    const struct {
        const char *usec, *pid;
        int64_t every_ms; /* 0: none */
    } cases[] = {
        {NULL, NULL, 0},
        {"30000000", NULL, 15000},
        {"30000000", self, 15000},
        {"30000000", "1", 0},
        {"3000", NULL, 1},
        {"1", NULL, 1},
        {"0", NULL, 0},
        {"-5000000", NULL, 0},
        {"", NULL, 0},
        {"soon", NULL, 0},
        {"5s", NULL, 0},
        {"99999999999999999999", NULL, 0},
    };
    (void)state;
    listen_at(scratch_path("watchdog"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hsp_supervisor supervisor;
        unsetenv("WATCHDOG_USEC");
        unsetenv("WATCHDOG_PID");
        if (cases[i].usec != NULL)
            setenv("WATCHDOG_USEC", cases[i].usec, 1);
        if (cases[i].pid != NULL)
            setenv("WATCHDOG_PID", cases[i].pid, 1);
        hsp_supervisor_open(&supervisor);
        hsp_supervisor_ping(&supervisor, 1000000);
        assert_string_equal(next(), cases[i].every_ms > 0 ? "WATCHDOG=1" : "");
        assert_int_equal(hsp_supervisor_due(&supervisor),
                         cases[i].every_ms > 0 ? 1000000 + cases[i].every_ms : INT64_MAX);
        hsp_supervisor_ping(&supervisor, 1000000 + cases[i].every_ms - 1);
        assert_string_equal(next(), "");
        hsp_supervisor_ping(&supervisor, 1000000 + cases[i].every_ms);
        assert_string_equal(next(), cases[i].every_ms > 0 ? "WATCHDOG=1" : "");
        hsp_supervisor_close(&supervisor);
    }
    close(manager);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

/* What is wrong costs a word and no more. */
static void test_no_manager(void **state) {
    char longer[200];
    memset(longer, '/', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    const char *const names[] = {
        NULL, "", "@", "notify", "vsock:2:3", longer, scratch_path("missing")};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct hsp_supervisor supervisor;
        unsetenv("NOTIFY_SOCKET");
        if (names[i] != NULL)
            setenv("NOTIFY_SOCKET", names[i], 1);
        setenv("WATCHDOG_USEC", "1000000", 1);
        hsp_supervisor_open(&supervisor);
        if (i + 1 < sizeof names / sizeof *names)
            assert_int_equal(hsp_supervisor_due(&supervisor), INT64_MAX);
        hsp_supervisor_ready(&supervisor);
        hsp_supervisor_status(&supervisor, "text");
        hsp_supervisor_ping(&supervisor, 5000);
        hsp_supervisor_close(&supervisor);
    }
    unsetenv("WATCHDOG_USEC");
}

/* A manager that takes nothing holds up neither a status nor a ping. */
static void test_full_socket(void **state) {
    struct hsp_supervisor supervisor;
    char line[32];
    (void)state;
    listen_at(scratch_path("full"));
    setenv("WATCHDOG_USEC", "2000", 1);
    hsp_supervisor_open(&supervisor);
    for (int i = 0; i < 5000; i++) {
        snprintf(line, sizeof line, "%d events", i);
        hsp_supervisor_status(&supervisor, line);
        hsp_supervisor_ping(&supervisor, 10 * (int64_t)i);
    }
    assert_string_equal(next(), "STATUS=0 events");
    hsp_supervisor_close(&supervisor);
    close(manager);
    unsetenv("WATCHDOG_USEC");
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
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_status_only_when_it_changes),
        cmocka_unit_test(test_watchdog),
        cmocka_unit_test(test_no_manager),
        cmocka_unit_test(test_full_socket),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
