/* SPDX-License-Identifier: MIT */
/* hookspool retry, drop and move: pick events, name them to the daemon (or the clerk) in
 * groups, add up what came of them. A group holds events of one endpoint, in their order,
 * and the next one goes out when the last is answered: so the order of a monitor's events
 * is kept however many there are. */
#include "config.h"

#include "cli.h"
#include "pick.h"
#include "progress.h"

#include "../delivery/settings.h"
#include "../error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GROUP_MAX 64
#define PATIENCE_MS 120000 /* a slow disk, a long batch before ours */

static bool yes, dry_run;

/* What an answer counts. */
static const struct tally {
    const char *key, *text;
} tallies[] = {
    {"done", NULL},
    {"stale", "stale (a newer event of the monitor was delivered; --stale takes them)"},
    {"busy", "left alone (it, or a newer one of its monitor, is under way: try again)"},
    {"waiting", "waiting there already"},
    {"missing", "gone meanwhile"},
    {"corrupt", "could not be read, moved to corrupt/"},
    {"full", "and those after them left alone: the queue is full (max_queued)"},
};
#define TALLY_COUNT (sizeof tallies / sizeof *tallies)
#define FULL (TALLY_COUNT - 1)

struct act {
    const struct hsp_cli *cli;
    struct hsp_desk *desk;
    const char *to; /* move: the endpoint's name; else NULL */
    struct hsp_progress progress;
    char endpoint[HSP_ENDPOINT_NAME_MAX + 1], refused[HSP_ENDPOINT_NAME_MAX + 1];
    json_object *dead, *waiting; /* names of the group */
    size_t grouped, picked;
    int64_t counts[TALLY_COUNT];
    int64_t refusals;
};

static void begin_group(struct act *act) {
    json_object_put(act->dead);
    json_object_put(act->waiting);
    act->dead = json_object_new_array();
    act->waiting = json_object_new_array();
    act->grouped = 0;
}

static void add_counts(struct act *act, json_object *answer) {
    json_object *events = NULL, *value = NULL;
    int64_t full = act->counts[FULL];
    json_object_object_get_ex(answer, "events", &events);
    for (size_t i = 0; i < TALLY_COUNT; i++)
        if (json_object_object_get_ex(events, tallies[i].key, &value))
            act->counts[i] += json_object_get_int64(value);
    /* What came next might find room again, and overtake what found none. */
    if (act->counts[FULL] > full)
        snprintf(act->refused, sizeof act->refused, "%s", act->endpoint);
}

/* What is said no to for one endpoint need not hold for the next. */
static enum hs_status refuse(struct act *act, const struct hs_error *failure,
                             struct hs_error *err) {
    if (failure->status != HS_E_DATA)
        return hsp_fail(err, failure->status, "%s", failure->text);
    hsp_progress_clear(&act->progress);
    (void)hsp_cli_complain(act->cli, failure);
    snprintf(act->refused, sizeof act->refused, "%s", act->endpoint);
    act->refusals++;
    return HS_OK;
}

static enum hs_status send_group(struct act *act, struct hs_error *err) {
    if (act->grouped == 0)
        return HS_OK;
    struct hs_error failure = {0};
    json_object *request = json_object_new_object(), *answer = NULL;
    json_object_object_add(request, "verb", json_object_new_string(act->cli->verb));
    json_object_object_add(request, "endpoint", json_object_new_string(act->endpoint));
    if (act->to != NULL)
        json_object_object_add(request, "to", json_object_new_string(act->to));
    json_object_object_add(request, "stale", json_object_new_boolean(hsp_pick.stale));
    json_object_object_add(request, "dead", json_object_get(act->dead));
    json_object_object_add(request, "waiting", json_object_get(act->waiting));
    enum hs_status status =
        hsp_desk_ask(act->desk, request, PATIENCE_MS, &answer, &failure);
    if (status == HS_OK)
        add_counts(act, answer);
    else
        status = refuse(act, &failure, err);
    json_object_put(answer);
    json_object_put(request);
    begin_group(act);
    return status;
}

