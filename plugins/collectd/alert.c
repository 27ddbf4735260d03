/* SPDX-License-Identifier: MIT */
/* Filling an event. The object by which hookspoold keeps events in order is (host, label
 * of the Monitor), or (host, "plugin-instance/type-instance") for a notification that
 * fits none. */
#include "config.h"

#include "alert.h"
#include "buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYSTEM "collectd"
#define HOST_WORD "%{host}"

const char *hsp_severity_text(enum hsp_severity severity) {
    static const char *const texts[] = {"okay", "warning", "failure"};
    return texts[severity];
}

static enum hs_status set_text(struct hs_event *event, enum hs_text which,
                               const char *text, struct hs_error *err) {
    return text == NULL ? HS_OK
                        : hs_event_set_text(event, which, text, strlen(text), err);
}

static enum hs_status set_detail(struct hs_event *event, const char *key,
                                 const char *text, struct hs_error *err) {
    return hs_event_set_detail(event, key, text, strlen(text), err);
}

/* Append `pattern` with the host in the place of its words. */
static void expand(struct hsp_buffer *out, const char *pattern, const char *host) {
    const char *word;
    while ((word = strstr(pattern, HOST_WORD)) != NULL) {
        hsp_buffer_append(out, pattern, (size_t)(word - pattern));
        hsp_buffer_append(out, host, strlen(host));
        pattern = word + strlen(HOST_WORD);
    }
    hsp_buffer_append(out, pattern, strlen(pattern));
}

/* Set a text from an option. Where one Monitor stands for several hosts and its option
 * does not tell them apart, "@host" does, if `apart`. */
static enum hs_status set_expanded(struct hs_event *event, enum hs_text which,
                                   const struct hsp_alert *alert, const char *pattern,
                                   bool apart, struct hs_error *err) {
    struct hsp_buffer text = {0};
    if (pattern == NULL)
        return HS_OK;
    expand(&text, pattern, alert->host);
    if (apart && alert->watch->pattern.texts[HSP_HOST] == NULL && *alert->host != '\0' &&
        strstr(pattern, HOST_WORD) == NULL)
        hsp_buffer_print(&text, "@%s", alert->host);
    /* Out of memory: hs_event_set_text has the same to say. */
    const enum hs_status status =
        text.failed ? HS_E_NOMEM
                    : hs_event_set_text(event, which, text.data, text.length, err);
    if (text.failed && err != NULL && err->status == HS_OK) {
        err->status = HS_E_NOMEM;
        snprintf(err->text, sizeof(err->text), "set event text: out of memory");
    }
    hsp_buffer_free(&text);
    return status;
}

static enum hs_status name_watch(struct hs_event *event, const struct hsp_alert *alert,
                                 struct hs_error *err) {
    const struct hsp_watch *watch = alert->watch;
    const char *name = watch->name == NULL ? watch->label : watch->name;
    const char *id = watch->id == NULL ? watch->label : watch->id;
    enum hs_status status = set_text(event, HS_TEXT_SERVICE, watch->label, err);
    if (status == HS_OK)
        status = set_expanded(event, HS_TEXT_MONITOR_ID, alert, id, true, err);
    if (status == HS_OK)
        status = set_expanded(event, HS_TEXT_MONITOR_NAME, alert, name,
                              watch->name == NULL, err);
    if (status == HS_OK)
        status = set_expanded(event, HS_TEXT_MONITOR_URL, alert, watch->url, false, err);
    if (status == HS_OK)
        status = set_text(event, HS_TEXT_ENDPOINTS, watch->endpoints, err);
    return status;
}

/* A notification may leave any part empty, and all of them. */
static enum hs_status name_series(struct hs_event *event, const struct hsp_alert *alert,
                                  struct hs_error *err) {
    struct hsp_buffer text = {0};
    struct hsp_series series = alert->note->series;
    series.parts[HSP_HOST] = "";
    hsp_series_print(&series, &text);
    const char *service = text.failed ? "" : text.data + 1;
    if (strcmp(service, "/") == 0)
        service = "";
    else if (!text.failed && text.data[text.length - 1] == '/')
        text.data[text.length - 1] = '\0';
    enum hs_status status = set_text(event, HS_TEXT_SERVICE, service, err);
    if (status == HS_OK && *alert->host == '\0')
        status = set_text(event, HS_TEXT_MONITOR_NAME,
                          *service == '\0' ? SYSTEM : service, err);
    hsp_buffer_free(&text);
    return status;
}

