/* SPDX-License-Identifier: MIT */
/* Transfers on libcurl's multi handle. A transfer keeps its easy handle, with the
 * endpoint's options set, for the next request to the same endpoint; the connections
 * themselves live in the multi handle. */
#include "config.h"

#include "http.h"

#include "../error.h"
#include "request.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdlib.h>

#define BODY_MAX                                                                         \
    65536           /* of an answer: then the connection is closed, the status stands */
#define IDLE_MAX 64 /* easy handles kept for reuse */

struct hsp_transfer {
    struct hsp_request request;
    CURL *easy;
    struct curl_slist *headers;
    struct hsp_waiting waiting; /* the body */
    bool head_complete;
    int64_t retry_after_s; /* -1: no such header */
    size_t received;
    size_t excerpt_length;
    char excerpt[HSP_EXCERPT_MAX + 1];
    char error[CURL_ERROR_SIZE];
    struct hsp_transfer *next, **link; /* in `busy` or `idle` */
};

struct hsp_http {
    CURLM *multi;
    void (*answered)(void *, struct hsp_request *, const struct hsp_response *);
    void *owner;
    struct hsp_transfer *busy, *idle;
    unsigned idle_count;
};

static void push(struct hsp_transfer **list, struct hsp_transfer *transfer) {
    transfer->next = *list;
    transfer->link = list;
    if (*list != NULL)
        (*list)->link = &transfer->next;
    *list = transfer;
}

static void unlink_transfer(struct hsp_transfer *transfer) {
    *transfer->link = transfer->next;
    if (transfer->next != NULL)
        transfer->next->link = transfer->link;
}

static void free_transfer(struct hsp_transfer *transfer) {
    if (transfer->easy != NULL)
        curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    hsp_waiting_free(&transfer->waiting);
    free(transfer);
}

/* What libcurl calls
 * ------------------------------------------------------------------------ */

static size_t take_header(char *bytes, size_t size, size_t count, void *owner) {
    struct hsp_transfer *transfer = owner;
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    /* The empty line ends a head; those of 1xx and of a proxy's CONNECT come first and do
     * not count. */
    if (size * count == 2 && bytes[0] == '\r' && status >= 200)
        transfer->head_complete = true;
    hsp_request_take_retry_after(bytes, size * count, &transfer->retry_after_s);
    return size * count;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *owner) {
    struct hsp_transfer *transfer = owner;
    size_t length = size * count, room = HSP_EXCERPT_MAX - transfer->excerpt_length;
    size_t kept = length < room ? length : room;
    for (size_t i = 0; i < kept; i++)
        transfer->excerpt[transfer->excerpt_length++] = bytes[i] != '\0' ? bytes[i] : ' ';
    transfer->excerpt[transfer->excerpt_length] = '\0';
    transfer->received += length;
    return transfer->received <= BODY_MAX ? length : 0;
}

/* Setting up
 * -------------------------------------------------------------------------------- */

/* Options that are the same for every request to the endpoint. */
static bool set_up(struct hsp_transfer *transfer,
                   const struct hsp_endpoint_settings *settings) {
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    return hsp_request_set_up(easy, settings);
}

/* An idle transfer with the endpoint's present options, or a new one; NULL: out of
 * memory. */
static struct hsp_transfer *get_transfer(struct hsp_http *http,
                                         const struct hsp_endpoint *endpoint) {
    for (struct hsp_transfer *t = http->idle; t != NULL; t = t->next)
        if (t->request.endpoint == endpoint &&
            t->request.generation == endpoint->generation) {
            unlink_transfer(t);
            http->idle_count--;
            return t;
        }
    struct hsp_transfer *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return NULL;
    fresh->easy = curl_easy_init();
    if (fresh->easy != NULL && set_up(fresh, endpoint->settings))
        return fresh;
    free_transfer(fresh);
    return NULL;
}

static void put_back(struct hsp_http *http, struct hsp_transfer *transfer) {
    hsp_waiting_free(&transfer->waiting);
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
    if (http->idle_count >= IDLE_MAX ||
        transfer->request.generation != transfer->request.endpoint->generation) {
        free_transfer(transfer);
        return;
    }
    http->idle_count++;
    push(&http->idle, transfer);
}

