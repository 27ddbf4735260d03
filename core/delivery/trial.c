/* SPDX-License-Identifier: MIT */
/* Sending one sample and looking on. The name is looked up apart first, for all of its
 * addresses and the resolver's own error; then libcurl does what it does for an event. */
#include "config.h"

#include "trial_seen.h"

#include "../error.h"
#include "../payload.h"
#include "plain.h"
#include "request.h"
#include "second_look.h"
#include "url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_MAX (16 * 1024) /* kept of what is sent */
#define BODY_MAX 65536       /* read of an answer */

/* The sample
 * --------------------------------------------------------------------------------- */

/* The documented body, but for the words that say that it is a test. */
static enum hs_status make_sample(struct hsp_trial_seen *seen, struct hs_error *err) {
    const bool is_down = seen->trial->kind == HS_KIND_INCIDENT;
    const struct hsp_payload payload = {
        .monitor_id = HSP_TRIAL_MONITOR,
        .monitor_name = "Test by hookspool",
        .monitor_url = "https://api.example.com/health",
        .state = is_down ? HS_STATE_DOWN : HS_STATE_UP,
        .time = hsp_now_ms(CLOCK_REALTIME) / 1000,
        .region = "us-east-1",
        .error_message = is_down ? "This is a test by hookspool: nothing is down" : NULL,
        .response_time_ms = is_down ? 30000 : 245,
        .status_code = is_down ? -1 : 200,
        .consecutive_failures = is_down ? 3 : 0,
        .previous = is_down ? HS_STATE_UP : HS_STATE_DOWN,
        .notification_level = 1,
        .kind = seen->trial->kind,
    };
    return hsp_payload_write(&payload, HSP_PAYLOAD_DEFAULT_MAX, &seen->body,
                             &seen->body_length, err);
}

/* What libcurl calls
 * ------------------------------------------------------------------------ */

static void take_status_line(struct hsp_trial_seen *seen, const char *line,
                             size_t length) {
    while (length > 0 && (line[length - 1] == '\r' || line[length - 1] == '\n'))
        length--;
    hsp_plain_copy(seen->status_line, sizeof seen->status_line, line, length);
}

/* Where it would lead: the secret of a URL may come back in it. */
static void take_location(struct hsp_trial_seen *seen, const char *value, size_t length) {
    const struct hsp_endpoint_settings *settings = seen->trial->settings;
    char text[512];
    hsp_plain_copy(text, sizeof text, value, length);
    char *place = text + strspn(text, " ");
    place[strcspn(place, " ")] = '\0';
    free(seen->location);
    if (strstr(place, "://") != NULL) {
        seen->location = hsp_mask_url(place, settings->url_is_secret);
        return;
    }
    const bool has_query = place[strcspn(place, "?#")] != '\0';
    place[strcspn(place, "?#")] = '\0';
    if (asprintf(&seen->location, "%s%s", settings->url_is_secret ? "***" : place,
                 has_query ? "?***" : "") < 0)
        seen->location = NULL;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *owner) {
    static const char location[] = "Location:";
    struct hsp_trial_seen *seen = owner;
    const size_t length = size * count, name = sizeof location - 1;
    seen->happened.has_answer_begun = true;
    if (length > 5 && memcmp(bytes, "HTTP/", 5) == 0)
        take_status_line(seen, bytes, length);
    else if (length > name && strncasecmp(bytes, location, name) == 0)
        take_location(seen, bytes + name, length - name);
    else if (length == 2 && bytes[0] == '\r')
        /* The end of a head; those of 1xx come first and do not count. */
        seen->happened.http_status =
            atol(seen->status_line + strcspn(seen->status_line, " "));
    if (seen->happened.http_status < 200)
        seen->happened.http_status = 0;
    hsp_request_take_retry_after(bytes, length, &seen->retry_after_s);
    return length;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *owner) {
    struct hsp_trial_seen *seen = owner;
    const size_t length = size * count, room = HSP_EXCERPT_MAX - seen->excerpt_length;
    const size_t kept = length < room ? length : room;
    memcpy(seen->excerpt + seen->excerpt_length, bytes, kept);
    seen->excerpt_length += kept;
    /* What is over the excerpt is nobody's business here: the status stands. */
    return seen->excerpt_length < HSP_EXCERPT_MAX ? length : 0;
}

/* What a proxy says to CONNECT; its first line is a greeting where it is no HTTP. */
static void take_proxy_line(struct hsp_trial_seen *seen, const char *line,
                            size_t length) {
    if (!seen->happened.is_tunnel || seen->handshake.begun ||
        seen->happened.has_proxy_answered)
        return;
    seen->happened.has_proxy_answered = true;
    if (length < 5 || memcmp(line, "HTTP/", 5) != 0)
        hsp_plain_copy(seen->greeting, sizeof seen->greeting, line, length);
}