static enum hs_status visit(void *context, const struct hsp_sight *sight, size_t at,
                            size_t of, struct hs_error *err) {
    struct act *act = context;
    act->picked++;
    hsp_progress_show(&act->progress, at, of);
    if (dry_run) {
        printf("%s %s %s\n", sight->endpoint, hsp_place_text(sight->place), sight->name);
        return HS_OK;
    }
    enum hs_status status = HS_OK;
    if (act->grouped == GROUP_MAX || strcmp(act->endpoint, sight->endpoint) != 0)
        status = send_group(act, err);
    if (status != HS_OK || strcmp(act->refused, sight->endpoint) == 0)
        return status;
    snprintf(act->endpoint, sizeof act->endpoint, "%s", sight->endpoint);
    json_object_array_add(sight->place == HSP_PLACE_DEAD ? act->dead : act->waiting,
                          json_object_new_string(sight->name));
    act->grouped++;
    return HS_OK;
}

static enum hs_status count_one(void *context, const struct hsp_sight *sight, size_t at,
                                size_t of, struct hs_error *err) {
    (void)sight;
    (void)at;
    (void)of;
    (void)err;
    ++*(size_t *)context;
    return HS_OK;
}

/* Before more than one event is dropped somebody has to say yes. */
static enum hs_status confirm(const char *spool, bool *go, struct hs_error *err) {
    size_t count = 0;
    char answer[16] = "";
    *go = true;
    if (yes || dry_run)
        return HS_OK;
    enum hs_status status =
        hsp_pick_walk(spool, hsp_pick.places, false, false, count_one, &count, err);
    if (status != HS_OK || count <= 1)
        return status;
    *go = false;
    if (!isatty(STDIN_FILENO))
        return hsp_fail(err, HS_E_DATA, "%zu events would be dropped: --yes does it",
                        count);
    fprintf(stderr, "Drop %zu events for good? [y/N] ", count);
    *go = fgets(answer, sizeof answer, stdin) != NULL &&
          (answer[0] == 'y' || answer[0] == 'Y');
    return HS_OK;
}

static int report(const struct act *act, const char *done) {
    int64_t skipped = act->refusals;
    if (act->picked == 0) {
        fprintf(stderr, "hookspool: %s: no event matches\n", act->cli->verb);
        return HSP_EXIT_PARTLY;
    }
    if (dry_run)
        return 0;
    printf("%s %" PRId64, done, act->counts[0]);
    for (size_t i = 1; i < TALLY_COUNT; i++) {
        skipped += act->counts[i];
        if (act->counts[i] > 0)
            printf("; %" PRId64 " %s", act->counts[i], tallies[i].text);
    }
    putchar('\n');
    return skipped == 0 ? 0 : HSP_EXIT_PARTLY;
}

/* `done` is the word for what was done. */
static int run(const struct hsp_cli *cli, const char *to, const char *done) {
    struct hs_error err = {0};
    struct act act = {.cli = cli, .to = to};
    bool go = true;
    enum hs_status status = HS_OK;
    char *spool = hsp_cli_find_spool(cli, &err);
    if (spool == NULL)
        return hsp_cli_complain(cli, &err);
    begin_group(&act);
    hsp_progress_begin(&act.progress, cli->verb);
    if (strcmp(cli->verb, "drop") == 0)
        status = confirm(spool, &go, &err);
    if (status == HS_OK && go && !dry_run)
        status = hsp_desk_open(&act.desk, cli, &err);
    if (status == HS_OK && go)
        status =
            hsp_pick_walk(spool, hsp_pick.places, hsp_progress_is_shown(&act.progress),
                          false, visit, &act, &err);
    struct hs_error failure = {0};
    if (send_group(&act, &failure) != HS_OK && status == HS_OK)
        status = hsp_fail(&err, failure.status, "%s", failure.text);
    hsp_progress_clear(&act.progress);
    int result = HSP_EXIT_PARTLY;
    if (go && (status == HS_OK || act.picked > 0))
        result = report(&act, done);
    if (status != HS_OK)
        result = hsp_cli_complain(cli, &err);
    hsp_desk_close(act.desk);
    json_object_put(act.dead);
    json_object_put(act.waiting);
    free(spool);
    return result;
}

