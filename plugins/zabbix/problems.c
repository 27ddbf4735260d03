/* SPDX-License-Identifier: MIT */
/* Problems and recoveries to events. Nothing here touches the disk: what is entered is
 * committed by the caller, together with how far was read. */
#include "config.h"

#include "crash.h"
#include "error.h"
#include "problems.h"
#include "told.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OF_NO_INTEREST "-"
#define FORGET_EVERY_S 3600
#define NAME_MAX_BYTES 40

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

void hsp_problems_start(struct hsp_problems *problems) {
    hsp_kept_start(&problems->kept, problems->courier->state);
}

/* Problems that were never closed must not fill the memory. */
static enum hs_status make_room(struct hsp_problems *problems, struct hs_error *err) {
    const struct hsp_outbox_options *options = problems->courier->options;
    bool dropped = false;
    const enum hs_status status = hsp_kept_make_room(&problems->kept, HSP_KEPT_PROBLEM,
                                                     HSP_PROBLEMS_MAX, &dropped, err);
    if (dropped && !problems->told_full)
        options->log(options->context, HSP_OUTBOX_WARNING,
                     "too many open problems: the oldest are forgotten, and their "
                     "recoveries will have no name");
    problems->told_full = problems->told_full || dropped;
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

/* Enter an event of a problem; one that makes no payload is dropped, with a complaint. A
 * recovery without its problem is of another monitor than one with it, so it is another
 * event: with one id for both, the second would be taken for a repetition. */
static enum hs_status tell(struct hsp_problems *problems, const struct hsp_told *part,
                           const struct hsp_line *problem,
                           const struct hsp_line *recovery, struct hs_error *err) {
    char seed[160];
    struct hsp_told told = *part;
    struct hs_event *event = NULL;
    const struct hsp_line *line = recovery == NULL ? problem : recovery;
    snprintf(seed, sizeof(seed),
             "%sevent %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 " ",
             problem == NULL ? "unnamed " : "", line->eventid, line->problemid,
             line->clock, line->ns);
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
                           char room[NAME_MAX_BYTES]) {
    if (*problem->name != '\0')
        return problem->name;
    snprintf(room, NAME_MAX_BYTES, "problem %" PRIu64, problemid);
    return room;
}

static enum hs_status tell_problem(struct hsp_problems *problems,
                                   const struct hsp_line *line, struct hs_error *err) {
    char room[NAME_MAX_BYTES];
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
    char room[NAME_MAX_BYTES];
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
    const enum hs_status status =
        hsp_kept_set(&problems->kept, HSP_KEPT_PROBLEM, line->eventid, copy, err);
    free(copy);
    return status;
}

/* A recovery was told without its problem, which may come yet. */
static enum hs_status remember(struct hsp_problems *problems, uint64_t problemid,
                               const char *kept, struct hs_error *err) {
    bool dropped = false;
    char *copy = strdup(kept);
    if (copy == NULL)
        return hsp_fail(err, HS_E_NOMEM, "keep recovery: out of memory");
    enum hs_status status = hsp_kept_make_room(&problems->kept, HSP_KEPT_OVER,
                                               HSP_PROBLEMS_OVER_MAX, &dropped, err);
    if (status == HS_OK)
        status = hsp_kept_set(&problems->kept, HSP_KEPT_OVER, problemid, copy, err);
    free(copy);
    return status;
}

static void say_late(struct hsp_problems *problems, uint64_t problemid) {
    const struct hsp_outbox_options *options = problems->courier->options;
    const struct hs_error late = {.status = HS_E_DATA};
    char line[160];
    if (!hsp_complaint_due(&problems->late, &late))
        return;
    snprintf(line, sizeof(line),
             "problem %" PRIu64 " was read after its recovery had been told by that "
             "number: both are told now",
             problemid);
    options->log(options->context, HSP_OUTBOX_WARNING, line);
}

/* A recovery that was kept, of this kind, and its problem, if that has come. */
static enum hs_status end_kept(struct hsp_problems *problems, enum hsp_kept_kind kind,
                               uint64_t problemid, struct hs_error *err) {
    struct hsp_line recovery = {0};
    const char *kept = hsp_kept_get(&problems->kept, kind, problemid);
    const char *text = kept == NULL ? NULL : strchr(kept, ' ');
    const char *problem = hsp_kept_get(&problems->kept, HSP_KEPT_PROBLEM, problemid);
    if (text == NULL)
        return HS_OK;
    enum hs_status status = hsp_line_read(&recovery, text + 1, strlen(text + 1), err);
    if (status == HS_OK && (problem == NULL || strcmp(problem, OF_NO_INTEREST) != 0)) {
        if (kind == HSP_KEPT_OVER)
            say_late(problems, problemid);
        status = tell_recovery(problems, problem, &recovery, err);
    }
    hsp_line_free(&recovery);
    if (status == HS_OK && problem == NULL)
        status = remember(problems, problemid, kept, err);
    if (status == HS_OK)
        status = hsp_kept_set(&problems->kept, kind, problemid, NULL, err);
    if (status == HS_OK && problem != NULL)
        status = hsp_kept_set(&problems->kept, HSP_KEPT_PROBLEM, problemid, NULL, err);
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
        status = hsp_kept_set(&problems->kept, HSP_KEPT_PROBLEM, line->eventid,
                              OF_NO_INTEREST, err);
    }
    if (status == HS_OK)
        status = end_kept(problems, HSP_KEPT_RECOVERY, line->eventid, err);
    return status == HS_OK ? end_kept(problems, HSP_KEPT_OVER, line->eventid, err)
                           : status;
}

