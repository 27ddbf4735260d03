/* SPDX-License-Identifier: MIT */
/* The webhook body. One table of fields is walked to write a body and to check one, so
 * that what is written is what is accepted. The bytes must be a fixed point of
 * JSON.stringify(JSON.parse(·)), for the receiver recomputes the signature over that: no
 * white space, one way to escape a character, integers only. The check therefore compares
 * literal text between the values and needs neither a parser nor memory. Pure functions.
 */
#include "config.h"

#include "error.h"
#include "payload.h"
#include "text.h"
#include "units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK "\xE2\x80\xA6" /* U+2026, at the end of a message that was cut */

enum form {
    FORM_ID,      /* a text of 1 to HSP_MONITOR_ID_MAX bytes */
    FORM_NAME,    /* a text that is not empty */
    FORM_TEXT,    /* any text */
    FORM_MESSAGE, /* any text, or the key is absent */
    FORM_STATE,   /* "UP", "DOWN" */
    FORM_TIME,    /* UTC, whole seconds */
    FORM_NUMBER,  /* an integer in the field's range */
    FORM_KIND,    /* a notification type */
};

struct field {
    const char *lead; /* the bytes before the value */
    const char *name; /* for messages */
    enum form form;
    bool nullable;
    int64_t min, max;
    size_t offset; /* in struct hsp_payload */
};

#define FROM(member) offsetof(struct hsp_payload, member)

static const struct field fields[] = {
    {"{\"event_type\":\"monitor_alert\",\"monitor\":{\"id\":", "monitor.id", FORM_ID,
     false, 0, 0, FROM(monitor_id)},
    {",\"name\":", "monitor.name", FORM_NAME, false, 0, 0, FROM(monitor_name)},
    {",\"url\":", "monitor.url", FORM_TEXT, true, 0, 0, FROM(monitor_url)},
    {",\"status\":", "monitor.status", FORM_STATE, false, 0, 0, FROM(state)},
    {"},\"check_result\":{\"status\":", "check_result.status", FORM_STATE, false, 0, 0,
     FROM(state)},
    {",\"timestamp\":", "check_result.timestamp", FORM_TIME, false, 0, HSP_TIME_MAX,
     FROM(time)},
    {",\"region\":", "check_result.region", FORM_TEXT, false, 0, 0, FROM(region)},
    {",\"error_message\":", "check_result.error_message", FORM_MESSAGE, false, 0, 0,
     FROM(error_message)},
    {",\"response_time_ms\":", "check_result.response_time_ms", FORM_NUMBER, true, 0,
     HSP_INTEGER_MAX, FROM(response_time_ms)},
    {",\"status_code\":", "check_result.status_code", FORM_NUMBER, true, 0, 999,
     FROM(status_code)},
    {"},\"context\":{\"consecutive_failures\":", "context.consecutive_failures",
     FORM_NUMBER, false, 0, HSP_INTEGER_MAX, FROM(consecutive_failures)},
    {",\"previous_status\":", "context.previous_status", FORM_STATE, true, 0, 0,
     FROM(previous)},
    {",\"notification_level\":", "context.notification_level", FORM_NUMBER, false, 1,
     HSP_INTEGER_MAX, FROM(notification_level)},
    {",\"notification_type\":", "context.notification_type", FORM_KIND, false, 0, 0,
     FROM(kind)},
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])
#define TAIL "}}"

static const char *text_of(const struct hsp_payload *payload, const struct field *field) {
    return *(const char *const *)((const char *)payload + field->offset);
}

static int64_t number_of(const struct hsp_payload *payload, const struct field *field) {
    return *(const int64_t *)((const char *)payload + field->offset);
}

static enum hs_state state_of(const struct hsp_payload *payload,
                              const struct field *field) {
    return *(const enum hs_state *)((const char *)payload + field->offset);
}

static void append_text(struct hsp_buffer *out, const char *text) {
    if (text == NULL)
        hsp_buffer_append(out, "null", 4);
    else
        hsp_json_string(out, text, strlen(text));
}

static void append_number(struct hsp_buffer *out, int64_t number) {
    char digits[24];
    const int length = number < 0
                           ? snprintf(digits, sizeof digits, "null")
                           : snprintf(digits, sizeof digits, "%lld", (long long)number);
    hsp_buffer_append(out, digits, (size_t)length);
}

static void append_time(struct hsp_buffer *out, int64_t time) {
    char text[HSP_TIME_LENGTH + 1];
    hsp_format_time(time, text);
    append_text(out, text);
}

