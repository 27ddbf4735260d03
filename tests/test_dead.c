/* SPDX-License-Identifier: MIT */
/* Dead letters: the note, the letter and what it leaves of the waiting file; a full disk
 * is a small tmpfs, for which the test must be root; else that part is skipped and says
 * so. */
#include "config.h"

#include "alloc_fail.h"
#include "delivery/dead.h"
#include "fixture.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOTE "{\"reason\":\"attempts\"}"
#define DEAD_NAME "0000000000000005.00000000000000ab." FIXTURE_ID

static struct fixture fixture;
static const struct hsp_entry entry = {
    .sequence = 5, .object = 0xab, .attempts = 5, .due_s = 77, .code = 500};

static int setup(void **state) {
    (void)state;
    fixture_open(&fixture, scratch_make());
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fixture_close(&fixture);
    umount2(scratch_path("disk"), MNT_DETACH); /* where a test failed before it did so */
    scratch_remove();
    return 0;
}

/* Notes
 * ------------------------------------------------------------------------------------ */

static void test_notes(void **state) {
    static const struct {
        struct hsp_death death;
        const char *json;
    } cases[] = {
        {{"attempts", 1705314615123, 6, 500, "HTTP 500", "<h1>\"no\"</h1>\r\n"},
         "{\"reason\":\"attempts\",\"at\":\"2024-01-15T10:30:15.123Z\",\"attempts\":6,"
         "\"last_status\":500,\"error\":\"HTTP 500\","
         "\"answer\":\"<h1>\\\"no\\\"</h1>\\r\\n\"}"},
        {{"expired", 0, 0, 0, NULL, NULL},
         "{\"reason\":\"expired\",\"at\":\"1970-01-01T00:00:00.000Z\",\"attempts\":0,"
         "\"last_status\":null}"},
        {{"queue full", 0, 1, 0, "", ""},
         "{\"reason\":\"queue full\",\"at\":\"1970-01-01T00:00:00.000Z\",\"attempts\":1,"
         "\"last_status\":null,\"error\":\"\",\"answer\":\"\"}"},
        {{"attempts", 0, 1, 599, "a\xff/b", "\xc3"},
         "{\"reason\":\"attempts\",\"at\":\"1970-01-01T00:00:00.000Z\",\"attempts\":1,"
         "\"last_status\":599,\"error\":\"a\xef\xbf\xbd/"
         "b\",\"answer\":\"\xef\xbf\xbd\"}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *json = hsp_death_note(&cases[i].death);
        assert_non_null(json);
        assert_string_equal(json, cases[i].json);
        free(json);
    }
}

/* Letters
 * ------------------------------------------------------------------------------------ */

static int64_t bury(const struct hsp_entry *which, const char *note) {
    struct hs_error err = {0};
    int64_t bytes = -1;
    if (hsp_dead_bury(fixture.endpoint, which, note, &bytes, &err) != HS_OK)
        fail_msg("%s", err.text);
    return bytes;
}

/* The one letter there is. `note` NULL: it has none. */
static void check_letter(const char *path, const char *note, int64_t from) {
    struct hsp_record_reader reader;
    struct hsp_record_event event;
    struct hs_error err = {0};
    size_t length;
    char *bytes = scratch_read(path, &length);
    if (hsp_record_open(&reader, bytes, length, &err) != HS_OK)
        fail_msg("%s", err.text);
    assert_int_equal(reader.count, 1);
    assert_int_equal(reader.from, from);
    assert_int_equal(reader.dead_length, note == NULL ? 0 : strlen(note));
    if (note != NULL)
        assert_memory_equal(reader.dead, note, strlen(note));
    assert_true(hsp_record_next(&reader, &event));
    assert_string_equal(event.id, FIXTURE_ID);
    assert_int_equal(event.body_length, strlen(fixture_down));
    assert_memory_equal(event.body, fixture_down, event.body_length);
    assert_int_equal(event.details_length, strlen(FIXTURE_DETAILS));
    assert_memory_equal(event.details, FIXTURE_DETAILS, event.details_length);
    free(bytes);
}

static void test_letter(void **state) {
    struct stat info;
    (void)state;
    fixture_wait(&fixture, &entry);
    const mode_t mask = umask(0);
    const int64_t bytes = bury(&entry, NOTE);
    umask(mask);
    assert_false(fixture_waits(&fixture, &entry));
    assert_int_equal(stat(scratch_path("dead/one/" DEAD_NAME), &info), 0);
    assert_int_equal(info.st_mode, S_IFREG | 0600);
    assert_int_equal(info.st_size, bytes);
    assert_int_equal(scratch_count(scratch_path("dead/one"), NULL), 1);
    check_letter(scratch_path("dead/one/" DEAD_NAME), NOTE, geteuid());
    /* Once more is no more: the waiting file has gone. */
    assert_int_equal(bury(&entry, "{\"reason\":\"expired\"}"), 0);
    check_letter(scratch_path("dead/one/" DEAD_NAME), NOTE, geteuid());
}

static void test_letter_of_a_part(void **state) {
    struct hsp_buffer text = {0};
    struct hsp_record_event event = {FIXTURE_ID, fixture_down, strlen(fixture_down),
                                     FIXTURE_DETAILS, strlen(FIXTURE_DETAILS)};
    struct hsp_entry part = entry;
    (void)state;
    hsp_record_begin(&text);
    hsp_record_from(&text, 4321);
    part.offset = (uint32_t)text.length;
    part.size = (uint32_t)(event.body_length + event.details_length);
    hsp_record_event(&text, &event);
    hsp_record_event(&text, &event);
    hsp_record_end(&text, 2);
    fixture_write(&fixture, &part, text.data, text.length);
    assert_true(bury(&part, NOTE) > 0);
    assert_false(fixture_waits(&fixture, &part));
    check_letter(scratch_path("dead/one/" DEAD_NAME), NOTE, 4321);
    hsp_buffer_free(&text);
}

/* After a crash between letter and removal, the removal is made up for. */
static void test_after_a_crash(void **state) {
    (void)state;
    fixture_wait(&fixture, &entry);
    const int64_t bytes = bury(&entry, NOTE);
    fixture_wait(&fixture, &entry);
    scratch_write("dead/one/." DEAD_NAME ".new", "half", 4);
    assert_int_equal(bury(&entry, NOTE), bytes);
    assert_false(fixture_waits(&fixture, &entry));
    assert_int_equal(scratch_count(scratch_path("dead/one"), NULL), 1);
    assert_int_not_equal(access(scratch_path("dead/one/." DEAD_NAME ".new"), F_OK), 0);
    check_letter(scratch_path("dead/one/" DEAD_NAME), NOTE, geteuid());
}

static void test_event_that_has_gone(void **state) {
    (void)state;
    assert_int_equal(bury(&entry, NOTE), 0); /* with its folder */
    fixture_wait(&fixture, &(struct hsp_entry){.sequence = 6});
    assert_int_equal(bury(&entry, NOTE), 0);
    assert_int_equal(scratch_count(scratch_path("dead/one"), NULL), 0);
}

static void check_refused(enum hs_status expected, const char *why) {
    struct hs_error err = {0};
    int64_t bytes = -1;
    assert_int_equal(hsp_dead_bury(fixture.endpoint, &entry, NOTE, &bytes, &err),
                     expected);
    assert_int_equal(err.status, expected);
    assert_int_equal(bytes, 0);
    if (strstr(err.text, why) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err.text, why);
    assert_true(fixture_waits(&fixture, &entry));
}

static void test_unreadable_event(void **state) {
    (void)state;
    fixture_write(&fixture, &entry, "garbage", 7);
    check_refused(HS_E_DATA, "queue/one/");
    assert_int_equal(scratch_count(scratch_path("dead/one"), NULL), 0);
}

static void test_letter_that_cannot_be_written(void **state) {
    (void)state;
    fixture_wait(&fixture, &entry);
    assert_int_equal(mkdir(scratch_path("dead/one/" DEAD_NAME), 0700), 0);
    check_refused(HS_E_IO, "dead/one");
    assert_int_equal(rmdir(scratch_path("dead/one/" DEAD_NAME)), 0);
    assert_true(bury(&entry, NOTE) > 0);
}

/* A full disk
 * ------------------------------------------------------------------------------------ */

static bool open_disk(void) {
    fixture_close(&fixture);
    const char *disk = scratch_path("disk");
    assert_int_equal(mkdir(disk, 0700), 0);
    const bool mounted =
        mount("none", disk, "tmpfs", MS_NOSUID | MS_NODEV, "size=256k") == 0;
    if (!mounted)
        print_message("SKIPPED, mount: %s: a full disk\n", strerror(errno));
    fixture_open(&fixture, mounted ? disk : scratch_path("."));
    return mounted;
}

static void fill_disk(void) {
    static const char block[4096];
    int fd = open(scratch_path("disk/ballast"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    ssize_t written = 1;
    while (written > 0)
        written = write(fd, block, sizeof block);
    assert_int_equal(errno, ENOSPC);
    close(fd);
}

static void close_disk(void) {
    fixture_close(&fixture);
    assert_int_equal(umount(scratch_path("disk")), 0);
    fixture_open(&fixture, scratch_path("."));
}

/* The file itself moves, without the note. */
static void test_full_disk(void **state) {
    (void)state;
    if (!open_disk())
        skip();
    fixture_wait(&fixture, &entry);
    fill_disk();
    assert_true(bury(&entry, NOTE) > 0);
    assert_false(fixture_waits(&fixture, &entry));
    assert_int_equal(scratch_count(scratch_path("disk/dead/one"), NULL), 1);
    check_letter(scratch_path("disk/dead/one/" DEAD_NAME), NULL, -1);
    assert_int_equal(bury(&entry, NOTE), 0);
    close_disk();
}

/* A part of a file with others cannot move: it waits on, until there is room. */
static void test_full_disk_and_a_part(void **state) {
    (void)state;
    if (!open_disk())
        skip();
    struct hsp_buffer text = fixture_record(FIXTURE_ID, fixture_down);
    struct hsp_entry part = entry;
    part.offset = (uint32_t)strlen("hookspool 1\n");
    part.size = (uint32_t)text.length;
    fixture_write(&fixture, &part, text.data, text.length);
    fill_disk();
    struct hs_error err = {0};
    int64_t bytes = -1;
    assert_int_equal(hsp_dead_bury(fixture.endpoint, &part, NOTE, &bytes, &err),
                     HS_E_FULL);
    assert_non_null(strstr(err.text, "dead/one"));
    assert_int_equal(bytes, 0);
    assert_true(fixture_waits(&fixture, &part));
    assert_int_equal(scratch_count(scratch_path("disk/dead/one"), NULL), 0);
    assert_int_equal(unlink(scratch_path("disk/ballast")), 0);
    assert_true(bury(&part, NOTE) > 0);
    check_letter(scratch_path("disk/dead/one/" DEAD_NAME), NOTE, -1);
    hsp_buffer_free(&text);
    close_disk();
}

/* Out of memory
 * ------------------------------------------------------------------------------------ */

static enum hs_status write_note(void *context, struct hs_error *err) {
    const struct hsp_death death = {"attempts", 0, 6, 500, "HTTP 500", "\xff no"};
    (void)context;
    char *note = hsp_death_note(&death);
    if (note == NULL)
        *err = (struct hs_error){.status = HS_E_NOMEM, .text = "note"};
    else
        assert_non_null(
            strstr(note, "\"error\":\"HTTP 500\",\"answer\":\"\xef\xbf\xbd no\"}"));
    free(note);
    return err->status;
}

static enum hs_status bury_one(void *context, struct hs_error *err) {
    int64_t bytes = -1;
    (void)context;
    const enum hs_status status =
        hsp_dead_bury(fixture.endpoint, &entry, NOTE, &bytes, err);
    assert_int_equal(bytes > 0, status == HS_OK);
    assert_int_equal(fixture_waits(&fixture, &entry), status != HS_OK);
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    alloc_fail_each(write_note, NULL);
    fixture_wait(&fixture, &entry);
    alloc_fail_each(bury_one, NULL);
    check_letter(scratch_path("dead/one/" DEAD_NAME), NOTE, geteuid());
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_notes),
        TEST(test_letter),
        TEST(test_letter_of_a_part),
        TEST(test_after_a_crash),
        TEST(test_event_that_has_gone),
        TEST(test_unreadable_event),
        TEST(test_letter_that_cannot_be_written),
        TEST(test_full_disk),
        TEST(test_full_disk_and_a_part),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
