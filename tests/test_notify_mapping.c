/* SPDX-License-Identifier: MIT */
/* The rules of docs/notifications.md, a row a case: what the host says beside what the
 * event becomes. The values of the hosts are those that Nagios 4.4.6 and Icinga 2.13.6
 * were seen to give. */
#include "config.h"

#include "alloc_fail.h"
#include "mapping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PAIRS 12

#define HOST HSP_OBJECT_HOST
#define SERVICE HSP_OBJECT_SERVICE
#define UP HS_STATE_UP
#define DOWN HS_STATE_DOWN
#define NONE HS_STATE_NONE

/* A notification; names are added unless `bare`. */
struct notification {
    enum hsp_object object;
    const char *system; /* NULL: nagios */
    enum hs_state warning_is;
    bool bare;
    const char *pairs[PAIRS];
};

static struct hsp_input collect(const struct notification *from) {
    struct hsp_input input = {0};
    if (!from->bare) {
        assert_int_equal(hsp_input_add(&input, "HOSTNAME", "web-01", NULL), HS_OK);
        assert_int_equal(hsp_input_add(&input, "SERVICEDESC", "API", NULL), HS_OK);
    }
    for (size_t i = 0; i < PAIRS && from->pairs[i]; i++)
        assert_int_equal(hsp_input_add_argument(&input, from->pairs[i], NULL), HS_OK);
    return input;
}

static enum hs_status map(const struct notification *from, struct hsp_input *input,
                          struct hsp_alert *alert, struct hs_error *err) {
    const struct hsp_rules rules = {
        .object = from->object,
        .system = from->system ? from->system : "nagios",
        .warning_is = from->warning_is ? from->warning_is : DOWN,
    };
    *input = collect(from);
    return hsp_alert_map(alert, input, &rules, err);
}

/* Kind, state and previous state: {object, system, warning_is, bare, pairs} and the
 * outcome. */
