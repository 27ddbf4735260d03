/* SPDX-License-Identifier: MIT */
/* Noticing files: scan and watch, strangers, names held back, an inotify that overflows
 * or that cannot be had. The boot clock is the test's own. */
#include "config.h"

#include "alloc_fail.h"
#include "delivery/notice.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DAY INT64_C(86400000)
#define OBJECT 7

/* A kernel without watches
 * ------------------------------------------------------------------------------------ */

static bool no_inotify, no_watch;

int __real_inotify_init1(int flags);
int __wrap_inotify_init1(int flags);
int __real_inotify_add_watch(int fd, const char *path, uint32_t mask);
int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask);

int __wrap_inotify_init1(int flags) {
    if (no_inotify) {
        errno = EMFILE;
        return -1;
    }
    return __real_inotify_init1(flags);
}

int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask) {
    if (no_watch) {
        errno = ENOSPC;
        return -1;
    }
    return __real_inotify_add_watch(fd, path, mask);
}

/* A folder and who watches it
 * ------------------------------------------------------------------------------------ */

struct place {
    int incoming;
    struct hsp_notice *notice;
    int64_t now_ms;
};

static void open_notice(struct place *place) {
    struct hs_error err = {0};
    if (hsp_notice_open(&place->notice, place->incoming, &err) != HS_OK)
        fail_msg("%s", err.text);
}

