/* SPDX-License-Identifier: MIT */
/* Filling an event. Details are every pair of the input under its own name, and the four
 * that templates want from any host under one name each: type, state, author, comment. */
#include "config.h"

#include "details.h"

#include "notifier.h"

#include <stdlib.h>
#include <string.h>

#define SHORT_DETAIL 4096

static enum hs_status set_texts(struct hs_event *event, const struct hsp_alert *alert,
                                struct hs_error *err) {
    for (int i = 0; i < HS_TEXT_COUNT; i++) {
        const char *text = alert->texts[i];
        if (!text)
            continue;
        size_t length = text == alert->message ? alert->message_length : strlen(text);
        enum hs_status status = hs_event_set_text(event, i, text, length, err);
        if (status != HS_OK)
            return status;
    }
    return HS_OK;
}

/* The details of one size: short ones are set first, so that a plugin's long output is
 * what is left out when all do not fit. */
static enum hs_status set_details(struct hs_event *event, const struct hsp_input *input,
                                  bool is_short, struct hs_error *err) {
    for (size_t i = 0; i < input->count; i++) {
        const struct hsp_pair *pair = &input->pairs[i];
        size_t length = strlen(pair->value);
        if ((length <= SHORT_DETAIL) != is_short || !hsp_input_is_detail(input, i))
            continue;
        enum hs_status status =
            hs_event_set_detail(event, pair->key, pair->value, length, err);
        if (status != HS_OK)
            return status;
    }
    return HS_OK;
}

static enum hs_status set_common_details(struct hs_event *event,
                                         const struct hsp_input *input,
                                         const struct hsp_rules *rules,
                                         struct hs_error *err) {
    static const struct {
        const char *key;
        enum hsp_field field;
    } rows[] = {
        {"type", HSP_FIELD_TYPE},
        {"state", HSP_FIELD_STATE},
        {"author", HSP_FIELD_AUTHOR},
        {"comment", HSP_FIELD_COMMENT},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *value = hsp_macro_get(input, rules->object, rows[i].field);
        if (!value)
            continue;
        enum hs_status status =
            hs_event_set_detail(event, rows[i].key, value, strlen(value), err);
        if (status != HS_OK)
            return status;
    }
    return HS_OK;
}

enum hs_status hsp_alert_event(struct hs_event **event, const struct hsp_alert *alert,
                               const struct hsp_input *input,
                               const struct hsp_rules *rules, struct hs_error *err) {
    struct hs_event *made = NULL;
    enum hs_status status = hs_event_new(&made, alert->kind, alert->state, err);
    if (status != HS_OK)
        goto out;
    hs_event_set_previous(made, alert->previous);
    hsp_notifier_set_numbers(made, alert->numbers);
    status = set_texts(made, alert, err);
    if (status != HS_OK)
        goto out;
    status = set_common_details(made, input, rules, err);
    if (status != HS_OK)
        goto out;
    status = set_details(made, input, true, err);
    if (status != HS_OK)
        goto out;
    status = set_details(made, input, false, err);
    if (status != HS_OK)
        goto out;
    *event = made;
    made = NULL;
out:
    hs_event_free(made);
    return status;
}
