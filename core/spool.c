/* SPDX-License-Identifier: MIT */
/* The folders of the spool: opening what adapters need, making what is missing where that
 * is the caller's to do, and refusing what somebody else could have put there. */
#include "config.h"

#include "error.h"
#include "id.h"
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* What a folder is opened with and for. */
#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

bool hsp_spool_name_ok(const char *name) {
    char id[HSP_ID_LENGTH + 1] = "";
    if (strlen(name) != HSP_ID_LENGTH + strlen(HSP_SUFFIX))
        return false;
    memcpy(id, name, HSP_ID_LENGTH);
    return strcmp(name + HSP_ID_LENGTH, HSP_SUFFIX) == 0 && hsp_id_is_valid(id);
}

bool hsp_space_is_short(int fd, const struct hsp_share *min_free) {
    struct statvfs fs;
    const int before = errno;
    if (fstatvfs(fd, &fs) != 0) {
        errno = before;
        return false;
    }
    if (min_free->bytes >= 0)
        return (uint64_t)fs.f_bavail * fs.f_frsize < (uint64_t)min_free->bytes;
    /* Some file systems make inodes as they need them, and say that they have none. */
    const uint64_t percent = (uint64_t)min_free->percent;
    return (uint64_t)fs.f_bavail * 100 < (uint64_t)fs.f_blocks * percent ||
           (uint64_t)fs.f_favail * 100 < (uint64_t)fs.f_files * percent;
}

/* An unusable folder and the way out; `cause` is an errno or 0. */
static enum hs_status advise(struct hs_error *err, int cause, const char *format, ...)
    HS_PRINTF(3, 4);

static enum hs_status advise(struct hs_error *err, int cause, const char *format, ...) {
    char text[sizeof err->text];
    va_list args;
    if (err == NULL || err->status != HS_OK)
        return HS_E_SPOOL;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    hsp_fail(err, HS_E_SPOOL, "%s; run `hookspool init`", text);
    err->sys_errno = cause;
    return HS_E_SPOOL;
}

/* A folder that cannot be opened: errno says why. A symbolic link is not a folder. */
static enum hs_status cannot_open(struct hs_error *err, const char *path,
                                  const char *name) {
    const char *slash = *name == '\0' ? "" : "/";
    const int cause = errno;
    if (cause == ENOTDIR || cause == ELOOP)
        return advise(err, cause, "%s%s%s is not a folder", path, slash, name);
    if (cause == ENOENT || cause == EACCES || cause == EPERM) {
        char reason[128];
        return advise(err, cause, "open %s%s%s: %s", path, slash, name,
                      strerror_r(cause, reason, sizeof reason));
    }
    return hsp_fail_errno(err, HS_E_IO, "open %s%s%s", path, slash, name);
}

static enum hs_status open_root(const char *path, int *root, struct stat *owner,
                                struct hs_error *err) {
    enum hs_status status = HS_OK;
    int fd = open(path, FOLDER_FLAGS);
    if (fd < 0) {
        status = cannot_open(err, path, "");
        goto out;
    }
    if (fstat(fd, owner) != 0) {
        status = hsp_fail_errno(err, HS_E_IO, "look at %s", path);
        goto out;
    }
    /* Whoever may write here could put another folder in the place of ours. */
    if ((owner->st_mode & S_IWOTH) != 0) {
        status = advise(err, 0, "%s is writable for everybody", path);
        goto out;
    }
    *root = fd;
    fd = -1;

out:
    if (fd >= 0)
        close(fd);
    return status;
}

enum hs_status hsp_make_folder(int dirfd, const char *path, const char *name, mode_t mode,
                               uid_t uid, gid_t gid, struct hs_error *err) {
    enum hs_status status = HS_OK;
    int fd = -1;
    const bool made = mkdirat(dirfd, name, HSP_PRIVATE_MODE) == 0;
    if (!made && errno != EEXIST) {
        status = hsp_fail_errno(err, HS_E_SPOOL, "make %s/%s", path, name);
        goto out;
    }
    fd = openat(dirfd, name, FOLDER_FLAGS | O_NOFOLLOW);
    if (fd < 0) {
        status = hsp_fail_errno(err, HS_E_SPOOL, "open %s/%s", path, name);
        goto out;
    }
    /* The owner first: changing it can clear bits of the mode. */
    if ((uid != (uid_t)-1 || gid != (gid_t)-1) && fchown(fd, uid, gid) != 0) {
        status = hsp_fail_errno(err, HS_E_SPOOL, "set the owner of %s/%s", path, name);
        goto out;
    }
    if (fchmod(fd, mode) != 0) {
        status = hsp_fail_errno(err, HS_E_SPOOL, "set the mode of %s/%s", path, name);
        goto out;
    }
    if (made && fsync(dirfd) != 0)
        status = hsp_fail_errno(err, HS_E_IO, "sync %s", path);

out:
    if (fd >= 0)
        close(fd);
    return status;
}

/* Open incoming/ or tmp/; where the spool is the caller's own, make it. */
static enum hs_status open_folder(int root, const struct stat *owner, const char *path,
                                  const char *name, int *folder, struct hs_error *err) {
    struct stat found;
    enum hs_status status = HS_OK;

    int fd = openat(root, name, FOLDER_FLAGS | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT && owner->st_uid == geteuid()) {
        status = hsp_make_folder(root, path, name, HSP_INCOMING_MODE, (uid_t)-1,
                                 (gid_t)-1, err);
        if (status != HS_OK)
            goto out;
        fd = openat(root, name, FOLDER_FLAGS | O_NOFOLLOW);
    }
    if (fd < 0) {
        status = cannot_open(err, path, name);
        goto out;
    }
    if (fstat(fd, &found) != 0) {
        status = hsp_fail_errno(err, HS_E_IO, "look at %s/%s", path, name);
        goto out;
    }
    if (found.st_uid != owner->st_uid) {
        status = advise(err, 0, "%s/%s belongs to uid %lu, the spool to uid %lu", path,
                        name, (unsigned long)found.st_uid, (unsigned long)owner->st_uid);
        goto out;
    }
    *folder = fd;
    fd = -1;

out:
    if (fd >= 0)
        close(fd);
    return status;
}

enum hs_status hs_spool_open(struct hs_spool **spool, const struct hs_config *config,
                             struct hs_error *err) {
    const char *path = hs_config_spool_dir(config);
    enum hs_status status = HS_OK;
    struct stat owner;
    int root = -1;

    struct hs_spool *opened = malloc(sizeof *opened);
    if (opened == NULL)
        return hsp_fail(err, HS_E_NOMEM, "open spool: out of memory");
    *opened = (struct hs_spool){.config = config, .incoming = -1, .tmp = -1};
    opened->path = strdup(path);
    if (opened->path == NULL) {
        status = hsp_fail(err, HS_E_NOMEM, "open spool: out of memory");
        goto out;
    }
    status = open_root(path, &root, &owner, err);
    if (status != HS_OK)
        goto out;
    status = open_folder(root, &owner, path, HSP_INCOMING, &opened->incoming, err);
    if (status != HS_OK)
        goto out;
    status = open_folder(root, &owner, path, HSP_TMP, &opened->tmp, err);
    if (status != HS_OK)
        goto out;
    *spool = opened;
    opened = NULL;

out:
    if (root >= 0)
        close(root);
    hs_spool_close(opened);
    return status;
}

void hs_spool_close(struct hs_spool *spool) {
    if (spool == NULL)
        return;
    if (spool->incoming >= 0)
        close(spool->incoming);
    if (spool->tmp >= 0)
        close(spool->tmp);
    free(spool->path);
    free(spool);
}
