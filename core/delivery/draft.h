/* SPDX-License-Identifier: MIT */
/* A file of incoming/ (or queue/.staged), read and checked, before it is decided what
 * becomes of it. Nothing in it is trusted. Main loop only. */
#ifndef HSP_DRAFT_H
#define HSP_DRAFT_H

#include "../payload.h"
#include "../record.h"
#include "placing.h"

/* An event as read. */
struct hsp_draft_event {
    struct hsp_record_event record;
    struct hsp_details details;
    struct hsp_payload_facts facts;
    uint64_t object;
    int64_t order_time, order_sequence;
    size_t index;
};

/* A file as read. */
struct hsp_draft {
    struct hsp_file file;
    struct hsp_record_reader reader;
    struct hsp_draft_event *events;
    size_t count;
    char reason[sizeof((struct hs_error *)0)->text]; /* QUARANTINE */
};

enum hsp_reading {
    HSP_READING_DONE,  /* whole, or to be put into corrupt/: see file.fate and reason */
    HSP_READING_GONE,  /* there is no such file any more */
    HSP_READING_LATER, /* the machine is at fault: try again */
    HSP_READING_LEFT,  /* of a newer version: it stays where it is */
};

/* Read `draft->file.name` in the folder `dirfd` and check all of it; the events are
 * sorted by their host's order. `bytes` grows by what was read. HS_E_NOMEM is the only
 * failure, all else is told by `reading`. End the draft with hsp_draft_free whatever
 * comes of it. */
enum hs_status hsp_draft_read(struct hsp_draft *draft, int dirfd,
                              enum hsp_reading *reading, size_t *bytes,
                              struct hs_error *err) HS_MUST_CHECK;
/* Mark the draft as one for corrupt/. Returns HSP_READING_DONE. */
enum hsp_reading hsp_draft_refuse(struct hsp_draft *draft, const char *reason);
void hsp_draft_free(struct hsp_draft *draft);

/* Fill in what follows from event->record, which was put at `put_s` (UTC seconds).
 * HS_E_DATA, HS_E_NOMEM. */
enum hs_status hsp_draft_read_event(struct hsp_draft_event *event, int64_t put_s,
                                    struct hs_error *err) HS_MUST_CHECK;
/* The hash of its fold key; 0: it has none. */
uint64_t hsp_draft_fold(const struct hsp_draft_event *event);

#endif