static const struct {
    struct notification from;
    enum hs_kind kind;
    enum hs_state state;
    enum hs_state previous;
} state_cases[] = {
    /* Nagios services: the first PROBLEM after soft states, without them, a repeat,
     * another state of the same problem, RECOVERY. */
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=CRITICAL",
                         "LASTSERVICESTATE=CRITICAL", "SERVICENOTIFICATIONNUMBER=1"}},
     HS_KIND_INCIDENT,
     DOWN,
     UP},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=CRITICAL",
                         "LASTSERVICESTATE=OK", "SERVICENOTIFICATIONNUMBER=1"}},
     HS_KIND_INCIDENT,
     DOWN,
     UP},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=CRITICAL",
                         "LASTSERVICESTATE=CRITICAL", "SERVICENOTIFICATIONNUMBER=2"}},
     HS_KIND_INCIDENT,
     DOWN,
     DOWN},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=WARNING",
                         "LASTSERVICESTATE=CRITICAL", "SERVICENOTIFICATIONNUMBER=3"}},
     HS_KIND_INCIDENT,
     DOWN,
     DOWN},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=UNKNOWN",
                         "LASTSERVICESTATE=UNKNOWN", "SERVICENOTIFICATIONNUMBER=1"}},
     HS_KIND_INCIDENT,
     DOWN,
     UP},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=RECOVERY", "SERVICESTATE=OK",
                         "LASTSERVICESTATE=WARNING", "SERVICENOTIFICATIONNUMBER=4"}},
     HS_KIND_RECOVERY,
     UP,
     DOWN},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=RECOVERY", "SERVICESTATE=OK",
                         "LASTSERVICESTATE=CRITICAL", "SERVICENOTIFICATIONNUMBER=1"}},
     HS_KIND_RECOVERY,
     UP,
     DOWN},
    /* A recovery that was held back: the check before was OK as well. */
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=RECOVERY", "SERVICESTATE=OK",
                         "LASTSERVICESTATE=OK", "SERVICENOTIFICATIONNUMBER=2"}},
     HS_KIND_RECOVERY,
     UP,
     DOWN},

    /* Nagios hosts. */
    {{HOST, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "HOSTSTATE=DOWN", "LASTHOSTSTATE=UP",
                      "HOSTNOTIFICATIONNUMBER=1"}},
     HS_KIND_INCIDENT,
     DOWN,
     UP},
    {{HOST, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "HOSTSTATE=UNREACHABLE",
                      "LASTHOSTSTATE=DOWN", "HOSTNOTIFICATIONNUMBER=2"}},
     HS_KIND_INCIDENT,
     DOWN,
     DOWN},
    {{HOST, .pairs = {"NOTIFICATIONTYPE=RECOVERY", "HOSTSTATE=UP", "LASTHOSTSTATE=DOWN",
                      "HOSTNOTIFICATIONNUMBER=2"}},
     HS_KIND_RECOVERY,
     UP,
     DOWN},
    {{HOST, .pairs = {"NOTIFICATIONTYPE=RECOVERY", "HOSTSTATE=UP",
                      "LASTHOSTSTATE=UNREACHABLE"}},
     HS_KIND_RECOVERY,
     UP,
     DOWN},
    {{HOST, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "HOSTSTATE=DOWN", "SERVICESTATE=OK",
                      "LASTSERVICESTATE=OK", "HOSTNOTIFICATIONNUMBER=1"}},
     HS_KIND_INCIDENT,
     DOWN,
     UP},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=CRITICAL",
                         "HOSTSTATE=UP", "LASTHOSTSTATE=UP",
                         "SERVICENOTIFICATIONNUMBER=2", "LASTSERVICESTATE=CRITICAL"}},
     HS_KIND_INCIDENT,
     DOWN,
     DOWN},

    /* warning_is = "up": a way through all states and back. */
    {{SERVICE, .warning_is = UP,
      .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=WARNING",
                "LASTSERVICESTATE=WARNING", "SERVICENOTIFICATIONNUMBER=1"}},
     HS_KIND_UNCHANGED,
     UP,
     UP},
    {{SERVICE, .warning_is = UP,
      .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=CRITICAL",
                "LASTSERVICESTATE=WARNING", "SERVICENOTIFICATIONNUMBER=2"}},
     HS_KIND_INCIDENT,
     DOWN,
     UP},
    {{SERVICE, .warning_is = UP,
      .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=WARNING",
                "LASTSERVICESTATE=CRITICAL", "SERVICENOTIFICATIONNUMBER=3"}},
     HS_KIND_RECOVERY,
     UP,
     DOWN},
    {{SERVICE, .warning_is = UP,
      .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=WARNING",
                "LASTSERVICESTATE=WARNING", "SERVICENOTIFICATIONNUMBER=4"}},
     HS_KIND_UNCHANGED,
     UP,
     UP},
    {{SERVICE, .warning_is = UP,
      .pairs = {"NOTIFICATIONTYPE=RECOVERY", "SERVICESTATE=OK",
                "LASTSERVICESTATE=WARNING", "SERVICENOTIFICATIONNUMBER=5"}},
     HS_KIND_UNCHANGED,
     UP,
     UP},
    {{SERVICE, .warning_is = UP,
      .pairs = {"NOTIFICATIONTYPE=RECOVERY", "SERVICESTATE=OK",
                "LASTSERVICESTATE=CRITICAL"}},
     HS_KIND_RECOVERY,
     UP,
     DOWN},
    /* A soft WARNING before the first hard CRITICAL. */
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=CRITICAL",
                         "LASTSERVICESTATE=WARNING", "SERVICENOTIFICATIONNUMBER=1"}},
     HS_KIND_INCIDENT,
     DOWN,
     UP},

    /* Icinga 2: the type of the last state tells, not the number. */
    {{SERVICE, "icinga2",
      .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=CRITICAL",
                "LASTSERVICESTATE=CRITICAL", "LASTSERVICESTATETYPE=SOFT",
                "NOTIFICATIONNUMBER=2"}},
     HS_KIND_INCIDENT,
     DOWN,
     UP},
    {{SERVICE, "icinga2",
      .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=CRITICAL",
                "LASTSERVICESTATE=OK", "LASTSERVICESTATETYPE=HARD"}},
     HS_KIND_INCIDENT,
     DOWN,
     UP},
    {{SERVICE, "icinga2",
      .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=WARNING",
                "LASTSERVICESTATE=CRITICAL", "LASTSERVICESTATETYPE=HARD",
                "NOTIFICATIONNUMBER=1"}},
     HS_KIND_INCIDENT,
     DOWN,
     DOWN},
    {{SERVICE, "icinga2",
      .pairs = {"NOTIFICATIONTYPE=RECOVERY", "SERVICESTATE=OK",
                "LASTSERVICESTATE=WARNING", "LASTSERVICESTATETYPE=HARD",
                "NOTIFICATIONNUMBER=1"}},
     HS_KIND_RECOVERY,
     UP,
     DOWN},
    {{HOST, "icinga2",
      .pairs = {"NOTIFICATIONTYPE=PROBLEM", "HOSTSTATE=DOWN", "LASTHOSTSTATE=DOWN",
                "LASTHOSTSTATETYPE=SOFT", "NOTIFICATIONNUMBER=1"}},
     HS_KIND_INCIDENT,
     DOWN,
     UP},
    {{HOST, "icinga2",
      .pairs = {"NOTIFICATIONTYPE=RECOVERY", "HOSTSTATE=UP", "LASTHOSTSTATE=UP",
                "LASTHOSTSTATETYPE=HARD"}},
     HS_KIND_RECOVERY,
     UP,
     DOWN},
    /* Only Icinga 2 is Icinga 2. */
    {{SERVICE, "icinga",
      .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=CRITICAL",
                "LASTSERVICESTATE=CRITICAL", "LASTSERVICESTATETYPE=SOFT",
                "SERVICENOTIFICATIONNUMBER=2"}},
     HS_KIND_INCIDENT,
     DOWN,
     DOWN},

    /* Checkmk's own core knows the hard state before. */
    {{SERVICE, "checkmk",
      .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=CRITICAL",
                "LASTSERVICESTATE=CRITICAL", "PREVIOUSSERVICEHARDSTATE=OK",
                "SERVICENOTIFICATIONNUMBER=2"}},
     HS_KIND_INCIDENT,
     DOWN,
     UP},
    {{SERVICE, "checkmk",
      .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=CRITICAL",
                "LASTSERVICESTATE=CRITICAL", "PREVIOUSSERVICEHARDSTATE=PENDING",
                "SERVICENOTIFICATIONNUMBER=2"}},
     HS_KIND_INCIDENT,
     DOWN,
     DOWN},

    /* The other types: the current state in both places. */
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=ACKNOWLEDGEMENT", "SERVICESTATE=CRITICAL",
                         "LASTSERVICESTATE=OK", "SERVICENOTIFICATIONNUMBER=1"}},
     HS_KIND_ACKNOWLEDGEMENT,
     DOWN,
     DOWN},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=CUSTOM", "SERVICESTATE=OK",
                         "LASTSERVICESTATE=CRITICAL"}},
     HS_KIND_CUSTOM,
     UP,
     UP},
    {{SERVICE, .warning_is = UP,
      .pairs = {"NOTIFICATIONTYPE=CUSTOM", "SERVICESTATE=WARNING"}},
     HS_KIND_CUSTOM,
     UP,
     UP},
    {{HOST, .pairs = {"NOTIFICATIONTYPE=DOWNTIMESTART", "HOSTSTATE=UP"}},
     HS_KIND_DOWNTIME,
     UP,
     UP},
    {{HOST, .pairs = {"NOTIFICATIONTYPE=DOWNTIMESTART", "HOSTSTATE=UNREACHABLE"}},
     HS_KIND_DOWNTIME,
     DOWN,
     DOWN},
    {{HOST, .pairs = {"NOTIFICATIONTYPE=DOWNTIMEEND", "HOSTSTATE=DOWN"}},
     HS_KIND_DOWNTIME,
     DOWN,
     DOWN},
    {{HOST, .pairs = {"NOTIFICATIONTYPE=DOWNTIMECANCELLED", "HOSTSTATE=UP"}},
     HS_KIND_DOWNTIME,
     UP,
     UP},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=FLAPPINGSTART", "SERVICESTATE=OK",
                         "LASTSERVICESTATE=CRITICAL", "SERVICENOTIFICATIONNUMBER=1"}},
     HS_KIND_FLAPPING,
     UP,
     UP},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=FLAPPINGSTART", "SERVICESTATE=CRITICAL"}},
     HS_KIND_FLAPPING,
     DOWN,
     DOWN},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=FLAPPINGSTOP", "SERVICESTATE=OK"}},
     HS_KIND_FLAPPING,
     UP,
     UP},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=FLAPPINGDISABLED", "SERVICESTATE=OK"}},
     HS_KIND_FLAPPING,
     UP,
     UP},
    {{SERVICE, "icinga2", .pairs = {"NOTIFICATIONTYPE=FLAPPINGEND", "SERVICESTATE=OK"}},
     HS_KIND_FLAPPING,
     UP,
     UP},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=SOMETHINGNEW", "SERVICESTATE=CRITICAL"}},
     HS_KIND_OTHER,
     DOWN,
     DOWN},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=PROBLEMS", "SERVICESTATE=OK"}},
     HS_KIND_OTHER,
     UP,
     UP},

    /* Odd input makes the event poorer, not impossible. */
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=problem", "SERVICESTATE=Critical",
                         "SERVICENOTIFICATIONNUMBER=1"}},
     HS_KIND_INCIDENT,
     DOWN,
     UP},
    {{SERVICE, .pairs = {"SERVICESTATE=CRITICAL"}}, HS_KIND_INCIDENT, DOWN, NONE},
    {{SERVICE, .pairs = {"SERVICESTATE=OK"}}, HS_KIND_RECOVERY, UP, DOWN},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=PROBLEM"}}, HS_KIND_INCIDENT, DOWN, NONE},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=$SERVICESTATE$"}},
     HS_KIND_INCIDENT,
     DOWN,
     NONE},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=RECOVERY"}}, HS_KIND_RECOVERY, UP, DOWN},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=RECOVERY", "SERVICESTATE=PENDING"}},
     HS_KIND_RECOVERY,
     UP,
     DOWN},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=ACKNOWLEDGEMENT"}},
     HS_KIND_ACKNOWLEDGEMENT,
     DOWN,
     DOWN},
    {{.object = SERVICE}, HS_KIND_INCIDENT, DOWN, NONE},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=CRITICAL",
                         "LASTSERVICESTATE=?", "SERVICENOTIFICATIONNUMBER=3"}},
     HS_KIND_INCIDENT,
     DOWN,
     NONE},
    /* States that contradict the type decide. */
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=RECOVERY", "SERVICESTATE=CRITICAL",
                         "LASTSERVICESTATE=OK"}},
     HS_KIND_INCIDENT,
     DOWN,
     DOWN},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=OK",
                         "LASTSERVICESTATE=CRITICAL", "SERVICENOTIFICATIONNUMBER=2"}},
     HS_KIND_RECOVERY,
     UP,
     DOWN},
    /* A recovery that nobody needs is better than a missing one. */
    {{SERVICE, .warning_is = UP,
      .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=WARNING"}},
     HS_KIND_RECOVERY,
     UP,
     NONE},
};

