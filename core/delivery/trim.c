/* SPDX-License-Identifier: MIT */
/* Choosing and removing the oldest files of a folder, and moving what cannot be read to
 * corrupt/. */
#include "config.h"

#include "trim.h"

#include "../error.h"
#include "entry.h"
#include "journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
    char *name;
    int64_t bytes;
};

struct listing {
    struct file *files;
    size_t count, capacity;
};

static bool keep(struct listing *listing, const char *name, int64_t bytes) {
    if (listing->count == listing->capacity) {
        size_t wanted = listing->capacity == 0 ? 256 : listing->capacity * 2;
        struct file *more = realloc(listing->files, wanted * sizeof *more);
        if (more == NULL)
            return false;
        listing->files = more;
        listing->capacity = wanted;
    }
    struct file *file = &listing->files[listing->count];
    file->bytes = bytes;
    file->name = strdup(name);
    if (file->name == NULL)
        return false;
    listing->count++;
    return true;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static enum hs_status list(struct listing *listing, int dirfd, struct hs_error *err) {
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        enum hs_status status = hsp_fail_errno(err, HS_E_IO, "list a folder to trim");
        if (fd >= 0)
            close(fd);
        return status;
    }
    bool ok = true;
    for (struct dirent *item; ok && (item = readdir(folder)) != NULL;) {
        struct stat info;
        if (item->d_name[0] != '.' &&
            fstatat(dirfd, item->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            !S_ISDIR(info.st_mode))
            ok = keep(listing, item->d_name, info.st_size);
    }
    closedir(folder);
    if (!ok)
        return hsp_fail(err, HS_E_NOMEM, "list a folder to trim: out of memory");
    if (listing->count > 0)
        qsort(listing->files, listing->count, sizeof *listing->files, by_name);
    return HS_OK;
}

static void choose(struct hsp_trim *trim, const struct file *file, const char *endpoint,
                   int64_t now_utc_ms) {
    struct hsp_journal_line line = HSP_JOURNAL_LINE(now_utc_ms, "removed");
    struct hsp_entry entry;
    char id[HSP_ID_LENGTH + 1], reason[512];
    line.endpoint = endpoint;
    if (endpoint != NULL && hsp_dead_parse(file->name, &entry, id)) {
        line.id = id;
        line.sequence = (int64_t)entry.sequence;
    }
    snprintf(reason, sizeof reason, "oldest of too many: %s%s/%s",
             endpoint != NULL ? "dead/" : "corrupt", endpoint != NULL ? endpoint : "",
             file->name);
    line.reason = reason;
    hsp_journal_compose(&trim->lines, &line);
    hsp_buffer_append(&trim->names, file->name, strlen(file->name) + 1);
    trim->count++;
    trim->bytes += file->bytes;
    trim->left--;
    trim->left_bytes -= file->bytes;
}

enum hs_status hsp_trim_choose(struct hsp_trim *trim, int dirfd, const char *endpoint,
                               int64_t max_count, int64_t max_bytes, int64_t now_utc_ms,
                               struct hs_error *err) {
    *trim = (struct hsp_trim){0};
    struct listing listing = {0};
    enum hs_status status = list(&listing, dirfd, err);
    int64_t bytes = 0;
    for (size_t i = 0; i < listing.count; i++)
        bytes += listing.files[i].bytes;
    trim->left = (int64_t)listing.count;
    trim->left_bytes = bytes;
    for (size_t i = 0; status == HS_OK && i < listing.count; i++) {
        if ((int64_t)(listing.count - i) <= max_count && bytes - trim->bytes <= max_bytes)
            break;
        choose(trim, &listing.files[i], endpoint, now_utc_ms);
    }
    if (status == HS_OK && (trim->lines.failed || trim->names.failed))
        status = hsp_fail(err, HS_E_NOMEM, "trim a folder: out of memory");
    for (size_t i = 0; i < listing.count; i++)
        free(listing.files[i].name);
    free(listing.files);
    return status;
}

void hsp_trim_remove(const struct hsp_trim *trim, int dirfd) {
    for (size_t at = 0; at < trim->names.length; at += strlen(trim->names.data + at) + 1)
        (void)unlinkat(dirfd, trim->names.data + at,
                       0); /* what cannot go is listed again the next time */
}

void hsp_trim_free(struct hsp_trim *trim) {
    hsp_buffer_free(&trim->lines);
    hsp_buffer_free(&trim->names);
}

enum hs_status hsp_corrupt_move(int corrupt_fd, int from_fd, const char *path,
                                int64_t now_utc_ms, struct hs_error *err) {
    static atomic_uint counter;
    const char *base = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    char name[160];
    snprintf(name, sizeof name, "%013" PRId64 "-%06u-%.100s", now_utc_ms,
             atomic_fetch_add(&counter, 1) % 1000000, base);
    for (char *c = name; *c != '\0'; c++)
        if (*c < '!' || *c > '~')
            *c = '_';
    if (renameat(from_fd, path, corrupt_fd, name) == 0 || errno == ENOENT)
        return HS_OK;
    enum hs_status status = hsp_fail_errno(err, HS_E_IO, "move %s to corrupt/", path);
    struct stat info;
    if (fstatat(from_fd, path, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(info.st_mode))
        return status;
    /* A folder of another user's cannot be moved. It must not stop anything: it goes if
     * it is empty, or stays. */
    (void)unlinkat(from_fd, path, AT_REMOVEDIR);
    if (err != NULL)
        *err = (struct hs_error){0};
    return HS_OK;
}

int64_t hsp_corrupt_count(int corrupt_fd) {
    int fd = openat(corrupt_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    int64_t count = 0;
    for (struct dirent *item; (item = readdir(folder)) != NULL;)
        count += item->d_name[0] != '.';
    closedir(folder);
    return count;
}
