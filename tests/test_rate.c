/* SPDX-License-Identifier: MIT */
/* The rate window: what it allows, what a restart, a reboot, a kill, a clock stepped
 * back, another limit and a spoilt file make of it, and a long random run in which no
 * window may ever hold more than the limit. The clocks are the test's own. */
#include "config.h"

#include "alloc_fail.h"
#include "delivery/rate.h"
#include "scratch.h"

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NAME "rate"
#define WINDOW INT64_C(60000)
#define BOOT INT64_C(5000000)
#define UTC INT64_C(1700000000000)

static const struct hsp_rate three = {.count = 3, .window_ms = WINDOW};

/* A folder, and the clocks. */
struct place {
    const char *path;
    int dirfd;
    int64_t boot_ms, utc_ms;
};

static void setup(struct place *place) {
    *place = (struct place){.path = scratch_make(), .boot_ms = BOOT, .utc_ms = UTC};
    place->dirfd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(place->dirfd >= 0);
}

static void teardown(struct place *place) {
    close(place->dirfd);
    assert_in_range(scratch_count(place->path, NULL), 0, 1); /* the file, nothing else */
    scratch_remove();
}

static void pass(struct place *place, int64_t ms) {
    place->boot_ms += ms;
    place->utc_ms += ms;
}

static struct hsp_rate_window *open_window(struct place *place,
                                           const struct hsp_rate *rate) {
    struct hsp_rate_window *window = NULL;
    struct hs_error err = {0};
    const enum hs_status status = hsp_rate_open(&window, place->dirfd, NAME, rate,
                                                place->boot_ms, place->utc_ms, &err);
    if (status != HS_OK)
        fail_msg("%s", err.text);
    return window;
}

static int take(struct place *place, struct hsp_rate_window *window) {
    int slot = -2;
    assert_int_equal(hsp_rate_take(window, place->boot_ms, place->utc_ms, &slot, NULL),
                     HS_OK);
    return slot;
}

static void end(struct place *place, struct hsp_rate_window *window, int slot) {
    assert_int_equal(hsp_rate_end(window, slot, place->boot_ms, place->utc_ms, NULL),
                     HS_OK);
}

/* `count` requests that take no time. */
static void send(struct place *place, struct hsp_rate_window *window, int count) {
    for (int i = 0; i < count; i++)
        end(place, window, take(place, window));
}

static int64_t wait_ms(const struct place *place, const struct hsp_rate_window *window) {
    const int64_t next_ms = hsp_rate_next(window, place->boot_ms);
    return next_ms <= place->boot_ms ? 0 : next_ms - place->boot_ms;
}

/* The machine starts anew: another boot id in the file than the kernel's. */
static void reboot(struct place *place, int64_t up_ms) {
    size_t length;
    char *text = scratch_read(scratch_path(NAME), &length);
    memcpy(text, "00000000-1111-2222-3333-444444444444", 36);
    scratch_write(NAME, text, length);
    free(text);
    place->boot_ms = up_ms;
}

static void test_window_slides(void **state) {
    struct place place;
    (void)state;
    setup(&place);
    struct hsp_rate_window *window = open_window(&place, &three);
    assert_int_equal(wait_ms(&place, window), 0);
    assert_int_equal(hsp_rate_used(window, place.boot_ms), 0);
    send(&place, window, 1);
    pass(&place, 1000);
    send(&place, window, 1);
    pass(&place, 1000);
    const int slow = take(&place, window);
    assert_int_equal(hsp_rate_used(window, place.boot_ms), 3);
    assert_int_equal(wait_ms(&place, window), WINDOW - 2000 + 1);
    pass(&place, WINDOW - 2000);
    assert_int_equal(wait_ms(&place, window), 1); /* both ends belong to the window */
    pass(&place, 1);
    assert_int_equal(hsp_rate_used(window, place.boot_ms), 2);
    const int second = take(&place, window);
    pass(&place, 1000);
    const int third = take(&place, window);
    assert_int_equal(hsp_rate_next(window, place.boot_ms), INT64_MAX);
    assert_int_equal(hsp_rate_used(window, place.boot_ms), 3);
    end(&place, window, third);
    assert_int_equal(wait_ms(&place, window), WINDOW + 1);
    pass(&place, 5000);
    end(&place, window, second); /* in another order than taken */
    end(&place, window, slow);
    pass(&place, WINDOW - 5000 + 1);
    send(&place, window, 1);
    assert_int_equal(wait_ms(&place, window), 5000);
    hsp_rate_close(window);
    teardown(&place);
}

