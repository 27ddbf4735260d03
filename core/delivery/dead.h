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

/* Move the waiting event to dead/ENDPOINT: a new file with the note, fsync, rename,
 * fsync; then the old one is removed. Without space for a copy the file itself is moved,
 * without note. `bytes` is the size of the letter. May be repeated. An event whose file
 * has gone is not an error (0 bytes). */
enum hs_status hsp_dead_bury(const struct hsp_endpoint *endpoint,
                             const struct hsp_entry *entry, const char *note,
                             int64_t *bytes, struct hs_error *err) HS_MUST_CHECK;

#endif
