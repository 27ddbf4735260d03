/* SPDX-License-Identifier: MIT */
/* The outbox: durable before it says so, in order, under the same ids whatever fails, and
 * nothing of it ever waits for more than a disk. */
#include "config.h"

#include "monitor.h"
#include "outbox.h"
#include "record.h"
#include "scratch.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 20000
#define LATE 50

static struct hs_config *config;
static struct hsp_outbox *box;
static const char *state_path;
static atomic_int ticks, asked;
static atomic_llong paused_us;
static atomic_bool held; /* a tick waits for `hold` */
static pthread_mutex_t hold = PTHREAD_MUTEX_INITIALIZER;
static int finish_after; /* looks at an event until it is ready */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[8192];

static void add_log(void *context, enum hsp_outbox_level level, const char *line) {
    assert_ptr_equal(context, &box);
    pthread_mutex_lock(&log_lock);
    const size_t used = strlen(log_text);
    snprintf(log_text + used, sizeof(log_text) - used, "%d %s\n", (int)level, line);
    pthread_mutex_unlock(&log_lock);
}

static size_t count_log(const char *text) {
    size_t count = 0;
    pthread_mutex_lock(&log_lock);
    for (const char *at = log_text; (at = strstr(at, text)) != NULL; at++)
        count++;
    pthread_mutex_unlock(&log_lock);
    return count;
}

static void take_tick(void *context, int64_t pause_us) {
    (void)context;
    ticks++;
    if (pause_us > 0)
        paused_us += pause_us;
    held = pthread_mutex_trylock(&hold) != 0;
    if (held)
        pthread_mutex_lock(&hold);
    pthread_mutex_unlock(&hold);
}

static bool finish(void *context, void *arg, struct hs_event *event, bool last) {
    (void)context;
    assert_ptr_equal(arg, &finish_after);
    const bool ready = ++asked > finish_after;
    if (ready || last)
        assert_int_equal(hs_event_set_number(event, HS_NUMBER_STATUS_CODE, 503, NULL),
                         HS_OK);
    return ready;
}

static void open_box(void) {
    const struct hsp_outbox_options options = {config,    state_path, 20,  add_log,
                                               take_tick, finish,     &box};
    struct hs_error err = {0};
    assert_int_equal(hsp_outbox_open(&box, &options, &err), HS_OK);
}

static void start_box(void) {
    open_box();
    assert_int_equal(hsp_outbox_start(box, NULL), HS_OK);
}

static size_t stop_box(int64_t timeout_ms) {
    bool kept = false;
    const size_t left = hsp_outbox_stop(box, timeout_ms, &kept);
    assert_int_equal(kept, state_path != NULL);
    hsp_outbox_close(box);
    box = NULL;
    return left;
}

static int setup(void **state) {
    (void)state;
    scratch_make();
    const char *text = "min_free = \"0%\"\nregion = \"here\"\n";
    const char *path = scratch_write("conf", text, strlen(text));
    assert_int_equal(hs_config_load(&config, path, NULL), HS_OK);
    assert_int_equal(mkdir(scratch_path("spool"), 0755), 0);
    assert_int_equal(hs_config_set_spool_dir(config, scratch_path("spool"), NULL), HS_OK);
    static char state_buffer[SCRATCH_PATH_MAX];
    snprintf(state_buffer, sizeof(state_buffer), "%s", scratch_path("state"));
    state_path = state_buffer;
    paused_us = 0;
    ticks = asked = finish_after = 0;
    log_text[0] = '\0';
    return 0;
}

static int teardown(void **state) {
    (void)state;
    hs_config_free(config);
    scratch_remove();
    return 0;
}

/* An event of monitor `host` whose message is `number`. */
static struct hs_event *new_event(const char *host, int number) {
    struct hs_event *event = NULL;
    char text[16];
    const int length = snprintf(text, sizeof(text), "n%d.", number);
    assert_int_equal(hs_event_new(&event, HS_KIND_INCIDENT, HS_STATE_DOWN, NULL), HS_OK);
    assert_int_equal(hs_event_set_text(event, HS_TEXT_HOST, host, strlen(host), NULL),
                     HS_OK);
    assert_int_equal(
        hs_event_set_text(event, HS_TEXT_ERROR_MESSAGE, text, (size_t)length, NULL),
        HS_OK);
    return event;
}

