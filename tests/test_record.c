/* SPDX-License-Identifier: MIT */
/* Spool files: written and read again, and every way of being torn refused. */
#include "config.h"

#include "alloc_fail.h"
#include "record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID1 "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
#define ID2 "017f22e2-79b1-7cc3-98c4-dc0c0c07398f"

static const struct hsp_record_event first = {ID1, "{\"a\":1}", 7, "{}", 2};
/* Bytes that look like lines of the format do not matter inside of a body. */
static const struct hsp_record_event second = {ID2, "x\nend 1 2\n", 10,
                                               "{\"host\":\"h\"}", 12};

static void test_written_text(void **state) {
    (void)state;
    struct hsp_buffer out = {0};
    hsp_record_begin(&out);
    hsp_record_event(&out, &first);
    hsp_record_end(&out, 1);
    assert_string_equal(out.data, "hookspool 1\n"
                                  "event " ID1 " 7 2\n"
                                  "{\"a\":1}\n"
                                  "{}\n"
                                  "end 1 70\n");
    hsp_buffer_free(&out);
}

static void write_all(struct hsp_buffer *out) {
    hsp_record_begin(out);
    hsp_record_from(out, 4294967295);
    hsp_record_dead(out, "{\"why\":\"gone\"}", 14);
    hsp_record_event(out, &first);
    hsp_record_event(out, &second);
    hsp_record_end(out, 2);
    assert_false(out->failed);
}

static void check_event(const struct hsp_record_event *got,
                        const struct hsp_record_event *want) {
    assert_string_equal(got->id, want->id);
    assert_int_equal(got->body_length, want->body_length);
    assert_memory_equal(got->body, want->body, want->body_length);
    assert_int_equal(got->details_length, want->details_length);
    assert_memory_equal(got->details, want->details, want->details_length);
}

static void test_read_again(void **state) {
    (void)state;
    struct hsp_buffer out = {0};
    struct hsp_record_reader reader;
    struct hsp_record_event event;
    struct hs_error err = {0};
    write_all(&out);
    if (hsp_record_open(&reader, out.data, out.length, &err) != HS_OK)
        fail_msg("%s", err.text);
    assert_int_equal(reader.version, 1);
    assert_int_equal(reader.count, 2);
    assert_int_equal(reader.from, 4294967295);
    assert_int_equal(reader.dead_length, 14);
    assert_memory_equal(reader.dead, "{\"why\":\"gone\"}", 14);
    assert_true(hsp_record_next(&reader, &event));
    check_event(&event, &first);
    assert_true(hsp_record_next(&reader, &event));
    check_event(&event, &second);
    assert_false(hsp_record_next(&reader, &event));
    hsp_buffer_free(&out);
}

static void test_event_at(void **state) {
    (void)state;
    struct hsp_buffer out = {0};
    struct hsp_record_event event;
    struct hs_error err = {0};
    write_all(&out);
    const char *at = strstr(out.data, "event " ID2);
    const size_t left = out.length - (size_t)(at - out.data);
    assert_int_equal(hsp_record_event_at(&event, at, left, NULL), HS_OK);
    check_event(&event, &second);
    assert_int_equal(hsp_record_event_at(&event, at + 1, left - 1, &err), HS_E_DATA);
    assert_int_equal(hsp_record_event_at(&event, at, 60, NULL), HS_E_DATA);
    assert_true(err.text[0] != '\0');
    hsp_buffer_free(&out);
}

static void test_read_without_extras(void **state) {
    (void)state;
    struct hsp_buffer out = {0};
    struct hsp_record_reader reader;
    hsp_record_begin(&out);
    hsp_record_event(&out, &first);
    hsp_record_end(&out, 1);
    assert_int_equal(hsp_record_open(&reader, out.data, out.length, NULL), HS_OK);
    assert_int_equal(reader.from, -1);
    assert_null(reader.dead);
    hsp_buffer_free(&out);
}

/* A copy on the heap of its exact size lets a sanitizer see any byte read beyond. */
static enum hs_status open_copy(const char *bytes, size_t length,
                                struct hsp_record_reader *reader, struct hs_error *err) {
    char *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    const enum hs_status status = hsp_record_open(reader, copy, length, err);
    free(copy);
    return status;
}

