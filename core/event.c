/* SPDX-License-Identifier: MIT */
/* An event while an adapter fills it. Texts are repaired when they are set, so that
 * everything behind is well-formed UTF-8 without NUL bytes; details are kept as ready
 * members of a JSON object, so that their size is known while they come in. */
#include "config.h"

#include "error.h"
#include "event.h"
#include "id.h"
#include "json.h"
#include "record.h"
#include "text.h"
#include "units.h"

#include <stdlib.h>
#include <string.h>

static const char *const kind_texts[] = {
    [HS_KIND_INCIDENT] = "incident",
    [HS_KIND_RECOVERY] = "recovery",
    [HS_KIND_ACKNOWLEDGEMENT] = "acknowledgement",
    [HS_KIND_DOWNTIME] = "downtime",
    [HS_KIND_FLAPPING] = "flapping",
    [HS_KIND_CUSTOM] = "custom",
    [HS_KIND_TEST] = "test",
    [HS_KIND_OTHER] = "other",
    [HS_KIND_UNCHANGED] = "unchanged",
};
#define KIND_COUNT (sizeof kind_texts / sizeof kind_texts[0])

const char *hs_kind_text(enum hs_kind kind) {
    return (size_t)kind < KIND_COUNT ? kind_texts[kind] : kind_texts[HS_KIND_OTHER];
}

int hs_kind_parse(const char *word) {
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (strcmp(word, kind_texts[i]) == 0)
            return (int)i;
    return -1;
}

enum hs_status hs_event_new(struct hs_event **event, enum hs_kind kind,
                            enum hs_state state, struct hs_error *err) {
    struct hs_event *made = calloc(1, sizeof *made);
    if (made == NULL)
        return hsp_fail(err, HS_E_NOMEM, "make event: out of memory");
    const enum hs_status status = hsp_id_new(made->id, err);
    if (status != HS_OK) {
        free(made);
        return status;
    }
    made->kind = kind;
    made->state = kind == HS_KIND_RECOVERY ? HS_STATE_UP : state;
    made->created_ms = hsp_now_ms(CLOCK_REALTIME);
    *event = made;
    return HS_OK;
}

void hs_event_free(struct hs_event *event) {
    if (event == NULL)
        return;
    for (size_t i = 0; i < HS_TEXT_COUNT; i++)
        free(event->texts[i]);
    for (size_t i = 0; i < event->detail_count; i++)
        free(event->details[i].member);
    free(event->details);
    free(event);
}

const char *hs_event_id(const struct hs_event *event) { return event->id; }

enum hs_status hs_event_set_id(struct hs_event *event, const char *id,
                               struct hs_error *err) {
    if (!hsp_id_is_valid(id))
        return hsp_fail(err, HS_E_DATA, "event id: '%s' is not a UUIDv7 in lower case",
                        id);
    memcpy(event->id, id, sizeof event->id);
    return HS_OK;
}

void hs_event_set_previous(struct hs_event *event, enum hs_state previous) {
    event->previous = previous;
}

/* Repair `text`; a NUL byte, which no C text can hold, becomes U+FFFD as well. */
static void append_clean(struct hsp_buffer *out, const char *text, size_t length) {
    while (length > 0) {
        const char *nul = memchr(text, '\0', length);
        const size_t run = nul == NULL ? length : (size_t)(nul - text);
        hsp_text_repair(out, text, run);
        if (nul == NULL)
            break;
        hsp_buffer_append(out, HSP_REPLACEMENT, strlen(HSP_REPLACEMENT));
        text += run + 1;
        length -= run + 1;
    }
}

enum hs_status hs_event_set_text(struct hs_event *event, enum hs_text which,
                                 const char *text, size_t length, struct hs_error *err) {
    if ((unsigned)which >= HS_TEXT_COUNT)
        return hsp_fail(err, HS_E_DATA, "event text: there is no number %d", (int)which);
    struct hsp_buffer clean = {0};
    append_clean(&clean, text, length);
    if (clean.failed) {
        hsp_buffer_free(&clean);
        return hsp_fail(err, HS_E_NOMEM, "set event text: out of memory");
    }
    free(event->texts[which]);
    event->texts[which] = hsp_buffer_take(&clean, NULL);
    return HS_OK;
}

