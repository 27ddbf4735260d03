/* SPDX-License-Identifier: MIT */
/* The Monitors at work. Each has a lock of its own, over its status on every host: a
 * value that it wants waits for the same Monitor's other values only. Events are handed
 * to the outbox under that lock, so their order is that of the decisions. */
#include "config.h"

#include "error.h"
#include "others.h"
#include "watcher.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MONITOR_PREFIX "monitor "
#define MS_US INT64_C(1000)
#define TICK_MIN_MS 50
#define TICK_MAX_MS 5000
#define TICKS_A_TIMEOUT 4
#define INTERVALS_A_TIMEOUT 3
#define MESSAGE_MAX 320

/* A Monitor on one host; never freed before the watcher is, for events that wait point
 * to it. */
struct subject {
    struct post *post;
    char *host; /* "": of no known host */
    char *key;  /* in the state file */
    struct hsp_monitor monitor;
    int64_t interval_us;
    int64_t edge_us; /* time of the sample that made the last edge */
    struct {
        bool known;
        double value;
        int64_t time_us;
        bool is_ms;
    } feeds[HSP_FEEDS];
    bool done; /* stood in for hosts that were not known, and now are */
};

/* A Monitor. */
struct post {
    struct hsp_watcher *watcher;
    const struct hsp_watch *watch;
    pthread_mutex_t lock;
    struct hsp_table subjects; /* by host */
    struct role {
        struct post *post;
        int feed; /* -1: the value itself */
    } roles[HSP_FEEDS + 1];
    bool has_no_source; /* a value came without the data source */
    bool told_so;
};

struct hsp_watcher {
    struct hsp_watcher_options options;
    struct hsp_outbox *outbox;
    struct post *posts;
    size_t post_count;
    struct hsp_index values, notes;
    struct hsp_table labels; /* posts, at the start */
    struct hsp_others others;
    enum hs_state warning_is;
    atomic_size_t subject_count;
    atomic_ulong refused; /* events that the outbox did not take */
    atomic_bool crowded;  /* a host too many */
    atomic_bool active;
    bool told_crowded;
};

/* Subjects */

static bool has_one_host(const struct hsp_watch *watch) {
    return watch->pattern.texts[HSP_HOST] != NULL;
}

static void free_subject(void *value) {
    struct subject *subject = value;
    free(subject->host);
    free(subject->key);
    free(subject);
}

/* A new one with what the state file says of it; NULL: out of memory. */
static struct subject *new_subject(struct post *post, const char *host,
                                   const char *text) {
    const struct hsp_clock now = hsp_clock_now();
    struct subject *subject = calloc(1, sizeof(*subject));
    if (subject == NULL)
        return NULL;
    subject->post = post;
    subject->interval_us = post->watcher->options.interval_us;
    subject->host = strdup(host);
    if (asprintf(&subject->key, MONITOR_PREFIX "%s\t%s", post->watch->label, host) < 0)
        subject->key = NULL;
    hsp_monitor_start(&subject->monitor, &now);
    /* A text that is none is as if there were none. */
    const bool known = text != NULL && hsp_monitor_load(&subject->monitor, text, &now);
    (void)known;
    if (subject->host == NULL || subject->key == NULL ||
        !hsp_table_put(&post->subjects, host, subject)) {
        free_subject(subject);
        return NULL;
    }
    return subject;
}

/* The subject of a host, made where there is none; with the post's lock held. NULL: out
 * of memory, or one too many. */
static struct subject *subject_of(struct post *post, const char *host) {
    struct subject *subject = hsp_table_get(&post->subjects, host);
    if (subject != NULL)
        return subject;
    if (atomic_fetch_add(&post->watcher->subject_count, 1) >= HSP_SUBJECTS_MAX) {
        atomic_fetch_sub(&post->watcher->subject_count, 1);
        post->watcher->crowded = true;
        return NULL;
    }
    return new_subject(post, host, NULL);
}

static struct hsp_monitor_rules rules_of(const struct subject *subject) {
    const struct hsp_watch *watch = subject->post->watch;
    struct hsp_monitor_rules rules = watch->rules;
    if (!watch->timeout_is_given)
        rules.timeout_us =
            watch->by_notifications ? 0 : INTERVALS_A_TIMEOUT * subject->interval_us;
    if (subject->done)
        rules.timeout_us = rules.repeat_us = 0;
    return rules;
}

