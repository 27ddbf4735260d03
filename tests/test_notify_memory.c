/* SPDX-License-Identifier: MIT */
/* hookspool-notify without memory: every allocation of its own fails once in turn. Each
 * time the status says so, nothing leaks (under a sanitizer or valgrind), and outputs are
 * untouched. */
#include "config.h"

#include "mapping.h"
#include "output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int until_failure; /* 0: the next allocation fails; negative: none does */

static bool fails(void) { return until_failure >= 0 && until_failure-- == 0; }

/* The linker gives our objects' calls to these. */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size) { return fails() ? NULL : __real_malloc(size); }

char *__real_strndup(const char *text, size_t length);
char *__wrap_strndup(const char *text, size_t length);
char *__wrap_strndup(const char *text, size_t length) {
    return fails() ? NULL : __real_strndup(text, length);
}

void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size) {
    return fails() ? NULL : __real_reallocarray(old, count, size);
}

int __wrap_asprintf(char **text, const char *format, ...);
int __wrap_asprintf(char **text, const char *format, ...) {
    if (fails()) {
        *text = (char *)format; /* what it leaves there is not defined */
        return -1;
    }
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(text, format, arguments);
    va_end(arguments);
    return length;
}

static const char *const arguments[] = {
    "HOSTNAME=web-01",
    "SERVICEDESC=API",
    "NOTIFICATIONTYPE=PROBLEM",
    "TIMET=1000",
    "SERVICESTATE=CRITICAL",
    "SERVICEOUTPUT=out",
    "X=1",
    "SERVICENOTIFICATIONID=77",
};

static enum hs_status run(struct hsp_input *input, struct hsp_alert *alert,
                          struct hs_error *err) {
    char *const environment[] = {"NAGIOS_HOSTADDRESS=192.0.2.1", "ICINGA_X=2", NULL};
    const struct hsp_rules rules = {HSP_OBJECT_SERVICE, "nagios", HS_STATE_DOWN};
    enum hs_status status = hsp_input_add_environment(input, environment, err);
    for (size_t i = 0; status == HS_OK && i < sizeof(arguments) / sizeof(arguments[0]);
         i++)
        status = hsp_input_add_argument(input, arguments[i], err);
    if (status == HS_OK)
        status = hsp_input_add(input, "URL", "https://a/", err);
    return status == HS_OK ? hsp_alert_map(alert, input, &rules, err) : status;
}

static void every_allocation_fails_once(void **state) {
    (void)state;
    int failed = 0;
    for (enum hs_status status = HS_E_NOMEM; status != HS_OK; failed++) {
        struct hsp_input input = {0};
        struct hsp_alert alert = {.kind = HS_KIND_TEST};
        const struct hsp_alert untouched = alert;
        struct hs_error err = {0};
        until_failure = failed;
        status = run(&input, &alert, &err);
        until_failure = -1;
        assert_int_equal(err.status, status);
        if (status != HS_OK) {
            assert_int_equal(status, HS_E_NOMEM);
            assert_non_null(strstr(err.text, "out of memory"));
            assert_memory_equal(&alert, &untouched, sizeof(alert));
        }
        hsp_alert_free(&alert);
        hsp_input_free(&input);
    }
    /* Eleven keys, their array, the message and the fold key: each failed in its turn. */
    assert_int_equal(failed - 1, 11 + 1 + 1 + 1);
}

static void text_without_memory(void **state) {
    (void)state;
    size_t length = 5;
    until_failure = 0;
    assert_null(hsp_output_text("out", "long", &length));
    until_failure = -1;
    assert_int_equal(length, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_fails_once),
        cmocka_unit_test(text_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