static void test_take_without_a_slot_is_refused(void **state) {
    struct place place;
    struct hs_error err = {0};
    int slot = -2;
    (void)state;
    setup(&place);
    struct hsp_rate_window *window = open_window(&place, &three);
    send(&place, window, 2);
    take(&place, window);
    assert_int_equal(hsp_rate_take(window, place.boot_ms, place.utc_ms, &slot, &err),
                     HS_E_IO);
    assert_int_equal(slot, -2);
    assert_non_null(strstr(err.text, NAME));
    hsp_rate_close(window);
    teardown(&place);
}

static void test_no_limit(void **state) {
    const struct hsp_rate none = {0};
    struct place place;
    (void)state;
    setup(&place);
    struct hsp_rate_window *window = open_window(&place, &none);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(wait_ms(&place, window), 0);
        const int slot = take(&place, window);
        assert_int_equal(slot, -1);
        end(&place, window, slot);
    }
    assert_int_equal(hsp_rate_used(window, place.boot_ms), 0);
    assert_int_equal(hsp_rate_sync(window, NULL), HS_OK);
    assert_int_not_equal(faccessat(place.dirfd, NAME, F_OK, 0), 0);
    hsp_rate_close(window);
    teardown(&place);
}

static void test_file_format(void **state) {
    struct place place;
    struct stat info;
    char boot_id[37] = "", expected[37 + 3 * 34 + 1];
    size_t length;
    (void)state;
    setup(&place);
    const mode_t mask = umask(0);
    struct hsp_rate_window *window = open_window(&place, &three);
    umask(mask);
    assert_int_equal(fstatat(place.dirfd, NAME, &info, 0), 0);
    assert_int_equal(info.st_mode, S_IFREG | 0600);
    assert_true(info.st_blocks * 512 >= info.st_size); /* no hole */
    end(&place, window, take(&place, window));
    pass(&place, 16);
    take(&place, window);
    assert_int_equal(hsp_rate_sync(window, NULL), HS_OK);

    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    assert_non_null(file);
    assert_non_null(fgets(boot_id, sizeof(boot_id), file));
    fclose(file);
    snprintf(expected, sizeof(expected),
             "%s\n%016" PRIx64 " %016" PRIx64 "\nffffffffffffffff %016" PRIx64
             "\n%016x %016x\n",
             boot_id, BOOT, UTC, UTC + 16, 0u, 0u);
    char *text = scratch_read(scratch_path(NAME), &length);
    assert_int_equal(length, info.st_size);
    assert_string_equal(text, expected);
    free(text);
    hsp_rate_close(window);
    teardown(&place);
}

static void test_restart_in_the_same_boot(void **state) {
    struct place place;
    (void)state;
    setup(&place);
    struct hsp_rate_window *window = open_window(&place, &three);
    send(&place, window, 1);
    pass(&place, 10000);
    send(&place, window, 2);
    hsp_rate_close(window);
    pass(&place, 20000);
    place.utc_ms -= 3600 * 1000; /* the wall clock does not matter */
    window = open_window(&place, &three);
    assert_int_equal(hsp_rate_used(window, place.boot_ms), 3);
    assert_int_equal(wait_ms(&place, window), WINDOW - 30000 + 1);
    hsp_rate_close(window);
    place.utc_ms += 86400 * 1000;
    window = open_window(&place, &three);
    assert_int_equal(wait_ms(&place, window), WINDOW - 30000 + 1);
    pass(&place, WINDOW - 30000 + 1);
    send(&place, window, 1);
    assert_int_equal(wait_ms(&place, window), 10000);
    hsp_rate_close(window);
    teardown(&place);
}

