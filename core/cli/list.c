/* SPDX-License-Identifier: MIT */
/* hookspool list: the events in the spool, one line each, in the order in which they came
 * in; as a table or as JSON. Streams: memory does not grow with their number. */
#include "config.h"

#include "cli.h"
#include "pick.h"

#include "../delivery/plain.h"
#include "../delivery/settings.h"
#include "../error.h"
#include "../status.h"
#include "../text.h"
#include "../units.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool as_json, only_ids;

struct listing {
    size_t count;
};

/* "waiting", "dead", … and the two that need a person's thought. */
static const char *state_of(const struct hsp_sight *sight) {
    return sight->stale    ? "stale"
           : sight->orphan ? "orphaned"
                           : hsp_place_text(sight->place);
}

/* When it died, or was put. */
static int64_t since(const struct hsp_sight *sight) {
    int64_t died_s;
    char seconds[HSP_TIME_LENGTH + 1];
    snprintf(seconds, sizeof seconds, "%.19sZ", hsp_sight_text(sight->note, "at"));
    return hsp_parse_time(seconds, &died_s) ? died_s * 1000 : sight->since_ms;
}

static int64_t attempts_of(const struct hsp_sight *sight) {
    const char *died = hsp_sight_text(sight->note, "attempts");
    return *died != '\0' ? strtoll(died, NULL, 10) : (int64_t)sight->entry.attempts;
}

/* As JSON
 * -------------------------------------------------------------------------------- */

static void add(json_object *object, const char *key, json_object *value) {
    json_object_object_add(object, key, value);
}

/* Null for "". */
static void add_text(json_object *object, const char *key, const char *text) {
    add(object, key, *text != '\0' ? json_object_new_string(text) : NULL);
}

/* A file can be named by any bytes; JSON is UTF-8. */
static void add_name(json_object *object, const char *key, const char *name) {
    struct hsp_buffer clean = {0};
    hsp_text_repair(&clean, name, strlen(name));
    add_text(object, key, clean.failed || clean.data == NULL ? "" : clean.data);
    hsp_buffer_free(&clean);
}

static void add_time(json_object *object, const char *key, int64_t utc_ms) {
    char text[HSP_TIME_LENGTH + 1] = "";
    if (utc_ms > 0)
        hsp_format_time_ms(utc_ms, text);
    add_text(object, key, text);
}

static enum hs_status print_json(const struct hsp_sight *sight, struct hs_error *err) {
    char room[64];
    json_object *line = json_object_new_object();
    const struct hsp_entry *entry = &sight->entry;
    add_text(line, "id", sight->id);
    add(line, "sequence",
        entry->sequence > 0 ? json_object_new_int64((int64_t)entry->sequence) : NULL);
    add_text(line, "place", hsp_place_text(sight->place));
    add_text(line, "endpoint", sight->endpoint);
    add(line, "stale", json_object_new_boolean(sight->stale));
    add(line, "orphaned", json_object_new_boolean(sight->orphan));
    add_time(line, "since", since(sight));
    add(line, "attempts", json_object_new_int64(attempts_of(sight)));
    add_time(line, "due_at", entry->due_s * 1000);
    add_text(line, "cause", hsp_sight_cause(sight, room));
    add_text(line, "status", hsp_sight_text(sight->payload, "monitor.status"));
    add_text(line, "type", hsp_sight_text(sight->payload, "context.notification_type"));
    add_text(line, "monitor_id", hsp_sight_text(sight->payload, "monitor.id"));
    add_text(line, "monitor_name", hsp_sight_text(sight->payload, "monitor.name"));
    add_name(line, "file", sight->name);
    size_t length = 0;
    const char *text = hsp_json_text(line, &length);
    if (text != NULL)
        printf("%s\n", text);
    json_object_put(line);
    return text != NULL ? HS_OK : hsp_fail(err, HS_E_NOMEM, "list: out of memory");
}

/* As a table
 * ------------------------------------------------------------------------------- */

#define MONITOR_WIDTH 28 /* code points */
#define CAUSE_WIDTH 24
#define CELL_SIZE (4 * MONITOR_WIDTH + 1)

static void print_header(void) {
    printf("%9s %-8s %-14s %7s %5s %7s %-4s %-11s %-*s %-*s %s\n", "NUMBER", "STATE",
           "ENDPOINT", "AGE", "TRIES", "DUE", "", "TYPE", MONITOR_WIDTH, "MONITOR",
           CAUSE_WIDTH, "CAUSE", "ID");
}

/* At most `width` code points of the text; the bytes that fill the column with them, for
 * printf counts bytes. */
