/* SPDX-License-Identifier: MIT */
/* A trial's request as JSON, step by step. What strangers wrote is made fit to be shown,
 * and nothing of a URL's secret parts comes back in it. */
#include "config.h"

#include "trial_seen.h"

#include "plain.h"
#include "url.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DAY_S (24 * 3600)

/* Texts
 * --------------------------------------------------------------------------------------
 */

/* A text of libcurl's or a receiver's, plain and without the secrets of URLs; free(). */
static char *shown(const struct hsp_trial_seen *seen, const char *text, size_t length) {
    const struct hsp_endpoint_settings *settings = seen->trial->settings;
    struct hsp_buffer plain = {0}, hidden = {0}, twice = {0};
    hsp_plain_append(&plain, text, length);
    hsp_url_hide(&hidden, plain.data != NULL ? plain.data : "", settings->url,
                 settings->url_is_secret);
    hsp_url_hide(&twice, hidden.data != NULL ? hidden.data : "",
                 settings->proxy != NULL ? settings->proxy : "", true);
    hsp_buffer_append(&twice, "", 0);
    hsp_buffer_free(&plain);
    hsp_buffer_free(&hidden);
    return hsp_buffer_take(&twice, NULL);
}

static void add(json_object *object, const char *key, json_object *value) {
    json_object_object_add(object, key, value);
}

static void add_text(json_object *object, const char *key, const char *text) {
    add(object, key, text != NULL && *text ? json_object_new_string(text) : NULL);
}

static void add_number(json_object *object, const char *key, int64_t value) {
    add(object, key, json_object_new_int64(value));
}

/* What libcurl says went wrong, else the system. */
static void failure_text(const struct hsp_trial_seen *seen, struct hsp_buffer *out) {
    const struct hsp_happened *happened = &seen->happened;
    char *words = shown(seen, seen->error, strlen(seen->error));
    if (words != NULL && *words != '\0')
        hsp_buffer_print(out, "%s", words);
    else
        hsp_buffer_print(out, "%s", curl_easy_strerror(happened->result));
    free(words);
}

/* Steps
 * -------------------------------------------------------------------------------------
 */

static void add_step(json_object *steps, const char *name, bool ok,
                     struct hsp_buffer *text, int64_t ms) {
    json_object *step = json_object_new_object();
    add_text(step, "step", name);
    add(step, "ok", json_object_new_boolean(ok));
    add_text(step, "text", text->data);
    if (ms >= 0)
        add_number(step, "ms", ms);
    json_object_array_add(steps, step);
    hsp_buffer_free(text);
}

static void tell_lookup(const struct hsp_trial_seen *seen, json_object *steps) {
    const struct hsp_lookup_answer *lookup = &seen->lookup;
    const char *whose = seen->happened.has_proxy ? "proxy " : "";
    struct hsp_buffer text = {0};
    if (lookup->error != 0)
        hsp_buffer_print(&text, "%s%s: %s", whose, seen->host,
                         gai_strerror(lookup->error));
    else if (strcmp(lookup->addresses, seen->host) == 0)
        hsp_buffer_print(&text, "%s%s is an address", whose, seen->host);
    else
        hsp_buffer_print(&text, "%s%s is %s", whose, seen->host, lookup->addresses);
    add_step(steps, "lookup", lookup->error == 0, &text, seen->lookup_ms);
}

static void tell_connection(const struct hsp_trial_seen *seen, json_object *steps) {
    const struct hsp_happened *happened = &seen->happened;
    struct hsp_buffer text = {0};
    if (happened->is_connected)
        hsp_buffer_print(&text, "%s%s port %ld", happened->has_proxy ? "proxy " : "",
                         seen->ip, seen->port);
    else if (happened->os_errno != 0 && happened->result == CURLE_COULDNT_CONNECT)
        hsp_buffer_print(&text, "%s: %s", seen->lookup.addresses,
                         strerror(happened->os_errno));
    else
        failure_text(seen, &text);
    add_step(steps, "connection", happened->is_connected, &text, seen->connect_ms);
}

static void add_greeting(const struct hsp_trial_seen *seen, struct hsp_buffer *text) {
    if (*seen->greeting != '\0')
        hsp_buffer_print(text, "; what is there says: %s", seen->greeting);
}

/* Only where a proxy was asked for a connection. */
static bool tell_proxy(const struct hsp_trial_seen *seen, json_object *steps) {
    const struct hsp_happened *happened = &seen->happened;
    struct hsp_buffer text = {0};
    const bool ok = happened->proxy_status / 100 == 2 || seen->handshake.begun ||
                    seen->sent.length > 0;
    if (!happened->has_proxy || !happened->is_tunnel)
        return true;
    if (!ok && happened->proxy_status == 0)
        failure_text(seen, &text);
    else if (happened->proxy_status != 0)
        hsp_buffer_print(&text, "it answered %ld when asked for a connection",
                         happened->proxy_status);
    else
        hsp_buffer_print(&text, "it made the connection");
    if (!ok)
        add_greeting(seen, &text);
    add_step(steps, "proxy", ok, &text, ok ? -1 : seen->took_ms);
    return ok;
}