static void test_every_cut_is_refused(void **state) {
    (void)state;
    struct hsp_buffer out = {0};
    struct hsp_record_reader reader;
    write_all(&out);
    for (size_t length = 0; length < out.length; length++)
        assert_int_equal(open_copy(out.data, length, &reader, NULL), HS_E_DATA);
    hsp_buffer_append(&out, "\n", 1);
    assert_int_equal(open_copy(out.data, out.length, &reader, NULL), HS_E_DATA);
    hsp_buffer_free(&out);
}

static bool is_within(const struct hsp_buffer *file, size_t at, const char *text) {
    const size_t start = (size_t)(strstr(file->data, text) - file->data);
    return at >= start && at < start + strlen(text);
}

static bool is_content(const struct hsp_buffer *file, size_t at) {
    return is_within(file, at, "{\"why\":\"gone\"}") ||
           is_within(file, at, "{\"a\":1}") || is_within(file, at, "{}") ||
           is_within(file, at, "x\nend 1 2\n") || is_within(file, at, "{\"host\":\"h\"}");
}

/* A hole of NUL bytes, as a crash of the machine can leave it, at every place. */
static void test_every_hole_outside_of_content_is_refused(void **state) {
    (void)state;
    struct hsp_buffer out = {0};
    struct hsp_record_reader reader;
    write_all(&out);
    for (size_t at = 0; at < out.length; at++) {
        const char kept = out.data[at];
        const bool content = is_content(&out, at);
        out.data[at] = '\0';
        /* The lengths say where everything is: only bytes between them may change. */
        const bool taken = open_copy(out.data, out.length, &reader, NULL) == HS_OK;
        assert_int_equal(taken, content);
        out.data[at] = kept;
    }
    hsp_buffer_free(&out);
}

static void test_refused(void **state) {
    (void)state;
#define EVENT "event " ID1 " 7 2\n{\"a\":1}\n{}\n"
    static const struct {
        const char *file;
        int version;
        const char *error;
    } cases[] = {
        {"", 0, "not a spool file"},
        {"hookspool", 0, "not a spool file"},
        {"hookspool x\n", 0, "not a spool file"},
        {"hookspool 0\n" EVENT "end 1 70\n", 0, "not a spool file"},
        {"hookspool 01\n" EVENT "end 1 71\n", 0, "not a spool file"},
        {"hookspool -1\n", 0, "not a spool file"},
        {"Hookspool 1\n" EVENT "end 1 70\n", 0, "not a spool file"},
        {"hookspool 2\nanything", 2, "version 2"},
        {"hookspool 1\r\n" EVENT "end 1 71\n", 0, "not a spool file"},
        {"hookspool 1\n" EVENT "end 1 70", 1, "end line"},
        {"hookspool 1\n" EVENT "end 1 71\n", 1, "end line"},
        {"hookspool 1\n" EVENT "end 2 70\n", 1, "end line"},
        {"hookspool 1\n" EVENT "end 1 70\nx", 1, "end line"},
        {"hookspool 1\n" EVENT "end 1 070\n", 1, "end line"},
        {"hookspool 1\n" EVENT "end 1  70\n", 1, "end line"},
        {"hookspool 1\nend 0 12\n", 1, "wrong event"},
        {"hookspool 1\nevent " ID1 " 8 2\n{\"a\":1}\n{}\nend 1 70\n", 1, "wrong event"},
        {"hookspool 1\nevent " ID1 " 7 3\n{\"a\":1}\n{}\nend 1 70\n", 1, "wrong event"},
        {"hookspool 1\nevent " ID1 " 7 1\n{\"a\":1}\n{}\nend 1 70\n", 1, "wrong event"},
        {"hookspool 1\nevent " ID1 " 7\n{\"a\":1}\n{}\nend 1 68\n", 1, "wrong event"},
        {"hookspool 1\nevent " ID1 " -7 2\n{\"a\":1}\n{}\nend 1 71\n", 1, "wrong event"},
        {"hookspool 1\nevent " ID1 " 99999999999999999999999 2\n{}\n{}\nend 1 70\n", 1,
         "wrong event"},
        {"hookspool 1\nevent " ID1 " 18446744073709551615 2\n{}\n{}\nend 1 70\n", 1,
         "wrong event"},
        {"hookspool 1\nevent ../../../../../../../../../etc/passwd 7 2\n{\"a\":1}\n{}\n"
         "end 1 70\n",
         1, "wrong event"},
        {"hookspool 1\nevents " ID1 " 7 2\n{\"a\":1}\n{}\nend 1 71\n", 1, "wrong event"},
        {"hookspool 1\nfrom 4294967296\n" EVENT "end 1 86\n", 1, "\"from\""},
        {"hookspool 1\nfrom -1\n" EVENT "end 1 78\n", 1, "\"from\""},
        {"hookspool 1\ndead 3\n{}\n" EVENT "end 1 80\n", 1, "\"dead\""},
        {"hookspool 1\ndead 2\n{}\nfrom 1\n" EVENT "end 1 87\n", 1, "wrong event"},
    };
#undef EVENT
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hsp_record_reader reader;
        struct hs_error err = {0};
        const char *file = cases[i].file;
        assert_int_equal(open_copy(file, strlen(file), &reader, &err), HS_E_DATA);
        if (reader.version != cases[i].version ||
            strstr(err.text, cases[i].error) == NULL)
            fail_msg("version %d, '%s' for %s", reader.version, err.text, file);
    }
}

