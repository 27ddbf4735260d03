/* SPDX-License-Identifier: MIT */
/* The adapters' side of the spool: a file is made whole in tmp/ and renamed into
 * incoming/, so that the daemon never sees half of one, and both the file and its name
 * are on disk before HS_OK. Nothing here changes after hs_spool_open but a counter, so
 * threads may put at once. */
#include "config.h"

#include "buffer.h"
#include "conf.h"
#include "crash.h"
#include "error.h"
#include "event.h"
#include "id.h"
#include "record.h"
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define NAME_ATTEMPTS 100
#define END_MAX 64 /* bytes that the end line may take */
#define TMP_NAME_MAX 96

struct hs_spool {
    const struct hs_config *config;
    char *path;
    int incoming;
    int tmp;
};

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
        return (uint64_t)fs.f_bavail < (uint64_t)min_free->bytes / fs.f_frsize;
    /* Some file systems make inodes as they need them, and say that they have none. */
    const uint64_t percent = (uint64_t)min_free->percent;
    return (uint64_t)fs.f_bavail * 100 < (uint64_t)fs.f_blocks * percent ||
           (uint64_t)fs.f_favail * 100 < (uint64_t)fs.f_files * percent;
}

/* An unusable folder and the way out. */
static enum hs_status unusable(struct hs_error *err, const char *path, const char *reason,
                               int cause) {
    const bool first = err != NULL && err->status == HS_OK;
    hsp_fail(err, HS_E_SPOOL, "%s%s%s; run `hookspool init`", cause == 0 ? "" : "open ",
             path, reason);
    if (first)
        err->sys_errno = cause;
    return HS_E_SPOOL;
}

/* A folder that cannot be opened. A symbolic link counts as "not a folder". */
static enum hs_status cannot_open(struct hs_error *err, const char *path) {
    char reason[160];
    char text[128];
    const int cause = errno;
    if (cause == ENOTDIR || cause == ELOOP)
        return unusable(err, path, " is not a folder", 0);
    if (cause != ENOENT && cause != EACCES && cause != EPERM)
        return hsp_fail_errno(err, HS_E_IO, "open %s", path);
    snprintf(reason, sizeof reason, ": %s", strerror_r(cause, text, sizeof text));
    return unusable(err, path, reason, cause);
}

/* `path`/`name` for messages; free(). */
static char *join(const char *path, const char *name) {
    char *joined = NULL;
    return asprintf(&joined, "%s/%s", path, name) < 0 ? NULL : joined;
}

