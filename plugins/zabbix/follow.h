/* SPDX-License-Identifier: MIT */
/* Following one file that Zabbix appends to and rotates: NAME.ndjson, which becomes
 * NAME.ndjson.old when it is long enough, in the place of the one before. Lines come out
 * once each and in order, over rotations and restarts:
 *
 *     peek, consume … position -> kept by the caller -> open
 *
 * A position is text: inode, offset, and length and hash of the file's first bytes, by
 * which a file is known again, also under its other name and when its inode was given to
 * another file. One thread at a time.
 *
 * Limits: what was rotated twice while nobody followed is gone, and `say` is told. */
#ifndef HSP_FOLLOW_H
#define HSP_FOLLOW_H

#include "hookspool.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hsp_follow;

#define HSP_FOLLOW_LINE_MAX (1024 * 1024) /* longer lines are passed over */
#define HSP_POSITION_MAX 96

struct hsp_follow_options {
    int dirfd;            /* of the folder; borrowed */
    const char *name;     /* without ".ndjson"; copied */
    const char *position; /* NULL: none is known; copied */
    bool from_end;        /* where none is known: pass over what is there already */
    const char *needle;   /* lines without it are passed over; NULL: none are; borrowed */
    void (*say)(void *context, const char *line); /* what goes wrong */
    void *context;
};

/* HS_E_NOMEM. Opens no file yet: there may be none. */
enum hs_status hsp_follow_open(struct hsp_follow **follow,
                               const struct hsp_follow_options *options,
                               struct hs_error *err) HS_MUST_CHECK;
void hsp_follow_close(struct hsp_follow *follow); /* NULL is fine */
const char *hsp_follow_name(const struct hsp_follow *follow);

/* The line at hand, without its end; valid until the next call. HS_OK with `text` NULL:
 * none is whole yet. HS_E_NOMEM; HS_E_IO: reading failed, come again. */
enum hs_status hsp_follow_peek(struct hsp_follow *follow, const char **text,
                               size_t *length, struct hs_error *err) HS_MUST_CHECK;
/* The line at hand is its first `length` bytes only (more than none and less than all);
 * what is behind them is a line of its own. */
void hsp_follow_cut(struct hsp_follow *follow, size_t length);
/* Step over the line at hand. */
void hsp_follow_consume(struct hsp_follow *follow);

/* Bytes that are there now and were not stepped over. */
void hsp_follow_mark(struct hsp_follow *follow);
/* Are all those that were there at the last mark stepped over? */
bool hsp_follow_is_due(const struct hsp_follow *follow);

/* Why the file to go on with may not be opened; status HS_OK: nothing is in the way. */
const struct hs_error *hsp_follow_failure(const struct hsp_follow *follow);

/* Where it stands, as text to be kept; false: nowhere yet. */
bool hsp_follow_position(struct hsp_follow *follow, char text[HSP_POSITION_MAX]);
/* Lines that were too long or cut, since the start. */
uint64_t hsp_follow_skipped(const struct hsp_follow *follow);

#endif
