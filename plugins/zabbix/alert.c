/* SPDX-License-Identifier: MIT */
/* The rules that turn the pairs of a Zabbix alert into an event to be. Nothing odd in
 * them is an error, for an alert with a null in it is better than none. */
#include "config.h"

#include "alert.h"

#include "error.h"
#include "id.h"
#include "json.h"
#include "reading.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SYSTEM "zabbix"
#define TAG "webhook." /* what names of tags that are for us begin with */
#define FUTURE_S 300   /* clocks may differ by that much */
#define COUNT_MAX INT64_C(9007199254740992)

static const char *find_tag(json_object *tags, const char *name) {
    const size_t count = tags ? json_object_array_length(tags) : 0;
    for (size_t i = 0; i < count; i++) {
        json_object *row = json_object_array_get_idx(tags, i);
        json_object *tag, *value;
        if (json_object_object_get_ex(row, "tag", &tag) &&
            json_object_object_get_ex(row, "value", &value) && tag != NULL &&
            strcmp(json_object_get_string(tag), name) == 0) {
            const char *text = json_object_get_string(value);
            return text == NULL || hsp_message_is_absent(text) ? NULL : text;
        }
    }
    return NULL;
}

const char *hsp_alert_tag(const struct hsp_alert *alert, const char *name) {
    return find_tag(alert->tags, name);
}

/* Tags that are no proper array of objects are none: a message may be cut. */
static json_object *read_tags(const struct hsp_message *message, const char *key) {
    const char *text = hsp_message_get(message, key);
    json_object *tags = text ? hsp_json_parse(text, strlen(text), NULL) : NULL;
    bool good = json_object_is_type(tags, json_type_array);
    for (size_t i = 0; good && i < json_object_array_length(tags); i++)
        good = json_object_is_type(json_object_array_get_idx(tags, i), json_type_object);
    if (good)
        return tags;
    json_object_put(tags);
    return NULL;
}

/* Which event
 * ------------------------------------------------------------------------------------ */

/* Is the problem over? Its value tells, else its word, else whether it has a recovery. */
static bool is_over(const struct hsp_message *message) {
    const char *value = hsp_message_get(message, "event_value");
    const char *word = hsp_message_get(message, "event_status");
    if (value != NULL)
        return strcmp(value, "0") == 0;
    if (word != NULL)
        return strcasecmp(word, "RESOLVED") == 0 || strcasecmp(word, "OK") == 0;
    return hsp_message_get(message, "recovery_event_id") != NULL;
}

/* "acknowledged and commented", not "unacknowledged": the word by itself. */
static bool is_acknowledgement(const char *action) {
    static const char word[] = "acknowledged";
    const char *at = action ? strstr(action, word) : NULL;
    while (at != NULL && at > action && isalpha((unsigned char)at[-1]))
        at = strstr(at + 1, word);
    return at != NULL;
}

static void set_kind(struct hsp_alert *alert, enum hs_kind kind, const char *type,
                     enum hs_state state, enum hs_state previous) {
    alert->kind = kind;
    alert->type = type;
    alert->state = state;
    alert->previous = previous;
}

/* Whether it is an update comes first: one that is late says that all is over, as a
 * recovery does. What is not clear is an incident, never a test, which endpoints may not
 * want. */
static void map_kind(struct hsp_alert *alert, const struct hsp_message *message,
                     const struct hsp_alert_rules *rules) {
    const char *update = hsp_message_get(message, "update_status");
    const bool over = is_over(message);
    const int severity = hsp_reading_severity(hsp_message_get(
        message,
        hsp_message_get(message, "severity_number") ? "severity_number" : "severity"));
    if (hsp_message_is_trial(message))
        set_kind(alert, HS_KIND_TEST, "TEST", HS_STATE_UP, HS_STATE_UP);
    else if (update != NULL && strcmp(update, "1") == 0)
        set_kind(alert,
                 is_acknowledgement(hsp_message_get(message, "update_action"))
                     ? HS_KIND_ACKNOWLEDGEMENT
                     : HS_KIND_CUSTOM,
                 "UPDATE", over ? HS_STATE_UP : HS_STATE_DOWN,
                 over ? HS_STATE_UP : HS_STATE_DOWN);
    else if (over)
        set_kind(alert, HS_KIND_RECOVERY, "RECOVERY", HS_STATE_UP, HS_STATE_DOWN);
    else if (severity >= 0 && severity < rules->down_from)
        set_kind(alert, HS_KIND_UNCHANGED, "PROBLEM", HS_STATE_UP, HS_STATE_UP);
    else
        set_kind(alert, HS_KIND_INCIDENT, "PROBLEM", HS_STATE_DOWN, HS_STATE_UP);
}