static void append_state(struct hsp_buffer *out, enum hs_state state) {
    append_text(out, state == HS_STATE_UP     ? "UP"
                     : state == HS_STATE_DOWN ? "DOWN"
                                              : NULL);
}

static void append_value(struct hsp_buffer *out, const struct hsp_payload *payload,
                         const struct field *field) {
    switch (field->form) {
    case FORM_STATE:
        append_state(out, state_of(payload, field));
        break;
    case FORM_TIME:
        append_time(out, number_of(payload, field));
        break;
    case FORM_NUMBER:
        append_number(out, number_of(payload, field));
        break;
    case FORM_KIND:
        append_text(out, hs_kind_text(payload->kind));
        break;
    default:
        append_text(out, text_of(payload, field));
        break;
    }
}

static void append_body(struct hsp_buffer *out, const struct hsp_payload *payload) {
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const struct field *field = &fields[i];
        if (field->form == FORM_MESSAGE && payload->error_message == NULL)
            continue;
        hsp_buffer_append(out, field->lead, strlen(field->lead));
        append_value(out, payload, field);
    }
    hsp_buffer_append(out, TAIL, strlen(TAIL));
}

static bool is_acceptable(const struct hsp_payload *payload, const struct field *field) {
    const char *text;
    switch (field->form) {
    case FORM_ID:
        text = text_of(payload, field);
        return text != NULL && *text != '\0' && strlen(text) <= HSP_MONITOR_ID_MAX;
    case FORM_NAME:
        text = text_of(payload, field);
        return text != NULL && *text != '\0';
    case FORM_TEXT:
        return field->nullable || text_of(payload, field) != NULL;
    case FORM_STATE:
        return field->nullable || state_of(payload, field) != HS_STATE_NONE;
    case FORM_TIME:
    case FORM_NUMBER:
        if (field->nullable && number_of(payload, field) == -1)
            return true;
        return number_of(payload, field) >= field->min &&
               number_of(payload, field) <= field->max;
    default:
        return true;
    }
}

/* The start of `message`, and the mark, in at most `room` bytes of a body. NULL: out of
 * memory. */
static char *shorten(const char *message, size_t room) {
    const size_t mark = room >= strlen(MARK) ? strlen(MARK) : 0;
    const size_t kept = mark == 0 ? 0 : hsp_json_cut(message, room - mark);
    struct hsp_buffer cut = {0};
    hsp_buffer_append(&cut, message, kept);
    hsp_buffer_append(&cut, MARK, mark);
    return hsp_buffer_take(&cut, NULL);
}

/* Write the body again, `out` being too long, with a message that fits. */
static enum hs_status rewrite_shorter(struct hsp_buffer *out,
                                      const struct hsp_payload *payload, size_t max_bytes,
                                      struct hs_error *err) {
    const char *message = payload->error_message;
    const size_t rest = out->length - (message == NULL ? 0 : hsp_json_size(message));
    if (message == NULL || rest > max_bytes)
        return hsp_fail(err, HS_E_DATA,
                        "payload: %zu bytes without the message, %zu are allowed", rest,
                        max_bytes);
    char *shorter = shorten(message, max_bytes - rest);
    if (shorter == NULL)
        return hsp_fail(err, HS_E_NOMEM, "cut error_message: out of memory");
    struct hsp_payload cut = *payload;
    cut.error_message = shorter;
    hsp_buffer_clear(out);
    append_body(out, &cut);
    free(shorter);
    return HS_OK;
}

enum hs_status hsp_payload_write(const struct hsp_payload *payload, size_t max_bytes,
                                 char **json, size_t *length, struct hs_error *err) {
    enum hs_status status = HS_OK;
    struct hsp_buffer out = {0};

    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (!is_acceptable(payload, &fields[i])) {
            status = hsp_fail(err, HS_E_DATA, "payload: %s is missing or out of range",
                              fields[i].name);
            goto out;
        }
    append_body(&out, payload);
    if (!out.failed && out.length > max_bytes)
        status = rewrite_shorter(&out, payload, max_bytes, err);
    if (status != HS_OK)
        goto out;
    size_t written = 0;
    char *bytes = hsp_buffer_take(&out, &written);
    if (bytes == NULL) {
        status = hsp_fail(err, HS_E_NOMEM, "write payload: out of memory");
        goto out;
    }
    *json = bytes;
    *length = written;

out:
    hsp_buffer_free(&out);
    return status;
}

