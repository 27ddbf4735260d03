/* SPDX-License-Identifier: MIT */
/* What the daemon tells the service manager that started it, in the protocol of
 * sd_notify(3): ready, reloading, stopping, a line of status, and, where a watchdog is
 * wanted, that it is alive. Nothing is sent where $NOTIFY_SOCKET is not set. Main loop
 * only. */
#ifndef HSP_SUPERVISOR_H
#define HSP_SUPERVISOR_H

#include "../hookspool.h"
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define HSP_SUPERVISOR_STATUS_MAX 256

struct hsp_supervisor {
    int fd; /* -1: nobody listens */
    struct sockaddr_un address;
    socklen_t address_length;
    int64_t ping_every_ms; /* 0: no watchdog */
    int64_t ping_ms;       /* boot clock, of the last one */
    char status[HSP_SUPERVISOR_STATUS_MAX];
};

/* Look at $NOTIFY_SOCKET (a path, or '@' and an abstract name), $WATCHDOG_USEC and
 * $WATCHDOG_PID. What is wrong with them is logged, and nothing is told then. */
void hsp_supervisor_open(struct hsp_supervisor *supervisor);
void hsp_supervisor_close(struct hsp_supervisor *supervisor);

/* It serves; also after a reload. These three wait for the manager for up to 5 s. */
void hsp_supervisor_ready(struct hsp_supervisor *supervisor);
void hsp_supervisor_reloading(struct hsp_supervisor *supervisor);
void hsp_supervisor_stopping(struct hsp_supervisor *supervisor);

/* One line for a person; sent only where it differs from the last one. Never waits: a
 * manager that is too busy gets the next one. */
void hsp_supervisor_status(struct hsp_supervisor *supervisor, const char *line);

/* Say that the main loop turns, where that is due. Never waits. */
void hsp_supervisor_ping(struct hsp_supervisor *supervisor, int64_t now_boot_ms);
/* When it next is, boot clock; INT64_MAX: never, for no watchdog is wanted. */
int64_t hsp_supervisor_due(const struct hsp_supervisor *supervisor);

#endif
