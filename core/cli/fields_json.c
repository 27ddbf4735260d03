/* SPDX-License-Identifier: MIT */
/* Fields from JSON: the payload's form, each of its objects and keys optional, and keys
 * beside them. A key that is not known is refused, for a misspelt one would be silence
 * where something was to be said. */
#include "config.h"

#include "fields.h"

#include "../error.h"

#include <stdlib.h>
#include <string.h>

/* Objects of the payload. */
static const char *const sections[] = {"monitor", "check_result", "context"};
#define SECTION_COUNT (sizeof sections / sizeof sections[0])

static bool is_section(const char *key) {
    for (size_t i = 0; i < SECTION_COUNT; i++)
        if (strcmp(key, sections[i]) == 0)
            return true;
    return false;
}

/* The key of `field` within the object `section` ("": at the top); NULL: it is not there.
 */
static const char *key_within(enum hsp_field field, const char *section) {
    const char *key = hsp_field_key(field);
    const char *dot = strchr(key, '.');
    const size_t length = strlen(section);
    if (dot == NULL)
        return length == 0 ? key : NULL;
    return length == (size_t)(dot - key) && strncmp(key, section, length) == 0 ? dot + 1
                                                                               : NULL;
}

/* The field of that key; HSP_FIELD_COUNT: there is none. */
static enum hsp_field find_field(const char *section, const char *key) {
    for (int i = 0; i < HSP_FIELD_COUNT; i++) {
        const char *known = key_within((enum hsp_field)i, section);
        if (known != NULL && strcmp(known, key) == 0)
            return (enum hsp_field)i;
    }
    return HSP_FIELD_COUNT;
}

static enum hs_status refuse_key(const char *section, const char *key,
                                 struct hs_error *err) {
    struct hsp_buffer known = {0};
    for (int i = 0; i < HSP_FIELD_COUNT; i++) {
        const char *name = key_within((enum hsp_field)i, section);
        if (name != NULL)
            hsp_buffer_print(&known, "%s%s", known.length > 0 ? ", " : "", name);
    }
    if (*section == '\0')
        hsp_buffer_print(&known, ", details, monitor, check_result, context");
    enum hs_status status =
        known.failed
            ? hsp_fail(err, HS_E_NOMEM, "read JSON: out of memory")
            : hsp_fail(err, HS_E_DATA, "%s%skey '%.40s' is not known; there are %s",
                       section, *section != '\0' ? ": " : "", key, known.data);
    hsp_buffer_free(&known);
    return status;
}

/* ["a","b"] is "a,b"; the text lives as long as `value`, in it. */
static enum hs_status join(const char *name, json_object *value, const char **text,
                           struct hs_error *err) {
    struct hsp_buffer joined = {0};
    for (size_t i = 0; i < json_object_array_length(value); i++) {
        json_object *one = json_object_array_get_idx(value, i);
        hsp_buffer_print(&joined, "%s%s", i > 0 ? "," : "",
                         one == NULL ? "" : json_object_get_string(one));
    }
    if (joined.failed) {
        hsp_buffer_free(&joined);
        return hsp_fail(err, HS_E_NOMEM, "read %s: out of memory", name);
    }
    *text = hsp_buffer_take(&joined, NULL);
    if (*text != NULL) /* the array keeps it from now on */
        json_object_set_userdata(value, (void *)(uintptr_t)*text,
                                 json_object_free_userdata);
    return HS_OK;
}

static enum hs_status read_value(struct hsp_fields *fields, enum hsp_field field,
                                 json_object *value, struct hs_error *err) {
    const char *text = NULL;
    size_t length = 0;
    const char *key = hsp_field_key(field);
    const enum json_type type = json_object_get_type(value);
    if (type == json_type_null)
        return HS_OK;
    if (type == json_type_string) {
        text = json_object_get_string(value);
        length = (size_t)json_object_get_string_len(value);
    } else if (type == json_type_int || type == json_type_double) {
        text = hsp_json_text(value, &length);
    } else if (type == json_type_array && field == HSP_FIELD_ENDPOINT) {
        enum hs_status status = join(key, value, &text, err);
        if (status != HS_OK || text == NULL)
            return status;
        length = strlen(text);
    } else {
        return hsp_fail(err, HS_E_DATA, "%s: a text or a number is expected", key);
    }
    if (text == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read %s: out of memory", key);
    return hsp_fields_take(fields, field, text, length, err);
}

/* One key of the object `section` ("": of the top). */
static enum hs_status read_member(struct hsp_fields *fields, const char *section,
                                  const char *key, json_object *value,
                                  struct hs_error *err) {
    const enum hsp_field field = find_field(section, key);
    if (field == HSP_FIELD_COUNT)
        return refuse_key(section, key, err);
    const enum hs_state before = fields->state;
    enum hs_status status = read_value(fields, field, value, err);
    /* The status is said in two places, which must not differ. */
    if (status == HS_OK && before != HS_STATE_NONE && before != fields->state)
        status = hsp_fail(err, HS_E_DATA,
                          "monitor.status and check_result.status: they differ");
    return status;
}

static enum hs_status read_section(struct hsp_fields *fields, const char *section,
                                   json_object *object, struct hs_error *err) {
    if (!json_object_is_type(object, json_type_object))
        return hsp_fail(err, HS_E_DATA, "%s: an object is expected", section);
    enum hs_status status = HS_OK;
    struct json_object_iterator at = json_object_iter_begin(object);
    const struct json_object_iterator end = json_object_iter_end(object);
    for (; status == HS_OK && !json_object_iter_equal(&at, &end);
         json_object_iter_next(&at))
        status = read_member(fields, section, json_object_iter_peek_name(&at),
                             json_object_iter_peek_value(&at), err);
    return status;
}

static enum hs_status read_details(struct hsp_fields *fields, json_object *value,
                                   struct hs_error *err) {
    if (value != NULL && !json_object_is_type(value, json_type_object))
        return hsp_fail(err, HS_E_DATA, "details: an object of texts is expected");
    fields->details = value;
    return HS_OK;
}

enum hs_status hsp_fields_read(struct hsp_fields *fields, json_object *object,
                               struct hs_error *err) {
    if (!json_object_is_type(object, json_type_object))
        return hsp_fail(err, HS_E_DATA, "an object is expected%s",
                        json_object_is_type(object, json_type_array)
                            ? ", not an array of them; jq -c '.[]' makes lines of one"
                            : "");
    /* What options say stands behind all of it. */
    const enum hs_state state = fields->state;
    fields->state = HS_STATE_NONE;
    enum hs_status status = HS_OK;
    struct json_object_iterator at = json_object_iter_begin(object);
    const struct json_object_iterator end = json_object_iter_end(object);
    for (; status == HS_OK && !json_object_iter_equal(&at, &end);
         json_object_iter_next(&at)) {
        const char *key = json_object_iter_peek_name(&at);
        json_object *value = json_object_iter_peek_value(&at);
        if (is_section(key))
            status = read_section(fields, key, value, err);
        else if (strcmp(key, "details") == 0)
            status = read_details(fields, value, err);
        else
            status = read_member(fields, "", key, value, err);
    }
    if (fields->state == HS_STATE_NONE)
        fields->state = state;
    return status;
}
