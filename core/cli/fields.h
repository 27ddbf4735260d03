/* SPDX-License-Identifier: MIT */
/* What may be said of an event from outside, by an option or in JSON: each field stands
 * in one table with its names and what is allowed, and is checked so that hookspoold
 * accepts what comes of it. Pure but for memory, and the clock and random bytes of
 * hs_event_new. */
#ifndef HSP_FIELDS_H
#define HSP_FIELDS_H

#include "../id.h"
#include "../json.h"

enum hsp_field {
    HSP_FIELD_STATUS,
    HSP_FIELD_TYPE,
    HSP_FIELD_PREVIOUS,
    HSP_FIELD_MONITOR_NAME,
    HSP_FIELD_MONITOR_ID,
    HSP_FIELD_URL,
    HSP_FIELD_MESSAGE,
    HSP_FIELD_REGION,
    HSP_FIELD_RESPONSE_TIME_MS,
    HSP_FIELD_STATUS_CODE,
    HSP_FIELD_FAILURES,
    HSP_FIELD_LEVEL,
    HSP_FIELD_TIME,
    HSP_FIELD_HOST,
    HSP_FIELD_SERVICE,
    HSP_FIELD_SYSTEM,
    HSP_FIELD_FOLD,
    HSP_FIELD_ENDPOINT,
    HSP_FIELD_ID,
    HSP_FIELD_OPTION_COUNT, /* those above have an option; the others are in JSON only */
    HSP_FIELD_MONITOR_STATUS = HSP_FIELD_OPTION_COUNT,
    HSP_FIELD_EVENT_TYPE,
    HSP_FIELD_ORDER_TIME,
    HSP_FIELD_ORDER_SEQUENCE,
    HSP_FIELD_COUNT,
};

#define HSP_FIELD_TEXT_MAX 4096 /* bytes of what is neither name, url nor message */

/* What was said so far. Texts are borrowed from options and JSON; a copy of the struct is
 * a copy of what was said. Begin with hsp_fields_init. */
struct hsp_fields {
    char id[HSP_ID_LENGTH + 1]; /* "": none */
    enum hs_state state;        /* NONE: not said */
    enum hs_state previous;
    int kind; /* enum hs_kind; -1: not said */
    struct {
        const char *text; /* NULL: not said */
        size_t length;
    } texts[HS_TEXT_COUNT];
    int64_t numbers[HS_NUMBER_COUNT]; /* -1: not said */
    const char *const *pairs;         /* details as "KEY=VALUE" */
    size_t pair_count;
    json_object *details; /* the same as an object; NULL: none */
};

void hsp_fields_init(struct hsp_fields *fields);

/* Take what the option of `field` says. HS_E_DATA names the option and what is allowed.
 */
enum hs_status hsp_fields_set(struct hsp_fields *fields, enum hsp_field field,
                              const char *text, struct hs_error *err) HS_MUST_CHECK;
/* Take what JSON says of it, in text. HS_E_DATA names the key. */
enum hs_status hsp_fields_take(struct hsp_fields *fields, enum hsp_field field,
                               const char *text, size_t length,
                               struct hs_error *err) HS_MUST_CHECK;
/* Its key in JSON, with its object in front: "monitor.name". */
const char *hsp_field_key(enum hsp_field field);
/* Take details as options give them, "KEY=VALUE". HS_E_DATA as above. */
enum hs_status hsp_fields_set_details(struct hsp_fields *fields, const char *const *pairs,
                                      size_t count, struct hs_error *err) HS_MUST_CHECK;
/* Take an event as JSON, in the form of the payload, with keys beside it; it replaces
 * what was said before. `object` is borrowed for as long as `fields` is used. HS_E_DATA
 * names the key and what is allowed. */
enum hs_status hsp_fields_read(struct hsp_fields *fields, json_object *object,
                               struct hs_error *err) HS_MUST_CHECK;
/* Make the event. HS_E_DATA: what was said does not fit together, or something is
 * missing; else as hs_event_new. hs_event_free. */
enum hs_status hsp_fields_event(const struct hsp_fields *fields, struct hs_event **event,
                                struct hs_error *err) HS_MUST_CHECK;

#endif
