/* SPDX-License-Identifier: MIT */
/* The outcome table, row by row and at its edges. */
#include "config.h"

#include "delivery/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_table(void **state) {
    static const struct {
        long first, last;
        int64_t retry_after_s;
        enum hsp_verdict verdict;
    } cases[] = {
        {-1, 199, -1, HSP_RETRY}, /* no answer at all */
        {200, 299, -1, HSP_DELIVERED},     {200, 299, 5, HSP_DELIVERED},
        {300, 399, -1, HSP_MISCONFIGURED}, {400, 400, -1, HSP_REJECTED},
        {401, 401, -1, HSP_MISCONFIGURED}, {402, 402, -1, HSP_REJECTED},
        {403, 405, -1, HSP_MISCONFIGURED}, {406, 406, -1, HSP_REJECTED},
        {407, 407, -1, HSP_MISCONFIGURED}, {408, 408, -1, HSP_RETRY},
        {409, 409, -1, HSP_REJECTED},      {410, 410, -1, HSP_GONE},
        {411, 424, -1, HSP_REJECTED},      {413, 413, 7, HSP_REJECTED},
        {425, 425, -1, HSP_RETRY},         {426, 428, -1, HSP_REJECTED},
        {429, 429, -1, HSP_BUSY},          {429, 429, 0, HSP_BUSY},
        {430, 499, -1, HSP_REJECTED},      {500, 599, -1, HSP_RETRY},
        {500, 502, 9, HSP_RETRY},          {503, 503, 0, HSP_BUSY},
        {503, 503, 120, HSP_BUSY},         {504, 1000, 120, HSP_RETRY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (long status = cases[i].first; status <= cases[i].last; status++)
            assert_int_equal(hsp_verdict(status, cases[i].retry_after_s),
                             cases[i].verdict);
}

static void test_texts(void **state) {
    (void)state;
    assert_string_equal(hsp_verdict_text(HSP_DELIVERED), "delivered");
    assert_string_equal(hsp_verdict_text(HSP_RETRY), "retry");
    assert_string_equal(hsp_verdict_text(HSP_BUSY), "busy");
    assert_string_equal(hsp_verdict_text(HSP_MISCONFIGURED), "misconfigured");
    assert_string_equal(hsp_verdict_text(HSP_GONE), "gone");
    assert_string_equal(hsp_verdict_text(HSP_REJECTED), "rejected");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
