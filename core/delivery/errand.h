/* SPDX-License-Identifier: MIT */
/* Errands: what `hookspool` asks the daemon to do, one request each, answered at once or
 * when it is on disk. They come through the control socket (control.c), or from the same
 * program where no daemon runs (clerk.c). Main loop only. Format: docs/control.md */
#ifndef HSP_ERRAND_H
#define HSP_ERRAND_H

#include "../json.h"
#include "flusher.h"
#include <sys/types.h>

/* Counts of an errand that names many events, in its answer. */
enum hsp_tally {
    HSP_TALLY_DONE,
    HSP_TALLY_STALE,   /* a newer event of the monitor was delivered: left alone */
    HSP_TALLY_BUSY,    /* under way, or a newer one of the monitor is: left alone */
    HSP_TALLY_WAITING, /* waits already */
    HSP_TALLY_MISSING, /* no such event */
    HSP_TALLY_CORRUPT, /* could not be read: moved to corrupt/ */
    HSP_TALLY_FULL,    /* no room in the queue: left alone */
    HSP_TALLY_COUNT
};

struct hsp_errand {
    /* Called once, in the main loop, when the answer is there; may be called from within
     * hsp_errand_begin. The errand is the callee's, ended by hsp_errand_free. */
    void (*answered)(struct hsp_errand *errand);
    void *owner; /* for `answered` */
    bool trusted;
    uid_t uid; /* who asks */

    json_object *request; /* owned */
    struct hsp_endpoint *endpoint;
    size_t open;                      /* operations not yet on disk */
    int64_t tallies[HSP_TALLY_COUNT]; /* so far */
    struct hsp_buffer answer;         /* one line of JSON, without its newline */
};

/* A request of `length` bytes; NULL: out of memory. A text that is no JSON is answered
 * with an error like any other. */
struct hsp_errand *hsp_errand_new(const char *line, size_t length);
void hsp_errand_free(struct hsp_errand *errand); /* NULL is fine */

/* Do it. */
void hsp_errand_begin(struct hsp_flusher *flusher, struct hsp_errand *errand);

/* For the verbs. Answer {"error":text}. */
void hsp_errand_refuse(struct hsp_errand *errand, const char *format, ...)
    HS_PRINTF(2, 3);
/* Answer {"ok":true}, or with `key`, whose JSON text follows ({"ok":true,"key":…}). */
void hsp_errand_answer(struct hsp_errand *errand, const char *key, const char *json);
/* The text of a key of the request; "" where it has none. Borrowed. */
const char *hsp_errand_text(const struct hsp_errand *errand, const char *key);

/* selection.c: retry, drop, move ------------------------------------------------------
 */

void hsp_selection_retry(struct hsp_flusher *flusher, struct hsp_errand *errand);
void hsp_selection_drop(struct hsp_flusher *flusher, struct hsp_errand *errand);
void hsp_selection_move(struct hsp_flusher *flusher, struct hsp_errand *errand);
/* An operation that was asked for by hand is on disk. */
void hsp_selection_apply(struct hsp_flusher *flusher, const struct hsp_op *op);

#endif