/* Texts
 * ------------------------------------------------------------------------------------ */

/* A trigger's URL may be a path of the web interface: only a whole address is one. */
static const char *whole_url(const char *url) {
    if (!url || (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8)))
        return NULL;
    return url[strcspn(url, " \t\r\n\"'<>")] == '\0' ? url : NULL;
}

static const char *first_of(const struct hsp_message *message, const char *const *keys) {
    const char *value = NULL;
    for (; *keys && value == NULL; keys++)
        value = hsp_message_get(message, *keys);
    return value;
}

/* A tag, else a pair. */
static const char *chosen(const struct hsp_alert *alert,
                          const struct hsp_message *message, const char *tag,
                          const char *key) {
    const char *value = hsp_alert_tag(alert, tag);
    return value ? value : hsp_message_get(message, key);
}

static const char *url_of(const struct hsp_alert *alert,
                          const struct hsp_message *message) {
    const char *url = whole_url(hsp_alert_tag(alert, TAG "url"));
    if (url == NULL)
        url = whole_url(hsp_message_get(message, "trigger_url"));
    return url ? url : whole_url(hsp_message_get(message, "url"));
}

/* The object is host and trigger, by its number: names of triggers change, also with the
 * values that stand in them, and a recovery has to meet its problem. */
static void map_texts(struct hsp_alert *alert, const struct hsp_message *message,
                      const struct hsp_alert_rules *rules) {
    static const char *const hosts[] = {"host", "host_name", NULL};
    static const char *const objects[] = {"trigger_id", "trigger_name", "event_name",
                                          "event_id", NULL};
    static const char *const names[] = {"trigger_name", "event_name", NULL};
    static const char *const messages[] = {"message", "opdata", "event_name", NULL};
    const char **texts = alert->texts;
    texts[HS_TEXT_HOST] = first_of(message, hosts);
    texts[HS_TEXT_SERVICE] = first_of(message, objects);
    texts[HS_TEXT_MONITOR_NAME] = chosen(alert, message, TAG "monitor", "monitor_name");
    if (texts[HS_TEXT_MONITOR_NAME] == NULL)
        texts[HS_TEXT_MONITOR_NAME] = first_of(message, names);
    texts[HS_TEXT_MONITOR_ID] = chosen(alert, message, TAG "id", "monitor_id");
    texts[HS_TEXT_MONITOR_URL] = url_of(alert, message);
    texts[HS_TEXT_REGION] = chosen(alert, message, TAG "region", "region");
    texts[HS_TEXT_ERROR_MESSAGE] = first_of(message, messages);
    texts[HS_TEXT_ENDPOINTS] = hsp_alert_tag(alert, TAG "endpoints");
    if (texts[HS_TEXT_ENDPOINTS] == NULL)
        texts[HS_TEXT_ENDPOINTS] = rules->sendto;
    texts[HS_TEXT_SYSTEM] = SYSTEM;
    if (texts[HS_TEXT_HOST] == NULL && texts[HS_TEXT_SERVICE] == NULL)
        texts[HS_TEXT_SERVICE] = rules->subject; /* as of a plain one */
    if (texts[HS_TEXT_HOST] == NULL)
        texts[HS_TEXT_HOST] = "Zabbix";
    if (texts[HS_TEXT_MONITOR_NAME] == NULL)
        texts[HS_TEXT_MONITOR_NAME] = rules->subject ? rules->subject : "Zabbix";
}

/* Numbers
 * ------------------------------------------------------------------------------------ */

/* When it happened: the recovery's or the update's own time, else the problem's. */
static int64_t time_of(const struct hsp_alert *alert, const struct hsp_message *message,
                       int64_t now_s) {
    static const char *const own[][2] = {{"recovery_date", "recovery_time"},
                                         {"update_date", "update_time"},
                                         {"event_date", "event_time"}};
    const size_t first = *alert->type == 'R' ? 0 : *alert->type == 'U' ? 1 : 2;
    int64_t time_s = hsp_reading_time(hsp_message_get(message, own[first][0]),
                                      hsp_message_get(message, own[first][1]));
    if (time_s < 0)
        time_s = hsp_reading_time(hsp_message_get(message, own[2][0]),
                                  hsp_message_get(message, own[2][1]));
    return time_s <= now_s + FUTURE_S ? time_s : -1;
}

