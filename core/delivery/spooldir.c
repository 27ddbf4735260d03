/* SPDX-License-Identifier: MIT */
/* Making, opening and locking the spool. Modes are set with fchmod, whatever the umask.
 */
#include "config.h"

#include "spooldir.h"

#include "../error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT_MODE 0755
#define SEQUENCE_BLOCK (1u << 20)
#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Every folder of a spool, in the order in which they are made. */
static const struct folder {
    const char *name;
    mode_t mode;
    size_t member; /* of struct hsp_spooldir */
} folders[] = {
    {HSP_INCOMING, HSP_INCOMING_MODE, offsetof(struct hsp_spooldir, incoming)},
    {HSP_TMP, HSP_INCOMING_MODE, offsetof(struct hsp_spooldir, tmp)},
    {"queue", HSP_PRIVATE_MODE, offsetof(struct hsp_spooldir, queue)},
    {"queue/.staged", HSP_PRIVATE_MODE, offsetof(struct hsp_spooldir, staged)},
    {"dead", HSP_PRIVATE_MODE, offsetof(struct hsp_spooldir, dead)},
    {"corrupt", HSP_PRIVATE_MODE, offsetof(struct hsp_spooldir, corrupt)},
    {"state", HSP_PRIVATE_MODE, offsetof(struct hsp_spooldir, state)},
};
#define FOLDER_COUNT (sizeof folders / sizeof *folders)

static int *fd_of(struct hsp_spooldir *dir, const struct folder *folder) {
    return (int *)((char *)dir + folder->member);
}

enum hs_status hsp_make_path(const char *path, struct hs_error *err) {
    char *copy = strdup(path);
    if (copy == NULL)
        return hsp_fail(err, HS_E_NOMEM, "make %s: out of memory", path);
    enum hs_status status = HS_OK;
    for (char *slash = strchr(copy + 1, '/'); status == HS_OK;
         slash = strchr(slash + 1, '/')) {
        if (slash != NULL)
            *slash = '\0';
        bool made = mkdir(copy, ROOT_MODE) == 0;
        if ((made && chmod(copy, ROOT_MODE) != 0) || (!made && errno != EEXIST))
            status = hsp_fail_errno(err, HS_E_SPOOL, "make folder %s", copy);
        if (slash == NULL)
            break;
        *slash = '/';
    }
    free(copy);
    return status;
}

enum hs_status hsp_spooldir_init(const char *path, uid_t uid, gid_t gid,
                                 struct hs_error *err) {
    enum hs_status status = hsp_make_path(path, err);
    if (status != HS_OK)
        return status;
    int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return hsp_fail_errno(err, HS_E_SPOOL, "open %s", path);
    if (fchmod(root, ROOT_MODE) != 0 || fchown(root, uid, gid) != 0)
        status = hsp_fail_errno(err, HS_E_SPOOL, "set owner and mode of %s", path);
    for (size_t i = 0; status == HS_OK && i < FOLDER_COUNT; i++)
        status =
            hsp_make_folder(root, path, folders[i].name, folders[i].mode, uid, gid, err);
    close(root);
    return status;
}

