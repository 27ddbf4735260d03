/* SPDX-License-Identifier: MIT */
/* A small HTTP server on 127.0.0.1, for trying things out; the one module that knows
 * libmicrohttpd. One thread: everything happens within hsp_receiver_run. */
#ifndef HSP_RECEIVER_H
#define HSP_RECEIVER_H

#include "../hookspool.h"
#include <stdbool.h>

#define HSP_RECEIVED_MAX (2 * 1024 * 1024) /* bytes of a body that are kept */

/* A request that is here as a whole; everything is borrowed for the call. Headers are
 * NULL where there are none. */
struct hsp_received {
    const char *method, *path;
    const char *signature; /* X-StatusPageOne-Signature */
    const char *delivery;  /* X-Hookspool-Delivery */
    const char *webhook_id, *webhook_timestamp, *webhook_signature;
    const char *body; /* NUL-terminated */
    size_t length;
    bool too_large; /* there was more than HSP_RECEIVED_MAX, and the body is empty */
};

struct hsp_reply {
    unsigned status;
    int64_t delay_ms;      /* before it is sent */
    int64_t retry_after_s; /* -1: no such header */
    char text[256];        /* a body of one line; "": none */
};

/* Called for each request; false: take no more of them. */
typedef bool hsp_receive(void *context, const struct hsp_received *request,
                         struct hsp_reply *reply);

struct hsp_receiver;

/* Listen on `port` of 127.0.0.1, 0: on any that is free. HS_E_IO, HS_E_NOMEM. */
enum hs_status hsp_receiver_open(struct hsp_receiver **receiver, int port,
                                 hsp_receive *receive, void *context,
                                 struct hs_error *err) HS_MUST_CHECK;
void hsp_receiver_close(struct hsp_receiver *receiver); /* NULL is fine */

/* "http://127.0.0.1:PORT/"; borrowed. */
const char *hsp_receiver_url(const struct hsp_receiver *receiver);

/* Take requests until `receive` wants no more and all replies are sent, or until the
 * descriptor `stop` can be read. HS_E_IO. */
enum hs_status hsp_receiver_run(struct hsp_receiver *receiver, int stop,
                                struct hs_error *err) HS_MUST_CHECK;

#endif
