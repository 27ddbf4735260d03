/* SPDX-License-Identifier: MIT */
/* Waiting for a file that is appended to, renamed and made anew: its folder is watched,
 * where all of that is seen. */
#include "config.h"

#include "journal_watch.h"

#include "../error.h"

#include <libgen.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define EVENTS                                                                           \
    (IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF |  \
     IN_MOVE_SELF)

/* A folder that was removed or moved away is not the one of the path any more. */
static void watch_folder(struct hsp_journal_watch *watch) {
    if (watch->fd >= 0 && watch->watch < 0)
        watch->watch = inotify_add_watch(watch->fd, watch->folder, EVENTS);
}

enum hs_status hsp_journal_watch_open(struct hsp_journal_watch *watch, const char *path,
                                      struct hs_error *err) {
    char *copy = strdup(path);
    *watch = (struct hsp_journal_watch){.fd = -1, .watch = -1};
    watch->folder = copy != NULL ? strdup(dirname(copy)) : NULL;
    free(copy);
    if (watch->folder == NULL)
        return hsp_fail(err, HS_E_NOMEM, "follow %s: out of memory", path);
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    watch_folder(watch);
    return HS_OK;
}

/* What happened is looked up by the reader; here only whether the folder is still there.
 */
static void take_events(struct hsp_journal_watch *watch) {
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t got;
    while ((got = read(watch->fd, events, sizeof events)) > 0)
        for (ssize_t at = 0; at < got;) {
            const struct inotify_event *event =
                (const struct inotify_event *)(const void *)(events + at);
            if ((event->mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0)
                inotify_rm_watch(watch->fd, watch->watch);
            if ((event->mask & IN_IGNORED) != 0)
                watch->watch = -1;
            at += (ssize_t)(sizeof *event + event->len);
        }
}

bool hsp_journal_watch_wait(struct hsp_journal_watch *watch, int out,
                            const sigset_t *mask) {
    const struct timespec second = {.tv_sec = 1};
    struct pollfd wanted[] = {{.fd = watch->fd, .events = POLLIN}, {.fd = out}};
    watch_folder(watch);
    if (ppoll(wanted, 2, &second, mask) <= 0)
        return true;
    if ((wanted[0].revents & POLLIN) != 0)
        take_events(watch);
    return (wanted[1].revents & (POLLERR | POLLHUP | POLLNVAL)) == 0;
}

void hsp_journal_watch_close(struct hsp_journal_watch *watch) {
    if (watch->fd >= 0)
        close(watch->fd);
    free(watch->folder);
    *watch = (struct hsp_journal_watch){.fd = -1, .watch = -1};
}