/* Version and cipher may be agreed on and the certificate refused all the same. */
static bool tell_tls(const struct hsp_trial_seen *seen, json_object *steps) {
    const struct hsp_handshake *handshake = &seen->handshake;
    const bool ok = seen->happened.is_tls_done || handshake->has_certificate;
    struct hsp_buffer text = {0};
    if (ok)
        hsp_buffer_print(&text, "%s%s%s",
                         *handshake->version ? handshake->version : "done",
                         *handshake->cipher ? ", " : "", handshake->cipher);
    else
        failure_text(seen, &text);
    add_greeting(seen, &text);
    add_step(steps, "tls", ok, &text, seen->tls_ms);
    return ok;
}

static int64_t days_between(int64_t from_s, int64_t to_s) {
    return (to_s - from_s) / DAY_S;
}

/* "is valid for 29 more days", "expired 12 days ago" */
static void tell_validity(const struct hsp_certificate *certificate,
                          struct hsp_buffer *text) {
    const int64_t now_s = hsp_now_ms(CLOCK_REALTIME) / 1000;
    char date[HSP_TIME_LENGTH + 1];
    if (certificate->not_before_s > now_s) {
        hsp_format_time(certificate->not_before_s, date);
        hsp_buffer_print(text, "is valid in %" PRId64 " days only, from %s",
                         days_between(now_s, certificate->not_before_s), date);
        return;
    }
    hsp_format_time(certificate->not_after_s, date);
    if (certificate->not_after_s < now_s)
        hsp_buffer_print(text, "expired %" PRId64 " days ago, on %s",
                         days_between(certificate->not_after_s, now_s), date);
    else
        hsp_buffer_print(text, "expires in %" PRId64 " days, on %s",
                         days_between(now_s, certificate->not_after_s), date);
}

static bool is_refused(const struct hsp_trial_seen *seen) {
    return seen->happened.result == CURLE_PEER_FAILED_VERIFICATION;
}

static void tell_certificate(const struct hsp_trial_seen *seen, json_object *steps) {
    const struct hsp_handshake *handshake = &seen->handshake;
    const struct hsp_certificate *server = &handshake->server;
    struct hsp_buffer text = {0};
    if (!handshake->has_certificate)
        return;
    hsp_buffer_print(&text, "%s, issued by %s, for %s, ", server->subject, server->issuer,
                     *server->names ? server->names : "no name");
    tell_validity(server, &text);
    if (handshake->has_culprit && handshake->culprit_depth > 0) {
        hsp_buffer_print(&text, "; its authority %s ", handshake->culprit.subject);
        tell_validity(&handshake->culprit, &text);
    }
    if (handshake->has_culprit)
        hsp_buffer_print(&text, "; %s", handshake->fault_text);
    else if (is_refused(seen))
        hsp_buffer_print(&text, "; %s is not among its names", seen->host);
    add_step(steps, "certificate", !is_refused(seen), &text, -1);
}

static bool tell_request(const struct hsp_trial_seen *seen, json_object *steps) {
    /* Who answers has heard enough, whatever was left to send. */
    const bool ok = seen->happened.is_body_sent || seen->happened.http_status != 0;
    struct hsp_buffer text = {0};
    hsp_buffer_print(&text, "POST %s, %zu bytes", seen->trial->settings->shown_url,
                     seen->body_length);
    if (!ok) {
        hsp_buffer_print(&text, ": ");
        failure_text(seen, &text);
    }
    add_step(steps, "request", ok, &text, -1);
    return ok;
}

static void tell_answer(const struct hsp_trial_seen *seen, enum hsp_fault fault,
                        json_object *steps) {
    struct hsp_buffer text = {0};
    if (seen->happened.http_status != 0)
        hsp_buffer_print(&text, "%s", seen->status_line);
    else
        failure_text(seen, &text);
    if (seen->location != NULL)
        hsp_buffer_print(&text, ", to %s", seen->location);
    if (seen->retry_after_s >= 0)
        hsp_buffer_print(&text, ", again in %" PRId64 " s", seen->retry_after_s);
    add_greeting(seen, &text);
    add_step(steps, "answer", fault == HSP_FAULT_NONE, &text, seen->answer_ms);
}