enum hs_status hsp_http_start_steal(struct hsp_http *http,
                                    const struct hsp_request *request,
                                    struct hsp_waiting *waiting, struct hs_error *err) {
    struct hsp_transfer *transfer = get_transfer(http, request->endpoint);
    if (transfer == NULL) {
        hsp_waiting_free(waiting);
        return hsp_fail(err, HS_E_NOMEM, "start a request: out of memory");
    }
    transfer->request = *request;
    transfer->request.transfer = transfer;
    transfer->waiting = *waiting;
    *waiting = (struct hsp_waiting){0};
    transfer->head_complete = false;
    transfer->retry_after_s = -1;
    transfer->received = transfer->excerpt_length = 0;
    transfer->excerpt[0] = transfer->error[0] = '\0';
    const struct hsp_message message = {transfer->request.id,
                                        transfer->waiting.event.body,
                                        transfer->waiting.event.body_length};
    enum hs_status status = hsp_request_set_message(
        transfer->easy, request->endpoint->settings, request->endpoint->signer, &message,
        &transfer->headers, err);
    if (status == HS_OK && curl_multi_add_handle(http->multi, transfer->easy) != CURLM_OK)
        status = hsp_fail(err, HS_E_NOMEM, "start a request: out of memory");
    if (status == HS_OK)
        push(&http->busy, transfer);
    else
        free_transfer(transfer);
    return status;
}

/* Answers
 * ------------------------------------------------------------------------------------ */

static void finish(struct hsp_http *http, struct hsp_transfer *transfer, CURLcode result,
                   bool interrupted) {
    curl_multi_remove_handle(http->multi, transfer->easy);
    unlink_transfer(transfer);
    struct hsp_response response = {
        .retry_after_s = -1,
        .took_ms = hsp_now_ms(CLOCK_BOOTTIME) - transfer->request.started_boot_ms,
        .interrupted = interrupted,
        .excerpt = transfer->excerpt,
    };
    if (transfer->head_complete) {
        /* The receiver has said what it thinks: how the rest of its answer fared does not
         * matter. */
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &response.http_status);
        response.retry_after_s = transfer->retry_after_s;
    } else if (result == CURLE_OK) {
        response.error = "no HTTP answer";
    } else {
        response.error =
            transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(result);
    }
    http->answered(http->owner, &transfer->request, &response);
    put_back(http, transfer);
}

void hsp_http_perform(struct hsp_http *http) {
    int running, left;
    curl_multi_perform(http->multi, &running);
    for (CURLMsg *message;
         (message = curl_multi_info_read(http->multi, &left)) != NULL;) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct hsp_transfer *transfer = NULL;
        CURLcode result = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        finish(http, transfer, result, false);
    }
}

void hsp_http_wait(struct hsp_http *http, struct pollfd *fds, unsigned count,
                   int64_t timeout_ms) {
    struct curl_waitfd extra[16];
    count = count < 16 ? count : 16;
    for (unsigned i = 0; i < count; i++)
        extra[i] = (struct curl_waitfd){
            .fd = fds[i].fd,
            .events = (short)(((fds[i].events & POLLIN) ? CURL_WAIT_POLLIN : 0) |
                              ((fds[i].events & POLLOUT) ? CURL_WAIT_POLLOUT : 0))};
    int timeout = timeout_ms < 0 || timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
    curl_multi_poll(http->multi, extra, count, timeout, NULL);
}

void hsp_http_abort(struct hsp_http *http) {
    while (http->busy != NULL)
        finish(http, http->busy, CURLE_ABORTED_BY_CALLBACK, true);
}

enum hs_status hsp_http_open(struct hsp_http **http,
                             void (*answered)(void *, struct hsp_request *,
                                              const struct hsp_response *),
                             void *owner, struct hs_error *err) {
    struct hsp_http *fresh = calloc(1, sizeof *fresh);
    if (fresh != NULL)
        fresh->multi = curl_multi_init();
    if (fresh == NULL || fresh->multi == NULL) {
        free(fresh);
        return hsp_fail(err, HS_E_NOMEM, "start libcurl: out of memory");
    }
    fresh->answered = answered;
    fresh->owner = owner;
    *http = fresh;
    return HS_OK;
}

void hsp_http_close(struct hsp_http *http) {
    if (http == NULL)
        return;
    while (http->idle != NULL) {
        struct hsp_transfer *transfer = http->idle;
        unlink_transfer(transfer);
        free_transfer(transfer);
    }
    curl_multi_cleanup(http->multi);
    free(http);
}
