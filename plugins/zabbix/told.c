/* SPDX-License-Identifier: MIT */
/* Events of exported lines. Tags that begin with "webhook." say what a monitor is called
 * elsewhere; all tags are details. */
#include "config.h"

#include "error.h"
#include "id.h"
#include "json.h"
#include "told.h"

#include <string.h>

#define SYSTEM "zabbix"

enum hs_status hsp_told_text(struct hs_event *event, enum hs_text which, const char *text,
                             struct hs_error *err) {
    return text == NULL ? HS_OK
                        : hs_event_set_text(event, which, text, strlen(text), err);
}

enum hs_status hsp_told_detail(struct hs_event *event, const char *key, const char *text,
                               struct hs_error *err) {
    return text == NULL || *text == '\0'
               ? HS_OK
               : hs_event_set_detail(event, key, text, strlen(text), err);
}

void hsp_told_number(struct hs_event *event, enum hs_number which, int64_t value) {
    const enum hs_status status = hs_event_set_number(event, which, value, NULL);
    (void)status;
}

void hsp_told_id(char id[HSP_TOLD_ID_SIZE], int64_t time_ms, const char *seed) {
    hsp_id_derive(id, time_ms, seed);
}

static enum hs_status set_texts(struct hs_event *event, const struct hsp_told *told,
                                struct hs_error *err) {
    static const struct {
        const char *tag;
        enum hs_text which;
    } tags[] = {
        {HSP_TAG "monitor", HS_TEXT_MONITOR_NAME}, {HSP_TAG "id", HS_TEXT_MONITOR_ID},
        {HSP_TAG "url", HS_TEXT_MONITOR_URL},      {HSP_TAG "region", HS_TEXT_REGION},
        {HSP_TAG "endpoints", HS_TEXT_ENDPOINTS},
    };
    const struct {
        enum hs_text which;
        const char *text;
    } texts[] = {
        {HS_TEXT_SYSTEM, SYSTEM},
        {HS_TEXT_HOST, told->line->host},
        {HS_TEXT_SERVICE, told->service},
        {HS_TEXT_MONITOR_NAME, told->name},
        {HS_TEXT_ERROR_MESSAGE, told->message},
    };
    enum hs_status status = HS_OK;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && status == HS_OK; i++)
        status = hsp_told_text(event, texts[i].which, texts[i].text, err);
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]) && status == HS_OK; i++) {
        const char *value = hsp_line_tag_value(told->line, tags[i].tag);
        if (value != NULL && *value != '\0')
            status = hsp_told_text(event, tags[i].which, value, err);
    }
    return status;
}

/* "a:b, c", as Zabbix shows tags. */
static enum hs_status set_tags(struct hs_event *event, const struct hsp_line *line,
                               struct hs_error *err) {
    struct hsp_buffer text = {0};
    const char *name, *value;
    for (size_t i = 0; hsp_line_tag(line, i, &name, &value); i++)
        hsp_buffer_print(&text, "%s%s%s%s", i == 0 ? "" : ", ", name,
                         *value == '\0' ? "" : ":", value);
    const enum hs_status status =
        text.failed ? hsp_fail(err, HS_E_NOMEM, "set detail: out of memory")
                    : hsp_told_detail(event, "tags", text.data, err);
    hsp_buffer_free(&text);
    return status;
}

static enum hs_status set_array(struct hs_event *event, const char *key,
                                json_object *array, struct hs_error *err) {
    size_t length = 0;
    if (array == NULL || json_object_array_length(array) == 0)
        return HS_OK;
    const char *text = hsp_json_text(array, &length);
    return text == NULL ? hsp_fail(err, HS_E_NOMEM, "set detail: out of memory")
                        : hs_event_set_detail(event, key, text, length, err);
}

static enum hs_status set_details(struct hs_event *event, const struct hsp_told *told,
                                  struct hs_error *err) {
    const struct hsp_line *line = told->line;
    enum hs_status status = hsp_told_detail(event, "host_name", line->host_name, err);
    if (status == HS_OK && line->hosts != NULL &&
        json_object_array_length(line->hosts) > 1)
        status = set_array(event, "hosts", line->hosts, err);
    if (status == HS_OK)
        status = set_array(event, "groups", line->groups, err);
    if (status == HS_OK)
        status = set_tags(event, line, err);
    if (status == HS_OK)
        status = set_array(event, "tags_json", line->tags, err);
    return status;
}

enum hs_status hsp_told_event(struct hs_event **event, const struct hsp_told *told,
                              struct hs_error *err) {
    char id[HSP_TOLD_ID_SIZE];
    struct hs_event *made = NULL;
    enum hs_status status =
        hs_event_new(&made, told->kind,
                     told->kind == HS_KIND_RECOVERY ? HS_STATE_UP : HS_STATE_DOWN, err);
    if (status != HS_OK)
        return status;
    hsp_told_id(id, told->made_s * 1000, told->seed);
    status = hs_event_set_id(made, id, err);
    hs_event_set_previous(made, told->previous);
    hsp_told_number(made, HS_NUMBER_TIME, told->time_s);
    hsp_told_number(made, HS_NUMBER_ORDER_TIME, told->time_s);
    hsp_told_number(made, HS_NUMBER_ORDER_SEQUENCE,
                    (int64_t)(told->sequence % (uint64_t)HSP_INTEGER_MAX));
    if (status == HS_OK)
        status = set_texts(made, told, err);
    if (status == HS_OK)
        status = set_details(made, told, err);
    if (status == HS_OK) {
        *event = made;
        made = NULL;
    }
    hs_event_free(made);
    return status;
}
