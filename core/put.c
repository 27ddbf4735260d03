/* SPDX-License-Identifier: MIT */
/* Putting events into the spool: a file is made whole in tmp/ and renamed into incoming/,
 * so that the daemon never sees half of one, and both the file and its name are on disk
 * before HS_OK. Nothing of a spool changes here, so threads may put at once. */
#include "config.h"

#include "conf.h"
#include "crash.h"
#include "error.h"
#include "event.h"
#include "file.h"
#include "id.h"
#include "record.h"
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_ATTEMPTS 100
#define END_MAX 64 /* bytes that the end line may take */
#define TMP_NAME_MAX 96

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

/* Write the file and bring it to disk, all of it and its mode. */
static enum hs_status fill(const struct hs_spool *spool, int fd, const char *name,
                           const struct hsp_buffer *file, struct hs_error *err) {
    /* The mode is what the daemon and the group need, whatever the umask. */
    if (fchmod(fd, HSP_EVENT_MODE) != 0)
        return hsp_fail_errno(err, hsp_status_of_step(), "set the mode of %s/%s/%s",
                              spool->path, HSP_TMP, name);
    if (hsp_write_all(fd, file->data, file->length) != 0)
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
        return hsp_fail_errno(err, hsp_status_of_step(), "create %s/%s/%s", spool->path,
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
        status = hsp_fail_errno(err, hsp_status_of_step(), "rename %s into %s/%s", name,
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

enum hs_status hsp_spool_put_file(const struct hs_spool *spool, const char *id,
                                  const struct hsp_buffer *file, struct hs_error *err) {
    const enum hs_status status = check_space(spool, err);
    return status == HS_OK ? publish(spool, id, file, err) : status;
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
