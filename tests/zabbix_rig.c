/* SPDX-License-Identifier: MIT */
/* The rig. Its log is stderr, as the module's where there is no Zabbix: led to a file. */
#include "config.h"

#include "zabbix_rig.h"

#include "record.h"
#include "scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define EVENTS_MAX 100000
#define AGE_S 600
#define SECOND_NS INT64_C(1000000000)

struct hsp_syncer rig_syncer;

static struct hs_config *config;
static struct hsp_board *board;
static size_t line_bytes;
static int64_t begin_ns, fed_ns;
static struct rig_event *events;
static size_t event_count;
static char log_path[SCRATCH_PATH_MAX];
static int real_stderr = -1;

int rig_make(void **state) {
    static const char text[] = "min_free = \"0%\"\nregion = \"here\"\n";
    (void)state;
    scratch_make();
    assert_int_equal(
        hs_config_load(&config, scratch_write("conf", text, strlen(text)), NULL), HS_OK);
    assert_int_equal(mkdir(scratch_path("spool"), 0755), 0);
    assert_int_equal(mkdir(scratch_path("dir"), 0755), 0);
    assert_int_equal(hs_config_set_spool_dir(config, scratch_path("spool"), NULL), HS_OK);
    snprintf(log_path, sizeof(log_path), "%s", scratch_path("log"));
    real_stderr = dup(STDERR_FILENO);
    const int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    assert_true(log >= 0 && dup2(log, STDERR_FILENO) >= 0);
    close(log);
    line_bytes = 0;
    begin_ns = ((int64_t)time(NULL) - AGE_S) * SECOND_NS;
    fed_ns = 0;
    return 0;
}

static void free_events(void) {
    for (size_t i = 0; i < event_count; i++) {
        free(events[i].body);
        free(events[i].details);
    }
    free(events);
    events = NULL;
    event_count = 0;
}

int rig_remove(void **state) {
    (void)state;
    if (board != NULL)
        rig_kill();
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    free_events();
    hs_config_free(config);
    scratch_remove();
    return 0;
}

/* A server
 * ------------------------------------------------------------------------------------ */

void rig_map(const char *lines, int count) {
    struct hsp_buffer text = {0};
    hsp_buffer_print(&text, "hookspool-zabbix-map 1\n");
    for (int i = 1; i <= count; i++)
        hsp_buffer_print(&text, "item %d\nhost h%d\nservice s\n%s", i, i, lines);
    hsp_buffer_print(&text, "end %d\n", count);
    scratch_write("dir/.new", text.data, text.length);
    assert_int_equal(rename(scratch_path("dir/.new"), scratch_path("dir/items.map")), 0);
    hsp_buffer_free(&text);
}

void rig_set_line_bytes(size_t bytes) { line_bytes = bytes; }

void rig_start(void) {
    board =
        hsp_board_new(HSP_BOARD_ITEMS, line_bytes > 0 ? line_bytes : HSP_BOARD_LINE_BYTES,
                      HSP_MAP_BYTES_MAX);
    assert_non_null(board);
    assert_int_equal(
        hsp_syncer_init(&rig_syncer, scratch_path("dir"), config, board, NULL), HS_OK);
    hsp_syncer_look(&rig_syncer, hsp_clock_now().running_us); /* before it forks */
}

void rig_kill(void) {
    hsp_syncer_free(&rig_syncer);
    hsp_board_free(board);
    board = NULL;
}

void rig_stop(void) {
    hsp_keeper_finish(&rig_syncer.keeper, board);
    rig_kill();
}

void rig_clear(void) {
    char name[SCRATCH_PATH_MAX];
    while (scratch_count(scratch_path("spool/incoming"), name) > 0)
        assert_int_equal(unlink(name), 0);
    assert_int_equal(unlink(scratch_path("dir/module.state")), 0);
}

pid_t rig_fork(void) {
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    return child;
}

void rig_await(pid_t child, int signal) {
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (signal != 0)
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == signal);
    else
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Values
 * ------------------------------------------------------------------------------------ */

static void take(uint64_t itemid, int64_t after_ns, double number, const char *text) {
    const int64_t time_ns = begin_ns + after_ns;
    const struct hsp_value value = {
        itemid, (int)(time_ns / SECOND_NS), (int)(time_ns % SECOND_NS), {number, text}};
    hsp_syncer_note(&rig_syncer, &value);
    hsp_syncer_value(&rig_syncer, &value);
}

void feed_at(uint64_t itemid, int64_t after_ns, double number) {
    take(itemid, after_ns, number, NULL);
}

