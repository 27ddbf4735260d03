/* SPDX-License-Identifier: MIT */
/* The state file on disk. A commit appends one group that proves itself; a failed one may
 * leave a torn group behind, so after it everything is written anew beside the file and
 * renamed. */
#include "config.h"

#include "crash.h"
#include "error.h"
#include "file.h"
#include "statefile.h"
#include "statelog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SLACK (1024 * 1024) /* that may be out of date before the file is rewritten */
#define MODE 0600
#define LOCK_ATTEMPTS 140 /* 50 ms apart: a process that ends, which takes up to 6 s */

struct hsp_statefile {
    char *path;   /* NULL: in memory only */
    char *folder; /* of path */
    const char *name;
    struct hsp_statelog log;
    size_t live_size; /* of the file when it was last written anew */
    size_t size;      /* of the file */
    int fd;           /* to append to; -1: to be written anew */
    int lock;
    bool unread; /* there is more in it than was read, or something else */
};

/* In memory */

const char *hsp_statefile_get(const struct hsp_statefile *file, const char *key) {
    return hsp_statelog_get(&file->log, key);
}

void hsp_statefile_walk(const struct hsp_statefile *file,
                        void (*each)(const char *key, void *value, void *context),
                        void *context) {
    hsp_statelog_walk(&file->log, each, context);
}

size_t hsp_statefile_edges(const struct hsp_statefile *file) {
    return hsp_statelog_edges(&file->log);
}

const char *hsp_statefile_edge(const struct hsp_statefile *file, size_t index,
                               size_t *length) {
    return hsp_statelog_edge(&file->log, index, length);
}

enum hs_status hsp_statefile_set(struct hsp_statefile *file, const char *key,
                                 const char *value, struct hs_error *err) {
    return hsp_statelog_set(&file->log, key, value, err);
}

enum hs_status hsp_statefile_push(struct hsp_statefile *file, const void *bytes,
                                  size_t length, struct hs_error *err) {
    return hsp_statelog_push(&file->log, bytes, length, err);
}

void hsp_statefile_pop(struct hsp_statefile *file, size_t count) {
    hsp_statelog_pop(&file->log, count);
}

/* Files */

/* Whoever holds the lock owns the file: two processes would undo each other's work. */
static enum hs_status take_lock(struct hsp_statefile *file, struct hs_error *err) {
    enum hs_status status = HS_OK;
    char *path = NULL;
    if (file->lock >= 0)
        return HS_OK;
    if (asprintf(&path, "%s.lock", file->path) < 0)
        return hsp_fail(err, HS_E_NOMEM, "lock state file: out of memory");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, MODE);
    if (fd < 0) {
        status = hsp_fail_errno(err, hsp_status_of_step(), "open %s", path);
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        status = errno == EWOULDBLOCK
                     ? hsp_fail(err, HS_E_SPOOL, "lock %s: another process uses it", path)
                     : hsp_fail_errno(err, HS_E_IO, "lock %s", path);
    } else {
        file->lock = fd;
        fd = -1;
    }
    if (fd >= 0)
        close(fd);
    free(path);
    return status;
}

/* At the start: the process before us may be about to end. */
static enum hs_status wait_lock(struct hsp_statefile *file, struct hs_error *err) {
    static const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
    for (int i = 0;; i++) {
        struct hs_error own = {0};
        const enum hs_status status = take_lock(file, &own);
        file->unread = status == HS_E_SPOOL && own.sys_errno == 0;
        if (!file->unread || i == LOCK_ATTEMPTS) {
            if (status != HS_OK && err->status == HS_OK)
                *err = own;
            return status;
        }
        nanosleep(&pause, NULL);
    }
}

static enum hs_status read_file(struct hsp_statefile *file, struct hs_error *warning,
                                struct hs_error *err) {
    size_t length = 0;
    struct hs_error own = {0};
    enum hs_status status = HS_OK;
    char *text = hsp_read_file(AT_FDCWD, file->path, HSP_STATELOG_MAX, &length, NULL);
    if (text != NULL)
        status = hsp_statelog_read(&file->log, text, length, file->path, &own, err);
    else if (errno == ENOMEM)
        status = hsp_fail(err, HS_E_NOMEM, "read %s: out of memory", file->path);
    else if (errno != ENOENT)
        hsp_fail_errno(&own, HS_E_IO, "read %s", file->path);
    free(text);
    file->unread = own.status != HS_OK;
    if (file->unread && warning->status == HS_OK)
        *warning = own;
    return status;
}

static enum hs_status set_path(struct hsp_statefile *file, const char *path,
                               struct hs_error *err) {
    file->path = strdup(path);
    file->folder = strdup(path);
    if (file->path == NULL || file->folder == NULL)
        return hsp_fail(err, HS_E_NOMEM, "open state file: out of memory");
    char *slash = strrchr(file->folder, '/');
    if (slash != NULL)
        slash[slash == file->folder ? 1 : 0] = '\0';
    file->name =
        strrchr(file->path, '/') == NULL ? file->path : strrchr(file->path, '/') + 1;
    return HS_OK;
}

