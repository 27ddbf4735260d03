/* SPDX-License-Identifier: MIT */
/* The fields of an event in one table, by option and by JSON key. Everything is taken as
 * text: JSON says 503 and "503", an option only the second, and a script that mixes them
 * up loses no alert over it. */
#include "config.h"

#include "fields.h"

#include "../delivery/settings.h"
#include "../error.h"
#include "../units.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SHOWN_MAX 40 /* bytes of a wrong value in a message */
#define NAME_MAX_LENGTH 40

enum form {
    FORM_STATE,     /* UP, DOWN */
    FORM_PREVIOUS,  /* the same */
    FORM_KIND,      /* a notification type */
    FORM_TEXT,      /* `index`: enum hs_text; at most `max` bytes, -1: any */
    FORM_ENDPOINTS, /* names with commas between */
    FORM_NUMBER,    /* `index`: enum hs_number */
    FORM_TIME,      /* the same: a time */
    FORM_ID,        /* of the event */
    FORM_EVENT_TYPE,
};

struct row {
    const char *option; /* NULL: none */
    const char *key;    /* in JSON, with its object in front */
    enum form form;
    int index;
    int64_t min, max;
};

/* In the order of enum hsp_field. */
static const struct row rows[HSP_FIELD_COUNT] = {
    {"status", "check_result.status", FORM_STATE, 0, 0, 0},
    {"type", "context.notification_type", FORM_KIND, 0, 0, 0},
    {"previous", "context.previous_status", FORM_PREVIOUS, 0, 0, 0},
    {"monitor-name", "monitor.name", FORM_TEXT, HS_TEXT_MONITOR_NAME, 0, -1},
    {"monitor-id", "monitor.id", FORM_TEXT, HS_TEXT_MONITOR_ID, 0, -1},
    {"url", "monitor.url", FORM_TEXT, HS_TEXT_MONITOR_URL, 0, -1},
    {"message", "check_result.error_message", FORM_TEXT, HS_TEXT_ERROR_MESSAGE, 0, -1},
    {"region", "check_result.region", FORM_TEXT, HS_TEXT_REGION, 0, HSP_FIELD_TEXT_MAX},
    {"response-time-ms", "check_result.response_time_ms", FORM_NUMBER,
     HS_NUMBER_RESPONSE_TIME_MS, 0, HSP_INTEGER_MAX},
    {"status-code", "check_result.status_code", FORM_NUMBER, HS_NUMBER_STATUS_CODE, 0,
     999},
    {"failures", "context.consecutive_failures", FORM_NUMBER,
     HS_NUMBER_CONSECUTIVE_FAILURES, 0, HSP_INTEGER_MAX},
    {"level", "context.notification_level", FORM_NUMBER, HS_NUMBER_NOTIFICATION_LEVEL, 1,
     HSP_INTEGER_MAX},
    {"time", "check_result.timestamp", FORM_TIME, HS_NUMBER_TIME, 0, HSP_TIME_MAX},
    {"host", "host", FORM_TEXT, HS_TEXT_HOST, 0, HSP_FIELD_TEXT_MAX},
    {"service", "service", FORM_TEXT, HS_TEXT_SERVICE, 0, HSP_FIELD_TEXT_MAX},
    {"system", "system", FORM_TEXT, HS_TEXT_SYSTEM, 0, HSP_FIELD_TEXT_MAX},
    {"fold", "fold", FORM_TEXT, HS_TEXT_FOLD_KEY, 0, HSP_FIELD_TEXT_MAX},
    {"endpoint", "endpoints", FORM_ENDPOINTS, HS_TEXT_ENDPOINTS, 0, HSP_FIELD_TEXT_MAX},
    {"id", "id", FORM_ID, 0, 0, 0},
    {NULL, "monitor.status", FORM_STATE, 0, 0, 0},
    {NULL, "event_type", FORM_EVENT_TYPE, 0, 0, 0},
    {NULL, "time", FORM_TIME, HS_NUMBER_ORDER_TIME, 0, HSP_TIME_MAX},
    {NULL, "sequence", FORM_NUMBER, HS_NUMBER_ORDER_SEQUENCE, 0, HSP_INTEGER_MAX},
};

