/* SPDX-License-Identifier: MIT */
/* A receiver that is never the bottleneck: one thread, epoll, kept connections, 200 to
 * everything. Prints its port. "GET /" answers "COUNT FIRST LAST": POSTs so far and the
 * CLOCK_MONOTONIC nanoseconds of the first and the last. With -l, each POST is a line
 * "ID NANOSECONDS" on standard output, written out when standard input ends. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_SIZE (2 * 1024 * 1024)
#define MAX_FDS 4096

struct client {
    char *data;
    size_t length;
};

static struct client clients[MAX_FDS];
static int64_t count, first_ns, last_ns;
static bool keeps_log;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int listen_anywhere(void) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 256) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
        perror("sink");
        exit(1);
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

/* The value of a header between `head` and `end`, or NULL; `name` with its colon. */
static const char *header(const char *head, const char *end, const char *name) {
    size_t length = strlen(name);
    for (const char *line = head; line && line < end;
         line = memchr(line, '\n', (size_t)(end - line))) {
        line += *line == '\n';
        if (strncasecmp(line, name, length) == 0)
            return line + length + strspn(line + length, " ");
    }
    return NULL;
}

static void note_post(const char *head, const char *end) {
    int64_t now = now_ns();
    if (count++ == 0)
        first_ns = now;
    last_ns = now;
    if (!keeps_log)
        return;
    const char *id = header(head, end, "X-Hookspool-Delivery:");
    if (id)
        printf("%.36s %" PRId64 "\n", id, now);
}

static bool answer(int fd, const char *body) {
    char text[256];
    int length =
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                 strlen(body), body);
    return send(fd, text, (size_t)length, MSG_NOSIGNAL) == length;
}

/* Answer every whole request in the buffer; what is left moves to its front. */
static bool serve(int fd, struct client *client) {
    size_t done = 0;
    bool good = true;
    while (good) {
        char *head = client->data + done;
        char *end = memmem(head, client->length - done, "\r\n\r\n", 4);
        if (!end)
            break;
        const char *value = header(head, end, "Content-Length:");
        size_t total = (size_t)(end + 4 - head) + (value ? strtoul(value, NULL, 10) : 0);
        if (client->length - done < total)
            break;
        if (strncmp(head, "GET", 3) == 0) {
            char text[96];
            snprintf(text, sizeof text, "%" PRId64 " %" PRId64 " %" PRId64, count,
                     first_ns, last_ns);
            good = answer(fd, text);
        } else {
            note_post(head, end);
            good = answer(fd, "");
        }
        done += total;
    }
    memmove(client->data, client->data + done, client->length - done);
    client->length -= done;
    return good;
}

static void drop(int fd) {
    free(clients[fd].data);
    clients[fd] = (struct client){0};
    close(fd);
}

static void on_readable(int fd) {
    struct client *client = &clients[fd];
    ssize_t got =
        recv(fd, client->data + client->length, BUFFER_SIZE - client->length, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0) {
        client->length += (size_t)got;
        if (serve(fd, client) && client->length < BUFFER_SIZE)
            return;
    }
    drop(fd);
}

static void watch(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        perror("sink: epoll_ctl");
}

static void on_connect(int epoll, int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    char *data = fd < MAX_FDS ? malloc(BUFFER_SIZE) : NULL;
    if (!data) {
        close(fd);
        return;
    }
    clients[fd] = (struct client){.data = data};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    watch(epoll, fd);
}

int main(int argc, char **argv) {
    static char output[1 << 20];
    keeps_log = argc > 1 && strcmp(argv[1], "-l") == 0;
    int listener = listen_anywhere();
    setvbuf(stdout, output, _IOFBF, sizeof output);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, listener);
    watch(epoll, STDIN_FILENO);
    for (;;) {
        struct epoll_event events[64];
        int ready = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == STDIN_FILENO)
                return fflush(stdout) == 0 ? 0 : 1;
            if (events[i].data.fd == listener)
                on_connect(epoll, listener);
            else
                on_readable(events[i].data.fd);
        }
    }
}
