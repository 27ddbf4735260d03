/* SPDX-License-Identifier: MIT */
/* hookspool listen: a receiver on this machine that verifies signatures and prints what
 * came, one line a request. */
#include "config.h"

#include "pretty.h"
#include "receiver.h"
#include "secrets.h"
#include "signature.h"

#include "../delivery/plain.h"
#include "../error.h"
#include "../id.h"
#include "../text.h"
#include "../units.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define SEEN_SLOTS (1 << 20)
#define SEEN_MAX (SEEN_SLOTS / 4 * 3)
#define STATUS_OK 200
#define STATUS_UNAUTHORIZED 401
#define STATUS_NOT_ALLOWED 405
#define STATUS_TOO_LARGE 413

static const char *endpoint;
static struct hsp_option_list secret_files;
static int64_t port, status_code = -1, retry_after = -1, delay_ms, count;
static bool as_json, with_body;

/* What is under way. */
struct work {
    struct hsp_secrets secrets;
    int64_t taken;
    bool any_bad;
    bool unprinted; /* standard output is gone */
    uint64_t *seen; /* hashes of delivery ids; 0: a free slot */
    size_t seen_count;
};

/* What was found of one request. */
struct view {
    const char *signature; /* "valid", "invalid", "no secret" */
    char reason[512];      /* what is wrong with the request; "": nothing */
    json_object *payload;  /* NULL: the body is no JSON */
    const char *delivery;  /* "": it has none */
    bool again;
    bool good;
};

/* Looking
 * ------------------------------------------------------------------------------------ */

/* Was this id here before? Very many of them are forgotten all at once. */
static bool seen_before(struct work *work, const char *id) {
    const uint64_t hash = hsp_hash(id, strlen(id)) | 1;
    if (work->seen_count >= SEEN_MAX) {
        memset(work->seen, 0, SEEN_SLOTS * sizeof *work->seen);
        work->seen_count = 0;
    }
    size_t slot = (size_t)(hash >> 20) % SEEN_SLOTS;
    while (work->seen[slot] != 0 && work->seen[slot] != hash)
        slot = (slot + 1) % SEEN_SLOTS;
    if (work->seen[slot] == hash)
        return true;
    work->seen[slot] = hash;
    work->seen_count++;
    return false;
}

/* Judge one signature; `reason` gets the first that is bad. */
static bool judge(const struct work *work, const struct hsp_received *request,
                  enum hsp_scheme scheme, const char *signature,
                  char reason[sizeof((struct view *)0)->reason]) {
    struct hsp_finding finding;
    const struct hsp_capture capture = {.scheme = scheme,
                                        .signature = signature,
                                        .id = request->webhook_id,
                                        .timestamp = request->webhook_timestamp,
                                        .body = request->body,
                                        .length = request->length};
    if (hsp_signature_judge(&capture, work->secrets.signer, &finding, NULL) != HS_OK)
        finding = (struct hsp_finding){.reason = "out of memory"};
    if (!finding.good && reason[0] == '\0')
        snprintf(reason, sizeof((struct view *)0)->reason, "%s: %.400s",
                 hsp_signature_header(scheme), finding.reason);
    return finding.good;
}

/* Every signature that came must be good, and one must have come. */
static const char *check_signature(const struct work *work,
                                   const struct hsp_received *request,
                                   struct view *view) {
    const bool standard = request->webhook_signature != NULL && work->secrets.standard;
    bool good = request->signature != NULL || standard;
    if (work->secrets.signer == NULL)
        return "no secret";
    if (!good)
        snprintf(view->reason, sizeof view->reason, "there is no %s",
                 hsp_signature_header(HSP_SCHEME_STATUSPAGEONE));
    if (request->signature != NULL)
        good = judge(work, request, HSP_SCHEME_STATUSPAGEONE, request->signature,
                     view->reason);
    if (standard && (request->webhook_id == NULL || request->webhook_timestamp == NULL)) {
        good = false;
        snprintf(view->reason, sizeof view->reason,
                 "webhook-id or webhook-timestamp is missing");
    } else if (standard) {
        good = judge(work, request, HSP_SCHEME_STANDARD, request->webhook_signature,
                     view->reason) &&
               good;
    }
    return good ? "valid" : "invalid";
}