static uint64_t add(int number, const char *key, const char *value) {
    const struct hsp_outgoing outgoing = {new_event("web-01", number), NULL, key, value};
    uint64_t ticket = 0;
    assert_int_equal(hsp_outbox_add(box, &outgoing, &ticket, NULL), HS_OK);
    return ticket;
}

/* The numbers of all events in the spool, by their ids: "1 2 3 ". */
static int by_name(const void *a, const void *b) { return strcmp(a, b); }

static const char *spooled(void) {
    static const char key[] = "\"error_message\":\"n";
    static char found[65536], events[3000][64];
    size_t count = 0;
    struct dirent *entry;
    DIR *dir = opendir(scratch_path("spool/incoming"));
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char path[SCRATCH_PATH_MAX];
        struct hsp_record_reader reader;
        struct hsp_record_event event;
        size_t length;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", scratch_path("spool/incoming"),
                 entry->d_name);
        char *bytes = scratch_read(path, &length);
        assert_int_equal(hsp_record_open(&reader, bytes, length, NULL), HS_OK);
        while (hsp_record_next(&reader, &event)) {
            const char *number = strstr(event.body, key);
            assert_non_null(number);
            snprintf(events[count++], 64, "%s %d", event.id, atoi(number + strlen(key)));
        }
        free(bytes);
    }
    closedir(dir);
    qsort(events, count, sizeof(events[0]), by_name);
    size_t used = 0;
    found[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strncmp(events[i], events[i - 1], HSP_ID_LENGTH) == 0)
            continue; /* put twice, under the same id */
        used += (size_t)snprintf(found + used, sizeof(found) - used, "%s ",
                                 strchr(events[i], ' ') + 1);
    }
    return found;
}

static void test_into_the_spool(void **state) {
    (void)state;
    start_box();
    const uint64_t ticket = add(1, "web-01", "DOWN 1");
    assert_true(hsp_outbox_wait(box, ticket, WAIT_MS));
    size_t length;
    char *text = scratch_read(state_path, &length);
    assert_non_null(strstr(text, "web-01DOWN 1\n")); /* durable with its event */
    assert_non_null(strstr(text, "\"n1.\""));
    free(text);
    for (int i = 2; i < 6; i++)
        add(i, NULL, NULL);
    assert_true(hsp_outbox_flush(box, WAIT_MS));
    assert_string_equal(spooled(), "1 2 3 4 5 ");
    assert_int_equal(stop_box(WAIT_MS), 0);
    open_box();
    assert_string_equal(hsp_outbox_state(box, "web-01"), "DOWN 1");
    hsp_outbox_close(box);
    assert_string_equal(log_text, "");
}

static void test_a_burst_is_one_file(void **state) {
    (void)state;
    open_box();
    for (int i = 0; i < 2500; i++)
        add(i, NULL, NULL);
    assert_int_equal(hsp_outbox_start(box, NULL), HS_OK);
    assert_true(hsp_outbox_flush(box, WAIT_MS));
    assert_int_equal(stop_box(WAIT_MS), 0);
    assert_int_equal(scratch_count(scratch_path("spool/incoming"), NULL), 3);
    int next = 0;
    for (const char *at = spooled(); *at != '\0'; at = strchr(at, ' ') + 1)
        assert_int_equal(atoi(at), next++);
    assert_int_equal(next, 2500);
}

