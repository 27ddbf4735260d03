/* SPDX-License-Identifier: MIT */
/* Asking daemon.lock. */
#include "config.h"

#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static enum hsp_service ask(int root) {
    int lock =
        openat(root, HSP_LOCK_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (lock < 0)
        return errno == ENOENT ? HSP_NOT_SERVED : HSP_SERVICE_UNKNOWN;
    struct flock whole = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    enum hsp_service service = HSP_SERVICE_UNKNOWN;
    if (fcntl(lock, F_OFD_GETLK, &whole) == 0)
        service = whole.l_type == F_WRLCK ? HSP_SERVED : HSP_NOT_SERVED;
    int saved = errno;
    close(lock);
    errno = saved;
    return service;
}

enum hsp_service hsp_lock_ask(const char *path) {
    int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return errno == ENOENT ? HSP_NOT_SERVED : HSP_SERVICE_UNKNOWN;
    enum hsp_service service = ask(root);
    int saved = errno;
    close(root);
    errno = saved;
    return service;
}

bool hsp_spooldir_is_served(const char *path) { return hsp_lock_ask(path) == HSP_SERVED; }
