/* SPDX-License-Identifier: MIT */
/* The table of pointers by text. */
#include "config.h"

#include "alloc_fail.h"
#include "table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY 5000

static int numbers[MANY];

static const char *key_of(int number) {
    static char key[32];
    snprintf(key, sizeof(key), "key %d", number);
    return key;
}

static void count_one(const char *key, void *value, void *context) {
    assert_string_equal(key, key_of((int)((int *)value - numbers)));
    ++*(size_t *)context;
}

static void test_many(void **state) {
    (void)state;
    struct hsp_table table = {0};
    size_t walked = 0;
    assert_null(hsp_table_get(&table, "key 1"));
    assert_null(hsp_table_remove(&table, "key 1"));
    for (int i = 0; i < MANY; i++)
        assert_true(hsp_table_put(&table, key_of(i), &numbers[i]));
    assert_int_equal(table.count, MANY);
    for (int i = 0; i < MANY; i++)
        assert_ptr_equal(hsp_table_get(&table, key_of(i)), &numbers[i]);
    hsp_table_walk(&table, count_one, &walked);
    assert_int_equal(walked, MANY);
    for (int i = 0; i < MANY; i += 2)
        assert_ptr_equal(hsp_table_remove(&table, key_of(i)), &numbers[i]);
    for (int i = 0; i < MANY; i++)
        assert_ptr_equal(hsp_table_get(&table, key_of(i)), i % 2 ? &numbers[i] : NULL);
    hsp_table_free(&table, NULL);
    assert_int_equal(table.count, 0);
    assert_null(hsp_table_get(&table, "key 1"));
}

static void test_replace_and_release(void **state) {
    (void)state;
    struct hsp_table table = {0};
    assert_true(hsp_table_put(&table, "", strdup("one")));
    free(hsp_table_get(&table, ""));
    assert_true(hsp_table_put(&table, "", strdup("two")));
    assert_int_equal(table.count, 1);
    assert_string_equal(hsp_table_get(&table, ""), "two");
    hsp_table_free(&table, free);
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        struct hsp_table table = {0};
        bool put = true;
        int count = 0;
        alloc_fail_at(n);
        while (put && count < 40)
            put = hsp_table_put(&table, key_of(count), &numbers[count]), count += put;
        const bool failed = alloc_fail_stop();
        for (int i = 0; i < count; i++)
            assert_ptr_equal(hsp_table_get(&table, key_of(i)), &numbers[i]);
        assert_int_equal(table.count, count);
        hsp_table_free(&table, NULL);
        if (!failed)
            break;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_replace_and_release),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
