/* SPDX-License-Identifier: MIT */
/* What an adapter has to remember over a restart, in one file of its own user: a status
 * for each monitor (a short text under a key), and the edges, whole events with their
 * ids, that are not yet known to be in the spool.
 *
 *     set, push … commit      the status and its edge are on disk, together or not at all
 *     put into the spool
 *     pop, later commit       the edge is done with
 *
 * A process killed anywhere between finds the edge again and puts it again under the same
 * id. Everything is in memory too: where the disk fails, each commit says so and tries to
 * write all of it anew, and nothing is lost but by a crash at that time. The file is held
 * by flock on PATH.lock until it is closed. One thread at a time.
 *
 * Format, version 1: "hookspool-state 1\n", then groups, each the work of one commit:
 *     group LENGTH HASH\n     HASH: FNV-1a of the LENGTH bytes that follow, 16 digits
 *     set KEY_LENGTH VALUE_LENGTH\nKEYVALUE\n
 *     unset KEY_LENGTH\nKEY\n
 *     edge LENGTH\nBYTES\n    at the end of the line of edges
 *     done COUNT\n            so many edges less at its front
 * A group that is torn or wrong, and all after it, was never acknowledged and is left
 * out. The file is rewritten as one group when most of it is out of date. */
#ifndef HSP_STATEFILE_H
#define HSP_STATEFILE_H

#include "hookspool.h"
#include <stdbool.h>

struct hsp_statefile;

/* Open `path` (absolute; NULL: in memory only), made at the first commit where it is not
 * there. Its folder must be there. HS_E_NOMEM is the only failure. Anything else that is
 * wrong (no permission, somebody else holds the lock, a file that is none of ours, a torn
 * end) is written to `warning`, whose status is HS_OK where all is well: what was
 * readable is there, and a file that was not read to its end, or is none of ours, is kept
 * as PATH.bad when it is replaced. Waits up to 7 s for a process that is about to end.
 * Reads the disk. */
enum hs_status hsp_statefile_open(struct hsp_statefile **file, const char *path,
                                  struct hs_error *warning,
                                  struct hs_error *err) HS_MUST_CHECK;
void hsp_statefile_close(struct hsp_statefile *file); /* NULL is fine; writes nothing */

/* The text under `key`; NULL: none. Borrowed until the next set. */
const char *hsp_statefile_get(const struct hsp_statefile *file, const char *key);
/* All of them, in no order. */
void hsp_statefile_walk(const struct hsp_statefile *file,
                        void (*each)(const char *key, void *value, void *context),
                        void *context);

/* These change memory, and disk at the next commit. HS_E_NOMEM: as before. */
enum hs_status hsp_statefile_set(struct hsp_statefile *file, const char *key,
                                 const char *value /* NULL: forget */,
                                 struct hs_error *err) HS_MUST_CHECK;
enum hs_status hsp_statefile_push(struct hsp_statefile *file, const void *bytes,
                                  size_t length, struct hs_error *err) HS_MUST_CHECK;
/* Take `count` edges off the front. */
void hsp_statefile_pop(struct hsp_statefile *file, size_t count);

/* The edges, from the front. Borrowed until the next pop. */
size_t hsp_statefile_edges(const struct hsp_statefile *file);
const char *hsp_statefile_edge(const struct hsp_statefile *file, size_t index,
                               size_t *length);

/* Is there something that is not on disk? */
bool hsp_statefile_is_dirty(const struct hsp_statefile *file);
/* Bring it to disk: one append and fdatasync, now and then a rewrite. HS_OK: on disk (or
 * there is no path). HS_E_FULL, HS_E_IO, HS_E_SPOOL (no permission, no folder, held by
 * another process): not, and the next commit writes all of it. */
enum hs_status hsp_statefile_commit(struct hsp_statefile *file,
                                    struct hs_error *err) HS_MUST_CHECK;

#endif