enum hs_status hsp_statefile_open(struct hsp_statefile **file, const char *path,
                                  struct hs_error *warning, struct hs_error *err) {
    enum hs_status status = HS_OK;
    struct hsp_statefile *opened = calloc(1, sizeof(*opened));
    if (opened == NULL)
        return hsp_fail(err, HS_E_NOMEM, "open state file: out of memory");
    opened->fd = -1;
    opened->lock = -1;
    if (path != NULL) {
        status = set_path(opened, path, err);
        if (status != HS_OK)
            goto out;
        status = wait_lock(opened, warning);
        if (status == HS_E_NOMEM)
            hsp_fail(err, status, "%s", warning->text);
        /* What another process is about to change is not ours to go by. */
        else
            status = opened->unread ? HS_OK : read_file(opened, warning, err);
    }
    if (status != HS_OK)
        goto out;
    *file = opened;
    opened = NULL;

out:
    hsp_statefile_close(opened);
    return status;
}

void hsp_statefile_close(struct hsp_statefile *file) {
    if (file == NULL)
        return;
    if (file->fd >= 0)
        close(file->fd);
    if (file->lock >= 0)
        close(file->lock);
    hsp_statelog_free(&file->log);
    free(file->folder);
    free(file->path);
    free(file);
}

/* Writing */

bool hsp_statefile_is_dirty(const struct hsp_statefile *file) {
    return file->path != NULL &&
           (file->log.changes.length > 0 || file->log.changes.failed);
}

/* Would writing in its place lose something? Not a file of ours, nor an empty one. */
static bool is_foreign(const struct hsp_statefile *file, int folder) {
    char start[sizeof(HSP_STATELOG_MAGIC)] = "";
    struct stat found;
    if (fstatat(folder, file->name, &found, AT_SYMLINK_NOFOLLOW) != 0 ||
        S_ISDIR(found.st_mode)) /* that cannot be replaced, and is told */
        return false;
    if (file->unread || !S_ISREG(found.st_mode))
        return true;
    const int fd =
        openat(folder, file->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    const ssize_t got = fd < 0 ? -1 : read(fd, start, sizeof(HSP_STATELOG_MAGIC) - 1);
    if (fd >= 0)
        close(fd);
    return got != 0 && strcmp(start, HSP_STATELOG_MAGIC) != 0;
}

/* It is kept beside. */
static void save_foreign(struct hsp_statefile *file, int folder) {
    char *bad = NULL;
    if (!is_foreign(file, folder) || asprintf(&bad, "%s.bad", file->name) < 0)
        return;
    if (renameat(folder, file->name, folder, bad) == 0)
        file->unread = false;
    free(bad);
}

/* All of it as one group, beside the file and renamed. */
static enum hs_status rewrite(struct hsp_statefile *file, struct hs_error *err) {
    struct hsp_buffer text = {0};
    enum hs_status status = HS_OK;
    int folder = -1;

    hsp_statelog_print_all(&file->log, &text);
    if (text.failed) {
        status = hsp_fail(err, HS_E_NOMEM, "write %s: out of memory", file->path);
        goto out;
    }
    folder = open(file->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        status = hsp_fail_errno(err, hsp_status_of_step(), "open %s", file->folder);
        goto out;
    }
    save_foreign(file, folder);
    struct hs_error own = {0};
    status =
        hsp_replace_file(folder, file->name, MODE, text.data, text.length, true, &own);
    if (status != HS_OK) {
        hsp_fail(err, status, "rewrite %s: %s", file->path, own.text);
        goto out;
    }
    file->size = file->live_size = text.length;
    file->fd = openat(folder, file->name, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);

out:
    if (folder >= 0)
        close(folder);
    hsp_buffer_free(&text);
    return status;
}

static enum hs_status append(struct hsp_statefile *file, struct hs_error *err) {
    enum hs_status status = HS_OK;
    struct hsp_buffer text = {0};
    hsp_statelog_print_changes(&file->log, &text);
    if (text.failed)
        status = hsp_fail(err, HS_E_NOMEM, "write %s: out of memory", file->path);
    else if (hsp_write_all(file->fd, text.data, text.length) != 0)
        status = hsp_fail_errno(err, HS_E_IO, "write %s", file->path);
    else if (fdatasync(file->fd) != 0)
        status = hsp_fail_errno(err, HS_E_IO, "sync %s", file->path);
    file->size += text.length;
    hsp_buffer_free(&text);
    return status;
}

/* Is the file at its path still the one that is appended to? Somebody may have removed
 * it, or its folder may be another one by now. */
static bool is_in_place(const struct hsp_statefile *file) {
    struct stat here, there;
    return file->fd >= 0 && fstat(file->fd, &here) == 0 &&
           lstat(file->path, &there) == 0 && here.st_ino == there.st_ino &&
           here.st_dev == there.st_dev;
}

enum hs_status hsp_statefile_commit(struct hsp_statefile *file, struct hs_error *err) {
    if (!hsp_statefile_is_dirty(file)) {
        hsp_buffer_clear(&file->log.changes);
        return HS_OK;
    }
    enum hs_status status = take_lock(file, err);
    if (status != HS_OK)
        return status;
    hsp_crash_point("state-commit");
    const bool anew = !is_in_place(file) || file->log.changes.failed ||
                      file->size > 4 * file->live_size + SLACK;
    if (anew && file->fd >= 0) {
        close(file->fd);
        file->fd = -1;
    }
    status = anew ? rewrite(file, err) : append(file, err);
    if (status != HS_OK && file->fd >= 0) {
        close(file->fd);
        file->fd = -1;
    }
    if (status == HS_OK)
        hsp_buffer_clear(&file->log.changes);
    hsp_crash_point("state-committed");
    return status;
}
