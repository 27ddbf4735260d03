/* SPDX-License-Identifier: MIT */
/* What became of a request: judged, written to the open batch, and, once the batch is on
 * disk, entered into the queue. */
#include "config.h"

#include "../crash.h"
#include "../error.h"
#include "errand.h"

#include <stdio.h>
#include <stdlib.h>

#define LINE_ROOM 1536 /* a journal line is shorter: its reason is cut at 1 KB */
#define SPARE_LINES 16

/* The batch
 * --------------------------------------------------------------------------------- */

/* A journal's room for all answers that can be in flight, and some. */
static size_t reserve_wanted(const struct hsp_flusher *flusher) {
    size_t lines = SPARE_LINES;
    for (const struct hsp_endpoint *e = flusher->endpoints; e != NULL; e = e->next)
        lines += e->settings != NULL ? (size_t)e->settings->connections : 0;
    return lines * LINE_ROOM;
}

static void trim_if_needed(struct hsp_flusher *flusher, struct hsp_endpoint *endpoint) {
    const struct hsp_endpoint_settings *settings = endpoint->settings;
    if (settings == NULL || endpoint->trimming ||
        (endpoint->dead <= settings->max_dead &&
         endpoint->dead_bytes <= settings->max_dead_bytes))
        return;
    struct hsp_batch *batch = hsp_settle_batch(flusher);
    struct hsp_op *op = batch != NULL ? hsp_batch_add(batch) : NULL;
    if (op == NULL)
        return; /* the next death will ask again */
    endpoint->trimming = true;
    op->kind = HSP_OP_TRIM;
    op->endpoint = endpoint;
    op->max_dead = settings->max_dead;
    op->max_dead_bytes = settings->max_dead_bytes;
}

/* An operation is on disk: the queue may go on. */
static void apply(struct hsp_flusher *flusher, struct hsp_op *op) {
    struct hsp_endpoint *endpoint = op->endpoint;
    if (op->kind == HSP_OP_TRIM) {
        endpoint->trimming = false;
        endpoint->dead = op->dead;
        endpoint->dead_bytes = op->dead_bytes;
        return;
    }
    if (op->errand != NULL) {
        hsp_selection_apply(flusher, op);
        return;
    }
    endpoint->dead += op->dead;
    endpoint->dead_bytes += op->dead_bytes;
    if (op->kind == HSP_OP_RENAME) {
        hsp_queue_stay(endpoint->queue, op->line, &op->renamed, op->suspect, op->due_ms);
        return;
    }
    if (op->kind == HSP_OP_KILL) {
        endpoint->dying--;
        endpoint->dying_bytes -= op->entry.size;
        struct hs_error err = {0};
        if (hsp_overtaken_watch(endpoint->overtaken, op->entry.object, op->entry.sequence,
                                &err) != HS_OK)
            hsp_flusher_fail(flusher, &err);
    }
    hsp_queue_advance(endpoint->queue, op->line);
    if (op->kind == HSP_OP_KILL)
        trim_if_needed(flusher, endpoint);
}

static void batch_done(struct hsp_job *job) {
    struct hsp_batch *batch = (struct hsp_batch *)job;
    struct hsp_flusher *flusher = batch->owner;
    flusher->changed = true;
    if (job->status != HS_OK) {
        hsp_log(HSP_LOG_ERROR, "%s: nothing is sent until this can be recorded",
                job->err.text);
        flusher->closed_again_ms = hsp_now_ms(CLOCK_BOOTTIME) + HSP_RETRY_MS;
        flusher->recordable = false; /* until it is recorded */
        return;
    }
    if (flusher->recordable != batch->recordable)
        hsp_log(batch->recordable ? HSP_LOG_NOTICE : HSP_LOG_ERROR, "%s",
                batch->recordable
                    ? "the journal has room again: sending goes on"
                    : "no room for the journal: nothing is sent until there is");
    flusher->recordable = batch->recordable;
    flusher->closed = NULL;
    for (size_t i = 0; i < batch->count; i++)
        apply(flusher, &batch->ops[i]);
    hsp_batch_free(batch);
}

