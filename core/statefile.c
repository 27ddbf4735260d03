/* SPDX-License-Identifier: MIT */
/* The state file: a table of texts and a line of edges, and a log of what changed in
 * them. A commit appends one group that proves itself; a failed one may leave a torn
 * group behind, so after it everything is written anew beside the file and renamed. */
#include "config.h"

#include "buffer.h"
#include "crash.h"
#include "cursor.h"
#include "error.h"
#include "file.h"
#include "id.h"
#include "statefile.h"
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAGIC "hookspool-state 1\n"
#define FILE_MAX (1024 * 1024 * 1024)
#define SLACK (1024 * 1024) /* that may be out of date before the file is rewritten */
#define MODE 0600
#define LOCK_ATTEMPTS 60 /* 50 ms apart: a process that is about to end */

struct edge {
    char *bytes;
    size_t length;
};

struct hsp_statefile {
    char *path;   /* NULL: in memory only */
    char *folder; /* of path */
    const char *name;
    struct hsp_table values;
    struct edge *edges; /* a ring would save nothing: few wait, but for an outage */
    size_t edge_count, edge_first, edge_room;
    struct hsp_buffer changes; /* since the last commit */
    size_t live_size;          /* of the file when it was last written anew */
    size_t size;               /* of the file */
    int fd;                    /* to append to; -1: to be written anew */
    int lock;
    bool unread; /* another process used it when it was opened */
};

/* In memory */

static enum hs_status set_value(struct hsp_statefile *file, const char *key,
                                const char *value, size_t length, struct hs_error *err) {
    char *copy = strndup(value, length);
    void *old = hsp_table_get(&file->values, key);
    if (copy == NULL || !hsp_table_put(&file->values, key, copy)) {
        free(copy);
        return hsp_fail(err, HS_E_NOMEM, "keep status: out of memory");
    }
    free(old);
    /* The table has it. */
    /* cppcheck-suppress memleak */
    return HS_OK;
}

static enum hs_status add_edge(struct hsp_statefile *file, const void *bytes,
                               size_t length, struct hs_error *err) {
    if (file->edge_first > 0 && file->edge_first + file->edge_count == file->edge_room) {
        memmove(file->edges, file->edges + file->edge_first,
                file->edge_count * sizeof(*file->edges));
        file->edge_first = 0;
    }
    if (file->edge_count == file->edge_room) {
        const size_t room = file->edge_room == 0 ? 16 : file->edge_room * 2;
        struct edge *grown = realloc(file->edges, room * sizeof(*grown));
        if (grown == NULL)
            return hsp_fail(err, HS_E_NOMEM, "keep event: out of memory");
        file->edges = grown;
        file->edge_room = room;
    }
    char *copy = malloc(length + 1);
    if (copy == NULL)
        return hsp_fail(err, HS_E_NOMEM, "keep event: out of memory");
    memcpy(copy, bytes, length);
    copy[length] = '\0';
    file->edges[file->edge_first + file->edge_count++] = (struct edge){copy, length};
    return HS_OK;
}

static void drop_edges(struct hsp_statefile *file, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(file->edges[file->edge_first + i].bytes);
    file->edge_first += count;
    file->edge_count -= count;
    if (file->edge_count == 0)
        file->edge_first = 0;
}

const char *hsp_statefile_get(const struct hsp_statefile *file, const char *key) {
    return hsp_table_get(&file->values, key);
}

void hsp_statefile_walk(const struct hsp_statefile *file,
                        void (*each)(const char *key, void *value, void *context),
                        void *context) {
    hsp_table_walk(&file->values, each, context);
}

size_t hsp_statefile_edges(const struct hsp_statefile *file) { return file->edge_count; }

const char *hsp_statefile_edge(const struct hsp_statefile *file, size_t index,
                               size_t *length) {
    const struct edge *edge = &file->edges[file->edge_first + index];
    *length = edge->length;
    return edge->bytes;
}

/* As text */

static void print_set(const char *key, void *value, void *context) {
    struct hsp_buffer *out = context;
    hsp_buffer_print(out, "set %zu %zu\n%s%s\n", strlen(key), strlen(value), key,
                     (const char *)value);
}

static void print_edge(struct hsp_buffer *out, const char *bytes, size_t length) {
    hsp_buffer_print(out, "edge %zu\n", length);
    hsp_buffer_append(out, bytes, length);
    hsp_buffer_append(out, "\n", 1);
}

static void print_group(struct hsp_buffer *out, const struct hsp_buffer *content) {
    hsp_buffer_print(out, "group %zu %016" PRIx64 "\n", content->length,
                     hsp_hash(content->data, content->length));
    hsp_buffer_append(out, content->data, content->length);
    out->failed = out->failed || content->failed;
}

