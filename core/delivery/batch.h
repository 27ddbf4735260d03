/* SPDX-License-Identifier: MIT */
/* What became of events, made durable in groups: first the journal lines, then the
 * removals, renames and dead letters, then one fsync a folder. Filled in the main loop,
 * done in the disk thread, reported back to the main loop. A step that fails leaves the
 * batch to be handed in again: every step can be repeated. */
#ifndef HSP_BATCH_H
#define HSP_BATCH_H

#include "dead.h"
#include "journal.h"
#include "worker.h"

enum hsp_op_kind {
    HSP_OP_REMOVE,     /* delivered: its file goes */
    HSP_OP_RENAME,     /* stays, with other attempts and due time in its name */
    HSP_OP_KILL,       /* becomes a dead letter */
    HSP_OP_QUARANTINE, /* cannot be read: goes to corrupt/ */
    HSP_OP_TRIM,       /* no event: the oldest dead letters beyond the limits go */
    /* By hand; `entry` is held in the queue, and so is what REVIVE and TRANSFER make. */
    HSP_OP_REVIVE,   /* a dead letter goes to the queue of `target` */
    HSP_OP_TRANSFER, /* a waiting event goes to the queue of `target` */
    HSP_OP_DISCARD,  /* a waiting event goes for good */
    HSP_OP_SHRED,    /* a dead letter goes for good */
    HSP_OP_PLAIN,    /* a displaced head is named without its attempts */
};

struct hsp_errand;

struct hsp_op {
    enum hsp_op_kind kind;
    struct hsp_endpoint *endpoint;
    hsp_line line;
    struct hsp_entry entry;   /* as its file is named */
    struct hsp_entry renamed; /* RENAME: as it is to be named */
    bool suspect;             /* RENAME: for hsp_queue_stay */
    bool overtakes;           /* REMOVE: dead letters of its object are stale now */
    int64_t due_ms;
    char *note; /* owned; KILL: the JSON of the dead letter; REVIVE, SHRED: the letter's
                   name */
    struct hsp_endpoint *target;
    struct hsp_errand *errand; /* who asked for it, by hand */
    enum hsp_find found;       /* once done, of what was asked for by hand */
    int64_t dead, dead_bytes;  /* once done: KILL, REVIVE, SHRED: of this letter; TRIM: of
                                  all left */
    int64_t max_dead, max_dead_bytes; /* TRIM */
};

struct hsp_batch {
    struct hsp_job job; /* first */
    const struct hsp_spooldir *dir;
    struct hsp_journal *journal;
    void *owner;
    struct hsp_buffer lines;
    bool journaled;
    struct hsp_op *ops;
    size_t count, capacity;
    size_t reserve;  /* bytes that the journal must have room for afterwards */
    bool recordable; /* it has */
};

/* An empty batch; `done` is called in the main loop. NULL: out of memory. */
struct hsp_batch *hsp_batch_new(const struct hsp_spooldir *dir,
                                struct hsp_journal *journal, size_t reserve,
                                void (*done)(struct hsp_job *), void *owner);
void hsp_batch_free(struct hsp_batch *batch); /* NULL is fine */
bool hsp_batch_is_empty(const struct hsp_batch *batch);

/* Room for one more operation, zeroed; NULL: out of memory. */
struct hsp_op *hsp_batch_add(struct hsp_batch *batch);

#endif
