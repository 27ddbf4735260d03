/* SPDX-License-Identifier: MIT */
/* From what Zabbix says to what the payload says: the rules of docs/zabbix.md.
 * Pure but for memory: no clock, no disk. */
#ifndef HSP_ZABBIX_ALERT_H
#define HSP_ZABBIX_ALERT_H

#include "message.h"

#include <json-c/json.h>

/* What decides beside the message. */
struct hsp_alert_rules {
    const char *sendto;  /* endpoints' names; NULL, "" or "all": all */
    const char *subject; /* NULL where there is none */
    int down_from;       /* problems of a lower severity (0 to 5) count as UP */
    int64_t now_s;       /* UTC; an event from the future has no time */
};

/* An event to be. Texts are borrowed from message and rules, NULL where there is none,
 * but for those that are made here, in `fold_key` and `plain`; numbers are -1 where there
 * is none. */
struct hsp_alert {
    enum hs_kind kind;
    enum hs_state state;
    enum hs_state previous;
    const char *type; /* "PROBLEM", "RECOVERY", "UPDATE", "TEST", "PLAIN" */
    const char *texts[HS_TEXT_COUNT];
    int64_t numbers[HS_NUMBER_COUNT];
    json_object *tags;     /* an array of {"tag", "value"}; NULL: none */
    json_object *own_tags; /* the same of the recovery's event */
    char *fold_key;
    char *plain; /* a plain message without its markup */
};

/* Fill `alert` from pairs; ended by hsp_alert_free. HS_E_NOMEM. Whatever is missing or
 * odd only makes the alert poorer. */
enum hs_status hsp_alert_map(struct hsp_alert *alert, const struct hsp_message *message,
                             const struct hsp_alert_rules *rules,
                             struct hs_error *err) HS_MUST_CHECK;
/* The same from a text that holds no pairs: Zabbix without its database, the Test button,
 * an action with words of its own. */
enum hs_status hsp_alert_map_plain(struct hsp_alert *alert, const char *text,
                                   const struct hsp_alert_rules *rules,
                                   struct hs_error *err) HS_MUST_CHECK;
void hsp_alert_free(struct hsp_alert *alert); /* of zeros: fine */

/* The value of the event's tag; NULL where there is none. */
const char *hsp_alert_tag(const struct hsp_alert *alert, const char *name);

/* Make the event, with every pair of `message` among its details. The caller's, ended by
 * hs_event_free. HS_E_NOMEM, HS_E_IO as of hs_event_new. */
enum hs_status hsp_alert_event(struct hs_event **event, const struct hsp_alert *alert,
                               const struct hsp_message *message,
                               struct hs_error *err) HS_MUST_CHECK;

#endif
