/* SPDX-License-Identifier: MIT */
/* hookspool show: one event with all that the spool holds of it, at each endpoint where
 * it is; or the exact bytes of its payload. */
#include "config.h"

#include "cli.h"
#include "pick.h"
#include "pretty.h"

#include "../delivery/plain.h"
#include "../error.h"
#include "../units.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool as_json, body_only;

struct showing {
    size_t count;
};

static void print_line(const char *label, const char *text) {
    char clean[2048];
    if (*text == '\0')
        return;
    hsp_plain_copy(clean, sizeof clean, text, strlen(text));
    printf("%-12s %s\n", label, clean);
}

static void print_time(const char *label, int64_t utc_ms) {
    char text[HSP_TIME_LENGTH + 1];
    if (utc_ms <= 0)
        return;
    hsp_format_time_ms(utc_ms, text);
    print_line(label, text);
}

static void print_number(const char *label, int64_t number) {
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    print_line(label, text);
}

/* Where it is and what became of it so far. */
static void print_facts(const struct hsp_sight *sight) {
    char place[160];
    snprintf(place, sizeof place, "%s%s%s%s", hsp_place_text(sight->place),
             *sight->endpoint != '\0' ? " at " : "", sight->endpoint,
             sight->stale    ? ", stale: a newer event of the monitor was delivered"
             : sight->orphan ? ", which is not in the configuration"
                             : "");
    print_line("event", sight->id);
    print_line("is", place);
    if (sight->entry.sequence > 0)
        print_number("number", (int64_t)sight->entry.sequence);
    print_time(sight->place == HSP_PLACE_DEAD ? "died" : "put", sight->since_ms);
    if (sight->place == HSP_PLACE_WAITING) {
        print_number("attempts", sight->entry.attempts);
        if (sight->entry.code > 0)
            print_number("last status", sight->entry.code);
        print_time("due", sight->entry.due_s * 1000);
    }
    print_line("attempts", hsp_sight_text(sight->note, "attempts"));
    print_line("reason", hsp_sight_text(sight->note, "reason"));
    print_line("last status", hsp_sight_text(sight->note, "last_status"));
    print_line("error", hsp_sight_text(sight->note, "error"));
    print_line("answer", hsp_sight_text(sight->note, "answer"));
    print_line("cannot read", sight->fault != NULL ? sight->fault : "");
    if (sight->uid >= 0)
        print_number("from uid", sight->uid);
    print_line("file", sight->name);
}

static void print_object(const char *label, json_object *object) {
    if (object == NULL)
        return;
    printf("%s\n", label);
    hsp_pretty_print(object, 2);
}

static enum hs_status print_json(const struct hsp_sight *sight, struct hs_error *err) {
    json_object *all = json_object_new_object();
    json_object_object_add(all, "id", json_object_new_string(sight->id));
    json_object_object_add(all, "place",
                           json_object_new_string(hsp_place_text(sight->place)));
    json_object_object_add(all, "endpoint", json_object_new_string(sight->endpoint));
    json_object_object_add(all, "sequence",
                           json_object_new_int64((int64_t)sight->entry.sequence));
    json_object_object_add(all, "stale", json_object_new_boolean(sight->stale));
    json_object_object_add(all, "attempts", json_object_new_int64(sight->entry.attempts));
    json_object_object_add(all, "uid", json_object_new_int64(sight->uid));
    json_object_object_add(all, "dead", json_object_get(sight->note));
    json_object_object_add(all, "payload", json_object_get(sight->payload));
    json_object_object_add(all, "details", json_object_get(sight->details));
    size_t length = 0;
    const char *text = hsp_json_text(all, &length);
    if (text != NULL)
        printf("%s\n", text);
    json_object_put(all);
    return text != NULL ? HS_OK : hsp_fail(err, HS_E_NOMEM, "show: out of memory");
}

static enum hs_status visit(void *context, const struct hsp_sight *sight, size_t at,
                            size_t of, struct hs_error *err) {
    (void)at;
    (void)of;
    struct showing *showing = context;
    showing->count++;
    if (body_only) {
        /* The same bytes at every endpoint: once is enough. */
        if (showing->count == 1 && sight->body != NULL)
            fwrite(sight->body, 1, sight->body_length, stdout);
        return HS_OK;
    }
    if (as_json)
        return print_json(sight, err);
    if (showing->count > 1)
        putchar('\n');
    print_facts(sight);
    print_object("payload", sight->payload);
    print_object("details", sight->details);
    return HS_OK;
}

/* `log` picks by id; the number of an event has a key of its own in the journal. */
static void print_way_on(const char *id) {
    bool is_number = strspn(id, "0123456789") == strlen(id);
    fprintf(stderr,
            "hookspool: show: %s is not in the spool; what became of it says the "
            "journal: hookspool log %s%s%s\n",
            id, is_number ? "--json | grep '\"sequence\":" : "--id ", id,
            is_number ? ",'" : "");
}

static int do_show(const struct hsp_cli *cli) {
    static const bool places[HSP_PLACE_COUNT] = {true, true, true, false};
    struct hs_error err = {0};
    struct showing showing = {0};
    int usage = hsp_pick_ids(cli);
    if (usage != 0)
        return usage;
    hsp_pick_know_endpoints(cli);
    char *spool = hsp_cli_find_spool(cli, &err);
    enum hs_status status = err.status;
    if (spool != NULL)
        status = hsp_pick_walk(spool, places, false, true, visit, &showing, &err);
    free(spool);
    if (status == HS_OK && (fflush(stdout) != 0 || ferror(stdout)))
        status = hsp_fail_errno(&err, HS_E_IO, "write");
    if (status != HS_OK)
        return hsp_cli_complain(cli, &err);
    if (showing.count > 0)
        return 0;
    print_way_on(cli->operands[0]);
    return HSP_EXIT_PARTLY;
}

static const struct hsp_option options[] = {
    {'e', "endpoint", "NAME", "as it is there (may be repeated)", HSP_OPTION_LIST,
     &hsp_pick.endpoints},
    {'\0', "body", NULL, "only the payload, byte for byte", HSP_OPTION_FLAG, &body_only},
    {'\0', "json", NULL, "one JSON object a place", HSP_OPTION_FLAG, &as_json},
    {.name = NULL},
};

const struct hsp_verb hsp_verb_show = {
    "show",  "ID…",  1, -1, "one event with all that the spool holds of it",
    do_show, options};
