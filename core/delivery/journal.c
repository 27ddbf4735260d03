/* SPDX-License-Identifier: MIT */
/* The delivery journal: composing its lines, and a file that is only ever appended to in
 * whole lines. Space for what is under way is reserved beyond the end of the file, so
 * that a full disk stops new requests and never the record of those already sent. */
#include "config.h"

#include "journal.h"

#include "../error.h"
#include "../text.h"
#include "../units.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define REASON_MAX 1024
#define RESERVE_AHEAD                                                                    \
    (256 * 1024) /* taken beyond what is asked for, where there is so much */

const char *const hsp_journal_words[] = {
    "delivered", "failed",   "busy",   "misconfigured", "gone",    "dead",
    "expired",   "filtered", "folded", "corrupt",       "removed", "interrupted",
    "retried",   "moved",    "test",   "warning",       NULL};

struct hsp_journal {
    pthread_mutex_t mutex; /* around every write and reservation */
    char *path;
    char *folder;
    char *rotated; /* PATH.1 */
    char *fresh;   /* PATH.new: becomes PATH once space is reserved in it */
    int fd;
    int64_t max_bytes;
    int64_t size;         /* where the next line begins */
    int64_t reserved_end; /* space is allocated up to here */
    size_t reserve;       /* what was last asked for */
};

/* Composing
 * ------------------------------------------------------------------------------------ */

static void append_escaped(struct hsp_buffer *out, const char *text, size_t length) {
    static const char shorts[] = "\b\t\n\f\r\"\\", letters[] = "btnfr\"\\";
    size_t start = 0;
    for (size_t i = 0; i < length; i++) {
        const char c = text[i];
        const char *found = c == '\0' ? NULL : strchr(shorts, c);
        if (found == NULL && (unsigned char)c >= 0x20)
            continue;
        hsp_buffer_append(out, text + start, i - start);
        start = i + 1;
        if (found != NULL)
            hsp_buffer_print(out, "\\%c", letters[found - shorts]);
        else
            hsp_buffer_print(out, "\\u%04x", (unsigned)(unsigned char)c);
    }
    hsp_buffer_append(out, text + start, length - start);
}

static void append_text(struct hsp_buffer *out, const char *key, const char *text,
                        size_t max) {
    if (text == NULL)
        return;
    struct hsp_buffer repaired = {0};
    const char *shown = text;
    size_t length = strlen(text);
    if (!hsp_text_is_utf8(text, length)) {
        hsp_text_repair(&repaired, text, length);
        shown = repaired.data;
        length = repaired.length;
    }
    if (repaired.failed) {
        out->failed = true;
    } else {
        hsp_buffer_print(out, ",\"%s\":\"", key);
        append_escaped(out, shown, hsp_text_cut(shown, length, max));
        hsp_buffer_append(out, "\"", 1);
    }
    hsp_buffer_free(&repaired);
}

static void append_number(struct hsp_buffer *out, const char *key, int64_t number) {
    if (number >= 0)
        hsp_buffer_print(out, ",\"%s\":%" PRId64, key, number);
}

void hsp_journal_compose(struct hsp_buffer *out, const struct hsp_journal_line *line) {
    char time[HSP_TIME_LENGTH + 1];
    hsp_format_time_ms(line->at_ms, time);
    hsp_buffer_print(out, "{\"at\":\"%s\"", time);
    append_text(out, "what", line->what, SIZE_MAX);
    append_text(out, "endpoint", line->endpoint, SIZE_MAX);
    append_text(out, "id", line->id, SIZE_MAX);
    append_text(out, "monitor", line->monitor, SIZE_MAX);
    append_text(out, "kind", line->kind, SIZE_MAX);
    append_number(out, "sequence", line->sequence);
    append_number(out, "attempt", line->attempt);
    append_number(out, "status", line->status);
    append_number(out, "took_ms", line->took_ms);
    if (line->next_at_ms >= 0) {
        hsp_format_time_ms(line->next_at_ms, time);
        append_text(out, "next_at", time, SIZE_MAX);
    }
    append_number(out, "uid", line->uid);
    append_text(out, "reason", line->reason, REASON_MAX);
    hsp_buffer_append(out, "}\n", 2);
}

/* Opening
 * ------------------------------------------------------------------------------------ */

/* The name in `folder` or the missing of it, made durable. Some file systems cannot sync
 * a folder: what is lost then is a name after a power cut, no delivery. */
