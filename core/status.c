/* SPDX-License-Identifier: MIT */
/* Reading the object of docs/status.md into structs. A key that is not there, or not of
 * its type, counts as absent: an older daemon may write less. */
#include "config.h"

#include "status.h"

#include "error.h"
#include "json.h"
#include "units.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LENGTH 64
#define TIME_SECONDS_LENGTH 19 /* of "2024-01-15T10:30:15.123Z" */

static int64_t number_of(json_object *object, const char *key) {
    json_object *value = hsp_json_member(object, key, json_type_int);
    int64_t number = value != NULL ? json_object_get_int64(value) : 0;
    return number > 0 ? number : 0;
}

static const char *text_of(json_object *object, const char *key) {
    json_object *value = hsp_json_member(object, key, json_type_string);
    return value != NULL ? json_object_get_string(value) : "";
}

static int64_t time_of(json_object *object, const char *key) {
    const char *text = text_of(object, key);
    char seconds_only[TIME_SECONDS_LENGTH + 2];
    int64_t seconds;
    if (strlen(text) != HSP_TIME_LENGTH || text[TIME_SECONDS_LENGTH] != '.')
        return HSP_NO_TIME;
    snprintf(seconds_only, sizeof seconds_only, "%.*sZ", TIME_SECONDS_LENGTH, text);
    if (!hsp_parse_time(seconds_only, &seconds))
        return HSP_NO_TIME;
    return seconds * 1000 + strtol(text + TIME_SECONDS_LENGTH + 1, NULL, 10);
}

/* A copy without C0, DEL and C1 controls: it goes to terminals and into other formats. */
static char *clean_copy(const char *text) {
    char *copy = strdup(text);
    char *end = copy;
    for (const char *at = copy; at != NULL && *at != '\0'; at++) {
        bool is_c1 = (unsigned char)*at == 0xC2 && (unsigned char)at[1] >= 0x80 &&
                     (unsigned char)at[1] < 0xA0;
        at += is_c1;
        *end++ = is_c1 || (unsigned char)*at < ' ' || *at == 0x7F ? '?' : *at;
    }
    if (end != NULL)
        *end = '\0';
    return copy;
}

static bool is_name(const char *text) {
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789._-");
    return length > 0 && length <= NAME_MAX_LENGTH && text[length] == '\0';
}

/* The numbers of an endpoint. */
static const struct number {
    const char *key;
    size_t member;
} numbers[] = {
#define NUMBER(key)                                                                      \
    { #key, offsetof(struct hsp_endpoint_status, key) }
    NUMBER(pending),        NUMBER(pending_bytes), NUMBER(max_queued),
    NUMBER(in_flight),      NUMBER(sent),          NUMBER(max_queued_bytes),
    NUMBER(failed),         NUMBER(dead),          NUMBER(dead_bytes),
    NUMBER(max_dead),       NUMBER(rate_limit),    NUMBER(max_dead_bytes),
    NUMBER(rate_window_ms), NUMBER(rate_used),
};

static const struct number times[] = {
    NUMBER(oldest_at),
    NUMBER(next_attempt_at),
    NUMBER(last_success_at),
};

static enum hs_status parse_endpoint(struct hsp_endpoint_status *endpoint,
                                     const char *name, json_object *object,
                                     struct hs_error *err) {
    if (!is_name(name) || !is_name(text_of(object, "state")))
        return hsp_fail(err, HS_E_DATA, "the status is damaged: endpoint '%s'", name);
    endpoint->name = name;
    endpoint->state = text_of(object, "state");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *(int64_t *)((char *)endpoint + numbers[i].member) =
            number_of(object, numbers[i].key);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        *(int64_t *)((char *)endpoint + times[i].member) = time_of(object, times[i].key);
    endpoint->last_error = clean_copy(text_of(object, "last_error"));
    return endpoint->last_error != NULL
               ? HS_OK
               : hsp_fail(err, HS_E_NOMEM, "read the status: out of memory");
}

enum hs_status hsp_status_parse(struct hsp_status *status, json_object *json,
                                struct hs_error *err) {
    int64_t version = number_of(json, "version");
    json_object *endpoints = hsp_json_member(json, "endpoints", json_type_object);
    if (version > HSP_STATUS_VERSION)
        return hsp_fail(err, HS_E_DATA,
                        "the status is of version %" PRId64 ", this program knows "
                        "version %d: it is older than the hookspoold here, update it",
                        version, HSP_STATUS_VERSION);
    if (version == 0 || endpoints == NULL)
        return hsp_fail(err, HS_E_DATA, "the status is damaged");
    size_t room = (size_t)json_object_object_length(endpoints);
    status->json = json_object_get(json);
    status->daemon = clean_copy(text_of(json, "daemon"));
    status->endpoints = calloc(room + 1, sizeof *status->endpoints);
    if (status->daemon == NULL || status->endpoints == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read the status: out of memory");
    status->pid = number_of(json, "pid");
    status->started_at = time_of(json, "started_at");
    status->updated_at = time_of(json, "updated_at");
    status->corrupt = number_of(json, "corrupt");
    status->is_short = strcmp(text_of(json, "space"), "short") == 0;
    json_object_object_foreach(endpoints, name, object) {
        enum hs_status result = parse_endpoint(
            &status->endpoints[status->endpoint_count++], name, object, err);
        if (result != HS_OK)
            return result;
    }
    return HS_OK;
}

void hsp_status_free(struct hsp_status *status) {
    for (size_t i = 0; i < status->endpoint_count; i++)
        free(status->endpoints[i].last_error);
    free(status->endpoints);
    free(status->daemon);
    json_object_put(status->json);
    *status = (struct hsp_status){0};
}

const struct hsp_endpoint_status *hsp_status_find(const struct hsp_status *status,
                                                  const char *name) {
    for (size_t i = 0; i < status->endpoint_count; i++)
        if (strcmp(status->endpoints[i].name, name) == 0)
            return &status->endpoints[i];
    return NULL;
}

const char *hsp_span_text(int64_t span_ms, char text[HSP_SPAN_LENGTH]) {
    static const struct {
        int64_t seconds; /* from here on */
        char whole, part;
        int64_t whole_s, part_s;
    } forms[] = {{86400, 'd', 'h', 86400, 3600},
                 {3600, 'h', 'm', 3600, 60},
                 {60, 'm', 's', 60, 1}};
    int64_t s = span_ms > 0 ? span_ms / 1000 : 0;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (s >= forms[i].seconds) {
            snprintf(text, HSP_SPAN_LENGTH, "%" PRId64 "%c%02" PRId64 "%c",
                     s / forms[i].whole_s, forms[i].whole,
                     s % forms[i].whole_s / forms[i].part_s, forms[i].part);
            return text;
        }
    snprintf(text, HSP_SPAN_LENGTH, "%" PRId64 "s", s);
    return text;
}
