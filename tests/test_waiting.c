/* SPDX-License-Identifier: MIT */
/* Reading waiting events: an adapter's whole file, a part of the daemon's own copy, and
 * everything else that may stand under such a name. */
#include "config.h"

#include "alloc_fail.h"
#include "delivery/waiting.h"
#include "fixture.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NAME "00/0000000000000005.0000000000000000.0.0.0.0.0"

static struct fixture fixture;
static const struct hsp_entry whole = {.sequence = 5};

static int setup(void **state) {
    (void)state;
    fixture_open(&fixture, scratch_make());
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fixture_close(&fixture);
    scratch_remove();
    return 0;
}

static void check_event(const struct hsp_waiting *waiting, const char *id,
                        const char *body) {
    assert_string_equal(waiting->event.id, id);
    assert_int_equal(waiting->event.body_length, strlen(body));
    assert_memory_equal(waiting->event.body, body, strlen(body));
    assert_int_equal(waiting->event.details_length, strlen(FIXTURE_DETAILS));
    assert_memory_equal(waiting->event.details, FIXTURE_DETAILS, strlen(FIXTURE_DETAILS));
    assert_string_equal(waiting->facts.monitor_id, "mon_abc123xyz789");
    const bool up = body == fixture_up;
    assert_int_equal(waiting->facts.state, up ? HS_STATE_UP : HS_STATE_DOWN);
    assert_int_equal(waiting->facts.kind, up ? HS_KIND_RECOVERY : HS_KIND_INCIDENT);
}

static void check_read(const struct hsp_entry *entry, const struct hsp_copy *copy,
                       const char *id, const char *body, int64_t uid, int64_t put_ms) {
    struct hsp_waiting waiting;
    struct hs_error err = {0};
    if (hsp_waiting_read_copy(&waiting, fixture.endpoint, entry, copy, &err) != HS_OK)
        fail_msg("%s", err.text);
    check_event(&waiting, id, body);
    assert_int_equal(waiting.uid, uid);
    assert_int_equal(waiting.put_utc_ms, put_ms);
    hsp_waiting_free(&waiting);
    assert_null(waiting.bytes);
    hsp_waiting_free(&waiting);
}

static void check_refused(const struct hsp_entry *entry, enum hs_status expected,
                          const char *why) {
    struct hsp_waiting waiting;
    struct hs_error err = {0};
    assert_int_equal(hsp_waiting_read(&waiting, fixture.endpoint, entry, &err), expected);
    assert_null(waiting.bytes);
    assert_int_equal(err.status, expected);
    if (strstr(err.text, "queue/one/00/0000000000000005.") == NULL ||
        strstr(err.text, why) == NULL)
        fail_msg("\"%s\" does not name the file or \"%s\"", err.text, why);
    assert_int_equal(err.sys_errno == ENOENT, strcmp(why, "No such file") == 0);
}

/* The time at which a file was written. */
static void set_time(const struct hsp_entry *entry, int64_t ms) {
    char path[HSP_ENTRY_PATH_MAX];
    const struct timespec at = {ms / 1000, ms % 1000 * 1000000};
    hsp_entry_path(entry, path);
    assert_int_equal(
        utimensat(fixture.endpoint->queue_fd, path, (const struct timespec[]){at, at}, 0),
        0);
}

static void test_whole_file(void **state) {
    (void)state;
    fixture_wait(&fixture, &whole);
    set_time(&whole, 1705314615123);
    check_read(&whole, NULL, FIXTURE_ID, fixture_down, geteuid(), 1705314615123);
    /* Attempts and times in the name are no matter of the file. */
    const struct hsp_entry named = {
        .sequence = 5, .attempts = 3, .due_s = 77, .code = 503};
    fixture_wait(&fixture, &named);
    set_time(&named, 1000);
    check_read(&named, NULL, FIXTURE_ID, fixture_down, geteuid(), 1000);
}

static void test_owner(void **state) {
    (void)state;
    fixture_wait(&fixture, &whole);
    if (fchownat(fixture.endpoint->queue_fd, NAME, 12345, (gid_t)-1, 0) != 0) {
        print_message("SKIPPED, not root: a file of another owner\n");
        skip();
    }
    set_time(&whole, 1000);
    check_read(&whole, NULL, FIXTURE_ID, fixture_down, 12345, 1000);
}

/* Two events in one copy of the daemon's; where they begin. */
struct copy {
    struct hsp_buffer text;
    struct hsp_entry first, second;
};

