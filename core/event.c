/* SPDX-License-Identifier: MIT */
/* An event while an adapter fills it, and how its texts, numbers and the configuration
 * become a payload and the details beside it. Texts are repaired when they are set, so
 * that everything behind is well-formed UTF-8 without NUL bytes; details are kept as
 * ready members of a JSON object, so that their size is known while they come in. */
#include "config.h"

#include "conf.h"
#include "error.h"
#include "event.h"
#include "id.h"
#include "payload.h"
#include "record.h"
#include "text.h"
#include "units.h"

#include <stdlib.h>
#include <string.h>

#define INTEGER_MAX (INT64_C(1) << 53)
#define TIME_MAX INT64_C(253402300799)
#define DAY_MS INT64_C(86400000)
#define REPLACEMENT "\xEF\xBF\xBD"

struct detail {
    char *member;      /* "KEY":"value", as JSON */
    size_t key_length; /* of "KEY": */
    size_t length;
};

struct hs_event {
    char id[HSP_ID_LENGTH + 1];
    enum hs_kind kind;
    enum hs_state state;
    enum hs_state previous;
    int64_t created_ms;
    char *texts[HS_TEXT_COUNT]; /* NULL: not set */
    int64_t numbers[HS_NUMBER_COUNT];
    bool has_number[HS_NUMBER_COUNT];
    struct detail *details;
    size_t detail_count;
    size_t detail_bytes; /* of all members */
    bool details_cut;
};

static const char *const kind_texts[] = {
    [HS_KIND_INCIDENT] = "incident",
    [HS_KIND_RECOVERY] = "recovery",
    [HS_KIND_ACKNOWLEDGEMENT] = "acknowledgement",
    [HS_KIND_DOWNTIME] = "downtime",
    [HS_KIND_FLAPPING] = "flapping",
    [HS_KIND_CUSTOM] = "custom",
    [HS_KIND_TEST] = "test",
    [HS_KIND_OTHER] = "other",
    [HS_KIND_UNCHANGED] = "unchanged",
};
#define KIND_COUNT (sizeof kind_texts / sizeof kind_texts[0])

const char *hs_kind_text(enum hs_kind kind) {
    return (size_t)kind < KIND_COUNT ? kind_texts[kind] : kind_texts[HS_KIND_OTHER];
}

int hs_kind_parse(const char *word) {
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (strcmp(word, kind_texts[i]) == 0)
            return (int)i;
    return -1;
}

enum hs_status hs_event_new(struct hs_event **event, enum hs_kind kind,
                            enum hs_state state, struct hs_error *err) {
    struct hs_event *made = calloc(1, sizeof *made);
    if (made == NULL)
        return hsp_fail(err, HS_E_NOMEM, "make event: out of memory");
    const enum hs_status status = hsp_id_new(made->id, err);
    if (status != HS_OK) {
        free(made);
        return status;
    }
    made->kind = kind;
    made->state = kind == HS_KIND_RECOVERY ? HS_STATE_UP : state;
    made->created_ms = hsp_now_ms(CLOCK_REALTIME);
    *event = made;
    return HS_OK;
}

void hs_event_free(struct hs_event *event) {
    if (event == NULL)
        return;
    for (size_t i = 0; i < HS_TEXT_COUNT; i++)
        free(event->texts[i]);
    for (size_t i = 0; i < event->detail_count; i++)
        free(event->details[i].member);
    free(event->details);
    free(event);
}

const char *hs_event_id(const struct hs_event *event) { return event->id; }

enum hs_status hs_event_set_id(struct hs_event *event, const char *id,
                               struct hs_error *err) {
    if (!hsp_id_is_valid(id))
        return hsp_fail(err, HS_E_DATA, "event id: '%s' is not a UUIDv7 in lower case",
                        id);
    memcpy(event->id, id, sizeof event->id);
    return HS_OK;
}

void hs_event_set_previous(struct hs_event *event, enum hs_state previous) {
    event->previous = previous;
}

/* Repair `text`; a NUL byte, which no C text can hold, becomes U+FFFD as well. */
static void append_clean(struct hsp_buffer *out, const char *text, size_t length) {
    while (length > 0) {
        const char *nul = memchr(text, '\0', length);
        const size_t run = nul == NULL ? length : (size_t)(nul - text);
        hsp_text_repair(out, text, run);
        if (nul == NULL)
            break;
        hsp_buffer_append(out, REPLACEMENT, strlen(REPLACEMENT));
        text += run + 1;
        length -= run + 1;
    }
}

