/* SPDX-License-Identifier: MIT */
/* The thread that does the disk's work: two lists under one mutex, a condition to wake
 * the thread, an eventfd to wake the main loop. */
#include "config.h"

#include "worker.h"

#include "../error.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct list {
    struct hsp_job *first, **last;
};

struct hsp_worker {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct list todo, done;
    bool stopping;
    int event_fd;
};

static void append(struct list *list, struct hsp_job *job) {
    job->next = NULL;
    *list->last = job;
    list->last = &job->next;
}

static struct hsp_job *take_first(struct list *list) {
    struct hsp_job *job = list->first;
    if (job != NULL) {
        list->first = job->next;
        if (list->first == NULL)
            list->last = &list->first;
    }
    return job;
}

static void *run(void *argument) {
    struct hsp_worker *worker = argument;
    pthread_mutex_lock(&worker->mutex);
    for (;;) {
        struct hsp_job *job = take_first(&worker->todo);
        if (job == NULL && worker->stopping)
            break;
        if (job == NULL) {
            pthread_cond_wait(&worker->wake, &worker->mutex);
            continue;
        }
        pthread_mutex_unlock(&worker->mutex);
        job->err = (struct hs_error){0};
        job->status = job->work(job, &job->err);
        pthread_mutex_lock(&worker->mutex);
        append(&worker->done, job);
        /* An eventfd write fails only when its counter overflows: then it is readable
         * anyway. */
        (void)!write(worker->event_fd, &(uint64_t){1}, sizeof(uint64_t));
    }
    pthread_mutex_unlock(&worker->mutex);
    return NULL;
}

/* The thread must not take the signals that the main loop reads. */
static int start_thread(struct hsp_worker *worker) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

enum hs_status hsp_worker_open(struct hsp_worker **worker, struct hs_error *err) {
    struct hsp_worker *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return hsp_fail(err, HS_E_NOMEM, "start the disk thread: out of memory");
    fresh->todo.last = &fresh->todo.first;
    fresh->done.last = &fresh->done.first;
    pthread_mutex_init(&fresh->mutex, NULL);
    pthread_cond_init(&fresh->wake, NULL);
    fresh->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = fresh->event_fd < 0 ? errno : start_thread(fresh);
    if (error == 0) {
        *worker = fresh;
        return HS_OK;
    }
    errno = error;
    enum hs_status status = hsp_fail_errno(err, HS_E_IO, "start the disk thread");
    if (fresh->event_fd >= 0)
        close(fresh->event_fd);
    pthread_cond_destroy(&fresh->wake);
    pthread_mutex_destroy(&fresh->mutex);
    free(fresh);
    return status;
}

void hsp_worker_close(struct hsp_worker *worker) {
    if (worker == NULL)
        return;
    pthread_mutex_lock(&worker->mutex);
    worker->stopping = true;
    pthread_cond_signal(&worker->wake);
    pthread_mutex_unlock(&worker->mutex);
    pthread_join(worker->thread, NULL);
    hsp_worker_collect(worker);
    close(worker->event_fd);
    pthread_cond_destroy(&worker->wake);
    pthread_mutex_destroy(&worker->mutex);
    free(worker);
}

void hsp_worker_submit(struct hsp_worker *worker, struct hsp_job *job) {
    pthread_mutex_lock(&worker->mutex);
    append(&worker->todo, job);
    pthread_cond_signal(&worker->wake);
    pthread_mutex_unlock(&worker->mutex);
}

int hsp_worker_fd(const struct hsp_worker *worker) { return worker->event_fd; }

void hsp_worker_collect(struct hsp_worker *worker) {
    uint64_t count;
    (void)!read(worker->event_fd, &count, sizeof count);
    for (;;) {
        pthread_mutex_lock(&worker->mutex);
        struct hsp_job *job = take_first(&worker->done);
        pthread_mutex_unlock(&worker->mutex);
        if (job == NULL)
            return;
        job->done(job);
    }
}
