/* SPDX-License-Identifier: MIT */
/* The spool file as text: lines that say how many bytes follow, and a last line that
 * proves that all of it is there. Reading trusts nothing: every length is checked against
 * what is left before it is used. The details object is parsed here, too. */
#include "config.h"

#include "error.h"
#include "json.h"
#include "record.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC "hookspool "

void hsp_record_begin(struct hsp_buffer *out) {
    hsp_buffer_print(out, MAGIC "%d\n", HSP_RECORD_VERSION);
}

void hsp_record_from(struct hsp_buffer *out, uint32_t uid) {
    hsp_buffer_print(out, "from %lu\n", (unsigned long)uid);
}

void hsp_record_dead(struct hsp_buffer *out, const char *json, size_t length) {
    hsp_buffer_print(out, "dead %zu\n", length);
    hsp_buffer_append(out, json, length);
    hsp_buffer_append(out, "\n", 1);
}

void hsp_record_event(struct hsp_buffer *out, const struct hsp_record_event *event) {
    hsp_buffer_print(out, "event %s %zu %zu\n", event->id, event->body_length,
                     event->details_length);
    hsp_buffer_append(out, event->body, event->body_length);
    hsp_buffer_append(out, "\n", 1);
    hsp_buffer_append(out, event->details, event->details_length);
    hsp_buffer_append(out, "\n", 1);
}

void hsp_record_end(struct hsp_buffer *out, size_t count) {
    hsp_buffer_print(out, "end %zu %zu\n", count, out->length);
}

/* A number and the text after it. */
static bool take_number(struct hsp_cursor *cursor, uint64_t max, const char *after,
                        uint64_t *number) {
    return hsp_take_number(cursor, max, number) && hsp_take(cursor, after);
}

/* `length` bytes and a newline. */
static bool take_bytes(struct hsp_cursor *cursor, size_t length, const char **bytes) {
    const size_t left = (size_t)(cursor->end - cursor->at);
    if (left == 0 || length > left - 1 || cursor->at[length] != '\n')
        return false;
    *bytes = cursor->at;
    cursor->at += length + 1;
    return true;
}

/* The line of an event and what it announces. */
static bool take_event(struct hsp_cursor *cursor, struct hsp_record_event *event) {
    uint64_t body_length;
    uint64_t details_length;
    if (!hsp_take(cursor, "event ") || cursor->end - cursor->at <= HSP_ID_LENGTH)
        return false;
    memcpy(event->id, cursor->at, HSP_ID_LENGTH);
    event->id[HSP_ID_LENGTH] = '\0';
    cursor->at += HSP_ID_LENGTH;
    if (!hsp_id_is_valid(event->id) || !hsp_take(cursor, " ") ||
        !take_number(cursor, SIZE_MAX / 2, " ", &body_length) ||
        !take_number(cursor, SIZE_MAX / 2, "\n", &details_length))
        return false;
    event->body_length = body_length;
    event->details_length = details_length;
    return take_bytes(cursor, event->body_length, &event->body) &&
           take_bytes(cursor, event->details_length, &event->details);
}

static bool take_from(struct hsp_cursor *cursor, int64_t *from) {
    uint64_t uid;
    if (!hsp_take(cursor, "from "))
        return true;
    if (!take_number(cursor, UINT32_MAX, "\n", &uid))
        return false;
    *from = (int64_t)uid;
    return true;
}

static bool take_dead(struct hsp_cursor *cursor, const char **dead, size_t *dead_length) {
    uint64_t length;
    if (!hsp_take(cursor, "dead "))
        return true;
    if (!take_number(cursor, SIZE_MAX / 2, "\n", &length))
        return false;
    *dead_length = length;
    return take_bytes(cursor, *dead_length, dead);
}

static bool take_end(struct hsp_cursor *cursor, size_t count, size_t bytes) {
    uint64_t said_count;
    uint64_t said_bytes;
    return hsp_take(cursor, "end ") && take_number(cursor, SIZE_MAX, " ", &said_count) &&
           take_number(cursor, SIZE_MAX, "\n", &said_bytes) && said_count == count &&
           said_bytes == bytes && cursor->at == cursor->end;
}

/* Everything behind the version line; the step at which it is wrong, else NULL. */
static const char *scan(struct hsp_record_reader *reader, struct hsp_cursor *cursor) {
    if (!take_from(cursor, &reader->from))
        return "\"from\" line";
    if (!take_dead(cursor, &reader->dead, &reader->dead_length))
        return "\"dead\" part";
    reader->offset = (size_t)(cursor->at - reader->bytes);
    while (cursor->end - cursor->at >= 4 && memcmp(cursor->at, "end ", 4) != 0) {
        struct hsp_record_event event;
        if (!take_event(cursor, &event))
            return "event";
        reader->count++;
    }
    if (reader->count == 0)
        return "event";
    if (!take_end(cursor, reader->count, (size_t)(cursor->at - reader->bytes)))
        return "end line";
    return NULL;
}

