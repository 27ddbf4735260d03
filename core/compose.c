/* SPDX-License-Identifier: MIT */
/* How an event and the configuration become a payload, the details beside it and a
 * record: every default of an unset text or number is decided here. */
#include "config.h"

#include "conf.h"
#include "error.h"
#include "event.h"
#include "payload.h"
#include "record.h"
#include "units.h"

#include <stdlib.h>
#include <string.h>

#define DAY_MS INT64_C(86400000)

static const char *text_of(const struct hs_event *event, enum hs_text which) {
    return event->texts[which] == NULL ? "" : event->texts[which];
}

static int64_t number_of(const struct hs_event *event, enum hs_number which,
                         int64_t otherwise) {
    return event->has_number[which] ? event->numbers[which] : otherwise;
}

/* The configured pattern with its words in braces replaced. */
static void append_name(struct hsp_buffer *out, const char *pattern,
                        const struct hs_event *event, const char *site) {
    const struct {
        const char *word;
        const char *text;
    } words[] = {
        {"{host}", text_of(event, HS_TEXT_HOST)},
        {"{service}", text_of(event, HS_TEXT_SERVICE)},
        {"{system}", text_of(event, HS_TEXT_SYSTEM)},
        {"{site}", site},
    };
    while (*pattern != '\0') {
        size_t i = 0;
        const size_t count = sizeof words / sizeof words[0];
        while (i < count && strncmp(pattern, words[i].word, strlen(words[i].word)) != 0)
            i++;
        if (i < count) {
            hsp_buffer_append(out, words[i].text, strlen(words[i].text));
            pattern += strlen(words[i].word);
        } else {
            hsp_buffer_append(out, pattern++, 1);
        }
    }
}

static void append_monitor_name(struct hsp_buffer *out, const struct hs_event *event,
                                const struct hs_config *config) {
    const char *given = text_of(event, HS_TEXT_MONITOR_NAME);
    const char *host = text_of(event, HS_TEXT_HOST);
    if (*given != '\0')
        hsp_buffer_append(out, given, strlen(given));
    else if (*host != '\0' && *text_of(event, HS_TEXT_SERVICE) != '\0')
        append_name(out, hs_config_monitor_name(config), event, hs_config_site(config));
    /* A pattern of nothing but an empty site must not cost the event. */
    if (out->length == 0)
        hsp_buffer_append(out, host, strlen(host));
}

/* The configured id, else the one of the object. A longer one than a payload can have
 * gets an id of its own kind, for an event is not lost over it. */
static const char *monitor_id(const struct hs_event *event, const char *site,
                              char made[HSP_MONITOR_ID_LENGTH + 1]) {
    const char *given = text_of(event, HS_TEXT_MONITOR_ID);
    const size_t length = strlen(given);
    if (length > 0 && length <= HSP_MONITOR_ID_MAX)
        return given;
    const uint64_t hash = length > 0
                              ? hsp_hash(given, length)
                              : hsp_object_hash(site, text_of(event, HS_TEXT_SYSTEM),
                                                text_of(event, HS_TEXT_HOST),
                                                text_of(event, HS_TEXT_SERVICE));
    hsp_monitor_id(hash, made);
    return made;
}

/* NULL where the payload has no such key. */
static const char *error_message(const struct hs_event *event) {
    const char *text = text_of(event, HS_TEXT_ERROR_MESSAGE);
    if (event->kind == HS_KIND_RECOVERY)
        return NULL;
    return event->state == HS_STATE_UP && *text == '\0' ? NULL : text;
}

static int64_t consecutive_failures(const struct hs_event *event) {
    if (event->kind == HS_KIND_RECOVERY)
        return 0;
    return number_of(event, HS_NUMBER_CONSECUTIVE_FAILURES,
                     event->state == HS_STATE_DOWN ? 1 : 0);
}

static enum hs_state previous_state(const struct hs_event *event) {
    if (event->previous == HS_STATE_NONE && event->kind == HS_KIND_RECOVERY)
        return HS_STATE_DOWN;
    return event->previous;
}