void feed(uint64_t itemid, double number) {
    hsp_syncer_begin(&rig_syncer);
    take(itemid, fed_ns += 1000000, number, NULL);
    hsp_syncer_end(&rig_syncer);
}

void feed_text(uint64_t itemid, const char *text) {
    hsp_syncer_begin(&rig_syncer);
    take(itemid, fed_ns += 1000000, NAN, text);
    hsp_syncer_end(&rig_syncer);
}

void feed_all(int count, double number) {
    hsp_syncer_begin(&rig_syncer);
    fed_ns += 1000000;
    for (int i = 1; i <= count; i++)
        take((uint64_t)i, fed_ns, number, NULL);
    hsp_syncer_end(&rig_syncer);
}

void rig_attend(void) {
    for (int i = 0; i < 600; i++) {
        hsp_syncer_attend(&rig_syncer);
        if (atomic_load(&board->put) == atomic_load(&board->tail) &&
            atomic_load(&board->logged) == atomic_load(&board->tail))
            return;
        usleep(50000);
    }
    fail_msg("something waits for the disk, for ever");
}

/* Events
 * ------------------------------------------------------------------------------------ */

static void add_event(const struct hsp_record_event *record) {
    struct rig_event *event = &events[event_count++];
    struct hsp_details details = {0};
    assert_true(event_count < EVENTS_MAX);
    assert_int_equal(
        hsp_details_parse(&details, record->details, record->details_length, NULL),
        HS_OK);
    *event = (struct rig_event){.order_time = details.order_time,
                                .order_sequence = details.order_sequence};
    snprintf(event->id, sizeof(event->id), "%s", record->id);
    snprintf(event->host, sizeof(event->host), "%s", details.host);
    event->body = strndup(record->body, record->body_length);
    event->details = strndup(record->details, record->details_length);
    hsp_details_free(&details);
}

static void read_file(const char *path) {
    struct hsp_record_reader reader;
    struct hsp_record_event record;
    size_t length = 0;
    char *bytes = scratch_read(path, &length);
    assert_int_equal(hsp_record_open(&reader, bytes, length, NULL), HS_OK);
    while (hsp_record_next(&reader, &record))
        add_event(&record);
    free(bytes);
}

static int by_order(const void *a, const void *b) {
    const struct rig_event *x = a, *y = b;
    const int hosts = strcmp(x->host, y->host);
    if (hosts != 0)
        return hosts;
    if (x->order_time != y->order_time)
        return x->order_time < y->order_time ? -1 : 1;
    if (x->order_sequence != y->order_sequence)
        return x->order_sequence < y->order_sequence ? -1 : 1;
    return strcmp(x->id, y->id);
}

/* What is there twice is there under one id, and is one event for hookspoold. */
static void fold(void) {
    size_t kept = 0;
    for (size_t i = 0; i < event_count; i++) {
        if (kept > 0 && strcmp(events[kept - 1].id, events[i].id) == 0) {
            assert_string_equal(events[kept - 1].body, events[i].body);
            free(events[i].body);
            free(events[i].details);
        } else {
            events[kept++] = events[i];
        }
    }
    event_count = kept;
}

size_t rig_read(void) {
    const char *path = scratch_path("spool/incoming");
    free_events();
    events = calloc(EVENTS_MAX, sizeof(*events));
    DIR *folder = opendir(path);
    for (struct dirent *item; folder != NULL && (item = readdir(folder)) != NULL;) {
        char name[SCRATCH_PATH_MAX];
        if (*item->d_name == '.')
            continue;
        snprintf(name, sizeof(name), "%.200s/%.200s", path, item->d_name);
        read_file(name);
    }
    if (folder != NULL)
        closedir(folder);
    qsort(events, event_count, sizeof(*events), by_order);
    fold();
    return event_count;
}

const struct rig_event *rig_event(size_t index) {
    assert_true(index < event_count);
    return &events[index];
}

const char *rig_edges(uint64_t itemid) {
    static char edges[EVENTS_MAX];
    char host[32];
    size_t length = 0;
    snprintf(host, sizeof(host), "h%llu", (unsigned long long)itemid);
    for (size_t i = 0; i < event_count; i++)
        if (strcmp(events[i].host, host) == 0)
            edges[length++] =
                strstr(events[i].body, "\"status\":\"DOWN\"") != NULL ? 'D' : 'U';
    edges[length] = '\0';
    return edges;
}

/* Log
 * ------------------------------------------------------------------------------------ */

const char *rig_log(void) {
    static char *text;
    size_t length = 0;
    free(text);
    text = scratch_read(log_path, &length);
    return text;
}

size_t rig_logged(const char *text) {
    size_t count = 0;
    for (const char *at = rig_log(); (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}