enum hs_status hsp_record_open(struct hsp_record_reader *reader, const char *bytes,
                               size_t length, struct hs_error *err) {
    struct hsp_cursor cursor = {bytes, bytes + length};
    uint64_t version;

    *reader = (struct hsp_record_reader){.bytes = bytes, .length = length, .from = -1};
    if (!hsp_take(&cursor, MAGIC) || !take_number(&cursor, 1000000, "\n", &version) ||
        version == 0)
        return hsp_fail(err, HS_E_DATA, "not a spool file");
    reader->version = (int)version;
    if (reader->version > HSP_RECORD_VERSION)
        return hsp_fail(err, HS_E_DATA, "spool file of version %d, %d is known",
                        reader->version, HSP_RECORD_VERSION);
    const char *wrong = scan(reader, &cursor);
    if (wrong != NULL)
        return hsp_fail(err, HS_E_DATA, "spool file cut or torn: wrong %s at byte %td",
                        wrong, cursor.at - bytes);
    return HS_OK;
}

bool hsp_record_next(struct hsp_record_reader *reader, struct hsp_record_event *event) {
    struct hsp_cursor cursor = {reader->bytes + reader->offset,
                                reader->bytes + reader->length};
    if (!take_event(&cursor, event))
        return false;
    reader->offset = (size_t)(cursor.at - reader->bytes);
    return true;
}

enum hs_status hsp_record_event_at(struct hsp_record_event *event, const char *bytes,
                                   size_t length, struct hs_error *err) {
    struct hsp_cursor cursor = {bytes, bytes + length};
    return take_event(&cursor, event) ? HS_OK
                                      : hsp_fail(err, HS_E_DATA, "no event there");
}

/* A text of the details object; "" where there is none. */
static enum hs_status copy_text(json_object *object, const char *key, char **copy,
                                struct hs_error *err) {
    json_object *value = NULL;
    const char *text = "";
    if (json_object_object_get_ex(object, key, &value)) {
        if (!json_object_is_type(value, json_type_string))
            return hsp_fail(err, HS_E_DATA, "details: %s is not a text", key);
        text = json_object_get_string(value);
    }
    *copy = strdup(text);
    if (*copy == NULL)
        return hsp_fail(err, HS_E_NOMEM, "copy details: out of memory");
    return HS_OK;
}

static enum hs_status copy_number(json_object *object, const char *key, int64_t *number,
                                  struct hs_error *err) {
    json_object *value = NULL;
    if (!json_object_object_get_ex(object, key, &value))
        return HS_OK;
    if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
        return hsp_fail(err, HS_E_DATA, "details: %s is not a count", key);
    *number = json_object_get_int64(value);
    return HS_OK;
}

static enum hs_status copy_details(struct hsp_details *details, json_object *object,
                                   struct hs_error *err) {
    const struct {
        const char *key;
        char **copy;
    } texts[] = {
        {"system", &details->system}, {"site", &details->site},
        {"host", &details->host},     {"service", &details->service},
        {"fold", &details->fold},     {"endpoints", &details->endpoints},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        enum hs_status status = copy_text(object, texts[i].key, texts[i].copy, err);
        if (status != HS_OK)
            return status;
    }
    enum hs_status status = copy_number(object, "time", &details->order_time, err);
    if (status != HS_OK)
        return status;
    return copy_number(object, "sequence", &details->order_sequence, err);
}

enum hs_status hsp_details_parse(struct hsp_details *details, const char *json,
                                 size_t length, struct hs_error *err) {
    struct hsp_details found = {0};
    enum hs_status status = HS_OK;
    struct hs_error local = {0};

    json_object *object = hsp_json_parse(json, length, &local);
    if (object == NULL) {
        status = hsp_fail(err, local.status, "details: %s", local.text);
        goto out;
    }
    if (!json_object_is_type(object, json_type_object)) {
        status = hsp_fail(err, HS_E_DATA, "details: not an object");
        goto out;
    }
    status = copy_details(&found, object, err);
    if (status != HS_OK)
        goto out;
    *details = found;
    found = (struct hsp_details){0};

out:
    hsp_details_free(&found);
    json_object_put(object);
    return status;
}

void hsp_details_free(struct hsp_details *details) {
    free(details->system);
    free(details->site);
    free(details->host);
    free(details->service);
    free(details->fold);
    free(details->endpoints);
    *details = (struct hsp_details){0};
}