static enum hs_status set_texts(struct hs_event *event, const struct hsp_alert *alert,
                                struct hs_error *err) {
    enum hs_status status = set_text(event, HS_TEXT_SYSTEM, SYSTEM, err);
    if (status == HS_OK)
        status = set_text(event, HS_TEXT_HOST, alert->host, err);
    if (status == HS_OK)
        status = alert->watch != NULL ? name_watch(event, alert, err)
                                      : name_series(event, alert, err);
    if (status == HS_OK)
        status = set_text(event, HS_TEXT_REGION, alert->region, err);
    if (status == HS_OK && alert->edge->state == HS_STATE_DOWN)
        status = set_text(event, HS_TEXT_ERROR_MESSAGE, alert->message, err);
    return status;
}

static void set_numbers(struct hs_event *event, const struct hsp_edge *edge) {
    const struct {
        enum hs_number which;
        int64_t value;
    } numbers[] = {
        {HS_NUMBER_TIME, edge->time_s},
        {HS_NUMBER_ORDER_TIME, edge->time_s},
        {HS_NUMBER_CONSECUTIVE_FAILURES, edge->failures},
        {HS_NUMBER_NOTIFICATION_LEVEL, edge->level},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        /* Out of range: the library's default, and the alert goes on. */
        const enum hs_status status =
            hs_event_set_number(event, numbers[i].which, numbers[i].value, NULL);
        (void)status;
    }
}

static enum hs_status set_reading(struct hs_event *event, const struct hsp_alert *alert,
                                  struct hs_error *err) {
    const struct hsp_reading *reading = alert->reading;
    char value[64];
    snprintf(value, sizeof(value), "%.15g", reading->values[alert->source]);
    enum hs_status status = set_detail(event, "value", value, err);
    if (status == HS_OK)
        status = set_detail(event, "data_source", reading->names[alert->source], err);
    return status;
}

static enum hs_status set_note(struct hs_event *event, const struct hsp_note *note,
                               struct hs_error *err) {
    enum hs_status status = HS_OK;
    for (size_t i = 0; i < note->meta_count && status == HS_OK; i++)
        status = set_detail(event, note->meta[i].name, note->meta[i].value, err);
    if (status == HS_OK)
        status = set_detail(event, "message", note->message, err);
    if (status == HS_OK)
        status = set_detail(event, "severity", hsp_severity_text(note->severity), err);
    return status;
}

static enum hs_status set_details(struct hs_event *event, const struct hsp_alert *alert,
                                  struct hs_error *err) {
    const struct hsp_series *series = alert->reading != NULL ? &alert->reading->series
                                      : alert->note != NULL  ? &alert->note->series
                                                             : NULL;
    enum hs_status status = HS_OK;
    if (alert->note != NULL)
        status = set_note(event, alert->note, err);
    if (status == HS_OK && alert->reading != NULL)
        status = set_reading(event, alert, err);
    if (status == HS_OK && series != NULL) {
        struct hsp_buffer text = {0};
        hsp_series_print(series, &text);
        status = set_detail(event, "identifier", text.failed ? "" : text.data, err);
        hsp_buffer_free(&text);
    }
    if (status == HS_OK)
        status = set_detail(event, "state",
                            alert->edge->state == HS_STATE_UP ? "UP" : "DOWN", err);
    return status;
}

enum hs_status hsp_alert_event(struct hs_event **event, const struct hsp_alert *alert,
                               struct hs_error *err) {
    const struct hsp_edge *edge = alert->edge;
    struct hs_event *made = NULL;
    enum hs_status status = hs_event_new(&made, edge->kind, edge->state, err);
    if (status != HS_OK)
        goto out;
    hs_event_set_previous(made, edge->previous);
    set_numbers(made, edge);
    status = set_texts(made, alert, err);
    if (status == HS_OK)
        status = set_details(made, alert, err);
    if (status != HS_OK)
        goto out;
    *event = made;
    made = NULL;

out:
    hs_event_free(made);
    return status;
}

enum hs_status hsp_alert_send(struct hsp_outbox *outbox, const struct hsp_alert *alert,
                              const char *key, const struct hsp_monitor *status,
                              void *arg, uint64_t *ticket, struct hs_error *err) {
    char text[HSP_MONITOR_TEXT_MAX];
    struct hs_event *event = NULL;
    enum hs_status result = hsp_alert_event(&event, alert, err);
    if (result != HS_OK)
        return result;
    if (status != NULL)
        hsp_monitor_save(status, text);
    const struct hsp_outgoing outgoing = {event, arg, key, status == NULL ? NULL : text};
    result = hsp_outbox_add(outbox, &outgoing, ticket, err);
    if (result != HS_OK)
        hs_event_free(event);
    return result;
}
