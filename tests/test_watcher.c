/* SPDX-License-Identifier: MIT */
/* collectd's values and notifications, without collectd: which Monitor hears of them,
 * what comes of it, what is known after a restart. */
#include "config.h"

#include "alloc_fail.h"
#include "others.h"
#include "record.h"
#include "scratch.h"
#include "watcher.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND_US INT64_C(1000000)
#define DAY_S INT64_C(86400)

static struct hs_config *config;
static struct hsp_settings settings;
static struct hsp_watcher *watcher;
static const char *state_path;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[8192];

static void add_log(enum hsp_outbox_level level, const char *line) {
    pthread_mutex_lock(&log_lock);
    const size_t used = strlen(log_text);
    snprintf(log_text + used, sizeof(log_text) - used, "%d %s\n", (int)level, line);
    pthread_mutex_unlock(&log_lock);
}

static void complain(const char *line) { add_log(HSP_OUTBOX_ERROR, line); }

static size_t count_log(const char *text) {
    size_t count = 0;
    pthread_mutex_lock(&log_lock);
    for (const char *at = log_text; (at = strstr(at, text)) != NULL; at++)
        count++;
    pthread_mutex_unlock(&log_lock);
    return count;
}

/* Settings */

/* An option of one value: a text, or a number where that is NULL. */
struct option {
    const char *key, *text;
    double number;
};

#define OPTIONS_MAX 16

/* Add a Monitor; the last of `options` has no key. */
static void add_monitor(const char *label, const struct option *options) {
    struct hsp_option_value values[OPTIONS_MAX], name = {.text = label};
    struct hsp_option children[OPTIONS_MAX] = {0};
    size_t count = 0;
    for (; options[count].key != NULL; count++) {
        values[count] = (struct hsp_option_value){
            .type = options[count].text != NULL ? HSP_OPTION_TEXT : HSP_OPTION_NUMBER,
            .text = options[count].text,
            .number = options[count].number};
        children[count] =
            (struct hsp_option){options[count].key, &values[count], 1, NULL, 0};
    }
    const struct hsp_option monitor = {"Monitor", &name, 1, children, count};
    const struct hsp_option block = {"Plugin", NULL, 0, &monitor, 1};
    assert_int_equal(hsp_settings_read(&settings, &block, complain, NULL), HS_OK);
}

/* One of a plugin's values above 10 is bad. */
static void add_plain(const char *label) {
    const struct option options[] = {
        {"Plugin", "exec", 0}, {"Type", "gauge", 0}, {"FailureMax", NULL, 10},
        {"Timeout", NULL, 0},  {NULL, NULL, 0},
    };
    add_monitor(label, options);
}

/* Running */

static enum hs_status open_watcher(struct hs_error *err) {
    const struct hsp_watcher_options options = {&settings, config, state_path, SECOND_US,
                                                add_log};
    return hsp_watcher_open(&watcher, &options, err);
}

static void start(void) {
    assert_int_equal(open_watcher(NULL), HS_OK);
    assert_int_equal(hsp_watcher_start(watcher, NULL), HS_OK);
}

static void stop(void) {
    bool kept = false;
    assert_int_equal(hsp_watcher_stop(watcher, 1000, &kept), 0);
    assert_int_equal(kept, state_path != NULL);
    hsp_watcher_close(watcher);
    watcher = NULL;
}

static void restart(void) {
    stop();
    start();
}

/* Another time with each call: a value that is not newer than the last counts for
 * nothing. */
static int64_t wall_us(void) {
    static int64_t last_us;
    int64_t now_us = hsp_clock_now().wall_us;
    while (now_us == last_us)
        now_us = hsp_clock_now().wall_us;
    return last_us = now_us;
}

static void send(const char *host, const char *type, double value, int64_t time_us) {
    static const char *const names[] = {"value"};
    const struct hsp_reading reading = {
        .series = {{host, "exec", "", type, ""}},
        .time_us = time_us,
        .interval_us = SECOND_US,
        .count = 1,
        .names = names,
        .values = &value,
    };
    assert_true(hsp_watcher_wants(watcher, &reading.series));
    hsp_watcher_value(watcher, &reading);
}

