/* SPDX-License-Identifier: MIT */
/* Problems and recoveries to events. Nothing here touches the disk: what is entered is
 * committed by the caller, together with how far was read. */
#include "config.h"

#include "crash.h"
#include "cursor.h"
#include "error.h"
#include "problems.h"
#include "told.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROBLEM "problem "
#define RECOVERY "recovery "
#define OF_NO_INTEREST "-"
#define KEY_MAX 40

static void make_key(char key[KEY_MAX], const char *prefix, uint64_t eventid) {
    snprintf(key, KEY_MAX, "%s%" PRIu64, prefix, eventid);
}

static const char *get(const struct hsp_problems *problems, const char *prefix,
                       uint64_t eventid) {
    char key[KEY_MAX];
    make_key(key, prefix, eventid);
    return hsp_statefile_get(problems->courier->state, key);
}

/* `value` NULL: forget. The counts go along. */
static enum hs_status set(struct hsp_problems *problems, const char *prefix,
                          uint64_t eventid, const char *value, struct hs_error *err) {
    char key[KEY_MAX];
    size_t *count = *prefix == 'p' ? &problems->open : &problems->waiting;
    make_key(key, prefix, eventid);
    const bool had = hsp_statefile_get(problems->courier->state, key) != NULL;
    const enum hs_status status =
        hsp_statefile_set(problems->courier->state, key, value, err);
    if (status == HS_OK)
        *count += (size_t)(value != NULL) - (size_t)had;
    return status;
}

/* Which
 * ------------------------------------------------------------------------------------ */

/* Does the event have the tag "NAME", or "NAME=VALUE"? */
static bool has_tag(const struct hsp_line *line, const char *wanted) {
    const char *name, *value;
    const size_t length = strcspn(wanted, "=");
    for (size_t i = 0; hsp_line_tag(line, i, &name, &value); i++)
        if (strlen(name) == length && strncmp(name, wanted, length) == 0 &&
            (wanted[length] == '\0' || strcmp(value, wanted + length + 1) == 0))
            return true;
    return false;
}

static bool has_any(const struct hsp_line *line, const struct hsp_option_list *list) {
    for (size_t i = 0; i < list->count; i++)
        if (has_tag(line, list->items[i]))
            return true;
    return false;
}

static bool is_wanted(const struct hsp_problem_filter *filter,
                      const struct hsp_line *line) {
    if (line->severity < filter->min_severity)
        return false;
    if (filter->with != NULL && filter->with->count > 0 && !has_any(line, filter->with))
        return false;
    return filter->without == NULL || !has_any(line, filter->without);
}

/* Bounds
 * ------------------------------------------------------------------------------------ */

struct numbers {
    const char *prefix;
    uint64_t *all;
    size_t count, room;
    bool failed;
};

static void note_number(const char *key, void *value, void *context) {
    struct numbers *numbers = context;
    struct hsp_cursor cursor = {key, key + strlen(key)};
    uint64_t number = 0;
    (void)value;
    if (!hsp_take(&cursor, numbers->prefix) ||
        !hsp_take_number(&cursor, UINT64_MAX, &number))
        return;
    if (numbers->count == numbers->room) {
        const size_t room = numbers->room == 0 ? 64 : numbers->room * 2;
        uint64_t *grown = realloc(numbers->all, room * sizeof(*grown));
        numbers->failed = numbers->failed || grown == NULL;
        if (grown == NULL)
            return;
        numbers->all = grown;
        numbers->room = room;
    }
    numbers->all[numbers->count++] = number;
}

