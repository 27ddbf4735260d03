/* SPDX-License-Identifier: MIT */
/* What waits for one endpoint, in memory: a first-in-first-out line a monitored object,
 * and which lines may move. Holds 24 bytes an event and 48 a line; knows no disk and no
 * clock. One thread.
 *
 * A line is ready (its head may be sent), waiting (its head is due later) or busy (its
 * head is on its way, or its removal is not yet durable). Only a head has attempts. Among
 * ready lines the oldest head comes first. */
#ifndef HSP_QUEUE_H
#define HSP_QUEUE_H

#include "entry.h"

struct hsp_queue;
typedef uint32_t hsp_line; /* a handle, valid until the line is empty and released */
#define HSP_NO_LINE UINT32_MAX

enum hs_status hsp_queue_new(struct hsp_queue **queue,
                             struct hs_error *err) HS_MUST_CHECK;
void hsp_queue_free(struct hsp_queue *queue); /* NULL is fine */

/* Append to the line of entry->object; sequence numbers of one line ascend. A head with
 * due_s is due at `due_ms` (any clock, the same everywhere here; 0: at once). HS_E_NOMEM:
 * nothing added. */
enum hs_status hsp_queue_add(struct hsp_queue *queue, const struct hsp_entry *entry,
                             int64_t due_ms, struct hs_error *err) HS_MUST_CHECK;

/* The number of the newest event of this object that waits, 0: none does. */
uint64_t hsp_queue_newest(const struct hsp_queue *queue, uint64_t object);

/* The line to send from now: the ready one with the oldest head, another than `avoid`
 * (HSP_NO_LINE: any) where there is one. Lines that have become due by `now_ms` are
 * ready. HSP_NO_LINE: none. */
hsp_line hsp_queue_pick(struct hsp_queue *queue, int64_t now_ms, hsp_line avoid);
/* The line whose head is due first, whenever that is: for a probe when none is ready.
 * HSP_NO_LINE: none. */
hsp_line hsp_queue_pick_waiting(const struct hsp_queue *queue, hsp_line avoid);
/* When the next line becomes due; INT64_MAX: none waits; at most now: some is ready. */
int64_t hsp_queue_next_due(const struct hsp_queue *queue);

/* The head of a line, as its file is named. */
void hsp_queue_head(const struct hsp_queue *queue, hsp_line line, struct hsp_entry *head);

/* Take a ready or waiting line out of the race: its head is being sent. */
void hsp_queue_start(struct hsp_queue *queue, hsp_line line);
/* A busy line's head stays: it is named anew (attempts, due_s, code) and due at `due_ms`.
 * `suspect`: see breaker.h. */
void hsp_queue_stay(struct hsp_queue *queue, hsp_line line, const struct hsp_entry *named,
                    bool suspect, int64_t due_ms);
bool hsp_queue_is_suspect(const struct hsp_queue *queue, hsp_line line);
/* A busy line's head has gone for good, durably: the next one is ready, an empty line
 * ends. */
void hsp_queue_advance(struct hsp_queue *queue, hsp_line line);
/* Waiting lines are due at once, the endpoint being back: those whose head has used no
 * attempt, or `all`. */
void hsp_queue_wake(struct hsp_queue *queue, bool all);

/* Out of turn: what a person asks for. An event that is held keeps its place, and it and
 * all behind it wait until it is released or removed. Lines are found by object. */
enum hsp_hold {
    HSP_HOLD_DONE,
    HSP_HOLD_MISSING, /* no such event waits */
    HSP_HOLD_THERE,   /* insert: it waits already */
    HSP_HOLD_BUSY,    /* it is under way, or held; insert: a newer one is under way */
    HSP_HOLD_NOMEM,
};
/* Hold a waiting event. `entry` is filled as its file is named. */
enum hsp_hold hsp_queue_hold(struct hsp_queue *queue, uint64_t object, uint64_t sequence,
                             struct hsp_entry *entry);
/* Put an event, held, where its number says. A head that it displaces is named in
 * `displaced` (sequence 0: none) if its file has to be named anew, without attempts and
 * due time, before anything of this line is released. */
enum hsp_hold hsp_queue_insert(struct hsp_queue *queue, const struct hsp_entry *entry,
                               struct hsp_entry *displaced);
/* A held event waits again, due at once; its file is named as `entry` says. */
void hsp_queue_release(struct hsp_queue *queue, const struct hsp_entry *entry);
/* A held event has gone for good. Of `entry` object and sequence count. */
void hsp_queue_remove(struct hsp_queue *queue, const struct hsp_entry *entry);
/* A waiting event that heads its line is due at once. */
enum hsp_hold hsp_queue_hurry(struct hsp_queue *queue, uint64_t object,
                              uint64_t sequence);

/* The line with the oldest head of all that are not busy; HSP_NO_LINE: none. Looks at
 * every line. */
hsp_line hsp_queue_oldest(const struct hsp_queue *queue);

/* Call `each` for every event whose number is at least `first`, in no order. */
void hsp_queue_each_from(const struct hsp_queue *queue, uint64_t first,
                         void (*each)(void *context, const struct hsp_entry *entry),
                         void *context);

size_t hsp_queue_count(const struct hsp_queue *queue);
int64_t hsp_queue_bytes(const struct hsp_queue *queue);

#endif