/* A measured value. A tag has that of its event's moment, so when all is well again it is
 * the recovery's own tags that count. */
static const char *measured(const struct hsp_alert *alert,
                            const struct hsp_message *message, const char *tag) {
    const char *value =
        find_tag(alert->state == HS_STATE_DOWN ? alert->tags : alert->own_tags, tag);
    return value ? value : hsp_message_get(message, tag + sizeof(TAG) - 1);
}

static void map_numbers(struct hsp_alert *alert, const struct hsp_message *message,
                        int64_t now_s) {
    int64_t *numbers = alert->numbers;
    const bool over =
        *alert->type == 'R' && hsp_message_get(message, "recovery_event_id");
    const char *event = hsp_message_get(message, over ? "recovery_event_id" : "event_id");
    const char *ms = measured(alert, message, TAG "response_time_ms");
    numbers[HS_NUMBER_TIME] = numbers[HS_NUMBER_ORDER_TIME] =
        time_of(alert, message, now_s);
    numbers[HS_NUMBER_ORDER_SEQUENCE] = hsp_reading_whole(event, 0, COUNT_MAX);
    numbers[HS_NUMBER_RESPONSE_TIME_MS] =
        ms ? hsp_reading_response_ms(ms, 1)
           : hsp_reading_response_ms(measured(alert, message, TAG "response_time"), 1000);
    numbers[HS_NUMBER_STATUS_CODE] =
        hsp_reading_status_code(measured(alert, message, TAG "status_code"));
    if (alert->state == HS_STATE_DOWN)
        numbers[HS_NUMBER_CONSECUTIVE_FAILURES] =
            hsp_reading_whole(hsp_message_get(message, "failures"), 1, COUNT_MAX);
    numbers[HS_NUMBER_NOTIFICATION_LEVEL] =
        hsp_reading_whole(hsp_message_get(message, "level"), 1, COUNT_MAX);
}

/* All of it
 * ------------------------------------------------------------------------------------ */

/* What makes a notification its own: an alert to several users, or tried again after it
 * had been written, is one. Updates have no number; what they say and when is theirs. */
static char *make_fold_key(const struct hsp_alert *alert,
                           const struct hsp_message *message) {
    static const char *const said[] = {"update_date", "update_time", "update_action",
                                       "update_author", "update_message"};
    const char *event = hsp_message_get(message, "event_id");
    const char *endpoints = alert->texts[HS_TEXT_ENDPOINTS];
    char *key = NULL;
    uint64_t hash = 0;
    if (event == NULL)
        return strdup("");
    for (size_t i = 0; *alert->type == 'U' && i < sizeof(said) / sizeof(said[0]); i++) {
        const char *text = hsp_message_get(message, said[i]);
        const uint64_t both[] = {hash, text ? hsp_hash(text, strlen(text)) : 0};
        hash = hsp_hash(both, sizeof(both));
    }
    if (asprintf(&key,
                 SYSTEM ";%.200s;%.32s;%s;%" PRId64 ";%" PRId64 ";%016" PRIx64 ";%.1000s",
                 alert->texts[HS_TEXT_HOST], event, alert->type,
                 alert->numbers[HS_NUMBER_TIME],
                 alert->numbers[HS_NUMBER_NOTIFICATION_LEVEL], hash,
                 endpoints ? endpoints : "") < 0)
        return NULL;
    return key;
}

enum hs_status hsp_alert_map(struct hsp_alert *alert, const struct hsp_message *message,
                             const struct hsp_alert_rules *rules, struct hs_error *err) {
    struct hsp_alert made = {0};
    for (size_t i = 0; i < HS_NUMBER_COUNT; i++)
        made.numbers[i] = -1;
    made.tags = read_tags(message, "tags_json");
    made.own_tags = read_tags(message, "recovery_tags_json");
    map_kind(&made, message, rules);
    map_texts(&made, message, rules);
    map_numbers(&made, message, rules->now_s);
    made.fold_key = make_fold_key(&made, message);
    if (made.fold_key == NULL) {
        hsp_alert_free(&made);
        return hsp_fail(err, HS_E_NOMEM, "read the alert: out of memory");
    }
    *alert = made;
    return HS_OK;
}

void hsp_alert_free(struct hsp_alert *alert) {
    json_object_put(alert->tags);
    json_object_put(alert->own_tags);
    free(alert->fold_key);
    free(alert->plain);
    *alert = (struct hsp_alert){0};
}
