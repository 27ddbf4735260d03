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
    /* Noted first: a crash in between sends the event again, which does no harm; the
     * other way round an old letter might be taken for news. */
    enum hs_status status = HS_OK;
    if (op->overtakes)
        status = hsp_overtaken_write(op->endpoint->state_fd, op->endpoint->name,
                                     op->entry.object, op->entry.sequence, err);
    if (status != HS_OK)
        return status;
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

/* By hand
 * -------------------------------------------------------------------------------------
 */

static enum hs_status revive(const struct hsp_batch *batch, struct hsp_op *op,
                             struct hs_error *err) {
    enum hs_status status = hsp_dead_revive(op->endpoint, op->note, op->target,
                                            &op->entry, &op->found, &op->dead_bytes, err);
    if (status == HS_OK && op->found == HSP_FOUND_CORRUPT)
        status = hsp_corrupt_move(batch->dir->corrupt, op->endpoint->dead_fd, op->note,
                                  hsp_now_ms(CLOCK_REALTIME), err);
    if (status == HS_OK && op->found != HSP_FOUND_MISSING)
        op->dead = 1;
    return status;
}

static enum hs_status shred(struct hsp_op *op, struct hs_error *err) {
    if (op->dead == 1)
        return HS_OK; /* by an earlier run */
    enum hs_status status =
        hsp_dead_shred(op->endpoint, op->note, &op->found, &op->dead_bytes, err);
    if (status == HS_OK && op->found == HSP_FOUND)
        op->dead = 1;
    return status;
}

static enum hs_status transfer(struct hsp_op *op, struct hs_error *err) {
    char from[HSP_ENTRY_PATH_MAX], to[HSP_ENTRY_PATH_MAX];
    hsp_entry_path(&op->entry, from);
    hsp_entry_path(&op->renamed, to);
    enum hs_status status =
        hsp_endpoint_make_shard(op->target, op->renamed.sequence, err);
    if (status != HS_OK)
        return status;
    /* ENOENT: done by an earlier run. */
    if (renameat(op->endpoint->queue_fd, from, op->target->queue_fd, to) != 0 &&
        errno != ENOENT)
        return hsp_fail_errno(err, HS_E_IO, "move queue/%s/%s to queue/%s",
                              op->endpoint->name, from, op->target->name);
    hsp_crash_point("transfer-renamed");
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
    case HSP_OP_REVIVE:
        return revive(batch, op, err);
    case HSP_OP_TRANSFER:
        return transfer(op, err);
    case HSP_OP_DISCARD:
        return remove_event(op, err);
    case HSP_OP_SHRED:
        return shred(op, err);
    case HSP_OP_PLAIN:
        return rename_event(op, err);
    }
    return HS_OK;
}

/* Syncing
 * -------------------------------------------------------------------------------------
 */

enum folder { SHARD, DEAD };

/* Did the operation change this folder of the endpoint? */
static bool touches(const struct hsp_op *op, const struct hsp_endpoint *endpoint,
                    enum folder folder, uint64_t sequence) {
    bool letter = op->kind == HSP_OP_REVIVE || op->kind == HSP_OP_SHRED;
    if (op->kind == HSP_OP_TRIM)
        return false;
    if (folder == DEAD)
        return letter && op->endpoint == endpoint;
    bool is_there = (op->entry.sequence >> 10) == (sequence >> 10);
    return is_there && ((op->endpoint == endpoint && !letter) || op->target == endpoint);
}

/* Was it synced for an earlier one? Neighbours share folders, so the look back is short.
 */
static bool is_synced(const struct hsp_batch *batch, size_t index,
                      const struct hsp_endpoint *endpoint, enum folder folder) {
    for (size_t i = index; i-- > 0;)
        if (touches(&batch->ops[i], endpoint, folder, batch->ops[index].entry.sequence))
            return true;
    return false;
}

static enum hs_status sync_shard(const struct hsp_endpoint *endpoint, uint64_t sequence,
                                 struct hs_error *err) {
    char shard[3];
    hsp_entry_shard(sequence, shard);
    int fd = openat(endpoint->queue_fd, shard, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum hs_status status = HS_OK;
    if (fd < 0 && errno == ENOENT)
        return HS_OK; /* taken away by a person, with all that was in it */
    if (fd < 0 || fsync(fd) != 0)
        status = hsp_fail_errno(err, HS_E_IO, "sync queue/%s/%s", endpoint->name, shard);
    if (fd >= 0)
        close(fd);
    return status;
}

static enum hs_status sync_folder(const struct hsp_batch *batch, size_t index,
                                  const struct hsp_endpoint *endpoint, enum folder folder,
                                  struct hs_error *err) {
    const struct hsp_op *op = &batch->ops[index];
    if (endpoint == NULL || !touches(op, endpoint, folder, op->entry.sequence) ||
        is_synced(batch, index, endpoint, folder))
        return HS_OK;
    if (folder == SHARD)
        return sync_shard(endpoint, op->entry.sequence, err);
    return fsync(endpoint->dead_fd) == 0
               ? HS_OK
               : hsp_fail_errno(err, HS_E_IO, "sync dead/%s", endpoint->name);
}

/* Where an event goes to is synced before where it came from: a crash leaves it in both,
 * or in one. */
static enum hs_status sync_folders(const struct hsp_batch *batch, struct hs_error *err) {
    enum hs_status status = HS_OK;
    for (size_t i = 0; status == HS_OK && i < batch->count; i++)
        status = sync_folder(batch, i, batch->ops[i].target, SHARD, err);
    for (size_t i = 0; status == HS_OK && i < batch->count; i++)
        status = sync_folder(batch, i, batch->ops[i].endpoint, SHARD, err);
    for (size_t i = 0; status == HS_OK && i < batch->count; i++)
        status = sync_folder(batch, i, batch->ops[i].endpoint, DEAD, err);
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