/* A failure of the buffer is noticed at the commit, which then writes all anew. */
enum hs_status hsp_statefile_set(struct hsp_statefile *file, const char *key,
                                 const char *value, struct hs_error *err) {
    if (value == NULL) {
        free(hsp_table_remove(&file->values, key));
        hsp_buffer_print(&file->changes, "unset %zu\n%s\n", strlen(key), key);
        return HS_OK;
    }
    const enum hs_status status = set_value(file, key, value, strlen(value), err);
    if (status == HS_OK)
        print_set(key, (void *)value, &file->changes);
    return status;
}

enum hs_status hsp_statefile_push(struct hsp_statefile *file, const void *bytes,
                                  size_t length, struct hs_error *err) {
    const enum hs_status status = add_edge(file, bytes, length, err);
    if (status == HS_OK)
        print_edge(&file->changes, bytes, length);
    return status;
}

void hsp_statefile_pop(struct hsp_statefile *file, size_t count) {
    drop_edges(file, count);
    hsp_buffer_print(&file->changes, "done %zu\n", count);
}

/* Reading */

static bool take_bytes(struct hsp_cursor *cursor, size_t length, const char **bytes) {
    if ((size_t)(cursor->end - cursor->at) < length)
        return false;
    *bytes = cursor->at;
    cursor->at += length;
    return true;
}

