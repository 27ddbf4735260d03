/* SPDX-License-Identifier: MIT */
/* The disk thread: jobs in their order, given back to the main loop alone, none lost at
 * the end, no signal taken. */
#include "config.h"

#include "alloc_fail.h"
#include "delivery/worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define JOBS 200

static int create_fails; /* an errno: pthread_create returns it */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *argument) {
    if (create_fails == 0)
        return __real_pthread_create(thread, attr, run, argument);
    errno = 0; /* POSIX: it need not set errno */
    return create_fails;
}

/* Touched by the thread while it works, by the test while nothing is under way. */
struct task {
    struct hsp_job job;
    int number, failures; /* it fails so often */
    int ran, done;
    pthread_t thread;
    bool signals_blocked;
};

static int order[JOBS * 2], order_count; /* numbers, as they were worked on */
static int done_order[JOBS * 2], done_count;
static pthread_t main_thread;

static enum hs_status work(struct hsp_job *job, struct hs_error *err) {
    struct task *task = (struct task *)job;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    task->signals_blocked = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGHUP) &&
                            sigismember(&mask, SIGINT) && sigismember(&mask, SIGCHLD);
    task->thread = pthread_self();
    order[order_count++] = task->number;
    if (task->ran++ < task->failures) {
        *err = (struct hs_error){.status = HS_E_FULL, .sys_errno = ENOSPC};
        snprintf(err->text, sizeof err->text, "job %d", task->number);
        return HS_E_FULL;
    }
    return HS_OK;
}

static void done(struct hsp_job *job) {
    struct task *task = (struct task *)job;
    assert_true(pthread_equal(pthread_self(), main_thread));
    task->done++;
    done_order[done_count++] = task->number;
}

static int setup(void **state) {
    (void)state;
    order_count = done_count = 0;
    main_thread = pthread_self();
    return 0;
}

static struct hsp_worker *open_worker(void) {
    struct hsp_worker *worker = NULL;
    struct hs_error err = {0};
    if (hsp_worker_open(&worker, &err) != HS_OK)
        fail_msg("%s", err.text);
    return worker;
}

static void init(struct task *task, int number) {
    *task = (struct task){.job = {.work = work, .done = done}, .number = number};
}

static bool wait_readable(const struct hsp_worker *worker, int timeout_ms) {
    struct pollfd poller = {.fd = hsp_worker_fd(worker), .events = POLLIN};
    return poll(&poller, 1, timeout_ms) == 1;
}

/* Until `count` jobs have been given back. */
static void collect(struct hsp_worker *worker, int count) {
    while (done_count < count) {
        assert_true(wait_readable(worker, 10000));
        hsp_worker_collect(worker);
    }
}

static void test_idle(void **state) {
    (void)state;
    struct hsp_worker *worker = open_worker();
    assert_false(wait_readable(worker, 0));
    hsp_worker_collect(worker);
    hsp_worker_close(worker);
    hsp_worker_close(NULL);
}

static void test_order(void **state) {
    static struct task tasks[JOBS];
    (void)state;
    struct hsp_worker *worker = open_worker();
    for (int i = 0; i < JOBS; i++) {
        init(&tasks[i], i);
        hsp_worker_submit(worker, &tasks[i].job);
        if (i % 50 == 49)
            collect(worker, i + 1);
    }
    hsp_worker_collect(worker); /* one may have been taken before its wake-up was */
    assert_false(wait_readable(worker, 0));
    hsp_worker_close(worker);
    assert_int_equal(order_count, JOBS);
    assert_int_equal(done_count, JOBS);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(order[i], i);
        assert_int_equal(done_order[i], i);
        assert_int_equal(tasks[i].ran, 1);
        assert_int_equal(tasks[i].done, 1);
        assert_int_equal(tasks[i].job.status, HS_OK);
        assert_false(pthread_equal(tasks[i].thread, main_thread));
        assert_true(tasks[i].signals_blocked);
    }
}

static void test_failure_and_another_try(void **state) {
    struct task task;
    (void)state;
    struct hsp_worker *worker = open_worker();
    init(&task, 7);
    task.failures = 2;
    for (int i = 1; i <= 3; i++) {
        hsp_worker_submit(worker, &task.job);
        collect(worker, i);
        assert_int_equal(task.ran, i);
        assert_int_equal(task.job.status, i < 3 ? HS_E_FULL : HS_OK);
        assert_int_equal(task.job.err.status, i < 3 ? HS_E_FULL : HS_OK);
        assert_string_equal(task.job.err.text, i < 3 ? "job 7" : "");
    }
    hsp_worker_close(worker);
    assert_int_equal(task.done, 3);
}

/* A job that is handed in by another one's `done`. */
static struct hsp_worker *again_worker;

static void done_again(struct hsp_job *job) {
    struct task *task = (struct task *)job;
    done(job);
    if (task->done < 3)
        hsp_worker_submit(again_worker, job);
}

static void test_handed_in_while_collecting(void **state) {
    struct task task;
    (void)state;
    init(&task, 1);
    task.job.done = done_again;
    again_worker = open_worker();
    hsp_worker_submit(again_worker, &task.job);
    collect(again_worker, 3);
    hsp_worker_close(again_worker);
    assert_int_equal(task.ran, 3);
}

static void test_close_finishes_what_was_handed_in(void **state) {
    static struct task tasks[JOBS];
    (void)state;
    struct hsp_worker *worker = open_worker();
    for (int i = 0; i < JOBS; i++) {
        init(&tasks[i], i);
        hsp_worker_submit(worker, &tasks[i].job);
    }
    hsp_worker_close(worker);
    assert_int_equal(order_count, JOBS);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(done_order[i], i);
}

static void test_callers_signals_are_left_alone(void **state) {
    sigset_t before, after;
    (void)state;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    hsp_worker_close(open_worker());
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int signal = 1; signal < 32; signal++)
        assert_int_equal(sigismember(&before, signal), sigismember(&after, signal));
}

static int open_files(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += dup2(fd, fd) == fd;
    return count;
}

static void test_no_thread(void **state) {
    static const struct {
        int error;
        enum hs_status status;
    } cases[] = {{EAGAIN, HS_E_IO}, {ENOMEM, HS_E_NOMEM}};
    (void)state;
    const int before = open_files();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hsp_worker *worker = NULL;
        struct hs_error err = {0};
        create_fails = cases[i].error;
        assert_int_equal(hsp_worker_open(&worker, &err), cases[i].status);
        create_fails = 0;
        assert_null(worker);
        assert_int_equal(err.sys_errno, cases[i].error);
        assert_non_null(strstr(err.text, strerror(cases[i].error)));
        assert_int_equal(open_files(), before);
    }
}

static enum hs_status open_and_close(void *context, struct hs_error *err) {
    struct hsp_worker *worker = NULL;
    (void)context;
    const enum hs_status status = hsp_worker_open(&worker, err);
    if (status != HS_OK)
        assert_null(worker);
    hsp_worker_close(worker);
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    alloc_fail_each(open_and_close, NULL);
}

#define TEST(test) cmocka_unit_test_setup(test, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_idle),
        TEST(test_order),
        TEST(test_failure_and_another_try),
        TEST(test_handed_in_while_collecting),
        TEST(test_close_finishes_what_was_handed_in),
        TEST(test_callers_signals_are_left_alone),
        TEST(test_no_thread),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
