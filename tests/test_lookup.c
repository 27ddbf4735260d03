/* SPDX-License-Identifier: MIT */
/* Names looked up: found, unknown without asking anybody, given up. */
#include "config.h"

#include "delivery/lookup.h"
#include "units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static atomic_bool cancelled;
static bool hangs;

/* The resolver of these tests: --wrap=getaddrinfo. */
int __real_getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found);
int __wrap_getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found);

int __wrap_getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found) {
    if (!hangs)
        return __real_getaddrinfo(host, service, hints, found);
    usleep(400 * 1000);
    return EAI_AGAIN;
}

static void test_found(void **state) {
    struct hsp_lookup_answer answer;
    (void)state;
    hsp_lookup("127.0.0.1", 10000, &cancelled, &answer);
    assert_int_equal(answer.error, 0);
    assert_string_equal(answer.addresses, "127.0.0.1");
    hsp_lookup("::1", 10000, &cancelled, &answer);
    assert_int_equal(answer.error, 0);
    assert_string_equal(answer.addresses, "::1");
    hsp_lookup("localhost", 10000, &cancelled, &answer);
    assert_int_equal(answer.error, 0);
    assert_non_null(strstr(answer.addresses, "1"));
}

static void test_never(void **state) {
    static const char *const names[] = {"a.invalid", "A.INVALID", "a.b.invalid."};
    struct hsp_lookup_answer answer;
    (void)state;
    hangs = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        answer.error = 0;
        hsp_lookup(names[i], 0, &cancelled, &answer);
        assert_int_equal(answer.error, EAI_NONAME);
    }
    hangs = false;
}

/* The thread that is left behind ends later: it must not write to what is gone. */
static void test_given_up(void **state) {
    struct hsp_lookup_answer answer;
    (void)state;
    hangs = true;
    int64_t began_ms = hsp_now_ms(CLOCK_MONOTONIC);
    hsp_lookup("slow.example", 50, &cancelled, &answer);
    assert_int_equal(answer.error, EAI_AGAIN);
    atomic_store(&cancelled, true);
    hsp_lookup("slow.example", 60000, &cancelled, &answer);
    assert_int_equal(answer.error, EAI_AGAIN);
    assert_true(hsp_now_ms(CLOCK_MONOTONIC) - began_ms < 30000);
    atomic_store(&cancelled, false);
    hsp_lookup("slow.example", 60000, &cancelled, &answer); /* waited for */
    assert_int_equal(answer.error, EAI_AGAIN);
    usleep(600 * 1000);
    hangs = false;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_never),
        cmocka_unit_test(test_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