static void value(const char *host, double number) {
    send(host, "gauge", number, wall_us());
}

static uint64_t note(const char *host, const char *plugin, enum hsp_severity severity) {
    const struct hsp_note one = {.series = {{host, plugin, "", "", ""}},
                                 .severity = severity,
                                 .time_us = wall_us(),
                                 .message = "message"};
    return hsp_watcher_note(watcher, &one);
}

/* What is in the spool */

static void copy_field(const char *body, const char *key, char *out, size_t size) {
    const char *at = strstr(body, key);
    assert_non_null(at);
    at += strlen(key);
    at += *at == '"';
    snprintf(out, size, "%.*s", (int)strcspn(at, "\",}"), at);
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

/* All events by their ids, each as " KIND ID PREVIOUS FAILURES MS CODE", without
 * "incident" and without nulls. */
static const char *told(void) {
    static const char *const keys[] = {
        "\"notification_type\":",    "\"monitor\":{\"id\":",  "\"previous_status\":",
        "\"consecutive_failures\":", "\"response_time_ms\":", "\"status_code\":"};
    static char found[8192], events[200][512];
    size_t count = 0;
    struct dirent *entry;
    bool put = false;
    for (int i = 0; i < 400 && !put; i++) {
        put = hsp_outbox_flush(hsp_watcher_outbox(watcher), 20000);
        usleep(put ? 0 : 50000);
    }
    assert_true(put);
    DIR *dir = opendir(scratch_path("spool/incoming"));
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char path[SCRATCH_PATH_MAX], word[256];
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
            int used = snprintf(events[count], 512, "%s", event.id);
            for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
                copy_field(event.body, keys[i], word, sizeof(word));
                if (strcmp(word, "null") != 0 && strcmp(word, "incident") != 0)
                    used +=
                        snprintf(events[count] + used, 512 - (size_t)used, " %s", word);
            }
            count++;
        }
        free(bytes);
    }
    if (dir != NULL)
        closedir(dir);
    qsort(events, count, sizeof(events[0]), by_name);
    found[0] = '\0';
    for (size_t i = 0, used = 0; i < count; i++)
        used += (size_t)snprintf(found + used, sizeof(found) - used, "%s;",
                                 events[i] + HSP_ID_LENGTH);
    return found;
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
    hsp_settings_init(&settings);
    log_text[0] = '\0';
    return 0;
}

static int teardown(void **state) {
    (void)state;
    if (watcher != NULL)
        stop();
    hsp_settings_free(&settings);
    hs_config_free(config);
    scratch_remove();
    return 0;
}

/* Values */

static void test_values(void **state) {
    (void)state;
    const struct option options[] = {
        {"Host", "web1", 0},      {"Plugin", "exec", 0},    {"Type", "gauge", 0},
        {"FailureMax", NULL, 10}, {"Failures", NULL, 2},    {"Timeout", NULL, 0},
        {"Id", "id-%{host}", 0},  {"URL", "https://x/", 0}, {NULL, NULL, 0},
    };
    add_monitor("one", options);
    start();
    const struct hsp_series other = {{"web2", "exec", "", "gauge", ""}};
    assert_false(hsp_watcher_wants(watcher, &other));
    value("web1", 11);
    value("web1", 1);
    assert_string_equal(told(), "");
    value("web1", 11);
    value("web1", NAN);
    value("web1", 10);
    assert_string_equal(told(), " id-web1 UP 2; recovery id-web1 DOWN 0;");
    assert_string_equal(log_text, "");
}

static void add_with_feeds(void) {
    const struct option options[] = {
        {"Plugin", "exec", 0},
        {"Type", "gauge", 0},
        {"FailureMax", NULL, 10},
        {"Timeout", NULL, 0},
        {"ResponseTime", "exec/delay", 0},
        {"StatusCode", "exec/gauge", 0},
        {NULL, NULL, 0},
    };
    add_monitor("fed", options);
}

