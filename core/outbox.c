/* SPDX-License-Identifier: MIT */
/* The queue of a resident adapter and the thread that empties it. The queue and the
 * counters are under the lock; the courier, which has the state file and the spool, is
 * the thread's alone. */
#include "config.h"

#include "courier.h"
#include "error.h"
#include "item.h"
#include "monitor.h"
#include "outbox.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS_US INT64_C(1000)
#define RETRY_US (1000 * MS_US)
#define IDLE_US (1000 * MS_US)      /* until a status alone is written */
#define FINISH_US (50 * MS_US)      /* that an event may be held for its last fields */
#define FINISH_PAUSE_US (5 * MS_US) /* between two looks at it */
#define STOP_MORE_US (1000 * MS_US) /* that a stop waits for a step to end */
#define LATE_US (2000 * MS_US)      /* a tick this late, or two, means we were stopped */

struct hsp_outbox {
    struct hsp_outbox_options options;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock;
    pthread_cond_t work;     /* for the thread */
    pthread_cond_t progress; /* for those who wait */
    struct hsp_items queue;
    bool hurry;         /* a status alone is to be written at once */
    size_t waiting;     /* events that are not in the spool */
    uint64_t added;     /* tickets given out */
    uint64_t durable;   /* up to this ticket */
    uint64_t put;       /* up to this ticket */
    bool failing;       /* neither state file nor spool took the last */
    bool spool_failing; /* the spool did not */
    bool stuck;         /* somebody waited in vain, and nothing has come through since */
    bool stopping, ended;
    size_t left; /* at the end: events that are not in the spool */
    bool kept;   /* … but in the state file */
    bool busy;   /* after the end: somebody does the thread's work */
    int64_t stop_at_us;

    /* The thread's own, and after its end whoever is busy has it. */
    struct hsp_courier courier;
    struct hsp_items items; /* at hand */
    uint64_t entered;       /* into the state file's memory, up to this ticket */
    size_t lost;            /* events that no spool would take */
    bool stopping_now;
    bool tried; /* since the stop */
    int64_t tick_at_us;
    int64_t retry_at_us; /* 0: nothing to retry */
    int64_t idle_at_us;  /* 0: nothing to write when idle */
};

static int64_t now_us(void) { return hsp_clock_now().running_us; }