static void make_copy(struct copy *copy, bool from) {
    struct hsp_record_event event = {.details = FIXTURE_DETAILS,
                                     .details_length = strlen(FIXTURE_DETAILS)};
    *copy = (struct copy){.first = {.sequence = 5}, .second = {.sequence = 6}};
    hsp_record_begin(&copy->text);
    if (from)
        hsp_record_from(&copy->text, 4294967295);
    copy->first.offset = (uint32_t)copy->text.length;
    snprintf(event.id, sizeof event.id, "%s", FIXTURE_ID);
    event.body = fixture_down;
    event.body_length = strlen(fixture_down);
    copy->first.size = (uint32_t)(event.body_length + event.details_length);
    hsp_record_event(&copy->text, &event);
    copy->second.offset = (uint32_t)copy->text.length;
    snprintf(event.id, sizeof event.id, "%s", FIXTURE_OTHER_ID);
    event.body = fixture_up;
    event.body_length = strlen(fixture_up);
    copy->second.size = (uint32_t)(event.body_length + event.details_length);
    hsp_record_event(&copy->text, &event);
    hsp_record_end(&copy->text, 2);
    assert_false(copy->text.failed);
}

static void test_part_of_a_copy(void **state) {
    char first[HSP_ENTRY_PATH_MAX], second[HSP_ENTRY_PATH_MAX];
    struct copy copy;
    (void)state;
    make_copy(&copy, true);
    fixture_write(&fixture, &copy.first, copy.text.data, copy.text.length);
    hsp_entry_path(&copy.first, first);
    hsp_entry_path(&copy.second, second);
    const int fd = fixture.endpoint->queue_fd;
    assert_int_equal(linkat(fd, first, fd, second, 0), 0); /* as fan-out does */
    set_time(&copy.first, 1705314615123);
    check_read(&copy.first, NULL, FIXTURE_ID, fixture_down, 4294967295, 1705314615123);
    check_read(&copy.second, NULL, FIXTURE_OTHER_ID, fixture_up, 4294967295,
               1705314615123);
    hsp_buffer_free(&copy.text);
}

static void test_copy_without_sender(void **state) {
    struct copy copy;
    (void)state;
    make_copy(&copy, false);
    fixture_write(&fixture, &copy.second, copy.text.data, copy.text.length);
    set_time(&copy.second, 1000);
    check_read(&copy.second, NULL, FIXTURE_OTHER_ID, fixture_up, -1, 1000);
    hsp_buffer_free(&copy.text);
}

/* Through the descriptor that fan-out kept; the name does not matter. */
static void test_open_copy(void **state) {
    struct copy copy;
    (void)state;
    make_copy(&copy, true);
    scratch_write("copy", copy.text.data, copy.text.length);
    const struct hsp_copy open_copy = {
        .first = 5, .last = 6, .uid = 42, .fd = open(scratch_path("copy"), O_RDONLY)};
    assert_int_equal(unlink(scratch_path("copy")), 0);
    check_read(&copy.second, &open_copy, FIXTURE_OTHER_ID, fixture_up, 42, 0);
    check_read(&copy.first, &open_copy, FIXTURE_ID, fixture_down, 42, 0);
    close(open_copy.fd);
    struct hsp_waiting waiting;
    const struct hsp_copy closed = {.first = 5, .last = 6, .fd = -1};
    assert_int_equal(
        hsp_waiting_read_copy(&waiting, fixture.endpoint, &copy.first, &closed, NULL),
        HS_E_IO);
    hsp_buffer_free(&copy.text);
}

