/* SPDX-License-Identifier: MIT */
/* What every request to an endpoint is made of, whoever sends it (http.c for events,
 * trial.c for `hookspool test`): the options of its easy handle and its headers. Any
 * thread, one at a time a handle. */
#ifndef HSP_REQUEST_H
#define HSP_REQUEST_H

#include "settings.h"
#include "sign.h"
#include <curl/curl.h>
#include <stdatomic.h>

/* Set what all requests to the endpoint have in common: a POST to its URL, its times,
 * TLS, proxy and source address; nothing is followed, nothing taken from the environment.
 * False: out of memory. Callbacks are the caller's. */
bool hsp_request_set_up(CURL *easy, const struct hsp_endpoint_settings *settings);

/* The body of one request. */
struct hsp_message {
    const char *id; /* of the event */
    const char *body;
    size_t length;
};

/* Sign the message and set it with its headers on the handle, which borrows both until
 * the request has ended. `headers` is the caller's, curl_slist_free_all. HS_E_NOMEM. */
enum hs_status hsp_request_set_message(CURL *easy,
                                       const struct hsp_endpoint_settings *settings,
                                       const struct hsp_signer *signer,
                                       const struct hsp_message *message,
                                       struct curl_slist **headers,
                                       struct hs_error *err) HS_MUST_CHECK;

/* Where the line is a Retry-After header: its seconds from now, or -1 where its value is
 * of no known form; any other line leaves `seconds` alone. RFC 9110, section 10.2.3. */
void hsp_request_take_retry_after(const char *line, size_t length, int64_t *seconds);

/* Run one request to its end in `multi`, which keeps the handle. Blocks; ends within 100
 * ms of `cancelled` with CURLE_ABORTED_BY_CALLBACK. */
CURLcode hsp_request_run(CURLM *multi, CURL *easy, const atomic_bool *cancelled);

#endif