static enum hs_status take_recovery(struct hsp_problems *problems,
                                    const struct hsp_line *line, const char *text,
                                    size_t length, struct hs_error *err) {
    struct hsp_kept *kept = &problems->kept;
    const char *problem = hsp_kept_get(kept, HSP_KEPT_PROBLEM, line->problemid);
    enum hs_status status = HS_OK;
    if (problem == NULL) {
        char *copy = NULL;
        if (asprintf(&copy, "%lld %.*s", (long long)time(NULL), (int)length, text) < 0)
            return hsp_fail(err, HS_E_NOMEM, "keep recovery: out of memory");
        status = hsp_kept_set(kept, HSP_KEPT_RECOVERY, line->problemid, copy, err);
        free(copy);
        return status;
    }
    if (strcmp(problem, OF_NO_INTEREST) != 0)
        status = tell_recovery(problems, problem, line, err);
    return status == HS_OK
               ? hsp_kept_set(kept, HSP_KEPT_PROBLEM, line->problemid, NULL, err)
               : status;
}

enum hs_status hsp_problems_line(struct hsp_problems *problems,
                                 const struct hsp_line *line, const char *text,
                                 size_t length, struct hs_error *err) {
    return line->kind == HSP_LINE_PROBLEM
               ? take_problem(problems, line, text, length, err)
               : take_recovery(problems, line, text, length, err);
}

/* Time
 * ------------------------------------------------------------------------------------ */

static enum hs_status forget(struct hsp_problems *problems, int64_t now_s,
                             struct hs_error *err) {
    if (problems->forgot_s != 0 && now_s >= problems->forgot_s &&
        now_s < problems->forgot_s + FORGET_EVERY_S)
        return HS_OK;
    problems->forgot_s = now_s;
    return hsp_kept_forget_before(&problems->kept, HSP_KEPT_OVER,
                                  now_s - HSP_PROBLEMS_OVER_S, err);
}

enum hs_status hsp_problems_tick(struct hsp_problems *problems, int64_t now_s, bool all,
                                 struct hs_error *err) {
    uint64_t *numbers = NULL;
    size_t count = 0;
    enum hs_status status = forget(problems, now_s, err);
    if (status != HS_OK || problems->kept.count[HSP_KEPT_RECOVERY] == 0)
        return status;
    status = hsp_kept_list(&problems->kept, HSP_KEPT_RECOVERY, &numbers, &count, err);
    for (size_t i = 0; i < count && status == HS_OK; i++) {
        const char *kept = hsp_kept_get(&problems->kept, HSP_KEPT_RECOVERY, numbers[i]);
        const long long seen_s = strtoll(kept, NULL, 10);
        /* A clock that was set back must not keep it for ever. */
        if (all || now_s >= seen_s + HSP_PROBLEMS_WAIT_S || now_s < seen_s)
            status = end_kept(problems, HSP_KEPT_RECOVERY, numbers[i], err);
    }
    free(numbers);
    return status;
}