enum hs_status hs_event_set_text(struct hs_event *event, enum hs_text which,
                                 const char *text, size_t length, struct hs_error *err) {
    if ((unsigned)which >= HS_TEXT_COUNT)
        return hsp_fail(err, HS_E_DATA, "event text: there is no number %d", (int)which);
    struct hsp_buffer clean = {0};
    append_clean(&clean, text, length);
    if (clean.failed) {
        hsp_buffer_free(&clean);
        return hsp_fail(err, HS_E_NOMEM, "set event text: out of memory");
    }
    free(event->texts[which]);
    event->texts[which] = hsp_buffer_take(&clean, NULL);
    return HS_OK;
}

enum hs_status hs_event_set_number(struct hs_event *event, enum hs_number which,
                                   int64_t value, struct hs_error *err) {
    static const struct {
        const char *name;
        int64_t min, max;
    } ranges[HS_NUMBER_COUNT] = {
        [HS_NUMBER_TIME] = {"time", 0, TIME_MAX},
        [HS_NUMBER_RESPONSE_TIME_MS] = {"response time", 0, INTEGER_MAX},
        [HS_NUMBER_STATUS_CODE] = {"status code", 0, 999},
        [HS_NUMBER_CONSECUTIVE_FAILURES] = {"consecutive failures", 0, INTEGER_MAX},
        [HS_NUMBER_NOTIFICATION_LEVEL] = {"notification level", 1, INTEGER_MAX},
        [HS_NUMBER_ORDER_TIME] = {"order time", 0, TIME_MAX},
        [HS_NUMBER_ORDER_SEQUENCE] = {"order sequence", 0, INTEGER_MAX},
    };
    if ((unsigned)which >= HS_NUMBER_COUNT)
        return hsp_fail(err, HS_E_DATA, "event number: there is no number %d",
                        (int)which);
    if (value < ranges[which].min || value > ranges[which].max)
        return hsp_fail(err, HS_E_DATA, "%s: %lld is out of range", ranges[which].name,
                        (long long)value);
    event->numbers[which] = value;
    event->has_number[which] = true;
    return HS_OK;
}

/* "KEY":"value" of a detail; a NULL member without memory. */
static struct detail make_detail(const char *key, const char *value, size_t length) {
    struct hsp_buffer clean = {0};
    struct hsp_buffer member = {0};
    struct detail detail = {0};

    append_clean(&clean, key, strlen(key));
    const size_t clean_key_length = clean.length;
    append_clean(&clean, value, length);
    const char *text = clean.data == NULL ? "" : clean.data;
    hsp_json_string(&member, text, clean_key_length);
    hsp_buffer_append(&member, ":", 1);
    detail.key_length = member.length;
    hsp_json_string(&member, text + clean_key_length, clean.length - clean_key_length);
    member.failed = member.failed || clean.failed;
    detail.member = hsp_buffer_take(&member, &detail.length);
    hsp_buffer_free(&clean);
    return detail;
}

static struct detail *find_detail(struct hs_event *event, const struct detail *like) {
    for (size_t i = 0; i < event->detail_count; i++) {
        struct detail *detail = &event->details[i];
        if (detail->key_length == like->key_length &&
            memcmp(detail->member, like->member, like->key_length) == 0)
            return detail;
    }
    return NULL;
}

static void remove_detail(struct hs_event *event, struct detail *detail) {
    struct detail *next = detail + 1;
    struct detail *end = event->details + event->detail_count;
    event->detail_bytes -= detail->length + 1;
    free(detail->member);
    memmove(detail, next, (size_t)(end - next) * sizeof *detail);
    event->detail_count--;
}

/* Room for one more, at powers of two. */
static bool reserve_detail(struct hs_event *event) {
    const size_t count = event->detail_count;
    if (event->details != NULL && (count < 8 || (count & (count - 1)) != 0))
        return true;
    const size_t capacity = count < 8 ? 8 : count * 2;
    struct detail *grown = realloc(event->details, capacity * sizeof *grown);
    if (grown == NULL)
        return false;
    event->details = grown;
    return true;
}

enum hs_status hs_event_set_detail(struct hs_event *event, const char *key,
                                   const char *value, size_t length,
                                   struct hs_error *err) {
    struct detail detail = make_detail(key, value, length);
    if (detail.member == NULL || !reserve_detail(event)) {
        free(detail.member);
        return hsp_fail(err, HS_E_NOMEM, "set detail %s: out of memory", key);
    }
    struct detail *old = find_detail(event, &detail);
    if (old != NULL)
        remove_detail(event, old);
    if (event->detail_bytes + detail.length + 1 > HSP_DETAILS_MAX) {
        event->details_cut = true;
        free(detail.member);
        return HS_OK;
    }
    event->details[event->detail_count++] = detail;
    event->detail_bytes += detail.length + 1;
    return HS_OK;
}

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