/* What one line of a group says. `ok` is false where it is wrong. */
static enum hs_status read_set(struct hsp_statefile *file, struct hsp_cursor *cursor,
                               bool *ok, struct hs_error *err) {
    uint64_t key_length = 0, length = 0;
    const char *bytes = NULL, *value = NULL;
    *ok = hsp_take_number(cursor, FILE_MAX, &key_length) && hsp_take(cursor, " ") &&
          hsp_take_number(cursor, FILE_MAX, &length) && hsp_take(cursor, "\n") &&
          take_bytes(cursor, key_length, &bytes) && take_bytes(cursor, length, &value) &&
          hsp_take(cursor, "\n");
    if (!*ok)
        return HS_OK;
    char *key = strndup(bytes, key_length);
    if (key == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read status: out of memory");
    const enum hs_status status = set_value(file, key, value, length, err);
    free(key);
    return status;
}

static enum hs_status read_unset(struct hsp_statefile *file, struct hsp_cursor *cursor,
                                 bool *ok, struct hs_error *err) {
    uint64_t length = 0;
    const char *bytes = NULL;
    *ok = hsp_take_number(cursor, FILE_MAX, &length) && hsp_take(cursor, "\n") &&
          take_bytes(cursor, length, &bytes) && hsp_take(cursor, "\n");
    if (!*ok)
        return HS_OK;
    char *key = strndup(bytes, length);
    if (key == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read status: out of memory");
    free(hsp_table_remove(&file->values, key));
    free(key);
    return HS_OK;
}

static enum hs_status read_edge(struct hsp_statefile *file, struct hsp_cursor *cursor,
                                bool *ok, struct hs_error *err) {
    uint64_t length = 0;
    const char *bytes = NULL;
    *ok = hsp_take_number(cursor, FILE_MAX, &length) && hsp_take(cursor, "\n") &&
          take_bytes(cursor, length, &bytes) && hsp_take(cursor, "\n");
    return *ok ? add_edge(file, bytes, length, err) : HS_OK;
}

static enum hs_status read_done(struct hsp_statefile *file, struct hsp_cursor *cursor,
                                bool *ok, struct hs_error *err) {
    uint64_t count = 0;
    (void)err;
    *ok = hsp_take_number(cursor, file->edge_count, &count) && hsp_take(cursor, "\n");
    if (*ok)
        drop_edges(file, count);
    return HS_OK;
}

static enum hs_status read_group(struct hsp_statefile *file, struct hsp_cursor group,
                                 bool *ok, struct hs_error *err) {
    static const struct {
        const char *word;
        enum hs_status (*read)(struct hsp_statefile *, struct hsp_cursor *, bool *,
                               struct hs_error *);
    } lines[] = {
        {"set ", read_set},
        {"unset ", read_unset},
        {"edge ", read_edge},
        {"done ", read_done},
    };
    enum hs_status status = HS_OK;
    *ok = true;
    while (status == HS_OK && *ok && group.at < group.end) {
        size_t i = 0;
        const size_t count = sizeof(lines) / sizeof(lines[0]);
        while (i < count && !hsp_take(&group, lines[i].word))
            i++;
        *ok = i < count;
        if (*ok)
            status = lines[i].read(file, &group, ok, err);
    }
    return status;
}

/* The head of a group and its bytes, which its hash must fit. */
static bool take_group(struct hsp_cursor *cursor, struct hsp_cursor *group) {
    uint64_t length = 0;
    const char *hash = NULL, *bytes = NULL;
    char expected[17];
    if (!hsp_take(cursor, "group ") || !hsp_take_number(cursor, FILE_MAX, &length) ||
        !hsp_take(cursor, " ") || !take_bytes(cursor, 16, &hash) ||
        !hsp_take(cursor, "\n") || !take_bytes(cursor, length, &bytes))
        return false;
    snprintf(expected, sizeof(expected), "%016" PRIx64, hsp_hash(bytes, length));
    *group = (struct hsp_cursor){bytes, bytes + length};
    return memcmp(expected, hash, 16) == 0;
}

/* Everything that the file says, up to where it is torn. */
static enum hs_status read_text(struct hsp_statefile *file, const char *text,
                                size_t length, struct hs_error *warning,
                                struct hs_error *err) {
    struct hsp_cursor cursor = {text, text + length}, group;
    enum hs_status status = HS_OK;
    bool ok = true;
    if (!hsp_take(&cursor, MAGIC)) {
        hsp_fail(warning, HS_E_DATA, "read %s: this is no state file of hookspool's",
                 file->path);
        return HS_OK;
    }
    while (status == HS_OK && ok && cursor.at < cursor.end) {
        const size_t offset = (size_t)(cursor.at - text);
        ok = take_group(&cursor, &group);
        if (ok)
            status = read_group(file, group, &ok, err);
        if (!ok)
            hsp_fail(warning, HS_E_DATA,
                     "read %s: torn at byte %zu of %zu; the rest is left out", file->path,
                     offset, length);
    }
    return status;
}

/* Files */

/* A folder that cannot be used will do so after somebody did something about it. */
static enum hs_status status_of_step(void) {
    switch (errno) {
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
        return HS_E_SPOOL;
    default:
        return HS_E_IO;
    }
}

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
        status = hsp_fail_errno(err, status_of_step(), "open %s", path);
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
    char *text = hsp_read_file(AT_FDCWD, file->path, FILE_MAX, &length, NULL);
    if (text == NULL) {
        if (errno == ENOMEM)
            return hsp_fail(err, HS_E_NOMEM, "read %s: out of memory", file->path);
        if (errno != ENOENT)
            hsp_fail_errno(warning, HS_E_IO, "read %s", file->path);
        return HS_OK;
    }
    const enum hs_status status = read_text(file, text, length, warning, err);
    free(text);
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
    drop_edges(file, file->edge_count);
    free(file->edges);
    hsp_table_free(&file->values, free);
    hsp_buffer_free(&file->changes);
    free(file->folder);
    free(file->path);
    free(file);
}

/* Writing */

bool hsp_statefile_is_dirty(const struct hsp_statefile *file) {
    return file->path != NULL && (file->changes.length > 0 || file->changes.failed);
}

/* A file that is none of ours, or was not read, is somebody's: it is kept beside. */
static void save_foreign(struct hsp_statefile *file, int folder) {
    char start[sizeof(MAGIC)] = "";
    char *bad = NULL;
    const int fd = openat(folder, file->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const ssize_t got = fd < 0 ? -1 : read(fd, start, sizeof(MAGIC) - 1);
    if (fd >= 0)
        close(fd);
    if (got <= 0 || (!file->unread && strcmp(start, MAGIC) == 0) ||
        asprintf(&bad, "%s.bad", file->name) < 0)
        return;
    if (renameat(folder, file->name, folder, bad) == 0)
        file->unread = false;
    free(bad);
}

/* All of it as one group, beside the file and renamed. */
static enum hs_status rewrite(struct hsp_statefile *file, struct hs_error *err) {
    struct hsp_buffer content = {0}, text = {0};
    enum hs_status status = HS_OK;
    int folder = -1;

    hsp_table_walk(&file->values, print_set, &content);
    for (size_t i = 0; i < file->edge_count; i++)
        print_edge(&content, file->edges[file->edge_first + i].bytes,
                   file->edges[file->edge_first + i].length);
    hsp_buffer_append(&text, MAGIC, strlen(MAGIC));
    if (content.length > 0 || content.failed)
        print_group(&text, &content);
    if (text.failed) {
        status = hsp_fail(err, HS_E_NOMEM, "write %s: out of memory", file->path);
        goto out;
    }
    folder = open(file->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        status = hsp_fail_errno(err, status_of_step(), "open %s", file->folder);
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
    hsp_buffer_free(&content);
    return status;
}

static enum hs_status append(struct hsp_statefile *file, struct hs_error *err) {
    enum hs_status status = HS_OK;
    struct hsp_buffer text = {0};
    print_group(&text, &file->changes);
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
        hsp_buffer_clear(&file->changes);
        return HS_OK;
    }
    enum hs_status status = take_lock(file, err);
    if (status != HS_OK)
        return status;
    hsp_crash_point("state-commit");
    const bool anew = !is_in_place(file) || file->changes.failed ||
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
        hsp_buffer_clear(&file->changes);
    hsp_crash_point("state-committed");
    return status;
}
