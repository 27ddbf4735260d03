/* SPDX-License-Identifier: MIT */
/* JSON strings in the form that JSON.stringify gives them, and the use of json-c. The one
 * module that knows json-c's rules of parsing and output. Pure functions. */
#include "config.h"

#include "error.h"
#include "json.h"
#include "text.h"

#include <limits.h>
#include <string.h>

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

size_t hsp_json_size(const char *text) {
    size_t size = 0;
    for (; *text != '\0'; text++) {
        char escaped[6];
        const size_t one = escape((unsigned char)*text, escaped);
        size += one == 0 ? 1 : one;
    }
    return size;
}

size_t hsp_json_cut(const char *text, size_t max) {
    size_t used = 0;
    size_t at = 0;
    for (; text[at] != '\0'; at++) {
        char escaped[6];
        const size_t one = escape((unsigned char)text[at], escaped);
        used += one == 0 ? 1 : one;
        if (used > max)
            break;
    }
    return hsp_text_cut(text, text[at] == '\0' ? at : at + 1, at);
}

/* The character that an escape stands for, in its one canonical form; -1 for any other.
 */
static int take_escape(struct hsp_cursor *cursor) {
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

bool hsp_json_take_string(struct hsp_cursor *cursor, size_t *size, char *text,
                          size_t capacity) {
    size_t used = 0;
    if (!hsp_take(cursor, "\""))
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

const char *hsp_json_text(json_object *value, size_t *length) {
    return json_object_to_json_string_length(
        value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, length);
}

/* json-c checks UTF-8 loosely and stops at a NUL byte, so both are looked at before. */
static const char *look_at(const char *text, size_t length) {
    if (length > INT_MAX || memchr(text, '\0', length) != NULL)
        return "a NUL byte, or too long";
    return hsp_text_is_utf8(text, length) ? NULL : "not well-formed UTF-8";
}

static const char *parse_with(json_tokener *tokener, const char *text, size_t length,
                              json_object **value) {
    const char *mistake = look_at(text, length);
    if (mistake != NULL)
        return mistake;
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

enum hs_status hsp_json_feed(json_tokener *tokener, const char *text, size_t length,
                             json_object **value, struct hs_error *err) {
    const char *mistake = look_at(text, length);
    *value = NULL;
    if (mistake == NULL) {
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
        *value = json_tokener_parse_ex(tokener, text, (int)length);
        const enum json_tokener_error error = json_tokener_get_error(tokener);
        if (error == json_tokener_continue ||
            (error == json_tokener_success && *value != NULL))
            return HS_OK;
        mistake = error == json_tokener_success ? "null" : json_tokener_error_desc(error);
    }
    json_tokener_reset(tokener);
    return hsp_fail(err, HS_E_DATA, "parse JSON: %s", mistake);
}

json_object *hsp_json_member(json_object *object, const char *key, json_type type) {
    json_object *value = NULL;
    if (!json_object_object_get_ex(object, key, &value) ||
        !json_object_is_type(value, type))
        return NULL;
    return value;
}
