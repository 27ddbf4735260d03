/* SPDX-License-Identifier: MIT */
/* The control socket, the answering end. A client that does not read its answer is
 * closed. */
#include "config.h"

#include "control.h"

#include "../error.h"
#include "errand.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MAX_BYTES 65536
#define READ_BYTES 4096

struct client {
    int fd; /* -1: free */
    bool trusted;
    uid_t uid;
    uint64_t heard_at;
    struct hsp_buffer heard;   /* lines not yet begun */
    struct hsp_errand *errand; /* under way: nothing else is read meanwhile */
    struct hsp_buffer answer;
    size_t sent;
};

struct hsp_control {
    int root_fd, listen_fd, spare_fd;
    uint64_t clock; /* counts what was heard */
    struct client clients[HSP_CONTROL_CLIENTS];
};

/* The address through the folder's descriptor: sun_path is short. */
static void address_of(int root_fd, struct sockaddr_un *address) {
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof address->sun_path,
             "/proc/self/fd/%d/" HSP_CONTROL_NAME, root_fd);
}

enum hs_status hsp_control_open(struct hsp_control **control, int root_fd,
                                struct hs_error *err) {
    struct hsp_control *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return hsp_fail(err, HS_E_NOMEM, "listen on " HSP_CONTROL_NAME ": out of memory");
    fresh->root_fd = root_fd;
    for (size_t i = 0; i < HSP_CONTROL_CLIENTS; i++)
        fresh->clients[i].fd = -1;
    struct sockaddr_un address;
    address_of(root_fd, &address);
    /* The lock is ours, so a socket that is there belongs to nobody. */
    unlinkat(root_fd, HSP_CONTROL_NAME, 0);
    fresh->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fresh->listen_fd < 0 ||
        bind(fresh->listen_fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        fchmodat(root_fd, HSP_CONTROL_NAME, 0660, 0) != 0 ||
        listen(fresh->listen_fd, HSP_CONTROL_CLIENTS) != 0) {
        enum hs_status status =
            hsp_fail_errno(err, HS_E_IO, "listen on " HSP_CONTROL_NAME);
        if (fresh->listen_fd >= 0)
            close(fresh->listen_fd);
        free(fresh);
        return status;
    }
    fresh->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    *control = fresh;
    return HS_OK;
}

/* An errand under way goes on; nobody hears of it. */
static void drop(struct client *client) {
    close(client->fd);
    client->fd = -1;
    client->sent = 0;
    if (client->errand != NULL)
        client->errand->owner = NULL;
    client->errand = NULL;
    hsp_buffer_free(&client->heard);
    hsp_buffer_free(&client->answer);
}

void hsp_control_close(struct hsp_control *control) {
    if (control == NULL)
        return;
    for (size_t i = 0; i < HSP_CONTROL_CLIENTS; i++)
        if (control->clients[i].fd >= 0)
            drop(&control->clients[i]);
    close(control->spare_fd);
    close(control->listen_fd);
    unlinkat(control->root_fd, HSP_CONTROL_NAME, 0);
    free(control);
}

/* Clients
 * -------------------------------------------------------------------------------------
 */

/* Who has been silent for longest makes room. */
static struct client *find_place(struct hsp_control *control) {
    struct client *oldest = &control->clients[0];
    for (size_t i = 0; i < HSP_CONTROL_CLIENTS; i++) {
        struct client *client = &control->clients[i];
        if (client->fd < 0)
            return client;
        if (client->heard_at < oldest->heard_at)
            oldest = client;
    }
    drop(oldest);
    return oldest;
}

/* Without a descriptor to spare the one kept for this is lent to say no. */
static void refuse(struct hsp_control *control) {
    close(control->spare_fd);
    int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        close(fd);
    control->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void accept_all(struct hsp_control *control) {
    for (size_t i = 0; i < HSP_CONTROL_CLIENTS; i++) {
        int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE))
            refuse(control);
        if (fd < 0)
            return;
        struct client *client = find_place(control);
        struct ucred peer = {0};
        socklen_t size = sizeof peer;
        client->fd = fd;
        client->heard_at = ++control->clock;
        client->trusted = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
                          (peer.uid == 0 || peer.uid == geteuid());
        client->uid = peer.uid;
    }
}