/* The spool is not there, and is back: nothing lost, told once, in order. */
static void test_spool_away(void **state) {
    (void)state;
    assert_int_equal(rmdir(scratch_path("spool")), 0);
    start_box();
    assert_true(
        hsp_outbox_wait(box, add(1, "a", "DOWN"), WAIT_MS)); /* in the state file */
    for (int i = 2; i < 5; i++)
        add(i, NULL, NULL);
    assert_false(hsp_outbox_flush(box, WAIT_MS)); /* at once: it fails */
    assert_int_equal(count_log("/spool: No such file or directory; run `hookspool init`"),
                     1);
    assert_int_equal(mkdir(scratch_path("spool"), 0755), 0);
    for (int i = 0; i < 1000 && count_log("takes events again") == 0; i++)
        usleep(20000);
    assert_int_equal(count_log("the spool takes events again"), 1);
    assert_string_equal(spooled(), "1 2 3 4 ");
    assert_int_equal(stop_box(WAIT_MS), 0);
}

/* Ended while the spool is away: the next start puts the same. */
static void test_spool_away_over_a_restart(void **state) {
    (void)state;
    assert_int_equal(rmdir(scratch_path("spool")), 0);
    start_box();
    for (int i = 1; i < 4; i++)
        add(i, NULL, NULL);
    assert_int_equal(stop_box(0), 3);
    assert_int_equal(mkdir(scratch_path("spool"), 0755), 0);
    start_box();
    add(4, NULL, NULL);
    assert_true(hsp_outbox_flush(box, WAIT_MS));
    assert_string_equal(spooled(), "1 2 3 4 ");
    assert_int_equal(stop_box(WAIT_MS), 0);
    assert_int_equal(count_log("3 events of before are put again"), 1);
}

/* Killed between the put and the note that it was done: the same id again. */
static void test_put_again_under_the_same_id(void **state) {
    (void)state;
    size_t length;
    start_box();
    assert_true(hsp_outbox_wait(box, add(7, "a", "DOWN"), WAIT_MS));
    assert_true(hsp_outbox_flush(box, WAIT_MS));
    char *text = scratch_read(state_path, &length); /* as a kill would leave it */
    if (strstr(text, "done 1") == NULL) {
        assert_int_equal(stop_box(WAIT_MS), 0);
        scratch_write("state", text, length);
        start_box();
        assert_true(hsp_outbox_flush(box, WAIT_MS));
    }
    free(text);
    assert_string_equal(spooled(), "7 ");
    assert_int_equal(scratch_count(scratch_path("spool/incoming"), NULL), 1);
    assert_int_equal(stop_box(WAIT_MS), 0);
}

static void test_without_a_state_file(void **state) {
    (void)state;
    state_path = NULL;
    start_box();
    assert_true(hsp_outbox_wait(box, add(1, "a", "DOWN"), WAIT_MS));
    assert_string_equal(spooled(), "1 "); /* not durable before */
    assert_int_equal(stop_box(WAIT_MS), 0);
}

static void test_state_file_fails(void **state) {
    (void)state;
    state_path = scratch_path("nowhere/state");
    start_box();
    assert_true(hsp_outbox_wait(box, add(1, "a", "DOWN"), WAIT_MS));
    assert_true(hsp_outbox_flush(box, WAIT_MS));
    assert_string_equal(spooled(), "1 ");
    assert_int_equal(count_log("until this is mended a crash would lose"), 1);
    assert_int_equal(mkdir(scratch_path("nowhere"), 0755), 0);
    add(2, "a", "UP");
    assert_true(hsp_outbox_flush(box, WAIT_MS));
    assert_int_equal(count_log("can be written again"), 1);
    assert_int_equal(stop_box(WAIT_MS), 0);
}

/* Both fail: nobody waits for long, and nothing is lost while the process lives. */
static void test_all_fails(void **state) {
    (void)state;
    state_path = scratch_path("nowhere/state");
    assert_int_equal(rmdir(scratch_path("spool")), 0);
    start_box();
    add(1, NULL, NULL);
    assert_false(hsp_outbox_flush(box, WAIT_MS));
    assert_false(hsp_outbox_wait(box, add(2, NULL, NULL), WAIT_MS));
    assert_int_equal(mkdir(scratch_path("spool"), 0755), 0);
    for (int i = 0; i < 1000 && count_log("takes events again") == 0; i++)
        usleep(20000);
    assert_string_equal(spooled(), "1 2 ");
    bool kept = true;
    assert_int_equal(hsp_outbox_stop(box, WAIT_MS, &kept), 0);
    assert_false(kept);
    hsp_outbox_close(box);
}

