/* SPDX-License-Identifier: MIT */
/* The control socket, the answering end. A client that does not read its answer is
 * closed. */
#include "config.h"

#include "control.h"

#include "../error.h"
#include "../payload.h"
#include "flusher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

struct client {
    int fd; /* -1: free */
    bool trusted;
    uint64_t heard_at;
    size_t length;
    char line[LINE_MAX_BYTES];
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

static void drop(struct client *client) {
    close(client->fd);
    client->fd = -1;
    client->length = client->sent = 0;
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

/* Verbs
 * -------------------------------------------------------------------------------------
 */

static void answer_error(struct hsp_buffer *answer, const char *text) {
    json_object *object = json_object_new_object();
    size_t length = 0;
    json_object_object_add(object, "error", json_object_new_string(text));
    const char *line = hsp_json_text(object, &length);
    hsp_buffer_append(answer, line, length);
    json_object_put(object);
}

static void do_status(struct hsp_flusher *flusher, struct hsp_endpoint *endpoint,
                      struct hsp_buffer *answer) {
    (void)endpoint;
    char *text = hsp_report_text(flusher);
    hsp_buffer_print(answer, "{\"ok\":true,\"status\":%s}", text != NULL ? text : "null");
    free(text);
}

static void do_reload(struct hsp_flusher *flusher, struct hsp_endpoint *endpoint,
                      struct hsp_buffer *answer) {
    (void)endpoint;
    flusher->reload_wanted = true;
    hsp_buffer_print(answer, "{\"ok\":true}");
}

static void set_state(struct hsp_flusher *flusher, struct hsp_endpoint *endpoint,
                      bool paused, struct hsp_buffer *answer) {
    hsp_breaker_reset(&endpoint->breaker);
    if (paused)
        endpoint->breaker.state = HSP_STATE_PAUSED;
    else
        hsp_queue_wake(endpoint->queue, true);
    flusher->changed = true;
    hsp_log(HSP_LOG_NOTICE, "endpoint %s %s by hand", endpoint->name,
            paused ? "paused" : "resumed");
    struct hs_error err = {0};
    if (hsp_endpoint_save(endpoint, &err) == HS_OK)
        hsp_buffer_print(answer, "{\"ok\":true}");
    else
        answer_error(answer, err.text);
}

static void do_pause(struct hsp_flusher *flusher, struct hsp_endpoint *endpoint,
                     struct hsp_buffer *answer) {
    set_state(flusher, endpoint, true, answer);
}

static void do_resume(struct hsp_flusher *flusher, struct hsp_endpoint *endpoint,
                      struct hsp_buffer *answer) {
    set_state(flusher, endpoint, false, answer);
}

static const struct verb {
    const char *name;
    bool changes, of_endpoint;
    void (*run)(struct hsp_flusher *, struct hsp_endpoint *, struct hsp_buffer *);
} verbs[] = {
    {"status", false, false, do_status},
    {"reload", true, false, do_reload},
    {"pause", true, true, do_pause},
    {"resume", true, true, do_resume},
};

static const char *text_of(json_object *request, const char *key) {
    json_object *value = NULL;
    if (!json_object_object_get_ex(request, key, &value) ||
        !json_object_is_type(value, json_type_string))
        return "";
    return json_object_get_string(value);
}

static void answer_line(struct hsp_flusher *flusher, struct client *client,
                        const char *line, size_t length) {
    json_object *request = hsp_json_parse(line, length, NULL);
    const char *name = text_of(request, "verb");
    const struct verb *verb = NULL;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, name) == 0)
            verb = &verbs[i];
    struct hsp_endpoint *endpoint =
        hsp_flusher_find(flusher, text_of(request, "endpoint"));
    if (verb == NULL)
        answer_error(&client->answer, "unknown verb");
    else if (verb->changes && !client->trusted)
        answer_error(&client->answer,
                     "only root and the user of hookspoold may change things");
    else if (verb->of_endpoint && (endpoint == NULL || endpoint->settings == NULL))
        answer_error(&client->answer, "no such endpoint in the configuration");
    else
        verb->run(flusher, endpoint, &client->answer);
    hsp_buffer_append(&client->answer, "\n", 1);
    json_object_put(request);
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
    }
}

static void read_lines(struct hsp_control *control, struct hsp_flusher *flusher,
                       struct client *client) {
    ssize_t got =
        read(client->fd, client->line + client->length, LINE_MAX_BYTES - client->length);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        drop(client);
        return;
    }
    client->length += (size_t)got;
    client->heard_at = ++control->clock;
    char *end;
    while ((end = memchr(client->line, '\n', client->length)) != NULL) {
        size_t used = (size_t)(end - client->line) + 1;
        answer_line(flusher, client, client->line, used - 1);
        memmove(client->line, client->line + used, client->length - used);
        client->length -= used;
    }
    if (client->length == LINE_MAX_BYTES || client->answer.failed)
        drop(client);
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
        if (client->fd >= 0)
            fds[count++] = (struct pollfd){
                .fd = client->fd, .events = client->answer.length > 0 ? POLLOUT : POLLIN};
    }
    fds[count++] = (struct pollfd){.fd = control->listen_fd, .events = POLLIN};
    return count;
}

void hsp_control_serve(struct hsp_control *control, struct hsp_flusher *flusher) {
    accept_all(control);
    for (size_t i = 0; i < HSP_CONTROL_CLIENTS; i++) {
        struct client *client = &control->clients[i];
        if (client->fd >= 0 && client->answer.length == 0)
            read_lines(control, flusher, client);
        if (client->fd >= 0 && client->answer.length > 0)
            write_answer(client);
    }
}
