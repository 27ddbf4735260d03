/* SPDX-License-Identifier: MIT */
/* The table of macro names. A service takes region and endpoints from its host where it
 * has none of its own: where something stands and whom it concerns are inherited; what it
 * is (name, id, url) and what was measured are not. */
#include "config.h"

#include "macros.h"

#include <stddef.h>

#define NAMES 5

struct names {
    const char *of[2][NAMES]; /* by object, strongest first */
};

/* A macro that host and service share, and one that has the object in its name. */
#define SAME(name)                                                                       \
    {                                                                                    \
        {                                                                                \
            {name}, { name }                                                             \
        }                                                                                \
    }
#define EACH(before, after)                                                              \
    {                                                                                    \
        {                                                                                \
            {before "HOST" after}, { before "SERVICE" after }                            \
        }                                                                                \
    }
/* An override: the plain key, then the custom variable as Nagios and Checkmk name it. */
#define OVERRIDE(name)                                                                   \
    {                                                                                    \
        {                                                                                \
            {name, "_HOST" name, "HOST_" name}, {                                        \
                name, "_SERVICE" name, "SERVICE_" name                                   \
            }                                                                            \
        }                                                                                \
    }
#define INHERITED(name)                                                                  \
    {                                                                                    \
        {                                                                                \
            {name, "_HOST" name, "HOST_" name}, {                                        \
                name, "_SERVICE" name, "SERVICE_" name, "_HOST" name, "HOST_" name       \
            }                                                                            \
        }                                                                                \
    }

static const struct names table[HSP_FIELD_COUNT] = {
    [HSP_FIELD_HOST] = SAME("HOSTNAME"),
    [HSP_FIELD_SERVICE] = {{{NULL}, {"SERVICEDESC"}}},
    [HSP_FIELD_TYPE] = SAME("NOTIFICATIONTYPE"),
    [HSP_FIELD_STATE] = EACH("", "STATE"),
    [HSP_FIELD_LAST_STATE] = EACH("LAST", "STATE"),
    [HSP_FIELD_LAST_STATE_TYPE] = EACH("LAST", "STATETYPE"),
    [HSP_FIELD_LAST_HARD_STATE] = EACH("PREVIOUS", "HARDSTATE"),
    [HSP_FIELD_ATTEMPT] = EACH("", "ATTEMPT"),
    [HSP_FIELD_MAX_ATTEMPTS] = {{{"MAXHOSTATTEMPTS"}, {"MAXSERVICEATTEMPTS"}}},
    [HSP_FIELD_NUMBER] = {{{"HOSTNOTIFICATIONNUMBER", "NOTIFICATIONNUMBER"},
                           {"SERVICENOTIFICATIONNUMBER", "NOTIFICATIONNUMBER"}}},
    [HSP_FIELD_NOTIFICATION_ID] = EACH("", "NOTIFICATIONID"),
    [HSP_FIELD_TIME] = SAME("TIMET"),
    [HSP_FIELD_MICROTIME] = SAME("MICROTIME"),
    [HSP_FIELD_PROCESS_START] = SAME("PROCESSSTARTTIME"),
    [HSP_FIELD_LAST_CHECK] = EACH("LAST", "CHECK"),
    [HSP_FIELD_STATE_CHANGE] = EACH("LAST", "STATECHANGE"),
    [HSP_FIELD_HARD_STATE_CHANGE] = EACH("LAST", "HARDSTATECHANGE"),
    [HSP_FIELD_CHECK_INTERVAL] = EACH("", "CHECKINTERVAL"),
    [HSP_FIELD_INTERVAL] = SAME("NOTIFICATIONINTERVAL"),
    [HSP_FIELD_OUTPUT] = EACH("", "OUTPUT"),
    [HSP_FIELD_LONG_OUTPUT] = EACH("LONG", "OUTPUT"),
    [HSP_FIELD_PERFDATA] = EACH("", "PERFDATA"),
    [HSP_FIELD_AUTHOR] = {{{"NOTIFICATIONAUTHOR", "HOSTACKAUTHOR"},
                           {"NOTIFICATIONAUTHOR", "SERVICEACKAUTHOR"}}},
    [HSP_FIELD_COMMENT] = {{{"NOTIFICATIONCOMMENT", "HOSTACKCOMMENT"},
                            {"NOTIFICATIONCOMMENT", "SERVICEACKCOMMENT"}}},
    [HSP_FIELD_ACTION_URL] = EACH("", "ACTIONURL"),
    [HSP_FIELD_URL] = OVERRIDE("URL"),
    [HSP_FIELD_MONITOR_ID] = OVERRIDE("MONITOR_ID"),
    [HSP_FIELD_MONITOR_NAME] = OVERRIDE("MONITOR_NAME"),
    [HSP_FIELD_REGION] = INHERITED("REGION"),
    [HSP_FIELD_ENDPOINT] = INHERITED("ENDPOINT"),
    [HSP_FIELD_RESPONSE_TIME_MS] = OVERRIDE("RESPONSE_TIME_MS"),
    [HSP_FIELD_STATUS_CODE] = OVERRIDE("STATUS_CODE"),
};

const char *hsp_macro_get(const struct hsp_input *input, enum hsp_object object,
                          enum hsp_field field) {
    const char *const *names = table[field].of[object];
    for (size_t i = 0; i < NAMES && names[i]; i++) {
        const char *value = hsp_input_get(input, names[i]);
        if (value)
            return value;
    }
    return NULL;
}
