/* SPDX-License-Identifier: MIT */
/* Reading waiting events, whole files and parts. */
#include "config.h"

#include "waiting.h"

#include "../error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (HSP_FILE_MAX + 2 * HSP_PAYLOAD_MAX)
#define HEAD_MAX 64        /* version and "from" line of an own copy */
#define LINE_MAX_BYTES 128 /* the "event" line */

static enum hs_status fail_read(struct hs_error *err) {
    bool passing = errno == ENOMEM || errno == EMFILE || errno == ENFILE || errno == EIO;
    return hsp_fail_errno(err, passing ? HS_E_IO : HS_E_DATA, "read");
}

/* A file that was an adapter's. */
static enum hs_status open_whole(struct hsp_waiting *waiting, size_t length,
                                 const struct stat *info, struct hs_error *err) {
    struct hsp_record_reader reader;
    enum hs_status status = hsp_record_open(&reader, waiting->bytes, length, err);
    if (status == HS_OK &&
        (reader.count != 1 || !hsp_record_next(&reader, &waiting->event)))
        status = hsp_fail(err, HS_E_DATA, "not one event in the file");
    /* A letter that came back names its submitter: it is a file of the daemon's own. */
    waiting->uid = reader.from >= 0 ? reader.from : info->st_uid;
    return status;
}

/* Who submitted what an own copy holds. */
static int64_t submitter(int fd) {
    char head[HEAD_MAX + 1];
    ssize_t got = pread(fd, head, HEAD_MAX, 0);
    head[got > 0 ? got : 0] = '\0';
    const char *from = strstr(head, "\nfrom ");
    return from != NULL ? strtoll(from + 6, NULL, 10) : -1;
}

static enum hs_status read_part(struct hsp_waiting *waiting, int fd,
                                const struct hsp_entry *entry, struct hs_error *err) {
    size_t wanted = (size_t)entry->size + LINE_MAX_BYTES;
    waiting->bytes = malloc(wanted + 1);
    if (waiting->bytes == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read a waiting event: out of memory");
    ssize_t got = pread(fd, waiting->bytes, wanted, entry->offset);
    if (got < 0)
        return hsp_fail_errno(err, HS_E_IO, "read a waiting event");
    return hsp_record_event_at(&waiting->event, waiting->bytes, (size_t)got, err);
}

static enum hs_status read_by_name(struct hsp_waiting *waiting,
                                   const struct hsp_endpoint *endpoint,
                                   const struct hsp_entry *entry, const char *path,
                                   struct hs_error *err) {
    struct stat info = {0};
    enum hs_status status = HS_OK;
    if (entry->offset == 0) {
        size_t length = 0;
        waiting->bytes =
            hsp_read_file(endpoint->queue_fd, path, FILE_MAX, &length, &info);
        status = waiting->bytes == NULL ? fail_read(err)
                                        : open_whole(waiting, length, &info, err);
    } else {
        int fd = openat(endpoint->queue_fd, path,
                        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &info) != 0)
            status = fail_read(err);
        else if (!S_ISREG(info.st_mode))
            status = hsp_fail(err, HS_E_DATA, "not a regular file");
        else
            status = read_part(waiting, fd, entry, err);
        if (status == HS_OK)
            waiting->uid = submitter(fd);
        if (fd >= 0)
            close(fd);
    }
    waiting->put_utc_ms = info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000;
    return status;
}

enum hs_status hsp_waiting_read(struct hsp_waiting *waiting,
                                const struct hsp_endpoint *endpoint,
                                const struct hsp_entry *entry, struct hs_error *err) {
    return hsp_waiting_read_copy(waiting, endpoint, entry, NULL, err);
}

enum hs_status hsp_waiting_read_copy(struct hsp_waiting *waiting,
                                     const struct hsp_endpoint *endpoint,
                                     const struct hsp_entry *entry,
                                     const struct hsp_copy *copy, struct hs_error *err) {
    char path[HSP_ENTRY_PATH_MAX];
    struct hs_error failure = {0};
    hsp_entry_path(entry, path);
    *waiting = (struct hsp_waiting){0};
    enum hs_status status = copy != NULL
                                ? read_part(waiting, copy->fd, entry, &failure)
                                : read_by_name(waiting, endpoint, entry, path, &failure);
    if (copy != NULL)
        waiting->uid = copy->uid;
    if (status == HS_OK)
        status = hsp_payload_check(waiting->event.body, waiting->event.body_length,
                                   &waiting->facts, &failure);
    if (status == HS_OK)
        return HS_OK;
    hsp_waiting_free(waiting);
    hsp_fail(err, status, "queue/%s/%s: %s", endpoint->name, path, failure.text);
    if (err != NULL)
        err->sys_errno = failure.sys_errno;
    return status;
}

void hsp_waiting_free(struct hsp_waiting *waiting) {
    free(waiting->bytes);
    *waiting = (struct hsp_waiting){0};
}