/* Look at the request; the reply follows from it unless --status says another. */
static struct view look(struct work *work, const struct hsp_received *request,
                        struct hsp_reply *reply) {
    struct view view = {.signature = "", .delivery = ""};
    reply->status = STATUS_OK;
    if (request->delivery != NULL || request->webhook_id != NULL)
        view.delivery =
            request->delivery != NULL ? request->delivery : request->webhook_id;
    if (strcmp(request->method, "POST") != 0) {
        reply->status = STATUS_NOT_ALLOWED;
        snprintf(view.reason, sizeof view.reason, "%s: only POST is taken",
                 request->method);
        return view;
    }
    if (request->too_large) {
        reply->status = STATUS_TOO_LARGE;
        snprintf(view.reason, sizeof view.reason, "a body of more than %d bytes",
                 HSP_RECEIVED_MAX);
        return view;
    }
    view.signature = check_signature(work, request, &view);
    view.again = view.delivery[0] != '\0' && seen_before(work, view.delivery);
    view.payload = hsp_json_parse(request->body, request->length, NULL);
    if (strcmp(view.signature, "invalid") == 0)
        reply->status = STATUS_UNAUTHORIZED;
    else if (view.payload == NULL)
        snprintf(view.reason, sizeof view.reason, "the body, %zu bytes, is no JSON",
                 request->length);
    view.good = view.reason[0] == '\0';
    return view;
}

/* The text at `object`.`key` of the payload; "-" where there is none. */
static const char *text_at(const struct view *view, const char *object, const char *key) {
    json_object *inner = NULL, *value = NULL;
    if (!json_object_is_type(view->payload, json_type_object) ||
        !json_object_object_get_ex(view->payload, object, &inner) ||
        !json_object_is_type(inner, json_type_object) ||
        !json_object_object_get_ex(inner, key, &value) || value == NULL)
        return "-";
    return json_object_get_string(value);
}

/* Printing
 * ------------------------------------------------------------------------------------ */

static void append(struct hsp_buffer *line, const char *text) {
    hsp_plain_append(line, text, strlen(text));
}

/* In lines and indented where it is JSON, else made harmless. */
static void print_body(const struct hsp_received *request, const struct view *view) {
    struct hsp_buffer line = {0};
    if (view->payload != NULL) {
        hsp_pretty_print(view->payload, 4);
        return;
    }
    hsp_plain_append(&line, request->body, request->length);
    printf("    %s\n", line.data != NULL ? line.data : "");
    hsp_buffer_free(&line);
}

static void print_line(const struct hsp_received *request, const struct view *view) {
    char time[HSP_TIME_LENGTH + 1];
    struct hsp_buffer line = {0};
    hsp_format_time_ms(hsp_now_ms(CLOCK_REALTIME), time);
    if (view->signature[0] != '\0') {
        const bool checked = strcmp(view->signature, "no secret") != 0;
        const bool valid = strcmp(view->signature, "valid") == 0;
        hsp_buffer_print(&line, "%s  %-17s  ", time,
                         !checked ? "no secret"
                         : valid  ? "signature valid"
                                  : "signature INVALID");
        const char *status = text_at(view, "check_result", "status");
        append(&line, status);
        hsp_buffer_print(&line, "%*s", strlen(status) < 4 ? 6 - (int)strlen(status) : 2,
                         "");
        append(&line, text_at(view, "monitor", "name"));
        hsp_buffer_append(&line, "  ", 2);
        append(&line, text_at(view, "context", "notification_type"));
        hsp_buffer_append(&line, "  ", 2);
        append(&line, view->delivery[0] != '\0' ? view->delivery : "-");
        hsp_buffer_print(&line, "%s  ", view->again ? "  again" : "");
        append(&line, text_at(view, "check_result", "error_message"));
    } else {
        hsp_buffer_print(&line, "%s  ", time);
        append(&line, request->path);
    }
    if (view->reason[0] != '\0') {
        hsp_buffer_append(&line, "  (", 3);
        append(&line, view->reason);
        hsp_buffer_append(&line, ")", 1);
    }
    if (line.data != NULL)
        puts(line.data);
    hsp_buffer_free(&line);
    if (with_body && request->length > 0)
        print_body(request, view);
}