enum hs_status hs_event_payload(const struct hs_event *event,
                                const struct hs_config *config, char **payload,
                                size_t *length, struct hs_error *err) {
    char made_id[HSP_MONITOR_ID_LENGTH + 1];
    const char *url = text_of(event, HS_TEXT_MONITOR_URL);
    const char *region = text_of(event, HS_TEXT_REGION);
    enum hs_status status = HS_OK;
    struct hsp_buffer name = {0};

    append_monitor_name(&name, event, config);
    if (name.failed) {
        status = hsp_fail(err, HS_E_NOMEM, "make monitor name: out of memory");
        goto out;
    }
    if (name.length == 0) {
        status = hsp_fail(err, HS_E_DATA, "event: no monitor name and no host");
        goto out;
    }
    const struct hsp_payload body = {
        .monitor_id = monitor_id(event, hs_config_site(config), made_id),
        .monitor_name = name.data,
        .monitor_url = *url == '\0' ? NULL : url,
        .state = event->state,
        .time = number_of(event, HS_NUMBER_TIME, event->created_ms / 1000),
        .region = *region == '\0' ? hs_config_region(config) : region,
        .error_message = error_message(event),
        .response_time_ms = number_of(event, HS_NUMBER_RESPONSE_TIME_MS, -1),
        .status_code = number_of(event, HS_NUMBER_STATUS_CODE, -1),
        .consecutive_failures = consecutive_failures(event),
        .previous = previous_state(event),
        .notification_level = number_of(event, HS_NUMBER_NOTIFICATION_LEVEL, 1),
        .kind = event->kind,
    };
    status =
        hsp_payload_write(&body, hsp_config_max_payload(config), payload, length, err);

out:
    hsp_buffer_free(&name);
    return status;
}

static void append_member(struct hsp_buffer *out, const char *lead, const char *text) {
    hsp_buffer_append(out, lead, strlen(lead));
    hsp_json_string(out, text, strlen(text));
}

/* A clock that was never set, or one of another day, says nothing about order. */
static bool is_order_time(int64_t time) {
    const int64_t off_ms = hsp_now_ms(CLOCK_REALTIME) - time * 1000;
    return time > 0 && off_ms <= DAY_MS && off_ms >= -DAY_MS;
}

static void append_details(struct hsp_buffer *out, const struct hs_event *event,
                           const char *site) {
    const int64_t time = number_of(event, HS_NUMBER_ORDER_TIME, 0);
    const char *fold = text_of(event, HS_TEXT_FOLD_KEY);
    const char *endpoints = text_of(event, HS_TEXT_ENDPOINTS);
    append_member(out, "{\"system\":", text_of(event, HS_TEXT_SYSTEM));
    append_member(out, ",\"site\":", site);
    append_member(out, ",\"host\":", text_of(event, HS_TEXT_HOST));
    append_member(out, ",\"service\":", text_of(event, HS_TEXT_SERVICE));
    if (is_order_time(time))
        hsp_buffer_print(out, ",\"time\":%lld,\"sequence\":%lld", (long long)time,
                         (long long)number_of(event, HS_NUMBER_ORDER_SEQUENCE, 0));
    if (*fold != '\0')
        append_member(out, ",\"fold\":", fold);
    if (*endpoints != '\0' && strcmp(endpoints, "all") != 0)
        append_member(out, ",\"endpoints\":", endpoints);
    for (size_t i = 0; i < event->detail_count; i++) {
        hsp_buffer_print(out, "%s", i == 0 ? ",\"details\":{" : ",");
        hsp_buffer_append(out, event->details[i].member, event->details[i].length);
    }
    hsp_buffer_print(out, "%s%s}", event->detail_count == 0 ? "" : "}",
                     event->details_cut ? ",\"cut\":true" : "");
}

enum hs_status hsp_event_append(struct hsp_buffer *out, const struct hs_event *event,
                                const struct hs_config *config, struct hs_error *err) {
    const size_t before = out->length;
    struct hsp_buffer details = {0};
    struct hsp_record_event part = {0};
    char *body = NULL;

    enum hs_status status =
        hs_event_payload(event, config, &body, &part.body_length, err);
    if (status != HS_OK)
        goto out;
    append_details(&details, event, hs_config_site(config));
    memcpy(part.id, event->id, sizeof part.id);
    part.body = body;
    part.details = details.data;
    part.details_length = details.length;
    if (!details.failed)
        hsp_record_event(out, &part);
    if (details.failed || out->failed) {
        out->length = before;
        status = hsp_fail(err, HS_E_NOMEM, "write event: out of memory");
    }

out:
    free(body);
    hsp_buffer_free(&details);
    return status;
}

enum hs_status hs_event_record(const struct hs_event *event,
                               const struct hs_config *config, char **record,
                               size_t *length, struct hs_error *err) {
    struct hsp_buffer out = {0};

    hsp_record_begin(&out);
    enum hs_status status = hsp_event_append(&out, event, config, err);
    if (status != HS_OK)
        goto out;
    hsp_record_end(&out, 1);
    if (out.failed) {
        status = hsp_fail(err, HS_E_NOMEM, "write record: out of memory");
        goto out;
    }
    *record = hsp_buffer_take(&out, length);

out:
    hsp_buffer_free(&out);
    return status;
}