/* Carry out what a step came to; the monitor is as `before` where it cannot be, so that
 * the next sample tries again. */
static uint64_t follow(struct subject *subject, enum hsp_step step,
                       const struct hsp_monitor *before, struct hsp_alert *alert,
                       bool wants_feeds) {
    struct hsp_watcher *watcher = subject->post->watcher;
    uint64_t ticket = 0;
    enum hs_status status = HS_OK;
    if (step == HSP_SEND) {
        alert->watch = subject->post->watch;
        alert->host = subject->host;
        alert->region = watcher->options.settings->region;
        status = hsp_alert_send(watcher->outbox, alert, subject->key, &subject->monitor,
                                wants_feeds ? subject : NULL, &ticket, NULL);
    } else if (step == HSP_REMEMBER) {
        char text[HSP_MONITOR_TEXT_MAX];
        hsp_monitor_save(&subject->monitor, text);
        const struct hsp_outgoing outgoing = {.key = subject->key, .value = text};
        status = hsp_outbox_add(watcher->outbox, &outgoing, NULL, NULL);
    }
    if (status != HS_OK) {
        subject->monitor = *before;
        watcher->refused += step == HSP_SEND;
    }
    return ticket;
}

/* A host has been heard of: what stood in for it is at its end. */
static void end_stand_in(struct post *post, const struct hsp_clock *now) {
    struct subject *subject =
        has_one_host(post->watch) ? NULL : hsp_table_get(&post->subjects, "");
    if (subject == NULL || subject->done)
        return;
    const struct hsp_monitor before = subject->monitor;
    const struct hsp_monitor_rules rules = {.failures = 1, .successes = 1};
    const struct hsp_sample sample = {HSP_GOOD, now->wall_us, false};
    struct hsp_edge edge;
    struct hsp_alert alert = {.edge = &edge};
    const enum hsp_step step =
        hsp_monitor_sample(&subject->monitor, &rules, &sample, now, &edge);
    if (step == HSP_SEND)
        follow(subject, step, &before, &alert, false);
    subject->done = subject->monitor.state == HS_STATE_UP;
}

/* Values */

/* Which data source decides: the first bad one, else the first; false: none is meant. */
static bool judge(const struct hsp_watch *watch, const struct hsp_reading *reading,
                  size_t *source, enum hsp_verdict *verdict) {
    bool any = false;
    *verdict = HSP_GOOD;
    for (size_t i = 0; i < reading->count && *verdict == HSP_GOOD; i++) {
        if (watch->data_source != NULL &&
            strcmp(watch->data_source, reading->names[i]) != 0)
            continue;
        const bool bad = !hsp_limits_hold(&watch->limits, reading->values[i]);
        if (!any || bad)
            *source = i;
        *verdict = bad ? HSP_BAD : HSP_GOOD;
        any = true;
    }
    return any;
}

static void take_value(struct subject *subject, const struct hsp_reading *reading,
                       const struct hsp_clock *now) {
    const struct hsp_watch *watch = subject->post->watch;
    const struct hsp_monitor before = subject->monitor;
    struct hsp_sample sample = {HSP_GOOD, reading->time_us, true};
    char message[MESSAGE_MAX];
    struct hsp_edge edge;
    struct hsp_alert alert = {.edge = &edge, .message = message, .reading = reading};
    if (!judge(watch, reading, &alert.source, &sample.verdict)) {
        subject->post->has_no_source = true;
        return;
    }
    if (reading->interval_us > 0)
        subject->interval_us = reading->interval_us;
    const struct hsp_monitor_rules rules = rules_of(subject);
    const enum hsp_step step =
        hsp_monitor_sample(&subject->monitor, &rules, &sample, now, &edge);
    hsp_limits_explain(&watch->limits, reading->values[alert.source], message,
                       sizeof(message));
    if (step == HSP_SEND)
        subject->edge_us = reading->time_us;
    follow(subject, step, &before, &alert,
           watch->feeds[HSP_RESPONSE_TIME].wanted ||
               watch->feeds[HSP_STATUS_CODE].wanted);
}

