/* SPDX-License-Identifier: MIT */
/* The delivery journal: one JSON line an attempt or decision. Lines are composed
 * anywhere, written in groups; any thread may write and reserve. Format: docs/journal.md.
 */
#ifndef HSP_JOURNAL_H
#define HSP_JOURNAL_H

#include "../buffer.h"

/* The words of `what`: delivered, failed, busy, misconfigured, gone, dead, expired,
 * filtered, folded, corrupt, removed, interrupted, retried, moved, test, warning; NULL
 * ends them. What they mean: docs/journal.md. */
extern const char *const hsp_journal_words[];

/* One line; texts NULL and numbers -1 are left out. */
struct hsp_journal_line {
    int64_t at_ms;    /* UTC */
    const char *what; /* one of the words */
    const char *endpoint;
    const char *id;
    const char *monitor; /* monitor.id */
    const char *kind;
    int64_t sequence;
    int64_t attempt; /* number of the request for this event, from 1 */
    int64_t status;  /* HTTP */
    int64_t took_ms;
    int64_t next_at_ms; /* UTC of the next attempt */
    int64_t uid;        /* who submitted the event */
    const char *reason; /* one line; repaired and cut at 1 KB */
};
/* A line with everything but these two left out. */
#define HSP_JOURNAL_LINE(at_utc_ms, what_happened)                                       \
    ((struct hsp_journal_line){.at_ms = (at_utc_ms),                                     \
                               .what = (what_happened),                                  \
                               .sequence = -1,                                           \
                               .attempt = -1,                                            \
                               .status = -1,                                             \
                               .took_ms = -1,                                            \
                               .next_at_ms = -1,                                         \
                               .uid = -1})

/* Append the line and its newline to `out`: {"at":"…","what":"…",…} with the keys in the
 * order above (at, what, endpoint, id, monitor, kind, sequence, attempt, status, took_ms,
 * next_at, uid, reason). */
void hsp_journal_compose(struct hsp_buffer *out, const struct hsp_journal_line *line);

struct hsp_journal;
/* Open for appending (0640, made where missing, its folder too where that is possible); a
 * torn last line of a crash is ended with a newline. A path that is not a regular file is
 * refused. At `max_bytes` the file is renamed to PATH.1 (replacing it) and a new one
 * begun. HS_E_IO, HS_E_FULL. */
enum hs_status hsp_journal_open(struct hsp_journal **journal, const char *path,
                                int64_t max_bytes, struct hs_error *err) HS_MUST_CHECK;
void hsp_journal_close(struct hsp_journal *journal);
/* Make sure that `bytes` more can be written even on a full disk: preallocates beyond the
 * end without changing the size (FALLOC_FL_KEEP_SIZE); where the file system cannot,
 * looks at free space. HS_E_FULL: it could not be had; what was reserved before still is.
 */
enum hs_status hsp_journal_reserve(struct hsp_journal *journal, size_t bytes,
                                   struct hs_error *err) HS_MUST_CHECK;
/* Write and fdatasync. Follows a log rotation: when PATH is another inode, or missing, it
 * is opened anew first. On failure nothing of `lines` is left behind (the file is cut
 * back) and the same lines may be written again. HS_E_IO, HS_E_FULL. */
enum hs_status hsp_journal_write(struct hsp_journal *journal, const char *lines,
                                 size_t length, struct hs_error *err) HS_MUST_CHECK;

#endif
