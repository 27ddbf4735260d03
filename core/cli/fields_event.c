/* SPDX-License-Identifier: MIT */
/* What becomes of the fields: an event, with what was not said filled in, and what does
 * not fit together refused. */
#include "config.h"

#include "fields.h"

#include "../error.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_SYSTEM "cli"

/* Status and type of the event: each follows from the other where only one is said. */
static enum hs_status decide(const struct hsp_fields *fields, enum hs_kind *kind,
                             enum hs_state *state, struct hs_error *err) {
    *state = fields->state;
    if (fields->kind < 0 && *state == HS_STATE_NONE)
        return hsp_fail(err, HS_E_DATA, "status: UP or DOWN is needed");
    *kind = fields->kind >= 0         ? (enum hs_kind)fields->kind
            : *state == HS_STATE_DOWN ? HS_KIND_INCIDENT
                                      : HS_KIND_RECOVERY;
    const enum hs_state wanted = *kind == HS_KIND_INCIDENT ? HS_STATE_DOWN
                                 : *kind == HS_KIND_RECOVERY || *kind == HS_KIND_UNCHANGED
                                     ? HS_STATE_UP
                                     : HS_STATE_NONE;
    if (*state == HS_STATE_NONE)
        *state = wanted;
    if (*state == HS_STATE_NONE)
        return hsp_fail(err, HS_E_DATA, "status: UP or DOWN is needed with the type %s",
                        hs_kind_text(*kind));
    if (wanted != HS_STATE_NONE && *state != wanted)
        return hsp_fail(err, HS_E_DATA, "type: %s goes with the status %s only",
                        hs_kind_text(*kind), wanted == HS_STATE_UP ? "UP" : "DOWN");
    return HS_OK;
}

static enum hs_status set_texts(struct hs_event *event, const struct hsp_fields *fields,
                                struct hs_error *err) {
    enum hs_status status = hs_event_set_text(event, HS_TEXT_SYSTEM, DEFAULT_SYSTEM,
                                              strlen(DEFAULT_SYSTEM), err);
    for (int i = 0; i < HS_TEXT_COUNT && status == HS_OK; i++)
        if (fields->texts[i].text != NULL)
            status = hs_event_set_text(event, (enum hs_text)i, fields->texts[i].text,
                                       fields->texts[i].length, err);
    /* Without host and id all monitors would be one; the name tells them apart. */
    if (status == HS_OK && fields->texts[HS_TEXT_HOST].text == NULL &&
        fields->texts[HS_TEXT_MONITOR_ID].text == NULL)
        status = hs_event_set_text(event, HS_TEXT_HOST,
                                   fields->texts[HS_TEXT_MONITOR_NAME].text,
                                   fields->texts[HS_TEXT_MONITOR_NAME].length, err);
    return status;
}

static enum hs_status set_numbers(struct hs_event *event, const struct hsp_fields *fields,
                                  struct hs_error *err) {
    enum hs_status status = HS_OK;
    for (int i = 0; i < HS_NUMBER_COUNT && status == HS_OK; i++)
        if (fields->numbers[i] >= 0)
            status =
                hs_event_set_number(event, (enum hs_number)i, fields->numbers[i], err);
    if (status == HS_OK && fields->numbers[HS_NUMBER_ORDER_TIME] < 0 &&
        fields->numbers[HS_NUMBER_TIME] >= 0)
        status = hs_event_set_number(event, HS_NUMBER_ORDER_TIME,
                                     fields->numbers[HS_NUMBER_TIME], err);
    return status;
}

/* What is no text in the object is kept as its JSON. */
static enum hs_status set_details(struct hs_event *event, const struct hsp_fields *fields,
                                  struct hs_error *err) {
    enum hs_status status = HS_OK;
    for (size_t i = 0; i < fields->pair_count && status == HS_OK; i++) {
        const char *pair = fields->pairs[i];
        char *key = strndup(pair, strcspn(pair, "="));
        if (key == NULL)
            return hsp_fail(err, HS_E_NOMEM, "set details: out of memory");
        const char *value = pair + strlen(key) + 1;
        status = hs_event_set_detail(event, key, value, strlen(value), err);
        free(key);
    }
    if (fields->details == NULL)
        return status;
    struct json_object_iterator at = json_object_iter_begin(fields->details);
    const struct json_object_iterator end = json_object_iter_end(fields->details);
    for (; status == HS_OK && !json_object_iter_equal(&at, &end);
         json_object_iter_next(&at)) {
        json_object *value = json_object_iter_peek_value(&at);
        const bool is_text = json_object_is_type(value, json_type_string);
        size_t length = is_text ? (size_t)json_object_get_string_len(value) : 0;
        const char *text = is_text         ? json_object_get_string(value)
                           : value == NULL ? ""
                                           : hsp_json_text(value, &length);
        status = text == NULL
                     ? hsp_fail(err, HS_E_NOMEM, "set details: out of memory")
                     : hs_event_set_detail(event, json_object_iter_peek_name(&at), text,
                                           length, err);
    }
    return status;
}

enum hs_status hsp_fields_event(const struct hsp_fields *fields, struct hs_event **event,
                                struct hs_error *err) {
    struct hs_event *made = NULL;
    enum hs_kind kind = HS_KIND_OTHER;
    enum hs_state state = HS_STATE_NONE;
    enum hs_status status = decide(fields, &kind, &state, err);
    if (status == HS_OK && fields->texts[HS_TEXT_MONITOR_NAME].text == NULL &&
        fields->texts[HS_TEXT_HOST].text == NULL)
        status = hsp_fail(err, HS_E_DATA, "monitor: a name or a host is needed");
    if (status == HS_OK)
        status = hs_event_new(&made, kind, state, err);
    if (status == HS_OK && fields->id[0] != '\0')
        status = hs_event_set_id(made, fields->id, err);
    if (status == HS_OK)
        status = set_texts(made, fields, err);
    if (status == HS_OK)
        status = set_numbers(made, fields, err);
    if (status == HS_OK)
        status = set_details(made, fields, err);
    if (status == HS_OK) {
        hs_event_set_previous(made, fields->previous);
        *event = made;
        made = NULL;
    }
    hs_event_free(made);
    return status;
}