static void test_kill_while_under_way(void **state) {
    struct place place;
    (void)state;
    setup(&place);
    struct hsp_rate_window *window = open_window(&place, &three);
    take(&place, window);
    take(&place, window);
    hsp_rate_close(window); /* nothing is written by it */
    pass(&place, 50000);
    window = open_window(&place, &three);
    assert_int_equal(hsp_rate_used(window, place.boot_ms), 2);
    send(&place, window, 1); /* the third slot is free */
    assert_int_equal(wait_ms(&place, window), WINDOW + 1);
    hsp_rate_close(window);
    reboot(&place, 1000);
    pass(&place, 30000);
    window = open_window(&place, &three);
    assert_int_equal(wait_ms(&place, window), WINDOW - 30000 + 1);
    hsp_rate_close(window);
    teardown(&place);
}

/* The boot clock begins anew; the UTC column tells how long ago it was. */
static void test_reboot(void **state) {
    struct place place;
    (void)state;
    setup(&place);
    struct hsp_rate_window *window = open_window(&place, &three);
    send(&place, window, 1);
    pass(&place, 20000);
    send(&place, window, 1);
    take(&place, window);
    hsp_rate_close(window);
    pass(&place, 30000);
    reboot(&place, 5000); /* shorter ago than the requests: before time 0 */
    window = open_window(&place, &three);
    assert_int_equal(hsp_rate_used(window, place.boot_ms), 3);
    assert_int_equal(wait_ms(&place, window), WINDOW - 50000 + 1);
    hsp_rate_close(window);
    reboot(&place, place.boot_ms); /* as after a crash before the boot id was written */
    window = open_window(&place, &three);
    assert_int_equal(wait_ms(&place, window), WINDOW - 50000 + 1);
    hsp_rate_close(window);
    pass(&place, 1000); /* once more within the new boot */
    window = open_window(&place, &three);
    assert_int_equal(wait_ms(&place, window), WINDOW - 51000 + 1);
    pass(&place, WINDOW - 51000 + 1);
    send(&place, window, 1);
    assert_int_equal(wait_ms(&place, window), 20000);
    pass(&place, 20000);
    send(&place, window, 1); /* the one under way at the reboot counts from then */
    assert_int_equal(wait_ms(&place, window), 30000);
    hsp_rate_close(window);
    teardown(&place);
}

static void test_reboot_long_ago(void **state) {
    struct place place;
    (void)state;
    setup(&place);
    struct hsp_rate_window *window = open_window(&place, &three);
    send(&place, window, 3);
    hsp_rate_close(window);
    pass(&place, 86400 * 1000);
    reboot(&place, 5000);
    window = open_window(&place, &three);
    assert_int_equal(hsp_rate_used(window, place.boot_ms), 0);
    send(&place, window, 3);
    hsp_rate_close(window);
    teardown(&place);
}

/* A time in the future counts as now: after a step back over a reboot, and in the boot
 * column of a file that came from elsewhere. */
static void test_clock_stepped_back(void **state) {
    struct place place;
    (void)state;
    setup(&place);
    struct hsp_rate_window *window = open_window(&place, &three);
    send(&place, window, 3);
    hsp_rate_close(window);
    reboot(&place, 7000);
    place.utc_ms -= 3600 * 1000;
    window = open_window(&place, &three);
    assert_int_equal(wait_ms(&place, window), WINDOW + 1);
    hsp_rate_close(window);
    place.boot_ms -= 5000; /* cannot happen, but a file can be copied */
    window = open_window(&place, &three);
    assert_int_equal(wait_ms(&place, window), WINDOW + 1);
    pass(&place, WINDOW + 1);
    send(&place, window, 3);
    hsp_rate_close(window);
    teardown(&place);
}

static void test_other_limits(void **state) {
    const struct hsp_rate two = {.count = 2, .window_ms = WINDOW};
    const struct hsp_rate five = {.count = 5, .window_ms = WINDOW};
    const struct hsp_rate hourly = {.count = 3, .window_ms = 3600 * 1000};
    struct place place;
    struct stat info;
    (void)state;
    setup(&place);
    struct hsp_rate_window *window = open_window(&place, &three);
    for (int i = 0; i < 3; i++) {
        send(&place, window, 1);
        pass(&place, 1000);
    }
    hsp_rate_close(window);
    window = open_window(&place, &five); /* more: two are free, the others count */
    send(&place, window, 2);
    assert_int_equal(wait_ms(&place, window), WINDOW - 3000 + 1);
    hsp_rate_close(window);
    pass(&place, 10000);
    window = open_window(&place, &two); /* less: the newest two count */
    assert_int_equal(hsp_rate_used(window, place.boot_ms), 2);
    assert_int_equal(wait_ms(&place, window), WINDOW - 10000 + 1);
    assert_int_equal(fstatat(place.dirfd, NAME, &info, 0), 0);
    assert_int_equal(info.st_size, 37 + 2 * 34);
    hsp_rate_close(window);
    window = open_window(&place, &hourly); /* another window: the same ends */
    assert_int_equal(hsp_rate_used(window, place.boot_ms), 2);
    send(&place, window, 1);
    assert_int_equal(wait_ms(&place, window), 3590 * 1000 + 1);
    hsp_rate_close(window);
    teardown(&place);
}

