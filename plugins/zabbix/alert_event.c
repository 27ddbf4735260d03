/* SPDX-License-Identifier: MIT */
/* Filling an event. Details are every pair of the message under its own name, those that
 * templates want from any host under one name each (type, state, author, comment), and
 * the tags as Zabbix shows them. */
#include "config.h"

#include "alert.h"
#include "buffer.h"
#include "error.h"
#include "notifier.h"

#include <string.h>

#define SHORT_DETAIL 4096

static enum hs_status set_texts(struct hs_event *event, const struct hsp_alert *alert,
                                struct hs_error *err) {
    enum hs_status status = HS_OK;
    for (int i = 0; i < HS_TEXT_COUNT && status == HS_OK; i++) {
        const char *text = i == HS_TEXT_FOLD_KEY ? alert->fold_key : alert->texts[i];
        if (text != NULL)
            status = hs_event_set_text(event, (enum hs_text)i, text, strlen(text), err);
    }
    return status;
}

static enum hs_status set_detail(struct hs_event *event, const char *key,
                                 const char *value, struct hs_error *err) {
    return value == NULL || *value == '\0'
               ? HS_OK
               : hs_event_set_detail(event, key, value, strlen(value), err);
}

/* "a:b, c", as Zabbix shows tags. */
static enum hs_status set_tags(struct hs_event *event, const struct hsp_alert *alert,
                               struct hs_error *err) {
    struct hsp_buffer text = {0};
    const size_t count = alert->tags ? json_object_array_length(alert->tags) : 0;
    for (size_t i = 0; i < count; i++) {
        json_object *row = json_object_array_get_idx(alert->tags, i);
        json_object *tag = json_object_object_get(row, "tag");
        const char *value = json_object_get_string(json_object_object_get(row, "value"));
        const bool has_value = value != NULL && *value != '\0';
        hsp_buffer_print(&text, "%s%s%s%s", text.length == 0 ? "" : ", ",
                         tag ? json_object_get_string(tag) : "", has_value ? ":" : "",
                         has_value ? value : "");
    }
    const enum hs_status status =
        text.failed ? hsp_fail(err, HS_E_NOMEM, "set detail: out of memory")
                    : set_detail(event, "tags", text.data, err);
    hsp_buffer_free(&text);
    return status;
}

static enum hs_status set_common_details(struct hs_event *event,
                                         const struct hsp_alert *alert,
                                         const struct hsp_message *message,
                                         struct hs_error *err) {
    const struct {
        const char *key, *value;
    } rows[] = {
        {"type", alert->type},
        {"state", hsp_message_get(message, "event_status")},
        {"author", hsp_message_get(message, "update_author")},
        {"comment", hsp_message_get(message, "update_message")},
        {"plain_message", alert->plain},
    };
    enum hs_status status = HS_OK;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && status == HS_OK; i++)
        status = set_detail(event, rows[i].key, rows[i].value, err);
    return status == HS_OK ? set_tags(event, alert, err) : status;
}

/* The details of one size: short ones are set first, so that a long text is what is left
 * out when all do not fit. */
static enum hs_status set_details(struct hs_event *event,
                                  const struct hsp_message *message, bool is_short,
                                  struct hs_error *err) {
    enum hs_status status = HS_OK;
    for (size_t i = 0; i < message->count && status == HS_OK; i++) {
        const struct hsp_message_pair *pair = &message->pairs[i];
        if ((pair->length <= SHORT_DETAIL) == is_short &&
            !hsp_message_is_absent(pair->value))
            status = set_detail(event, pair->key, pair->value, err);
    }
    return status;
}

enum hs_status hsp_alert_event(struct hs_event **event, const struct hsp_alert *alert,
                               const struct hsp_message *message, struct hs_error *err) {
    struct hs_event *made = NULL;
    enum hs_status status = hs_event_new(&made, alert->kind, alert->state, err);
    if (status != HS_OK)
        return status;
    hs_event_set_previous(made, alert->previous);
    hsp_notifier_set_numbers(made, alert->numbers);
    status = set_texts(made, alert, err);
    if (status == HS_OK)
        status = set_common_details(made, alert, message, err);
    if (status == HS_OK)
        status = set_details(made, message, true, err);
    if (status == HS_OK)
        status = set_details(made, message, false, err);
    if (status == HS_OK) {
        *event = made;
        made = NULL;
    }
    hs_event_free(made);
    return status;
}