struct hsp_batch *hsp_settle_batch(struct hsp_flusher *flusher) {
    if (flusher->open == NULL)
        flusher->open = hsp_batch_new(&flusher->dir, flusher->journal,
                                      reserve_wanted(flusher), batch_done, flusher);
    if (flusher->open == NULL) {
        struct hs_error err = {0};
        hsp_fail(&err, HS_E_NOMEM, "record what was sent: out of memory");
        hsp_flusher_fail(flusher, &err);
    }
    return flusher->open;
}

void hsp_settle_submit(struct hsp_flusher *flusher, int64_t now_ms) {
    if (flusher->closed != NULL) {
        if (flusher->closed_again_ms != 0 && flusher->closed_again_ms <= now_ms) {
            flusher->closed_again_ms = 0;
            hsp_worker_submit(flusher->settler, &flusher->closed->job);
        }
        return;
    }
    bool ask = !flusher->recordable && flusher->reserve_again_ms <= now_ms;
    if (ask)
        flusher->reserve_again_ms = now_ms + HSP_RETRY_MS;
    if (ask && hsp_settle_batch(flusher) == NULL)
        return;
    if (flusher->open == NULL || (!ask && hsp_batch_is_empty(flusher->open)))
        return;
    flusher->closed = flusher->open;
    flusher->open = NULL;
    hsp_worker_submit(flusher->settler, &flusher->closed->job);
}

void hsp_settle_note(struct hsp_flusher *flusher, const struct hsp_journal_line *line) {
    struct hsp_batch *batch = hsp_settle_batch(flusher);
    if (batch != NULL)
        hsp_journal_compose(&batch->lines, line);
}

/* An operation on the head of `line`, in the open batch. NULL: the flusher has failed. */
static struct hsp_op *begin_op(struct hsp_flusher *flusher, enum hsp_op_kind kind,
                               struct hsp_endpoint *endpoint, hsp_line line) {
    struct hsp_batch *batch = hsp_settle_batch(flusher);
    struct hsp_op *op = batch != NULL ? hsp_batch_add(batch) : NULL;
    if (batch != NULL && op == NULL) {
        struct hs_error err = {0};
        hsp_fail(&err, HS_E_NOMEM, "record what was sent: out of memory");
        hsp_flusher_fail(flusher, &err);
    }
    if (op == NULL)
        return NULL;
    op->kind = kind;
    op->endpoint = endpoint;
    op->line = line;
    hsp_queue_head(endpoint->queue, line, &op->entry);
    flusher->changed = true;
    return op;
}

/* Without an answer
 * ---------------------------------------------------------------------------- */

/* The file is read once more, for what the line is to say of the event. */
static void note_unsent(struct hsp_flusher *flusher, const struct hsp_op *op,
                        const char *what, const char *reason) {
    struct hsp_journal_line line = HSP_JOURNAL_LINE(hsp_now_ms(CLOCK_REALTIME), what);
    struct hsp_waiting waiting = {0};
    line.endpoint = op->endpoint->name;
    line.sequence = (int64_t)op->entry.sequence;
    line.reason = reason;
    if (hsp_waiting_read(&waiting, op->endpoint, &op->entry, NULL) == HS_OK) {
        line.id = waiting.event.id;
        line.monitor = waiting.facts.monitor_id;
        line.kind = hs_kind_text(waiting.facts.kind);
        line.uid = waiting.uid;
    }
    hsp_settle_note(flusher, &line);
    hsp_waiting_free(&waiting);
}

static void bury(struct hsp_flusher *flusher, struct hsp_op *op,
                 const struct hsp_death *death) {
    op->note = hsp_death_note(death);
    op->endpoint->dying++;
    op->endpoint->dying_bytes += op->entry.size;
    if (op->note != NULL)
        return;
    struct hs_error err = {0};
    hsp_fail(&err, HS_E_NOMEM, "write a dead letter: out of memory");
    hsp_flusher_fail(flusher, &err);
}

void hsp_settle_kill(struct hsp_flusher *flusher, struct hsp_endpoint *endpoint,
                     hsp_line line, const char *reason) {
    struct hsp_op *op = begin_op(flusher, HSP_OP_KILL, endpoint, line);
    if (op == NULL)
        return;
    struct hsp_death death = {
        .reason = reason,
        .at_ms = hsp_now_ms(CLOCK_REALTIME),
        .attempts = (int)op->entry.attempts,
        .http_status = (long)op->entry.code,
    };
    bury(flusher, op, &death);
    bool expired = reason[0] == 'e';
    note_unsent(flusher, op, expired ? "expired" : "dead", reason);
    hsp_log(HSP_LOG_WARNING, "endpoint %s: event %llu becomes a dead letter: %s",
            endpoint->name, (unsigned long long)op->entry.sequence, reason);
}