static int setup(void **state) {
    static struct place place;
    place = (struct place){.now_ms = DAY};
    scratch_make();
    assert_int_equal(mkdir(scratch_path("incoming"), 0700), 0);
    place.incoming = open(scratch_path("incoming"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(place.incoming >= 0);
    *state = &place;
    return 0;
}

static int teardown(void **state) {
    struct place *place = *state;
    hsp_notice_close(place->notice);
    close(place->incoming);
    no_inotify = no_watch = false;
    scratch_remove();
    return 0;
}

static const char *name_of(unsigned n) {
    static char names[4][64];
    static unsigned next;
    char *name = names[next++ % 4];
    snprintf(name, sizeof names[0], "018d0c7c-8b00-7000-8000-%012x.evt", n);
    return name;
}

/* As a put does: a file that is renamed into incoming/. */
static void arrive(const struct place *place, const char *name) {
    scratch_write("new", "x", 1);
    assert_int_equal(renameat(AT_FDCWD, scratch_path("new"), place->incoming, name), 0);
}

static void take_away(const struct place *place, const char *name) {
    assert_int_equal(unlinkat(place->incoming, name, 0), 0);
}

static void update(struct place *place) {
    struct hs_error err = {0};
    if (hsp_notice_update(place->notice, place->now_ms, &err) != HS_OK)
        fail_msg("%s", err.text);
}

static void expect(struct place *place, const char *name, bool stranger) {
    char got[HSP_NOTICE_NAME_MAX];
    bool strange = !stranger;
    const size_t before = hsp_notice_count(place->notice);
    assert_true(hsp_notice_next(place->notice, got, &strange));
    assert_string_equal(got, name);
    assert_int_equal(strange, stranger);
    assert_true(hsp_notice_count(place->notice) < before);
}

static void expect_none(struct place *place) {
    char got[HSP_NOTICE_NAME_MAX] = "as before";
    bool strange;
    assert_int_equal(hsp_notice_count(place->notice), 0);
    assert_false(hsp_notice_next(place->notice, got, &strange));
    assert_string_equal(got, "as before");
}

static bool is_readable(const struct place *place) {
    struct pollfd poller = {.fd = hsp_notice_fd(place->notice), .events = POLLIN};
    return poll(&poller, 1, 0) == 1;
}

/* Scan and watch
 * ------------------------------------------------------------------------------------ */

static void test_scan_goes_by_id(void **state) {
    static const unsigned order[] = {5, 1, 0xffffff, 3, 0x100, 2, 4};
    static const unsigned sorted[] = {1, 2, 3, 4, 5, 0x100, 0xffffff};
    struct place *place = *state;
    for (size_t i = 0; i < 7; i++)
        arrive(place, name_of(order[i]));
    open_notice(place);
    assert_true(hsp_notice_due(place->notice) <= place->now_ms); /* the first scan */
    assert_false(hsp_notice_is_empty(place->notice));
    expect_none(place);
    update(place);
    assert_int_equal(hsp_notice_count(place->notice), 7);
    for (size_t i = 0; i < 7; i++)
        expect(place, name_of(sorted[i]), false);
    expect_none(place);
    assert_true(hsp_notice_is_empty(place->notice));
    assert_true(hsp_notice_due(place->notice) == INT64_MAX);
}

static void test_many(void **state) {
    struct place *place = *state;
    for (unsigned i = 0; i < 1000; i++)
        arrive(place,
               name_of(1 + i * 617 % 1000)); /* 617 and 1000 have no common factor */
    open_notice(place);
    update(place);
    for (unsigned i = 0; i < 500; i++)
        expect(place, name_of(1 + i), false);
    for (unsigned i = 0; i < 1000; i++)
        arrive(place, name_of(2001 + i * 617 % 1000));
    update(place);
    assert_int_equal(hsp_notice_count(place->notice), 1500);
    for (unsigned i = 500; i < 1000; i++)
        expect(place, name_of(1 + i), false);
    for (unsigned i = 0; i < 1000; i++)
        expect(place, name_of(2001 + i), false);
    expect_none(place);
}

static void test_arrivals(void **state) {
    struct place *place = *state;
    open_notice(place);
    update(place);
    assert_true(hsp_notice_fd(place->notice) >= 0);
    assert_false(is_readable(place));
    arrive(place, name_of(9));
    arrive(place, name_of(8));
    assert_true(is_readable(place));
    expect_none(place);
    update(place);
    assert_false(is_readable(place));
    expect(place, name_of(8), false); /* the oldest of a round first */
    arrive(place, name_of(7));
    update(place);
    expect(place, name_of(7), false);
    expect(place, name_of(9), false);
    expect_none(place);
}

/* Scanned and arrived names are handed out as one list, each name once. */
static void test_both_lists(void **state) {
    struct place *place = *state;
    arrive(place, name_of(2));
    arrive(place, name_of(4));
    open_notice(place);
    arrive(place, name_of(6)); /* before the scan, which finds it, too */
    update(place);
    arrive(place, name_of(4)); /* again, by another rename */
    arrive(place, name_of(3));
    arrive(place, name_of(7));
    update(place);
    expect(place, name_of(2), false);
    expect(place, name_of(3), false);
    expect(place, name_of(4), false);
    expect(place, name_of(6), false);
    expect(place, name_of(7), false);
    expect_none(place);
}

static void test_file_written_in_place(void **state) {
    struct place *place = *state;
    open_notice(place);
    update(place);
    int fd = openat(place->incoming, name_of(1), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    update(place);
    expect_none(place); /* not before it is closed */
    assert_int_equal(write(fd, "x", 1), 1);
    update(place);
    expect_none(place);
    close(fd);
    update(place);
    expect(place, name_of(1), false);
    expect_none(place);
}

static void make_strangers(const struct place *place) {
    assert_int_equal(mkdirat(place->incoming, "folder", 0700), 0);
    assert_int_equal(mkfifoat(place->incoming, "fifo", 0600), 0);
    assert_int_equal(symlinkat("/nowhere", place->incoming, "link"), 0);
    arrive(place, "018D0C7C-8B00-7000-8000-000000000001.evt");
    arrive(place, "018d0c7c-8b00-7000-8000-000000000001.evt~");
    arrive(place, ".hidden");
    char longest[NAME_MAX + 1];
    memset(longest, 'x', NAME_MAX);
    longest[NAME_MAX] = '\0';
    arrive(place, longest);
}

static void check_strangers(struct place *place) {
    char name[HSP_NOTICE_NAME_MAX];
    size_t longest = 0, count = 0;
    bool stranger = true;
    while (count < 7) {
        assert_true(hsp_notice_next(place->notice, name, &stranger));
        assert_true(stranger); /* before all others */
        assert_int_equal(faccessat(place->incoming, name, F_OK, AT_SYMLINK_NOFOLLOW), 0);
        longest = strlen(name) > longest ? strlen(name) : longest;
        assert_int_equal(unlinkat(place->incoming, name,
                                  strcmp(name, "folder") == 0 ? AT_REMOVEDIR : 0),
                         0); /* so that none counts twice */
        count++;
    }
    assert_int_equal(longest, NAME_MAX);
    expect(place, name_of(1), false);
    expect_none(place);
}

static void test_strangers(void **state) {
    struct place *place = *state;
    make_strangers(place);
    arrive(place, name_of(1));
    open_notice(place);
    update(place);
    check_strangers(place); /* found by the scan */
    take_away(place, name_of(1));
    make_strangers(place);
    arrive(place, name_of(1));
    update(place);
    check_strangers(place); /* told by inotify */
}

static void test_rescan(void **state) {
    struct place *place = *state;
    arrive(place, name_of(1));
    arrive(place, name_of(2));
    arrive(place, "stranger");
    open_notice(place);
    update(place);
    expect(place, "stranger", true);
    expect(place, name_of(1), false);
    take_away(place, name_of(1));
    hsp_notice_rescan(place->notice);
    assert_false(hsp_notice_is_empty(place->notice));
    assert_true(hsp_notice_due(place->notice) < INT64_MAX);
    arrive(place, name_of(3));
    update(place);
    expect(place, "stranger", true);
    expect(place, name_of(2), false); /* once, though it had not been handed out */
    expect(place, name_of(3), false);
    expect_none(place);
    assert_true(hsp_notice_is_empty(place->notice));
}

static unsigned long queue_limit(void) {
    char text[32] = "";
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    return strtoul(text, NULL, 10);
}

static void test_overflow(void **state) {
    struct place *place = *state;
    open_notice(place);
    update(place);
    if (queue_limit() > 100000)
        skip();
    arrive(place, name_of(1));
    for (unsigned long i = 0; i < queue_limit() / 2 + 1; i++) {
        assert_int_equal(renameat(place->incoming, name_of(1), place->incoming, "other"),
                         0);
        assert_int_equal(renameat(place->incoming, "other", place->incoming, name_of(1)),
                         0);
    }
    arrive(place, name_of(2)); /* of which nothing is told */
    update(place);
    expect(place, name_of(1), false); /* no more than what is there */
    expect(place, name_of(2), false);
    expect_none(place);
    arrive(place, name_of(3));
    update(place);
    expect(place, name_of(3), false);
    expect_none(place);
}

static void test_scan_that_fails(void **state) {
    struct place *place = *state;
    struct hs_error err = {0};
    arrive(place, name_of(1));
    open_notice(place);
    const int kept = dup(place->incoming);
    close(place->incoming);
    assert_int_equal(hsp_notice_update(place->notice, place->now_ms, &err), HS_E_IO);
    assert_non_null(strstr(err.text, "incoming/"));
    expect_none(place);
    assert_false(hsp_notice_is_empty(place->notice));
    assert_int_equal(dup2(kept, place->incoming), place->incoming);
    close(kept);
    const int64_t due_ms = hsp_notice_due(place->notice);
    assert_true(due_ms > place->now_ms && due_ms <= place->now_ms + HSP_NOTICE_POLL_MS);
    place->now_ms = due_ms;
    update(place);
    expect(place, name_of(1), false);
    assert_true(hsp_notice_due(place->notice) == INT64_MAX);
}

/* Whoever moves incoming/ away is told of. */
static void test_folder_that_is_moved(void **state) {
    struct place *place = *state;
    struct hs_error err = {0};
    open_notice(place);
    update(place);
    assert_int_equal(rename(scratch_path("incoming"), scratch_path("other")), 0);
    assert_true(is_readable(place));
    assert_int_equal(hsp_notice_update(place->notice, place->now_ms, &err), HS_E_SPOOL);
    assert_non_null(strstr(err.text, "incoming/"));
    expect_none(place);
}

/* Held back
 * ------------------------------------------------------------------------------------ */

static void test_hold(void **state) {
    struct place *place = *state;
    arrive(place, name_of(1));
    arrive(place, name_of(2));
    open_notice(place);
    update(place);
    expect(place, name_of(1), false);
    expect(place, name_of(2), false);
    hsp_notice_hold(place->notice, name_of(1), OBJECT, place->now_ms + 2000);
    hsp_notice_hold(place->notice, name_of(2), OBJECT, place->now_ms + 1000);
    assert_false(hsp_notice_is_empty(place->notice));
    assert_true(hsp_notice_due(place->notice) == place->now_ms + 1000);
    place->now_ms += 999;
    update(place);
    expect_none(place);
    place->now_ms += 1;
    update(place);
    expect(place, name_of(2), false);
    expect_none(place);
    assert_true(hsp_notice_due(place->notice) == place->now_ms + 1000);
    place->now_ms += 5000;
    update(place);
    expect(place, name_of(1), false);
    expect_none(place);
    assert_true(hsp_notice_is_empty(place->notice));
    assert_true(hsp_notice_due(place->notice) == INT64_MAX);
}

static void test_pull(void **state) {
    struct place *place = *state;
    char name[HSP_NOTICE_NAME_MAX] = "as before";
    open_notice(place);
    update(place);
    assert_false(hsp_notice_pull(place->notice, OBJECT, name));
    for (unsigned i = 0; i < 200; i++)
        hsp_notice_hold(place->notice, name_of(i), i % 100, place->now_ms + 1000);
    assert_false(hsp_notice_pull(place->notice, 100, name));
    assert_string_equal(name, "as before");
    for (unsigned i = 0; i < 100; i += 2) { /* both of every other object */
        unsigned sum = 0;
        for (int k = 0; k < 2; k++) {
            assert_true(hsp_notice_pull(place->notice, i, name));
            sum += (unsigned)strtoul(name + 24, NULL, 16);
        }
        assert_int_equal(sum, 2 * i + 100);
        assert_false(hsp_notice_pull(place->notice, i, name));
    }
    place->now_ms += 1000;
    update(place);
    for (unsigned i = 1; i < 200; i += 2) /* the others come back */
        expect(place, name_of(i), false);
    expect_none(place);
    assert_true(hsp_notice_is_empty(place->notice));
}

/* Idle and without inotify
 * ------------------------------------------------------------------------------------ */

static void test_long_idle(void **state) {
    struct place *place = *state;
    open_notice(place);
    update(place);
    for (int i = 0; i < 30; i++) {
        assert_true(hsp_notice_due(place->notice) == INT64_MAX);
        assert_false(is_readable(place));
        place->now_ms += DAY;
        update(place);
        expect_none(place);
        assert_true(hsp_notice_is_empty(place->notice));
    }
    arrive(place, name_of(1));
    assert_true(is_readable(place));
    update(place);
    expect(place, name_of(1), false);
    expect_none(place);
}

static void check_polling(struct place *place) {
    open_notice(place);
    assert_int_equal(hsp_notice_fd(place->notice), -1);
    assert_true(hsp_notice_due(place->notice) <= place->now_ms);
    update(place);
    expect_none(place);
    arrive(place, name_of(1));
    assert_true(hsp_notice_due(place->notice) == place->now_ms + HSP_NOTICE_POLL_MS);
    place->now_ms += HSP_NOTICE_POLL_MS - 1;
    update(place);
    expect_none(place);
    place->now_ms += 1;
    update(place);
    expect(place, name_of(1), false);
    take_away(place, name_of(1));
    place->now_ms += 3 * DAY; /* one scan makes up for all that were missed */
    update(place);
    expect_none(place);
    assert_true(hsp_notice_due(place->notice) == place->now_ms + HSP_NOTICE_POLL_MS);
}

static void test_no_inotify(void **state) {
    no_inotify = true;
    check_polling(*state);
}

static void test_no_watch(void **state) {
    no_watch = true;
    check_polling(*state);
}

/* Out of memory
 * ------------------------------------------------------------------------------------ */

static enum hs_status open_and_close(void *context, struct hs_error *err) {
    const struct place *place = context;
    struct hsp_notice *notice = NULL;
    const enum hs_status status = hsp_notice_open(&notice, place->incoming, err);
    if (status != HS_OK)
        assert_null(notice);
    hsp_notice_close(notice);
    return status;
}

static void check_all_there(struct place *place) {
    update(place);
    expect(place, "stranger", true);
    for (unsigned i = 0; i < 100; i++)
        expect(place, name_of(i), false);
    expect_none(place);
}

/* What cannot be noted now is found by a later scan, none missing and none twice. */
static void test_out_of_memory(void **state) {
    struct place *place = *state;
    alloc_fail_each(open_and_close, place);
    arrive(place, "stranger");
    for (unsigned i = 0; i < 100; i++)
        arrive(place, name_of(i));
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        open_notice(place);
        alloc_fail_at(n);
        update(place);
        failed = alloc_fail_stop();
        assert_int_equal(hsp_notice_due(place->notice) < INT64_MAX, failed);
        place->now_ms += HSP_NOTICE_POLL_MS;
        check_all_there(place);
        hsp_notice_close(place->notice);
        place->notice = NULL;
    }
}

static void test_hold_out_of_memory(void **state) {
    struct place *place = *state;
    arrive(place, name_of(1));
    open_notice(place);
    update(place);
    expect(place, name_of(1), false);
    alloc_fail_at(1);
    hsp_notice_hold(place->notice, name_of(1), OBJECT, place->now_ms + 1000);
    assert_true(alloc_fail_stop());
    assert_true(hsp_notice_due(place->notice) <= place->now_ms + HSP_NOTICE_POLL_MS);
    update(place);
    expect(place, name_of(1), false);
    expect_none(place);
    /* One that is to come back is not lost either. */
    hsp_notice_hold(place->notice, name_of(1), OBJECT, place->now_ms + 1000);
    for (unsigned i = 2; i < 100; i++) { /* no room is left for it */
        arrive(place, name_of(i));
        update(place);
    }
    place->now_ms += 1000;
    alloc_fail_at(1);
    update(place);
    alloc_fail_stop();
    place->now_ms += HSP_NOTICE_POLL_MS;
    update(place);
    for (unsigned i = 1; i < 100; i++)
        expect(place, name_of(i), false);
    expect_none(place);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_scan_goes_by_id),
        TEST(test_many),
        TEST(test_arrivals),
        TEST(test_both_lists),
        TEST(test_file_written_in_place),
        TEST(test_strangers),
        TEST(test_rescan),
        TEST(test_overflow),
        TEST(test_scan_that_fails),
        TEST(test_folder_that_is_moved),
        TEST(test_hold),
        TEST(test_pull),
        TEST(test_long_idle),
        TEST(test_no_inotify),
        TEST(test_no_watch),
        TEST(test_out_of_memory),
        TEST(test_hold_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