/* As far as it came: the step that failed is the last. */
static json_object *tell_steps(const struct hsp_trial_seen *seen, enum hsp_fault fault) {
    const struct hsp_happened *happened = &seen->happened;
    json_object *steps = json_object_new_array();
    tell_lookup(seen, steps);
    if (happened->lookup_error != 0)
        return steps;
    tell_connection(seen, steps);
    if (!happened->is_connected || !tell_proxy(seen, steps))
        return steps;
    if (happened->is_https) {
        if (!tell_tls(seen, steps))
            return steps;
        tell_certificate(seen, steps);
        if (!happened->is_tls_done)
            return steps;
    }
    if (tell_request(seen, steps))
        tell_answer(seen, fault, steps);
    return steps;
}

/* Other parts
 * ------------------------------------------------------------------------------- */

static bool is_open_header(const char *name, size_t length) {
    /* All others may hold credentials. */
    static const char *const names[] = {
        "Host",         "User-Agent",        "Accept",
        "Content-Type", "Content-Length",    "X-StatusPageOne-Signature",
        "Accept",       "webhook-id",        "X-Hookspool-Delivery",
        "Connection",   "webhook-timestamp", "webhook-signature",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == length && strncasecmp(names[i], name, length) == 0)
            return true;
    return false;
}

/* What was sent, without the first line, which has the whole URL. */
static json_object *tell_headers(const struct hsp_trial_seen *seen) {
    json_object *headers = json_object_new_array();
    const char *line = seen->sent.data != NULL ? strchr(seen->sent.data, '\n') : NULL;
    while (line != NULL && line[1] != '\0' && line[1] != '\r') {
        line++;
        const size_t length = strcspn(line, "\r\n"), name = strcspn(line, ":");
        struct hsp_buffer text = {0};
        if (name < length && is_open_header(line, name))
            hsp_plain_append(&text, line, length);
        else
            hsp_buffer_print(&text, "%.*s: ***", (int)(name < length ? name : 0), line);
        json_object_array_add(headers,
                              json_object_new_string(text.data != NULL ? text.data : ""));
        hsp_buffer_free(&text);
        line = strchr(line, '\n');
    }
    return headers;
}

static json_object *tell_facts(const struct hsp_handshake *handshake) {
    const struct hsp_certificate *server = &handshake->server;
    if (!handshake->has_certificate)
        return NULL;
    char date[HSP_TIME_LENGTH + 1];
    json_object *facts = json_object_new_object();
    add_text(facts, "subject", server->subject);
    add_text(facts, "issuer", server->issuer);
    add_text(facts, "names", server->names);
    hsp_format_time(server->not_before_s, date);
    add_text(facts, "not_before", date);
    hsp_format_time(server->not_after_s, date);
    add_text(facts, "not_after", date);
    add_number(facts, "days_left",
               days_between(hsp_now_ms(CLOCK_REALTIME) / 1000, server->not_after_s));
    return facts;
}

json_object *hsp_trial_report(const struct hsp_trial_seen *seen, enum hsp_fault fault) {
    json_object *report = json_object_new_object();
    if (report == NULL)
        return NULL;
    char *excerpt = shown(seen, seen->excerpt, seen->excerpt_length);
    add_text(report, "kind", hs_kind_text(seen->trial->kind));
    add_text(report, "id", seen->id);
    add(report, "delivered", json_object_new_boolean(fault == HSP_FAULT_NONE));
    add_text(report, "fault", fault == HSP_FAULT_NONE ? NULL : hsp_fault_name(fault));
    add_text(report, "text", hsp_fault_text(fault));
    add_text(report, "hint", hsp_fault_hint(fault));
    add(report, "status",
        seen->happened.http_status != 0
            ? json_object_new_int64(seen->happened.http_status)
            : NULL);
    add_number(report, "took_ms", seen->took_ms);
    add(report, "steps", tell_steps(seen, fault));
    add(report, "headers", tell_headers(seen));
    add_text(report, "answer", excerpt);
    add_text(report, "location", seen->location);
    add(report, "certificate", tell_facts(&seen->handshake));
    free(excerpt);
    return report;
}

void hsp_trial_reason(const struct hsp_trial_seen *seen, enum hsp_fault fault,
                      char *reason, size_t size) {
    const struct hsp_happened *happened = &seen->happened;
    struct hsp_buffer words = {0};
    *reason = '\0';
    if (fault == HSP_FAULT_NONE)
        return;
    if (happened->http_status != 0)
        hsp_buffer_print(&words, "HTTP %ld", happened->http_status);
    else if (happened->lookup_error != 0)
        hsp_buffer_print(&words, "%s", gai_strerror(happened->lookup_error));
    else
        failure_text(seen, &words);
    snprintf(reason, size, "%s: %s", hsp_fault_name(fault),
             words.data != NULL ? words.data : "");
    hsp_buffer_free(&words);
}