static void states(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(state_cases); i++) {
        struct hsp_alert alert = {0};
        struct hsp_input input;
        assert_int_equal(map(&state_cases[i].from, &input, &alert, NULL), HS_OK);
        if (alert.kind != state_cases[i].kind || alert.state != state_cases[i].state ||
            alert.previous != state_cases[i].previous)
            fail_msg("case %zu (%s %s): %s, state %d, previous %d", i,
                     state_cases[i].from.pairs[0], state_cases[i].from.pairs[1],
                     hs_kind_text(alert.kind), alert.state, alert.previous);
        hsp_alert_free(&alert);
        hsp_input_free(&input);
    }
}

#define FAILURES HS_NUMBER_CONSECUTIVE_FAILURES
#define LEVEL HS_NUMBER_NOTIFICATION_LEVEL

static const struct {
    struct notification from;
    enum hs_number number;
    int64_t expected; /* -1: not set */
} number_cases[] = {
    /* Failures and level in Nagios. */
    {{SERVICE, .pairs = {"SERVICESTATE=CRITICAL", "SERVICEATTEMPT=3",
                         "SERVICENOTIFICATIONNUMBER=1"}},
     FAILURES,
     3},
    {{SERVICE, .pairs = {"SERVICESTATE=CRITICAL", "SERVICEATTEMPT=3",
                         "SERVICENOTIFICATIONNUMBER=4"}},
     FAILURES,
     6},
    {{SERVICE, .pairs = {"SERVICESTATE=CRITICAL", "SERVICEATTEMPT=3",
                         "SERVICENOTIFICATIONNUMBER=4"}},
     LEVEL,
     4},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=ACKNOWLEDGEMENT", "SERVICESTATE=CRITICAL",
                         "SERVICEATTEMPT=3", "SERVICENOTIFICATIONNUMBER=3"}},
     FAILURES,
     5},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=RECOVERY", "SERVICESTATE=OK",
                         "SERVICEATTEMPT=3", "SERVICENOTIFICATIONNUMBER=4"}},
     FAILURES,
     0},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=RECOVERY", "SERVICESTATE=OK",
                         "SERVICENOTIFICATIONNUMBER=4"}},
     LEVEL,
     4},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=DOWNTIMESTART", "SERVICESTATE=OK",
                         "SERVICEATTEMPT=1", "SERVICENOTIFICATIONNUMBER=0"}},
     FAILURES,
     0},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=DOWNTIMESTART", "SERVICESTATE=OK",
                         "SERVICENOTIFICATIONNUMBER=0"}},
     LEVEL,
     1},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=DOWNTIMESTART", "SERVICESTATE=CRITICAL",
                         "SERVICEATTEMPT=2", "SERVICENOTIFICATIONNUMBER=0"}},
     FAILURES,
     2},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=FLAPPINGSTART", "SERVICESTATE=OK",
                         "SERVICEATTEMPT=1", "SERVICENOTIFICATIONNUMBER=1"}},
     FAILURES,
     0},
    {{HOST,
      .pairs = {"HOSTSTATE=UNREACHABLE", "HOSTATTEMPT=1", "HOSTNOTIFICATIONNUMBER=2"}},
     FAILURES,
     2},
    {{HOST, .pairs = {"HOSTSTATE=DOWN", "NOTIFICATIONNUMBER=2"}}, LEVEL, 2},
    {{SERVICE, .pairs = {"SERVICESTATE=CRITICAL"}}, FAILURES, 1},
    {{SERVICE, .pairs = {"SERVICESTATE=CRITICAL"}}, LEVEL, 1},
    {{SERVICE, .pairs = {"SERVICESTATE=CRITICAL", "SERVICEATTEMPT=many",
                         "SERVICENOTIFICATIONNUMBER=-3"}},
     FAILURES,
     1},

    /* In Icinga 2: attempts and the checks since the hard state. */
    {{SERVICE, "icinga2",
      .pairs = {"SERVICESTATE=CRITICAL", "MAXSERVICEATTEMPTS=3",
                "SERVICECHECKINTERVAL=60", "TIMET=1000", "SERVICEATTEMPT=1",
                "LASTSERVICEHARDSTATECHANGE=1000"}},
     FAILURES,
     3},
    {{SERVICE, "icinga2",
      .pairs = {"SERVICESTATE=CRITICAL", "MAXSERVICEATTEMPTS=3",
                "SERVICECHECKINTERVAL=60", "TIMET=1179",
                "LASTSERVICEHARDSTATECHANGE=1000"}},
     FAILURES,
     5},
    {{SERVICE, "icinga2",
      .pairs = {"SERVICESTATE=CRITICAL", "MAXSERVICEATTEMPTS=3", "TIMET=1179",
                "LASTSERVICEHARDSTATECHANGE=1000"}},
     FAILURES,
     3},
    {{SERVICE, "icinga2",
      .pairs = {"SERVICESTATE=CRITICAL", "MAXSERVICEATTEMPTS=3", "SERVICECHECKINTERVAL=0",
                "TIMET=1179", "LASTSERVICEHARDSTATECHANGE=1000"}},
     FAILURES,
     3},
    {{SERVICE, "icinga2",
      .pairs = {"SERVICESTATE=CRITICAL", "MAXSERVICEATTEMPTS=3",
                "SERVICECHECKINTERVAL=60", "TIMET=1179", "LASTSERVICEHARDSTATECHANGE=0"}},
     FAILURES,
     3},
    {{SERVICE, "icinga2",
      .pairs = {"SERVICESTATE=CRITICAL", "MAXSERVICEATTEMPTS=3",
                "SERVICECHECKINTERVAL=60", "TIMET=900",
                "LASTSERVICEHARDSTATECHANGE=1000"}},
     FAILURES,
     3},
    {{SERVICE, "icinga2",
      .pairs = {"NOTIFICATIONTYPE=RECOVERY", "SERVICESTATE=OK", "MAXSERVICEATTEMPTS=3",
                "SERVICECHECKINTERVAL=60", "TIMET=1179",
                "LASTSERVICEHARDSTATECHANGE=1000"}},
     FAILURES,
     0},
    {{SERVICE, "icinga2", .pairs = {"SERVICESTATE=CRITICAL"}}, FAILURES, 1},
    {{HOST, "icinga2",
      .pairs = {"HOSTSTATE=DOWN", "MAXHOSTATTEMPTS=2", "HOSTCHECKINTERVAL=30.000000",
                "TIMET=1090", "LASTHOSTHARDSTATECHANGE=1000"}},
     FAILURES,
     5},
    /* The number counts more than problems: time is the limit, and the other way. */
    {{SERVICE, "icinga2",
      .pairs = {"SERVICESTATE=CRITICAL", "NOTIFICATIONNUMBER=2",
                "NOTIFICATIONINTERVAL=1800", "TIMET=1000",
                "LASTSERVICEHARDSTATECHANGE=1000"}},
     LEVEL,
     1},
    {{SERVICE, "icinga2",
      .pairs = {"SERVICESTATE=CRITICAL", "NOTIFICATIONNUMBER=9",
                "NOTIFICATIONINTERVAL=1800", "TIMET=4605",
                "LASTSERVICEHARDSTATECHANGE=1000"}},
     LEVEL,
     3},
    {{SERVICE, "icinga2",
      .pairs = {"SERVICESTATE=CRITICAL", "NOTIFICATIONNUMBER=1",
                "NOTIFICATIONINTERVAL=1800", "TIMET=100000",
                "LASTSERVICEHARDSTATECHANGE=1000"}},
     LEVEL,
     1},
    {{SERVICE, "icinga2",
      .pairs = {"SERVICESTATE=CRITICAL", "NOTIFICATIONNUMBER=4", "NOTIFICATIONINTERVAL=0",
                "TIMET=9000", "LASTSERVICEHARDSTATECHANGE=1000"}},
     LEVEL,
     1},
    {{SERVICE, "icinga2", .pairs = {"SERVICESTATE=CRITICAL", "NOTIFICATIONNUMBER=4"}},
     LEVEL,
     4},
    {{SERVICE, "icinga2", .pairs = {"SERVICESTATE=CRITICAL"}}, LEVEL, 1},

    /* Time: the check's, else the notification's, else the library takes now. */
    {{SERVICE,
      .pairs = {"LASTSERVICECHECK=1705314615", "TIMET=1705314620", "LASTHOSTCHECK=1"}},
     HS_NUMBER_TIME,
     1705314615},
    {{HOST, .pairs = {"LASTHOSTCHECK=1705314615", "TIMET=1705314620"}},
     HS_NUMBER_TIME,
     1705314615},
    {{SERVICE, .pairs = {"LASTSERVICECHECK=0", "TIMET=1705314620"}},
     HS_NUMBER_TIME,
     1705314620},
    {{SERVICE, .pairs = {"LASTSERVICECHECK=yesterday", "TIMET=1705314620"}},
     HS_NUMBER_TIME,
     1705314620},
    {{SERVICE, .pairs = {"MICROTIME=1705314620123456"}}, HS_NUMBER_TIME, 1705314620},
    {{.object = SERVICE}, HS_NUMBER_TIME, -1},

    /* Order. */
    {{SERVICE, .pairs = {"LASTSERVICECHECK=1705314615", "TIMET=1705314620"}},
     HS_NUMBER_ORDER_TIME,
     1705314620},
    {{SERVICE, .pairs = {"LASTSERVICECHECK=1705314615"}}, HS_NUMBER_ORDER_TIME, -1},
    {{SERVICE, .pairs = {"TIMET=0"}}, HS_NUMBER_ORDER_TIME, -1},
    {{SERVICE, .pairs = {"MICROTIME=1705314620123456"}},
     HS_NUMBER_ORDER_TIME,
     1705314620},
    {{SERVICE, .pairs = {"MICROTIME=1705314620123456"}},
     HS_NUMBER_ORDER_SEQUENCE,
     123456},
    {{SERVICE, .pairs = {"SERVICENOTIFICATIONID=77", "HOSTNOTIFICATIONID=76"}},
     HS_NUMBER_ORDER_SEQUENCE,
     77},
    {{HOST, .pairs = {"SERVICENOTIFICATIONID=77", "HOSTNOTIFICATIONID=76"}},
     HS_NUMBER_ORDER_SEQUENCE,
     76},
    {{SERVICE, "icinga2", .pairs = {"NOTIFICATIONNUMBER=3", "TIMET=1705314620"}},
     HS_NUMBER_ORDER_SEQUENCE,
     -1},

    /* Overrides, and what the plugin printed. */
    {{SERVICE, .pairs = {"SERVICEPERFDATA=time=0.25s"}}, HS_NUMBER_RESPONSE_TIME_MS, 250},
    {{HOST, .pairs = {"HOSTPERFDATA=rta=1.6ms;1;2;0; pl=0%"}},
     HS_NUMBER_RESPONSE_TIME_MS,
     2},
    {{SERVICE, .pairs = {"SERVICEPERFDATA=time=0.25s", "RESPONSE_TIME_MS=7"}},
     HS_NUMBER_RESPONSE_TIME_MS,
     7},
    {{SERVICE, .pairs = {"SERVICEPERFDATA=time=0.25s", "RESPONSE_TIME_MS=soon"}},
     HS_NUMBER_RESPONSE_TIME_MS,
     250},
    {{SERVICE, .pairs = {"_SERVICERESPONSE_TIME_MS=7.5"}}, HS_NUMBER_RESPONSE_TIME_MS, 8},
    {{SERVICE, .pairs = {"HOSTPERFDATA=time=1s"}}, HS_NUMBER_RESPONSE_TIME_MS, -1},
    {{SERVICE, .pairs = {"SERVICEOUTPUT=HTTP/1.1 503 Gone"}}, HS_NUMBER_STATUS_CODE, 503},
    {{SERVICE, .pairs = {"SERVICEOUTPUT=no", "LONGSERVICEOUTPUT=HTTP/2 502"}},
     HS_NUMBER_STATUS_CODE,
     502},
    {{HOST, .pairs = {"HOSTOUTPUT=HTTP/1.1 500", "STATUS_CODE=404"}},
     HS_NUMBER_STATUS_CODE,
     404},
    {{HOST, .pairs = {"HOSTOUTPUT=HTTP/1.1 500", "STATUS_CODE=1000"}},
     HS_NUMBER_STATUS_CODE,
     500},
    {{.object = SERVICE}, HS_NUMBER_STATUS_CODE, -1},
};

