/* SPDX-License-Identifier: MIT */
/* The queue of a resident adapter and the thread that empties it. The queue and the
 * counters are under the lock; the state file, the spool and what the log has told belong
 * to the thread alone. The line of edges that are not yet in the spool is the state
 * file's, so that memory and disk cannot come apart. */
#include "config.h"

#include "buffer.h"
#include "crash.h"
#include "error.h"
#include "event.h"
#include "monitor.h"
#include "outbox.h"
#include "record.h"
#include "spool.h"
#include "statefile.h"

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
#define REPEAT_US (60000 * MS_US)   /* between two equal complaints */
#define FINISH_US (50 * MS_US)      /* that an event may be held for its last fields */
#define FINISH_PAUSE_US (5 * MS_US) /* between two looks at it */
#define LATE_US (2000 * MS_US)      /* a tick this much late means that we were stopped */
#define PUT_EVENTS 1000             /* of one spool file */
#define PUT_BYTES (4 * 1024 * 1024)

struct item {
    struct item *next;
    struct hs_event *event; /* NULL: a status alone */
    void *arg;
    char *key, *value; /* in one allocation with the item; NULL */
    int64_t added_us;
    uint64_t ticket;
};

/* What was said last of something that fails. */
struct complaint {
    struct hs_error last; /* status HS_OK: it works */
    int64_t said_us;
};

struct hsp_outbox {
    struct hsp_outbox_options options;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock;
    pthread_cond_t work;     /* for the thread */
    pthread_cond_t progress; /* for those who wait */
    struct item *first, **end;
    size_t events_queued;
    size_t waiting;     /* events that are not in the spool */
    uint64_t added;     /* tickets given out */
    uint64_t durable;   /* up to this ticket */
    uint64_t put;       /* up to this ticket */
    bool failing;       /* neither state file nor spool took the last */
    bool spool_failing; /* the spool did not */
    bool stopping, ended;
    int64_t stop_at_us;

    /* The thread's own. */
    struct hsp_statefile *state;
    struct hs_spool *spool; /* NULL: not open */
    struct complaint state_complaint, spool_complaint, event_complaint;
    struct item *items, **items_end; /* at hand */
    uint64_t entered;                /* into the state file's memory, up to this ticket */
    size_t lost;                     /* events that no spool would take */
    bool stopping_now;
    int64_t tick_at_us;
    int64_t retry_at_us; /* 0: nothing to retry */
    int64_t idle_at_us;  /* 0: nothing to write when idle */
};

static int64_t now_us(void) { return hsp_clock_now().running_us; }