void hsp_settle_quarantine(struct hsp_flusher *flusher, struct hsp_endpoint *endpoint,
                           hsp_line line, const char *reason) {
    struct hsp_op *op = begin_op(flusher, HSP_OP_QUARANTINE, endpoint, line);
    if (op == NULL)
        return;
    note_unsent(flusher, op, "corrupt", reason);
    hsp_log(HSP_LOG_ERROR, "endpoint %s: %s: moved to corrupt/", endpoint->name, reason);
}

/* Answers
 * -------------------------------------------------------------------------------------
 */

static const char *word_of(enum hsp_verdict verdict, enum hsp_fate fate) {
    if (fate == HSP_FATE_DEAD)
        return "dead";
    switch (verdict) {
    case HSP_DELIVERED:
        return "delivered";
    case HSP_BUSY:
        return "busy";
    case HSP_MISCONFIGURED:
        return "misconfigured";
    case HSP_GONE:
        return "gone";
    default:
        return "failed";
    }
}

/* Why it was not delivered; NULL: it was. */
static const char *reason_of(const struct hsp_endpoint *endpoint,
                             const struct hsp_response *response) {
    bool delivered = response->http_status >= 200 && response->http_status < 300;
    return delivered               ? NULL
           : response->interrupted ? "the daemon ended"
                                   : endpoint->last_error;
}

static void note_answer(struct hsp_flusher *flusher, const struct hsp_request *request,
                        const struct hsp_response *response, const char *what,
                        int64_t next_at_ms) {
    struct hsp_journal_line line = HSP_JOURNAL_LINE(hsp_now_ms(CLOCK_REALTIME), what);
    line.endpoint = request->endpoint->name;
    line.id = request->id;
    line.monitor = request->monitor_id;
    line.kind = hs_kind_text(request->kind);
    line.sequence = (int64_t)request->entry.sequence;
    line.attempt = (int64_t)request->entry.attempts + 1;
    line.status = response->http_status > 0 ? response->http_status : -1;
    line.took_ms = response->took_ms;
    line.next_at_ms = next_at_ms;
    line.uid = request->uid;
    line.reason = reason_of(request->endpoint, response);
    hsp_settle_note(flusher, &line);
}

/* The endpoint's own bookkeeping: slot, counters, last error. */
static void end_request(struct hsp_endpoint *endpoint,
                        const struct hsp_request *request) {
    endpoint->in_flight--;
    if (request->probe)
        endpoint->probe_in_flight = false;
    if (request->generation == endpoint->generation)
        (void)!hsp_rate_end(endpoint->rate, request->slot, hsp_now_ms(CLOCK_BOOTTIME),
                            hsp_now_ms(CLOCK_REALTIME), NULL);
}