/* Parts that do not begin where the name says, or that are cut. */
static void test_spoilt_copies(void **state) {
    struct copy copy;
    (void)state;
    make_copy(&copy, true);
    const size_t end = copy.text.length;
    const struct {
        uint32_t offset, size;
        size_t length;
    } cases[] = {
        {copy.first.offset + 1, copy.first.size, end},
        {1, copy.first.size, end},
        {(uint32_t)end, copy.first.size, end},
        {UINT32_MAX, copy.first.size, end},
        {copy.first.offset, 0, end},
        {copy.second.offset, 10, end},
        {copy.first.offset, copy.first.size, copy.second.offset - 1},
        {copy.first.offset, copy.first.size, copy.first.offset},
        {copy.first.offset, copy.first.size, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct hsp_entry entry = {
            .sequence = 5, .offset = cases[i].offset, .size = cases[i].size};
        fixture_write(&fixture, &entry, copy.text.data, cases[i].length);
        check_refused(&entry, HS_E_DATA, "no event");
    }
    hsp_buffer_free(&copy.text);
}

static void test_spoilt_body(void **state) {
    (void)state;
    struct hsp_buffer text = fixture_record(FIXTURE_ID, "{ }");
    fixture_write(&fixture, &whole, text.data, text.length);
    check_refused(&whole, HS_E_DATA, "");
    hsp_buffer_free(&text);
    struct copy copy;
    make_copy(&copy, true);
    memcpy(strstr(copy.text.data, "refused"), "ref\tsed", 7); /* a control, unescaped */
    fixture_write(&fixture, &copy.first, copy.text.data, copy.text.length);
    check_refused(&copy.first, HS_E_DATA, "");
    hsp_buffer_free(&copy.text);
}

static void test_spoilt_files(void **state) {
    struct copy two;
    (void)state;
    make_copy(&two, true);
    fixture_write(&fixture, &whole, two.text.data, two.text.length);
    check_refused(&whole, HS_E_DATA, "not one event");
    hsp_buffer_free(&two.text);
    fixture_write(&fixture, &whole, "", 0);
    check_refused(&whole, HS_E_DATA, "not a spool file");
    fixture_write(&fixture, &whole, "hookspool 2\nelse\n", 17);
    check_refused(&whole, HS_E_DATA, "version 2");
    struct hsp_buffer text = fixture_record(FIXTURE_ID, fixture_down);
    for (size_t length = 0; length < text.length; length += 7) {
        fixture_write(&fixture, &whole, text.data, length);
        check_refused(&whole, HS_E_DATA, "");
    }
    hsp_buffer_free(&text);
}

static void test_not_a_file(void **state) {
    const int fd = fixture.endpoint->queue_fd;
    const struct hsp_entry part = {.sequence = 5, .offset = 12, .size = 10};
    (void)state;
    check_refused(&whole, HS_E_DATA, "No such file");
    check_refused(&part, HS_E_DATA, "No such file");
    assert_int_equal(mkdirat(fd, "00", 0700), 0);
    check_refused(&whole, HS_E_DATA, "No such file");
    assert_int_equal(mkdirat(fd, NAME, 0700), 0);
    check_refused(&whole, HS_E_DATA, "read");
    assert_int_equal(unlinkat(fd, NAME, AT_REMOVEDIR), 0);
    assert_int_equal(mkfifoat(fd, NAME, 0600), 0);
    check_refused(&whole, HS_E_DATA, "read");
    assert_int_equal(unlinkat(fd, NAME, 0), 0);
    assert_int_equal(symlinkat(scratch_write("target", "x", 1), fd, NAME), 0);
    check_refused(&whole, HS_E_DATA, "symbolic links");
    char path[HSP_ENTRY_PATH_MAX];
    hsp_entry_path(&part, path);
    assert_int_equal(mkfifoat(fd, path, 0600), 0); /* nobody ever writes into it */
    check_refused(&part, HS_E_DATA, "not a regular file");
    assert_int_equal(unlinkat(fd, NAME, 0), 0);
}

/* A second name, which anybody may have given it, takes nothing away. */
static void test_hard_link(void **state) {
    const int fd = fixture.endpoint->queue_fd;
    (void)state;
    fixture_wait(&fixture, &whole);
    assert_int_equal(linkat(fd, NAME, fd, "00/second", 0), 0);
    set_time(&whole, 1000);
    check_read(&whole, NULL, FIXTURE_ID, fixture_down, geteuid(), 1000);
}

/* No descriptor left: that passes. */
static void test_passing_trouble(void **state) {
    struct rlimit limit;
    struct copy copy;
    (void)state;
    make_copy(&copy, true);
    fixture_wait(&fixture, &whole);
    fixture_write(&fixture, &copy.first, copy.text.data, copy.text.length);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    check_refused(&whole, HS_E_IO, "Too many open files");
    check_refused(&copy.first, HS_E_IO, "Too many open files");
    limit.rlim_cur = before;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    hsp_buffer_free(&copy.text);
}

static enum hs_status read_and_free(void *context, struct hs_error *err) {
    struct hsp_waiting waiting;
    const enum hs_status status =
        hsp_waiting_read(&waiting, fixture.endpoint, context, err);
    if (status != HS_OK)
        assert_null(waiting.bytes);
    hsp_waiting_free(&waiting);
    return status;
}

static void test_out_of_memory(void **state) {
    struct copy copy;
    struct hsp_entry entry = whole;
    (void)state;
    make_copy(&copy, true);
    fixture_wait(&fixture, &whole);
    fixture_write(&fixture, &copy.second, copy.text.data, copy.text.length);
    alloc_fail_each(read_and_free, &entry);
    alloc_fail_each(read_and_free, &copy.second);
    hsp_buffer_free(&copy.text);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_whole_file),      TEST(test_owner),
        TEST(test_part_of_a_copy),  TEST(test_copy_without_sender),
        TEST(test_open_copy),       TEST(test_spoilt_copies),
        TEST(test_spoilt_body),     TEST(test_spoilt_files),
        TEST(test_not_a_file),      TEST(test_hard_link),
        TEST(test_passing_trouble), TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
