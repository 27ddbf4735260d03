/* SPDX-License-Identifier: MIT */
/* Pauses: the row, its bounds and its jitter. */
#include "config.h"

#include "delivery/backoff.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_row(void **state) {
    /* backoff = "10s", backoff_max = "1h"; then odd ones. */
    static const struct {
        int attempts;
        int64_t first_ms, max_ms, longest_ms;
    } cases[] = {
        {1, 10000, 3600000, 10000},
        {2, 10000, 3600000, 30000},
        {3, 10000, 3600000, 90000},
        {4, 10000, 3600000, 270000},
        {5, 10000, 3600000, 810000},
        {6, 10000, 3600000, 2430000},
        {7, 10000, 3600000, 3600000},
        {INT_MAX, 10000, 3600000, 3600000},
        {0, 10000, 3600000, 10000},
        {-5, 10000, 3600000, 10000},
        {1, 10000, 1000, 1000},
        {1, 0, 1000, 1},
        {50, 0, 1000, 1},
        {3, -7, 1000, 1},
        {3, 10, -1, 1},
        {1, 1, 1, 1},
        {100, 1, INT64_MAX, INT64_MAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const int64_t longest = cases[i].longest_ms;
        const uint32_t randoms[] = {0, 1, 0x7fffffff, 0x80000000, UINT32_MAX};
        assert_int_equal(
            hsp_backoff_ms(cases[i].attempts, cases[i].first_ms, cases[i].max_ms, 0),
            longest);
        for (size_t r = 0; r < sizeof(randoms) / sizeof(randoms[0]); r++) {
            const int64_t pause_ms = hsp_backoff_ms(cases[i].attempts, cases[i].first_ms,
                                                    cases[i].max_ms, randoms[r]);
            assert_true(pause_ms >= 1);
            assert_true(pause_ms >= longest - longest / 5);
            assert_true(pause_ms <= longest);
        }
    }
}

/* The whole of 80 % to 100 % is used, and evenly. */
static void test_jitter_is_even(void **state) {
    int tenths[10] = {0};
    (void)state;
    assert_int_equal(hsp_backoff_ms(1, 10000, 10000, UINT32_MAX), 8000);
    for (uint64_t i = 0; i < 10000; i++) {
        const uint32_t random = (uint32_t)(i * (UINT32_MAX / 10000));
        const int64_t pause_ms = hsp_backoff_ms(1, 10000, 10000, random);
        assert_in_range(pause_ms, 8000, 10000);
        tenths[(pause_ms - 8000) * 10 / 2001]++;
    }
    for (size_t i = 0; i < 10; i++)
        assert_in_range(tenths[i], 950, 1050);
}

static void test_busy(void **state) {
    static const struct {
        int64_t retry_after_s, fallback_ms, pause_ms;
    } cases[] = {
        {-1, 10000, 10000},
        {-1, 0, 1},
        {-1, -1, 1},
        {0, 10000, 10000},
        {0, 0, 1},
        {1, 10000, 1000},
        {3600, 1, HSP_BUSY_MAX_MS},
        {3599, 1, 3599000},
        {3601, 1, HSP_BUSY_MAX_MS},
        {86400, 1, HSP_BUSY_MAX_MS},
        {INT64_MAX, 1, HSP_BUSY_MAX_MS},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(hsp_busy_ms(cases[i].retry_after_s, cases[i].fallback_ms),
                         cases[i].pause_ms);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row),
        cmocka_unit_test(test_jitter_is_even),
        cmocka_unit_test(test_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
