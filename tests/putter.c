/* SPDX-License-Identifier: MIT */
/* Put events through libhookspool's public API, for tests and measurements.
 *
 *     putter [-c CONFIG] [-b BATCH]                                      events from
 * stdin putter [-c CONFIG] [-b BATCH] -g COUNT [-m MONITORS] [-p PREFIX]
 *            [-n FIRST] [-r PER_SECOND]                                 made-up events
 *
 * An event on standard input is lines "FIELD LENGTH", each followed by that many bytes
 * and a newline, and a line ".". Made-up events go round MONITORS hosts named PREFIX-N,
 * DOWN and UP in turn, numbered a host in response_time_ms from FIRST. After each put one
 * line an event goes to standard output: its id and the CLOCK_MONOTONIC nanoseconds at
 * which the put began and ended; whoever reads it knows that the event is durable.
 * Failed puts give a line "! STATUS TEXT". Exit status 1 when any failed, 2 for wrong
 * input. */
#include "hookspool.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name;
    enum hs_text text;
} texts[] = {
    {"name", HS_TEXT_MONITOR_NAME},
    {"monitor_id", HS_TEXT_MONITOR_ID},
    {"url", HS_TEXT_MONITOR_URL},
    {"region", HS_TEXT_REGION},
    {"message", HS_TEXT_ERROR_MESSAGE},
    {"system", HS_TEXT_SYSTEM},
    {"host", HS_TEXT_HOST},
    {"service", HS_TEXT_SERVICE},
    {"fold", HS_TEXT_FOLD_KEY},
    {"endpoints", HS_TEXT_ENDPOINTS},
};

static const struct {
    const char *name;
    enum hs_number number;
} numbers[] = {
    {"time", HS_NUMBER_TIME},
    {"response", HS_NUMBER_RESPONSE_TIME_MS},
    {"code", HS_NUMBER_STATUS_CODE},
    {"failures", HS_NUMBER_CONSECUTIVE_FAILURES},
    {"level", HS_NUMBER_NOTIFICATION_LEVEL},
    {"order_time", HS_NUMBER_ORDER_TIME},
    {"order_sequence", HS_NUMBER_ORDER_SEQUENCE},
};

struct options {
    const char *config;
    size_t batch;
    int64_t generate; /* -1: read standard input */
    int64_t monitors;
    const char *prefix;
    int64_t first;
    double per_second; /* 0: as fast as it goes */
};

struct putter {
    struct hs_config *config;
    struct hs_spool *spool;
    struct hs_event **events; /* waiting for the batch to fill */
    size_t count, batch;
    bool failed;
};

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void die(const char *what, const struct hs_error *err) {
    fprintf(stderr, "putter: %s%s%s\n", what, err ? ": " : "", err ? err->text : "");
    exit(2);
}

static void put(struct putter *putter) {
    if (putter->count == 0)
        return;
    struct hs_error err = {0};
    int64_t began = now_ns();
    enum hs_status status =
        putter->batch == 1
            ? hs_spool_put(putter->spool, putter->events[0], &err)
            : hs_spool_put_batch(putter->spool,
                                 (const struct hs_event *const *)putter->events,
                                 putter->count, &err);
    int64_t ended = now_ns();
    for (size_t i = 0; i < putter->count; i++) {
        if (status == HS_OK)
            printf("%s %" PRId64 " %" PRId64 "\n", hs_event_id(putter->events[i]), began,
                   ended);
        hs_event_free(putter->events[i]);
    }
    if (status != HS_OK) {
        printf("! %d %s\n", (int)status, err.text);
        putter->failed = true;
    }
    fflush(stdout);
    putter->count = 0;
}

static void add(struct putter *putter, struct hs_event *event) {
    putter->events[putter->count++] = event;
    if (putter->count == putter->batch)
        put(putter);
}

/* One field of an event. */
static enum hs_status set_field(struct hs_event *event, const char *name,
                                const char *value, size_t length, struct hs_error *err) {
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(name, texts[i].name) == 0)
            return hs_event_set_text(event, texts[i].text, value, length, err);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (strcmp(name, numbers[i].name) == 0)
            return hs_event_set_number(event, numbers[i].number, strtoll(value, NULL, 10),
                                       err);
    if (strncmp(name, "detail:", 7) == 0)
        return hs_event_set_detail(event, name + 7, value, length, err);
    if (strcmp(name, "id") == 0)
        return hs_event_set_id(event, value, err);
    if (strcmp(name, "previous") == 0) {
        hs_event_set_previous(event,
                              strcmp(value, "UP") == 0 ? HS_STATE_UP : HS_STATE_DOWN);
        return HS_OK;
    }
    die(name, NULL);
    return HS_E_DATA;
}

