/* SPDX-License-Identifier: MIT */
/* Names of waiting files and dead letters: written, read again, and what is none. */
#include "config.h"

#include "delivery/entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ID "018d0c7c-8b00-7000-8000-000000000001"
#define S "0000000000000001." /* a sequence number and */
#define O "00000000000000ab." /* an object */

static void check_entry(const struct hsp_entry *got, const struct hsp_entry *want) {
    assert_true(got->sequence == want->sequence);
    assert_true(got->object == want->object);
    assert_int_equal(got->attempts, want->attempts);
    assert_true(got->due_s == want->due_s);
    assert_int_equal(got->code, want->code);
    assert_int_equal(got->size, want->size);
    assert_int_equal(got->offset, want->offset);
}

static void test_paths(void **state) {
    static const struct {
        struct hsp_entry entry;
        const char *path;
    } cases[] = {
        {{0}, "00/0000000000000000.0000000000000000.0.0.0.0.0"},
        {{.sequence = 1, .object = 0xab, .size = 700}, "00/" S O "0.0.0.700.0"},
        {{.sequence = 1023, .attempts = 5, .due_s = 1700000000, .code = 503},
         "00/00000000000003ff.0000000000000000.5.1700000000.503.0.0"},
        {{.sequence = 1024}, "01/0000000000000400.0000000000000000.0.0.0.0.0"},
        {{.sequence = 0x3ffff}, "ff/000000000003ffff.0000000000000000.0.0.0.0.0"},
        {{.sequence = 0x40000}, "00/0000000000040000.0000000000000000.0.0.0.0.0"},
        {{UINT64_MAX, UINT64_MAX, 255, INT64_MAX, 999, UINT32_MAX, UINT32_MAX},
         "ff/ffffffffffffffff.ffffffffffffffff.255.9223372036854775807.999."
         "4294967295.4294967295"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[HSP_ENTRY_PATH_MAX], shard[3];
        struct hsp_entry entry;
        hsp_entry_path(&cases[i].entry, path);
        assert_string_equal(path, cases[i].path);
        hsp_entry_shard(cases[i].entry.sequence, shard);
        assert_int_equal(strlen(shard), 2);
        assert_memory_equal(path, shard, 2);
        assert_true(hsp_entry_parse(path + 3, &entry));
        check_entry(&entry, &cases[i].entry);
    }
}

static void test_other_names(void **state) {
    static const char *const names[] = {
        "",
        ".",
        "..",
        "0",
        S,
        S O,
        S O "0.0.0.0",
        S O "0.0.0.0.",
        S O "0.0.0.0.0.",
        S O "0.0.0.0.0.0",
        S O "0.0.0.0.0 ",
        S O "0.0.0..0",
        S O "0.0.0.0.x",
        S O "-1.0.0.0.0",
        S O "+1.0.0.0.0",
        S O " 1.0.0.0.0",
        S O "0x1.0.0.0.0",
        S O "256.0.0.0.0",
        S O "0.0.1000.0.0",
        S O "0.0.0.4294967296.0",
        S O "0.0.0.0.4294967296",
        S O "0.9223372036854775808.0.0.0",
        S O "0.9999999999999999999.0.0.0",
        S O "0.18446744073709551616.0.0.0",
        S O "00.0.0.0.0", /* hsp_entry_path would name another file */
        S O "0.01.0.0.0",
        S O "0.0.0200.0.0",
        S O "0.0.0.00.0",
        S O "0.0.0.0.007",
        "000000000000001." O "0.0.0.0.0",
        "00000000000000001." O "0.0.0.0.0",
        "000000000000000A." O "0.0.0.0.0",
        "000000000000000g." O "0.0.0.0.0",
        "0000000000000001-00000000000000ab.0.0.0.0.0",
        "00/" S O "0.0.0.0.0",
        S O ID,
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct hsp_entry entry = {.sequence = 77};
        if (hsp_entry_parse(names[i], &entry))
            fail_msg("\"%s\" is taken", names[i]);
        check_entry(&entry, &(struct hsp_entry){.sequence = 77});
    }
}

static void test_dead_names(void **state) {
    static const struct {
        struct hsp_entry entry;
        const char *name;
    } cases[] = {
        {{.sequence = 1, .object = 0xab}, S O ID},
        {{.sequence = UINT64_MAX, .object = UINT64_MAX},
         "ffffffffffffffff.ffffffffffffffff." ID},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[HSP_DEAD_NAME_MAX], id[HSP_ID_LENGTH + 1] = "";
        struct hsp_entry entry = cases[i].entry;
        entry.attempts = 5; /* not part of the name */
        entry.offset = 12;
        hsp_dead_name(&entry, ID, name);
        assert_string_equal(name, cases[i].name);
        assert_true(hsp_dead_parse(name, &entry, id));
        check_entry(&entry, &cases[i].entry);
        assert_string_equal(id, ID);
    }
}

static void test_other_dead_names(void **state) {
    static const char *const names[] = {
        "",
        S,
        O,
        S O,
        S O "x",
        ID,
        S ID,
        S O "." ID,
        S O ID "0",
        S O ID ".evt",
        "1." O ID,
        S "1." ID,
        "." S O ID ".new",
        S O "0.0.0.0.0",
        S O "018D0c7c-8b00-7000-8000-000000000001", /* upper case */
        S O "018d0c7c-8b00-4000-8000-000000000001", /* not of version 7 */
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct hsp_entry entry = {.sequence = 77};
        char id[HSP_ID_LENGTH + 1] = "none";
        if (hsp_dead_parse(names[i], &entry, id))
            fail_msg("\"%s\" is taken", names[i]);
        check_entry(&entry, &(struct hsp_entry){.sequence = 77});
        assert_string_equal(id, "none");
    }
}

/* What is read from a name gives this name again. */
static void test_random_names(void **state) {
    uint64_t seed = 42;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        char path[HSP_ENTRY_PATH_MAX], again[HSP_ENTRY_PATH_MAX];
        struct hsp_entry entry;
        uint64_t bits[4];
        for (size_t k = 0; k < 4; k++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            bits[k] = seed ^ seed >> 29;
        }
        hsp_entry_path(&(struct hsp_entry){bits[0], bits[1], (unsigned)bits[2] % 256,
                                           (int64_t)(bits[3] >> (bits[2] >> 59 | 1)),
                                           (unsigned)(bits[2] >> 16) % 1000,
                                           (uint32_t)bits[3], (uint32_t)(bits[2] >> 32)},
                       path);
        assert_true(hsp_entry_parse(path + 3, &entry));
        hsp_entry_path(&entry, again);
        assert_string_equal(path, again);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),        cmocka_unit_test(test_other_names),
        cmocka_unit_test(test_dead_names),   cmocka_unit_test(test_other_dead_names),
        cmocka_unit_test(test_random_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