static void test_response_time(void **state) {
    (void)state;
    add_with_feeds();
    start();
    send("web1", "delay", 0.25, wall_us());
    value("web1", 11);
    assert_string_equal(told(), " fed@web1 1 250 11;");
}

/* A sibling whose clock is an hour ahead, and then right again. */
static void test_response_time_of_the_future(void **state) {
    (void)state;
    add_with_feeds();
    start();
    send("web1", "delay", 0.1, wall_us() + 3600 * SECOND_US);
    value("web1", 1);
    send("web1", "delay", 0.2, wall_us());
    value("web1", 11);
    assert_string_equal(told(), " fed@web1 UP 1 200 11;");
}

/* It is never there: null, and the event is not kept back for long. */
static void test_response_time_is_missing(void **state) {
    (void)state;
    add_with_feeds();
    start();
    const int64_t began_us = wall_us();
    value("web1", 11);
    assert_string_equal(told(), " fed@web1 1 11;");
    assert_true(wall_us() - began_us < 2 * SECOND_US);
}

/* Restarts */

static void test_over_a_restart(void **state) {
    (void)state;
    add_plain("plain");
    start();
    value("web1", 1);
    value("web2", 11);
    restart();
    value("web1", 1);
    value("web2", 12);
    assert_string_equal(told(), " plain@web2 1;");
    value("web1", 12);
    value("web2", 1);
    assert_string_equal(told(),
                        " plain@web2 1; plain@web1 UP 1; recovery plain@web2 DOWN 0;");
}

