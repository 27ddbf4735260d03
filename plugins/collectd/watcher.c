/* SPDX-License-Identifier: MIT */
/* All Monitors, by what they want to hear of; what the state file knew of them; and the
 * way of what collectd says to them. */
#include "config.h"

#include "error.h"
#include "others.h"
#include "post.h"
#include "watcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS_US INT64_C(1000)
#define SECOND_US (1000 * MS_US)
#define REPEAT_US (60 * SECOND_US) /* between two equal complaints */
#define TICK_MIN_MS 50
#define TICK_MAX_MS 5000
#define TICKS_A_TIMEOUT 4

struct hsp_watcher {
    struct hsp_watcher_options options;
    struct hsp_outbox *outbox;
    struct hsp_post *posts;
    size_t post_count;
    struct hsp_index values; /* to roles */
    struct hsp_index notes;  /* to posts */
    struct hsp_table labels; /* posts, at the start */
    struct hsp_others others;
    struct hsp_shared shared;
    atomic_bool active;
    size_t absent; /* DOWN in the state file, and not watched now */
    bool told_crowded;
    int64_t told_refused_us; /* running clock */
};

/* What is said */

bool hsp_watcher_wants(const struct hsp_watcher *watcher,
                       const struct hsp_series *series) {
    return hsp_index_find(&watcher->values, series, NULL, NULL);
}

/* One value for one role of one Monitor. */
struct delivery {
    const struct hsp_reading *reading;
    struct hsp_clock now;
    bool feeds; /* they first: a value may be its own status code */
};

static void deliver_value(void *target, void *context) {
    const struct hsp_role *role = target;
    const struct delivery *delivery = context;
    if ((role->feed >= 0) == delivery->feeds)
        hsp_post_value(role, delivery->reading, &delivery->now);
}

void hsp_watcher_value(struct hsp_watcher *watcher, const struct hsp_reading *reading) {
    struct delivery delivery = {reading, hsp_clock_now(), true};
    if (!watcher->active)
        return;
    hsp_index_find(&watcher->values, &reading->series, deliver_value, &delivery);
    delivery.feeds = false;
    hsp_index_find(&watcher->values, &reading->series, deliver_value, &delivery);
}

struct note_delivery {
    const struct hsp_note *note;
    struct hsp_clock now;
    uint64_t ticket;
    bool wanted;
};

static void deliver_note(void *target, void *context) {
    struct note_delivery *delivery = context;
    if (hsp_post_note(target, delivery->note, &delivery->now, &delivery->ticket))
        delivery->wanted = true;
}

uint64_t hsp_watcher_note(struct hsp_watcher *watcher, const struct hsp_note *note) {
    struct note_delivery delivery = {note, hsp_clock_now(), 0, false};
    hsp_index_find(&watcher->notes, &note->series, deliver_note, &delivery);
    if (!delivery.wanted && watcher->options.settings->notifications &&
        hsp_others_note(&watcher->others, note, &delivery.now, &delivery.ticket, NULL) !=
            HS_OK)
        watcher->shared.refused++;
    return delivery.ticket;
}

/* Time, and the outbox's other questions */

/* What could not be said where it happened. */
static void tell(struct hsp_watcher *watcher) {
    char line[256];
    const int64_t now_us = hsp_clock_now().running_us;
    const bool again =
        watcher->told_refused_us == 0 || now_us >= watcher->told_refused_us + REPEAT_US;
    const unsigned long refused =
        again ? atomic_exchange(&watcher->shared.refused, 0) : 0;
    if (refused > 0) {
        watcher->told_refused_us = now_us;
        snprintf(line, sizeof(line),
                 "%lu events could not be queued: out of memory, or %d wait already",
                 refused, HSP_OUTBOX_MAX);
        watcher->options.log(HSP_OUTBOX_ERROR, line);
    }
    if (watcher->shared.crowded && !watcher->told_crowded) {
        watcher->told_crowded = true;
        snprintf(line, sizeof(line), "more than %d hosts: further ones are not monitored",
                 HSP_SUBJECTS_MAX);
        watcher->options.log(HSP_OUTBOX_ERROR, line);
    }
    for (size_t i = 0; i < watcher->post_count; i++) {
        if (!hsp_post_lacks_source(&watcher->posts[i]))
            continue;
        const struct hsp_watch *watch = watcher->posts[i].watch;
        snprintf(line, sizeof(line),
                 "Monitor \"%.80s\": its values have no DataSource %.80s", watch->label,
                 watch->data_source);
        watcher->options.log(HSP_OUTBOX_WARNING, line);
    }
}

