/* SPDX-License-Identifier: MIT */
/* The status in the text exposition format of Prometheus, version 0.0.4: one family of
 * samples after the other, each with its HELP and TYPE. What is not known is left out. */
#include "config.h"

#include "status.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

static void print_family(FILE *out, const char *name, const char *type,
                         const char *help) {
    fprintf(out, "# HELP hookspool_%s %s\n# TYPE hookspool_%s %s\n", name, help, name,
            type);
}

/* A label's value: backslash, quote and line feed are escaped. */
static void print_value(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"')
            fputc('\\', out);
        if (*text == '\n')
            fputs("\\n", out);
        else
            fputc(*text, out);
    }
}

static void print_label(FILE *out, const char *before, const char *name,
                        const char *value) {
    fprintf(out, "%s%s=\"", before, name);
    print_value(out, value);
    fputc('"', out);
}

/* Milliseconds as seconds. */
static void print_seconds(FILE *out, int64_t ms) {
    fprintf(out, "%" PRId64 ".%03d\n", ms / 1000, (int)(ms % 1000));
}

static void print_one(FILE *out, const char *name, const char *type, const char *help,
                      int64_t value) {
    print_family(out, name, type, help);
    fprintf(out, "hookspool_%s %" PRId64 "\n", name, value);
}

static void print_time(FILE *out, const char *name, const char *help, int64_t at) {
    if (at == HSP_NO_TIME)
        return;
    print_family(out, name, "gauge", help);
    fprintf(out, "hookspool_%s ", name);
    print_seconds(out, at);
}

static void print_ratio(FILE *out, const char *name, const char *help, double percent) {
    if (percent < 0)
        return;
    print_family(out, name, "gauge", help);
    fprintf(out, "hookspool_%s %.4f\n", name, percent / 100);
}

/* Of the spool and its daemon. */
static void print_daemon(const struct hsp_status *status, FILE *out) {
    bool answers = status->source == HSP_STATUS_SOCKET;
    print_one(out, "up", "gauge", "Whether hookspoold runs and answers.", answers);
    print_family(out, "build_info", "gauge",
                 "1, with the versions of hookspool and of the hookspoold that spoke "
                 "last.");
    fputs("hookspool_build_info{", out);
    print_label(out, "", "version", PACKAGE_VERSION);
    print_label(out, ",", "daemon", status->daemon != NULL ? status->daemon : "");
    fputs("} 1\n", out);
    if (status->incoming >= 0)
        print_one(out, "incoming", "gauge", "Files in incoming/.", status->incoming);
    if (status->incoming > 0)
        print_time(out, "incoming_oldest_timestamp_seconds",
                   "When the oldest event in incoming/ was made.",
                   status->incoming_oldest_at);
    print_ratio(out, "space_free_ratio", "Free share of the spool's file system.",
                status->space_free);
    print_ratio(out, "inodes_free_ratio", "Free share of its inodes.",
                status->inodes_free);
    if (status->source == HSP_STATUS_NONE)
        return;
    print_one(out, "space_short", "gauge",
              "Whether hookspoold is held up by the lack of space.", status->is_short);
    print_one(out, "corrupt", "gauge", "Files set aside in corrupt/.", status->corrupt);
    print_time(out, "start_time_seconds", "When hookspoold started.", status->started_at);
    print_time(out, "status_timestamp_seconds", "When this status was made.",
               status->updated_at);
}

/* Of each endpoint. */
enum form {
    NUMBER,  /* as it is */
    SPAN,    /* ms, shown in seconds */
    AGE,     /* a time: the seconds since then, 0 for none */
    INSTANT, /* a time: in seconds, left out for none */
};