static void test_details(void **state) {
    (void)state;
    static const char full[] =
        "{\"system\":\"nagios\",\"site\":\"s\",\"host\":\"web-01\",\"service\":\"API\","
        "\"time\":1705314615,\"sequence\":7,\"fold\":\"f\",\"endpoints\":\"a,b\","
        "\"details\":{\"K\":\"v\"},\"cut\":true,\"later\":[1]}";
    struct hsp_details details;
    assert_int_equal(hsp_details_parse(&details, full, strlen(full), NULL), HS_OK);
    assert_string_equal(details.system, "nagios");
    assert_string_equal(details.site, "s");
    assert_string_equal(details.host, "web-01");
    assert_string_equal(details.service, "API");
    assert_string_equal(details.fold, "f");
    assert_string_equal(details.endpoints, "a,b");
    assert_int_equal(details.order_time, 1705314615);
    assert_int_equal(details.order_sequence, 7);
    hsp_details_free(&details);
    assert_null(details.host);

    assert_int_equal(hsp_details_parse(&details, "{}", 2, NULL), HS_OK);
    assert_string_equal(details.system, "");
    assert_string_equal(details.site, "");
    assert_string_equal(details.host, "");
    assert_string_equal(details.service, "");
    assert_string_equal(details.fold, "");
    assert_string_equal(details.endpoints, "");
    assert_int_equal(details.order_time, 0);
    assert_int_equal(details.order_sequence, 0);
    hsp_details_free(&details);
    hsp_details_free(&details);
}

static void test_details_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        "[]",
        "\"x\"",
        "null",
        "{\"host\":\"h\"",
        "{} {}",
        "{\"host\":7}",
        "{\"host\":null}",
        "{\"system\":[]}",
        "{\"endpoints\":[\"a\"]}",
        "{\"time\":\"1705314615\"}",
        "{\"time\":1.5}",
        "{\"time\":-1}",
        "{\"sequence\":true}",
        "{\"host\":\"\xFF\"}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hsp_details details = {.host = (char *)"untouched"};
        struct hs_error err = {0};
        if (hsp_details_parse(&details, cases[i], strlen(cases[i]), &err) != HS_E_DATA)
            fail_msg("%s was taken", cases[i]);
        assert_memory_equal(err.text, "details: ", 9);
        assert_string_equal(details.host, "untouched");
    }
}

static enum hs_status parse_details(void *context, struct hs_error *err) {
    struct hsp_details details = {0};
    (void)context;
    const enum hs_status status =
        hsp_details_parse(&details, "{\"host\":\"h\"}", 12, err);
    hsp_details_free(&details);
    return status;
}

static void test_without_memory(void **state) {
    (void)state;
    alloc_fail_each(parse_details, NULL);
    alloc_fail_at(1);
    struct hsp_buffer out = {0};
    hsp_record_begin(&out);
    hsp_record_event(&out, &first);
    hsp_record_end(&out, 1);
    assert_true(alloc_fail_stop());
    assert_true(out.failed);
    hsp_buffer_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_text),
        cmocka_unit_test(test_read_again),
        cmocka_unit_test(test_event_at),
        cmocka_unit_test(test_read_without_extras),
        cmocka_unit_test(test_every_cut_is_refused),
        cmocka_unit_test(test_every_hole_outside_of_content_is_refused),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_details),
        cmocka_unit_test(test_details_refused),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
