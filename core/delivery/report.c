/* SPDX-License-Identifier: MIT */
/* The status: what a person and check plugins see of the daemon. Times are absolute, so
 * that the file stays true while nothing changes. */
#include "config.h"

#include "../error.h"
#include "../payload.h"
#include "../units.h"
#include "flusher.h"
#include "trim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INTERVAL_MS 1000

static void add(json_object *object, const char *key, json_object *value) {
    json_object_object_add(object, key, value);
}

static void add_number(json_object *object, const char *key, int64_t value) {
    add(object, key, json_object_new_int64(value));
}

/* UTC ms; 0 or less: null. */
static void add_time(json_object *object, const char *key, int64_t utc_ms) {
    char text[HSP_TIME_LENGTH + 1];
    if (utc_ms > 0)
        hsp_format_time_ms(utc_ms, text);
    add(object, key, utc_ms > 0 ? json_object_new_string(text) : NULL);
}

static int64_t oldest(const struct hsp_endpoint *endpoint) {
    hsp_line line = hsp_queue_oldest(endpoint->queue);
    if (line == HSP_NO_LINE)
        return 0;
    struct hsp_entry head;
    hsp_queue_head(endpoint->queue, line, &head);
    return hsp_endpoint_put_time(endpoint, &head);
}

/* UTC ms of the next attempt by time; 0: none. */
static int64_t next_attempt(const struct hsp_endpoint *endpoint) {
    int64_t now_ms = hsp_now_ms(CLOCK_BOOTTIME);
    int64_t due_ms = hsp_queue_next_due(endpoint->queue);
    int64_t ready_ms = due_ms == INT64_MAX ? INT64_MAX : hsp_send_next(endpoint, now_ms);
    if (ready_ms == INT64_MAX)
        return 0;
    if (!hsp_breaker_is_probing(&endpoint->breaker) && due_ms > ready_ms)
        ready_ms = due_ms;
    int64_t wait_ms = ready_ms > now_ms ? ready_ms - now_ms : 0;
    return hsp_now_ms(CLOCK_REALTIME) + wait_ms;
}

static json_object *endpoint_report(const struct hsp_endpoint *endpoint) {
    json_object *object = json_object_new_object();
    if (object == NULL)
        return NULL;
    const struct hsp_endpoint_settings *settings = endpoint->settings;
    enum hsp_endpoint_state state = hsp_endpoint_state(endpoint);
    add(object, "state", json_object_new_string(hsp_endpoint_state_text(state)));
    add(object, "url", settings ? json_object_new_string(settings->shown_url) : NULL);
    add_number(object, "pending", (int64_t)hsp_queue_count(endpoint->queue));
    add_number(object, "pending_bytes", hsp_queue_bytes(endpoint->queue));
    add_number(object, "max_queued", settings ? settings->max_queued : 0);
    add_number(object, "max_queued_bytes", settings ? settings->max_queued_bytes : 0);
    add_time(object, "oldest_at", oldest(endpoint));
    add_number(object, "in_flight", endpoint->in_flight);
    add_number(object, "sent", endpoint->sent);
    add_number(object, "failed", endpoint->failed);
    add_number(object, "dead", endpoint->dead);
    add_number(object, "dead_bytes", endpoint->dead_bytes);
    add_number(object, "max_dead", settings ? settings->max_dead : 0);
    add_number(object, "max_dead_bytes", settings ? settings->max_dead_bytes : 0);
    add_number(object, "rate_limit", settings ? settings->rate.count : 0);
    add_number(object, "rate_window_ms", settings ? settings->rate.window_ms : 0);
    add_number(object, "rate_used",
               settings ? hsp_rate_used(endpoint->rate, hsp_now_ms(CLOCK_BOOTTIME)) : 0);
    add_time(object, "next_attempt_at", settings ? next_attempt(endpoint) : 0);
    add(object, "last_error",
        endpoint->last_error[0] ? json_object_new_string(endpoint->last_error) : NULL);
    add_time(object, "last_success_at", endpoint->last_success_ms);
    return object;
}

