/* SPDX-License-Identifier: MIT */
/* From the board to the state file and on into the spool. The file is appended to only
 * where it is exactly as the last of our processes left it; in any other case (a process
 * killed while it wrote, a failed write, somebody else's file) it is written anew from
 * the board, which knows everything. */
#include "config.h"

#include "keeper.h"

#include "buffer.h"
#include "crash.h"
#include "error.h"
#include "file.h"
#include "hostlog.h"
#include "id.h"
#include "record.h"
#include "spool.h"
#include "statelog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_SIZE 40
#define MODE 0600
#define SLACK (1024 * 1024) /* that may be out of date before the file is rewritten */
#define PUT_EVENTS 1000     /* of one spool file */
#define PUT_BYTES (4 * 1024 * 1024)
#define SECOND_US INT64_C(1000000)
#define PATIENCE_MS 1000

enum hs_status hsp_keeper_init(struct hsp_keeper *keeper, const char *folder,
                               const struct hs_config *config, struct hs_error *err) {
    *keeper = (struct hsp_keeper){.config = config, .fd = -1};
    keeper->folder = strdup(folder);
    if (keeper->folder != NULL &&
        asprintf(&keeper->path, "%s/" HSP_KEEPER_FILE, folder) >= 0)
        return HS_OK;
    free(keeper->folder);
    *keeper = (struct hsp_keeper){.fd = -1};
    return hsp_fail(err, HS_E_NOMEM, "start: out of memory");
}

static void close_file(struct hsp_keeper *keeper) {
    if (keeper->fd >= 0)
        close(keeper->fd);
    keeper->fd = -1;
}

void hsp_keeper_free(struct hsp_keeper *keeper) {
    close_file(keeper);
    hs_spool_close(keeper->spool);
    free(keeper->folder);
    free(keeper->path);
    *keeper = (struct hsp_keeper){.fd = -1};
}

static void complain(struct hsp_complaint *complaint, const struct hs_error *err,
                     const char *what) {
    if (hsp_complaint_due(complaint, err))
        hsp_hostlog(HSP_HOSTLOG_ERROR, "%s; %s", err->text, what);
}

/* The state file
 * ------------------------------------------------------------------------------------ */

static void print_status(struct hsp_buffer *out, uint64_t itemid, const char *status) {
    char key[KEY_SIZE];
    snprintf(key, sizeof(key), HSP_KEEPER_KEY "%" PRIu64, itemid);
    hsp_statelog_print_set(out, key, status);
}

static void print_record(struct hsp_buffer *out, const struct hsp_board_record *record) {
    if (*record->status != '\0')
        print_status(out, record->itemid, record->status);
    if (record->event != NULL)
        hsp_statelog_print_edge(out, record->event, record->event_length);
}

/* What is not in the file yet, as the content of a group. */
static void print_changes(const struct hsp_board *board, uint64_t end,
                          struct hsp_buffer *out) {
    struct hsp_board_record record;
    uint64_t at = atomic_load(&board->logged);
    const uint64_t done = atomic_load(&board->file.done);
    if (done > 0)
        hsp_statelog_print_done(out, done);
    while (hsp_board_next(board, &at, end, &record))
        print_record(out, &record);
}

/* Everything; `end` is how far the line was then. */
static void print_all(struct hsp_board *board, uint64_t *end, struct hsp_buffer *out) {
    char status[HSP_TRACK_TEXT_MAX];
    struct hsp_board_record record;
    hsp_board_lock(board);
    *end = atomic_load(&board->tail);
    for (uint32_t i = 0; i < board->item_count; i++) {
        const struct hsp_track *track = &board->items[i].track;
        if (track->monitor.state == HS_STATE_NONE && track->monitor.failures == 0)
            continue;
        hsp_track_save(track, status);
        print_status(out, board->items[i].itemid, status);
    }
    uint64_t at = atomic_load(&board->put);
    while (hsp_board_next(board, &at, *end, &record))
        if (record.event != NULL)
            hsp_statelog_print_edge(out, record.event, record.event_length);
    hsp_board_unlock(board);
}