static void numbers(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(number_cases); i++) {
        struct hsp_alert alert = {0};
        struct hsp_input input;
        assert_int_equal(map(&number_cases[i].from, &input, &alert, NULL), HS_OK);
        int64_t got = alert.numbers[number_cases[i].number];
        if (got != number_cases[i].expected)
            fail_msg("case %zu, number %d: %lld, not %lld", i, number_cases[i].number,
                     (long long)got, (long long)number_cases[i].expected);
        hsp_alert_free(&alert);
        hsp_input_free(&input);
    }
}

static const struct {
    struct notification from;
    enum hs_text text;
    const char *expected; /* NULL: not set */
} text_cases[] = {
    {{.object = SERVICE}, HS_TEXT_HOST, "web-01"},
    {{.object = SERVICE}, HS_TEXT_SERVICE, "API"},
    {{.object = HOST}, HS_TEXT_SERVICE, NULL},
    {{.object = HOST}, HS_TEXT_SYSTEM, "nagios"},
    {{HOST, .system = "icinga2"}, HS_TEXT_SYSTEM, "icinga2"},
    {{.object = HOST}, HS_TEXT_MONITOR_NAME, NULL},
    {{HOST, .bare = true, .pairs = {"MONITOR_NAME=shop"}}, HS_TEXT_HOST, "shop"},
    {{SERVICE, .bare = true, .pairs = {"MONITOR_NAME=shop"}}, HS_TEXT_SERVICE, "shop"},
    {{SERVICE, .bare = true, .pairs = {"MONITOR_NAME=shop", "HOSTNAME=web-01"}},
     HS_TEXT_HOST,
     "web-01"},

    {{SERVICE, .pairs = {"_SERVICEURL=https://a/", "SERVICEACTIONURL=https://b/"}},
     HS_TEXT_MONITOR_URL,
     "https://a/"},
    {{SERVICE, .pairs = {"_SERVICEURL=https://a/", "URL=https://c/"}},
     HS_TEXT_MONITOR_URL,
     "https://c/"},
    {{SERVICE, .pairs = {"SERVICEACTIONURL=https://b/?x=API%20Server"}},
     HS_TEXT_MONITOR_URL,
     "https://b/?x=API%20Server"},
    {{SERVICE, .pairs = {"SERVICEACTIONURL=HTTP://b/"}},
     HS_TEXT_MONITOR_URL,
     "HTTP://b/"},
    {{SERVICE, .pairs = {"_HOSTURL=https://a/", "HOSTACTIONURL=https://b/"}},
     HS_TEXT_MONITOR_URL,
     NULL},
    {{HOST, .pairs = {"_HOSTURL=tcp://a:22", "HOSTACTIONURL=https://b/"}},
     HS_TEXT_MONITOR_URL,
     "tcp://a:22"},
    {{HOST, .pairs = {"HOSTACTIONURL=/pnp4nagios/graph?host=web-01"}},
     HS_TEXT_MONITOR_URL,
     NULL},
    {{HOST, .pairs = {"HOSTACTIONURL=https://g/?h=web' class='tips' rel='/x"}},
     HS_TEXT_MONITOR_URL,
     NULL},
    {{HOST, .pairs = {"HOSTACTIONURL=https://g/ extra"}}, HS_TEXT_MONITOR_URL, NULL},
    {{HOST, .pairs = {"HOSTACTIONURL=javascript:alert(1)"}}, HS_TEXT_MONITOR_URL, NULL},

    {{SERVICE, .pairs = {"_HOSTREGION=eu"}}, HS_TEXT_REGION, "eu"},
    {{SERVICE, .pairs = {"_HOSTREGION=eu", "_SERVICEREGION=us"}}, HS_TEXT_REGION, "us"},
    {{SERVICE, .pairs = {"_HOSTENDPOINT=ops"}}, HS_TEXT_ENDPOINTS, "ops"},
    {{SERVICE, .pairs = {"_HOSTMONITOR_ID=m", "_HOSTMONITOR_NAME=n"}},
     HS_TEXT_MONITOR_ID,
     NULL},
    {{SERVICE, .pairs = {"_SERVICEMONITOR_ID=m"}}, HS_TEXT_MONITOR_ID, "m"},

    {{SERVICE, .pairs = {"SERVICESTATE=CRITICAL", "SERVICEOUTPUT=out",
                         "LONGSERVICEOUTPUT=a\\nb", "HOSTOUTPUT=other"}},
     HS_TEXT_ERROR_MESSAGE,
     "out\na\nb"},
    {{HOST, .pairs = {"HOSTSTATE=DOWN", "SERVICEOUTPUT=other", "HOSTOUTPUT=out"}},
     HS_TEXT_ERROR_MESSAGE,
     "out"},
    {{SERVICE, .pairs = {"SERVICESTATE=CRITICAL"}}, HS_TEXT_ERROR_MESSAGE, ""},
    {{SERVICE, .pairs = {"SERVICESTATE=OK", "SERVICEOUTPUT=fine"}},
     HS_TEXT_ERROR_MESSAGE,
     NULL},
    {{SERVICE, .pairs = {"SERVICESTATE=OK", "SERVICEOUTPUT=fine",
                         "NOTIFICATIONTYPE=FLAPPINGSTART"}},
     HS_TEXT_ERROR_MESSAGE,
     NULL},

    /* Fold keys: the same for every contact, others for every notification. */
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICENOTIFICATIONID=7",
                         "TIMET=1000", "CONTACTNAME=alice"}},
     HS_TEXT_FOLD_KEY,
     "web-01;API;PROBLEM;7;1000"},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICENOTIFICATIONID=7",
                         "TIMET=1001", "PROCESSSTARTTIME=900", "CONTACTNAME=bob"}},
     HS_TEXT_FOLD_KEY,
     "web-01;API;PROBLEM;7;900"},
    {{HOST, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "HOSTNOTIFICATIONID=7",
                      "SERVICENOTIFICATIONID=8", "TIMET=1000"}},
     HS_TEXT_FOLD_KEY,
     "web-01;;PROBLEM;7;1000"},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICENOTIFICATIONID=7",
                         "TIMET=1000", "ENDPOINT=ops"}},
     HS_TEXT_FOLD_KEY,
     "web-01;API;PROBLEM;7;1000;ops"},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "TIMET=1000"}},
     HS_TEXT_FOLD_KEY,
     NULL},
    {{SERVICE, .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICENOTIFICATIONID=7"}},
     HS_TEXT_FOLD_KEY,
     NULL},
    {{SERVICE, .pairs = {"SERVICENOTIFICATIONID=7", "TIMET=1000"}},
     HS_TEXT_FOLD_KEY,
     NULL},
    {{SERVICE, "checkmk",
      .pairs = {"NOTIFICATIONTYPE=PROBLEM", "MICROTIME=1705314620123456"}},
     HS_TEXT_FOLD_KEY,
     "web-01;API;PROBLEM;;1705314620123456"},
    {{SERVICE, "icinga2",
      .pairs = {"NOTIFICATIONTYPE=PROBLEM", "LASTSERVICESTATECHANGE=990",
                "NOTIFICATIONNUMBER=2", "TIMET=1000"}},
     HS_TEXT_FOLD_KEY,
     "web-01!API;PROBLEM;990;2"},
    {{HOST, "icinga2",
      .pairs = {"NOTIFICATIONTYPE=PROBLEM", "LASTHOSTSTATECHANGE=990",
                "NOTIFICATIONNUMBER=2"}},
     HS_TEXT_FOLD_KEY,
     "web-01;PROBLEM;990;2"},
    {{HOST, "icinga2", .pairs = {"NOTIFICATIONTYPE=PROBLEM", "NOTIFICATIONNUMBER=2"}},
     HS_TEXT_FOLD_KEY,
     NULL},
};