/* The head of the request as it goes out; one of CONNECT goes to the proxy. */
static int take_debug(CURL *easy, curl_infotype type, char *bytes, size_t length,
                      void *owner) {
    struct hsp_trial_seen *seen = owner;
    (void)easy;
    if (type == CURLINFO_HEADER_OUT && length > 5 && memcmp(bytes, "POST ", 5) == 0 &&
        seen->sent.length == 0)
        hsp_buffer_append(&seen->sent, bytes, length < HEAD_MAX ? length : HEAD_MAX);
    else if (type == CURLINFO_HEADER_IN)
        take_proxy_line(seen, bytes, length);
    return 0;
}

static int64_t time_of(CURL *easy, CURLINFO which) {
    curl_off_t us = 0;
    curl_easy_getinfo(easy, which, &us);
    return us;
}

/* With a proxy that speaks TLS the first handshake is its. */
static CURLcode take_context(CURL *easy, void *context, void *owner) {
    struct hsp_trial_seen *seen = owner;
    const char *proxy = seen->trial->settings->proxy;
    const bool is_proxy =
        proxy != NULL && hsp_url_is_https(proxy) && !seen->has_proxy_begun;
    seen->has_proxy_begun = seen->has_proxy_begun || is_proxy;
    seen->tls_began_us = time_of(easy, CURLINFO_TOTAL_TIME_T);
    hsp_handshake_watch(context, is_proxy ? &seen->proxy_handshake : &seen->handshake);
    return CURLE_OK;
}

/* Names
 * ---------------------------------------------------------------------------------------
 */

/* The host of a URL, without brackets. */
static void host_of(const char *text, char *host, size_t size) {
    char *found = NULL;
    CURLU *url = curl_url();
    if (url != NULL &&
        curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &found, 0) == CURLUE_OK) {
        const bool in_brackets = found[0] == '[';
        snprintf(host, size, "%s", found + (in_brackets ? 1 : 0));
        host[strcspn(host, "]")] = '\0';
    }
    curl_free(found);
    curl_url_cleanup(url);
}

static void look_up(struct hsp_trial_seen *seen) {
    const struct hsp_endpoint_settings *settings = seen->trial->settings;
    const int64_t began_ms = hsp_now_ms(CLOCK_MONOTONIC);
    seen->happened.proxy_name_failed = settings->proxy != NULL;
    host_of(settings->proxy != NULL ? settings->proxy : settings->url, seen->host,
            sizeof seen->host);
    hsp_lookup(seen->host, settings->connect_timeout_ms, seen->trial->cancelled,
               &seen->lookup);
    seen->happened.lookup_error = seen->lookup.error;
    seen->lookup_ms = hsp_now_ms(CLOCK_MONOTONIC) - began_ms;
}

/* The request
 * -------------------------------------------------------------------------------- */

static void set_callbacks(CURL *easy, struct hsp_trial_seen *seen) {
    const char *library = curl_version_info(CURLVERSION_NOW)->ssl_version;
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, seen);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, seen);
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, take_debug);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, seen);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, seen->error);
    /* A libcurl on another library hands out something else. */
    if (library != NULL && strncmp(library, "OpenSSL/", 8) == 0) {
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, take_context);
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, seen);
    }
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* no waiting for a name lookup */
#endif
}

/* Did the connection stand? libcurl (7.88) knows its time only after proxy and TLS. */
static bool is_connected(const struct hsp_trial_seen *seen, int64_t connect_us) {
    const CURLcode result = seen->happened.result;
    return connect_us > 0 || seen->happened.proxy_status != 0 ||
           result == CURLE_SSL_CONNECT_ERROR ||
           result == CURLE_PEER_FAILED_VERIFICATION ||
           (seen->ip[0] != '\0' && result != CURLE_COULDNT_CONNECT);
}

static void take_times(CURL *easy, struct hsp_trial_seen *seen) {
    const int64_t known = time_of(easy, CURLINFO_CONNECT_TIME_T),
                  connect = known > 0 ? known : seen->tls_began_us,
                  name = time_of(easy, CURLINFO_NAMELOOKUP_TIME_T),
                  tls = time_of(easy, CURLINFO_APPCONNECT_TIME_T),
                  ready = time_of(easy, CURLINFO_PRETRANSFER_TIME_T),
                  total = time_of(easy, CURLINFO_TOTAL_TIME_T);
    seen->happened.is_connected = is_connected(seen, connect);
    seen->happened.is_tls_done = tls > 0;
    seen->connect_ms = connect > 0                   ? (connect - name) / 1000
                       : seen->happened.is_connected ? -1
                                                     : (total - name) / 1000;
    seen->tls_ms = connect > 0 ? ((tls > 0 ? tls : total) - connect) / 1000 : 0;
    seen->answer_ms = ready > 0 ? (total - ready) / 1000 : 0;
    seen->took_ms = total / 1000;
}