static enum hs_status open_root(const char *path, int *root, struct stat *owner,
                                struct hs_error *err) {
    enum hs_status status = HS_OK;
    int fd = open(path, FOLDER_FLAGS);
    if (fd < 0) {
        status = cannot_open(err, path);
        goto out;
    }
    if (fstat(fd, owner) != 0) {
        status = hsp_fail_errno(err, HS_E_IO, "look at %s", path);
        goto out;
    }
    /* Whoever may write here could put another folder in the place of ours. */
    if ((owner->st_mode & S_IWOTH) != 0) {
        status = unusable(err, path, " is writable for everybody", 0);
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
    char reason[96];
    enum hs_status status = HS_OK;
    char *whole = NULL;

    int fd = openat(root, name, FOLDER_FLAGS | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT && owner->st_uid == geteuid()) {
        status = hsp_make_folder(root, path, name, HSP_INCOMING_MODE, (uid_t)-1,
                                 (gid_t)-1, err);
        if (status != HS_OK)
            goto out;
        fd = openat(root, name, FOLDER_FLAGS | O_NOFOLLOW);
    }
    if (fd >= 0 && fstat(fd, &found) != 0) {
        status = hsp_fail_errno(err, HS_E_IO, "look at %s/%s", path, name);
        goto out;
    }
    if (fd >= 0 && found.st_uid == owner->st_uid) {
        *folder = fd;
        fd = -1;
        goto out;
    }
    const int cause = errno;
    whole = join(path, name);
    if (whole == NULL) {
        status = hsp_fail(err, HS_E_NOMEM, "open spool: out of memory");
    } else if (fd < 0) {
        errno = cause;
        status = cannot_open(err, whole);
    } else {
        snprintf(reason, sizeof reason, " belongs to uid %lu, the spool to uid %lu",
                 (unsigned long)found.st_uid, (unsigned long)owner->st_uid);
        status = unusable(err, whole, reason, 0);
    }

out:
    free(whole);
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

/* What a failed step on the spool means: whether it helps to set the spool up, or not. */
static enum hs_status status_of_step(void) {
    switch (errno) {
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOENT:
    case ENOTDIR:
        return HS_E_SPOOL;
    default:
        return HS_E_IO;
    }
}

/* Make a file of a name that was never there in tmp/. A process id comes again, and with
 * it perhaps the name of a file that a crash left. */
static int create_tmp(const struct hs_spool *spool, const char *id,
                      char name[TMP_NAME_MAX]) {
    static atomic_ulong counter;
    int fd = -1;
    for (int i = 0; i < NAME_ATTEMPTS; i++) {
        snprintf(name, TMP_NAME_MAX, "%s.%ld.%lu", id, (long)getpid(),
                 atomic_fetch_add(&counter, 1));
        fd = openat(spool->tmp, name,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, HSP_EVENT_MODE);
        if (fd >= 0 || errno != EEXIST)
            break;
    }
    return fd;
}

static bool write_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        const ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

/* Write the file and bring it to disk, all of it and its mode. */
static enum hs_status fill(const struct hs_spool *spool, int fd, const char *name,
                           const struct hsp_buffer *file, struct hs_error *err) {
    /* The mode is what the daemon and the group need, whatever the umask. */
    if (fchmod(fd, HSP_EVENT_MODE) != 0)
        return hsp_fail_errno(err, status_of_step(), "set the mode of %s/%s/%s",
                              spool->path, HSP_TMP, name);
    if (!write_all(fd, file->data, file->length))
        return hsp_fail_errno(err, HS_E_IO, "write %s/%s/%s", spool->path, HSP_TMP, name);
    hsp_crash_point("put-written");
    if (fsync(fd) != 0)
        return hsp_fail_errno(err, HS_E_IO, "sync %s/%s/%s", spool->path, HSP_TMP, name);
    return HS_OK;
}

static enum hs_status make_file(const struct hs_spool *spool, const char *id,
                                const struct hsp_buffer *file, char name[TMP_NAME_MAX],
                                struct hs_error *err) {
    const int fd = create_tmp(spool, id, name);
    if (fd < 0)
        return hsp_fail_errno(err, status_of_step(), "create %s/%s/%s", spool->path,
                              HSP_TMP, name);
    hsp_crash_point("put-created");
    enum hs_status status = fill(spool, fd, name, file, err);
    if (close(fd) != 0 && status == HS_OK)
        status =
            hsp_fail_errno(err, HS_E_IO, "close %s/%s/%s", spool->path, HSP_TMP, name);
    if (status != HS_OK)
        unlinkat(spool->tmp, name, 0);
    return status;
}

/* Queue a whole file under the name of `id`. */
static enum hs_status publish(const struct hs_spool *spool, const char *id,
                              const struct hsp_buffer *file, struct hs_error *err) {
    char tmp_name[TMP_NAME_MAX];
    char name[HSP_ID_LENGTH + sizeof HSP_SUFFIX];
    snprintf(name, sizeof name, "%s" HSP_SUFFIX, id);

    enum hs_status status = make_file(spool, id, file, tmp_name, err);
    if (status != HS_OK)
        return status;
    hsp_crash_point("put-synced");
    if (renameat(spool->tmp, tmp_name, spool->incoming, name) != 0) {
        status = hsp_fail_errno(err, status_of_step(), "rename %s into %s/%s", name,
                                spool->path, HSP_INCOMING);
        unlinkat(spool->tmp, tmp_name, 0);
        return status;
    }
    hsp_crash_point("put-renamed");
    /* A failure from here on cannot be taken back, for the daemon may have the file: no
     * errno makes it HS_E_FULL. */
    if (fsync(spool->incoming) != 0) {
        const bool first = err != NULL && err->status == HS_OK;
        hsp_fail_errno(err, HS_E_IO, "sync %s/%s", spool->path, HSP_INCOMING);
        if (first)
            err->status = HS_E_IO;
        return HS_E_IO;
    }
    return HS_OK;
}

static enum hs_status check_space(const struct hs_spool *spool, struct hs_error *err) {
    const struct hsp_share min_free = hsp_config_min_free(spool->config);
    if (!hsp_space_is_short(spool->tmp, &min_free))
        return HS_OK;
    if (min_free.bytes >= 0)
        return hsp_fail(err, HS_E_FULL, "write %s: less than %lld bytes are free",
                        spool->path, (long long)min_free.bytes);
    return hsp_fail(err, HS_E_FULL, "write %s: less than %d%% of bytes or inodes is free",
                    spool->path, min_free.percent);
}

enum hs_status hs_spool_put(struct hs_spool *spool, const struct hs_event *event,
                            struct hs_error *err) {
    return hs_spool_put_batch(spool, &event, 1, err);
}

/* A file that is being filled with events. */
struct batch {
    struct hsp_buffer file;
    size_t count;
};

/* Finish the file, queue it and begin the next. One event gives its id to the file, so
 * that a second put of it takes the place of the first; a batch has an id of its own, for
 * one of its events put again alone must not take the place of all. */
static enum hs_status flush(const struct hs_spool *spool, struct batch *batch,
                            const struct hs_event *event, struct hs_error *err) {
    char id[HSP_ID_LENGTH + 1];
    hsp_record_end(&batch->file, batch->count);
    if (batch->file.failed)
        return hsp_fail(err, HS_E_NOMEM, "write batch: out of memory");
    memcpy(id, hs_event_id(event), sizeof id);
    enum hs_status status = batch->count == 1 ? HS_OK : hsp_id_new(id, err);
    if (status == HS_OK)
        status = publish(spool, id, &batch->file, err);
    hsp_buffer_clear(&batch->file);
    hsp_record_begin(&batch->file);
    batch->count = 0;
    return status;
}

/* Add an event; if the file grew too long, queue it without and begin again with it. */
static enum hs_status add(const struct hs_spool *spool, struct batch *batch,
                          const struct hs_event *event, const struct hs_event *before,
                          struct hs_error *err) {
    const size_t length = batch->file.length;
    enum hs_status status = hsp_event_append(&batch->file, event, spool->config, err);
    if (status == HS_OK && batch->count > 0 &&
        batch->file.length > HSP_FILE_MAX - END_MAX) {
        batch->file.length = length;
        status = flush(spool, batch, before, err);
        if (status == HS_OK)
            status = hsp_event_append(&batch->file, event, spool->config, err);
    }
    batch->count++;
    return status;
}

enum hs_status hs_spool_put_batch(struct hs_spool *spool,
                                  const struct hs_event *const *events, size_t count,
                                  struct hs_error *err) {
    struct batch batch = {0};
    if (count == 0)
        return HS_OK;
    enum hs_status status = check_space(spool, err);
    hsp_record_begin(&batch.file);
    for (size_t i = 0; i < count && status == HS_OK; i++)
        status = add(spool, &batch, events[i], i == 0 ? NULL : events[i - 1], err);
    if (status == HS_OK)
        status = flush(spool, &batch, events[count - 1], err);
    hsp_buffer_free(&batch.file);
    return status;
}