/* Add `text`, which may be ill-formed. */
static void add_text(json_object *object, const char *key, const char *text,
                     size_t length) {
    struct hsp_buffer clean = {0};
    hsp_text_repair(&clean, text, length);
    if (clean.data != NULL)
        json_object_object_add(object, key,
                               json_object_new_string_len(clean.data, (int)clean.length));
    hsp_buffer_free(&clean);
}

static void print_json(const struct hsp_received *request, const struct view *view,
                       const struct hsp_reply *reply) {
    static const struct {
        const char *key, *object, *inner;
    } parts[] = {
        {"status", "check_result", "status"},
        {"monitor", "monitor", "name"},
        {"type", "context", "notification_type"},
        {"message", "check_result", "error_message"},
    };
    char time[HSP_TIME_LENGTH + 1];
    json_object *line = json_object_new_object();
    hsp_format_time_ms(hsp_now_ms(CLOCK_REALTIME), time);
    add_text(line, "time", time, strlen(time));
    json_object_object_add(line, "good", json_object_new_boolean(view->good));
    if (view->signature[0] != '\0')
        add_text(line, "signature", view->signature, strlen(view->signature));
    if (view->reason[0] != '\0')
        add_text(line, "reason", view->reason, strlen(view->reason));
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *text = text_at(view, parts[i].object, parts[i].inner);
        if (strcmp(text, "-") != 0)
            add_text(line, parts[i].key, text, strlen(text));
    }
    if (view->delivery[0] != '\0')
        add_text(line, "delivery", view->delivery, strlen(view->delivery));
    json_object_object_add(line, "again", json_object_new_boolean(view->again));
    add_text(line, "method", request->method, strlen(request->method));
    add_text(line, "path", request->path, strlen(request->path));
    json_object_object_add(line, "bytes",
                           json_object_new_int64((int64_t)request->length));
    json_object_object_add(line, "answer", json_object_new_int((int)reply->status));
    if (with_body)
        add_text(line, "body", request->body, request->length);
    const char *text = hsp_json_text(line, &(size_t){0});
    if (text != NULL)
        puts(text);
    json_object_put(line);
}

/* The verb
 * ------------------------------------------------------------------------------------ */

static bool receive(void *context, const struct hsp_received *request,
                    struct hsp_reply *reply) {
    struct work *work = context;
    struct view view = look(work, request, reply);
    reply->delay_ms = delay_ms;
    reply->retry_after_s = retry_after;
    if (view.reason[0] != '\0')
        snprintf(reply->text, sizeof reply->text, "%.250s\n", view.reason);
    if (status_code >= 0)
        reply->status = (unsigned)status_code;
    if (as_json)
        print_json(request, &view, reply);
    else
        print_line(request, &view);
    work->unprinted = fflush(stdout) != 0 || ferror(stdout) != 0;
    work->any_bad = work->any_bad || !view.good;
    work->taken++;
    json_object_put(view.payload);
    return !work->unprinted && (count == 0 || work->taken < count);
}

/* A descriptor that can be read when this process is to end. */
static int watch_signals(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    return sigprocmask(SIG_BLOCK, &signals, NULL) != 0
               ? -1
               : signalfd(-1, &signals, SFD_CLOEXEC);
}