static struct timespec as_timespec(int64_t us) {
    return (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
}

/* Saying */

static void say(const struct hsp_outbox *box, enum hsp_outbox_level level,
                const char *line) {
    box->options.log(box->options.context, level, line);
}

/* The first time, when the reason changes, and once a minute. */
static void complain(const struct hsp_outbox *box, struct complaint *complaint,
                     const struct hs_error *err, const char *what) {
    char line[sizeof(err->text) + 160];
    const int64_t now = now_us();
    if (complaint->last.status == err->status &&
        complaint->last.sys_errno == err->sys_errno &&
        now < complaint->said_us + REPEAT_US)
        return;
    complaint->last = *err;
    complaint->said_us = now;
    snprintf(line, sizeof(line), "%s; %s", err->text, what);
    say(box, HSP_OUTBOX_ERROR, line);
}

static void works_again(const struct hsp_outbox *box, struct complaint *complaint,
                        const char *what) {
    if (complaint->last.status == HS_OK)
        return;
    complaint->last.status = HS_OK;
    say(box, HSP_OUTBOX_NOTICE, what);
}

/* Items */

static void free_item(struct item *item) {
    if (item == NULL)
        return;
    hs_event_free(item->event);
    free(item);
}

static struct item *new_item(const struct hsp_outgoing *outgoing) {
    const size_t key_size = outgoing->key == NULL ? 0 : strlen(outgoing->key) + 1;
    const size_t value_size = outgoing->value == NULL ? 0 : strlen(outgoing->value) + 1;
    struct item *item = malloc(sizeof(*item) + key_size + value_size);
    if (item == NULL)
        return NULL;
    char *texts = (char *)(item + 1);
    *item = (struct item){.arg = outgoing->arg, .added_us = now_us()};
    if (key_size > 0)
        item->key = memcpy(texts, outgoing->key, key_size);
    if (value_size > 0)
        item->value = memcpy(texts + key_size, outgoing->value, value_size);
    return item;
}

enum hs_status hsp_outbox_add(struct hsp_outbox *outbox,
                              const struct hsp_outgoing *outgoing, uint64_t *ticket,
                              struct hs_error *err) {
    enum hs_status status = HS_OK;
    struct item *item = new_item(outgoing);
    if (item == NULL)
        return hsp_fail(err, HS_E_NOMEM, "queue event: out of memory");
    pthread_mutex_lock(&outbox->lock);
    if (outbox->stopping) {
        status = hsp_fail(err, HS_E_SPOOL, "queue event: already stopped");
    } else if (outgoing->event != NULL && outbox->waiting >= HSP_OUTBOX_MAX) {
        status = hsp_fail(err, HS_E_FULL, "queue event: %d wait already", HSP_OUTBOX_MAX);
    } else {
        item->event = outgoing->event;
        outbox->waiting += item->event != NULL;
        outbox->events_queued += item->event != NULL;
        *outbox->end = item;
        outbox->end = &item->next;
        item->ticket = ++outbox->added;
        if (ticket != NULL)
            *ticket = outbox->added;
        if (item->event != NULL || outbox->first == item)
            pthread_cond_signal(&outbox->work);
        item = NULL;
    }
    pthread_mutex_unlock(&outbox->lock);
    free_item(item);
    return status;
}

/* Writing, all in the thread */

/* Ask for the last fields of events that want them. It is rare that they are not there
 * at once, so all may wait for one. */
static void finish(const struct hsp_outbox *box) {
    for (struct item *item = box->items; item != NULL; item = item->next) {
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

/* One item into the state file's memory. HS_E_NOMEM: not, or only its event. */
static enum hs_status enter(struct hsp_outbox *box, struct item *item,
                            struct hs_error *err) {
    struct hsp_buffer part = {0};
    enum hs_status status = HS_OK;
    if (item->event != NULL) {
        status = hsp_event_append(&part, item->event, box->options.config, err);
        if (status == HS_OK)
            status = hsp_statefile_push(box->state, part.data, part.length, err);
        hsp_buffer_free(&part);
        if (status == HS_E_NOMEM)
            return status;
        hs_event_free(item->event);
        item->event = NULL;
    }
    if (item->key != NULL) {
        const enum hs_status kept =
            hsp_statefile_set(box->state, item->key, item->value, err);
        status = status == HS_OK ? kept : status;
    }
    return status;
}

/* The items at hand, for as long as memory lasts. */
static void enter_all(struct hsp_outbox *box) {
    while (box->items != NULL) {
        struct item *item = box->items;
        struct hs_error err = {0};
        const bool was_event = item->event != NULL;
        const enum hs_status status = enter(box, item, &err);
        if (status != HS_OK)
            complain(box, &box->event_complaint, &err,
                     status == HS_E_NOMEM ? "trying again" : "the event is dropped");
        if (status == HS_E_NOMEM)
            break;
        box->entered = item->ticket;
        box->lost += status != HS_OK && was_event;
        box->items = item->next;
        free_item(item);
    }
}

static bool commit(struct hsp_outbox *box) {
    struct hs_error err = {0};
    if (box->options.state_path == NULL)
        return false;
    if (hsp_statefile_commit(box->state, &err) != HS_OK) {
        complain(box, &box->state_complaint, &err,
                 "until this is mended a crash would lose what is only in memory");
        return false;
    }
    works_again(box, &box->state_complaint, "the state file can be written again");
    return true;
}

/* One file of the oldest edges; their number in `count`. */
static enum hs_status put_some(struct hsp_outbox *box, size_t *count,
                               struct hs_error *err) {
    struct hsp_buffer file = {0};
    char id[HSP_ID_LENGTH + 1] = "";
    const size_t edges = hsp_statefile_edges(box->state);
    enum hs_status status = HS_OK;
    size_t n = 0;

    hsp_record_begin(&file);
    for (; n < edges && n < PUT_EVENTS && file.length < PUT_BYTES; n++) {
        size_t length = 0;
        const char *part = hsp_statefile_edge(box->state, n, &length);
        hsp_buffer_append(&file, part, length);
        if (n == 0)
            snprintf(id, sizeof(id), "%s", part + strlen("event "));
    }
    hsp_record_end(&file, n);
    if (file.failed)
        status = hsp_fail(err, HS_E_NOMEM, "write batch: out of memory");
    if (status == HS_OK && n > 1)
        status = hsp_id_new(id, err);
    if (status == HS_OK && box->spool == NULL)
        status = hs_spool_open(&box->spool, box->options.config, err);
    if (status == HS_OK)
        status = hsp_spool_put_file(box->spool, id, &file, err);
    hsp_buffer_free(&file);
    *count = n;
    return status;
}

/* Everything that is in the line, into the spool; how many events that were. */
static bool put_all(struct hsp_outbox *box, size_t *count) {
    while (hsp_statefile_edges(box->state) > 0) {
        struct hs_error err = {0};
        size_t some = 0;
        if (put_some(box, &some, &err) != HS_OK) {
            char what[96];
            snprintf(what, sizeof(what), "%zu events wait and are tried again",
                     hsp_statefile_edges(box->state));
            complain(box, &box->spool_complaint, &err, what);
            hs_spool_close(box->spool); /* it may be another folder by then */
            box->spool = NULL;
            return false;
        }
        hsp_crash_point("outbox-put");
        hsp_statefile_pop(box->state, some);
        *count += some;
    }
    if (*count > 0)
        works_again(box, &box->spool_complaint, "the spool takes events again");
    return true;
}

/* Tell those who wait: what was entered is durable, if not yet in the spool. */
static void report_durable(struct hsp_outbox *box) {
    pthread_mutex_lock(&box->lock);
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
    if (kept || put)
        box->durable = box->entered;
    if (put)
        box->put = box->entered;
    pthread_cond_broadcast(&box->progress);
    pthread_mutex_unlock(&box->lock);
}

/* When the state file is to be written for a status alone. */
static void plan_idle(struct hsp_outbox *box, bool was_idle) {
    if (!hsp_statefile_is_dirty(box->state))
        box->idle_at_us = 0;
    else if (box->idle_at_us == 0 || was_idle)
        box->idle_at_us = now_us() + IDLE_US;
}

/* Bring the items at hand to disk. */
static void work(struct hsp_outbox *box) {
    size_t gone = 0;
    const bool idle = box->idle_at_us != 0 && now_us() >= box->idle_at_us;
    finish(box);
    enter_all(box);
    const bool due = hsp_statefile_edges(box->state) > 0 || idle;
    const bool kept = due && commit(box);
    if (kept)
        report_durable(box);
    const bool put = put_all(box, &gone);
    gone += box->lost;
    box->lost = 0;
    report(box, kept, put, gone);
    box->retry_at_us = put && box->items == NULL ? 0 : now_us() + RETRY_US;
    plan_idle(box, idle);
}

/* The thread */

/* The earliest time at which there is something to do without being called; with the
 * lock held. */
static int64_t next_time(const struct hsp_outbox *box) {
    int64_t next = box->tick_at_us;
    if (box->first != NULL && box->first->added_us + IDLE_US < next)
        next = box->first->added_us + IDLE_US;
    if (box->retry_at_us != 0 && box->retry_at_us < next)
        next = box->retry_at_us;
    if (box->idle_at_us != 0 && box->idle_at_us < next)
        next = box->idle_at_us;
    return next;
}

/* Wait for an event, a time or the end, and take what is in the queue. While the spool
 * fails the queue is emptied all the same: the state file may take it. false: it is over.
 */
static bool wait_for_work(struct hsp_outbox *box) {
    bool any = false;
    pthread_mutex_lock(&box->lock);
    while (box->events_queued == 0 && !box->stopping && now_us() < next_time(box)) {
        const struct timespec at = as_timespec(next_time(box));
        pthread_cond_timedwait(&box->work, &box->lock, &at);
    }
    if (box->first != NULL) {
        any = true;
        if (box->idle_at_us == 0)
            box->idle_at_us = box->first->added_us + IDLE_US;
        *(box->items == NULL ? &box->items : box->items_end) = box->first;
        box->items_end = box->end;
        box->first = NULL;
        box->end = &box->first;
        box->events_queued = 0;
    }
    box->stopping_now = box->stopping;
    const bool over =
        box->stopping && !any && (box->retry_at_us == 0 || now_us() >= box->stop_at_us);
    pthread_mutex_unlock(&box->lock);
    return !over;
}

static void tick(struct hsp_outbox *box) {
    const int64_t now = now_us();
    const int64_t late = now - box->tick_at_us;
    if (late < 0 || box->options.tick == NULL)
        return;
    box->tick_at_us = now + box->options.tick_ms * MS_US;
    box->options.tick(box->options.context, late > LATE_US ? late : 0);
}

static void *run(void *argument) {
    struct hsp_outbox *box = argument;
    while (wait_for_work(box)) {
        if (!box->stopping_now)
            tick(box);
        work(box);
        if (box->stopping_now && box->retry_at_us != 0) {
            const struct timespec pause = as_timespec(100 * MS_US);
            nanosleep(&pause, NULL);
        }
    }
    commit(box);
    pthread_mutex_lock(&box->lock);
    box->ended = true;
    pthread_cond_broadcast(&box->progress);
    pthread_mutex_unlock(&box->lock);
    return NULL;
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
    struct hs_error warning = {0};
    struct hsp_outbox *box = calloc(1, sizeof(*box));
    if (box == NULL)
        return hsp_fail(err, HS_E_NOMEM, "open outbox: out of memory");
    box->options = *options;
    box->end = &box->first;
    enum hs_status status =
        hsp_statefile_open(&box->state, options->state_path, &warning, err);
    if (status == HS_OK)
        status = init_locks(box, err);
    if (status != HS_OK) {
        hsp_statefile_close(box->state);
        free(box);
        return status;
    }
    if (warning.status != HS_OK)
        say(box, HSP_OUTBOX_ERROR, warning.text);
    box->waiting = hsp_statefile_edges(box->state);
    if (box->waiting > 0) {
        char line[96];
        snprintf(line, sizeof(line), "%zu events of before are put again", box->waiting);
        say(box, HSP_OUTBOX_NOTICE, line);
    }
    *outbox = box;
    return HS_OK;
}

const char *hsp_outbox_state(const struct hsp_outbox *outbox, const char *key) {
    return hsp_statefile_get(outbox->state, key);
}

void hsp_outbox_walk(const struct hsp_outbox *outbox,
                     void (*each)(const char *key, void *value, void *context),
                     void *context) {
    hsp_statefile_walk(outbox->state, each, context);
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

/* Wait until `*counter` reaches `ticket`, while `*failing` is not set. */
static bool wait_counter(struct hsp_outbox *box, const uint64_t *counter, uint64_t ticket,
                         const bool *failing, int64_t timeout_ms) {
    const struct timespec until = as_timespec(now_us() + timeout_ms * MS_US);
    int result = 0;
    while (*counter < ticket && !*failing && !box->ended && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&box->progress, &box->lock, &until);
    return *counter >= ticket;
}

bool hsp_outbox_wait(struct hsp_outbox *outbox, uint64_t ticket, int64_t timeout_ms) {
    pthread_mutex_lock(&outbox->lock);
    const bool durable =
        wait_counter(outbox, &outbox->durable, ticket, &outbox->failing, timeout_ms);
    pthread_mutex_unlock(&outbox->lock);
    return durable;
}

bool hsp_outbox_flush(struct hsp_outbox *outbox, int64_t timeout_ms) {
    pthread_mutex_lock(&outbox->lock);
    const uint64_t added = outbox->added;
    outbox->events_queued += outbox->first != NULL; /* a status alone counts, too */
    pthread_cond_signal(&outbox->work);
    const bool put =
        wait_counter(outbox, &outbox->put, added, &outbox->spool_failing, timeout_ms);
    pthread_mutex_unlock(&outbox->lock);
    return put;
}

size_t hsp_outbox_stop(struct hsp_outbox *outbox, int64_t timeout_ms, bool *kept) {
    const bool never = false;
    pthread_mutex_lock(&outbox->lock);
    outbox->stopping = true;
    outbox->stop_at_us = now_us() + timeout_ms * MS_US;
    pthread_cond_signal(&outbox->work);
    /* A disk that hangs must not hang the host: the thread is left alone then. */
    if (outbox->started)
        wait_counter(outbox, &outbox->put, UINT64_MAX, &never, timeout_ms + 1000);
    const bool ended = outbox->ended;
    const size_t waiting = outbox->waiting;
    pthread_mutex_unlock(&outbox->lock);
    if (outbox->started && ended) {
        pthread_join(outbox->thread, NULL);
        outbox->started = false;
    }
    *kept = ended && outbox->options.state_path != NULL &&
            !hsp_statefile_is_dirty(outbox->state);
    return waiting;
}

void hsp_outbox_close(struct hsp_outbox *outbox) {
    if (outbox == NULL || outbox->started)
        return;
    struct item *lists[] = {outbox->items, outbox->first};
    for (size_t i = 0; i < 2; i++) {
        struct item *next;
        for (struct item *item = lists[i]; item != NULL; item = next) {
            next = item->next;
            free_item(item);
        }
    }
    hs_spool_close(outbox->spool);
    hsp_statefile_close(outbox->state);
    pthread_cond_destroy(&outbox->progress);
    pthread_cond_destroy(&outbox->work);
    pthread_mutex_destroy(&outbox->lock);
    free(outbox);
}
