/* SPDX-License-Identifier: MIT */
/* Posting bodies: libcurl's multi interface, connections reused, requests made
 * by request.c. Main loop only. */
#ifndef HSP_HTTP_H
#define HSP_HTTP_H

#include "endpoint.h"
#include "waiting.h"
#include <poll.h>

#define HSP_EXCERPT_MAX 512

struct hsp_http;

/* One request under way. What is above the line is the caller's and is handed back with
 * the answer. */
struct hsp_request {
    struct hsp_endpoint *endpoint;
    hsp_line line;
    struct hsp_entry entry;
    char id[HSP_ID_LENGTH + 1];
    char monitor_id[64];
    enum hs_kind kind;
    int64_t uid;
    int slot;            /* of the rate window */
    unsigned generation; /* of the endpoint, when it was started */
    bool probe, suspect;
    int64_t started_boot_ms;
    struct hsp_transfer *transfer; /* hsp_http's own */
};

struct hsp_response {
    long http_status;      /* 0: no complete head of an answer came */
    int64_t retry_after_s; /* -1: absent */
    int64_t took_ms;
    bool interrupted;    /* ended by hsp_http_abort, not by the endpoint */
    const char *error;   /* one line; NULL: an answer came */
    const char *excerpt; /* of the answer's body, any bytes without NUL */
};

/* `answered` is called from hsp_http_perform and hsp_http_abort; the request is freed
 * after it. HS_E_NOMEM, HS_E_IO. */
enum hs_status hsp_http_open(struct hsp_http **http,
                             void (*answered)(void *owner, struct hsp_request *,
                                              const struct hsp_response *),
                             void *owner, struct hs_error *err) HS_MUST_CHECK;
/* Nothing may be under way. NULL is fine. */
void hsp_http_close(struct hsp_http *http);

/* Begin to post the body of `waiting`, which is emptied whatever comes of it. `request`
 * is copied. The endpoint must have settings and a signer. HS_E_NOMEM: not begun. */
enum hs_status hsp_http_start_steal(struct hsp_http *http,
                                    const struct hsp_request *request,
                                    struct hsp_waiting *waiting,
                                    struct hs_error *err) HS_MUST_CHECK;
/* Let the transfers go on; does not block. */
void hsp_http_perform(struct hsp_http *http);
/* Wait for the transfers or for `fds`, at most `timeout_ms` (-1: for ever). */
void hsp_http_wait(struct hsp_http *http, struct pollfd *fds, unsigned count,
                   int64_t timeout_ms);
/* End everything under way, now. */
void hsp_http_abort(struct hsp_http *http);

#endif