/* Is the file as it was left? Then have it open. */
static bool is_in_place(struct hsp_keeper *keeper, const struct hsp_board_file *file) {
    struct stat there, here;
    if (lstat(keeper->path, &there) != 0 || there.st_dev != file->device ||
        there.st_ino != file->inode || there.st_size != file->size)
        return false;
    if (keeper->fd >= 0 && (fstat(keeper->fd, &here) != 0 ||
                            here.st_dev != there.st_dev || here.st_ino != there.st_ino))
        close_file(keeper);
    if (keeper->fd < 0)
        keeper->fd = open(keeper->path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    return keeper->fd >= 0;
}

static enum hs_status append(struct hsp_keeper *keeper, struct hsp_board *board,
                             const struct hsp_buffer *content, struct hs_error *err) {
    struct hsp_buffer group = {0};
    enum hs_status status = HS_OK;
    hsp_statelog_print_group(&group, content);
    if (group.failed)
        status = hsp_fail(err, HS_E_NOMEM, "write %s: out of memory", keeper->path);
    else if (hsp_write_all(keeper->fd, group.data, group.length) != 0)
        status = hsp_fail_errno(err, HS_E_IO, "write %s", keeper->path);
    else if (fdatasync(keeper->fd) != 0)
        status = hsp_fail_errno(err, HS_E_IO, "sync %s", keeper->path);
    board->file.size += (off_t)group.length;
    hsp_buffer_free(&group);
    return status;
}

static enum hs_status replace(struct hsp_keeper *keeper, struct hsp_board_file *file,
                              const struct hsp_buffer *text, struct hs_error *err) {
    struct stat info;
    struct hs_error own = {0};
    enum hs_status status = HS_OK;
    const int folder = open(keeper->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return hsp_fail_errno(err, hsp_status_of_step(), "open %s", keeper->folder);
    if (file->is_foreign &&
        renameat(folder, HSP_KEEPER_FILE, folder, HSP_KEEPER_FILE ".bad") == 0)
        file->is_foreign = false;
    status = hsp_replace_file(folder, HSP_KEEPER_FILE, MODE, text->data, text->length,
                              true, &own);
    if (status != HS_OK)
        hsp_fail(err, status, "rewrite %s: %s", keeper->path, own.text);
    else if (fstatat(folder, HSP_KEEPER_FILE, &info, AT_SYMLINK_NOFOLLOW) != 0)
        status = hsp_fail_errno(err, HS_E_IO, "look at %s", keeper->path);
    if (status == HS_OK) {
        file->device = info.st_dev;
        file->inode = info.st_ino;
        file->size = file->live_size = info.st_size;
    }
    if (err != NULL && status != HS_OK)
        err->sys_errno = own.sys_errno != 0 ? own.sys_errno : err->sys_errno;
    close(folder);
    return status;
}

static enum hs_status rewrite(struct hsp_keeper *keeper, struct hsp_board *board,
                              uint64_t *end, struct hs_error *err) {
    struct hsp_buffer content = {0}, text = {0};
    enum hs_status status = HS_OK;
    close_file(keeper);
    print_all(board, end, &content);
    hsp_buffer_append(&text, HSP_STATELOG_MAGIC, strlen(HSP_STATELOG_MAGIC));
    if (content.length > 0 || content.failed)
        hsp_statelog_print_group(&text, &content);
    hsp_buffer_free(&content);
    status = text.failed
                 ? hsp_fail(err, HS_E_NOMEM, "write %s: out of memory", keeper->path)
                 : replace(keeper, &board->file, &text, err);
    hsp_buffer_free(&text);
    return status;
}

/* By the disk lock. */
static enum hs_status write_down(struct hsp_keeper *keeper, struct hsp_board *board,
                                 bool anew, uint64_t *end, struct hs_error *err) {
    struct hsp_board_file *file = &board->file;
    struct hsp_buffer content = {0};
    enum hs_status status = HS_OK;
    const bool in_place = file->known && is_in_place(keeper, file);
    if (file->known && !in_place)
        hsp_hostlog(HSP_HOSTLOG_WARNING,
                    "%s is not as it was left (does another server use this folder?): "
                    "it is written anew",
                    keeper->path);
    file->known = false; /* until it is done */
    if (anew || !in_place || file->size > 4 * file->live_size + SLACK) {
        status = rewrite(keeper, board, end, err);
    } else {
        print_changes(board, *end, &content);
        status = content.length > 0 || content.failed
                     ? append(keeper, board, &content, err)
                     : HS_OK;
        hsp_buffer_free(&content);
    }
    file->known = status == HS_OK;
    return status;
}

/* Statuses and events of the line into the state file; false: they are not in it. */
static bool keep(struct hsp_keeper *keeper, struct hsp_board *board, bool anew) {
    struct hsp_board_file *file = &board->file;
    struct hs_error err = {0};
    uint64_t end = atomic_load(&board->tail);
    if (!anew && file->known && end == atomic_load(&board->logged) &&
        atomic_load(&file->done) == 0)
        return true;
    hsp_crash_point("module-keep");
    if (write_down(keeper, board, anew, &end, &err) != HS_OK) {
        complain(&file->log_fails, &err,
                 "until this is mended a crash would lose what is only in memory");
        return false;
    }
    hsp_crash_point("module-kept");
    atomic_store(&board->logged, end);
    atomic_store(&file->done, 0);
    if (hsp_complaint_over(&file->log_fails))
        hsp_hostlog(HSP_HOSTLOG_NOTICE, "the state file can be written again");
    return true;
}

/* The spool
 * ------------------------------------------------------------------------------------ */

/* One file of the oldest events up to `end`; `*at` moves behind them. */
static size_t gather(const struct hsp_board *board, uint64_t *at, uint64_t end,
                     struct hsp_buffer *file, char id[HSP_ID_LENGTH + 1]) {
    struct hsp_board_record record;
    size_t count = 0;
    hsp_record_begin(file);
    while (count < PUT_EVENTS && file->length < PUT_BYTES &&
           hsp_board_next(board, at, end, &record)) {
        if (record.event == NULL)
            continue;
        hsp_buffer_append(file, record.event, record.event_length);
        if (count++ == 0)
            snprintf(id, HSP_ID_LENGTH + 1, "%s", record.event + strlen("event "));
    }
    hsp_record_end(file, count);
    return count;
}

static enum hs_status put_some(struct hsp_keeper *keeper, const struct hsp_board *board,
                               uint64_t *at, uint64_t end, size_t *count,
                               struct hs_error *err) {
    struct hsp_buffer file = {0};
    char id[HSP_ID_LENGTH + 1] = "";
    enum hs_status status = HS_OK;
    *count = gather(board, at, end, &file, id);
    if (*count == 0)
        goto out;
    if (file.failed)
        status = hsp_fail(err, HS_E_NOMEM, "write batch: out of memory");
    if (status == HS_OK && *count > 1)
        status = hsp_id_new(id, err);
    if (status == HS_OK && keeper->spool == NULL)
        status = hs_spool_open(&keeper->spool, keeper->config, err);
    if (status == HS_OK)
        status = hsp_spool_put_file(keeper->spool, id, &file, err);

out:
    hsp_buffer_free(&file);
    return status;
}

/* Those of the line that are in the state file (or all, where there is none). */
static bool put(struct hsp_keeper *keeper, struct hsp_board *board, uint64_t end) {
    struct hsp_board_file *file = &board->file;
    uint64_t at = atomic_load(&board->put);
    bool any = false;
    while (at < end) {
        struct hs_error err = {0};
        size_t count = 0;
        if (put_some(keeper, board, &at, end, &count, &err) != HS_OK) {
            char what[80];
            snprintf(what, sizeof(what), "%" PRIu64 " events wait and are tried again",
                     atomic_load(&board->counts[HSP_BOARD_WAITING]));
            complain(&file->put_fails, &err, what);
            hs_spool_close(keeper->spool); /* it may be another folder by then */
            keeper->spool = NULL;
            return false;
        }
        hsp_crash_point("module-put");
        if (count > 0 && file->known) {
            if (atomic_load(&file->done) == 0)
                atomic_store(&file->done_us, hsp_clock_now().running_us);
            atomic_fetch_add(&file->done, count);
        }
        atomic_fetch_sub(&board->counts[HSP_BOARD_WAITING], count);
        atomic_store(&board->put, at);
        any = any || count > 0;
    }
    if (any && hsp_complaint_over(&file->put_fails))
        hsp_hostlog(HSP_HOSTLOG_NOTICE, "the spool takes events again");
    if (any) {
        hsp_board_lock(board);
        hsp_board_rewind(board);
        hsp_board_unlock(board);
    }
    return true;
}

/* Work
 * ------------------------------------------------------------------------------------ */

/* After a failure a second passes before the next attempt. */
static void set_next(_Atomic int64_t *again_us, bool done) {
    atomic_store(again_us, done ? 0 : hsp_clock_now().running_us + SECOND_US);
}

static bool may_keep(const struct hsp_board *board, int64_t now_us) {
    return now_us >= atomic_load(&board->file.keep_again_us);
}

static bool may_put(const struct hsp_board *board, int64_t now_us) {
    return now_us >= atomic_load(&board->file.put_again_us);
}

bool hsp_keeper_wants(const struct hsp_board *board, int64_t now_us) {
    const struct hsp_board_file *file = &board->file;
    const uint64_t tail = atomic_load(&board->tail);
    const bool is_behind = atomic_load(&board->logged) < tail;
    const bool is_old =
        atomic_load(&file->done) > 0 && now_us >= atomic_load(&file->done_us) + SECOND_US;
    return (may_keep(board, now_us) && (is_behind || is_old)) ||
           (may_put(board, now_us) && atomic_load(&board->put) < tail);
}

static void work(struct hsp_keeper *keeper, struct hsp_board *board, bool at_once) {
    struct hsp_board_file *file = &board->file;
    const int64_t now_us = hsp_clock_now().running_us;
    bool kept = false;
    if (at_once || may_keep(board, now_us)) {
        kept = keep(keeper, board, false);
        set_next(&file->keep_again_us, kept);
    }
    if (at_once || may_put(board, now_us))
        set_next(&file->put_again_us,
                 put(keeper, board, atomic_load(kept ? &board->logged : &board->tail)));
}

void hsp_keeper_work(struct hsp_keeper *keeper, struct hsp_board *board) {
    if (!hsp_board_lock_disk(board, PATIENCE_MS))
        return;
    /* Another process may have done it, or failed, meanwhile. */
    if (hsp_keeper_wants(board, hsp_clock_now().running_us))
        work(keeper, board, false);
    hsp_board_unlock_disk(board);
}

void hsp_keeper_finish(struct hsp_keeper *keeper, struct hsp_board *board) {
    if (!hsp_board_lock_disk(board, PATIENCE_MS))
        return;
    work(keeper, board, true);
    keep(keeper, board, true);
    hsp_board_unlock_disk(board);
}
