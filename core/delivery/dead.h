/* SPDX-License-Identifier: MIT */
/* Dead letters: events that were given up, whole, with the reason in front. Disk thread.
 * Format: docs/spool-format.md. */
#ifndef HSP_DEAD_H
#define HSP_DEAD_H

#include "../buffer.h"
#include "endpoint.h"

/* Why an event died, for its note. */
struct hsp_death {
    const char *reason; /* "attempts", "expired", "queue full" */
    int64_t at_ms;      /* UTC */
    int attempts;
    long http_status;    /* of the last attempt, 0: none */
    const char *error;   /* of the last attempt, may be NULL */
    const char *excerpt; /* of the last answer, any bytes, may be NULL */
};
/* {"reason":…,"at":…,"attempts":…,"last_status":…,"error":…,"answer":…}; free(). NULL:
 * out of memory. */
char *hsp_death_note(const struct hsp_death *death);

/* What became of a file that a person named. */
enum hsp_find {
    HSP_FOUND,
    HSP_FOUND_MISSING, /* it was gone already */
    HSP_FOUND_CORRUPT, /* it cannot be read: goes to corrupt/ */
};

/* Move the letter `name` (hsp_dead_name) into the queue of `target`, checked, its note
 * kept in it and its age beginning anew: one rename, not synced. `entry` has sequence and
 * object of the name and gets its size; `bytes` is the size of the letter. May be
 * repeated. HS_E_IO, HS_E_FULL, HS_E_NOMEM. */
enum hs_status hsp_dead_revive(const struct hsp_endpoint *endpoint, const char *name,
                               const struct hsp_endpoint *target, struct hsp_entry *entry,
                               enum hsp_find *found, int64_t *bytes,
                               struct hs_error *err) HS_MUST_CHECK;
/* Remove the letter, not synced. */
enum hs_status hsp_dead_shred(const struct hsp_endpoint *endpoint, const char *name,
                              enum hsp_find *found, int64_t *bytes,
                              struct hs_error *err) HS_MUST_CHECK;

/* Move the waiting event to dead/ENDPOINT: a new file with the note, fsync, rename,
 * fsync; then the old one is removed. Without space for a copy the file itself is moved,
 * without note. `bytes` is the size of the letter. May be repeated. An event whose file
 * has gone is not an error (0 bytes). */
enum hs_status hsp_dead_bury(const struct hsp_endpoint *endpoint,
                             const struct hsp_entry *entry, const char *note,
                             int64_t *bytes, struct hs_error *err) HS_MUST_CHECK;

#endif