static void take_feed(struct subject *subject, int feed,
                      const struct hsp_reading *reading) {
    if (reading->count == 0 || reading->time_us <= subject->feeds[feed].time_us)
        return;
    subject->feeds[feed].known = true;
    subject->feeds[feed].value = reading->values[0];
    subject->feeds[feed].time_us = reading->time_us;
    subject->feeds[feed].is_ms = strcmp(reading->series.parts[HSP_TYPE], "ping") == 0;
}

/* One value for one role of one Monitor. */
struct delivery {
    const struct hsp_reading *reading;
    struct hsp_clock now;
    bool feeds; /* they first: a value may be its own status code */
};

static void deliver_value(void *target, void *context) {
    const struct role *role = target;
    const struct delivery *delivery = context;
    struct post *post = role->post;
    if ((role->feed >= 0) != delivery->feeds)
        return;
    pthread_mutex_lock(&post->lock);
    struct subject *subject = subject_of(post, delivery->reading->series.parts[HSP_HOST]);
    if (subject != NULL && role->feed >= 0) {
        take_feed(subject, role->feed, delivery->reading);
    } else if (subject != NULL) {
        end_stand_in(post, &delivery->now);
        take_value(subject, delivery->reading, &delivery->now);
    }
    pthread_mutex_unlock(&post->lock);
}

bool hsp_watcher_wants(const struct hsp_watcher *watcher,
                       const struct hsp_series *series) {
    return hsp_index_find(&watcher->values, series, NULL, NULL);
}

void hsp_watcher_value(struct hsp_watcher *watcher, const struct hsp_reading *reading) {
    struct delivery delivery = {reading, hsp_clock_now(), true};
    if (!watcher->active)
        return;
    hsp_index_find(&watcher->values, &reading->series, deliver_value, &delivery);
    delivery.feeds = false;
    hsp_index_find(&watcher->values, &reading->series, deliver_value, &delivery);
}

/* What `feed` had to say about the sample of the last edge. Where the writers are quicker
 * with the value than with its sibling, that is the one before, and not yet `fresh`. */
static bool feed_number(const struct subject *subject, int feed, bool last,
                        double *number) {
    const struct hsp_feed *wanted = &subject->post->watch->feeds[feed];
    const int64_t apart_us = llabs(subject->feeds[feed].time_us - subject->edge_us);
    const bool fresh =
        subject->feeds[feed].known &&
        (subject->interval_us <= 0 ||
         (last ? apart_us < subject->interval_us : 2 * apart_us < subject->interval_us));
    *number = NAN;
    if (fresh && wanted->factor > 0)
        *number = subject->feeds[feed].value * wanted->factor;
    else if (fresh)
        *number = subject->feeds[feed].value *
                  (feed == HSP_RESPONSE_TIME && !subject->feeds[feed].is_ms ? 1000 : 1);
    return fresh;
}

static bool finish(void *context, void *arg, struct hs_event *event, bool last) {
    static const enum hs_number which[] = {HS_NUMBER_RESPONSE_TIME_MS,
                                           HS_NUMBER_STATUS_CODE};
    struct subject *subject = arg;
    bool ready = true;
    (void)context;
    pthread_mutex_lock(&subject->post->lock);
    for (int i = 0; i < HSP_FEEDS; i++) {
        double number;
        if (!subject->post->watch->feeds[i].wanted)
            continue;
        ready = feed_number(subject, i, last, &number) && ready;
        /* Not a number, or out of range: null. */
        if (number >= 0 && number < 9e15 &&
            hs_event_set_number(event, which[i], llround(number), NULL) != HS_OK)
            continue;
    }
    pthread_mutex_unlock(&subject->post->lock);
    return ready;
}

/* Notifications */

struct note_delivery {
    const struct hsp_note *note;
    struct hsp_clock now;
    uint64_t ticket;
    bool wanted;
};

/* The threshold plugin names the data source among the meta data. */
static bool is_of_source(const struct hsp_watch *watch, const struct hsp_note *note) {
    if (watch->data_source == NULL)
        return true;
    for (size_t i = 0; i < note->meta_count; i++)
        if (strcmp(note->meta[i].name, "DataSource") == 0)
            return strcmp(note->meta[i].value, watch->data_source) == 0;
    return true;
}

