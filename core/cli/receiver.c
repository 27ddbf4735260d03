/* SPDX-License-Identifier: MIT */
/* An HTTP server of one thread: libmicrohttpd with its epoll descriptor in a loop of our
 * own, so that replies can be delayed and signals end it. A client that is slow holds up
 * nobody; one that says nothing is dropped after a while. */
#include "config.h"

#include "receiver.h"

#include "../buffer.h"
#include "../error.h"
#include "../units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 512
#define SILENCE_S 30u /* after which a connection is dropped */
#define BACKLOG 128

/* A request from its first line to the end of its reply. */
struct exchange {
    struct hsp_receiver *receiver;
    struct MHD_Connection *connection;
    struct hsp_buffer body;
    bool too_large;
    bool taken; /* `receive` has seen it, and `reply` is decided */
    struct hsp_reply reply;
    int64_t due_ms;        /* of a delayed one, by the monotonic clock */
    struct exchange *next; /* in the list of delayed ones */
};

struct hsp_receiver {
    struct MHD_Daemon *daemon;
    int epoll;
    char url[64];
    hsp_receive *receive;
    void *context;
    struct exchange *delayed;
    size_t open; /* taken, and the reply is not sent yet */
    bool done;   /* no more are taken */
};

/* One request
 * ------------------------------------------------------------------------------------ */

static enum MHD_Result send_reply(struct MHD_Connection *connection,
                                  const struct hsp_reply *reply) {
    char seconds[24];
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(reply->text), (void *)(uintptr_t)reply->text, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO;
    if (reply->retry_after_s >= 0) {
        snprintf(seconds, sizeof seconds, "%lld", (long long)reply->retry_after_s);
        MHD_add_response_header(response, "Retry-After", seconds);
    }
    if (reply->text[0] != '\0')
        MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
    if (reply->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, "Allow", "POST");
    const enum MHD_Result result =
        MHD_queue_response(connection, reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static void keep(struct exchange *exchange, const char *bytes, size_t length) {
    if (exchange->body.length + length > HSP_RECEIVED_MAX)
        exchange->too_large = true;
    if (exchange->too_large)
        hsp_buffer_clear(&exchange->body);
    else
        hsp_buffer_append(&exchange->body, bytes, length);
}

/* Let the owner see it and decide over the reply. */
static void take(struct exchange *exchange, const char *method, const char *path) {
    struct hsp_receiver *receiver = exchange->receiver;
    struct MHD_Connection *connection = exchange->connection;
    const struct {
        const char *name;
        size_t offset;
    } headers[] = {
        {"X-StatusPageOne-Signature", offsetof(struct hsp_received, signature)},
        {"X-Hookspool-Delivery", offsetof(struct hsp_received, delivery)},
        {"webhook-id", offsetof(struct hsp_received, webhook_id)},
        {"webhook-timestamp", offsetof(struct hsp_received, webhook_timestamp)},
        {"webhook-signature", offsetof(struct hsp_received, webhook_signature)},
    };
    hsp_buffer_append(&exchange->body, "", 0);
    struct hsp_received request = {
        .method = method,
        .path = path,
        .body = exchange->body.data,
        .length = exchange->body.length,
        .too_large = exchange->too_large,
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        *(const char **)((char *)&request + headers[i].offset) =
            MHD_lookup_connection_value(connection, MHD_HEADER_KIND, headers[i].name);
    exchange->taken = true;
    receiver->open++;
    if (!receiver->receive(receiver->context, &request, &exchange->reply))
        receiver->done = true;
}

static void delay(struct exchange *exchange) {
    struct hsp_receiver *receiver = exchange->receiver;
    exchange->due_ms = hsp_now_ms(CLOCK_MONOTONIC) + exchange->reply.delay_ms;
    exchange->reply.delay_ms = 0;
    exchange->next = receiver->delayed;
    receiver->delayed = exchange;
    MHD_suspend_connection(exchange->connection);
}

/* libmicrohttpd calls it when the head is here, for each piece of the body, at the end,
 * and again when a delay is over. */
static enum MHD_Result handle(void *context, struct MHD_Connection *connection,
                              const char *path, const char *method, const char *version,
                              const char *bytes, size_t *length, void **state) {
    static const struct hsp_reply too_late = {
        .status = MHD_HTTP_SERVICE_UNAVAILABLE, .retry_after_s = 1, .text = "the end\n"};
    struct hsp_receiver *receiver = context;
    struct exchange *exchange = *state;
    (void)version;
    if (exchange == NULL) {
        exchange = calloc(1, sizeof *exchange);
        if (exchange == NULL)
            return MHD_NO;
        exchange->receiver = receiver;
        exchange->connection = connection;
        *state = exchange;
        return MHD_YES;
    }
    if (*length > 0) {
        keep(exchange, bytes, *length);
        *length = 0;
        return MHD_YES;
    }
    if (exchange->body.failed)
        return MHD_NO;
    if (!exchange->taken && receiver->done)
        return send_reply(connection, &too_late);
    if (!exchange->taken)
        take(exchange, method, path);
    if (exchange->reply.delay_ms > 0) {
        delay(exchange);
        return MHD_YES;
    }
    return send_reply(connection, &exchange->reply);
}

static void forget(void *context, struct MHD_Connection *connection, void **state,
                   enum MHD_RequestTerminationCode how) {
    struct exchange *exchange = *state;
    struct hsp_receiver *receiver = context;
    (void)connection;
    (void)how;
    if (exchange == NULL)
        return;
    if (exchange->taken)
        receiver->open--;
    hsp_buffer_free(&exchange->body);
    free(exchange);
    *state = NULL;
}

/* Delays
 * ------------------------------------------------------------------------------------ */

/* Let those go on whose time has come, or all of them. */
static void resume(struct hsp_receiver *receiver, bool all) {
    const int64_t now_ms = hsp_now_ms(CLOCK_MONOTONIC);
    struct exchange **at = &receiver->delayed;
    while (*at != NULL) {
        struct exchange *exchange = *at;
        if (all || exchange->due_ms <= now_ms) {
            *at = exchange->next;
            MHD_resume_connection(exchange->connection);
        } else {
            at = &exchange->next;
        }
    }
}

/* Milliseconds until something is to be done without being asked; -1: nothing is. */
static int time_left(const struct hsp_receiver *receiver) {
    MHD_UNSIGNED_LONG_LONG silence_ms = 0;
    int64_t left_ms = INT64_MAX;
    if (MHD_get_timeout(receiver->daemon, &silence_ms) == MHD_YES)
        left_ms = silence_ms < 60000 ? (int64_t)silence_ms : 60000;
    const int64_t now_ms = hsp_now_ms(CLOCK_MONOTONIC);
    for (const struct exchange *e = receiver->delayed; e != NULL; e = e->next)
        if (e->due_ms - now_ms < left_ms)
            left_ms = e->due_ms > now_ms ? e->due_ms - now_ms : 0;
    return left_ms == INT64_MAX ? -1 : left_ms > 60000 ? 60000 : (int)left_ms;
}

/* Public
 * ------------------------------------------------------------------------------------ */

/* A socket of our own, so that it is clear which step failed. -1: it did. */
static int listen_on(int port, int *bound, struct hs_error *err) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == 0 &&
        bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(fd, BACKLOG) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &size) == 0) {
        *bound = ntohs(address.sin_port);
        return fd;
    }
    hsp_fail_errno(err, HS_E_IO, "listen on 127.0.0.1, port %d", port);
    if (fd >= 0)
        close(fd);
    return -1;
}

