/* SPDX-License-Identifier: MIT */
/* One request, one answer. Every step has what is left of the time that the caller gives,
 * so that a daemon that hangs hangs nobody else. */
#include "config.h"

#include "ask.h"

#include "buffer.h"
#include "error.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX (16 * 1024 * 1024)

struct asking {
    const char *spool;
    int root, fd;
    int patience_ms;
    int64_t end_ms; /* CLOCK_BOOTTIME */
};

static int left_ms(const struct asking *asking) {
    int64_t left = asking->end_ms - hsp_now_ms(CLOCK_BOOTTIME);
    return left > 0 ? (int)left : 0;
}

static enum hs_status fail(const struct asking *asking, const char *step,
                           struct hs_error *err) {
    if (errno != EAGAIN && errno != ETIMEDOUT)
        return hsp_fail_errno(err, HS_E_SPOOL, "%s %s/" HSP_CONTROL_NAME, step,
                              asking->spool);
    hsp_fail(err, HS_E_SPOOL, "hookspoold on %s does not answer within %d.%d s",
             asking->spool, asking->patience_ms / 1000, asking->patience_ms % 1000 / 100);
    if (err != NULL)
        err->sys_errno = ETIMEDOUT;
    return HS_E_SPOOL;
}

/* Through the descriptor of the spool's folder: sun_path is short, such a path fits. */
static enum hs_status reach(struct asking *asking, struct hs_error *err) {
    asking->root = open(asking->spool, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (asking->root < 0)
        return hsp_fail_errno(err, HS_E_SPOOL, "open spool %s", asking->spool);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path,
             "/proc/self/fd/%d/" HSP_CONTROL_NAME, asking->root);
    asking->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* It bounds connect as well: a daemon that hangs accepts nobody. 0 would be no bound.
     */
    int left = left_ms(asking) + 1;
    struct timeval patience = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};
    if (asking->fd < 0 ||
        setsockopt(asking->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) !=
            0 ||
        connect(asking->fd, (struct sockaddr *)&address, sizeof address) != 0)
        return fail(asking, "connect to", err);
    return HS_OK;
}

static enum hs_status say(const struct asking *asking, const char *text,
                          struct hs_error *err) {
    for (size_t left = strlen(text); left > 0;) {
        ssize_t sent = send(asking->fd, text, left, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return fail(asking, "write to", err);
        text += sent;
        left -= (size_t)sent;
    }
    return HS_OK;
}

static enum hs_status hear(const struct asking *asking, struct hsp_buffer *answer,
                           struct hs_error *err) {
    char room[65536];
    while (answer->length == 0 || answer->data[answer->length - 1] != '\n') {
        struct pollfd wait = {.fd = asking->fd, .events = POLLIN};
        int ready = poll(&wait, 1, left_ms(asking));
        if (ready == 0)
            errno = ETIMEDOUT;
        ssize_t got = ready > 0 ? read(asking->fd, room, sizeof room) : -1;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(asking, "read from", err);
        if (got == 0 || answer->length > ANSWER_MAX) {
            hsp_fail(err, HS_E_SPOOL, "hear from hookspoold: no whole answer");
            if (got == 0 && err != NULL)
                err->sys_errno = ECONNRESET;
            return HS_E_SPOOL;
        }
        hsp_buffer_append(answer, room, (size_t)got);
        if (answer->failed)
            return hsp_fail(err, HS_E_NOMEM, "hear from hookspoold: out of memory");
    }
    return HS_OK;
}

static void begin(struct asking *asking, const char *spool, int patience_ms) {
    *asking = (struct asking){
        .spool = spool,
        .root = -1,
        .fd = -1,
        .patience_ms = patience_ms,
        .end_ms = hsp_now_ms(CLOCK_BOOTTIME) + patience_ms,
    };
}

static void end(struct asking *asking) {
    if (asking->fd >= 0)
        close(asking->fd);
    if (asking->root >= 0)
        close(asking->root);
}

enum hs_status hsp_ask(const char *spool, const char *request, int patience_ms,
                       char **answer, struct hs_error *err) {
    struct asking asking;
    struct hsp_buffer text = {0};
    begin(&asking, spool, patience_ms);
    enum hs_status status = reach(&asking, err);
    if (status == HS_OK)
        status = say(&asking, request, err);
    if (status == HS_OK)
        status = say(&asking, "\n", err);
    if (status == HS_OK)
        status = hear(&asking, &text, err);
    if (status == HS_OK)
        *answer = hsp_buffer_take(&text, NULL);
    hsp_buffer_free(&text);
    end(&asking);
    return status;
}

enum hs_status hsp_ask_reach(const char *spool, int patience_ms, struct hs_error *err) {
    struct asking asking;
    begin(&asking, spool, patience_ms);
    enum hs_status status = reach(&asking, err);
    end(&asking);
    return status;
}

bool hsp_ask_may_pass(const struct hs_error *failure) {
    return failure->sys_errno == ENOENT || failure->sys_errno == ECONNREFUSED ||
           failure->sys_errno == ECONNRESET || failure->sys_errno == EPIPE;
}
