/* SPDX-License-Identifier: MIT */
/* Opening files by name. What somebody else put there under such a name must neither hold
 * us up (a FIFO) nor lead us elsewhere (a link). */
#include "config.h"

#include "error.h"
#include "named.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define NAME_ROOM 288

bool hsp_named_is_same(const struct stat *a, const struct stat *b) {
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/* It may not be opened: is it a plain file all the same? */
static bool is_there(struct hsp_named *named, int dirfd, const char *name) {
    if (fstatat(dirfd, name, &named->info, AT_SYMLINK_NOFOLLOW) == 0)
        return S_ISREG(named->info.st_mode);
    named->info = (struct stat){0};
    return errno != ENOENT;
}

void hsp_named_open(struct hsp_named *named, int dirfd, const char *base,
                    const char *suffix) {
    char name[NAME_ROOM];
    *named = (struct hsp_named){.fd = -1};
    snprintf(name, sizeof(name), "%s.ndjson%s", base, suffix);
    named->fd =
        openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (named->fd >= 0 && fstat(named->fd, &named->info) == 0) {
        named->there = S_ISREG(named->info.st_mode);
        if (!named->there)
            hsp_named_drop(named);
        return;
    }
    const int reason = errno;
    hsp_named_drop(named);
    /* ELOOP is a link. */
    named->there = reason != ENOENT && reason != ELOOP && is_there(named, dirfd, name);
    errno = reason;
    if (named->there)
        hsp_fail_errno(&named->err, HS_E_IO, "open %s", name);
}

void hsp_named_drop(struct hsp_named *named) {
    if (named->fd >= 0)
        close(named->fd);
    named->fd = -1;
}