static void count_answer(struct hsp_endpoint *endpoint, bool delivered,
                         const struct hsp_response *response) {
    if (delivered) {
        endpoint->sent++;
        endpoint->last_success_ms = hsp_now_ms(CLOCK_REALTIME);
        return;
    }
    endpoint->failed++;
    if (response->error != NULL)
        snprintf(endpoint->last_error, sizeof endpoint->last_error, "%s",
                 response->error);
    else
        snprintf(endpoint->last_error, sizeof endpoint->last_error, "HTTP %ld",
                 response->http_status);
    for (char *c = endpoint->last_error; *c != '\0'; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
}

static void state_changed(struct hsp_endpoint *endpoint) {
    bool ok = endpoint->breaker.state == HSP_STATE_OK;
    if (ok) {
        hsp_queue_wake(endpoint->queue, false);
        hsp_log(HSP_LOG_NOTICE, "endpoint %s is ok again", endpoint->name);
    } else {
        hsp_log(endpoint->breaker.state == HSP_STATE_BACKOFF ? HSP_LOG_WARNING
                                                             : HSP_LOG_ERROR,
                "endpoint %s (%s) is now in state %s: %s", endpoint->name,
                endpoint->settings->shown_url,
                hsp_endpoint_state_text(endpoint->breaker.state), endpoint->last_error);
    }
    struct hs_error err = {0};
    if (hsp_endpoint_save(endpoint, &err) != HS_OK)
        hsp_log(HSP_LOG_WARNING, "endpoint %s: %s", endpoint->name, err.text);
}

/* Judge; an endpoint that lost its settings meanwhile only keeps or is done with its
 * event. */
static struct hsp_ruling judge(struct hsp_endpoint *endpoint,
                               const struct hsp_request *request,
                               const struct hsp_response *response,
                               enum hsp_verdict verdict) {
    if (endpoint->settings == NULL)
        return (struct hsp_ruling){
            .fate = verdict == HSP_DELIVERED ? HSP_FATE_DONE : HSP_FATE_KEPT,
            .attempts = (int)request->entry.attempts,
        };
    struct hsp_answer answer = {
        .verdict = verdict,
        .retry_after_s = response->retry_after_s,
        .probe = request->probe,
        .attempts = (int)request->entry.attempts,
        .suspect = request->suspect,
    };
    return hsp_breaker_judge(&endpoint->breaker, endpoint->settings, &answer,
                             hsp_now_ms(CLOCK_BOOTTIME), (uint32_t)random());
}

static void keep(struct hsp_op *op, const struct hsp_response *response,
                 const struct hsp_ruling *ruling) {
    op->renamed = op->entry;
    op->renamed.attempts = (unsigned)ruling->attempts;
    op->renamed.code = (unsigned)response->http_status;
    op->renamed.due_s = (hsp_now_ms(CLOCK_REALTIME) + ruling->wait_ms + 999) / 1000;
    op->suspect = ruling->suspect;
    op->due_ms = hsp_now_ms(CLOCK_BOOTTIME) + ruling->wait_ms;
}

/* Ended by the daemon itself: as if it had not been sent, though the receiver may have
 * it. */
static void interrupt(struct hsp_flusher *flusher, const struct hsp_request *request,
                      const struct hsp_response *response) {
    note_answer(flusher, request, response, "interrupted", -1);
    hsp_queue_stay(request->endpoint->queue, request->line, &request->entry,
                   request->suspect, 0);
}

void hsp_settle_answer(void *owner, struct hsp_request *request,
                       const struct hsp_response *response) {
    struct hsp_flusher *flusher = owner;
    struct hsp_endpoint *endpoint = request->endpoint;
    hsp_crash_point("send-done");
    end_request(endpoint, request);
    if (response->interrupted) {
        interrupt(flusher, request, response);
        return;
    }
    enum hsp_verdict verdict =
        hsp_verdict(response->http_status, response->retry_after_s);
    struct hsp_ruling ruling = judge(endpoint, request, response, verdict);
    bool delivered = ruling.fate == HSP_FATE_DONE, dead = ruling.fate == HSP_FATE_DEAD;
    count_answer(endpoint, delivered, response);
    enum hsp_op_kind kind = delivered ? HSP_OP_REMOVE
                            : dead    ? HSP_OP_KILL
                                      : HSP_OP_RENAME;
    struct hsp_op *op = begin_op(flusher, kind, endpoint, request->line);
    if (op == NULL)
        return;
    int64_t utc_ms = hsp_now_ms(CLOCK_REALTIME);
    if (kind == HSP_OP_RENAME)
        keep(op, response, &ruling);
    if (kind == HSP_OP_REMOVE)
        op->overtakes = hsp_overtaken_deliver(endpoint->overtaken, op->entry.object,
                                              op->entry.sequence);
    if (dead)
        bury(flusher, op,
             &(struct hsp_death){
                 .reason = "attempts",
                 .at_ms = utc_ms,
                 .attempts = ruling.attempts,
                 .http_status = response->http_status,
                 .error = response->error,
                 .excerpt = response->excerpt,
             });
    note_answer(flusher, request, response, word_of(verdict, ruling.fate),
                kind == HSP_OP_RENAME ? utc_ms + ruling.wait_ms : -1);
    if (dead)
        hsp_log(HSP_LOG_WARNING, "endpoint %s: event %s becomes a dead letter: %s",
                endpoint->name, request->id, endpoint->last_error);
    if (ruling.changed)
        state_changed(endpoint);
}