static void sync_folder(const struct hsp_journal *journal) {
    int fd = open(journal->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!fsync(fd);
    close(fd);
}

/* Open `path`, making it where it is missing. -1: errno says why. */
static int open_or_make(const struct hsp_journal *journal, const char *path) {
    const int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int fd = open(path, flags);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    mkdir(journal->folder, 0750);
    fd = open(path, flags | O_CREAT, 0640);
    if (fd >= 0 && fchmod(fd, 0640) != 0) {
        close(fd);
        return -1;
    }
    sync_folder(journal);
    return fd;
}

/* A crash may have cut the last line. */
static enum hs_status end_torn_line(int fd, const char *path, int64_t *size,
                                    struct hs_error *err) {
    char last = '\n';
    if (*size > 0 && pread(fd, &last, 1, *size - 1) != 1)
        return hsp_fail_errno(err, HS_E_IO, "read journal %s", path);
    if (last == '\n')
        return HS_OK;
    if (write(fd, "\n", 1) != 1)
        return hsp_fail_errno(err, HS_E_IO, "write journal %s", path);
    (*size)++;
    return HS_OK;
}

/* Give back what was reserved but not written. */
/* A file that is left for another gives its reserve back; one that is only closed keeps
 * it, for a start on a full disk. */
static void close_file(struct hsp_journal *journal, bool is_left) {
    if (journal->fd < 0)
        return;
    if (is_left && journal->reserved_end > journal->size)
        (void)!ftruncate(journal->fd, journal->size);
    close(journal->fd);
    journal->fd = -1;
    journal->reserved_end = 0;
}

/* Open PATH; the file open until now stays where this fails. */
static enum hs_status open_file(struct hsp_journal *journal, struct hs_error *err) {
    struct stat info = {0};
    enum hs_status status = HS_OK;
    int fd = open_or_make(journal, journal->path);
    if (fd < 0) {
        status = hsp_fail_errno(err, HS_E_IO, "open journal %s", journal->path);
        goto out;
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        status = hsp_fail(err, HS_E_IO, "open journal %s: not a file", journal->path);
        goto out;
    }
    int64_t size = info.st_size;
    status = end_torn_line(fd, journal->path, &size, err);
    if (status != HS_OK)
        goto out;
    close_file(journal, true);
    journal->fd = fd;
    journal->size = size;
    fd = -1;
out:
    if (fd >= 0)
        close(fd);
    return status;
}

static bool set_names(struct hsp_journal *journal, const char *path) {
    journal->path = strdup(path);
    char *copy = strdup(path);
    if (copy != NULL)
        journal->folder = strdup(dirname(copy));
    free(copy);
    if (asprintf(&journal->rotated, "%s.1", path) < 0)
        journal->rotated = NULL;
    if (asprintf(&journal->fresh, "%s.new", path) < 0)
        journal->fresh = NULL;
    return journal->path != NULL && journal->folder != NULL && journal->rotated != NULL &&
           journal->fresh != NULL;
}

enum hs_status hsp_journal_open(struct hsp_journal **journal, const char *path,
                                int64_t max_bytes, struct hs_error *err) {
    enum hs_status status = HS_OK;
    struct hsp_journal *made = calloc(1, sizeof(*made));
    if (made != NULL) {
        made->fd = -1;
        pthread_mutex_init(&made->mutex, NULL);
    }
    if (made == NULL || !set_names(made, path)) {
        status = hsp_fail(err, HS_E_NOMEM, "open journal %s: out of memory", path);
        goto out;
    }
    made->max_bytes = max_bytes;
    status = open_file(made, err);
    if (status != HS_OK)
        goto out;
    *journal = made;
    made = NULL;
out:
    hsp_journal_close(made);
    return status;
}

void hsp_journal_close(struct hsp_journal *journal) {
    if (journal == NULL)
        return;
    close_file(journal, false);
    pthread_mutex_destroy(&journal->mutex);
    free(journal->path);
    free(journal->folder);
    free(journal->rotated);
    free(journal->fresh);
    free(journal);
}

/* Space
 * ------------------------------------------------------------------------------------ */

/* Does the file system have so much left? */
static bool has_free(int fd, size_t bytes) {
    struct statvfs space;
    return fstatvfs(fd, &space) == 0 &&
           (uint64_t)space.f_bavail * space.f_frsize >= bytes;
}

/* Is there room for `bytes` beyond `size`? 0, or the errno. A file system that cannot
 * reserve is asked for its free space instead. */
static int allocate(int fd, int64_t size, size_t bytes) {
    int result = 0;
    do {
        result = fallocate(fd, FALLOC_FL_KEEP_SIZE, size, (off_t)bytes);
    } while (result != 0 && errno == EINTR);
    if (result == 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS)
        return errno;
    return has_free(fd, bytes) ? 0 : ENOSPC;
}

static enum hs_status reserve(struct hsp_journal *journal, size_t bytes,
                              struct hs_error *err) {
    journal->reserve = bytes;
    if (journal->size + (int64_t)bytes <= journal->reserved_end)
        return HS_OK;
    /* Not tried where it would fail: tmpfs then gives up what an earlier one has reserved
     * in the same place. */
    size_t got = bytes;
    if (has_free(journal->fd, 2 * (bytes + RESERVE_AHEAD)))
        got += RESERVE_AHEAD;
    int failure = allocate(journal->fd, journal->size, got);
    if (failure != 0 && got > bytes) {
        got = bytes;
        failure = allocate(journal->fd, journal->size, got);
    }
    if (failure != 0) {
        errno = failure;
        return hsp_fail_errno(err, HS_E_IO, "reserve space for journal %s",
                              journal->path);
    }
    journal->reserved_end = journal->size + (int64_t)got;
    return HS_OK;
}

/* The same again after the reserve was lost. Where there is no space the write itself
 * will say so. */
static void reserve_again(struct hsp_journal *journal) {
    struct hs_error ignored = {0};
    journal->reserved_end = 0;
    if (journal->reserve > 0)
        (void)!reserve(journal, journal->reserve, &ignored);
}

/* Rotation
 * ------------------------------------------------------------------------------------ */

/* At the size limit: begin PATH.new, reserve there what is reserved here, and only then
 * let it take the place of PATH. Where any of that fails the old file is written on
 * beyond its limit, for a line too many is better than a line lost; a crash between the
 * renames leaves no PATH, which the next write makes. */
static void rotate(struct hsp_journal *journal) {
    unlink(journal->fresh);
    int fd = open_or_make(journal, journal->fresh);
    if (fd < 0)
        return;
    if ((journal->reserve > 0 && allocate(fd, 0, journal->reserve) != 0) ||
        rename(journal->path, journal->rotated) != 0)
        goto keep;
    if (rename(journal->fresh, journal->path) != 0) {
        (void)!rename(journal->rotated, journal->path);
        goto keep;
    }
    close_file(journal, true);
    journal->fd = fd;
    journal->size = 0;
    journal->reserved_end = (int64_t)journal->reserve;
    sync_folder(journal);
    return;
keep:
    close(fd);
    unlink(journal->fresh);
}

/* Did somebody else rename, remove or cut the file? */
static enum hs_status follow(struct hsp_journal *journal, struct hs_error *err) {
    struct stat here, there;
    if (fstat(journal->fd, &here) != 0)
        return hsp_fail_errno(err, HS_E_IO, "look at journal %s", journal->path);
    if (lstat(journal->path, &there) != 0 || here.st_ino != there.st_ino ||
        here.st_dev != there.st_dev) {
        enum hs_status status = open_file(journal, err);
        if (status == HS_OK)
            reserve_again(journal);
        return status;
    }
    if (here.st_size == journal->size)
        return HS_OK;
    journal->size = here.st_size;
    reserve_again(journal);
    return end_torn_line(journal->fd, journal->path, &journal->size, err);
}

/* Writing
 * ------------------------------------------------------------------------------------ */

static enum hs_status write_lines(struct hsp_journal *journal, const char *lines,
                                  size_t length, struct hs_error *err) {
    while (length > 0) {
        ssize_t written = write(journal->fd, lines, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return hsp_fail_errno(err, HS_E_IO, "write journal %s", journal->path);
        lines += written;
        length -= (size_t)written;
    }
    if (fdatasync(journal->fd) != 0)
        return hsp_fail_errno(err, HS_E_IO, "sync journal %s", journal->path);
    return HS_OK;
}

static enum hs_status write_all(struct hsp_journal *journal, const char *lines,
                                size_t length, struct hs_error *err) {
    enum hs_status status = follow(journal, err);
    if (status != HS_OK || length == 0)
        return status;
    if (journal->size > 0 && journal->size + (int64_t)length > journal->max_bytes)
        rotate(journal);
    status = write_lines(journal, lines, length, err);
    if (status == HS_OK) {
        journal->size += (int64_t)length;
        return HS_OK;
    }
    (void)!ftruncate(journal->fd, journal->size);
    reserve_again(journal);
    return status;
}

enum hs_status hsp_journal_reserve(struct hsp_journal *journal, size_t bytes,
                                   struct hs_error *err) {
    pthread_mutex_lock(&journal->mutex);
    enum hs_status status = reserve(journal, bytes, err);
    pthread_mutex_unlock(&journal->mutex);
    return status;
}

enum hs_status hsp_journal_write(struct hsp_journal *journal, const char *lines,
                                 size_t length, struct hs_error *err) {
    pthread_mutex_lock(&journal->mutex);
    enum hs_status status = write_all(journal, lines, length, err);
    pthread_mutex_unlock(&journal->mutex);
    return status;
}