static int ascending(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The numbers of all keys of a kind, ascending; free(). */
static enum hs_status list(const struct hsp_problems *problems, const char *prefix,
                           uint64_t **all, size_t *count, struct hs_error *err) {
    struct numbers numbers = {.prefix = prefix};
    hsp_statefile_walk(problems->courier->state, note_number, &numbers);
    if (numbers.failed) {
        free(numbers.all);
        return hsp_fail(err, HS_E_NOMEM, "list open problems: out of memory");
    }
    if (numbers.count > 0)
        qsort(numbers.all, numbers.count, sizeof(*numbers.all), ascending);
    *all = numbers.all;
    *count = numbers.count;
    return HS_OK;
}

void hsp_problems_start(struct hsp_problems *problems) {
    uint64_t *all = NULL;
    problems->open = problems->waiting = 0;
    if (list(problems, PROBLEM, &all, &problems->open, NULL) == HS_OK)
        free(all);
    if (list(problems, RECOVERY, &all, &problems->waiting, NULL) == HS_OK)
        free(all);
}

/* Problems that were never closed must not fill the memory: the oldest tenth goes. */
static enum hs_status make_room(struct hsp_problems *problems, struct hs_error *err) {
    const struct hsp_outbox_options *options = problems->courier->options;
    uint64_t *all = NULL;
    size_t count = 0;
    if (problems->open < HSP_PROBLEMS_MAX)
        return HS_OK;
    enum hs_status status = list(problems, PROBLEM, &all, &count, err);
    for (size_t i = 0; i < count / 10 && status == HS_OK; i++)
        status = set(problems, PROBLEM, all[i], NULL, err);
    free(all);
    if (!problems->told_full)
        options->log(options->context, HSP_OUTBOX_WARNING,
                     "too many open problems: the oldest are forgotten, and their "
                     "recoveries will have no name");
    problems->told_full = true;
    return status;
}

/* Events
 * ------------------------------------------------------------------------------------ */

const char *const hsp_problem_severities[HSP_SEVERITIES] = {
    "not classified", "information", "warning", "average", "high", "disaster"};

/* What problem and recovery have in common; `problem` NULL: it is not known. */
static enum hs_status set_details(struct hs_event *event, uint64_t problemid,
                                  const struct hsp_line *problem,
                                  const struct hsp_line *recovery, struct hs_error *err) {
    char number[24];
    snprintf(number, sizeof(number), "%" PRIu64, problemid);
    enum hs_status status =
        hsp_told_detail(event, "type", recovery == NULL ? "PROBLEM" : "RECOVERY", err);
    if (status == HS_OK)
        status = hsp_told_detail(event, "state",
                                 recovery == NULL ? "PROBLEM" : "RESOLVED", err);
    if (status == HS_OK)
        status = hsp_told_detail(event, "event_id", number, err);
    if (status == HS_OK && recovery != NULL) {
        snprintf(number, sizeof(number), "%" PRIu64, recovery->eventid);
        status = hsp_told_detail(event, "recovery_event_id", number, err);
    }
    if (status == HS_OK && problem != NULL)
        status = hsp_told_detail(event, "severity",
                                 hsp_problem_severities[problem->severity], err);
    if (status == HS_OK && problem != NULL)
        status = hsp_told_detail(event, "event_name", problem->name, err);
    return status;
}

/* Enter an event of a problem; one that makes no payload is dropped, with a complaint. */
static enum hs_status tell(struct hsp_problems *problems, const struct hsp_told *part,
                           const struct hsp_line *problem,
                           const struct hsp_line *recovery, struct hs_error *err) {
    char seed[160];
    struct hsp_told told = *part;
    struct hs_event *event = NULL;
    const struct hsp_line *line = recovery == NULL ? problem : recovery;
    snprintf(seed, sizeof(seed), "event %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 " ",
             line->eventid, line->problemid, line->clock, line->ns);
    const size_t length = strlen(seed);
    snprintf(seed + length, sizeof(seed) - length, "%s",
             hs_config_site(problems->config));
    told.seed = seed;
    told.made_s = told.time_s = line->clock;
    told.sequence = line->eventid;
    enum hs_status status = hsp_told_event(&event, &told, err);
    if (status == HS_OK)
        status = set_details(event, recovery == NULL ? line->eventid : line->problemid,
                             problem, recovery, err);
    if (status == HS_OK)
        status = hsp_courier_enter(problems->courier, &event, NULL, NULL);
    hs_event_free(event);
    if (status == HS_E_NOMEM)
        return hsp_fail(err, status, "enter event: out of memory");
    return status == HS_E_DATA ? HS_OK : status;
}

/* What the monitor is called, and with the host is: the problem's name, or its number
 * where that is not known. */
static const char *name_of(const struct hsp_line *problem, uint64_t problemid,
                           char room[KEY_MAX]) {
    if (*problem->name != '\0')
        return problem->name;
    make_key(room, PROBLEM, problemid);
    return room;
}

static enum hs_status tell_problem(struct hsp_problems *problems,
                                   const struct hsp_line *line, struct hs_error *err) {
    char room[KEY_MAX];
    const char *name = name_of(line, line->eventid, room);
    const struct hsp_told told = {
        .line = line,
        .kind = HS_KIND_INCIDENT,
        .previous = HS_STATE_UP,
        .service = name,
        .name = name,
        .message = name,
    };
    return tell(problems, &told, line, NULL, err);
}

/* `problem` is the text that was kept; NULL: there is none. */
static enum hs_status tell_recovery(struct hsp_problems *problems, const char *problem,
                                    const struct hsp_line *recovery,
                                    struct hs_error *err) {
    struct hsp_line line = {.name = "", .host = "", .host_name = ""};
    char room[KEY_MAX];
    enum hs_status status = HS_OK;
    if (problem != NULL)
        status = hsp_line_read(&line, problem, strlen(problem), err);
    if (status != HS_OK)
        return status;
    const char *name = name_of(&line, recovery->problemid, room);
    const struct hsp_told told = {
        .line = &line,
        .kind = HS_KIND_RECOVERY,
        .previous = HS_STATE_DOWN,
        .service = name,
        .name = name,
    };
    status = tell(problems, &told, problem == NULL ? NULL : &line, recovery, err);
    hsp_line_free(&line);
    return status;
}

/* Lines
 * ------------------------------------------------------------------------------------ */

static enum hs_status keep(struct hsp_problems *problems, const struct hsp_line *line,
                           const char *text, size_t length, struct hs_error *err) {
    char *copy = strndup(text, length);
    if (copy == NULL)
        return hsp_fail(err, HS_E_NOMEM, "keep problem: out of memory");
    const enum hs_status status = set(problems, PROBLEM, line->eventid, copy, err);
    free(copy);
    return status;
}

/* The recovery that has waited for this problem. */
static enum hs_status end_waiting(struct hsp_problems *problems, uint64_t problemid,
                                  struct hs_error *err) {
    struct hsp_line recovery = {0};
    const char *kept = get(problems, RECOVERY, problemid);
    const char *text = kept == NULL ? NULL : strchr(kept, ' ');
    const char *problem = get(problems, PROBLEM, problemid);
    if (text == NULL)
        return HS_OK;
    enum hs_status status = hsp_line_read(&recovery, text + 1, strlen(text + 1), err);
    if (status == HS_OK && (problem == NULL || strcmp(problem, OF_NO_INTEREST) != 0))
        status = tell_recovery(problems, problem, &recovery, err);
    hsp_line_free(&recovery);
    if (status == HS_OK)
        status = set(problems, RECOVERY, problemid, NULL, err);
    if (status == HS_OK && problem != NULL)
        status = set(problems, PROBLEM, problemid, NULL, err);
    return status;
}

static enum hs_status take_problem(struct hsp_problems *problems,
                                   const struct hsp_line *line, const char *text,
                                   size_t length, struct hs_error *err) {
    enum hs_status status = make_room(problems, err);
    if (status != HS_OK)
        return status;
    if (is_wanted(&problems->filter, line)) {
        status = tell_problem(problems, line, err);
        if (status == HS_OK)
            status = keep(problems, line, text, length, err);
    } else {
        status = set(problems, PROBLEM, line->eventid, OF_NO_INTEREST, err);
    }
    return status == HS_OK ? end_waiting(problems, line->eventid, err) : status;
}

static enum hs_status take_recovery(struct hsp_problems *problems,
                                    const struct hsp_line *line, const char *text,
                                    size_t length, struct hs_error *err) {
    const char *problem = get(problems, PROBLEM, line->problemid);
    enum hs_status status = HS_OK;
    if (problem == NULL) {
        char *kept = NULL;
        if (asprintf(&kept, "%lld %.*s", (long long)time(NULL), (int)length, text) < 0)
            return hsp_fail(err, HS_E_NOMEM, "keep recovery: out of memory");
        status = set(problems, RECOVERY, line->problemid, kept, err);
        free(kept);
        return status;
    }
    if (strcmp(problem, OF_NO_INTEREST) != 0)
        status = tell_recovery(problems, problem, line, err);
    return status == HS_OK ? set(problems, PROBLEM, line->problemid, NULL, err) : status;
}

enum hs_status hsp_problems_line(struct hsp_problems *problems,
                                 const struct hsp_line *line, const char *text,
                                 size_t length, struct hs_error *err) {
    return line->kind == HSP_LINE_PROBLEM
               ? take_problem(problems, line, text, length, err)
               : take_recovery(problems, line, text, length, err);
}

enum hs_status hsp_problems_tick(struct hsp_problems *problems, int64_t now_s, bool all,
                                 struct hs_error *err) {
    uint64_t *numbers = NULL;
    size_t count = 0;
    if (problems->waiting == 0)
        return HS_OK;
    enum hs_status status = list(problems, RECOVERY, &numbers, &count, err);
    for (size_t i = 0; i < count && status == HS_OK; i++) {
        const char *kept = get(problems, RECOVERY, numbers[i]);
        const long long seen_s = strtoll(kept, NULL, 10);
        /* A clock that was set back must not keep it for ever. */
        if (all || now_s >= seen_s + HSP_PROBLEMS_WAIT_S || now_s < seen_s)
            status = end_waiting(problems, numbers[i], err);
    }
    free(numbers);
    return status;
}