static struct timespec as_timespec(int64_t us) {
    return (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
}

/* Writing, all in one thread */

/* Ask for the last fields of events that want them. It is rare that they are not there
 * at once, so all may wait for one. */
static void finish(const struct hsp_outbox *box) {
    for (struct hsp_item *item = box->items.first; item != NULL; item = item->next) {
        if (item->event == NULL || item->arg == NULL)
            continue;
        for (;;) {
            const bool last = now_us() >= item->added_us + FINISH_US;
            if (box->options.finish(box->options.context, item->arg, item->event, last) ||
                last)
                break;
            const struct timespec pause = as_timespec(FINISH_PAUSE_US);
            nanosleep(&pause, NULL);
        }
    }
}

/* The items at hand, for as long as memory lasts. */
static void enter_all(struct hsp_outbox *box) {
    while (box->items.first != NULL) {
        struct hsp_item *item = box->items.first;
        const bool was_event = item->event != NULL;
        const enum hs_status status =
            hsp_courier_enter(&box->courier, &item->event, item->key, item->value);
        if (status == HS_E_NOMEM)
            break;
        box->entered = item->ticket;
        box->lost += status != HS_OK && was_event;
        hsp_items_drop(&box->items);
    }
}

/* Tell those who wait: what was entered is durable, if not yet in the spool. */
static void report_durable(struct hsp_outbox *box) {
    pthread_mutex_lock(&box->lock);
    box->stuck = false;
    box->durable = box->entered;
    pthread_cond_broadcast(&box->progress);
    pthread_mutex_unlock(&box->lock);
}

/* The same of the end of a round, in which `gone` events left. */
static void report(struct hsp_outbox *box, bool kept, bool put, size_t gone) {
    pthread_mutex_lock(&box->lock);
    box->waiting -= gone;
    box->failing = !kept && !put;
    box->spool_failing = !put;
    box->stuck = false;
    if (kept || put)
        box->durable = box->entered;
    if (put)
        box->put = box->entered;
    pthread_cond_broadcast(&box->progress);
    pthread_mutex_unlock(&box->lock);
}

/* When the state file is to be written for a status alone. */
static void plan_idle(struct hsp_outbox *box, bool was_idle) {
    if (!hsp_statefile_is_dirty(box->courier.state))
        box->idle_at_us = 0;
    else if (box->idle_at_us == 0 || was_idle)
        box->idle_at_us = now_us() + IDLE_US;
}

/* Bring the items at hand to disk. */
static void work(struct hsp_outbox *box) {
    size_t gone = 0;
    const bool idle =
        box->stopping_now || (box->idle_at_us != 0 && now_us() >= box->idle_at_us);
    finish(box);
    enter_all(box);
    const bool due = hsp_statefile_edges(box->courier.state) > 0 || idle;
    const bool kept = due && hsp_courier_commit(&box->courier);
    if (kept)
        report_durable(box);
    const bool put = hsp_courier_put(&box->courier, &gone);
    gone += box->lost;
    box->lost = 0;
    report(box, kept, put, gone);
    box->retry_at_us = put && box->items.first == NULL ? 0 : now_us() + RETRY_US;
    plan_idle(box, idle);
}

/* The thread */

/* The earliest time at which there is something to do without being called; with the
 * lock held. */
static int64_t next_time(const struct hsp_outbox *box) {
    int64_t next = box->tick_at_us;
    const struct hsp_item *first = box->queue.first;
    if (first != NULL && first->added_us + IDLE_US < next)
        next = first->added_us + IDLE_US;
    if (box->retry_at_us != 0 && box->retry_at_us < next)
        next = box->retry_at_us;
    if (box->idle_at_us != 0 && box->idle_at_us < next)
        next = box->idle_at_us;
    return next;
}

/* All that is in the queue becomes the items at hand; with the lock held. */
static void take_queue(struct hsp_outbox *box) {
    if (box->queue.first != NULL && box->idle_at_us == 0)
        box->idle_at_us = box->queue.first->added_us + IDLE_US;
    hsp_items_move(&box->items, &box->queue);
    box->hurry = false;
}

static bool is_kept(const struct hsp_outbox *box) {
    return box->courier.keeps && box->items.first == NULL &&
           !hsp_statefile_is_dirty(box->courier.state);
}

/* Is there no more to be done for the stop? All that was there has been tried; what the
 * state file has need not be tried again. With the lock held. */
static bool is_over(const struct hsp_outbox *box) {
    return box->stopping && box->tried &&
           (box->retry_at_us == 0 || now_us() >= box->stop_at_us || is_kept(box));
}

/* Wait for an event, a time or the end, and take what is in the queue. While the spool
 * fails the queue is emptied all the same: the state file may take it. false: it is over.
 */
static bool wait_for_work(struct hsp_outbox *box) {
    pthread_mutex_lock(&box->lock);
    while (box->queue.events == 0 && !box->hurry && !box->stopping &&
           now_us() < next_time(box)) {
        const struct timespec at = as_timespec(next_time(box));
        pthread_cond_timedwait(&box->work, &box->lock, &at);
    }
    const bool over = is_over(box);
    if (!over)
        take_queue(box);
    box->stopping_now = box->stopping;
    pthread_mutex_unlock(&box->lock);
    return !over;
}

static void tick(struct hsp_outbox *box) {
    const int64_t now = now_us();
    const int64_t late = now - box->tick_at_us;
    if (late < 0 || box->options.tick == NULL)
        return;
    const int64_t tick_us = box->options.tick_ms * MS_US;
    const int64_t bound_us = 2 * tick_us < LATE_US ? 2 * tick_us : LATE_US;
    box->tick_at_us = now + tick_us;
    box->options.tick(box->options.context, late > bound_us ? late : 0);
}

static void *run(void *argument) {
    struct hsp_outbox *box = argument;
    while (wait_for_work(box)) {
        if (!box->stopping_now)
            tick(box);
        work(box);
        box->tried = box->stopping_now;
        if (box->stopping_now && box->retry_at_us != 0 && !is_kept(box)) {
            const struct timespec pause = as_timespec(100 * MS_US);
            nanosleep(&pause, NULL);
        }
    }
    hsp_courier_commit(&box->courier);
    pthread_mutex_lock(&box->lock);
    box->ended = true;
    box->left = box->waiting - box->queue.events; /* those have somebody who waits */
    box->kept = is_kept(box);
    pthread_cond_broadcast(&box->progress);
    pthread_mutex_unlock(&box->lock);
    return NULL;
}

/* After the thread's end its work is done by one of those who wait, with the lock held
 * before and after. */
static void work_instead(struct hsp_outbox *box) {
    box->busy = true;
    take_queue(box);
    pthread_mutex_unlock(&box->lock);
    work(box);
    hsp_courier_commit(&box->courier);
    pthread_mutex_lock(&box->lock);
    box->busy = false;
    pthread_cond_broadcast(&box->progress);
}

/* For others */

enum hs_status hsp_outbox_add(struct hsp_outbox *outbox,
                              const struct hsp_outgoing *outgoing, uint64_t *ticket,
                              struct hs_error *err) {
    enum hs_status status = HS_OK;
    struct hsp_item *item = hsp_item_new(outgoing, now_us());
    if (item == NULL)
        return hsp_fail(err, HS_E_NOMEM, "queue event: out of memory");
    pthread_mutex_lock(&outbox->lock);
    if (outgoing->event != NULL && outbox->waiting >= HSP_OUTBOX_MAX) {
        status = hsp_fail(err, HS_E_FULL, "queue event: %d wait already", HSP_OUTBOX_MAX);
    } else {
        item->event = outgoing->event;
        item->ticket = ++outbox->added;
        if (ticket != NULL)
            *ticket = item->ticket;
        outbox->waiting += item->event != NULL;
        hsp_items_add(&outbox->queue, item);
        if (item->event != NULL || outbox->queue.first == item)
            pthread_cond_signal(&outbox->work);
        item = NULL;
    }
    pthread_mutex_unlock(&outbox->lock);
    hsp_item_free(item);
    return status;
}

/* Wait until `*counter` reaches `ticket`, while `*failing` is not set. */
static bool wait_counter(struct hsp_outbox *box, const uint64_t *counter, uint64_t ticket,
                         const bool *failing, int64_t timeout_ms) {
    const struct timespec until = as_timespec(now_us() + timeout_ms * MS_US);
    int result = 0;
    while (*counter < ticket && !*failing && result != ETIMEDOUT) {
        if (!box->ended || box->busy)
            result = pthread_cond_timedwait(&box->progress, &box->lock, &until);
        else if (box->queue.first != NULL)
            work_instead(box);
        else
            break;
    }
    return *counter >= ticket;
}

bool hsp_outbox_wait(struct hsp_outbox *outbox, uint64_t ticket, int64_t timeout_ms) {
    pthread_mutex_lock(&outbox->lock);
    const bool durable = wait_counter(outbox, &outbox->durable, ticket, &outbox->failing,
                                      outbox->stuck ? 0 : timeout_ms);
    if (!durable && !outbox->failing)
        outbox->stuck = true;
    pthread_mutex_unlock(&outbox->lock);
    return durable;
}

bool hsp_outbox_flush(struct hsp_outbox *outbox, int64_t timeout_ms) {
    pthread_mutex_lock(&outbox->lock);
    const uint64_t added = outbox->added;
    outbox->hurry = outbox->queue.first != NULL; /* a status alone counts, too */
    pthread_cond_signal(&outbox->work);
    const bool put = wait_counter(outbox, &outbox->put, added, &outbox->spool_failing,
                                  outbox->stuck ? 0 : timeout_ms);
    if (!put && !outbox->spool_failing)
        outbox->stuck = true;
    pthread_mutex_unlock(&outbox->lock);
    return put;
}

/* Opening and ending */

static enum hs_status init_locks(struct hsp_outbox *box, struct hs_error *err) {
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return hsp_fail(err, HS_E_NOMEM, "open outbox: out of memory");
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    const bool made = pthread_mutex_init(&box->lock, NULL) == 0 &&
                      pthread_cond_init(&box->work, &attributes) == 0 &&
                      pthread_cond_init(&box->progress, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return made ? HS_OK : hsp_fail(err, HS_E_NOMEM, "open outbox: out of memory");
}

enum hs_status hsp_outbox_open(struct hsp_outbox **outbox,
                               const struct hsp_outbox_options *options,
                               struct hs_error *err) {
    struct hsp_outbox *box = calloc(1, sizeof(*box));
    if (box == NULL)
        return hsp_fail(err, HS_E_NOMEM, "open outbox: out of memory");
    box->options = *options;
    hsp_items_init(&box->queue);
    hsp_items_init(&box->items);
    enum hs_status status = hsp_courier_open(&box->courier, &box->options, err);
    if (status == HS_OK)
        status = init_locks(box, err);
    if (status != HS_OK) {
        hsp_courier_close(&box->courier);
        free(box);
        return status;
    }
    box->options.state_path = NULL; /* the caller's, used up */
    box->waiting = hsp_statefile_edges(box->courier.state);
    *outbox = box;
    return HS_OK;
}

const char *hsp_outbox_state(const struct hsp_outbox *outbox, const char *key) {
    return hsp_statefile_get(outbox->courier.state, key);
}

void hsp_outbox_walk(const struct hsp_outbox *outbox,
                     void (*each)(const char *key, void *value, void *context),
                     void *context) {
    hsp_statefile_walk(outbox->courier.state, each, context);
}

/* The host's signals are the host's threads' business. */
enum hs_status hsp_outbox_start(struct hsp_outbox *outbox, struct hs_error *err) {
    sigset_t all, before;
    outbox->tick_at_us = now_us() + outbox->options.tick_ms * MS_US;
    outbox->retry_at_us = now_us(); /* what was left, at once */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errno = pthread_create(&outbox->thread, NULL, run, outbox);
    const int cause = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = cause;
    outbox->started = cause == 0;
    return cause == 0 ? HS_OK : hsp_fail_errno(err, HS_E_IO, "start thread");
}

size_t hsp_outbox_stop(struct hsp_outbox *outbox, int64_t timeout_ms, bool *kept) {
    pthread_mutex_lock(&outbox->lock);
    outbox->stopping = true;
    outbox->stop_at_us = now_us() + timeout_ms * MS_US;
    pthread_cond_signal(&outbox->work);
    /* A disk that hangs must not hang the host: the thread is left alone then. */
    const struct timespec until = as_timespec(outbox->stop_at_us + STOP_MORE_US);
    int result = 0;
    while (outbox->started && !outbox->ended && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&outbox->progress, &outbox->lock, &until);
    const bool ended = outbox->ended;
    const size_t left = ended ? outbox->left : outbox->waiting;
    *kept = outbox->kept;
    pthread_mutex_unlock(&outbox->lock);
    if (outbox->started && ended) {
        pthread_join(outbox->thread, NULL);
        outbox->started = false;
    }
    return left;
}

void hsp_outbox_close(struct hsp_outbox *outbox) {
    if (outbox == NULL || outbox->started)
        return;
    hsp_items_free(&outbox->items);
    hsp_items_free(&outbox->queue);
    hsp_courier_close(&outbox->courier);
    pthread_cond_destroy(&outbox->progress);
    pthread_cond_destroy(&outbox->work);
    pthread_mutex_destroy(&outbox->lock);
    free(outbox);
}