char *hsp_report_text(const struct hsp_flusher *flusher) {
    json_object *report = json_object_new_object();
    json_object *endpoints = json_object_new_object();
    if (report == NULL || endpoints == NULL) {
        json_object_put(report);
        json_object_put(endpoints);
        return NULL;
    }
    add_number(report, "version", 1);
    add(report, "daemon", json_object_new_string(PACKAGE_VERSION));
    add_number(report, "pid", getpid());
    add_time(report, "started_at", flusher->started_utc_ms);
    add_time(report, "updated_at", hsp_now_ms(CLOCK_REALTIME));
    add_number(report, "incoming", (int64_t)hsp_notice_count(flusher->notice));
    add_number(report, "corrupt", hsp_corrupt_count(flusher->dir.corrupt));
    bool is_short = flusher->short_of_space || !flusher->recordable;
    add(report, "space", json_object_new_string(is_short ? "short" : "ok"));
    for (const struct hsp_endpoint *e = flusher->endpoints; e != NULL; e = e->next)
        if (e->settings != NULL || hsp_queue_count(e->queue) > 0 || e->dead > 0)
            add(endpoints, e->name, endpoint_report(e));
    add(report, "endpoints", endpoints);
    size_t length = 0;
    const char *text = hsp_json_text(report, &length);
    char *copy = text != NULL ? strdup(text) : NULL;
    json_object_put(report);
    return copy;
}

/* What `systemctl status` shows: "2 endpoints, 7 events waiting; main: backoff". */
static void tell_supervisor(struct hsp_flusher *flusher) {
    struct hsp_buffer line = {0}, trouble = {0};
    size_t waiting = hsp_notice_count(flusher->notice);
    int64_t dead = 0;
    for (const struct hsp_endpoint *e = flusher->endpoints; e != NULL; e = e->next) {
        waiting += hsp_queue_count(e->queue);
        dead += e->dead;
        enum hsp_endpoint_state state = hsp_endpoint_state(e);
        if (state != HSP_STATE_OK &&
            (e->settings != NULL || hsp_queue_count(e->queue) > 0 || e->dead > 0))
            hsp_buffer_print(&trouble, "; %s: %s", e->name,
                             hsp_endpoint_state_text(state));
    }
    hsp_buffer_print(
        &line, "%zu endpoint%s, %zu event%s waiting", flusher->settings->endpoint_count,
        hsp_plural(flusher->settings->endpoint_count), waiting, hsp_plural(waiting));
    if (dead > 0)
        hsp_buffer_print(&line, ", %" PRId64 " dead letter%s", dead, hsp_plural(dead));
    if (flusher->short_of_space || !flusher->recordable)
        hsp_buffer_print(&line, "; short of space");
    if (trouble.length > 0)
        hsp_buffer_append(&line, trouble.data, trouble.length);
    if (!line.failed && !trouble.failed)
        hsp_supervisor_status(&flusher->supervisor, line.data);
    hsp_buffer_free(&line);
    hsp_buffer_free(&trouble);
}

void hsp_report_write(struct hsp_flusher *flusher, int64_t now_ms, bool force) {
    if (!force && (!flusher->changed || now_ms - flusher->reported_ms < INTERVAL_MS))
        return;
    flusher->changed = false;
    flusher->reported_ms = now_ms;
    tell_supervisor(flusher);
    char *text = hsp_report_text(flusher);
    if (text == NULL)
        return;
    size_t length = strlen(text);
    text[length] = '\n'; /* in the place of the NUL */
    struct hs_error err = {0};
    if (hsp_replace_file(flusher->dir.root, "status.json", HSP_EVENT_MODE, text,
                         length + 1, false, &err) != HS_OK) {
        if (err.sys_errno != flusher->report_errno)
            hsp_log(HSP_LOG_WARNING, "%s; tried again each second", err.text);
        flusher->changed = true;
    }
    flusher->report_errno = err.sys_errno;
    free(text);
}

int64_t hsp_report_due(const struct hsp_flusher *flusher) {
    return flusher->changed ? flusher->reported_ms + INTERVAL_MS : INT64_MAX;
}