static void deliver_note(void *target, void *context) {
    struct post *post = target;
    struct note_delivery *delivery = context;
    const struct hsp_note *note = delivery->note;
    struct hsp_edge edge;
    struct hsp_alert alert = {.edge = &edge, .message = note->message, .note = note};
    if (!is_of_source(post->watch, note))
        return;
    delivery->wanted = true;
    const enum hs_state warning_is = post->watch->warning_is != HS_STATE_NONE
                                         ? post->watch->warning_is
                                         : post->watcher->warning_is;
    const bool bad = note->severity == HSP_FAILURE ||
                     (note->severity == HSP_WARNING && warning_is == HS_STATE_DOWN);
    const struct hsp_sample sample = {bad ? HSP_BAD : HSP_GOOD, note->time_us, false};

    pthread_mutex_lock(&post->lock);
    struct subject *subject = subject_of(post, note->series.parts[HSP_HOST]);
    if (subject != NULL) {
        end_stand_in(post, &delivery->now);
        const struct hsp_monitor before = subject->monitor;
        const struct hsp_monitor_rules rules = rules_of(subject);
        const enum hsp_step step =
            hsp_monitor_sample(&subject->monitor, &rules, &sample, &delivery->now, &edge);
        const uint64_t ticket = follow(subject, step, &before, &alert, false);
        delivery->ticket = ticket > delivery->ticket ? ticket : delivery->ticket;
    }
    pthread_mutex_unlock(&post->lock);
}

uint64_t hsp_watcher_note(struct hsp_watcher *watcher, const struct hsp_note *note) {
    struct note_delivery delivery = {note, hsp_clock_now(), 0, false};
    if (!watcher->active)
        return 0;
    hsp_index_find(&watcher->notes, &note->series, deliver_note, &delivery);
    if (!delivery.wanted && watcher->options.settings->notifications &&
        hsp_others_note(&watcher->others, note, &delivery.now, &delivery.ticket, NULL) !=
            HS_OK)
        watcher->refused++;
    return delivery.ticket;
}

/* Time */

struct tick {
    struct hsp_clock now;
    int64_t pause_us;
};

static void tick_subject(const char *key, void *value, void *context) {
    struct subject *subject = value;
    const struct tick *tick = context;
    const struct hsp_monitor before = subject->monitor;
    char message[MESSAGE_MAX];
    struct hsp_edge edge;
    struct hsp_alert alert = {.edge = &edge, .message = message};
    (void)key;
    if (tick->pause_us > 0)
        hsp_monitor_excuse(&subject->monitor, tick->pause_us, &tick->now);
    const struct hsp_monitor_rules rules = rules_of(subject);
    const enum hsp_step step =
        hsp_monitor_tick(&subject->monitor, &rules, &tick->now, &edge);
    if (step == HSP_NOTHING)
        return;
    const char *what = subject->post->watch->by_notifications ? "notification" : "value";
    const double seconds = (double)edge.silent_us / 1e6;
    if (!edge.overdue)
        snprintf(message, sizeof(message), "still down");
    else
        snprintf(message, sizeof(message), "no %s for %.*f s%s", what, seconds < 10,
                 seconds, edge.never ? ", since the start" : "");
    follow(subject, step, &before, &alert, false);
}

/* What could not be said where it happened. */
static void tell(struct hsp_watcher *watcher) {
    char line[256];
    const unsigned long refused = atomic_exchange(&watcher->refused, 0);
    if (refused > 0) {
        snprintf(line, sizeof(line),
                 "%lu events could not be queued: out of memory, or %d wait already",
                 refused, HSP_OUTBOX_MAX);
        watcher->options.log(HSP_OUTBOX_ERROR, line);
    }
    if (watcher->crowded && !watcher->told_crowded) {
        watcher->told_crowded = true;
        snprintf(line, sizeof(line), "more than %d hosts: further ones are not monitored",
                 HSP_SUBJECTS_MAX);
        watcher->options.log(HSP_OUTBOX_ERROR, line);
    }
    for (size_t i = 0; i < watcher->post_count; i++) {
        struct post *post = &watcher->posts[i];
        pthread_mutex_lock(&post->lock);
        const bool now = post->has_no_source && !post->told_so;
        post->told_so = post->told_so || now;
        pthread_mutex_unlock(&post->lock);
        if (!now)
            continue;
        snprintf(line, sizeof(line),
                 "Monitor \"%.80s\": its values have no DataSource %.80s",
                 post->watch->label, post->watch->data_source);
        watcher->options.log(HSP_OUTBOX_WARNING, line);
    }
}

