/* SPDX-License-Identifier: MIT */
/* JSON objects out of a stream: lines, objects over several lines, what is wrong and what
 * is found again behind it, in one piece and in many. */
#include "config.h"

#include "alloc_fail.h"
#include "cli/objects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* A descriptor that holds these bytes. */
static int make_input(const char *bytes, size_t length) {
    int fd = memfd_create("input", 0);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* Append "LINE:{json} " or "LINE! " for each step. */
static void note(char *found, size_t size, struct hsp_objects *objects) {
    json_object *object = NULL;
    size_t line;
    struct hs_error err = {0};
    enum hsp_objects_step step;
    while ((step = hsp_objects_next(objects, true, &object, &line, &err)) !=
           HSP_OBJECTS_END) {
        size_t used = strlen(found);
        if (step == HSP_OBJECTS_ONE)
            snprintf(found + used, size - used, "%zu:%s ", line,
                     hsp_json_text(object, &(size_t){0}));
        else if (step == HSP_OBJECTS_BAD)
            snprintf(found + used, size - used, "%zu! ", line);
        else
            fail_msg("step %d: %s", (int)step, err.text);
        if (step == HSP_OBJECTS_BAD)
            assert_true(err.status == HS_E_DATA && err.text[0] != '\0');
        err = (struct hs_error){0};
        json_object_put(object);
    }
}

static void test_objects(void **state) {
    static const struct {
        const char *input, *expected;
    } cases[] = {
        {"", ""},
        {"\n \t\r\n\n", ""},
        {"{}", "1:{} "},
        {"{}\n{\"a\":1}\r\n", "1:{} 2:{\"a\":1} "},
        {"\xEF\xBB\xBF{\"a\":1}\n", "1:{\"a\":1} "},
        {"\n\n  {\"a\":1}  \n", "3:{\"a\":1} "},
        {"{\n \"a\": 1,\n \"b\": {\n \"c\": 2}\n}\n{\"d\":1}\n",
         "1:{\"a\":1,\"b\":{\"c\":2}} 6:{\"d\":1} "},
        {"{\"a\":\n1\n2}\n", "1! 2! 3! "},
        /* What is cut costs no more than its line. */
        {"{\"a\":{\n{\"b\":1}\n{\"c\":1}\n", "1! 2:{\"b\":1} 3:{\"c\":1} "},
        {"{\"a\":\"x\n{\"b\":1}\n{\"c\":1}\n", "1! 2:{\"b\":1} 3:{\"c\":1} "},
        {"{\"a\":\n{\"b\":1}\n{\"c\":1}\n", "1! 2:{\"b\":1} 3:{\"c\":1} "},
        {"{\"a\":1,\n{\"b\":1}\n{\"c\":1}\n", "1! 2:{\"b\":1} 3:{\"c\":1} "},
        {"{\"a\":1\n", "1! "},
        {"{\"a\":1", "1! "},
        {"{\n{\n{\n", "1! 2! 3! "},
        {"{}{}\n{} x\n{}\n", "1! 2! 3:{} "},
        {"[{}]\nnull\n12\n\"{}\"\nx\n{}\n", "1! 2! 3! 4! 5! 6:{} "},
        {"{\"a\":\"\xff\xc3\"}\n", "1:{\"a\":\"\xef\xbf\xbd\xef\xbf\xbd\"} "},
        {"{\"a\":NaN\n}\n{}\n", "1:{\"a\":NaN} 3:{} "},
        {"{\"a\":1}\v\n{}\n", "1! 2:{} "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char found[512] = "";
        struct hsp_objects objects = {
            .fd = make_input(cases[i].input, strlen(cases[i].input))};
        note(found, sizeof(found), &objects);
        hsp_objects_free(&objects);
        close(objects.fd);
        if (strcmp(found, cases[i].expected) != 0)
            fail_msg("%s: \"%s\" instead of \"%s\"", cases[i].input, found,
                     cases[i].expected);
    }
}

static void test_nul_byte(void **state) {
    char found[64] = "";
    (void)state;
    struct hsp_objects objects = {.fd = make_input("{\"a\":\"\0\"}\n{}\n", 13)};
    note(found, sizeof(found), &objects);
    assert_string_equal(found, "1! 2:{} ");
    hsp_objects_free(&objects);
    close(objects.fd);
}

/* A byte at a time through a pipe, with a look in between: nothing is taken for an end.
 */
static void test_pieces(void **state) {
    static const char input[] = "{\"a\":1}\n{\n\"b\":2\n}\n";
    int ends[2];
    size_t found = 0, line;
    json_object *object = NULL;
    struct hs_error err = {0};
    (void)state;
    assert_int_equal(pipe(ends), 0);
    struct hsp_objects objects = {.fd = ends[0]};
    for (size_t i = 0; i < strlen(input); i++) {
        assert_int_equal(hsp_objects_next(&objects, false, &object, &line, &err),
                         HSP_OBJECTS_PAUSE);
        assert_int_equal(write(ends[1], input + i, 1), 1);
        if (i == 7 || i == strlen(input) - 1) {
            assert_int_equal(hsp_objects_next(&objects, false, &object, &line, &err),
                             HSP_OBJECTS_ONE);
            json_object_put(object);
            found++;
        }
    }
    close(ends[1]);
    assert_int_equal(hsp_objects_next(&objects, false, &object, &line, &err),
                     HSP_OBJECTS_END);
    assert_int_equal(found, 2);
    hsp_objects_free(&objects);
    close(ends[0]);
}

/* A line, and an object, beyond what is allowed: memory stays bounded, and what comes
 * behind is found. */
static void test_too_long(void **state) {
    const size_t size = 3 * HSP_OBJECT_MAX;
    char *input = malloc(size + 64);
    char found[64] = "";
    (void)state;
    memset(input, 'x', size);
    input[0] = '{';
    strcpy(input + size, "\n{\"a\":1}\n");
    struct hsp_objects objects = {.fd = make_input(input, strlen(input))};
    note(found, sizeof(found), &objects);
    assert_string_equal(found, "1! 2:{\"a\":1} ");
    assert_true(objects.text.capacity < 2 * HSP_OBJECT_MAX + 1024 * 1024);
    hsp_objects_free(&objects);
    close(objects.fd);
    free(input);
}

static void test_unreadable(void **state) {
    json_object *object = NULL;
    size_t line;
    struct hs_error err = {0};
    struct hsp_objects objects = {.fd = -1};
    (void)state;
    assert_int_equal(hsp_objects_next(&objects, true, &object, &line, &err),
                     HSP_OBJECTS_FAILED);
    assert_int_equal(err.status, HS_E_IO);
    assert_non_null(strstr(err.text, "read standard input"));
    hsp_objects_free(&objects);
}

static enum hs_status read_one(void *context, struct hs_error *err) {
    json_object *object = NULL;
    size_t line;
    (void)context;
    struct hsp_objects objects = {.fd = make_input("{\"a\":\"\xff\"\n}", 10)};
    enum hsp_objects_step step = hsp_objects_next(&objects, true, &object, &line, err);
    enum hs_status status = step == HSP_OBJECTS_ONE ? HS_OK : HS_E_NOMEM;
    assert_true(status == HS_OK || step == HSP_OBJECTS_FAILED);
    json_object_put(object);
    hsp_objects_free(&objects);
    close(objects.fd);
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    alloc_fail_each(read_one, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects),    cmocka_unit_test(test_nul_byte),
        cmocka_unit_test(test_pieces),     cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_unreadable), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