/* What can be read of a line counts as it says; what cannot, counts as now. */
static void test_spoilt_files(void **state) {
    static const struct {
        const char *text;
        int used;
    } cases[] = {
        {"", 0},
        {"\n", 0},
        {"rubbish", 0},
        {"00000000-1111-2222-3333-444444444444\n", 0},
        {"00000000-1111-2222-3333-444444444444\n"
         "0000000000000000 0000000000000000\n",
         0},
        {"00000000-1111-2222-3333-444444444444\n"
         "0000000000000000 0000000000000000\n"
         "0000000000000001 0000018bcfe56800\n" /* UTC */
         "0000000000000001 0000000000000001\n",
         1},
        {"00000000-1111-2222-3333-444444444444\n"
         "000000000000000g 0000000000000001\n"
         "0000000000000001_0000000000000001\n"
         "0000000000000001 0000000000000001 ",
         3},
        {"00000000-1111-2222-3333-444444444444\n"
         "0000000000000001 8000000000000000\n"
         "0000000000000001 000000000000000A\n"
         "0000000000000001 00000",
         2},
        {"one long line, longer than a boot id and two slots together, which nobody "
         "understands, and which is no harm",
         2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct place place;
        setup(&place);
        scratch_write(NAME, cases[i].text, strlen(cases[i].text));
        struct hsp_rate_window *window = open_window(&place, &three);
        assert_int_equal(hsp_rate_used(window, place.boot_ms), cases[i].used);
        send(&place, window, 3 - cases[i].used);
        assert_int_equal(wait_ms(&place, window), WINDOW + 1);
        hsp_rate_close(window);
        pass(&place, WINDOW + 1);
        window = open_window(&place, &three); /* and it is a good file from now on */
        send(&place, window, 3);
        hsp_rate_close(window);
        teardown(&place);
    }
}

static void test_not_a_file(void **state) {
    struct hsp_rate_window *window = NULL;
    struct hs_error err = {0};
    struct place place;
    (void)state;
    setup(&place);
    assert_int_equal(mkdirat(place.dirfd, NAME, 0700), 0);
    assert_int_equal(hsp_rate_open(&window, place.dirfd, NAME, &three, BOOT, UTC, &err),
                     HS_E_IO);
    assert_non_null(strstr(err.text, NAME));
    assert_int_equal(unlinkat(place.dirfd, NAME, AT_REMOVEDIR), 0);
    assert_int_equal(mkfifoat(place.dirfd, NAME, 0600), 0);
    assert_int_equal(hsp_rate_open(&window, place.dirfd, NAME, &three, BOOT, UTC, NULL),
                     HS_E_IO);
    assert_int_equal(unlinkat(place.dirfd, NAME, 0), 0);
    assert_int_equal(symlinkat("/dev/null", place.dirfd, NAME), 0);
    assert_int_equal(hsp_rate_open(&window, place.dirfd, NAME, &three, BOOT, UTC, NULL),
                     HS_E_IO);
    assert_null(window);
    hsp_rate_close(NULL);
    teardown(&place);
}

static enum hs_status open_and_close(void *context, struct hs_error *err) {
    const struct place *place = context;
    struct hsp_rate_window *window = NULL;
    const enum hs_status status =
        hsp_rate_open(&window, place->dirfd, NAME, &three, BOOT, UTC, err);
    if (status != HS_OK)
        assert_null(window);
    hsp_rate_close(window);
    return status;
}

static void test_out_of_memory(void **state) {
    struct place place;
    (void)state;
    setup(&place);
    alloc_fail_each(open_and_close, &place); /* a new file */
    alloc_fail_each(open_and_close, &place); /* an old one */
    teardown(&place);
}

/* Property
 * ------------------------------------------------------------------------------------ */

#define REQUESTS_MAX 20000

static uint32_t random_below(uint64_t *seed, uint32_t limit) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % limit;
}