/* Open one folder and see that it is the daemon's. */
static enum hs_status open_folder(struct hsp_spooldir *dir, const struct folder *folder,
                                  struct hs_error *err) {
    int *fd = fd_of(dir, folder);
    *fd = openat(dir->root, folder->name, FOLDER_FLAGS);
    if (*fd < 0 && errno == ENOENT) {
        enum hs_status status = hsp_make_folder(dir->root, dir->path, folder->name,
                                                folder->mode, -1, -1, err);
        if (status != HS_OK)
            return status;
        *fd = openat(dir->root, folder->name, FOLDER_FLAGS);
    }
    if (*fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        return hsp_fail(err, HS_E_SPOOL, "%s/%s is not a folder", dir->path,
                        folder->name);
    struct stat info;
    if (*fd < 0 || fstat(*fd, &info) != 0)
        return hsp_fail_errno(err, HS_E_SPOOL, "open %s/%s", dir->path, folder->name);
    if (info.st_uid != geteuid())
        return hsp_fail(err, HS_E_SPOOL,
                        "%s/%s belongs to uid %u, hookspoold runs as uid %u; run "
                        "`hookspool init`",
                        dir->path, folder->name, info.st_uid, geteuid());
    return HS_OK;
}

static enum hs_status open_root(struct hsp_spooldir *dir, struct hs_error *err) {
    dir->root = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat info;
    if (dir->root < 0 || fstat(dir->root, &info) != 0)
        return hsp_fail_errno(err, HS_E_SPOOL, "open spool %s (run `hookspool init`?)",
                              dir->path);
    if (info.st_uid != geteuid())
        return hsp_fail(err, HS_E_SPOOL,
                        "%s belongs to uid %u, hookspoold runs as uid %u: run it as that "
                        "user, or `hookspool init --user`",
                        dir->path, info.st_uid, geteuid());
    return HS_OK;
}

static enum hs_status take_lock(struct hsp_spooldir *dir, struct hs_error *err) {
    dir->lock =
        openat(dir->root, HSP_LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (dir->lock < 0 || fchmod(dir->lock, 0640) != 0)
        return hsp_fail_errno(err, HS_E_SPOOL, "open %s/" HSP_LOCK_NAME, dir->path);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(dir->lock, F_OFD_SETLK, &whole) == 0)
        return HS_OK;
    dir->locked_by_other = errno == EAGAIN || errno == EACCES;
    if (dir->locked_by_other)
        return hsp_fail(err, HS_E_SPOOL, "another hookspoold serves %s", dir->path);
    return hsp_fail_errno(err, HS_E_SPOOL, "lock %s/" HSP_LOCK_NAME, dir->path);
}

enum hs_status hsp_spooldir_open(struct hsp_spooldir *dir, const char *path,
                                 struct hs_error *err) {
    *dir = (struct hsp_spooldir){.root = -1, .lock = -1};
    for (size_t i = 0; i < FOLDER_COUNT; i++)
        *fd_of(dir, &folders[i]) = -1;
    dir->path = strdup(path);
    enum hs_status status =
        dir->path != NULL ? open_root(dir, err)
                          : hsp_fail(err, HS_E_NOMEM, "open %s: out of memory", path);
    if (status == HS_OK)
        status = take_lock(dir, err);
    for (size_t i = 0; status == HS_OK && i < FOLDER_COUNT; i++)
        status = open_folder(dir, &folders[i], err);
    if (status != HS_OK)
        hsp_spooldir_close(dir);
    return status;
}

void hsp_spooldir_close(struct hsp_spooldir *dir) {
    if (dir->path == NULL)
        return; /* never opened */
    for (size_t i = 0; i < FOLDER_COUNT; i++) {
        if (*fd_of(dir, &folders[i]) >= 0)
            close(*fd_of(dir, &folders[i]));
        *fd_of(dir, &folders[i]) = -1;
    }
    if (dir->root >= 0)
        close(dir->root);
    if (dir->lock >= 0)
        close(dir->lock);
    dir->root = dir->lock = -1;
    free(dir->path);
    dir->path = NULL;
}

/* Sequence ----------------------------------------------------------------------------
 */

static enum hs_status reserve(struct hsp_sequence *sequence, uint64_t up_to,
                              struct hs_error *err) {
    char text[32];
    int length = snprintf(text, sizeof text, "%016" PRIx64 "\n", up_to);
    enum hs_status status = hsp_replace_file(sequence->state_fd, "sequence", 0600, text,
                                             (size_t)length, true, err);
    if (status == HS_OK)
        sequence->reserved = up_to;
    return status;
}

enum hs_status hsp_sequence_open(struct hsp_sequence *sequence, int state_fd,
                                 uint64_t at_least, struct hs_error *err) {
    *sequence = (struct hsp_sequence){.state_fd = state_fd, .next = at_least};
    size_t length = 0;
    char *text = hsp_read_file(state_fd, "sequence", 64, &length, NULL);
    /* One that may well be whole is not to be replaced. */
    if (text == NULL && (errno == ENOMEM || errno == EMFILE || errno == ENFILE))
        return hsp_fail_errno(err, HS_E_IO, "read state/sequence");
    /* A damaged file counts as none: every number that is still in use was found in
     * names. */
    uint64_t recorded = text != NULL ? strtoull(text, NULL, 16) : 0;
    free(text);
    if (recorded > sequence->next && recorded < HSP_SEQUENCE_LIMIT)
        sequence->next = recorded;
    struct hs_error failure = {0};
    enum hs_status status = reserve(sequence, sequence->next + SEQUENCE_BLOCK, &failure);
    /* On a full disk what waits can go out; new numbers are asked for again when they are
     * needed. */
    if (status == HS_OK || status == HS_E_FULL)
        return HS_OK;
    return hsp_fail(err, status, "%s", failure.text);
}

enum hs_status hsp_sequence_take(struct hsp_sequence *sequence, uint64_t count,
                                 uint64_t *first, struct hs_error *err) {
    if (sequence->next + count > sequence->reserved) {
        enum hs_status status =
            reserve(sequence, sequence->next + count + SEQUENCE_BLOCK, err);
        if (status != HS_OK)
            return status;
    }
    *first = sequence->next;
    sequence->next += count;
    return HS_OK;
}

void hsp_sequence_close(struct hsp_sequence *sequence) {
    if (sequence->reserved > sequence->next)
        (void)!reserve(sequence, sequence->next, NULL);
}