static int make_cell(char cell[CELL_SIZE], const char *text, int width) {
    int points = 0, bytes = 0;
    hsp_plain_copy(cell, CELL_SIZE, text, strlen(text));
    for (; cell[bytes] != '\0'; bytes++) {
        points += ((unsigned char)cell[bytes] & 0xC0) != 0x80;
        if (points > width)
            break;
    }
    cell[bytes] = '\0';
    return points < width ? bytes + width - points : bytes;
}

static void print_row(const struct hsp_sight *sight) {
    char age[HSP_SPAN_LENGTH] = "-", due[HSP_SPAN_LENGTH] = "-", number[24] = "-";
    char monitor[CELL_SIZE], cause[CELL_SIZE], room[64];
    const char *name = hsp_sight_text(sight->payload, "monitor.name");
    const char *why = hsp_sight_cause(sight, room);
    int64_t now_ms = hsp_now_ms(CLOCK_REALTIME);
    if (sight->payload == NULL)
        name = sight->name;
    const int monitor_bytes = make_cell(monitor, name, MONITOR_WIDTH);
    const int cause_bytes = make_cell(cause, why, CAUSE_WIDTH);
    if (sight->entry.sequence > 0)
        snprintf(number, sizeof number, "%" PRIu64, sight->entry.sequence);
    if (sight->place == HSP_PLACE_WAITING && sight->entry.due_s * 1000 > now_ms)
        hsp_span_text(sight->entry.due_s * 1000 - now_ms, due);
    if (since(sight) >= 0)
        hsp_span_text(now_ms - since(sight), age);
    printf("%9s %-8s %-14s %7s %5" PRId64 " %7s %-4s %-11s %-*s %-*s %s\n", number,
           state_of(sight), *sight->endpoint != '\0' ? sight->endpoint : "-", age,
           attempts_of(sight), due, hsp_sight_text(sight->payload, "monitor.status"),
           hsp_sight_text(sight->payload, "context.notification_type"), monitor_bytes,
           monitor, cause_bytes, cause, sight->id);
}

static enum hs_status visit(void *context, const struct hsp_sight *sight, size_t at,
                            size_t of, struct hs_error *err) {
    (void)at;
    (void)of;
    struct listing *listing = context;
    enum hs_status status = HS_OK;
    if (as_json)
        status = print_json(sight, err);
    else if (only_ids && sight->id[0] != '\0')
        puts(sight->id);
    else if (!only_ids) {
        if (listing->count == 0)
            print_header();
        print_row(sight);
    }
    listing->count++;
    if (ferror(stdout))
        return hsp_fail_errno(err, HS_E_IO, "write the list");
    return status;
}

/* The verb
 * ----------------------------------------------------------------------------------- */

static int do_list(const struct hsp_cli *cli) {
    struct hs_error err = {0};
    struct listing listing = {0};
    int usage = hsp_pick_ids(cli);
    if (usage != 0)
        return usage;
    if (hsp_pick.stale)
        hsp_pick.places[HSP_PLACE_DEAD] = true;
    bool any = false;
    for (int i = 0; i < HSP_PLACE_COUNT; i++)
        any = any || hsp_pick.places[i];
    for (int i = 0; !any && i < HSP_PLACE_COUNT; i++)
        hsp_pick.places[i] = true;
    hsp_pick_know_endpoints(cli);
    char *spool = hsp_cli_find_spool(cli, &err);
    enum hs_status status = err.status;
    if (spool != NULL)
        status =
            hsp_pick_walk(spool, hsp_pick.places, false, true, visit, &listing, &err);
    free(spool);
    if (status == HS_OK && fflush(stdout) != 0)
        status = hsp_fail_errno(&err, HS_E_IO, "write the list");
    if (status != HS_OK)
        return hsp_cli_complain(cli, &err);
    return listing.count > 0 ? 0 : HSP_EXIT_PARTLY;
}

static const struct hsp_option options[] = {
    HSP_PICK_ENDPOINT,
    HSP_PICK_OPTIONS,
    HSP_PICK_WAITING,
    HSP_PICK_DEAD,
    {'\0', "stale", NULL, "dead letters that a newer event of the monitor overtook",
     HSP_OPTION_FLAG, &hsp_pick.stale},
    {'\0', "incoming", NULL, "those that are not yet taken in", HSP_OPTION_FLAG,
     &hsp_pick.places[HSP_PLACE_INCOMING]},
    {'\0', "corrupt", NULL, "files that could not be read", HSP_OPTION_FLAG,
     &hsp_pick.places[HSP_PLACE_CORRUPT]},
    {'\0', "ids", NULL, "print event ids only", HSP_OPTION_FLAG, &only_ids},
    {'\0', "json", NULL, "one JSON object a line", HSP_OPTION_FLAG, &as_json},
    {.name = NULL},
};

const struct hsp_verb hsp_verb_list = {"list",  "[ID…]", 0, -1, "the events in the spool",
                                       do_list, options};