const char *hsp_field_key(enum hsp_field field) { return rows[field].key; }

void hsp_fields_init(struct hsp_fields *fields) {
    *fields = (struct hsp_fields){.kind = -1};
    for (size_t i = 0; i < HS_NUMBER_COUNT; i++)
        fields->numbers[i] = -1;
}

/* One value
 * ------------------------------------------------------------------------------------ */

/* What was given for a field, and by which name. */
struct given {
    const char *name;
    const char *text;
    size_t length;
};

static enum hs_status refuse(const struct given *given, const char *allowed,
                             struct hs_error *err) {
    char shown[SHOWN_MAX + 1];
    const size_t length = given->length < SHOWN_MAX ? given->length : SHOWN_MAX;
    memcpy(shown, given->text, length);
    shown[length] = '\0';
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)shown[i] < ' ' || shown[i] == 0x7f)
            shown[i] = '?';
    return hsp_fail(err, HS_E_DATA, "%s: '%s'%s is not %s", given->name, shown,
                    length < given->length ? "…" : "", allowed);
}

static bool take_state(const char *text, enum hs_state *state) {
    if (strcasecmp(text, "UP") == 0)
        *state = HS_STATE_UP;
    else if (strcasecmp(text, "DOWN") == 0)
        *state = HS_STATE_DOWN;
    else
        return false;
    return true;
}

/* Digits, perhaps with a fraction, which is cut off: a response time of 31.7 ms must not
 * cost an alert. */
static bool take_number(const char *text, int64_t max, int64_t *number) {
    struct hsp_cursor cursor = {text, text + strlen(text)};
    uint64_t value;
    if (!hsp_take_number(&cursor, (uint64_t)max, &value))
        return false;
    if (hsp_take(&cursor, "."))
        cursor.at += strspn(cursor.at, "0123456789");
    *number = (int64_t)value;
    return cursor.at == cursor.end;
}

/* "+01:00" or "Z", to the end: seconds east of UTC. */
static bool take_zone(const char *text, int64_t *east_s) {
    int hours, minutes, end = 0;
    *east_s = 0;
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return true;
    if ((*text != '+' && *text != '-') || strlen(text) != 6 ||
        strspn(text + 1, "0123456789") != 2 ||
        sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &end) != 2 || end != 5 ||
        hours > 23 || minutes > 59)
        return false;
    *east_s = (hours * 60 + minutes) * (*text == '-' ? -60 : 60);
    return true;
}

/* RFC 3339, any zone, fractions cut off; or seconds since 1970. */
static bool take_time(const char *text, int64_t *utc_s) {
    char utc[HSP_TIME_LENGTH + 1];
    int64_t local_s, east_s;
    if (take_number(text, HSP_TIME_MAX, utc_s))
        return true;
    if (strlen(text) < 20)
        return false;
    snprintf(utc, sizeof utc, "%.10sT%.8sZ", text, text + 11);
    const char *rest = text + 19;
    if (*rest == '.' && rest[1] >= '0' && rest[1] <= '9')
        rest += 1 + strspn(rest + 1, "0123456789");
    if (strchr("Tt ", text[10]) == NULL || !hsp_parse_time(utc, &local_s) ||
        !take_zone(rest, &east_s) || local_s - east_s < 0 ||
        local_s - east_s > HSP_TIME_MAX)
        return false;
    *utc_s = local_s - east_s;
    return true;
}

/* Each of the names between commas must be one that an endpoint can have. */
static bool are_endpoints(const char *text) {
    char name[HSP_ENDPOINT_NAME_MAX + 1];
    while (true) {
        const size_t length = strcspn(text, ",");
        if (length > HSP_ENDPOINT_NAME_MAX)
            return false;
        memcpy(name, text, length);
        name[length] = '\0';
        if (!hsp_endpoint_name_ok(name))
            return false;
        if (text[length] == '\0')
            return true;
        text += length + 1;
    }
}

static enum hs_status set_text(struct hsp_fields *fields, const struct row *row,
                               const struct given *given, struct hs_error *err) {
    if (row->max >= 0 && given->length > (size_t)row->max)
        return hsp_fail(err, HS_E_DATA, "%s: %zu bytes, %d are allowed", given->name,
                        given->length, (int)row->max);
    fields->texts[row->index].text = given->text;
    fields->texts[row->index].length = given->length;
    return HS_OK;
}

