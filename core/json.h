/* SPDX-License-Identifier: MIT */
/* JSON as JSON.stringify writes it, and json-c behind functions that keep to that. */
#ifndef HSP_JSON_H
#define HSP_JSON_H

#include "buffer.h"
#include "cursor.h"
#include <json-c/json.h>

/* The largest integer that every JSON reader takes exactly. */
#define HSP_INTEGER_MAX (INT64_C(1) << 53)

/* Append `text` (well-formed UTF-8) as a JSON string with its quotes, escaped as
 * JSON.stringify does. */
void hsp_json_string(struct hsp_buffer *out, const char *text, size_t length);

/* The bytes that `text` takes between the quotes; pure. */
size_t hsp_json_size(const char *text);

/* The length of the longest prefix of `text` that takes at most `max` bytes there and
 * ends between code points; pure. */
size_t hsp_json_cut(const char *text, size_t max);

/* Step over a string in the one form that hsp_json_string gives it; false for any other.
 * `size` is that of the text in it, of which `text` gets the first `capacity` bytes. The
 * bytes must be UTF-8. */
bool hsp_json_take_string(struct hsp_cursor *cursor, size_t *size, char *text,
                          size_t capacity);

/* Compact JSON text of `value` as JSON.stringify would write it; borrowed from `value`.
 * NULL: out of memory. */
const char *hsp_json_text(json_object *value, size_t *length);

/* Parse exactly one JSON value but null, UTF-8 validated, as strictly as json-c can (it
 * lets 'keys' in single quotes and NaN pass). NULL with `err` set on failure.
 * json_object_put(). */
json_object *hsp_json_parse(const char *text, size_t length, struct hs_error *err);

/* The same for a value other than null that comes in pieces: begin anew with `tokener`
 * (json_tokener_new) or go on. `value` is NULL while more is wanted, else the caller's.
 * HS_E_DATA: what is wrong; the tokener then begins anew. */
enum hs_status hsp_json_feed(json_tokener *tokener, const char *text, size_t length,
                             json_object **value, struct hs_error *err) HS_MUST_CHECK;

/* The member `key` of an object if it is of that type, else NULL; borrowed. */
json_object *hsp_json_member(json_object *object, const char *key, json_type type);

#endif