/* A status without an event is written when there is time, and at the end. */
static void test_status_alone(void **state) {
    (void)state;
    const struct hsp_outgoing up = {.key = "a", .value = "UP"};
    const struct hsp_outgoing forget = {.key = "b"};
    start_box();
    assert_int_equal(hsp_outbox_add(box, &up, NULL, NULL), HS_OK);
    for (int i = 0; i < 1000 && access(state_path, F_OK) != 0; i++)
        usleep(20000);
    assert_int_equal(access(state_path, F_OK), 0);
    assert_int_equal(hsp_outbox_add(box, &forget, NULL, NULL), HS_OK);
    assert_int_equal(stop_box(WAIT_MS), 0);
    open_box();
    assert_string_equal(hsp_outbox_state(box, "a"), "UP");
    hsp_outbox_close(box);
}

static void test_finish(void **state) {
    (void)state;
    for (int looks = 0; looks < 1000000; looks = looks * 1000 + 3) {
        finish_after = looks;
        asked = 0;
        const struct hsp_outgoing outgoing = {new_event("x", looks), &finish_after, NULL,
                                              NULL};
        start_box();
        assert_int_equal(hsp_outbox_add(box, &outgoing, NULL, NULL), HS_OK);
        assert_true(hsp_outbox_flush(box, WAIT_MS));
        assert_true(asked >= 1 && asked <= looks + 1);
        assert_int_equal(stop_box(WAIT_MS), 0);
    }
}

static void test_ticks(void **state) {
    (void)state;
    start_box();
    for (int i = 0; i < 1000 && ticks < 3; i++)
        usleep(20000);
    assert_true(ticks >= 3);
    bool kept;
    assert_int_equal(hsp_outbox_stop(box, WAIT_MS, &kept), 0);
    assert_false(hsp_outbox_wait(box, 99, WAIT_MS));
    assert_true(kept); /* of which there was nothing */
    hsp_outbox_close(box);
    hsp_outbox_close(NULL);
}

static void *add_late(void *argument) {
    for (int i = 0; i < LATE; i++)
        assert_true(
            hsp_outbox_wait(box, add(*(int *)argument + i, "late", "DOWN"), WAIT_MS));
    return NULL;
}

/* After the stop each is durable when the wait for it ends: a host says goodbye to its
 * plugins while others still talk to it. */