static const struct family {
    const char *name, *type, *help;
    enum form form;
    size_t member;
} families[] = {
#define FAMILY(name, type, form, member, help)                                           \
    { name, type, help, form, offsetof(struct hsp_endpoint_status, member) }
    FAMILY("pending", "gauge", NUMBER, pending, "Events that wait or are under way."),
    FAMILY("pending_bytes", "gauge", NUMBER, pending_bytes, "Their size."),
    FAMILY("pending_limit", "gauge", NUMBER, max_queued,
           "max_queued, 0 for an orphaned endpoint."),
    FAMILY("pending_limit_bytes", "gauge", NUMBER, max_queued_bytes,
           "Likewise, in bytes."),
    FAMILY("oldest_seconds", "gauge", AGE, oldest_at,
           "Age of the oldest event that waits, 0 where none does."),
    FAMILY("in_flight", "gauge", NUMBER, in_flight, "Requests under way."),
    FAMILY("sent_total", "counter", NUMBER, sent,
           "Answers 2xx since hookspoold started."),
    FAMILY("failed_total", "counter", NUMBER, failed,
           "Failed requests since hookspoold started."),
    FAMILY("dead", "gauge", NUMBER, dead, "Dead letters."),
    FAMILY("dead_bytes", "gauge", NUMBER, dead_bytes, "Their size."),
    FAMILY("dead_limit", "gauge", NUMBER, max_dead,
           "max_dead, 0 for an orphaned endpoint."),
    FAMILY("dead_limit_bytes", "gauge", NUMBER, max_dead_bytes, "Likewise, in bytes."),
    FAMILY("rate_used", "gauge", NUMBER, rate_used, "Requests in the current window."),
    FAMILY("rate_limit", "gauge", NUMBER, rate_limit,
           "Requests that a window may hold, 0 for no limit."),
    FAMILY("rate_window_seconds", "gauge", SPAN, rate_window_ms,
           "Length of that window."),
    FAMILY("last_success_timestamp_seconds", "gauge", INSTANT, last_success_at,
           "When the last event was delivered."),
    FAMILY("next_attempt_timestamp_seconds", "gauge", INSTANT, next_attempt_at,
           "When the next request is due by time alone."),
};

static void print_sample(FILE *out, const struct family *family,
                         const struct hsp_status *status,
                         const struct hsp_endpoint_status *endpoint) {
    int64_t value = *(const int64_t *)((const char *)endpoint + family->member);
    if (family->form == INSTANT && value == HSP_NO_TIME)
        return;
    if (family->form == AGE)
        value =
            value == HSP_NO_TIME || value > status->read_at ? 0 : status->read_at - value;
    fprintf(out, "hookspool_%s{", family->name);
    print_label(out, "", "endpoint", endpoint->name);
    fputs("} ", out);
    if (family->form == NUMBER)
        fprintf(out, "%" PRId64 "\n", value);
    else
        print_seconds(out, value);
}

static void print_states(const struct hsp_status *status, FILE *out) {
    static const char *const states[] = {"ok",   "backoff", "misconfigured",
                                         "gone", "paused",  "orphaned"};
    print_family(out, "state", "gauge", "1 for the state in which the endpoint is.");
    for (size_t i = 0; i < status->endpoint_count; i++)
        for (size_t s = 0; s < sizeof states / sizeof *states; s++) {
            const struct hsp_endpoint_status *endpoint = &status->endpoints[i];
            fputs("hookspool_state{", out);
            print_label(out, "", "endpoint", endpoint->name);
            print_label(out, ",", "state", states[s]);
            fprintf(out, "} %d\n", strcmp(endpoint->state, states[s]) == 0);
        }
}

void hsp_status_prometheus(const struct hsp_status_page *page, FILE *out) {
    const struct hsp_status *status = page->status;
    print_daemon(status, out);
    if (status->endpoint_count == 0)
        return;
    print_states(status, out);
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        print_family(out, families[f].name, families[f].type, families[f].help);
        for (size_t i = 0; i < status->endpoint_count; i++)
            print_sample(out, &families[f], status, &status->endpoints[i]);
    }
}
