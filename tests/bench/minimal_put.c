/* SPDX-License-Identifier: MIT */
/* The least a program can do to put a file durably: the system calls of hookspool-notify
 * and nothing else. Its time is what "enqueue" is measured against.
 *
 *     minimal_put SPOOL NAME BYTES */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int put(int tmp, int incoming, const char *name, const char *text, size_t length) {
    int fd = openat(tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    if (fchmod(fd, 0640) != 0 || write(fd, text, length) != (ssize_t)length ||
        fsync(fd) != 0 || close(fd) != 0)
        return -1;
    if (renameat(tmp, name, incoming, name) != 0)
        return -1;
    return fsync(incoming);
}

int main(int argc, char **argv) {
    if (argc != 4 || chdir(argv[1]) != 0)
        return 64;
    size_t length = strtoul(argv[3], NULL, 10);
    char *text = malloc(length);
    int tmp = open("tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int incoming = open("incoming", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = -1;
    if (text && tmp >= 0 && incoming >= 0) {
        memset(text, 'x', length);
        result = put(tmp, incoming, argv[2], text, length);
    }
    if (result != 0)
        fprintf(stderr, "minimal_put: %s\n", strerror(errno));
    free(text);
    return result == 0 ? 0 : 74;
}
