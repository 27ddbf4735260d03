/* SPDX-License-Identifier: MIT */
/* Taking files from incoming/ into the endpoints' queues, durably, whatever kills the
 * process between two steps. Planned in the main loop, done in the disk thread.
 *
 * A file with one event for one endpoint is moved in one rename. Any other is first moved
 * to queue/.staged under its first sequence number; then one copy of it is written
 * beside, linked into each queue for each event, and both names in queue/.staged are
 * removed: a start that finds a staged file does the same again, under the same numbers.
 * Nothing is sent before all of that is on disk. (Links, because making and removing
 * thousands of files costs ten times as much.) */
#ifndef HSP_PLACING_H
#define HSP_PLACING_H

#include "../record.h"
#include "copies.h"
#include "endpoint.h"
#include "journal.h"
#include "notice.h"
#include "recent.h"
#include "worker.h"

enum hsp_fate_of_file {
    HSP_FILE_MOVE, /* rename into its only place */
    HSP_FILE_COPY, /* stage, copy, link, remove */
    HSP_FILE_DROP, /* nobody wants it, or it was there before: the journal says why */
    HSP_FILE_QUARANTINE, /* to corrupt/ */
};

struct hsp_file {
    char name[HSP_NOTICE_NAME_MAX]; /* in incoming/, or in queue/.staged */
    bool staged;                    /* found in queue/.staged at a start */
    enum hsp_fate_of_file fate;
    uint64_t first; /* sequence number of its first event */
    uid_t owner;
    int64_t put_utc_ms;
    char *bytes; /* owned */
};

/* One event in one queue. */
struct hsp_placement {
    size_t file;
    struct hsp_endpoint *endpoint;
    struct hsp_entry entry;
    struct hsp_record_event event; /* points into the file's bytes */
};

struct hsp_placing {
    struct hsp_job job; /* first */
    const struct hsp_spooldir *dir;
    struct hsp_journal *journal;
    struct hsp_recent *recent;
    void *owner;
    struct hsp_file *files;
    size_t file_count, file_capacity;
    struct hsp_placement *placements;
    size_t placement_count, placement_capacity;
    struct hsp_copy
        *copies; /* written, open; what is left here is closed with the placing */
    size_t copy_count;
    struct hsp_buffer memories; /* lines of state/recent, */
    uint32_t first_memory;      /* from this place on */
    struct hsp_buffer lines;
    bool journaled;
};

/* The job's work; public for the start, which does it without the thread. May be
 * repeated. */
enum hs_status hsp_placing_work(struct hsp_job *job, struct hs_error *err);
void hsp_placing_free(struct hsp_placing *placing); /* NULL is fine */

#endif
