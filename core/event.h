/* SPDX-License-Identifier: MIT */
/* What is inside an event, for the modules that fill it and make bytes of it. */
#ifndef HSP_EVENT_H
#define HSP_EVENT_H

#include "buffer.h"
#include "id.h"

struct hsp_detail {
    char *member;      /* "KEY":"value", as JSON */
    size_t key_length; /* of "KEY": */
    size_t length;
};

struct hs_event {
    char id[HSP_ID_LENGTH + 1];
    enum hs_kind kind;
    enum hs_state state;
    enum hs_state previous;
    int64_t created_ms;
    char *texts[HS_TEXT_COUNT]; /* NULL: not set */
    int64_t numbers[HS_NUMBER_COUNT];
    bool has_number[HS_NUMBER_COUNT];
    struct hsp_detail *details;
    size_t detail_count;
    size_t detail_bytes; /* of all members */
    bool details_cut;
};

/* Append the event as docs/spool-format.md says (one "event" part, no begin, no end).
 * Statuses as of hs_event_record; `out` is as before on failure but for its memory. */
enum hs_status hsp_event_append(struct hsp_buffer *out, const struct hs_event *event,
                                const struct hs_config *config,
                                struct hs_error *err) HS_MUST_CHECK;

#endif
