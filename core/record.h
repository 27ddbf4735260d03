/* SPDX-License-Identifier: MIT */
/* The spool file: text that proves itself. Format: docs/spool-format.md, version 1.
 *
 *     hookspool 1\n
 *     from UID\n                  only in files that the daemon wrote itself
 *     dead LENGTH\n{json}\n       only in dead letters: why, when, attempts, last status
 *     event ID BODY_LENGTH DETAIL_LENGTH\n{body}\n{details}\n       once or more
 *     end COUNT BYTES\n           BYTES: of everything before this line
 */
#ifndef HSP_RECORD_H
#define HSP_RECORD_H

#include "buffer.h"
#include "id.h"

#define HSP_RECORD_VERSION 1
#define HSP_DETAILS_MAX (256 * 1024)
#define HSP_FILE_MAX (16 * 1024 * 1024) /* a put never writes more into one file */

/* One event of a file; points into the file's bytes. */
struct hsp_record_event {
    char id[HSP_ID_LENGTH + 1];
    const char *body;
    size_t body_length;
    const char *details; /* a JSON object */
    size_t details_length;
};

/* Writing: begin, any of from and dead, events, end. Failure shows in buffer->failed. */
void hsp_record_begin(struct hsp_buffer *out);
void hsp_record_from(struct hsp_buffer *out, uint32_t uid);
void hsp_record_dead(struct hsp_buffer *out, const char *json, size_t length);
void hsp_record_event(struct hsp_buffer *out, const struct hsp_record_event *event);
void hsp_record_end(struct hsp_buffer *out, size_t count);

/* Reading a whole file. Borrowed from `bytes`; nothing to free. */
struct hsp_record_reader {
    const char *bytes;
    size_t length;
    size_t offset;    /* of the next event */
    size_t count;     /* events in the file */
    int64_t from;     /* uid, -1: no such line */
    const char *dead; /* JSON, NULL: no such line */
    size_t dead_length;
    int version; /* set also when it is newer than HSP_RECORD_VERSION */
};

/* Check version, lengths and end mark of the whole file. HS_E_DATA: not a spool file, cut
 * or torn; if `reader->version` is then above HSP_RECORD_VERSION it is a newer one, to be
 * left alone. */
enum hs_status hsp_record_open(struct hsp_record_reader *reader, const char *bytes,
                               size_t length, struct hs_error *err) HS_MUST_CHECK;
/* The next event; false after the last. */
bool hsp_record_next(struct hsp_record_reader *reader, struct hsp_record_event *event);

/* The event that begins at `bytes`, in a file that was checked before. HS_E_DATA: none
 * does. */
enum hs_status hsp_record_event_at(struct hsp_record_event *event, const char *bytes,
                                   size_t length, struct hs_error *err) HS_MUST_CHECK;

/* What the daemon reads from the details object. Texts are the caller's, ended by
 * hsp_details_free. */
struct hsp_details {
    char *system, *site, *host, *service; /* never NULL after a parse, may be "" */
    char *fold;                           /* "" where none */
    char *endpoints;                      /* "" is all */
    int64_t order_time;                   /* 0: absent */
    int64_t order_sequence;
};
enum hs_status hsp_details_parse(struct hsp_details *details, const char *json,
                                 size_t length, struct hs_error *err) HS_MUST_CHECK;
void hsp_details_free(struct hsp_details *details); /* a zeroed one is fine */

#endif