enum hs_status hs_event_set_number(struct hs_event *event, enum hs_number which,
                                   int64_t value, struct hs_error *err) {
    static const struct {
        const char *name;
        int64_t min, max;
    } ranges[HS_NUMBER_COUNT] = {
        [HS_NUMBER_TIME] = {"time", 0, HSP_TIME_MAX},
        [HS_NUMBER_RESPONSE_TIME_MS] = {"response time", 0, HSP_INTEGER_MAX},
        [HS_NUMBER_STATUS_CODE] = {"status code", 0, 999},
        [HS_NUMBER_CONSECUTIVE_FAILURES] = {"consecutive failures", 0, HSP_INTEGER_MAX},
        [HS_NUMBER_NOTIFICATION_LEVEL] = {"notification level", 1, HSP_INTEGER_MAX},
        [HS_NUMBER_ORDER_TIME] = {"order time", 0, HSP_TIME_MAX},
        [HS_NUMBER_ORDER_SEQUENCE] = {"order sequence", 0, HSP_INTEGER_MAX},
    };
    if ((unsigned)which >= HS_NUMBER_COUNT)
        return hsp_fail(err, HS_E_DATA, "event number: there is no number %d",
                        (int)which);
    if (value < ranges[which].min || value > ranges[which].max)
        return hsp_fail(err, HS_E_DATA, "%s: %lld is out of range", ranges[which].name,
                        (long long)value);
    event->numbers[which] = value;
    event->has_number[which] = true;
    return HS_OK;
}

/* "KEY":"value" of a detail; a NULL member without memory. */
static struct hsp_detail make_detail(const char *key, const char *value, size_t length) {
    struct hsp_buffer clean = {0};
    struct hsp_buffer member = {0};
    struct hsp_detail detail = {0};

    append_clean(&clean, key, strlen(key));
    const size_t clean_key_length = clean.length;
    append_clean(&clean, value, length);
    const char *text = clean.data == NULL ? "" : clean.data;
    hsp_json_string(&member, text, clean_key_length);
    hsp_buffer_append(&member, ":", 1);
    detail.key_length = member.length;
    hsp_json_string(&member, text + clean_key_length, clean.length - clean_key_length);
    member.failed = member.failed || clean.failed;
    detail.member = hsp_buffer_take(&member, &detail.length);
    hsp_buffer_free(&clean);
    return detail;
}

static struct hsp_detail *find_detail(struct hs_event *event,
                                      const struct hsp_detail *like) {
    for (size_t i = 0; i < event->detail_count; i++) {
        struct hsp_detail *detail = &event->details[i];
        if (detail->key_length == like->key_length &&
            memcmp(detail->member, like->member, like->key_length) == 0)
            return detail;
    }
    return NULL;
}

static void remove_detail(struct hs_event *event, struct hsp_detail *detail) {
    struct hsp_detail *next = detail + 1;
    struct hsp_detail *end = event->details + event->detail_count;
    event->detail_bytes -= detail->length + 1;
    free(detail->member);
    memmove(detail, next, (size_t)(end - next) * sizeof *detail);
    event->detail_count--;
}

/* Room for one more, at powers of two. */
static bool reserve_detail(struct hs_event *event) {
    const size_t count = event->detail_count;
    if (event->details != NULL && (count < 8 || (count & (count - 1)) != 0))
        return true;
    const size_t capacity = count < 8 ? 8 : count * 2;
    struct hsp_detail *grown = realloc(event->details, capacity * sizeof *grown);
    if (grown == NULL)
        return false;
    event->details = grown;
    return true;
}

enum hs_status hs_event_set_detail(struct hs_event *event, const char *key,
                                   const char *value, size_t length,
                                   struct hs_error *err) {
    struct hsp_detail detail = make_detail(key, value, length);
    if (detail.member == NULL || !reserve_detail(event)) {
        free(detail.member);
        return hsp_fail(err, HS_E_NOMEM, "set detail %s: out of memory", key);
    }
    struct hsp_detail *old = find_detail(event, &detail);
    if (old != NULL)
        remove_detail(event, old);
    if (event->detail_bytes + detail.length + 1 > HSP_DETAILS_MAX) {
        event->details_cut = true;
        free(detail.member);
        return HS_OK;
    }
    event->details[event->detail_count++] = detail;
    event->detail_bytes += detail.length + 1;
    return HS_OK;
}
