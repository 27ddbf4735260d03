/* SPDX-License-Identifier: MIT */
/* Choosing what goes out now: per endpoint within its state, rate and connections, the
 * oldest head first. */
#include "config.h"

#include "../crash.h"
#include "../error.h"
#include "flusher.h"
#include "waiting.h"

#include <string.h>

#define KILLS_A_ROUND 64 /* the next round comes when these are on disk */
#define LOOK_AGAIN_MS                                                                    \
    (3600 * 1000) /* at most so long between two looks for old events                    \
                   */

/* Space to record every answer must be there before its request goes out. */
static bool is_open(const struct hsp_flusher *flusher) {
    return flusher->recordable && flusher->closed_again_ms == 0 &&
           flusher->stop_at_ms == 0 && !flusher->failed;
}

int64_t hsp_send_next(const struct hsp_endpoint *endpoint, int64_t now_ms) {
    if (endpoint->settings == NULL ||
        endpoint->in_flight >= endpoint->settings->connections)
        return INT64_MAX;
    if (hsp_breaker_is_probing(&endpoint->breaker) && endpoint->probe_in_flight)
        return INT64_MAX;
    int64_t state_ms = hsp_breaker_next(&endpoint->breaker, now_ms);
    int64_t rate_ms = hsp_rate_next(endpoint->rate, now_ms);
    return state_ms > rate_ms ? state_ms : rate_ms;
}

/* The line to send from, HSP_NO_LINE: none. A probe takes one that is not due where none
 * is. */
static hsp_line choose(struct hsp_endpoint *endpoint, int64_t now_ms) {
    bool probing = hsp_breaker_is_probing(&endpoint->breaker);
    hsp_line avoid = probing ? endpoint->last_probed : HSP_NO_LINE;
    hsp_line line = hsp_queue_pick(endpoint->queue, now_ms, avoid);
    if (probing && (line == HSP_NO_LINE || line == avoid)) {
        hsp_line other = hsp_queue_pick_waiting(endpoint->queue, avoid);
        line = other != HSP_NO_LINE ? other : line;
    }
    return line;
}

/* A file that cannot be sent: gone to corrupt/, or tried again later where the machine is
 * at fault. */
static void give_up(struct hsp_flusher *flusher, struct hsp_endpoint *endpoint,
                    hsp_line line, const struct hsp_entry *entry,
                    const struct hs_error *err, int64_t now_ms) {
    if (err->status == HS_E_DATA) {
        hsp_settle_quarantine(flusher, endpoint, line, err->text);
        return;
    }
    hsp_log(HSP_LOG_ERROR, "%s", err->text);
    hsp_queue_stay(endpoint->queue, line, entry, false, now_ms + HSP_RETRY_MS);
}

/* Begin one request. False: nothing more can be begun for this endpoint now. */
static bool send_one(struct hsp_flusher *flusher, struct hsp_endpoint *endpoint,
                     int64_t now_ms) {
    hsp_line line = choose(endpoint, now_ms);
    if (line == HSP_NO_LINE)
        return false;
    struct hs_error err = {0};
    struct hsp_request request = {
        .endpoint = endpoint,
        .line = line,
        .slot = -1,
        .generation = endpoint->generation,
        .probe = hsp_breaker_is_probing(&endpoint->breaker),
        .suspect = hsp_queue_is_suspect(endpoint->queue, line),
        .started_boot_ms = now_ms,
    };
    hsp_queue_head(endpoint->queue, line, &request.entry);
    hsp_queue_start(endpoint->queue, line);
    struct hsp_waiting waiting = {0};
    enum hs_status status =
        hsp_waiting_read_copy(&waiting, endpoint, &request.entry,
                              hsp_copies_find(&flusher->copies, &request.entry), &err);
    if (status == HS_OK)
        status = hsp_rate_take(endpoint->rate, now_ms, hsp_now_ms(CLOCK_REALTIME),
                               &request.slot, &err);
    if (status != HS_OK) {
        hsp_waiting_free(&waiting);
        give_up(flusher, endpoint, line, &request.entry, &err, now_ms);
        return status == HS_E_DATA;
    }
    memcpy(request.id, waiting.event.id, sizeof request.id);
    memcpy(request.monitor_id, waiting.facts.monitor_id, sizeof request.monitor_id);
    request.kind = waiting.facts.kind;
    request.uid = waiting.uid;
    status = hsp_http_start_steal(flusher->http, &request, &waiting, &err);
    if (status != HS_OK) {
        (void)!hsp_rate_end(endpoint->rate, request.slot, now_ms,
                            hsp_now_ms(CLOCK_REALTIME), NULL);
        give_up(flusher, endpoint, line, &request.entry, &err, now_ms);
        return false;
    }
    endpoint->in_flight++;
    flusher->changed = true;
    if (request.probe) {
        endpoint->probe_in_flight = true;
        endpoint->last_probed = line;
    }
    return true;
}

