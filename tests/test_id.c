/* SPDX-License-Identifier: MIT */
/* Event ids and the hash of a monitored object. The hash vectors stand in docs/payload.md
 * and never change. */
#include "config.h"

#include "id.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void test_new_ids_ascend(void **state) {
    (void)state;
    char last[HSP_ID_LENGTH + 1] = "";
    for (int i = 0; i < 10000; i++) {
        char id[HSP_ID_LENGTH + 1];
        assert_int_equal(hsp_id_new(id, NULL), HS_OK);
        assert_true(hsp_id_is_valid(id));
        assert_true(strcmp(last, id) < 0);
        memcpy(last, id, sizeof last);
    }
}

/* The first 48 bits are the milliseconds of the clock. */
static void test_new_id_has_the_time(void **state) {
    (void)state;
    char id[HSP_ID_LENGTH + 1];
    const int64_t before = (int64_t)time(NULL) * 1000 - 1000;
    assert_int_equal(hsp_id_new(id, NULL), HS_OK);
    char digits[13];
    memcpy(digits, id, 8);
    memcpy(digits + 8, id + 9, 4);
    digits[12] = '\0';
    const int64_t ms = strtoll(digits, NULL, 16);
    assert_true(ms > before && ms < before + 60000);
}

#define IDS_A_THREAD 2000
#define THREADS 4
static char thread_ids[THREADS][IDS_A_THREAD][HSP_ID_LENGTH + 1];

static void *make_ids(void *ids) {
    char(*id)[HSP_ID_LENGTH + 1] = ids;
    for (int i = 0; i < IDS_A_THREAD; i++)
        if (hsp_id_new(id[i], NULL) != HS_OK)
            return ids;
    return NULL;
}

static int compare(const void *a, const void *b) { return strcmp(a, b); }

static void test_ids_of_threads_differ(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_ids, thread_ids[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    char(*ids)[HSP_ID_LENGTH + 1] = thread_ids[0];
    qsort(ids, THREADS * IDS_A_THREAD, sizeof ids[0], compare);
    /* Time stamps alone, without the random half, are given out once. */
    for (int i = 1; i < THREADS * IDS_A_THREAD; i++)
        assert_true(strncmp(ids[i - 1], ids[i], 18) < 0);
}

static void test_valid(void **state) {
    (void)state;
    static const struct {
        const char *id;
        bool valid;
    } cases[] = {
        {"017f22e2-79b0-7cc3-98c4-dc0c0c07398f", true}, /* RFC 9562, appendix A.6 */
        {"017f22e2-79b0-7cc3-88c4-dc0c0c07398f", true},
        {"017f22e2-79b0-7cc3-b8c4-dc0c0c07398f", true},
        {"017F22E2-79B0-7CC3-98C4-DC0C0C07398F", false}, /* upper case */
        {"017f22e2-79b0-4cc3-98c4-dc0c0c07398f", false}, /* version 4 */
        {"017f22e2-79b0-7cc3-78c4-dc0c0c07398f", false}, /* variant */
        {"017f22e2-79b0-7cc3-c8c4-dc0c0c07398f", false}, /* variant */
        {"017f22e279b07cc398c4dc0c0c07398f", false},
        {"017f22e2-79b0-7cc3-98c4-dc0c0c07398", false},
        {"017f22e2-79b0-7cc3-98c4-dc0c0c07398f0", false},
        {"017f22e2-79b0-7cc3-98c4-dc0c0c07398g", false},
        {"017f22e2/79b0-7cc3-98c4-dc0c0c07398f", false},
        {"../../../../etc/passwd", false},
        {"017f22e2-79b0-7cc3-", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(hsp_id_is_valid(cases[i].id), cases[i].valid);
}

static void test_hash(void **state) {
    (void)state;
    /* Vectors published with FNV-1a. */
    assert_true(hsp_hash("", 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(hsp_hash("a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(hsp_hash("foobar", 6) == UINT64_C(0x85944171f73967e8));
    assert_true(hsp_hash("a\0", 2) != hsp_hash("a", 1));
}

static void test_monitor_ids(void **state) {
    (void)state;
    static const struct {
        const char *site, *system, *host, *service;
        uint64_t hash;
        const char *id;
    } cases[] = {
        {"", "", "", "", UINT64_C(0x4d25767f9dce13f5), "mon_68fxt3q1y7lh"},
        {"", "nagios", "web-01", "", UINT64_C(0x867c31b62fa40d46), "mon_1mi9n8q5jo06"},
        {"", "nagios", "web-01", "API", UINT64_C(0xc576cf52783c2bf2), "mon_03qcec2a8x6a"},
        {"berlin", "nagios", "web-01", "API", UINT64_C(0x06094c693efa7796),
         "mon_3aytgok5qpau"},
        {"", "icinga2", "web-01", "API", UINT64_C(0x2f9c0d71590c140c),
         "mon_q2bdh6amy0b0"},
        {"", "zabbix", "Zabbix server", "Disk: /var > 90 %", UINT64_C(0x61d64698a7479571),
         "mon_hk84xu4vsnld"},
        {"", "collectd", "db-1", "df-root/percent_bytes-free",
         UINT64_C(0x6842e51b14a8cd07), "mon_l2u82xe248av"},
        {"", "nagios", "gr\303\266\303\237e", "\346\227\245\346\234\254",
         UINT64_C(0xdf0f9a0344d7c671), "mon_e47i9c5rga5t"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char id[HSP_MONITOR_ID_LENGTH + 1];
        const uint64_t hash = hsp_object_hash(cases[i].site, cases[i].system,
                                              cases[i].host, cases[i].service);
        assert_true(hash == cases[i].hash);
        hsp_monitor_id(hash, id);
        assert_string_equal(id, cases[i].id);
    }
}

static void test_objects_differ(void **state) {
    (void)state;
    const uint64_t hash = hsp_object_hash("", "nagios", "web-01", "API");
    assert_true(hash == hsp_object_hash(NULL, "nagios", "web-01", "API"));
    assert_true(hash != hsp_object_hash("", "nagios", "web-01A", "PI"));
    assert_true(hash != hsp_object_hash("", "nagios", "web-01", ""));
    assert_true(hash != hsp_object_hash("nagios", "", "web-01", "API"));
}

static void test_monitor_id_digits(void **state) {
    (void)state;
    static const struct {
        uint64_t object;
        const char *id;
    } cases[] = {
        {0, "mon_000000000000"},
        {35, "mon_00000000000z"},
        {36, "mon_000000000010"},
        {UINT64_C(4738381338321616895), "mon_zzzzzzzzzzzz"}, /* 36^12 - 1 */
        {UINT64_C(4738381338321616896), "mon_000000000000"},
        {UINT64_MAX, "mon_w5e11264sgsf"}, /* 3w5e11264sgsf is 2^64 - 1 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char id[HSP_MONITOR_ID_LENGTH + 1];
        hsp_monitor_id(cases[i].object, id);
        assert_string_equal(id, cases[i].id);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_ids_ascend),
        cmocka_unit_test(test_new_id_has_the_time),
        cmocka_unit_test(test_ids_of_threads_differ),
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_monitor_ids),
        cmocka_unit_test(test_objects_differ),
        cmocka_unit_test(test_monitor_id_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