/* Nothing said at all must not mean everything. `letters_only`: where no place is said.
 */
static int begin(const struct hsp_cli *cli, bool letters_only) {
    if (!hsp_pick_is_said())
        return hsp_cli_misuse(cli,
                              "which? Name ids, or say which by options; --all means "
                              "every one");
    hsp_pick_know_endpoints(cli);
    hsp_pick.places[HSP_PLACE_INCOMING] = hsp_pick.places[HSP_PLACE_CORRUPT] = false;
    if (!hsp_pick.places[HSP_PLACE_WAITING] && !hsp_pick.places[HSP_PLACE_DEAD]) {
        hsp_pick.places[HSP_PLACE_DEAD] = true;
        hsp_pick.places[HSP_PLACE_WAITING] = !letters_only || hsp_pick.id_count > 0;
    }
    return 0;
}

static int do_retry(const struct hsp_cli *cli) {
    hsp_pick.stale_too = true;
    int usage = hsp_pick_ids(cli);
    if (usage == 0)
        usage = begin(cli, true);
    return usage != 0 ? usage : run(cli, NULL, "retried");
}

static int do_drop(const struct hsp_cli *cli) {
    int usage = hsp_pick_ids(cli);
    if (usage == 0 && hsp_pick.stale)
        hsp_pick.places[HSP_PLACE_DEAD] = true;
    /* Of waiting events none goes by a word that may be meant for dead letters. */
    if (usage == 0)
        usage = begin(cli, true);
    return usage != 0 ? usage : run(cli, NULL, "dropped");
}

static int do_move(const struct hsp_cli *cli) {
    hsp_pick.stale_too = true;
    hsp_pick.endpoints.count = 1;
    hsp_pick.endpoints.items[0] = cli->operands[0];
    int usage = begin(cli, false);
    return usage != 0 ? usage : run(cli, cli->operands[1], "moved");
}

#define DRY_RUN                                                                          \
    { 'n', "dry-run", NULL, "say which, do nothing", HSP_OPTION_FLAG, &dry_run }

#define STALE_TOO                                                                        \
    {                                                                                    \
        '\0', "stale", NULL, "those, too, that a newer event of the monitor overtook",   \
            HSP_OPTION_FLAG, &hsp_pick.stale                                             \
    }

static const struct hsp_option retry_options[] = {
    HSP_PICK_ENDPOINT, HSP_PICK_OPTIONS, HSP_PICK_DEAD,  HSP_PICK_WAITING,
    STALE_TOO,         DRY_RUN,          {.name = NULL},
};

static const struct hsp_option drop_options[] = {
    HSP_PICK_ENDPOINT,
    HSP_PICK_OPTIONS,
    HSP_PICK_DEAD,
    HSP_PICK_WAITING,
    {'\0', "stale", NULL, "dead letters that a newer event of the monitor overtook",
     HSP_OPTION_FLAG, &hsp_pick.stale},
    {'y', "yes", NULL, "do not ask", HSP_OPTION_FLAG, &yes},
    DRY_RUN,
    {.name = NULL},
};

static const struct hsp_option move_options[] = {
    HSP_PICK_OPTIONS, HSP_PICK_DEAD, HSP_PICK_WAITING, STALE_TOO, DRY_RUN, {.name = NULL},
};

const struct hsp_verb hsp_verb_retry = {
    "retry",  "[ID…]",      0, -1, "send dead letters again, or waiting events now",
    do_retry, retry_options};
const struct hsp_verb hsp_verb_drop = {
    "drop",  "[ID…]",     0, -1, "remove dead letters or waiting events for good",
    do_drop, drop_options};
const struct hsp_verb hsp_verb_move = {
    "move",  "FROM TO",   2, 2, "give one endpoint's events to another",
    do_move, move_options};