static void test_after_the_stop(void **state) {
    (void)state;
    pthread_t threads[3];
    int first[3];
    bool kept;
    start_box();
    assert_int_equal(hsp_outbox_stop(box, WAIT_MS, &kept), 0);
    for (int i = 0; i < 3; i++) {
        first[i] = i * LATE;
        assert_int_equal(pthread_create(&threads[i], NULL, add_late, &first[i]), 0);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    const char *numbers = spooled();
    for (int i = 0; i < 3 * LATE; i++) {
        char number[16];
        snprintf(number, sizeof(number), "%d ", i);
        assert_non_null(strstr(numbers, number));
    }
    hsp_outbox_close(box);
    start_box(); /* nothing is left to be put again */
    assert_string_equal(hsp_outbox_state(box, "late"), "DOWN");
    assert_int_equal(count_log("put again"), 0);
    stop_box(WAIT_MS);
}

/* A disk that hangs is waited for once, not by each. */
static void test_slow_disk(void **state) {
    (void)state;
    start_box();
    pthread_mutex_lock(&hold);
    for (int i = 0; i < 1000 && !held; i++)
        usleep(20000);
    assert_true(held);
    assert_false(hsp_outbox_wait(box, add(1, NULL, NULL), 100));
    const int64_t began_us = hsp_clock_now().running_us;
    for (int i = 2; i < 12; i++)
        assert_false(hsp_outbox_wait(box, add(i, NULL, NULL), 1000));
    assert_false(hsp_outbox_flush(box, WAIT_MS));
    assert_true(hsp_clock_now().running_us - began_us < 1000000);
    pthread_mutex_unlock(&hold);
    for (int i = 0; i < 1000 && !hsp_outbox_flush(box, WAIT_MS); i++)
        usleep(20000);
    assert_true(hsp_outbox_wait(box, add(12, NULL, NULL), WAIT_MS));
    assert_true(paused_us >= 50000); /* for 100 ms nothing could be heard */
    assert_int_equal(stop_box(WAIT_MS), 0);
}

/* What the state file keeps need not be waited for at the end. */
static void test_quick_stop_without_a_spool(void **state) {
    (void)state;
    assert_int_equal(rmdir(scratch_path("spool")), 0);
    start_box();
    add(1, NULL, NULL);
    assert_false(hsp_outbox_flush(box, WAIT_MS));
    const int64_t began_us = hsp_clock_now().running_us;
    assert_int_equal(stop_box(WAIT_MS), 1);
    assert_true(hsp_clock_now().running_us - began_us < WAIT_MS * 1000 / 4);
}

static void test_full(void **state) {
    (void)state;
    struct hs_error err = {0};
    open_box(); /* nobody empties it */
    for (int i = 0; i < HSP_OUTBOX_MAX; i++)
        add(i, NULL, NULL);
    struct hs_event *event = new_event("one more", 1);
    const struct hsp_outgoing outgoing = {event, NULL, NULL, NULL};
    assert_int_equal(hsp_outbox_add(box, &outgoing, NULL, &err), HS_E_FULL);
    assert_non_null(strstr(err.text, "100000 wait already"));
    hs_event_free(event);
    hsp_outbox_close(box);
}

/* An event that no payload can be made of is told of, and stops nobody. */
static void test_unacceptable(void **state) {
    (void)state;
    struct hs_event *nameless = NULL;
    assert_int_equal(hs_event_new(&nameless, HS_KIND_INCIDENT, HS_STATE_DOWN, NULL),
                     HS_OK);
    const struct hsp_outgoing outgoing = {nameless, NULL, NULL, NULL};
    start_box();
    assert_int_equal(hsp_outbox_add(box, &outgoing, NULL, NULL), HS_OK);
    add(1, NULL, NULL);
    assert_true(hsp_outbox_flush(box, WAIT_MS));
    assert_string_equal(spooled(), "1 ");
    assert_int_equal(count_log("the event is dropped"), 1);
    assert_int_equal(stop_box(WAIT_MS), 0);
}

static void *add_many(void *argument) {
    const int first = *(const int *)argument;
    for (int i = 0; i < 200; i++) {
        const struct hsp_outgoing outgoing = {new_event("many", first + i), NULL, "many",
                                              "DOWN"};
        uint64_t ticket = 0;
        if (hsp_outbox_add(box, &outgoing, &ticket, NULL) != HS_OK ||
            (i % 20 == 0 && !hsp_outbox_wait(box, ticket, WAIT_MS)))
            return NULL;
    }
    return argument;
}

static void test_many_threads(void **state) {
    (void)state;
    pthread_t threads[5];
    int firsts[5];
    start_box();
    for (int i = 0; i < 5; i++) {
        firsts[i] = i * 1000;
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, &firsts[i]), 0);
    }
    for (int i = 0; i < 5; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, &firsts[i]);
    }
    assert_true(hsp_outbox_flush(box, WAIT_MS));
    assert_int_equal(stop_box(WAIT_MS), 0);
    int count = 0;
    for (const char *at = spooled(); *at != '\0'; at = strchr(at, ' ') + 1)
        count++;
    assert_int_equal(count, 1000);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_into_the_spool),
        TEST(test_a_burst_is_one_file),
        TEST(test_spool_away),
        TEST(test_spool_away_over_a_restart),
        TEST(test_put_again_under_the_same_id),
        TEST(test_without_a_state_file),
        TEST(test_state_file_fails),
        TEST(test_all_fails),
        TEST(test_status_alone),
        TEST(test_finish),
        TEST(test_ticks),
        TEST(test_after_the_stop),
        TEST(test_slow_disk),
        TEST(test_quick_stop_without_a_spool),
        TEST(test_full),
        TEST(test_unacceptable),
        TEST(test_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