static bool take_number(struct hsp_cursor *cursor, const struct field *field) {
    uint64_t number;
    return hsp_take_number(cursor, (uint64_t)field->max, &number) &&
           (int64_t)number >= field->min;
}

static bool take_state(struct hsp_cursor *cursor, enum hs_state *state) {
    if (hsp_take(cursor, "\"UP\""))
        *state = HS_STATE_UP;
    else if (hsp_take(cursor, "\"DOWN\""))
        *state = HS_STATE_DOWN;
    else
        return false;
    return true;
}

static bool take_kind(struct hsp_cursor *cursor, enum hs_kind *kind) {
    char word[32] = "";
    size_t size;
    if (!hsp_json_take_string(cursor, &size, word, sizeof word - 1) ||
        size >= sizeof word)
        return false;
    const int found = hs_kind_parse(word);
    if (found < 0)
        return false;
    *kind = (enum hs_kind)found;
    return true;
}

static bool take_time(struct hsp_cursor *cursor) {
    char text[HSP_TIME_LENGTH + 1] = "";
    size_t size;
    int64_t time;
    return hsp_json_take_string(cursor, &size, text, sizeof text - 1) &&
           size < sizeof text && hsp_parse_time(text, &time);
}

static bool take_id(struct hsp_cursor *cursor, char *id, size_t capacity) {
    size_t size;
    memset(id, 0, capacity);
    if (!hsp_json_take_string(cursor, &size, id, capacity))
        return false;
    id[hsp_text_cut(id, size < capacity ? size : capacity, capacity - 1)] = '\0';
    return size > 0 && size <= HSP_MONITOR_ID_MAX;
}

static bool take_value(struct hsp_cursor *cursor, const struct field *field,
                       struct hsp_payload_facts *facts) {
    size_t size;
    if (field->nullable && hsp_take(cursor, "null"))
        return true;
    switch (field->form) {
    case FORM_ID:
        return take_id(cursor, facts->monitor_id, sizeof facts->monitor_id);
    case FORM_NAME:
        return hsp_json_take_string(cursor, &size, NULL, 0) && size > 0;
    case FORM_STATE:
        return take_state(cursor, field->offset == FROM(previous) ? &facts->previous
                                                                  : &facts->state);
    case FORM_TIME:
        return take_time(cursor);
    case FORM_NUMBER:
        return take_number(cursor, field);
    case FORM_KIND:
        return take_kind(cursor, &facts->kind);
    default:
        return hsp_json_take_string(cursor, &size, NULL, 0);
    }
}

/* What a value of this form looks like, for messages. */
static const char *wanted(const struct field *field) {
    static const char *const texts[] = {
        [FORM_ID] = "a text of 1 to 256 bytes",
        [FORM_NAME] = "a text that is not empty",
        [FORM_TEXT] = "a text",
        [FORM_MESSAGE] = "a text",
        [FORM_STATE] = "\"UP\" or \"DOWN\"",
        [FORM_TIME] = "a time like 2024-01-15T10:30:15Z",
        [FORM_NUMBER] = "an integer in its range",
        [FORM_KIND] = "a notification type",
    };
    return texts[field->form];
}

enum hs_status hsp_payload_check(const char *json, size_t length,
                                 struct hsp_payload_facts *facts, struct hs_error *err) {
    struct hsp_payload_facts found = {0};
    struct hsp_cursor cursor = {json, json + length};

    if (length > HSP_PAYLOAD_MAX)
        return hsp_fail(err, HS_E_DATA, "payload: %zu bytes, %d are allowed", length,
                        HSP_PAYLOAD_MAX);
    if (!hsp_text_is_utf8(json, length))
        return hsp_fail(err, HS_E_DATA, "payload: not well-formed UTF-8");
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const struct field *field = &fields[i];
        if (!hsp_take(&cursor, field->lead)) {
            if (field->form == FORM_MESSAGE)
                continue;
            return hsp_fail(err, HS_E_DATA, "payload: byte %td: %s is expected",
                            cursor.at - json, field->lead);
        }
        const ptrdiff_t start = cursor.at - json;
        if (!take_value(&cursor, field, &found))
            return hsp_fail(
                err, HS_E_DATA, "payload: byte %td: %s: %s%s, canonical, is expected",
                start, field->name, field->nullable ? "null or " : "", wanted(field));
    }
    if (!hsp_take(&cursor, TAIL) || cursor.at != cursor.end)
        return hsp_fail(err, HS_E_DATA, "payload: byte %td: %s and the end are expected",
                        cursor.at - json, TAIL);
    if (facts != NULL)
        *facts = found;
    return HS_OK;
}
