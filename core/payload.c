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

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTEGER_MAX (INT64_C(1) << 53)
#define TIME_MAX INT64_C(253402300799)
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
    {",\"timestamp\":", "check_result.timestamp", FORM_TIME, false, 0, TIME_MAX,
     FROM(time)},
    {",\"region\":", "check_result.region", FORM_TEXT, false, 0, 0, FROM(region)},
    {",\"error_message\":", "check_result.error_message", FORM_MESSAGE, false, 0, 0,
     FROM(error_message)},
    {",\"response_time_ms\":", "check_result.response_time_ms", FORM_NUMBER, true, 0,
     INTEGER_MAX, FROM(response_time_ms)},
    {",\"status_code\":", "check_result.status_code", FORM_NUMBER, true, 0, 999,
     FROM(status_code)},
    {"},\"context\":{\"consecutive_failures\":", "context.consecutive_failures",
     FORM_NUMBER, false, 0, INTEGER_MAX, FROM(consecutive_failures)},
    {",\"previous_status\":", "context.previous_status", FORM_STATE, true, 0, 0,
     FROM(previous)},
    {",\"notification_level\":", "context.notification_level", FORM_NUMBER, false, 1,
     INTEGER_MAX, FROM(notification_level)},
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

/* The characters that have a short escape, each with its letter. */
static const char short_escapes[] = "\"\"\\\\\bb\tt\nn\ff\rr";

/* Escape `c` into `out`; 0 when it stands for itself. */
static size_t escape(unsigned char c, char out[6]) {
    static const char digits[] = "0123456789abcdef";
    if (c >= ' ' && c != '"' && c != '\\')
        return 0;
    out[0] = '\\';
    for (const char *at = short_escapes; *at != '\0'; at += 2)
        if ((unsigned char)*at == c) {
            out[1] = at[1];
            return 2;
        }
    memcpy(out + 1, "u00", 3);
    out[4] = digits[c >> 4];
    out[5] = digits[c & 15];
    return 6;
}

static void append_escaped(struct hsp_buffer *out, const char *text, size_t length) {
    size_t from = 0;
    for (size_t i = 0; i < length; i++) {
        char escaped[6];
        const size_t size = escape((unsigned char)text[i], escaped);
        if (size == 0)
            continue;
        hsp_buffer_append(out, text + from, i - from);
        hsp_buffer_append(out, escaped, size);
        from = i + 1;
    }
    hsp_buffer_append(out, text + from, length - from);
}

void hsp_json_string(struct hsp_buffer *out, const char *text, size_t length) {
    hsp_buffer_append(out, "\"", 1);
    append_escaped(out, text, length);
    hsp_buffer_append(out, "\"", 1);
}

