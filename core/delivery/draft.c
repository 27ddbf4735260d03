/* SPDX-License-Identifier: MIT */
/* Reading files that adapters wrote. */
#include "config.h"

#include "draft.h"

#include "../error.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX                                                                         \
    (HSP_FILE_MAX + 2 * HSP_PAYLOAD_MAX) /* a put stops at HSP_FILE_MAX after an event   \
                                          */
#define DAY_S 86400

static void free_events(struct hsp_draft *draft) {
    for (size_t i = 0; i < draft->count; i++)
        hsp_details_free(&draft->events[i].details);
    free(draft->events);
    draft->events = NULL;
    draft->count = 0;
}

void hsp_draft_free(struct hsp_draft *draft) {
    free_events(draft);
    free(draft->file.bytes);
}

/* Reading
 * ------------------------------------------------------------------------------------ */

static uint64_t object_of(const struct hsp_draft_event *event) {
    const struct hsp_details *details = &event->details;
    if (details->host[0] == '\0' && details->service[0] == '\0')
        return hsp_hash(event->facts.monitor_id, strlen(event->facts.monitor_id));
    return hsp_object_hash(details->site, details->system, details->host,
                           details->service);
}

enum hs_status hsp_draft_read_event(struct hsp_draft_event *event, int64_t put_s,
                                    struct hs_error *err) {
    const struct hsp_record_event *record = &event->record;
    enum hs_status status =
        hsp_payload_check(record->body, record->body_length, &event->facts, err);
    if (status == HS_OK)
        status = hsp_details_parse(&event->details, record->details,
                                   record->details_length, err);
    if (status != HS_OK)
        return status;
    event->object = object_of(event);
    event->order_time = event->details.order_time;
    /* A host clock that is a day off says nothing. */
    if (event->order_time < put_s - DAY_S || event->order_time > put_s + DAY_S)
        event->order_time = 0;
    event->order_sequence = event->order_time != 0 ? event->details.order_sequence : 0;
    if (event->order_time == 0)
        event->order_time = put_s;
    return HS_OK;
}

static int by_order(const void *a, const void *b) {
    const struct hsp_draft_event *left = a, *right = b;
    if (left->order_time != right->order_time)
        return left->order_time < right->order_time ? -1 : 1;
    if (left->order_sequence != right->order_sequence)
        return left->order_sequence < right->order_sequence ? -1 : 1;
    return left->index < right->index ? -1 : left->index > right->index;
}

static enum hs_status read_events(struct hsp_draft *draft, struct hs_error *err) {
    draft->events = calloc(draft->reader.count, sizeof *draft->events);
    if (draft->events == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read incoming/%s: out of memory",
                        draft->file.name);
    struct hsp_record_event record;
    while (draft->count < draft->reader.count &&
           hsp_record_next(&draft->reader, &record)) {
        struct hsp_draft_event *event = &draft->events[draft->count];
        event->record = record;
        event->index = draft->count++;
        enum hs_status status =
            hsp_draft_read_event(event, draft->file.put_utc_ms / 1000, err);
        if (status != HS_OK)
            return status;
    }
    qsort(draft->events, draft->count, sizeof *draft->events, by_order);
    return HS_OK;
}

/* A file the reading of which may well go better later. */
static bool is_passing(int error) {
    return error == ENOMEM || error == EMFILE || error == ENFILE || error == EIO ||
           error == EINTR;
}

enum hsp_reading hsp_draft_refuse(struct hsp_draft *draft, const char *reason) {
    free_events(draft); /* some may be half read */
    draft->file.fate = HSP_FILE_QUARANTINE;
    snprintf(draft->reason, sizeof draft->reason, "%s", reason);
    return HSP_READING_DONE;
}

/* Read `draft->file.name` in `dirfd` and check all of it. HS_E_NOMEM is the only failure;
 * all else is told by `reading`. */
enum hs_status hsp_draft_read(struct hsp_draft *draft, int dirfd,
                              enum hsp_reading *reading, size_t *bytes,
                              struct hs_error *err) {
    struct stat info;
    size_t length = 0;
    draft->file.bytes = hsp_read_file(dirfd, draft->file.name, FILE_MAX, &length, &info);
    if (draft->file.bytes == NULL) {
        *reading = errno == ENOENT     ? HSP_READING_GONE
                   : is_passing(errno) ? HSP_READING_LATER
                                       : hsp_draft_refuse(draft, strerror(errno));
        return HS_OK;
    }
    *bytes += length;
    if (info.st_nlink != 1 &&
        !draft->file.staged) { /* somebody may yet change it under another name */
        *reading = hsp_draft_refuse(draft, "a file with more than one name");
        return HS_OK;
    }
    draft->file.owner = info.st_uid;
    draft->file.put_utc_ms = info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000;
    struct hs_error reason = {0};
    enum hs_status status =
        hsp_record_open(&draft->reader, draft->file.bytes, length, &reason);
    if (status == HS_E_DATA && draft->reader.version > HSP_RECORD_VERSION) {
        hsp_log(HSP_LOG_WARNING,
                "incoming/%s is of version %d, newer than this daemon: left there",
                draft->file.name, draft->reader.version);
        *reading = HSP_READING_LEFT;
        return HS_OK;
    }
    if (status == HS_OK && (draft->reader.from >= 0 || draft->reader.dead != NULL))
        status = hsp_fail(&reason, HS_E_DATA, "a line that only the daemon may write");
    if (status == HS_OK)
        status = read_events(draft, &reason);
    if (status == HS_E_NOMEM)
        return hsp_fail(err, status, "%s", reason.text);
    *reading = status == HS_OK ? HSP_READING_DONE : hsp_draft_refuse(draft, reason.text);
    return HS_OK;
}

uint64_t hsp_draft_fold(const struct hsp_draft_event *event) {
    const char *key = event->details.fold;
    if (key[0] == '\0')
        return 0;
    uint64_t hash = hsp_hash(key, strlen(key));
    return hash != 0 ? hash : 1;
}
