/* SPDX-License-Identifier: MIT */
/* Input of hookspool-notify: precedence of the sources, absent values, macro names, and
 * what is kept as a detail. */
#include "config.h"

#include "alloc_fail.h"
#include "macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void absent_values(void **state) {
    (void)state;
    static const struct {
        const char *value;
        bool absent;
    } cases[] = {
        {"", true},
        {"$SERVICESTATE$", true},
        {"$_SERVICEURL$", true},
        {"$_$", true},
        {"$HOSTSTATE:WEB01$", true},
        {"$ARG1$", true},
        {" ", false},
        {"$", false},
        {"$$", false},
        {"$$$", false},
        {"$1ARG$", false},
        {"$:X$", false},
        {"$servicestate$", false},
        {"$HOST STATE$", false},
        {"$HOSTSTATE$ ", false},
        {"x$HOSTSTATE$", false},
        {"$HOST$STATE$", false},
        {"costs $5", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (hsp_value_is_absent(cases[i].value) != cases[i].absent)
            fail_msg("\"%s\"", cases[i].value);
}

static void arguments(void **state) {
    (void)state;
    static const struct {
        const char *argument;
        const char *key; /* NULL: refused */
        const char *value;
    } cases[] = {
        {"HOSTNAME=web-01", "HOSTNAME", "web-01"},
        {"SERVICEOUTPUT=a=b=c", "SERVICEOUTPUT", "a=b=c"},
        {"X= ", "X", " "},
        {"X==", "X", "="},
        {"HOSTNAME", NULL, NULL},
        {"=web-01", NULL, NULL},
        {"=", NULL, NULL},
        {"", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hsp_input input = {0};
        struct hs_error err = {0};
        enum hs_status status = hsp_input_add_argument(&input, cases[i].argument, &err);
        assert_int_equal(status, cases[i].key ? HS_OK : HS_E_DATA);
        assert_int_equal(err.status, status);
        assert_int_equal(input.count, cases[i].key ? 1 : 0);
        if (cases[i].key)
            assert_string_equal(hsp_input_get(&input, cases[i].key), cases[i].value);
        else
            assert_non_null(strstr(err.text, "is not KEY=VALUE"));
        hsp_input_free(&input);
    }
}

static void refusal_keeps_the_first_error(void **state) {
    (void)state;
    struct hsp_input input = {0};
    struct hs_error err = {.status = HS_E_IO, .text = "first"};
    assert_int_equal(hsp_input_add_argument(&input, "junk", &err), HS_E_DATA);
    assert_string_equal(err.text, "first");
    assert_int_equal(hsp_input_add_argument(&input, "junk", NULL), HS_E_DATA);
    hsp_input_free(&input);
}

/* One environment and one argument each. */
static void stronger_source_wins(void **state) {
    (void)state;
    static const struct {
        const char *environment[5];
        const char *argument;
        const char *expected; /* of HOSTNAME; NULL: absent */
    } cases[] = {
        {{"NAGIOS_HOSTNAME=a"}, NULL, "a"},
        {{"ICINGA_HOSTNAME=a"}, NULL, "a"},
        {{"NAGIOS_HOSTNAME=a", "ICINGA_HOSTNAME=b"}, NULL, "a"},
        {{"NAGIOS_HOSTNAME=a", "ICINGA_HOSTNAME=b"}, "HOSTNAME=c", "c"},
        {{"NAGIOS_HOSTNAME=a"}, "HOSTNAME=", "a"},
        {{"NAGIOS_HOSTNAME=a"}, "HOSTNAME=$HOSTNAME$", "a"},
        {{"NAGIOS_HOSTNAME=", "ICINGA_HOSTNAME=b"}, NULL, "b"},
        {{"NOTIFY_HOSTNAME=a"}, NULL, NULL},
        {{"NOTIFY_HOSTNAME=a", "NOTIFY_WHAT=HOST"}, NULL, "a"},
        {{"NOTIFY_HOSTNAME=a", "NOTIFY_WHAT=HOST", "NAGIOS_HOSTNAME=b"}, NULL, "b"},
        {{"HOSTNAME=shell"}, NULL, NULL},
        {{"NAGIOS_HOSTNAMES=a", "NAGIOS_HOSTNAM=a", "NAGIOS_=a", "NAGIOS_X"}, NULL, NULL},
        {{"NAGIOS_HOSTNAME=a=b"}, NULL, "a=b"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hsp_input input = {0};
        assert_int_equal(
            hsp_input_add_environment(&input, (char *const *)cases[i].environment, NULL),
            HS_OK);
        if (cases[i].argument)
            assert_int_equal(hsp_input_add_argument(&input, cases[i].argument, NULL),
                             HS_OK);
        const char *got = hsp_input_get(&input, "HOSTNAME");
        if (cases[i].expected)
            assert_string_equal(got ? got : "(absent)", cases[i].expected);
        else
            assert_null(got);
        hsp_input_free(&input);
    }
}

static void last_of_equal_keys_wins(void **state) {
    (void)state;
    struct hsp_input input = {0};
    assert_int_equal(hsp_input_add_argument(&input, "URL=first", NULL), HS_OK);
    assert_int_equal(hsp_input_add_argument(&input, "URL=second", NULL), HS_OK);
    assert_string_equal(hsp_input_get(&input, "URL"), "second");
    assert_int_equal(hsp_input_add(&input, "URL", "option", NULL), HS_OK);
    assert_string_equal(hsp_input_get(&input, "URL"), "option");
    assert_false(hsp_input_is_detail(&input, 0));
    assert_false(hsp_input_is_detail(&input, 1));
    assert_true(hsp_input_is_detail(&input, 2));
    hsp_input_free(&input);
    assert_null(hsp_input_get(&input, "URL"));
}

/* What is inherited is kept only where it cannot hold a password or a whole group. */
static void details(void **state) {
    (void)state;
    static const struct {
        const char *key;
        bool kept_inherited;
    } cases[] = {
        {"HOSTNAME", true},
        {"SERVICENOTESURL", true},
        {"CONTACTEMAIL", true},
        {"TEAM", true},
        {"ARGUMENT", true},
        {"ARG1", false},
        {"ARG32", false},
        {"SERVICECHECKCOMMAND", false},
        {"HOSTCHECKCOMMAND", false},
        {"PARAMETER_1", false},
        {"PARAMETERS", false},
        {"_SERVICESNMPCOMMUNITY", false},
        {"_HOSTPASSWORD", false},
        {"HOSTGROUPMEMBERS", false},
        {"SERVICEGROUPMEMBERS", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char entry[80];
        char argument[80];
        char *environment[] = {entry, NULL};
        struct hsp_input input = {0};
        snprintf(entry, sizeof entry, "NAGIOS_%s=value", cases[i].key);
        assert_int_equal(hsp_input_add_environment(&input, environment, NULL), HS_OK);
        assert_int_equal(input.count, 1);
        if (hsp_input_is_detail(&input, 0) != cases[i].kept_inherited)
            fail_msg("inherited %s", cases[i].key);
        /* Given on the command line, somebody wanted it. */
        snprintf(argument, sizeof argument, "%s=value", cases[i].key);
        assert_int_equal(hsp_input_add_argument(&input, argument, NULL), HS_OK);
        assert_false(hsp_input_is_detail(&input, 0));
        assert_true(hsp_input_is_detail(&input, 1));
        hsp_input_free(&input);
    }
}

static void absent_is_no_detail(void **state) {
    (void)state;
    struct hsp_input input = {0};
    assert_int_equal(hsp_input_add_argument(&input, "NOTES=$NOTES$", NULL), HS_OK);
    assert_int_equal(hsp_input_add_argument(&input, "EMPTY=", NULL), HS_OK);
    assert_false(hsp_input_is_detail(&input, 0));
    assert_false(hsp_input_is_detail(&input, 1));
    hsp_input_free(&input);
}

static void many_pairs(void **state) {
    (void)state;
    struct hsp_input input = {0};
    char key[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "KEY%d", i);
        assert_int_equal(hsp_input_add(&input, key, i % 2 ? "odd" : "even", NULL), HS_OK);
    }
    assert_int_equal(input.count, 1000);
    assert_string_equal(hsp_input_get(&input, "KEY0"), "even");
    assert_string_equal(hsp_input_get(&input, "KEY999"), "odd");
    hsp_input_free(&input);
}

static void macro_names(void **state) {
    (void)state;
    const enum hsp_object host = HSP_OBJECT_HOST, service = HSP_OBJECT_SERVICE;
    static const char *const pairs[] = {"HOSTNAME=h",
                                        "HOSTSTATE=DOWN",
                                        "SERVICESTATE=OK",
                                        "LASTHOSTCHECK=1",
                                        "LASTSERVICECHECK=2",
                                        "NOTIFICATIONNUMBER=7",
                                        "HOSTACKAUTHOR=eve",
                                        "_HOSTURL=hu",
                                        "_HOSTREGION=hr",
                                        "_HOSTMONITOR_ID=hm",
                                        "HOST_ENDPOINT=he",
                                        "MAXHOSTATTEMPTS=3",
                                        "MAXSERVICEATTEMPTS=4",
                                        "HOSTACTIONURL=ha",
                                        "_SERVICEREGION=sr",
                                        "SERVICEDESC=s",
                                        "SERVICE_STATUS_CODE=503"};
    const struct {
        enum hsp_object object;
        enum hsp_field field;
        const char *expected;
    } cases[] = {
        {host, HSP_FIELD_HOST, "h"},           {service, HSP_FIELD_HOST, "h"},
        {host, HSP_FIELD_SERVICE, NULL},       {service, HSP_FIELD_SERVICE, "s"},
        {host, HSP_FIELD_STATE, "DOWN"},       {service, HSP_FIELD_STATE, "OK"},
        {host, HSP_FIELD_LAST_CHECK, "1"},     {service, HSP_FIELD_LAST_CHECK, "2"},
        {host, HSP_FIELD_MAX_ATTEMPTS, "3"},   {service, HSP_FIELD_MAX_ATTEMPTS, "4"},
        {host, HSP_FIELD_NUMBER, "7"},         {service, HSP_FIELD_NUMBER, "7"},
        {host, HSP_FIELD_AUTHOR, "eve"},       {service, HSP_FIELD_AUTHOR, NULL},
        {host, HSP_FIELD_URL, "hu"},           {service, HSP_FIELD_URL, NULL},
        {service, HSP_FIELD_ACTION_URL, NULL}, {service, HSP_FIELD_MONITOR_ID, NULL},
        {host, HSP_FIELD_REGION, "hr"},        {service, HSP_FIELD_REGION, "sr"},
        {service, HSP_FIELD_ENDPOINT, "he"},   {service, HSP_FIELD_STATUS_CODE, "503"},
        {host, HSP_FIELD_STATUS_CODE, NULL},
    };
    struct hsp_input input = {0};
    for (size_t i = 0; i < COUNT(pairs); i++)
        assert_int_equal(hsp_input_add_argument(&input, pairs[i], NULL), HS_OK);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *got = hsp_macro_get(&input, cases[i].object, cases[i].field);
        const char *expected = cases[i].expected;
        if ((got == NULL) != (expected == NULL) || (got && strcmp(got, expected) != 0))
            fail_msg("case %zu: %s", i, got ? got : "(absent)");
    }
    hsp_input_free(&input);
}

/* Every field has a macro, for a host where hosts have such a thing. */
static void every_field_has_a_name(void **state) {
    (void)state;
    struct hsp_input all = {0};
    static const char *const names[] = {"HOSTNAME",
                                        "NOTIFICATIONTYPE",
                                        "%STATE",
                                        "LAST%STATE",
                                        "LAST%STATETYPE",
                                        "PREVIOUS%HARDSTATE",
                                        "%ATTEMPT",
                                        "MAX%ATTEMPTS",
                                        "%NOTIFICATIONNUMBER",
                                        "%NOTIFICATIONID",
                                        "TIMET",
                                        "MICROTIME",
                                        "PROCESSSTARTTIME",
                                        "LAST%CHECK",
                                        "LAST%STATECHANGE",
                                        "LAST%HARDSTATECHANGE",
                                        "%CHECKINTERVAL",
                                        "NOTIFICATIONINTERVAL",
                                        "%OUTPUT",
                                        "LONG%OUTPUT",
                                        "%PERFDATA",
                                        "NOTIFICATIONAUTHOR",
                                        "NOTIFICATIONCOMMENT",
                                        "%ACTIONURL",
                                        "URL",
                                        "MONITOR_ID",
                                        "MONITOR_NAME",
                                        "REGION",
                                        "ENDPOINT",
                                        "RESPONSE_TIME_MS",
                                        "STATUS_CODE"};
    for (size_t i = 0; i < COUNT(names); i++) {
        const char *objects[] = {"HOST", "SERVICE"};
        for (size_t o = 0; o < 2; o++) {
            char key[64];
            const char *mark = strchr(names[i], '%');
            snprintf(key, sizeof key, "%.*s%s%s",
                     (int)(mark ? mark - names[i] : (long)strlen(names[i])), names[i],
                     mark ? objects[o] : "", mark ? mark + 1 : "");
            assert_int_equal(hsp_input_add(&all, key, names[i], NULL), HS_OK);
        }
    }
    assert_int_equal(COUNT(names) + 1, HSP_FIELD_COUNT); /* SERVICEDESC is apart */
    for (int f = 0; f < HSP_FIELD_COUNT; f++) {
        if (f == HSP_FIELD_SERVICE)
            continue;
        const char *host = hsp_macro_get(&all, HSP_OBJECT_HOST, f);
        const char *service = hsp_macro_get(&all, HSP_OBJECT_SERVICE, f);
        if (!host || !service || strcmp(host, service) != 0)
            fail_msg("field %d: %s, %s", f, host ? host : "-", service ? service : "-");
    }
    hsp_input_free(&all);
}

static enum hs_status collect(void *context, struct hs_error *err) {
    (void)context;
    char *const environment[] = {"NAGIOS_HOSTNAME=a", "ICINGA_X=b", NULL};
    struct hsp_input input = {0};
    enum hs_status status = hsp_input_add_environment(&input, environment, err);
    if (status == HS_OK)
        status = hsp_input_add_argument(&input, "TIMET=1000", err);
    if (status == HS_OK)
        status = hsp_input_add(&input, "URL", "https://a/", err);
    hsp_input_free(&input);
    return status;
}

static void without_memory(void **state) {
    (void)state;
    alloc_fail_each(collect, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_values),
        cmocka_unit_test(arguments),
        cmocka_unit_test(refusal_keeps_the_first_error),
        cmocka_unit_test(stronger_source_wins),
        cmocka_unit_test(last_of_equal_keys_wins),
        cmocka_unit_test(details),
        cmocka_unit_test(absent_is_no_detail),
        cmocka_unit_test(many_pairs),
        cmocka_unit_test(macro_names),
        cmocka_unit_test(every_field_has_a_name),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
