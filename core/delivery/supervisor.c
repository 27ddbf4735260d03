/* SPDX-License-Identifier: MIT */
/* The protocol of sd_notify(3): datagrams of KEY=VALUE lines. It is stable and small, and
 * its manual has a stand-alone implementation for programs that do without libsystemd,
 * which would bring libgcrypt and four compression and capability libraries into a daemon
 * that is to stay small.
 *
 * Limits: no vsock addresses, which only a virtual machine's own manager gets. */
#include "config.h"

#include "supervisor.h"

#include "../text.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 5 /* a manager that takes nothing must not keep us for ever */

/* A positive number in a variable; 0: there is none. */
static int64_t number_in(const char *name) {
    const char *text = getenv(name);
    char *end = NULL;
    errno = 0;
    long long number = text != NULL ? strtoll(text, &end, 10) : 0;
    return text != NULL && *text != '\0' && *end == '\0' && errno == 0 && number > 0
               ? number
               : 0;
}

static bool set_address(struct hsp_supervisor *supervisor, const char *path) {
    size_t length = strlen(path);
    if ((*path != '/' && *path != '@') || length < 2 ||
        length >= sizeof supervisor->address.sun_path) {
        hsp_log(HSP_LOG_WARNING, "NOTIFY_SOCKET=%s is no address that is understood",
                path);
        return false;
    }
    supervisor->address.sun_family = AF_UNIX;
    memcpy(supervisor->address.sun_path, path, length);
    if (*path == '@')
        supervisor->address.sun_path[0] = '\0';
    supervisor->address_length =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return true;
}

static void tell(struct hsp_supervisor *supervisor, const char *text, int flags) {
    if (supervisor->fd < 0)
        return;
    ssize_t sent;
    do
        sent = sendto(supervisor->fd, text, strlen(text), flags | MSG_NOSIGNAL,
                      (const struct sockaddr *)&supervisor->address,
                      supervisor->address_length);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && (flags & MSG_DONTWAIT) == 0)
        hsp_log(HSP_LOG_WARNING, "tell the service manager %.*s: %s",
                (int)strcspn(text, "\n"), text, strerror(errno));
}

void hsp_supervisor_open(struct hsp_supervisor *supervisor) {
    const char *path = getenv("NOTIFY_SOCKET");
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    *supervisor = (struct hsp_supervisor){.fd = -1};
    if (path == NULL || *path == '\0' || !set_address(supervisor, path))
        return;
    supervisor->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (supervisor->fd < 0) {
        hsp_log(HSP_LOG_WARNING, "make a socket for the service manager: %s",
                strerror(errno));
        return;
    }
    (void)setsockopt(supervisor->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    int64_t pid = number_in("WATCHDOG_PID"), usec = number_in("WATCHDOG_USEC");
    if (usec > 0 && (pid == 0 || pid == getpid()))
        supervisor->ping_every_ms = usec / 2000 > 0 ? usec / 2000 : 1;
}

void hsp_supervisor_close(struct hsp_supervisor *supervisor) {
    if (supervisor->fd >= 0)
        close(supervisor->fd);
    supervisor->fd = -1;
}

void hsp_supervisor_ready(struct hsp_supervisor *supervisor) {
    tell(supervisor, "READY=1", 0);
}

/* The time lets the manager tell an answer to its signal from an older one. */
void hsp_supervisor_reloading(struct hsp_supervisor *supervisor) {
    char text[64];
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
             (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    tell(supervisor, text, 0);
}

void hsp_supervisor_stopping(struct hsp_supervisor *supervisor) {
    tell(supervisor, "STOPPING=1", 0);
}

void hsp_supervisor_status(struct hsp_supervisor *supervisor, const char *line) {
    char text[HSP_SUPERVISOR_STATUS_MAX + 8], shown[HSP_SUPERVISOR_STATUS_MAX];
    /* Whole characters: systemd takes no other text. */
    size_t length = hsp_text_cut(line, strcspn(line, "\n"), sizeof shown - 1);
    snprintf(shown, sizeof shown, "%.*s", (int)length, line);
    if (strcmp(shown, supervisor->status) == 0)
        return;
    memcpy(supervisor->status, shown, sizeof shown);
    snprintf(text, sizeof text, "STATUS=%s", shown);
    tell(supervisor, text, MSG_DONTWAIT);
}

void hsp_supervisor_ping(struct hsp_supervisor *supervisor, int64_t now_ms) {
    if (hsp_supervisor_due(supervisor) > now_ms)
        return;
    supervisor->ping_ms = now_ms;
    tell(supervisor, "WATCHDOG=1", MSG_DONTWAIT);
}

int64_t hsp_supervisor_due(const struct hsp_supervisor *supervisor) {
    return supervisor->ping_every_ms > 0 ? supervisor->ping_ms + supervisor->ping_every_ms
                                         : INT64_MAX;
}