static void answered(struct hsp_errand *errand) {
    struct client *client = errand->owner;
    if (client != NULL) {
        client->errand = NULL;
        hsp_buffer_append(&client->answer, errand->answer.data, errand->answer.length);
        hsp_buffer_append(&client->answer, "\n", 1);
        if (errand->answer.failed)
            client->answer.failed = true;
    }
    hsp_errand_free(errand);
}

static void begin(struct hsp_flusher *flusher, struct client *client, const char *line,
                  size_t length) {
    struct hsp_errand *errand = hsp_errand_new(line, length);
    if (errand == NULL) {
        client->answer.failed = true;
        return;
    }
    errand->answered = answered;
    errand->owner = client;
    errand->trusted = client->trusted;
    errand->uid = client->uid;
    client->errand = errand;
    hsp_errand_begin(flusher, errand);
}

/* False: nothing came. */
static bool read_some(struct hsp_control *control, struct client *client) {
    char room[READ_BYTES];
    ssize_t got = read(client->fd, room, sizeof room);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got > 0)
        hsp_buffer_append(&client->heard, room, (size_t)got);
    if (got <= 0 || client->heard.failed) {
        drop(client);
        return false;
    }
    client->heard_at = ++control->clock;
    return true;
}

/* Begin the first line that was heard; false: none is whole. */
static bool begin_line(struct hsp_flusher *flusher, struct client *client) {
    struct hsp_buffer *heard = &client->heard;
    char *end = heard->length > 0 ? memchr(heard->data, '\n', heard->length) : NULL;
    if (end == NULL) {
        if (heard->length >= LINE_MAX_BYTES)
            drop(client);
        return false;
    }
    size_t used = (size_t)(end - heard->data) + 1;
    begin(flusher, client, heard->data, used - 1);
    memmove(heard->data, heard->data + used, heard->length - used);
    heard->length -= used;
    return true;
}

static void write_answer(struct client *client) {
    size_t left = client->answer.length - client->sent;
    ssize_t sent = send(client->fd, client->answer.data + client->sent, left,
                        MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        drop(client);
        return;
    }
    client->sent += sent > 0 ? (size_t)sent : 0;
    if (client->sent == client->answer.length) {
        hsp_buffer_clear(&client->answer);
        client->sent = 0;
    }
}

unsigned hsp_control_fds(const struct hsp_control *control, struct pollfd *fds) {
    unsigned count = 0;
    for (size_t i = 0; i < HSP_CONTROL_CLIENTS; i++) {
        const struct client *client = &control->clients[i];
        /* Of one whose errand is under way nothing is wanted, not even that it hung up.
         */
        if (client->fd >= 0 && (client->errand == NULL || client->answer.length > 0))
            fds[count++] = (struct pollfd){
                .fd = client->fd, .events = client->answer.length > 0 ? POLLOUT : POLLIN};
    }
    fds[count++] = (struct pollfd){.fd = control->listen_fd, .events = POLLIN};
    return count;
}

/* Answer line after line as far as they are there and their answers are taken. */
static void serve(struct hsp_control *control, struct hsp_flusher *flusher,
                  struct client *client) {
    bool may_read = true;
    while (client->fd >= 0 && !client->answer.failed) {
        if (client->answer.length > 0)
            write_answer(client);
        if (client->fd < 0 || client->answer.length > 0 || client->errand != NULL)
            return;
        if (begin_line(flusher, client))
            continue;
        if (client->fd < 0 || !may_read || !read_some(control, client))
            return;
        may_read = false; /* the others come first */
    }
    if (client->fd >= 0)
        drop(client);
}

void hsp_control_serve(struct hsp_control *control, struct hsp_flusher *flusher) {
    accept_all(control);
    for (size_t i = 0; i < HSP_CONTROL_CLIENTS; i++)
        serve(control, flusher, &control->clients[i]);
}
