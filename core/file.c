/* SPDX-License-Identifier: MIT */
/* Small files: read whole, replaced whole. */
#include "config.h"

#include "file.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void hsp_secure_descriptors(void) {
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int hsp_write_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        bytes += written;
        length -= (size_t)written;
    }
    return 0;
}

enum hs_status hsp_replace_file(int dirfd, const char *name, mode_t mode,
                                const char *bytes, size_t length, bool durable,
                                struct hs_error *err) {
    char temporary[96];
    snprintf(temporary, sizeof temporary, ".%s.new", name);
    enum hs_status status = HS_OK;
    int fd = openat(dirfd, temporary,
                    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0 || fchmod(fd, mode) != 0 || hsp_write_all(fd, bytes, length) != 0 ||
        (durable && fsync(fd) != 0))
        status = hsp_fail_errno(err, HS_E_IO, "write %s", temporary);
    if (fd >= 0 && close(fd) != 0 && status == HS_OK)
        status = hsp_fail_errno(err, HS_E_IO, "close %s", temporary);
    if (status == HS_OK && renameat(dirfd, temporary, dirfd, name) != 0)
        status = hsp_fail_errno(err, HS_E_IO, "rename %s to %s", temporary, name);
    if (status == HS_OK && durable && fsync(dirfd) != 0)
        status = hsp_fail_errno(err, HS_E_IO, "sync the folder of %s", name);
    if (status != HS_OK && fd >= 0)
        unlinkat(dirfd, temporary, 0);
    return status;
}

/* Read `fd` up to its end into `bytes` (`size` long); the length, or -1. */
static ssize_t read_all(int fd, char *bytes, size_t size) {
    size_t length = 0;
    while (length < size) {
        ssize_t got = read(fd, bytes + length, size - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        length += (size_t)got;
    }
    return (ssize_t)length;
}

char *hsp_read_file(int dirfd, const char *name, size_t max, size_t *length,
                    struct stat *info) {
    char *bytes = NULL, *room = NULL;
    struct stat own;
    int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &own) != 0)
        goto out;
    errno = EINVAL;
    if (!S_ISREG(own.st_mode))
        goto out;
    errno = EFBIG;
    if (own.st_size > (off_t)max)
        goto out;
    room = malloc((size_t)own.st_size + 1);
    ssize_t got = room == NULL ? -1 : read_all(fd, room, (size_t)own.st_size);
    if (got < 0)
        goto out;
    room[got] = '\0';
    *length = (size_t)got;
    if (info != NULL)
        *info = own;
    bytes = room;
    room = NULL;
out:;
    int saved = errno;
    free(room);
    if (fd >= 0)
        close(fd);
    errno = saved;
    return bytes;
}
