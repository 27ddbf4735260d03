/* SPDX-License-Identifier: MIT */
/* What was taken in of late: event ids and fold keys, to send nothing twice that was
 * handed in twice, and the last state of each object. A bounded window of the newest
 * HSP_RECENT_MAX events, kept in state/recent as fixed-width text lines that are written
 * in place. One thread, except hsp_recent_write. */
#ifndef HSP_RECENT_H
#define HSP_RECENT_H

#include "../id.h"

#define HSP_RECENT_MAX 16384
#define HSP_RECENT_LINE 120 /* bytes a line on disk */

struct hsp_recent;

struct hsp_recent_entry {
    char id[HSP_ID_LENGTH + 1];
    uint64_t fold; /* hash of the fold key, 0: none */
    uint64_t object;
    uint64_t sequence; /* of the event */
    int64_t at_ms;     /* UTC, when it was taken in */
    enum hs_state state;
};

/* Open or make state/recent in the folder `state_fd`; lines that cannot be read are
 * skipped. HS_E_IO, HS_E_FULL, HS_E_NOMEM. */
enum hs_status hsp_recent_open(struct hsp_recent **recent, int state_fd,
                               struct hs_error *err) HS_MUST_CHECK;
void hsp_recent_close(struct hsp_recent *recent); /* NULL is fine */

bool hsp_recent_has_id(const struct hsp_recent *recent, const char *id);
/* Was a `fold` key of `object` taken in at or after `since_ms`? 0 never was. */
bool hsp_recent_has_fold(const struct hsp_recent *recent, uint64_t fold, uint64_t object,
                         int64_t since_ms);
/* The newest state of an object, HS_STATE_NONE: not known. */
enum hs_state hsp_recent_state(const struct hsp_recent *recent, uint64_t object);
/* The number of an object's newest event, 0: not known. */
uint64_t hsp_recent_newest(const struct hsp_recent *recent, uint64_t object);
/* The highest sequence number in the window. */
uint64_t hsp_recent_top(const struct hsp_recent *recent);

/* Remember it, in memory. Returns its place, for hsp_recent_format and hsp_recent_write.
 */
uint32_t hsp_recent_add(struct hsp_recent *recent, const struct hsp_recent_entry *entry);

/* The line of an entry, for its place on disk. Pure. */
void hsp_recent_format(const struct hsp_recent_entry *entry,
                       char line[HSP_RECENT_LINE + 1]);
/* Write `count` lines from `place` on, going round at the end. Any thread; not synced. */
enum hs_status hsp_recent_write(const struct hsp_recent *recent, uint32_t place,
                                const char *lines, size_t count,
                                struct hs_error *err) HS_MUST_CHECK;
enum hs_status hsp_recent_sync(const struct hsp_recent *recent,
                               struct hs_error *err) HS_MUST_CHECK;

#endif
