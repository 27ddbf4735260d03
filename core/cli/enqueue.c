/* SPDX-License-Identifier: MIT */
/* hookspool enqueue: an event from options, or events as JSON from standard input, put
 * into the spool as an adapter does. What it says to be done is durable: an id is printed
 * only when its event is on disk. */
#include "config.h"

#include "cli.h"
#include "fields.h"
#include "objects.h"

#include "../error.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define BATCH_EVENTS 10000
#define BATCH_BYTES (8 * 1024 * 1024) /* of payloads */

static const char *given[HSP_FIELD_OPTION_COUNT];
static struct hsp_option_list details;
static bool from_json, dry_run, quiet;

/* What is under way. */
struct work {
    const struct hsp_cli *cli;
    struct hs_config *config;
    struct hs_spool *spool; /* NULL: not opened yet */
    struct hs_event *events[BATCH_EVENTS];
    size_t count, bytes; /* of the batch that is being filled */
    size_t first, last;  /* lines that it comes from */
    size_t done, bad;    /* events that are durable, and objects that are no event */
    bool unprinted;      /* an id could not be printed */
};

static void complain(const struct work *work, const char *text) {
    fprintf(stderr, "hookspool: %s: %s\n", work->cli->verb, text);
}

/* Options
 * ------------------------------------------------------------------------------------ */

static enum hs_status read_options(struct hsp_fields *fields, struct hs_error *err) {
    hsp_fields_init(fields);
    enum hs_status status = HS_OK;
    for (int i = 0; i < HSP_FIELD_OPTION_COUNT && status == HS_OK; i++)
        if (given[i] != NULL)
            status = hsp_fields_set(fields, (enum hsp_field)i, given[i], err);
    return status == HS_OK
               ? hsp_fields_set_details(fields, details.items, details.count, err)
               : status;
}

/* Events
 * ------------------------------------------------------------------------------------ */

/* Make the event, and see that a payload can be made of it: behind this only the disk can
 * fail. */
static enum hs_status make(struct work *work, const struct hsp_fields *fields,
                           struct hs_event **event, struct hs_error *err) {
    struct hs_event *made = NULL;
    char *payload = NULL;
    size_t length = 0;
    enum hs_status status = hsp_fields_event(fields, &made, err);
    if (status == HS_OK)
        status = hs_event_payload(made, work->config, &payload, &length, err);
    free(payload);
    if (status == HS_OK) {
        work->bytes += length;
        *event = made;
        made = NULL;
    }
    hs_event_free(made);
    return status;
}

static enum hs_status print_record(struct work *work, const struct hs_event *event,
                                   struct hs_error *err) {
    char *record = NULL;
    size_t length = 0;
    enum hs_status status = hs_event_record(event, work->config, &record, &length, err);
    if (status == HS_OK && fwrite(record, 1, length, stdout) != length)
        status = hsp_fail_errno(err, HS_E_IO, "print the record");
    free(record);
    return status;
}

static enum hs_status put(struct work *work, struct hs_error *err) {
    if (dry_run) {
        enum hs_status status = HS_OK;
        for (size_t i = 0; i < work->count && status == HS_OK; i++)
            status = print_record(work, work->events[i], err);
        return status;
    }
    enum hs_status status =
        work->spool != NULL ? HS_OK : hs_spool_open(&work->spool, work->config, err);
    if (status == HS_OK)
        status = hs_spool_put_batch(
            work->spool, (const struct hs_event *const *)work->events, work->count, err);
    return status;
}

/* Put what was collected, print the ids, begin again. */
static enum hs_status flush(struct work *work, struct hs_error *err) {
    enum hs_status status = work->count > 0 ? put(work, err) : HS_OK;
    if (status == HS_OK) {
        work->done += work->count;
        for (size_t i = 0; i < work->count && !dry_run && !quiet; i++)
            puts(hs_event_id(work->events[i]));
        if ((fflush(stdout) != 0 || ferror(stdout) != 0) && !work->unprinted) {
            complain(work, "the events are durable, but their ids cannot be printed");
            work->unprinted = true;
        }
    }
    for (size_t i = 0; i < work->count; i++)
        hs_event_free(work->events[i]);
    work->count = work->bytes = 0;
    return status;
}

static int exit_status(const struct work *work, enum hs_status status) {
    if (status == HS_OK && work->bad == 0 && work->done > 0 && !work->unprinted)
        return 0;
    if (work->done > 0)
        return HSP_EXIT_PARTLY;
    return status == HS_E_CONFIG ? EX_CONFIG : HSP_EXIT_FAILED;
}