static void texts(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(text_cases); i++) {
        struct hsp_alert alert = {0};
        struct hsp_input input;
        assert_int_equal(map(&text_cases[i].from, &input, &alert, NULL), HS_OK);
        const char *got = alert.texts[text_cases[i].text];
        const char *expected = text_cases[i].expected;
        if ((got == NULL) != (expected == NULL) || (got && strcmp(got, expected) != 0))
            fail_msg("case %zu, text %d: %s, not %s", i, text_cases[i].text,
                     got ? got : "(none)", expected ? expected : "(none)");
        hsp_alert_free(&alert);
        hsp_input_free(&input);
    }
}

static void what_cannot_be_named(void **state) {
    (void)state;
    static const struct {
        struct notification from;
        const char *missing; /* NULL: fine */
    } cases[] = {
        {{SERVICE, .bare = true}, "HOSTNAME"},
        {{HOST, .bare = true, .pairs = {"HOSTSTATE=DOWN"}}, "HOSTNAME"},
        {{HOST, .bare = true, .pairs = {"HOSTNAME=$HOSTNAME$"}}, "HOSTNAME"},
        {{SERVICE, .bare = true, .pairs = {"SERVICEDESC=API"}}, "HOSTNAME"},
        {{HOST, .bare = true, .pairs = {"MONITOR_ID=m"}}, "HOSTNAME"},
        {{SERVICE, .bare = true, .pairs = {"HOSTNAME=web-01"}}, "SERVICEDESC"},
        {{HOST, .bare = true, .pairs = {"HOSTNAME=web-01"}}, NULL},
        {{SERVICE, .bare = true, .pairs = {"HOSTNAME=web-01", "MONITOR_NAME=x"}}, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hsp_alert alert = {.kind = HS_KIND_TEST};
        struct hsp_alert untouched = alert;
        struct hsp_input input;
        struct hs_error err = {0};
        enum hs_status status = map(&cases[i].from, &input, &alert, &err);
        assert_int_equal(status, cases[i].missing ? HS_E_DATA : HS_OK);
        if (cases[i].missing) {
            assert_non_null(strstr(err.text, cases[i].missing));
            assert_memory_equal(&alert, &untouched, sizeof alert);
        }
        hsp_alert_free(&alert);
        hsp_input_free(&input);
    }
}

static enum hs_status map_input(void *context, struct hs_error *err) {
    const struct hsp_rules rules = {HSP_OBJECT_SERVICE, "nagios", HS_STATE_DOWN};
    struct hsp_alert alert = {.kind = HS_KIND_TEST};
    const struct hsp_alert untouched = alert;
    enum hs_status status = hsp_alert_map(&alert, context, &rules, err);
    if (status != HS_OK)
        assert_memory_equal(&alert, &untouched, sizeof(alert));
    hsp_alert_free(&alert);
    return status;
}

static void without_memory(void **state) {
    (void)state;
    const struct notification from = {
        SERVICE,
        .pairs = {"NOTIFICATIONTYPE=PROBLEM", "SERVICESTATE=CRITICAL",
                  "SERVICEOUTPUT=out", "SERVICENOTIFICATIONID=77", "TIMET=1000"}};
    struct hsp_input input = collect(&from);
    alloc_fail_each(map_input, &input);
    hsp_input_free(&input);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states),         cmocka_unit_test(numbers),
        cmocka_unit_test(texts),          cmocka_unit_test(what_cannot_be_named),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