static void tick(void *context, int64_t pause_us) {
    struct hsp_watcher *watcher = context;
    struct tick now = {hsp_clock_now(), pause_us};
    for (size_t i = 0; i < watcher->post_count; i++) {
        struct post *post = &watcher->posts[i];
        pthread_mutex_lock(&post->lock);
        hsp_table_walk(&post->subjects, tick_subject, &now);
        pthread_mutex_unlock(&post->lock);
    }
    tell(watcher);
}

static void pass_log(void *context, enum hsp_outbox_level level, const char *line) {
    const struct hsp_watcher *watcher = context;
    watcher->options.log(level, line);
}

/* A few times the shortest timeout or repeat there is. */
static int64_t tick_ms(const struct hsp_watcher_options *options) {
    int64_t shortest_us = TICK_MAX_MS * MS_US * TICKS_A_TIMEOUT;
    for (size_t i = 0; i < options->settings->watch_count; i++) {
        const struct hsp_watch *watch = options->settings->watches[i];
        const int64_t timeout_us = watch->timeout_is_given
                                       ? watch->rules.timeout_us
                                       : INTERVALS_A_TIMEOUT * options->interval_us;
        const int64_t times_us[] = {timeout_us, watch->rules.repeat_us};
        for (size_t j = 0; j < 2; j++)
            if (times_us[j] > 0 && times_us[j] < shortest_us)
                shortest_us = times_us[j];
    }
    const int64_t ms = shortest_us / TICKS_A_TIMEOUT / MS_US;
    return ms < TICK_MIN_MS ? TICK_MIN_MS : ms;
}

/* The start */

static enum hs_status add_post(struct hsp_watcher *watcher, const struct hsp_watch *watch,
                               struct hs_error *err) {
    struct post *post = &watcher->posts[watcher->post_count++];
    enum hs_status status = HS_OK;
    post->watcher = watcher;
    post->watch = watch;
    pthread_mutex_init(&post->lock, NULL);
    for (int i = -1; i < HSP_FEEDS && status == HS_OK; i++) {
        struct role *role = &post->roles[i + 1];
        *role = (struct role){post, i};
        if (i >= 0 && watch->feeds[i].wanted)
            status = hsp_index_add(&watcher->values, &watch->feeds[i].pattern, role, err);
        else if (i < 0 && !watch->by_notifications)
            status = hsp_index_add(&watcher->values, &watch->pattern, role, err);
    }
    if (status == HS_OK && watch->by_notifications)
        status = hsp_index_add(&watcher->notes, &watch->pattern, post, err);
    if (status == HS_OK && !hsp_table_put(&watcher->labels, watch->label, post))
        status = hsp_fail(err, HS_E_NOMEM, "watch: out of memory");
    return status;
}

/* The subject that is there from the start, so that it can be overdue: the only host's,
 * or one that stands in for hosts that are not known yet. */
static enum hs_status add_first(struct post *post, struct hs_error *err) {
    const char *host =
        has_one_host(post->watch) ? post->watch->pattern.texts[HSP_HOST] : "";
    char *key = NULL;
    if (asprintf(&key, MONITOR_PREFIX "%s\t%s", post->watch->label, host) < 0)
        return hsp_fail(err, HS_E_NOMEM, "watch: out of memory");
    const char *text = hsp_outbox_state(post->watcher->outbox, key);
    free(key);
    return new_subject(post, host, text) == NULL
               ? hsp_fail(err, HS_E_NOMEM, "watch: out of memory")
               : HS_OK;
}

/* Another host of a Monitor that is known from before; false: nobody asks for it now. */
static bool load_host(struct hsp_watcher *watcher, const char *key, const char *text) {
    char label[512];
    const char *tab = strrchr(key, '\t');
    if (strncmp(key, MONITOR_PREFIX, strlen(MONITOR_PREFIX)) != 0 || tab == NULL)
        return false;
    snprintf(label, sizeof(label), "%.*s", (int)(tab - key - (int)strlen(MONITOR_PREFIX)),
             key + strlen(MONITOR_PREFIX));
    struct post *post = hsp_table_get(&watcher->labels, label);
    if (post == NULL)
        return false;
    if (hsp_table_get(&post->subjects, tab + 1) != NULL)
        return true;
    const regex_t *regex = post->watch->pattern.regexes[HSP_HOST];
    if (has_one_host(post->watch) ||
        (regex != NULL && regexec(regex, tab + 1, 0, NULL, 0) != 0) ||
        watcher->subject_count >= HSP_SUBJECTS_MAX)
        return false;
    watcher->subject_count++;
    struct subject *stand_in = hsp_table_get(&post->subjects, "");
    if (stand_in != NULL && stand_in->monitor.state != HS_STATE_DOWN)
        stand_in->done = true;
    return new_subject(post, tab + 1, text) != NULL;
}