static void take_facts(CURL *easy, struct hsp_trial_seen *seen) {
    struct hsp_happened *happened = &seen->happened;
    curl_off_t uploaded = 0;
    long os_errno = 0;
    char *ip = NULL;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_errno);
    curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &happened->proxy_status);
    curl_easy_getinfo(easy, CURLINFO_PROXY_ERROR, &happened->proxy_error);
    curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &happened->verify);
    curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &seen->port);
    if (curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &ip) == CURLE_OK && ip != NULL)
        snprintf(seen->ip, sizeof seen->ip, "%s", ip);
    take_times(easy, seen);
    happened->os_errno = (int)os_errno;
    happened->is_body_sent = uploaded >= (curl_off_t)seen->body_length;
}

/* One that says 400, nothing, or no HTTP to http:// may wait for TLS. */
static bool may_be_tls_port(const struct hsp_happened *happened) {
    return !happened->is_https && happened->is_connected &&
           (happened->http_status == 400 ||
            (happened->http_status == 0 && happened->result != CURLE_OPERATION_TIMEDOUT));
}

static void look_again(struct hsp_trial_seen *seen) {
    const struct hsp_trial *trial = seen->trial;
    struct hsp_happened *happened = &seen->happened;
    if (may_be_tls_port(happened))
        happened->port_speaks_tls = hsp_speaks_tls(trial->settings, trial->cancelled);
    const enum hsp_fault fault = hsp_fault_find(happened);
    if (fault == HSP_FAULT_NOT_HTTP || fault == HSP_FAULT_PLAIN_PORT)
        hsp_hear_greeting(trial->settings, happened->is_tls_done, trial->cancelled,
                          seen->greeting, sizeof seen->greeting);
}

static enum hs_status send_sample(struct hsp_trial_seen *seen, struct hs_error *err) {
    const struct hsp_trial *trial = seen->trial;
    const struct hsp_message message = {seen->id, seen->body, seen->body_length};
    struct curl_slist *headers = NULL;
    CURLM *multi = curl_multi_init();
    CURL *easy = curl_easy_init();
    enum hs_status status = HS_OK;
    if (multi == NULL || easy == NULL || !hsp_request_set_up(easy, trial->settings))
        status = hsp_fail(err, HS_E_NOMEM, "start a request: out of memory");
    if (status == HS_OK)
        status = hsp_request_set_message(easy, trial->settings, trial->signer, &message,
                                         &headers, err);
    if (status == HS_OK) {
        set_callbacks(easy, seen);
        seen->happened.result = hsp_request_run(multi, easy, trial->cancelled);
        take_facts(easy, seen);
        curl_multi_remove_handle(multi, easy);
    }
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    return status;
}

/* HTTP through an HTTP proxy needs no tunnel; everything else does. */
static bool needs_tunnel(const struct hsp_endpoint_settings *settings) {
    return settings->proxy != NULL && (hsp_url_is_https(settings->url) ||
                                       strncasecmp(settings->proxy, "socks", 5) == 0);
}

static void begin(struct hsp_trial_seen *seen, const struct hsp_trial *trial) {
    seen->trial = trial;
    seen->retry_after_s = -1;
    seen->handshake.alert_sent = seen->handshake.alert_received = HSP_ALERT_NONE;
    seen->happened.handshake = &seen->handshake;
    seen->happened.is_https = hsp_url_is_https(trial->settings->url);
    seen->happened.has_proxy = trial->settings->proxy != NULL;
    seen->happened.is_tunnel = needs_tunnel(trial->settings);
}

static enum hs_status conclude(struct hsp_trial_seen *seen,
                               struct hsp_trial_result *result, struct hs_error *err) {
    const enum hsp_fault fault = hsp_fault_find(&seen->happened);
    json_object *report = hsp_trial_report(seen, fault);
    if (report == NULL)
        return hsp_fail(err, HS_E_NOMEM, "report a test: out of memory");
    result->fault = fault;
    result->may_be_taken = hsp_fault_may_be_taken(fault, seen->happened.is_body_sent);
    result->http_status = seen->happened.http_status;
    result->took_ms = seen->took_ms;
    result->report = report;
    hsp_trial_reason(seen, fault, result->reason, sizeof result->reason);
    return HS_OK;
}

enum hs_status hsp_trial_run(const struct hsp_trial *trial,
                             struct hsp_trial_result *result, struct hs_error *err) {
    struct hsp_trial_seen *seen = calloc(1, sizeof *seen);
    if (seen == NULL)
        return hsp_fail(err, HS_E_NOMEM, "test: out of memory");
    *result = (struct hsp_trial_result){0};
    begin(seen, trial);
    seen->id = result->id;
    enum hs_status status = hsp_id_new(result->id, err);
    if (status == HS_OK)
        status = make_sample(seen, err);
    if (status == HS_OK)
        look_up(seen);
    if (status == HS_OK && seen->lookup.error == 0)
        status = send_sample(seen, err);
    if (status == HS_OK && seen->lookup.error == 0)
        look_again(seen);
    seen->happened.is_cancelled =
        seen->happened.http_status == 0 && atomic_load(trial->cancelled);
    if (status == HS_OK)
        status = conclude(seen, result, err);
    hsp_buffer_free(&seen->sent);
    free(seen->location);
    free(seen->body);
    free(seen);
    return status;
}
