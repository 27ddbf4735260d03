/* SPDX-License-Identifier: MIT */
/* From what the host said to what the payload says: the rules of docs/notifications.md.
 * Pure but for memory: no clock, no disk. */
#ifndef HSP_NOTIFY_MAPPING_H
#define HSP_NOTIFY_MAPPING_H

#include "macros.h"

/* What decides beside the input. */
struct hsp_rules {
    enum hsp_object object;
    const char *system; /* "icinga2" has numbers of its own; others count as Nagios */
    enum hs_state warning_is; /* how WARNING counts */
};

/* An event to be. Texts are borrowed from the input (and from rules.system), NULL where
 * there is none, but for those that are made here, in `fold_key` and `message`; numbers
 * are -1 where there is none. */
struct hsp_alert {
    enum hs_kind kind;
    enum hs_state state;
    enum hs_state previous;
    const char *texts[HS_TEXT_COUNT];
    size_t message_length;
    int64_t numbers[HS_NUMBER_COUNT];
    char *fold_key;
    char *message;
};

/* Fill `alert`; ended by hsp_alert_free. HS_E_DATA: nothing names the monitor (HOSTNAME
 * or MONITOR_NAME, and SERVICEDESC for a service). HS_E_NOMEM. Everything else that is
 * missing or odd only makes the alert poorer. */
enum hs_status hsp_alert_map(struct hsp_alert *alert, const struct hsp_input *input,
                             const struct hsp_rules *rules,
                             struct hs_error *err) HS_MUST_CHECK;
void hsp_alert_free(struct hsp_alert *alert);

#endif