enum hs_status hsp_receiver_open(struct hsp_receiver **receiver, int port,
                                 hsp_receive *receive, void *context,
                                 struct hs_error *err) {
    int bound = 0;
    struct hsp_receiver *made = calloc(1, sizeof *made);
    if (made == NULL)
        return hsp_fail(err, HS_E_NOMEM, "listen: out of memory");
    made->receive = receive;
    made->context = context;
    const int fd = listen_on(port, &bound, err);
    if (fd < 0) {
        free(made);
        return HS_E_IO;
    }
    made->daemon =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle,
                         made, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED,
                         forget, made, MHD_OPTION_CONNECTION_TIMEOUT, SILENCE_S,
                         MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        made->daemon == NULL
            ? NULL
            : MHD_get_daemon_info(made->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL) {
        if (made->daemon == NULL)
            close(fd);
        hsp_receiver_close(made);
        return hsp_fail(err, HS_E_IO, "listen: libmicrohttpd does not start");
    }
    made->epoll = info->epoll_fd;
    snprintf(made->url, sizeof made->url, "http://127.0.0.1:%d/", bound);
    *receiver = made;
    return HS_OK;
}

void hsp_receiver_close(struct hsp_receiver *receiver) {
    if (receiver == NULL)
        return;
    resume(receiver, true);
    if (receiver->daemon != NULL)
        MHD_stop_daemon(receiver->daemon);
    free(receiver);
}

const char *hsp_receiver_url(const struct hsp_receiver *receiver) {
    return receiver->url;
}

enum hs_status hsp_receiver_run(struct hsp_receiver *receiver, int stop,
                                struct hs_error *err) {
    struct pollfd ready[] = {{.fd = receiver->epoll, .events = POLLIN},
                             {.fd = stop, .events = POLLIN}};
    while (!receiver->done || receiver->open > 0) {
        if (poll(ready, 2, time_left(receiver)) < 0 && errno != EINTR)
            return hsp_fail_errno(err, HS_E_IO, "listen: wait");
        if (ready[1].revents != 0)
            break;
        resume(receiver, false);
        if (MHD_run(receiver->daemon) != MHD_YES)
            return hsp_fail(err, HS_E_IO, "listen: libmicrohttpd does not go on");
    }
    return HS_OK;
}