static void send_to(struct hsp_flusher *flusher, struct hsp_endpoint *endpoint,
                    int64_t now_ms) {
    bool any = false;
    while (hsp_send_next(endpoint, now_ms) <= now_ms &&
           send_one(flusher, endpoint, now_ms))
        any = true;
    /* libcurl sends nothing before it is let go on: the slots are on disk first. */
    struct hs_error err = {0};
    if (any && hsp_rate_sync(endpoint->rate, &err) != HS_OK)
        hsp_log(HSP_LOG_WARNING, "endpoint %s: %s", endpoint->name, err.text);
}

/* Too old, too much
 * -------------------------------------------------------------------------------- */

static void kill_line(struct hsp_flusher *flusher, struct hsp_endpoint *endpoint,
                      hsp_line line, const char *reason) {
    hsp_queue_start(endpoint->queue, line);
    hsp_settle_kill(flusher, endpoint, line, reason);
}

/* Events beyond max_age become dead letters, whatever the endpoint's state. */
static void expire(struct hsp_flusher *flusher, struct hsp_endpoint *endpoint,
                   int64_t now_ms) {
    if (endpoint->look_for_old_ms > now_ms)
        return;
    endpoint->look_for_old_ms = now_ms + LOOK_AGAIN_MS;
    int64_t utc_ms = hsp_now_ms(CLOCK_REALTIME);
    for (int i = 0; i < KILLS_A_ROUND; i++) {
        hsp_line line = hsp_queue_oldest(endpoint->queue);
        if (line == HSP_NO_LINE) {
            endpoint->look_for_old_ms = 0; /* at whatever comes next */
            return;
        }
        struct hsp_entry head;
        hsp_queue_head(endpoint->queue, line, &head);
        int64_t put_ms = hsp_endpoint_put_time(endpoint, &head);
        if (put_ms < 0)
            return;
        int64_t left_ms = put_ms + endpoint->settings->max_age_ms - utc_ms;
        if (left_ms > 0) {
            if (left_ms < LOOK_AGAIN_MS)
                endpoint->look_for_old_ms = now_ms + left_ms;
            return;
        }
        kill_line(flusher, endpoint, line, "expired");
    }
    endpoint->look_for_old_ms = now_ms; /* there may be more */
}

/* Beyond max_queued the oldest go. */
static void bound(struct hsp_flusher *flusher, struct hsp_endpoint *endpoint) {
    const struct hsp_endpoint_settings *settings = endpoint->settings;
    for (int i = 0; i < KILLS_A_ROUND; i++) {
        int64_t count = (int64_t)(hsp_queue_count(endpoint->queue) - endpoint->dying);
        int64_t bytes = hsp_queue_bytes(endpoint->queue) - endpoint->dying_bytes;
        if (count <= settings->max_queued && bytes <= settings->max_queued_bytes)
            return;
        hsp_line line = hsp_queue_oldest(endpoint->queue);
        if (line == HSP_NO_LINE)
            return;
        kill_line(flusher, endpoint, line, "queue full");
    }
}

/* Public
 * ---------------------------------------------------------------------------------------------
 */

void hsp_send_all(struct hsp_flusher *flusher, int64_t now_ms) {
    for (struct hsp_endpoint *e = flusher->endpoints; e != NULL; e = e->next) {
        if (e->settings == NULL || !is_open(flusher))
            continue;
        expire(flusher, e, now_ms);
        bound(flusher, e);
        send_to(flusher, e, now_ms);
    }
    hsp_crash_point("send-start");
}

int64_t hsp_send_due(const struct hsp_flusher *flusher, int64_t now_ms) {
    int64_t due = INT64_MAX;
    for (const struct hsp_endpoint *e = flusher->endpoints; is_open(flusher) && e != NULL;
         e = e->next) {
        if (e->settings == NULL || hsp_queue_next_due(e->queue) == INT64_MAX)
            continue; /* nothing waits that is not on its way */
        int64_t ready = hsp_send_next(e, now_ms);
        /* A probe takes whatever waits. */
        if (!hsp_breaker_is_probing(&e->breaker) && hsp_queue_next_due(e->queue) > ready)
            ready = hsp_queue_next_due(e->queue);
        if (e->look_for_old_ms < ready)
            ready = e->look_for_old_ms;
        due = ready < due ? ready : due;
    }
    return due;
}