static enum hs_status set_number(struct hsp_fields *fields, const struct row *row,
                                 const struct given *given, struct hs_error *err) {
    char allowed[80];
    int64_t number;
    if (row->form == FORM_TIME && !take_time(given->text, &number))
        return refuse(given, "a time like 2024-01-15T10:30:15Z, or seconds since 1970",
                      err);
    if (row->form == FORM_NUMBER &&
        (!take_number(given->text, row->max, &number) || number < row->min)) {
        snprintf(allowed, sizeof allowed, "a whole number from %lld to %lld",
                 (long long)row->min, (long long)row->max);
        return refuse(given, allowed, err);
    }
    fields->numbers[row->index] = number;
    return HS_OK;
}

static enum hs_status set_kind(struct hsp_fields *fields, const struct given *given,
                               struct hs_error *err) {
    fields->kind = hs_kind_parse(given->text);
    if (fields->kind >= 0)
        return HS_OK;
    return refuse(given,
                  "incident, recovery, acknowledgement, downtime, flapping, custom, "
                  "test, other or unchanged",
                  err);
}

/* An empty text says nothing, as does null. */
static enum hs_status set(struct hsp_fields *fields, const struct row *row,
                          const struct given *given, struct hs_error *err) {
    if (given->length == 0)
        return HS_OK;
    switch (row->form) {
    case FORM_STATE:
        return take_state(given->text, &fields->state) ? HS_OK
                                                       : refuse(given, "UP or DOWN", err);
    case FORM_PREVIOUS:
        return take_state(given->text, &fields->previous)
                   ? HS_OK
                   : refuse(given, "UP or DOWN", err);
    case FORM_KIND:
        return set_kind(fields, given, err);
    case FORM_ENDPOINTS:
        if (!are_endpoints(given->text))
            return refuse(given,
                          "a list of endpoints' names (letters, digits, '.', '_', '-') "
                          "with commas between",
                          err);
        return set_text(fields, row, given, err);
    case FORM_TEXT:
        return set_text(fields, row, given, err);
    case FORM_NUMBER:
    case FORM_TIME:
        return set_number(fields, row, given, err);
    case FORM_ID:
        if (!hsp_id_is_valid(given->text))
            return refuse(given, "a UUIDv7 in lower case", err);
        memcpy(fields->id, given->text, sizeof fields->id);
        return HS_OK;
    case FORM_EVENT_TYPE:
        return strcmp(given->text, "monitor_alert") == 0
                   ? HS_OK
                   : refuse(given, "monitor_alert", err);
    }
    return HS_OK;
}

/* Options
 * ------------------------------------------------------------------------------------ */

enum hs_status hsp_fields_set(struct hsp_fields *fields, enum hsp_field field,
                              const char *text, struct hs_error *err) {
    char name[NAME_MAX_LENGTH];
    snprintf(name, sizeof name, "--%s", rows[field].option);
    const struct given given = {name, text, strlen(text)};
    return set(fields, &rows[field], &given, err);
}

enum hs_status hsp_fields_take(struct hsp_fields *fields, enum hsp_field field,
                               const char *text, size_t length, struct hs_error *err) {
    const struct row *row = &rows[field];
    const struct given given = {row->key, text, length};
    /* Only the event's texts can hold a NUL byte; anything else would end there. */
    if (row->form != FORM_TEXT && strlen(text) != length)
        return refuse(&given, "a text without NUL bytes", err);
    return set(fields, row, &given, err);
}

enum hs_status hsp_fields_set_details(struct hsp_fields *fields, const char *const *pairs,
                                      size_t count, struct hs_error *err) {
    for (size_t i = 0; i < count; i++) {
        const struct given given = {"--detail", pairs[i], strlen(pairs[i])};
        if (*pairs[i] == '=' || strchr(pairs[i], '=') == NULL)
            return refuse(&given, "KEY=VALUE", err);
    }
    fields->pairs = pairs;
    fields->pair_count = count;
    return HS_OK;
}
