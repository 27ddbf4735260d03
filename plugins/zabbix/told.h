/* SPDX-License-Identifier: MIT */
/* From an exported line to an event: what problems, recoveries and values have in
 * common. The id of an event follows from what it tells of, so that a line that is read
 * again makes the same event again. */
#ifndef HSP_TOLD_H
#define HSP_TOLD_H

#include "ndjson.h"

#define HSP_TAG "webhook." /* what names of tags that are for us begin with */

/* What an event is made of, all of it borrowed. */
struct hsp_told {
    const struct hsp_line *line; /* host, groups and tags */
    enum hs_kind kind;
    enum hs_state previous;
    const char *service; /* with the host: the object */
    const char *name;    /* the monitor's; NULL: by the configuration */
    const char *message; /* of an incident; NULL */
    const char *seed;    /* what makes the id its own */
    int64_t made_s;      /* for the id, likewise */
    int64_t time_s;
    uint64_t sequence; /* within that second */
};

/* The caller's, ended by hs_event_free. HS_E_NOMEM; HS_E_IO (no random bytes). */
enum hs_status hsp_told_event(struct hs_event **event, const struct hsp_told *told,
                              struct hs_error *err) HS_MUST_CHECK;

/* Set a text where there is one, and a detail. */
enum hs_status hsp_told_text(struct hs_event *event, enum hs_text which, const char *text,
                             struct hs_error *err) HS_MUST_CHECK;
enum hs_status hsp_told_detail(struct hs_event *event, const char *key, const char *text,
                               struct hs_error *err) HS_MUST_CHECK;
/* A number, which is left out where it is out of its range. */
void hsp_told_number(struct hs_event *event, enum hs_number which, int64_t value);

/* A UUIDv7 of a time and a text: the same for the same. Pure. */
#define HSP_TOLD_ID_SIZE 37
void hsp_told_id(char id[HSP_TOLD_ID_SIZE], int64_t time_ms, const char *seed);

#endif
