/* SPDX-License-Identifier: MIT */
/* Doing a batch, in the disk thread. The order is what a crash may find: a journal line
 * whose event is still there is an answer that will come again; an event gone without a
 * line never happens. */
#include "config.h"

#include "batch.h"

#include "../crash.h"
#include "../error.h"
#include "dead.h"
#include "trim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum hs_status remove_event(struct hsp_op *op, struct hs_error *err) {
    char path[HSP_ENTRY_PATH_MAX];
    hsp_entry_path(&op->entry, path);
    if (unlinkat(op->endpoint->queue_fd, path, 0) == 0 || errno == ENOENT)
        return HS_OK;
    return hsp_fail_errno(err, HS_E_IO, "remove queue/%s/%s", op->endpoint->name, path);
}

static enum hs_status rename_event(struct hsp_op *op, struct hs_error *err) {
    char from[HSP_ENTRY_PATH_MAX], to[HSP_ENTRY_PATH_MAX];
    int fd = op->endpoint->queue_fd;
    hsp_entry_path(&op->entry, from);
    hsp_entry_path(&op->renamed, to);
    /* ENOENT: done by an earlier run of this batch, or the file was taken away by a
     * person, which the next attempt will find. */
    if (renameat(fd, from, fd, to) == 0 || errno == ENOENT) {
        hsp_crash_point("retry-renamed");
        return HS_OK;
    }
    return hsp_fail_errno(err, HS_E_IO, "rename queue/%s/%s", op->endpoint->name, from);
}

static enum hs_status quarantine(const struct hsp_batch *batch, const struct hsp_op *op,
                                 struct hs_error *err) {
    char path[HSP_ENTRY_PATH_MAX];
    hsp_entry_path(&op->entry, path);
    return hsp_corrupt_move(batch->dir->corrupt, op->endpoint->queue_fd, path,
                            hsp_now_ms(CLOCK_REALTIME), err);
}

static enum hs_status kill_event(const struct hsp_batch *batch, struct hsp_op *op,
                                 struct hs_error *err) {
    struct hs_error failure = {0};
    int64_t bytes = 0;
    enum hs_status status =
        hsp_dead_bury(op->endpoint, &op->entry, op->note, &bytes, &failure);
    if (status == HS_E_DATA)
        return quarantine(batch, op, err);
    if (status != HS_OK)
        return hsp_fail(err, status, "%s", failure.text);
    /* Counted before the sync: when this is run again there is nothing left to bury. */
    if (bytes > 0) {
        op->dead = 1;
        op->dead_bytes = bytes;
    }
    if (fsync(op->endpoint->dead_fd) != 0)
        return hsp_fail_errno(err, HS_E_IO, "sync dead/%s", op->endpoint->name);
    return HS_OK;
}

static enum hs_status trim_dead(const struct hsp_batch *batch, struct hsp_op *op,
                                struct hs_error *err) {
    struct hsp_trim trim;
    enum hs_status status =
        hsp_trim_choose(&trim, op->endpoint->dead_fd, op->endpoint->name, op->max_dead,
                        op->max_dead_bytes, hsp_now_ms(CLOCK_REALTIME), err);
    if (status == HS_OK && trim.count > 0)
        status =
            hsp_journal_write(batch->journal, trim.lines.data, trim.lines.length, err);
    if (status == HS_OK) {
        hsp_trim_remove(&trim, op->endpoint->dead_fd);
        op->dead = trim.left;
        op->dead_bytes = trim.left_bytes;
    }
    hsp_trim_free(&trim);
    return status;
}

static enum hs_status do_op(const struct hsp_batch *batch, struct hsp_op *op,
                            struct hs_error *err) {
    switch (op->kind) {
    case HSP_OP_REMOVE:
        return remove_event(op, err);
    case HSP_OP_RENAME:
        return rename_event(op, err);
    case HSP_OP_KILL:
        return kill_event(batch, op, err);
    case HSP_OP_QUARANTINE:
        return quarantine(batch, op, err);
    case HSP_OP_TRIM:
        return trim_dead(batch, op, err);
    }
    return HS_OK;
}

/* Was the folder of ops[index] synced for an earlier one? Neighbours share folders, so
 * the look back is short. */
static bool is_synced(const struct hsp_batch *batch, size_t index) {
    const struct hsp_op *op = &batch->ops[index];
    for (size_t i = index; i-- > 0;) {
        const struct hsp_op *other = &batch->ops[i];
        if (other->kind != HSP_OP_TRIM && other->endpoint == op->endpoint &&
            (other->entry.sequence >> 10) == (op->entry.sequence >> 10))
            return true;
    }
    return false;
}

static enum hs_status sync_folders(const struct hsp_batch *batch, struct hs_error *err) {
    enum hs_status status = HS_OK;
    for (size_t i = 0; status == HS_OK && i < batch->count; i++) {
        const struct hsp_op *op = &batch->ops[i];
        if (op->kind == HSP_OP_TRIM || is_synced(batch, i))
            continue;
        char shard[3];
        hsp_entry_shard(op->entry.sequence, shard);
        int fd =
            openat(op->endpoint->queue_fd, shard, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
            continue; /* taken away by a person, with all that was in it */
        if (fd < 0 || fsync(fd) != 0)
            status = hsp_fail_errno(err, HS_E_IO, "sync queue/%s/%s", op->endpoint->name,
                                    shard);
        if (fd >= 0)
            close(fd);
    }
    return status;
}

static enum hs_status work(struct hsp_job *job, struct hs_error *err) {
    struct hsp_batch *batch = (struct hsp_batch *)job;
    enum hs_status status = HS_OK;
    if (!batch->journaled && batch->lines.length > 0)
        status = hsp_journal_write(batch->journal, batch->lines.data, batch->lines.length,
                                   err);
    if (status != HS_OK)
        return status;
    batch->journaled = true;
    hsp_crash_point("commit-journaled");
    for (size_t i = 0; status == HS_OK && i < batch->count; i++)
        status = do_op(batch, &batch->ops[i], err);
    hsp_crash_point("commit-removed");
    if (status == HS_OK)
        status = sync_folders(batch, err);
    hsp_crash_point("commit-synced");
    batch->recordable =
        hsp_journal_reserve(batch->journal, batch->reserve, NULL) == HS_OK;
    return status;
}

struct hsp_batch *hsp_batch_new(const struct hsp_spooldir *dir,
                                struct hsp_journal *journal, size_t reserve,
                                void (*done)(struct hsp_job *), void *owner) {
    struct hsp_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        return NULL;
    batch->job = (struct hsp_job){.work = work, .done = done};
    batch->dir = dir;
    batch->journal = journal;
    batch->reserve = reserve;
    batch->owner = owner;
    return batch;
}

void hsp_batch_free(struct hsp_batch *batch) {
    if (batch == NULL)
        return;
    for (size_t i = 0; i < batch->count; i++)
        free(batch->ops[i].note);
    free(batch->ops);
    hsp_buffer_free(&batch->lines);
    free(batch);
}

bool hsp_batch_is_empty(const struct hsp_batch *batch) {
    return batch->count == 0 && batch->lines.length == 0;
}

struct hsp_op *hsp_batch_add(struct hsp_batch *batch) {
    if (batch->count == batch->capacity) {
        size_t wanted = batch->capacity == 0 ? 64 : batch->capacity * 2;
        struct hsp_op *more = realloc(batch->ops, wanted * sizeof *more);
        if (more == NULL)
            return NULL;
        batch->ops = more;
        batch->capacity = wanted;
    }
    struct hsp_op *op = &batch->ops[batch->count++];
    *op = (struct hsp_op){0};
    return op;
}