/* What the receiver may have seen, by the true time, which is UTC here. */
struct traffic {
    struct {
        int64_t start_ms, end_ms; /* end INT64_MAX: under way */
        int slot;
    } requests[REQUESTS_MAX];
    size_t count;
    size_t under_way[8], under_way_count;
};

/* At the start of a request no more than N - 1 others reach into its window. */
static void check_start(const struct traffic *traffic, const struct hsp_rate *rate,
                        int64_t now_ms) {
    int64_t others = 0;
    for (size_t i = 0; i < traffic->count; i++)
        others += traffic->requests[i].end_ms >= now_ms - rate->window_ms;
    assert_true(others < rate->count);
}

static void start_request(struct traffic *traffic, struct place *place,
                          struct hsp_rate_window *window, const struct hsp_rate *rate) {
    check_start(traffic, rate, place->utc_ms);
    traffic->requests[traffic->count].start_ms = place->utc_ms;
    traffic->requests[traffic->count].end_ms = INT64_MAX;
    traffic->requests[traffic->count].slot = take(place, window);
    traffic->under_way[traffic->under_way_count++] = traffic->count++;
}

static void end_request(struct traffic *traffic, struct place *place,
                        struct hsp_rate_window *window, size_t which) {
    const size_t request = traffic->under_way[which];
    traffic->under_way[which] = traffic->under_way[--traffic->under_way_count];
    traffic->requests[request].end_ms = place->utc_ms;
    end(place, window, traffic->requests[request].slot);
}

/* The process dies; what was under way may have ended as late as now. */
static void die(struct traffic *traffic, struct place *place) {
    for (size_t i = 0; i < traffic->under_way_count; i++)
        traffic->requests[traffic->under_way[i]].end_ms = place->utc_ms;
    traffic->under_way_count = 0;
}

static void run_traffic(uint64_t seed, const struct hsp_rate *rate) {
    static struct traffic traffic;
    struct place place;
    setup(&place);
    traffic.count = traffic.under_way_count = 0;
    struct hsp_rate_window *window = open_window(&place, rate);
    for (int step = 0; step < 20000; step++) {
        const uint32_t what = random_below(&seed, 1000);
        pass(&place, random_below(&seed, 40));
        if (what < 5) {
            hsp_rate_close(window);
            pass(&place, random_below(&seed, 1500));
            die(&traffic, &place);
            if (what < 2)
                reboot(&place, 1 + random_below(&seed, 2000));
            window = open_window(&place, rate);
        } else if (what < 400) {
            if (traffic.under_way_count < 8 && wait_ms(&place, window) == 0)
                start_request(&traffic, &place, window, rate);
        } else if (traffic.under_way_count > 0 && what < 700) {
            end_request(&traffic, &place, window,
                        random_below(&seed, (uint32_t)traffic.under_way_count));
        }
    }
    hsp_rate_close(window);
    /* It does not sit idle either: a good part of what the limit allows was used. */
    const int64_t possible = (place.utc_ms - UTC) / (rate->window_ms + 1) * rate->count;
    assert_true((int64_t)traffic.count > possible / 3);
    teardown(&place);
}

static void test_never_more_than_the_limit(void **state) {
    static const struct hsp_rate rates[] = {{1, 100}, {3, 1000}, {10, 1000}, {40, 5000}};
    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
        for (uint64_t seed = 1; seed <= 3; seed++)
            run_traffic(seed * 7919 + i, &rates[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window_slides),
        cmocka_unit_test(test_take_without_a_slot_is_refused),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_file_format),
        cmocka_unit_test(test_restart_in_the_same_boot),
        cmocka_unit_test(test_kill_while_under_way),
        cmocka_unit_test(test_reboot),
        cmocka_unit_test(test_reboot_long_ago),
        cmocka_unit_test(test_clock_stepped_back),
        cmocka_unit_test(test_other_limits),
        cmocka_unit_test(test_spoilt_files),
        cmocka_unit_test(test_not_a_file),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_never_more_than_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