/* Whatever a Monitor and its host are called. */
static void test_names_over_a_restart(void **state) {
    (void)state;
    char label[1001], host[128];
    memset(label, 'm', sizeof(label) - 1);
    memset(host, 'h', sizeof(host) - 1);
    label[sizeof(label) - 1] = host[sizeof(host) - 1] = '\0';
    const char *const cases[][2] = {
        {label, host},
        {"tab\there", "web1"},
        {"plain", "tab\there\t"},
        {"\xff\xfe", "\xe2\x82"},
        {"r\xc3\xa9seau \xe2\x86\x92", "h\xc3\xb4te"},
        {" ", " "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        add_plain(cases[i][0]);
        start();
        value(cases[i][1], 11);
        restart();
        value(cases[i][1], 12);
        value(cases[i][1], 1);
        const char *text = told();
        assert_non_null(strstr(text, "; recovery "));
        assert_int_equal(strncmp(strchr(text, ';') + 1, " recovery ", 10), 0);
        assert_null(strchr(strchr(strchr(text, ';') + 1, ';') + 1, ';'));
        assert_int_equal(teardown(NULL), 0);
        assert_int_equal(setup(NULL), 0);
    }
}

/* A mistake in the configuration must not cost a recovery: what is DOWN is remembered
 * while its Monitor is not there, for a month. */
static void test_left_out_for_a_while(void **state) {
    (void)state;
    add_plain("plain");
    start();
    value("web1", 11);
    value("web2", 1);
    stop();
    hsp_settings_free(&settings);
    add_plain("other");
    start();
    value("web1", 1);
    value("web2", 1);
    stop();
    hsp_settings_free(&settings);
    add_plain("plain");
    start();
    value("web1", 1);
    value("web2", 1);
    assert_string_equal(told(), " plain@web1 1; recovery plain@web1 DOWN 0;");
}

static void keep(const char *key, const char *text) {
    struct hsp_outbox *box = NULL;
    const struct hsp_outbox_options options = {.config = config,
                                               .state_path = state_path};
    const struct hsp_outgoing outgoing = {.key = key, .value = text};
    bool kept = false;
    assert_int_equal(hsp_outbox_open(&box, &options, NULL), HS_OK);
    assert_int_equal(hsp_outbox_start(box, NULL), HS_OK);
    assert_int_equal(hsp_outbox_add(box, &outgoing, NULL, NULL), HS_OK);
    assert_int_equal(hsp_outbox_stop(box, 1000, &kept), 0);
    assert_true(kept);
    hsp_outbox_close(box);
}

static void test_gone_for_long(void **state) {
    (void)state;
    const int64_t now_s = wall_us() / SECOND_US;
    const struct {
        const char *key;
        const char *word;
        int64_t age_s;
        bool stays;
    } cases[] = {
        {"monitor gone\tweb1", "DOWN", 29 * DAY_S, true},
        {"monitor gone\tweb1", "DOWN", 31 * DAY_S, false},
        {"monitor gone\tweb1", "DOWN", -DAY_S, true}, /* a clock that was wrong */
        {"monitor gone\tweb1", "UP", 0, false},
        {"monitor gone\tweb1", "nonsense", 0, false},
        {"nonsense", "DOWN", 0, false},
        {"series web1/exec/gauge", "DOWN", 29 * DAY_S, true},
        {"series web1/exec/gauge", "DOWN", 31 * DAY_S, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[128];
        const long long at = (long long)(now_s - cases[i].age_s);
        snprintf(text, sizeof(text), "%s 1 1 %lld %lld", cases[i].word, at, at);
        keep(cases[i].key, text);
        start();
        stop();
        assert_int_equal(open_watcher(NULL), HS_OK);
        const char *found = hsp_outbox_state(hsp_watcher_outbox(watcher), cases[i].key);
        if ((found != NULL) != cases[i].stays)
            fail_msg("case %zu: %s", i, found == NULL ? "gone" : found);
        hsp_watcher_close(watcher);
        watcher = NULL;
        assert_int_equal(teardown(NULL), 0);
        assert_int_equal(setup(NULL), 0);
    }
}

/* Notifications */

static void test_notes(void **state) {
    (void)state;
    const struct option options[] = {
        {"Plugin", "noted", 0}, {"Source", "notifications", 0}, {NULL, NULL, 0}};
    add_monitor("noted", options);
    settings.notifications = true;
    start();
    assert_int_equal(note("web1", "noted", HSP_OKAY), 0);
    assert_true(note("web1", "noted", HSP_WARNING) > 0);
    assert_true(note("web1", "noted", HSP_OKAY) > 0);
    assert_string_equal(told(), " noted@web1 UP 1; recovery noted@web1 DOWN 0;");
    assert_int_equal(note("web1", "else", HSP_OKAY), 0);
    assert_true(note("web1", "else", HSP_FAILURE) > 0);
    restart();
    assert_int_equal(note("web1", "else", HSP_FAILURE), 0);
    assert_true(note("web1", "else", HSP_OKAY) > 0);
    assert_int_equal(note("web1", "else", HSP_OKAY), 0);
}

/* collectd says goodbye to us while its sockets still take notifications. */
static void test_notes_after_the_stop(void **state) {
    (void)state;
    bool kept = false;
    settings.notifications = true;
    start();
    assert_int_equal(hsp_watcher_stop(watcher, 1000, &kept), 0);
    const uint64_t ticket = note("", "p", HSP_FAILURE);
    assert_true(ticket > 0);
    assert_true(hsp_outbox_wait(hsp_watcher_outbox(watcher), ticket, 20000));
    assert_non_null(strstr(told(), " 1;"));
    hsp_watcher_close(watcher);
    watcher = NULL;
}

/* Beyond the limit of series nothing of them is remembered, on disk either. */
static void test_series_beyond_the_limit(void **state) {
    (void)state;
    struct hsp_others others = {.min_severity = HSP_WARNING,
                                .warning_is = HS_STATE_DOWN,
                                .lock = PTHREAD_MUTEX_INITIALIZER};
    const struct hsp_note one = {.series = {{"web1", "p", "", "t", ""}},
                                 .severity = HSP_FAILURE,
                                 .time_us = wall_us(),
                                 .message = "m"};
    const struct hsp_clock now = hsp_clock_now();
    uint64_t ticket = 0;
    start();
    others.outbox = hsp_watcher_outbox(watcher);
    assert_true(hsp_table_put(&others.down, "another", &others));
    others.down.count = HSP_OTHERS_MAX;
    assert_int_equal(hsp_others_note(&others, &one, &now, &ticket, NULL), HS_OK);
    assert_true(ticket > 0);
    assert_true(strlen(told()) > 0);
    others.down.count = 1;
    hsp_table_free(&others.down, NULL);
    stop();
    settings.notifications = true;
    assert_int_equal(open_watcher(NULL), HS_OK);
    assert_null(hsp_outbox_state(hsp_watcher_outbox(watcher), "series web1/p/t"));
    hsp_watcher_close(watcher);
    watcher = NULL;
}

/* Nobody is told twenty times a second that the line is full. */
static void test_full_is_told_now_and_then(void **state) {
    (void)state;
    const struct option options[] = {
        {"Plugin", "exec", 0}, {"Timeout", NULL, 0.1}, {NULL, NULL, 0}};
    add_monitor("quick", options);
    settings.notifications = true;
    assert_int_equal(rmdir(scratch_path("spool")), 0);
    start();
    for (int i = 0; i < HSP_OUTBOX_MAX + 10; i++)
        note("web1", "p", HSP_FAILURE);
    for (int i = 0; i < 1000 && count_log("could not be queued") == 0; i++)
        usleep(20000);
    for (int i = 0; i < 20; i++) {
        note("web1", "p", HSP_FAILURE);
        usleep(50000);
    }
    assert_int_equal(count_log("could not be queued"), 1);
    assert_int_equal(mkdir(scratch_path("spool"), 0755), 0);
    stop();
}

/* Memory */

static enum hs_status open_and_close(void *context, struct hs_error *err) {
    (void)context;
    const enum hs_status status = open_watcher(err);
    if (status == HS_OK)
        hsp_watcher_close(watcher);
    watcher = NULL;
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    add_with_feeds();
    add_plain("plain");
    alloc_fail_each(open_and_close, NULL);
}

static enum hs_status read_block(void *context, struct hs_error *err) {
    static const struct hsp_option_value label = {.text = "m"}, part = {.text = "/a.*/"},
                                         feed = {.text = "a-b/c-d"},
                                         mark = {.type = HSP_OPTION_NUMBER, .number = 3};
    static const struct hsp_option children[] = {{"Host", &part, 1, NULL, 0},
                                                 {"ResponseTime", &feed, 1, NULL, 0},
                                                 {"NotifyAt", &mark, 1, NULL, 0},
                                                 {"Name", &feed, 1, NULL, 0}};
    static const struct hsp_option inside[] = {{"Monitor", &label, 1, children, 4},
                                               {"Region", &label, 1, NULL, 0}};
    static const struct hsp_option block = {"Plugin", NULL, 0, inside, 2};
    (void)context;
    hsp_settings_free(&settings);
    return hsp_settings_read(&settings, &block, complain, err);
}

static void test_settings_out_of_memory(void **state) {
    (void)state;
    alloc_fail_each(read_block, NULL);
    assert_int_equal(settings.watch_count, 1);
    assert_string_equal(log_text, "");
}

/* Of memory that ends while it runs: a value is decided again with the next one. */
static void test_out_of_memory_later(void **state) {
    (void)state;
    state_path = NULL; /* the other thread needs no memory until there is an event */
    add_plain("plain");
    start();
    value("web1", 1);
    assert_string_equal(told(), "");
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        alloc_fail_at(n);
        value("web1", 11);
        failed = alloc_fail_stop();
        assert_true(n < 1000);
        if (!failed)
            break;
    }
    value("web1", 12);
    const char *text = told();
    assert_non_null(strstr(text, " plain@web1 UP "));
    assert_null(strchr(strchr(text, ';') + 1, ';'));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_values),
        TEST(test_response_time),
        TEST(test_response_time_of_the_future),
        TEST(test_response_time_is_missing),
        TEST(test_over_a_restart),
        TEST(test_names_over_a_restart),
        TEST(test_left_out_for_a_while),
        TEST(test_gone_for_long),
        TEST(test_notes),
        TEST(test_notes_after_the_stop),
        TEST(test_series_beyond_the_limit),
        TEST(test_full_is_told_now_and_then),
        TEST(test_out_of_memory),
        TEST(test_settings_out_of_memory),
        TEST(test_out_of_memory_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