/* The longest prefix of `text` that takes at most `max` bytes when escaped. */
static size_t cut_escaped(const char *text, size_t length, size_t max) {
    size_t used = 0;
    size_t at = 0;
    while (at < length) {
        char escaped[6];
        const size_t size = escape((unsigned char)text[at], escaped);
        used += size == 0 ? 1 : size;
        if (used > max)
            break;
        at++;
    }
    return hsp_text_cut(text, length, at);
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

/* The size of `text` within a body. */
static size_t escaped_size(const char *text) {
    size_t size = 0;
    for (; *text != '\0'; text++) {
        char escaped[6];
        const size_t one = escape((unsigned char)*text, escaped);
        size += one == 0 ? 1 : one;
    }
    return size;
}

/* The start of `message`, and the mark, in at most `room` bytes of a body. NULL: out of
 * memory. */
static char *shorten(const char *message, size_t room) {
    const size_t mark = room >= strlen(MARK) ? strlen(MARK) : 0;
    const size_t kept =
        mark == 0 ? 0 : cut_escaped(message, strlen(message), room - mark);
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
    const size_t rest = out->length - (message == NULL ? 0 : escaped_size(message));
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

/* What is left of a body that is being checked. */
struct cursor {
    const char *at, *end;
};

/* Step over `literal` if it is there. */
static bool take(struct cursor *cursor, const char *literal) {
    const size_t length = strlen(literal);
    if ((size_t)(cursor->end - cursor->at) < length ||
        memcmp(cursor->at, literal, length) != 0)
        return false;
    cursor->at += length;
    return true;
}

/* The character that an escape stands for, in its one canonical form; -1 for any other.
 */
static int take_escape(struct cursor *cursor) {
    const size_t left = (size_t)(cursor->end - cursor->at);
    if (left < 2)
        return -1;
    for (const char *pair = short_escapes; *pair != '\0'; pair += 2)
        if (cursor->at[1] == pair[1]) {
            cursor->at += 2;
            return (unsigned char)pair[0];
        }
    for (unsigned char c = 0; c < ' ' && left >= 6; c++) {
        char form[6];
        if (escape(c, form) == sizeof form &&
            memcmp(cursor->at, form, sizeof form) == 0) {
            cursor->at += sizeof form;
            return c;
        }
    }
    return -1;
}

/* Step over a string; `size` is that of its text, of which `text` gets the first bytes.
 */
static bool take_string(struct cursor *cursor, size_t *size, char *text,
                        size_t capacity) {
    size_t used = 0;
    if (!take(cursor, "\""))
        return false;
    while (cursor->at < cursor->end) {
        int c = (unsigned char)*cursor->at;
        if (c == '"') {
            cursor->at++;
            *size = used;
            return true;
        }
        if (c == '\\')
            c = take_escape(cursor);
        else if (c >= ' ')
            cursor->at++;
        else
            return false;
        if (c < 0)
            return false;
        if (used < capacity)
            text[used] = (char)c;
        used++;
    }
    return false;
}

static bool take_number(struct cursor *cursor, const struct field *field) {
    const char *start = cursor->at;
    int64_t number = 0;
    while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9') {
        number = number * 10 + (*cursor->at - '0');
        if (number > field->max)
            return false;
        cursor->at++;
    }
    const bool padded = *start == '0' && cursor->at - start > 1;
    return cursor->at > start && !padded && number >= field->min;
}

static bool take_state(struct cursor *cursor, enum hs_state *state) {
    if (take(cursor, "\"UP\""))
        *state = HS_STATE_UP;
    else if (take(cursor, "\"DOWN\""))
        *state = HS_STATE_DOWN;
    else
        return false;
    return true;
}

static bool take_kind(struct cursor *cursor, enum hs_kind *kind) {
    char word[32] = "";
    size_t size;
    if (!take_string(cursor, &size, word, sizeof word - 1) || size >= sizeof word)
        return false;
    const int found = hs_kind_parse(word);
    if (found < 0)
        return false;
    *kind = (enum hs_kind)found;
    return true;
}

static bool take_time(struct cursor *cursor) {
    char text[HSP_TIME_LENGTH + 1] = "";
    size_t size;
    int64_t time;
    return take_string(cursor, &size, text, sizeof text - 1) && size < sizeof text &&
           hsp_parse_time(text, &time);
}

static bool take_id(struct cursor *cursor, char *id, size_t capacity) {
    size_t size;
    memset(id, 0, capacity);
    if (!take_string(cursor, &size, id, capacity))
        return false;
    id[hsp_text_cut(id, size < capacity ? size : capacity, capacity - 1)] = '\0';
    return size > 0 && size <= HSP_MONITOR_ID_MAX;
}

static bool take_value(struct cursor *cursor, const struct field *field,
                       struct hsp_payload_facts *facts) {
    size_t size;
    if (field->nullable && take(cursor, "null"))
        return true;
    switch (field->form) {
    case FORM_ID:
        return take_id(cursor, facts->monitor_id, sizeof facts->monitor_id);
    case FORM_NAME:
        return take_string(cursor, &size, NULL, 0) && size > 0;
    case FORM_STATE:
        return take_state(cursor, &facts->state);
    case FORM_TIME:
        return take_time(cursor);
    case FORM_NUMBER:
        return take_number(cursor, field);
    case FORM_KIND:
        return take_kind(cursor, &facts->kind);
    default:
        return take_string(cursor, &size, NULL, 0);
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
    struct cursor cursor = {json, json + length};

    if (length > HSP_PAYLOAD_MAX)
        return hsp_fail(err, HS_E_DATA, "payload: %zu bytes, %d are allowed", length,
                        HSP_PAYLOAD_MAX);
    if (!hsp_text_is_utf8(json, length))
        return hsp_fail(err, HS_E_DATA, "payload: not well-formed UTF-8");
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const struct field *field = &fields[i];
        if (!take(&cursor, field->lead)) {
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
    if (!take(&cursor, TAIL) || cursor.at != cursor.end)
        return hsp_fail(err, HS_E_DATA, "payload: byte %td: %s and the end are expected",
                        cursor.at - json, TAIL);
    if (facts != NULL)
        *facts = found;
    return HS_OK;
}

const char *hsp_json_text(json_object *value, size_t *length) {
    return json_object_to_json_string_length(
        value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, length);
}

/* json-c checks UTF-8 loosely and stops at a NUL byte, so both are looked at before. */
static const char *parse_with(json_tokener *tokener, const char *text, size_t length,
                              json_object **value) {
    if (length > INT_MAX || memchr(text, '\0', length) != NULL)
        return "a NUL byte, or too long";
    if (!hsp_text_is_utf8(text, length))
        return "not well-formed UTF-8";
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    *value = json_tokener_parse_ex(tokener, text, (int)length);
    /* A number ends only where something else begins: the NUL. */
    if (json_tokener_get_error(tokener) == json_tokener_continue)
        *value = json_tokener_parse_ex(tokener, "", 1);
    const enum json_tokener_error error = json_tokener_get_error(tokener);
    if (error != json_tokener_success)
        return json_tokener_error_desc(error);
    return *value == NULL ? "null" : NULL;
}

json_object *hsp_json_parse(const char *text, size_t length, struct hs_error *err) {
    json_object *value = NULL;
    json_tokener *tokener = json_tokener_new();
    if (tokener == NULL) {
        hsp_fail(err, HS_E_NOMEM, "parse JSON: out of memory");
        return NULL;
    }
    const char *mistake = parse_with(tokener, text, length, &value);
    json_tokener_free(tokener);
    if (mistake == NULL)
        return value;
    json_object_put(value);
    hsp_fail(err, HS_E_DATA, "parse JSON: %s", mistake);
    return NULL;
}