static int put_one(struct work *work, const struct hsp_fields *fields) {
    struct hs_error err = {0};
    enum hs_status status = make(work, fields, &work->events[0], &err);
    if (status == HS_E_DATA)
        return hsp_cli_misuse(work->cli, "%s", err.text);
    work->count = status == HS_OK ? 1 : 0;
    if (status == HS_OK)
        status = flush(work, &err);
    if (status != HS_OK)
        complain(work, err.text);
    return exit_status(work, status);
}

/* JSON
 * ------------------------------------------------------------------------------------ */

static enum hs_status flush_lines(struct work *work, struct hs_error *err) {
    struct hs_error reason = {0};
    const size_t count = work->count;
    enum hs_status status = flush(work, &reason);
    if (status != HS_OK)
        hsp_fail(err, status, "lines %zu to %zu, %zu events: %s", work->first, work->last,
                 count, reason.text);
    return status;
}

/* Add the event of one line to the batch, or name what is wrong with it and go on. */
static enum hs_status add_line(struct work *work, const struct hsp_fields *defaults,
                               json_object *object, size_t line, struct hs_error *err) {
    struct hs_error wrong = {0};
    struct hsp_fields fields = *defaults;
    enum hs_status status = hsp_fields_read(&fields, object, &wrong);
    if (status == HS_OK)
        status = make(work, &fields, &work->events[work->count], &wrong);
    if (status == HS_E_DATA) {
        fprintf(stderr, "hookspool: %s: line %zu: %s\n", work->cli->verb, line,
                wrong.text);
        work->bad++;
        return HS_OK;
    }
    if (status != HS_OK)
        return hsp_fail(err, status, "line %zu: %s", line, wrong.text);
    if (work->count++ == 0)
        work->first = line;
    work->last = line;
    return work->count < BATCH_EVENTS && work->bytes < BATCH_BYTES
               ? HS_OK
               : flush_lines(work, err);
}

/* One step; false at the end of it all. What came is put as soon as nothing more comes,
 * so that a monitor may keep its pipe open. */
static bool step(struct work *work, struct hsp_objects *objects,
                 const struct hsp_fields *defaults, enum hs_status *status,
                 struct hs_error *err) {
    json_object *object = NULL;
    struct hs_error wrong = {0};
    size_t line = 0;
    switch (hsp_objects_next(objects, work->count == 0, &object, &line, &wrong)) {
    case HSP_OBJECTS_ONE:
        *status = add_line(work, defaults, object, line, err);
        json_object_put(object);
        return *status == HS_OK;
    case HSP_OBJECTS_BAD:
        fprintf(stderr, "hookspool: %s: line %zu: %s\n", work->cli->verb, line,
                wrong.text);
        work->bad++;
        return true;
    case HSP_OBJECTS_PAUSE:
        *status = flush_lines(work, err);
        return *status == HS_OK;
    case HSP_OBJECTS_FAILED:
        complain(work, wrong.text); /* and put what came before */
        *status = flush_lines(work, err);
        work->bad++;
        return false;
    case HSP_OBJECTS_END:
        *status = flush_lines(work, err);
        return false;
    }
    return false;
}

static int put_lines(struct work *work, const struct hsp_fields *defaults) {
    struct hs_error err = {0};
    enum hs_status status = HS_OK;
    struct hsp_objects objects = {.fd = STDIN_FILENO};
    while (step(work, &objects, defaults, &status, &err))
        ;
    hsp_objects_free(&objects);
    if (status != HS_OK)
        complain(work, err.text);
    else if (work->done == 0 && work->bad == 0)
        complain(work, "no event on standard input");
    for (size_t i = 0; i < work->count; i++)
        hs_event_free(work->events[i]);
    if (status == HS_OK && work->done == 0 && work->bad == 0)
        return HSP_EXIT_PARTLY;
    return exit_status(work, status);
}

/* The verb
 * ------------------------------------------------------------------------------------ */

static int do_enqueue(const struct hsp_cli *cli) {
    static struct work work; /* too large for the stack */
    struct hs_error err = {0};
    struct hsp_fields fields;
    work.cli = cli;
    if (cli->operand_count > 0 && strcmp(cli->operands[0], "-") != 0)
        return hsp_cli_misuse(cli,
                              "'%s': the only operand is -, for JSON from standard "
                              "input; an event's words are options",
                              cli->operands[0]);
    from_json = from_json || cli->operand_count > 0;
    if (from_json && given[HSP_FIELD_ID] != NULL)
        return hsp_cli_misuse(cli, "--id: with --json each object has its own key, id");
    if (read_options(&fields, &err) != HS_OK)
        return hsp_cli_misuse(cli, "%s", err.text);
    signal(SIGPIPE, SIG_IGN); /* who reads the ids does not decide over the events */
    if (hs_config_load(&work.config, cli->config, &err) != HS_OK)
        return hsp_cli_complain(cli, &err);
    if (hs_config_warning(work.config) != NULL)
        fprintf(stderr, "hookspool: warning: %s\n", hs_config_warning(work.config));
    const int result = from_json ? put_lines(&work, &fields) : put_one(&work, &fields);
    hs_spool_close(work.spool);
    hs_config_free(work.config);
    return result;
}

