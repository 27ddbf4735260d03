/* SPDX-License-Identifier: MIT */
/* A watcher with a spool and a state file, and what collectd would say to it. */
#include "config.h"

#include "record.h"
#include "scratch.h"
#include "watcher_rig.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct hs_config *config;
struct hsp_settings settings;
struct hsp_watcher *watcher;
const char *state_path;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
char log_text[8192];

static void add_log(enum hsp_outbox_level level, const char *line) {
    pthread_mutex_lock(&log_lock);
    const size_t used = strlen(log_text);
    snprintf(log_text + used, sizeof(log_text) - used, "%d %s\n", (int)level, line);
    pthread_mutex_unlock(&log_lock);
}

void complain(const char *line) { add_log(HSP_OUTBOX_ERROR, line); }

size_t count_log(const char *text) {
    size_t count = 0;
    pthread_mutex_lock(&log_lock);
    for (const char *at = log_text; (at = strstr(at, text)) != NULL; at++)
        count++;
    pthread_mutex_unlock(&log_lock);
    return count;
}

/* Settings */

#define OPTIONS_MAX 16

void add_monitor(const char *label, const struct option *options) {
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

void add_plain(const char *label) {
    const struct option options[] = {
        {"Plugin", "exec", 0}, {"Type", "gauge", 0}, {"FailureMax", NULL, 10},
        {"Timeout", NULL, 0},  {NULL, NULL, 0},
    };
    add_monitor(label, options);
}

/* Running */

enum hs_status open_watcher(struct hs_error *err) {
    const struct hsp_watcher_options options = {&settings, config, state_path, SECOND_US,
                                                add_log};
    return hsp_watcher_open(&watcher, &options, err);
}

void start(void) {
    assert_int_equal(open_watcher(NULL), HS_OK);
    assert_int_equal(hsp_watcher_start(watcher, NULL), HS_OK);
}

void stop(void) {
    bool kept = false;
    assert_int_equal(hsp_watcher_stop(watcher, 1000, &kept), 0);
    assert_int_equal(kept, state_path != NULL);
    hsp_watcher_close(watcher);
    watcher = NULL;
}

void restart(void) {
    stop();
    start();
}

/* A value that is not newer than the last counts for nothing. */
int64_t wall_us(void) {
    static int64_t last_us;
    int64_t now_us = hsp_clock_now().wall_us;
    while (now_us == last_us)
        now_us = hsp_clock_now().wall_us;
    return last_us = now_us;
}

void send_value(const char *host, const char *type, double value, int64_t time_us) {
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

void value(const char *host, double number) {
    send_value(host, "gauge", number, wall_us());
}

uint64_t note(const char *host, const char *plugin, enum hsp_severity severity) {
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

const char *told(void) {
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

int setup(void **state) {
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

int teardown(void **state) {
    (void)state;
    if (watcher != NULL)
        stop();
    hsp_settings_free(&settings);
    hs_config_free(config);
    scratch_remove();
    return 0;
}

void add_with_feeds(void) {
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
