/* SPDX-License-Identifier: MIT */
/* Options and headers of requests. */
#include "config.h"

#include "request.h"

#include "../error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define HEADER_MAX 512
#define SLICE_MS 100
#define RETRY_AFTER "Retry-After:"
#define RETRY_AFTER_LENGTH (sizeof RETRY_AFTER - 1)

/* Options
 * ------------------------------------------------------------------------------------ */

static void limit_protocols(CURL *easy) {
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

static void set_tls(CURL *easy, const struct hsp_endpoint_settings *settings) {
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (settings->ca_file != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, settings->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* that authority and no other */
    }
    if (settings->cert_file != NULL)
        curl_easy_setopt(easy, CURLOPT_SSLCERT, settings->cert_file);
    if (settings->key_file != NULL)
        curl_easy_setopt(easy, CURLOPT_SSLKEY, settings->key_file);
}

bool hsp_request_set_up(CURL *easy, const struct hsp_endpoint_settings *settings) {
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)settings->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)settings->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    limit_protocols(easy);
    set_tls(easy, settings);
    /* "" where none is configured: what the environment says does not count. */
    curl_easy_setopt(easy, CURLOPT_PROXY, settings->proxy != NULL ? settings->proxy : "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    if (settings->source_address != NULL)
        curl_easy_setopt(easy, CURLOPT_INTERFACE, settings->source_address);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION);
    return curl_easy_setopt(easy, CURLOPT_URL, settings->url) == CURLE_OK;
}

/* Headers
 * ------------------------------------------------------------------------------------ */

static bool add(struct curl_slist **headers, const char *name, const char *value) {
    char line[HEADER_MAX];
    snprintf(line, sizeof line, "%s: %s", name, value);
    struct curl_slist *more = curl_slist_append(*headers, line);
    if (more != NULL)
        *headers = more;
    return more != NULL;
}

/* Standard Webhooks: id, time and signatures beside the StatusPageOne one. */
static bool add_standard(struct curl_slist **headers, const struct hsp_signer *signer,
                         const struct hsp_message *message, struct hs_error *err) {
    int64_t now_s = hsp_now_ms(CLOCK_REALTIME) / 1000;
    char *signature = NULL, timestamp[24];
    snprintf(timestamp, sizeof timestamp, "%lld", (long long)now_s);
    if (hsp_sign_standard(signer, message->id, now_s, message->body, message->length,
                          &signature, err) != HS_OK)
        return false;
    bool ok = add(headers, "webhook-id", message->id) &&
              add(headers, "webhook-timestamp", timestamp) &&
              add(headers, "webhook-signature", signature);
    free(signature);
    return ok;
}

enum hs_status hsp_request_set_message(CURL *easy,
                                       const struct hsp_endpoint_settings *settings,
                                       const struct hsp_signer *signer,
                                       const struct hsp_message *message,
                                       struct curl_slist **headers,
                                       struct hs_error *err) {
    char signature[HSP_SIGNATURE_LENGTH + 1];
    enum hs_status status =
        hsp_sign_statuspageone(signer, message->body, message->length, signature, err);
    if (status != HS_OK)
        return status;
    bool ok = add(headers, "Content-Type", "application/json") &&
              add(headers, "X-StatusPageOne-Signature", signature) &&
              add(headers, "X-Hookspool-Delivery", message->id) &&
              add(headers, "Expect", ""); /* no waiting for "100 Continue" */
    if (ok && settings->standard_webhooks)
        ok = add_standard(headers, signer, message, err);
    if (!ok)
        return hsp_fail(err, HS_E_NOMEM, "sign a request: out of memory");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, message->body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)message->length);
    return HS_OK;
}

/* Retry-After
 * ------------------------------------------------------------------------------------ */

/* Seconds or a date; -1: neither. A number beyond all bounds stays a large one. */
static int64_t retry_after(const char *value, size_t length) {
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)length, value);
    char *end, *start = text + strspn(text, " \t");
    long long seconds = strtoll(start, &end, 10);
    if (end > start && *start != '-' && strspn(end, " \t\r\n") == strlen(end))
        return seconds;
    time_t at = curl_getdate(start, NULL), now = time(NULL);
    return at == -1 ? -1 : at > now ? at - now : 0;
}

void hsp_request_take_retry_after(const char *line, size_t length, int64_t *seconds) {
    if (length > RETRY_AFTER_LENGTH &&
        strncasecmp(line, RETRY_AFTER, RETRY_AFTER_LENGTH) == 0)
        *seconds = retry_after(line + RETRY_AFTER_LENGTH, length - RETRY_AFTER_LENGTH);
}

/* Running one alone
 * ------------------------------------------------------------------------------ */

CURLcode hsp_request_run(CURLM *multi, CURL *easy, const atomic_bool *cancelled) {
    if (curl_multi_add_handle(multi, easy) != CURLM_OK)
        return CURLE_OUT_OF_MEMORY;
    for (;;) {
        int running, left;
        if (curl_multi_perform(multi, &running) != CURLM_OK)
            return CURLE_OUT_OF_MEMORY;
        for (CURLMsg *message; (message = curl_multi_info_read(multi, &left)) != NULL;)
            if (message->msg == CURLMSG_DONE)
                return message->data.result;
        if (atomic_load(cancelled))
            return CURLE_ABORTED_BY_CALLBACK;
        curl_multi_poll(multi, NULL, 0, SLICE_MS, NULL);
    }
}