static const struct hsp_option options[] = {
    {'\0', "status", "STATUS", "DOWN or UP", HSP_OPTION_TEXT, &given[HSP_FIELD_STATUS]},
    {'\0', "monitor-name", "NAME", "the monitor's name (default: of host and service)",
     HSP_OPTION_TEXT, &given[HSP_FIELD_MONITOR_NAME]},
    {'\0', "monitor-id", "ID", "its id (default: made of host and service)",
     HSP_OPTION_TEXT, &given[HSP_FIELD_MONITOR_ID]},
    {'\0', "url", "URL", "its address", HSP_OPTION_TEXT, &given[HSP_FIELD_URL]},
    {'\0', "host", "HOST", "the host (default: the monitor's name, where it has no id)",
     HSP_OPTION_TEXT, &given[HSP_FIELD_HOST]},
    {'\0', "service", "SERVICE", "the service of the host", HSP_OPTION_TEXT,
     &given[HSP_FIELD_SERVICE]},
    {'\0', "system", "NAME", "who says so (default: cli)", HSP_OPTION_TEXT,
     &given[HSP_FIELD_SYSTEM]},
    {'\0', "type", "TYPE",
     "incident (default for DOWN), recovery (default for UP),\n"
     "acknowledgement, downtime, flapping, custom, test, other,\nunchanged",
     HSP_OPTION_TEXT, &given[HSP_FIELD_TYPE]},
    {'\0', "previous", "STATUS", "DOWN or UP before (default: unknown)", HSP_OPTION_TEXT,
     &given[HSP_FIELD_PREVIOUS]},
    {'\0', "message", "TEXT", "what is wrong; not sent with a recovery", HSP_OPTION_TEXT,
     &given[HSP_FIELD_MESSAGE]},
    {'\0', "region", "NAME", "where the check ran", HSP_OPTION_TEXT,
     &given[HSP_FIELD_REGION]},
    {'\0', "response-time-ms", "N", "response time in milliseconds", HSP_OPTION_TEXT,
     &given[HSP_FIELD_RESPONSE_TIME_MS]},
    {'\0', "status-code", "N", "HTTP status, 0 to 999", HSP_OPTION_TEXT,
     &given[HSP_FIELD_STATUS_CODE]},
    {'\0', "failures", "N", "failures in a row (default: 1 for DOWN)", HSP_OPTION_TEXT,
     &given[HSP_FIELD_FAILURES]},
    {'\0', "level", "N", "notification level, from 1", HSP_OPTION_TEXT,
     &given[HSP_FIELD_LEVEL]},
    {'\0', "time", "TIME",
     "when it was checked, 2024-01-15T10:30:15Z or seconds\nsince 1970 (default: now)",
     HSP_OPTION_TEXT, &given[HSP_FIELD_TIME]},
    {'\0', "fold", "KEY", "events of equal keys within `fold` are sent once",
     HSP_OPTION_TEXT, &given[HSP_FIELD_FOLD]},
    {'\0', "endpoint", "NAME[,…]", "send to these endpoints only", HSP_OPTION_TEXT,
     &given[HSP_FIELD_ENDPOINT]},
    {'\0', "detail", "KEY=VALUE", "keep this beside the event; may be given again",
     HSP_OPTION_LIST, &details},
    {'\0', "id", "UUID", "the event's own id, to put one again", HSP_OPTION_TEXT,
     &given[HSP_FIELD_ID]},
    {'\0', "json", NULL,
     "read events from standard input as JSON, one object a\nline; options are defaults",
     HSP_OPTION_FLAG, &from_json},
    {'\0', "dry-run", NULL, "print the spool record, put nothing", HSP_OPTION_FLAG,
     &dry_run},
    {'q', "quiet", NULL, "do not print the ids", HSP_OPTION_FLAG, &quiet},
    {.name = NULL},
};

const struct hsp_verb hsp_verb_enqueue = {
    "enqueue",  "[-]",  0, 1, "put an event into the spool, from options or JSON",
    do_enqueue, options};
