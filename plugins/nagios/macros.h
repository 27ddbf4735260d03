/* SPDX-License-Identifier: MIT */
/* Which macros say what: Nagios's own names, those of its relatives, and the few that
 * only our Icinga 2 definition sets. */
#ifndef HSP_NOTIFY_MACROS_H
#define HSP_NOTIFY_MACROS_H

#include "input.h"

/* What is notified about. */
enum hsp_object { HSP_OBJECT_HOST, HSP_OBJECT_SERVICE };

enum hsp_field {
    HSP_FIELD_HOST,
    HSP_FIELD_SERVICE,
    HSP_FIELD_TYPE,
    HSP_FIELD_STATE,
    HSP_FIELD_LAST_STATE,      /* of the check before, soft or hard */
    HSP_FIELD_LAST_STATE_TYPE, /* Icinga 2: SOFT or HARD */
    HSP_FIELD_LAST_HARD_STATE, /* Checkmk's own core */
    HSP_FIELD_ATTEMPT,
    HSP_FIELD_MAX_ATTEMPTS,
    HSP_FIELD_NUMBER, /* of notifications for this problem */
    HSP_FIELD_NOTIFICATION_ID,
    HSP_FIELD_TIME,
    HSP_FIELD_MICROTIME, /* Checkmk, microseconds since the epoch */
    HSP_FIELD_PROCESS_START,
    HSP_FIELD_LAST_CHECK,
    HSP_FIELD_STATE_CHANGE,
    HSP_FIELD_HARD_STATE_CHANGE,
    HSP_FIELD_CHECK_INTERVAL, /* seconds, Icinga 2 */
    HSP_FIELD_INTERVAL,       /* between notifications, seconds, Icinga 2 */
    HSP_FIELD_OUTPUT,
    HSP_FIELD_LONG_OUTPUT,
    HSP_FIELD_PERFDATA,
    HSP_FIELD_AUTHOR,
    HSP_FIELD_COMMENT,
    HSP_FIELD_ACTION_URL,
    HSP_FIELD_URL,
    HSP_FIELD_MONITOR_ID,
    HSP_FIELD_MONITOR_NAME,
    HSP_FIELD_REGION,
    HSP_FIELD_ENDPOINT,
    HSP_FIELD_RESPONSE_TIME_MS,
    HSP_FIELD_STATUS_CODE,
    HSP_FIELD_COUNT
};

/* The value of `field` for a notification about `object`, from the first of its macros
 * that is there; NULL where none is. Borrowed from `input`. */
const char *hsp_macro_get(const struct hsp_input *input, enum hsp_object object,
                          enum hsp_field field);

#endif
