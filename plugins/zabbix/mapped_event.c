/* SPDX-License-Identifier: MIT */
/* Filling an event. The object by which hookspoold keeps events in order is host and
 * service of the map; within a second the number of the edge decides. */
#include "config.h"

#include "mapped_event.h"

#include "id.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define SYSTEM "zabbix"
#define MESSAGE_SIZE 2048
#define SECOND_NS INT64_C(1000000000)
#define MS_NS INT64_C(1000000)
#define US_NS 1000

static enum hs_status set_detail(struct hs_event *event, const char *key,
                                 const char *text, struct hs_error *err) {
    return hs_event_set_detail(event, key, text, strlen(text), err);
}

/* Out of range: the library's default, and the alert goes on. */
static void set_number(struct hs_event *event, enum hs_number which, int64_t value) {
    const enum hs_status status = hs_event_set_number(event, which, value, NULL);
    (void)status;
}

static void explain(const struct hsp_mapped_edge *mapped, char text[MESSAGE_SIZE]) {
    if (mapped->worth != NULL)
        hsp_rule_explain(&mapped->item->up, mapped->worth, text, MESSAGE_SIZE);
    else
        snprintf(text, MESSAGE_SIZE, "%" PRId64 " bad values in a row",
                 mapped->edge->edge.failures);
}

static enum hs_status set_texts(struct hs_event *event,
                                const struct hsp_mapped_edge *mapped,
                                struct hs_error *err) {
    static const enum hs_text which[HSP_MAP_TEXTS] = {
        [HSP_MAP_HOST] = HS_TEXT_HOST,           [HSP_MAP_SERVICE] = HS_TEXT_SERVICE,
        [HSP_MAP_NAME] = HS_TEXT_MONITOR_NAME,   [HSP_MAP_ID] = HS_TEXT_MONITOR_ID,
        [HSP_MAP_URL] = HS_TEXT_MONITOR_URL,     [HSP_MAP_REGION] = HS_TEXT_REGION,
        [HSP_MAP_ENDPOINTS] = HS_TEXT_ENDPOINTS,
    };
    char message[MESSAGE_SIZE];
    enum hs_status status =
        hs_event_set_text(event, HS_TEXT_SYSTEM, SYSTEM, strlen(SYSTEM), err);
    for (size_t i = 0; i < HSP_MAP_TEXTS && status == HS_OK; i++) {
        const char *text = mapped->item->texts[i];
        if (text != NULL)
            status = hs_event_set_text(event, which[i], text, strlen(text), err);
    }
    if (status != HS_OK || mapped->edge->edge.state != HS_STATE_DOWN)
        return status;
    explain(mapped, message);
    return hs_event_set_text(event, HS_TEXT_ERROR_MESSAGE, message, strlen(message), err);
}

static void set_numbers(struct hs_event *event, const struct hsp_mapped_edge *mapped) {
    static const enum hs_number extras[HSP_MAP_EXTRAS] = {
        [HSP_MAP_RESPONSE_TIME] = HS_NUMBER_RESPONSE_TIME_MS,
        [HSP_MAP_STATUS_CODE] = HS_NUMBER_STATUS_CODE,
    };
    const struct hsp_edge *edge = &mapped->edge->edge;
    set_number(event, HS_NUMBER_TIME, edge->time_s);
    set_number(event, HS_NUMBER_ORDER_TIME, edge->time_s);
    set_number(event, HS_NUMBER_ORDER_SEQUENCE, mapped->edge->sequence);
    set_number(event, HS_NUMBER_CONSECUTIVE_FAILURES, edge->failures);
    set_number(event, HS_NUMBER_NOTIFICATION_LEVEL, edge->level);
    for (size_t i = 0; i < HSP_MAP_EXTRAS; i++)
        if (mapped->extras[i] >= 0 && mapped->extras[i] < 1e15)
            set_number(event, extras[i], (int64_t)llround(mapped->extras[i]));
}

static enum hs_status set_details(struct hs_event *event,
                                  const struct hsp_mapped_edge *mapped,
                                  struct hs_error *err) {
    char text[64];
    snprintf(text, sizeof(text), "%" PRIu64, mapped->item->itemid);
    enum hs_status status = set_detail(event, "item_id", text, err);
    if (status == HS_OK && mapped->worth != NULL) {
        snprintf(text, sizeof(text), "%.15g", mapped->worth->number);
        status =
            set_detail(event, "value",
                       mapped->worth->text == NULL ? text : mapped->worth->text, err);
    }
    if (status == HS_OK)
        status = set_detail(event, "state",
                            mapped->edge->edge.state == HS_STATE_UP ? "UP" : "DOWN", err);
    return status;
}

/* The same value makes the same id, so that what is handed over again is folded. */
static enum hs_status set_id(struct hs_event *event, const struct hsp_mapped_edge *mapped,
                             const struct hs_config *config, const struct hsp_clock *now,
                             struct hs_error *err) {
    char id[HSP_ID_LENGTH + 1], seed[512];
    const int64_t time_ns = mapped->edge->time_ns;
    const bool is_sane = hsp_sane_time_s(time_ns / US_NS, now) == time_ns / SECOND_NS;
    snprintf(seed, sizeof(seed), "module %" PRIu64 " %" PRId64 " %s %.200s %.200s",
             mapped->item->itemid, time_ns, hs_kind_text(mapped->edge->edge.kind),
             hs_config_site(config), mapped->item->texts[HSP_MAP_HOST]);
    hsp_id_derive(id, is_sane ? time_ns / MS_NS : now->wall_us / 1000, seed);
    return hs_event_set_id(event, id, err);
}

enum hs_status hsp_mapped_event(struct hs_event **event,
                                const struct hsp_mapped_edge *mapped,
                                const struct hs_config *config,
                                const struct hsp_clock *now, struct hs_error *err) {
    const struct hsp_edge *edge = &mapped->edge->edge;
    struct hs_event *made = NULL;
    enum hs_status status = hs_event_new(&made, edge->kind, edge->state, err);
    if (status != HS_OK)
        return status;
    status = set_id(made, mapped, config, now, err);
    hs_event_set_previous(made, edge->previous);
    set_numbers(made, mapped);
    if (status == HS_OK)
        status = set_texts(made, mapped, err);
    if (status == HS_OK)
        status = set_details(made, mapped, err);
    if (status == HS_OK) {
        *event = made;
        made = NULL;
    }
    hs_event_free(made);
    return status;
}
