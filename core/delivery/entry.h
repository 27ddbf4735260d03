/* SPDX-License-Identifier: MIT */
/* The name of a waiting event's file says all that scheduling needs, so that a start
 * reads no file and a retry is one rename:
 *
 *     queue/ENDPOINT/XX/SEQUENCE.OBJECT.ATTEMPTS.DUE.CODE.SIZE.OFFSET
 *
 * XX is made of the sequence number, so that neighbours share a folder and one fsync.
 * Pure functions. Format: docs/spool-format.md. */
#ifndef HSP_ENTRY_H
#define HSP_ENTRY_H

#include "../id.h"

#define HSP_ENTRY_PATH_MAX 112
#define HSP_DEAD_NAME_MAX 80

struct hsp_entry {
    uint64_t sequence; /* spool-wide order */
    uint64_t object;   /* whose order: hsp_object_hash */
    unsigned attempts; /* used up so far */
    int64_t due_s;     /* UTC seconds, 0: at once */
    unsigned code;     /* HTTP status of the last attempt, 0: none */
    uint32_t size;     /* bytes of the event: body and details */
    uint32_t offset;   /* where it begins in its file, 0: it is alone there */
};

/* "XX/NAME", relative to the endpoint's folder. */
void hsp_entry_path(const struct hsp_entry *entry, char path[HSP_ENTRY_PATH_MAX]);
/* Just "XX". */
void hsp_entry_shard(uint64_t sequence, char shard[3]);
/* NAME without its folder; false: not such a name. */
bool hsp_entry_parse(const char *name, struct hsp_entry *entry);

/* The same event as it is named before its first attempt. Pure. */
struct hsp_entry hsp_entry_plain(const struct hsp_entry *entry);

/* dead/ENDPOINT/SEQUENCE.OBJECT.ID */
void hsp_dead_name(const struct hsp_entry *entry, const char *id,
                   char name[HSP_DEAD_NAME_MAX]);
/* `id` receives the event's id. */
bool hsp_dead_parse(const char *name, struct hsp_entry *entry,
                    char id[HSP_ID_LENGTH + 1]);

#endif