static void tick(void *context, int64_t pause_us) {
    struct hsp_watcher *watcher = context;
    const struct hsp_clock now = hsp_clock_now();
    for (size_t i = 0; i < watcher->post_count; i++)
        hsp_post_tick(&watcher->posts[i], &now, pause_us);
    tell(watcher);
}

static bool finish(void *context, void *arg, struct hs_event *event, bool last) {
    (void)context;
    return hsp_subject_finish(arg, event, last);
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
                                       : HSP_INTERVALS_A_TIMEOUT * options->interval_us;
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
    struct hsp_post *post = &watcher->posts[watcher->post_count++];
    enum hs_status status = HS_OK;
    hsp_post_init(post, &watcher->shared, watch);
    for (int i = -1; i < HSP_FEEDS && status == HS_OK; i++) {
        struct hsp_role *role = &post->roles[i + 1];
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

/* The status of a Monitor on a host; false: nobody asks for it now. The key is "LABEL",
 * tab, "HOST", and there may be more tabs in either. */
static bool load_host(struct hsp_watcher *watcher, const char *key, const char *text) {
    const size_t skip = strlen(HSP_SUBJECT_PREFIX);
    if (strncmp(key, HSP_SUBJECT_PREFIX, skip) != 0)
        return false;
    const char *tab = key + skip - 1;
    while ((tab = strchr(tab + 1, '\t')) != NULL) {
        char *label = strndup(key + skip, (size_t)(tab - key) - skip);
        struct hsp_post *post =
            label == NULL ? NULL : hsp_table_get(&watcher->labels, label);
        free(label);
        if (post != NULL && hsp_post_load(post, tab + 1, text))
            return true;
    }
    return false;
}

/* May a status that nobody asks for be asked for again? One that is UP says little; one
 * that is DOWN is missed if it was a mistake that its Monitor is not there. */
static bool may_come_back(const char *key, const char *text) {
    static const char *const prefixes[] = {HSP_SUBJECT_PREFIX, HSP_OTHERS_PREFIX};
    const struct hsp_clock now = hsp_clock_now();
    struct hsp_monitor monitor;
    bool ours = false;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        ours = ours || strncmp(key, prefixes[i], strlen(prefixes[i])) == 0;
    hsp_monitor_start(&monitor, &now);
    return ours && hsp_monitor_load(&monitor, text, &now) &&
           monitor.state == HS_STATE_DOWN &&
           monitor.edge_s > now.wall_us / SECOND_US - HSP_ABSENCE_MAX_S;
}

static void load(const char *key, void *value, void *context) {
    struct hsp_watcher *watcher = context;
    if (load_host(watcher, key, value) || (watcher->options.settings->notifications &&
                                           hsp_others_load(&watcher->others, key, value)))
        return;
    if (may_come_back(key, value)) {
        watcher->absent++;
        return;
    }
    /* Where this cannot be noted, it is forgotten next time. */
    const struct hsp_outgoing forget = {.key = key};
    const enum hs_status status = hsp_outbox_add(watcher->outbox, &forget, NULL, NULL);
    (void)status;
}

static void tell_absent(const struct hsp_watcher *watcher) {
    char line[160];
    if (watcher->absent == 0)
        return;
    snprintf(line, sizeof(line),
             "%zu that are DOWN since before are not watched any more: "
             "their recovery will not be told",
             watcher->absent);
    watcher->options.log(HSP_OUTBOX_WARNING, line);
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
    const enum hs_state warning_is = settings->warning_is != HS_STATE_NONE
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
    opened->shared.outbox = opened->outbox;
    opened->shared.region = settings->region;
    opened->shared.interval_us = options->interval_us;
    opened->shared.warning_is = warning_is;
    opened->others = (struct hsp_others){.min_severity = settings->min_severity,
                                         .warning_is = warning_is,
                                         .region = settings->region,
                                         .outbox = opened->outbox};
    pthread_mutex_init(&opened->others.lock, NULL);
    for (size_t i = 0; i < opened->post_count && status == HS_OK; i++)
        status = hsp_post_first(&opened->posts[i], err);
    if (status != HS_OK)
        goto out;
    hsp_outbox_walk(opened->outbox, load, opened);
    tell_absent(opened);
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
    for (size_t i = 0; i < watcher->post_count; i++)
        hsp_post_free(&watcher->posts[i]);
    free(watcher->posts);
    hsp_index_free(&watcher->values);
    hsp_index_free(&watcher->notes);
    hsp_table_free(&watcher->labels, NULL);
    hsp_others_free(&watcher->others);
    free(watcher);
}
