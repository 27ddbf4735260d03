/* SPDX-License-Identifier: MIT */
/* Which file is read, from where, and which comes next. Files are known by device and
 * inode, and the one that is followed by its first bytes as well: they tell a file that
 * was cut and has grown again from one that only grew. */
#include "config.h"

#include "journal_reader.h"

#include "../error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_SIZE 256 /* first bytes of a file: a time, an id */

struct file {
    int fd; /* -1: none */
    struct stat info;
};

struct hsp_journal_reader {
    char *path, *rotated;
    bool follow;
    bool ended;          /* there was nothing more when it was last asked */
    struct file current; /* what `lines` reads */
    struct file queue[2];
    size_t queued;
    struct hsp_lines lines;
    struct stat aside; /* PATH.1 when the newest file was begun; st_ino 0: none */
    char head[HEAD_SIZE];
    size_t head_length;
    struct hs_error warning;
};

/* Files
 * --------------------------------------------------------------------------------- */

static bool is_same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static void close_file(struct file *file) {
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

static enum hs_status refuse(const char *path, struct hs_error *err) {
    const char *hint = errno == EACCES
                           ? "; the journal is for root and the user of hookspoold"
                       : errno == ELOOP ? ", it is a link"
                                        : "";
    return hsp_fail(err, HS_E_IO, "open journal %s: %s%s", path, strerror(errno), hint);
}

/* A missing file is HS_OK, with no descriptor. */
static enum hs_status open_file(const char *path, struct file *file,
                                struct hs_error *err) {
    file->fd = -1;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? HS_OK : refuse(path, err);
    if (fstat(fd, &file->info) != 0 || !S_ISREG(file->info.st_mode)) {
        close(fd);
        return hsp_fail(err, HS_E_IO, "open journal %s: it is not a file", path);
    }
    file->fd = fd;
    return HS_OK;
}

static bool is_newest(const struct hsp_journal_reader *reader) {
    return reader->queued == 0;
}

/* Read `current` from `offset` on. */
static void begin(struct hsp_journal_reader *reader, int64_t offset) {
    hsp_lines_open(&reader->lines, reader->current.fd, offset);
    reader->lines.is_last = !reader->follow || !is_newest(reader);
    if (!reader->follow)
        reader->lines.end = reader->current.info.st_size;
    reader->head_length = 0;
    if (!is_newest(reader))
        return;
    ssize_t got = pread(reader->current.fd, reader->head, HEAD_SIZE, 0);
    reader->head_length = got > 0 ? (size_t)got : 0;
    if (lstat(reader->rotated, &reader->aside) != 0)
        reader->aside.st_ino = 0;
}

/* Go over to the first of the queue, if there is one. */
static void step_on(struct hsp_journal_reader *reader) {
    if (reader->queued == 0)
        return;
    close_file(&reader->current);
    reader->current = reader->queue[0];
    reader->queue[0] = reader->queue[1];
    reader->queued--;
    begin(reader, 0);
}

static void enqueue(struct hsp_journal_reader *reader, const struct file *file) {
    if (file->fd >= 0)
        reader->queue[reader->queued++] = *file;
}

/* All that is there. PATH is opened first: renamed just then it is found again as PATH.1,
 * and not read twice. */
static enum hs_status open_files(struct hsp_journal_reader *reader,
                                 struct hs_error *err) {
    struct file newest, older;
    enum hs_status status = open_file(reader->path, &newest, err);
    if (status != HS_OK)
        return status;
    reader->warning = (struct hs_error){0};
    if (open_file(reader->rotated, &older, &reader->warning) == HS_OK && older.fd >= 0 &&
        newest.fd >= 0 && is_same(&older.info, &newest.info))
        close_file(&older);
    enqueue(reader, &older);
    enqueue(reader, &newest);
    step_on(reader);
    return HS_OK;
}

/* Rotation by renaming
 * ----------------------------------------------------------------------- */

/* Is PATH another file, in which something stands? Only then will the daemon not write
 * into the old one any more: it may be about to when the old one is renamed. */
static bool has_successor(const struct hsp_journal_reader *reader) {
    struct stat info;
    return lstat(reader->path, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 &&
           !is_same(&info, &reader->current.info);
}

/* Queue PATH, and before it PATH.1 where that is one that came and went unseen. */
static enum hs_status queue_successors(struct hsp_journal_reader *reader,
                                       struct hs_error *err) {
    struct file next, between;
    enum hs_status status = open_file(reader->path, &next, err);
    if (status != HS_OK || next.fd < 0)
        return status;
    if (is_same(&next.info, &reader->current.info)) {
        close_file(&next);
        return HS_OK;
    }
    const struct stat *aside = &reader->aside;
    if (open_file(reader->rotated, &between, NULL) == HS_OK && between.fd >= 0 &&
        (is_same(&between.info, &next.info) ||
         is_same(&between.info, &reader->current.info) ||
         (is_same(&between.info, aside) &&
          between.info.st_mtim.tv_sec == aside->st_mtim.tv_sec &&
          between.info.st_mtim.tv_nsec == aside->st_mtim.tv_nsec)))
        close_file(&between);
    enqueue(reader, &between);
    enqueue(reader, &next);
    return HS_OK;
}

/* At the end of what there is: is there another file to go on with? */
static enum hs_status move_on(struct hsp_journal_reader *reader, bool *moved,
                              struct hs_error *err) {
    enum hs_status status = HS_OK;
    *moved = true;
    if (!reader->lines.is_last && has_successor(reader)) {
        reader->lines.is_last = true; /* read what came before it, to its very end */
        return HS_OK;
    }
    *moved = false;
    if (!reader->lines.is_last)
        return HS_OK;
    if (reader->follow && reader->queued == 0)
        status = queue_successors(reader, err);
    if (reader->queued > 0) {
        step_on(reader);
        *moved = true;
    } else if (reader->follow) {
        reader->lines.is_last = false; /* the successor is gone again */
    }
    return status;
}

/* Rotation by copying and cutting
 * ------------------------------------------------------------ */

/* Is PATH.1 a copy of what was read up to now? Then go on in it; `current` follows. */
static bool read_copy(struct hsp_journal_reader *reader) {
    char head[HEAD_SIZE];
    struct file copy;
    if (open_file(reader->rotated, &copy, NULL) != HS_OK || copy.fd < 0)
        return false;
    if (is_same(&copy.info, &reader->current.info) || reader->head_length == 0 ||
        copy.info.st_size < hsp_lines_offset(&reader->lines) ||
        pread(copy.fd, head, reader->head_length, 0) != (ssize_t)reader->head_length ||
        memcmp(head, reader->head, reader->head_length) != 0) {
        close_file(&copy);
        return false;
    }
    enqueue(reader, &reader->current);
    reader->current = copy;
    hsp_lines_change(&reader->lines, copy.fd);
    reader->lines.is_last = true;
    return true;
}

/* Before the newest file is read again: is it still the one that was read? */
static enum hs_status look_again(struct hsp_journal_reader *reader,
                                 struct hs_error *err) {
    char head[HEAD_SIZE];
    struct stat info;
    ssize_t got = pread(reader->current.fd, head, HEAD_SIZE, 0);
    if (got < 0 || fstat(reader->current.fd, &info) != 0)
        return hsp_fail_errno(err, HS_E_IO, "read journal %s", reader->path);
    size_t common = (size_t)got < reader->head_length ? (size_t)got : reader->head_length;
    /* What is taken back ends with a line. */
    bool is_cut = common < reader->head_length && (got == 0 || head[got - 1] != '\n');
    if (is_cut || memcmp(head, reader->head, common) != 0) {
        if (!read_copy(reader))
            begin(reader, 0);
        return HS_OK;
    }
    memcpy(reader->head, head, (size_t)got);
    reader->head_length = (size_t)got;
    /* The daemon took a write back that failed half-way. */
    if (info.st_size < hsp_lines_offset(&reader->lines))
        hsp_lines_open(&reader->lines, reader->current.fd, info.st_size);
    return HS_OK;
}

/* The last lines
 * ------------------------------------------------------------------------ */

enum hs_status hsp_journal_reader_tail(struct hsp_journal_reader *reader, int64_t count,
                                       hsp_line_match *match, void *context,
                                       struct hs_error *err) {
    struct hsp_line_search search = {.match = match, .context = context, .wanted = count};
    const struct file *newest =
        reader->queued > 0 ? &reader->queue[reader->queued - 1] : &reader->current;
    if (newest->fd < 0)
        return HS_OK;
    enum hs_status status =
        hsp_lines_search(&search, newest->fd, newest->info.st_size, !reader->follow, err);
    if (status == HS_OK && search.wanted == 0) {
        step_on(reader);
        begin(reader, search.where);
    } else if (status == HS_OK && reader->queued > 0) {
        const struct file *older = &reader->current;
        status = hsp_lines_search(&search, older->fd, older->info.st_size, true, err);
        if (status == HS_OK && search.wanted == 0)
            begin(reader, search.where);
    }
    return status;
}

/* Public
 * -------------------------------------------------------------------------------- */

enum hs_status hsp_journal_reader_open(struct hsp_journal_reader **reader,
                                       const char *path, bool follow,
                                       struct hs_error *err) {
    enum hs_status status = HS_OK;
    struct hsp_journal_reader *made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->current.fd = -1;
        made->follow = follow;
        made->path = strdup(path);
        if (asprintf(&made->rotated, "%s.1", path) < 0)
            made->rotated = NULL;
    }
    if (made == NULL || made->path == NULL || made->rotated == NULL) {
        status = hsp_fail(err, HS_E_NOMEM, "open journal %s: out of memory", path);
        goto out;
    }
    status = open_files(made, err);
    if (status != HS_OK)
        goto out;
    *reader = made;
    made = NULL;
out:
    hsp_journal_reader_close(made);
    return status;
}

void hsp_journal_reader_close(struct hsp_journal_reader *reader) {
    if (reader == NULL)
        return;
    while (reader->queued > 0)
        close_file(&reader->queue[--reader->queued]);
    close_file(&reader->current);
    hsp_lines_free(&reader->lines);
    free(reader->path);
    free(reader->rotated);
    free(reader);
}

bool hsp_journal_reader_is_missing(const struct hsp_journal_reader *reader) {
    return reader->current.fd < 0;
}

const char *hsp_journal_reader_warning(const struct hsp_journal_reader *reader) {
    return reader->warning.status != HS_OK ? reader->warning.text : NULL;
}

enum hsp_lines_step hsp_journal_reader_next(struct hsp_journal_reader *reader,
                                            struct hsp_line *line, struct hs_error *err) {
    if (reader->current.fd < 0 && reader->follow && open_files(reader, err) != HS_OK)
        return HSP_LINES_FAILED;
    if (reader->current.fd < 0)
        return HSP_LINES_END;
    if (reader->ended && !reader->lines.is_last && look_again(reader, err) != HS_OK)
        return HSP_LINES_FAILED;
    reader->ended = false;
    while (true) {
        enum hsp_lines_step step = hsp_lines_next(&reader->lines, line, err);
        if (step != HSP_LINES_END)
            return step;
        bool moved;
        if (move_on(reader, &moved, err) != HS_OK)
            return HSP_LINES_FAILED;
        reader->ended = !moved;
        if (!moved)
            return HSP_LINES_END;
    }
}