/* Read "LENGTH" bytes and the newline after them; NUL-terminated, free(). */
static char *read_value(size_t length) {
    char *value = malloc(length + 1);
    if (!value || fread(value, 1, length, stdin) != length || getchar() != '\n')
        die("cut input", NULL);
    value[length] = '\0';
    return value;
}

/* The next event of standard input; NULL at its end. The fields "kind" and "state" come
 * first. */
static struct hs_event *read_event(void) {
    struct hs_event *event = NULL;
    struct hs_error err = {0};
    char name[256], kind[32] = "incident";
    size_t length;

    while (scanf("%255s", name) == 1 && strcmp(name, ".") != 0) {
        if (scanf("%zu", &length) != 1 || getchar() != '\n')
            die("no length", NULL);
        char *value = read_value(length);
        if (strcmp(name, "kind") == 0) {
            snprintf(kind, sizeof kind, "%s", value);
        } else if (strcmp(name, "state") == 0) {
            int number = hs_kind_parse(kind);
            enum hs_state state = strcmp(value, "UP") == 0 ? HS_STATE_UP : HS_STATE_DOWN;
            if (number < 0 || event ||
                hs_event_new(&event, (enum hs_kind)number, state, &err) != HS_OK)
                die("new event", &err);
        } else if (!event || set_field(event, name, value, length, &err) != HS_OK) {
            die(name, &err);
        }
        free(value);
    }
    return event;
}

static struct hs_event *make_event(const struct options *options, int64_t index) {
    static const char message[] = "Connection timeout after 30 seconds";
    struct hs_event *event = NULL;
    struct hs_error err = {0};
    int64_t number = options->first + index / options->monitors;
    bool down = number % 2 == 0;
    char host[128];
    int length = snprintf(host, sizeof host, "%s-%" PRId64, options->prefix,
                          index % options->monitors);

    if (hs_event_new(&event, down ? HS_KIND_INCIDENT : HS_KIND_RECOVERY,
                     down ? HS_STATE_DOWN : HS_STATE_UP, &err) != HS_OK ||
        hs_event_set_text(event, HS_TEXT_SYSTEM, "putter", 6, &err) != HS_OK ||
        hs_event_set_text(event, HS_TEXT_HOST, host, (size_t)length, &err) != HS_OK ||
        hs_event_set_number(event, HS_NUMBER_RESPONSE_TIME_MS, number, &err) != HS_OK ||
        (down && hs_event_set_text(event, HS_TEXT_ERROR_MESSAGE, message,
                                   sizeof message - 1, &err) != HS_OK))
        die("make event", &err);
    return event;
}

static void generate(struct putter *putter, const struct options *options) {
    int64_t start = now_ns();
    for (int64_t i = 0; i < options->generate; i++) {
        add(putter, make_event(options, i));
        if (options->per_second > 0) {
            int64_t due = start + (int64_t)((double)(i + 1) * 1e9 / options->per_second);
            int64_t left = due - now_ns();
            struct timespec pause = {left / 1000000000, left % 1000000000};
            if (left > 0)
                nanosleep(&pause, NULL);
        }
    }
}

static struct options read_options(int argc, char **argv) {
    struct options options = {
        .batch = 1, .generate = -1, .monitors = 100, .prefix = "host"};
    int letter;
    while ((letter = getopt(argc, argv, "c:b:g:m:p:n:r:")) != -1) {
        switch (letter) {
        case 'c':
            options.config = optarg;
            break;
        case 'b':
            options.batch = strtoul(optarg, NULL, 10);
            break;
        case 'g':
            options.generate = strtoll(optarg, NULL, 10);
            break;
        case 'm':
            options.monitors = strtoll(optarg, NULL, 10);
            break;
        case 'p':
            options.prefix = optarg;
            break;
        case 'n':
            options.first = strtoll(optarg, NULL, 10);
            break;
        case 'r':
            options.per_second = strtod(optarg, NULL);
            break;
        default:
            exit(2);
        }
    }
    if (options.batch == 0 || options.monitors <= 0)
        die("-b and -m are at least 1", NULL);
    return options;
}

int main(int argc, char **argv) {
    struct options options = read_options(argc, argv);
    struct putter putter = {.batch = options.batch};
    struct hs_error err = {0};
    struct hs_event *event;

    putter.events = calloc(options.batch, sizeof *putter.events);
    if (!putter.events || hs_config_load(&putter.config, options.config, &err) != HS_OK ||
        hs_spool_open(&putter.spool, putter.config, &err) != HS_OK)
        die("open", &err);
    if (options.generate >= 0)
        generate(&putter, &options);
    else
        while ((event = read_event()))
            add(&putter, event);
    put(&putter);

    hs_spool_close(putter.spool);
    hs_config_free(putter.config);
    free(putter.events);
    return putter.failed ? 1 : 0;
}