static void load(const char *key, void *value, void *context) {
    struct hsp_watcher *watcher = context;
    if (load_host(watcher, key, value) || (watcher->options.settings->notifications &&
                                           hsp_others_load(&watcher->others, key, value)))
        return;
    /* Of a Monitor that is gone. Where this cannot be noted, it is forgotten next time.
     */
    const struct hsp_outgoing forget = {.key = key};
    const enum hs_status status = hsp_outbox_add(watcher->outbox, &forget, NULL, NULL);
    (void)status;
}

static enum hs_status open_outbox(struct hsp_watcher *watcher, struct hs_error *err) {
    const struct hsp_outbox_options options = {
        .config = watcher->options.config,
        .state_path = watcher->options.state_path,
        .tick_ms = tick_ms(&watcher->options),
        .log = pass_log,
        .tick = tick,
        .finish = finish,
        .context = watcher,
    };
    return hsp_outbox_open(&watcher->outbox, &options, err);
}

enum hs_status hsp_watcher_open(struct hsp_watcher **watcher,
                                const struct hsp_watcher_options *options,
                                struct hs_error *err) {
    const struct hsp_settings *settings = options->settings;
    enum hs_status status = HS_OK;
    struct hsp_watcher *opened = calloc(1, sizeof(*opened));
    if (opened == NULL)
        return hsp_fail(err, HS_E_NOMEM, "watch: out of memory");
    opened->options = *options;
    opened->warning_is = settings->warning_is != HS_STATE_NONE
                             ? settings->warning_is
                             : hs_config_warning_is(options->config);
    opened->posts = calloc(settings->watch_count + 1, sizeof(*opened->posts));
    if (opened->posts == NULL) {
        status = hsp_fail(err, HS_E_NOMEM, "watch: out of memory");
        goto out;
    }
    for (size_t i = 0; i < settings->watch_count && status == HS_OK; i++)
        status = add_post(opened, settings->watches[i], err);
    if (status == HS_OK)
        status = open_outbox(opened, err);
    if (status != HS_OK)
        goto out;
    opened->others = (struct hsp_others){.min_severity = settings->min_severity,
                                         .warning_is = opened->warning_is,
                                         .region = settings->region,
                                         .outbox = opened->outbox};
    pthread_mutex_init(&opened->others.lock, NULL);
    for (size_t i = 0; i < opened->post_count && status == HS_OK; i++)
        status = add_first(&opened->posts[i], err);
    if (status != HS_OK)
        goto out;
    hsp_outbox_walk(opened->outbox, load, opened);
    *watcher = opened;
    opened = NULL;

out:
    hsp_watcher_close(opened);
    return status;
}

enum hs_status hsp_watcher_start(struct hsp_watcher *watcher, struct hs_error *err) {
    const enum hs_status status = hsp_outbox_start(watcher->outbox, err);
    watcher->active = status == HS_OK;
    return status;
}

struct hsp_outbox *hsp_watcher_outbox(const struct hsp_watcher *watcher) {
    return watcher->outbox;
}

size_t hsp_watcher_stop(struct hsp_watcher *watcher, int64_t timeout_ms, bool *kept) {
    watcher->active = false;
    return hsp_outbox_stop(watcher->outbox, timeout_ms, kept);
}

void hsp_watcher_close(struct hsp_watcher *watcher) {
    if (watcher == NULL)
        return;
    hsp_outbox_close(watcher->outbox);
    for (size_t i = 0; i < watcher->post_count; i++) {
        hsp_table_free(&watcher->posts[i].subjects, free_subject);
        pthread_mutex_destroy(&watcher->posts[i].lock);
    }
    free(watcher->posts);
    hsp_index_free(&watcher->values);
    hsp_index_free(&watcher->notes);
    hsp_table_free(&watcher->labels, NULL);
    hsp_others_free(&watcher->others);
    free(watcher);
}