static void print_start(const struct hsp_cli *cli, const struct work *work,
                        const char *url) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (as_json)
        printf("{\"listening\":\"%s\"}\n", url);
    else
        puts(url);
    fflush(stdout);
    fprintf(stderr, "hookspool: %s: for this machine only%s; end it with ^C\n", cli->verb,
            work->secrets.signer == NULL
                ? ", and without a secret: signatures are not checked"
                : "");
}

static enum hs_status run(const struct hsp_cli *cli, struct work *work,
                          struct hs_error *err) {
    struct hsp_receiver *receiver = NULL;
    enum hs_status status = HS_OK;
    int stop = -1;
    work->seen = calloc(SEEN_SLOTS, sizeof *work->seen);
    if (work->seen == NULL) {
        status = hsp_fail(err, HS_E_NOMEM, "listen: out of memory");
        goto out;
    }
    stop = watch_signals();
    if (stop < 0) {
        status = hsp_fail_errno(err, HS_E_IO, "watch signals");
        goto out;
    }
    status = hsp_receiver_open(&receiver, (int)port, receive, work, err);
    if (status != HS_OK)
        goto out;
    print_start(cli, work, hsp_receiver_url(receiver));
    status = hsp_receiver_run(receiver, stop, err);
    if (status == HS_OK && work->unprinted)
        status = hsp_fail(err, HS_E_IO, "print a request: standard output is gone");
out:
    hsp_receiver_close(receiver);
    if (stop >= 0)
        close(stop);
    free(work->seen);
    return status;
}

static int do_listen(const struct hsp_cli *cli) {
    struct hs_error err = {0};
    struct work work = {.taken = 0};
    if (endpoint != NULL && secret_files.count > 0)
        return hsp_cli_misuse(cli, "--secret-file or --endpoint, not both");
    if (port > 65535)
        return hsp_cli_misuse(cli, "--port: from 0 (any that is free) to 65535");
    if (status_code >= 0 && (status_code < 200 || status_code > 599))
        return hsp_cli_misuse(cli, "--status: from 200 to 599");
    enum hs_status status =
        hsp_secrets_load(&work.secrets, cli, endpoint, &secret_files, false, &err);
    if (status == HS_E_DATA)
        return hsp_cli_misuse(cli, "%s", err.text);
    if (status == HS_OK)
        status = run(cli, &work, &err);
    hsp_secrets_free(&work.secrets);
    if (status != HS_OK) {
        const int code = hsp_cli_complain(cli, &err);
        return endpoint == NULL ? HSP_EXIT_FAILED : code;
    }
    return work.any_bad || work.taken < count ? HSP_EXIT_PARTLY : 0;
}

static const struct hsp_option options[] = {
    {'\0', "port", "N", "port of 127.0.0.1 (default: any that is free)",
     HSP_OPTION_NUMBER, &port},
    {'\0', "secret-file", "FILE", "check with this secret; may be given again",
     HSP_OPTION_LIST, &secret_files},
    {'\0', "endpoint", "NAME", "check with the secrets of this endpoint", HSP_OPTION_TEXT,
     &endpoint},
    {'\0', "status", "N",
     "answer with this status (default: 200, 401 for a wrong\nsignature)",
     HSP_OPTION_NUMBER, &status_code},
    {'\0', "retry-after", "SECONDS", "answer with this Retry-After", HSP_OPTION_NUMBER,
     &retry_after},
    {'\0', "delay", "DURATION", "wait before the answer", HSP_OPTION_DURATION, &delay_ms},
    {'\0', "count", "N", "end after this many requests", HSP_OPTION_NUMBER, &count},
    {'\0', "body", NULL, "print the bodies, too", HSP_OPTION_FLAG, &with_body},
    {'\0', "json", NULL, "one JSON object a line", HSP_OPTION_FLAG, &as_json},
    {.name = NULL},
};

const struct hsp_verb hsp_verb_listen = {
    "listen",  "",     0, 0, "receive requests here, check their signatures, print them",
    do_listen, options};
