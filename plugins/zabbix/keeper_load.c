/* SPDX-License-Identifier: MIT */
/* Reading the state file into the board, by whichever process is the first to need it. */
#include "config.h"

#include "keeper.h"

#include "cursor.h"
#include "error.h"
#include "file.h"
#include "hostlog.h"
#include "statelog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct loading {
    struct hsp_board *board;
    struct hsp_clock now;
    size_t items, left_out;
};

static void load_item(const char *key, void *value, void *context) {
    struct loading *loading = context;
    struct hsp_cursor cursor = {key, key + strlen(key)};
    uint64_t itemid = 0;
    if (!hsp_take(&cursor, HSP_KEEPER_KEY) ||
        !hsp_take_number(&cursor, UINT64_MAX, &itemid) || cursor.at != cursor.end)
        return;
    struct hsp_board_item *item = hsp_board_add(loading->board, itemid, &loading->now);
    if (item != NULL && hsp_track_load(&item->track, value, &loading->now))
        loading->items++;
    else
        loading->left_out++;
}

/* Those that an earlier server could not put are the first of the line. */
static size_t load_events(struct hsp_board *board, const struct hsp_statelog *log) {
    const size_t count = hsp_statelog_edges(log);
    size_t taken = 0;
    for (; taken < count; taken++) {
        size_t length = 0;
        const char *event = hsp_statelog_edge(log, taken, &length);
        if (!hsp_board_prepare(board, 0, "", event, length))
            break;
        hsp_board_publish(board);
    }
    atomic_store(&board->counts[HSP_BOARD_WAITING], taken);
    return count - taken;
}

static void load_text(struct hsp_board *board, const struct hsp_statelog *log,
                      const char *path) {
    struct loading loading = {.board = board, .now = hsp_clock_now()};
    hsp_statelog_walk(log, load_item, &loading);
    const size_t lost = load_events(board, log);
    const size_t waiting = hsp_statelog_edges(log) - lost;
    if (loading.left_out + lost > 0) {
        hsp_hostlog(HSP_HOSTLOG_ERROR, "%s: no room for %zu items and %zu events", path,
                    loading.left_out, lost);
        board->file.is_foreign = true; /* and so it is kept beside */
        board->file.known = false;
    }
    if (waiting > 0)
        hsp_hostlog(HSP_HOSTLOG_NOTICE, "%zu events of before are put again", waiting);
}

static void load_file(struct hsp_keeper *keeper, struct hsp_board *board) {
    struct hsp_board_file *file = &board->file;
    struct hsp_statelog log = {0};
    struct hs_error warning = {0}, err = {0};
    struct stat info;
    size_t length = 0;
    char *text = hsp_read_file(AT_FDCWD, keeper->path, HSP_STATELOG_MAX, &length, &info);
    file->known = file->is_foreign = false;
    if (text == NULL) {
        if (errno == ENOENT)
            return;
        hsp_fail_errno(&warning, HS_E_IO, "read %s", keeper->path);
        file->is_foreign = true;
    } else if (hsp_statelog_read(&log, text, length, keeper->path, &warning, &err) !=
               HS_OK) {
        warning = err;
        file->is_foreign = true;
    } else {
        file->known = warning.status == HS_OK;
        file->is_foreign =
            strncmp(text, HSP_STATELOG_MAGIC, strlen(HSP_STATELOG_MAGIC)) != 0;
        file->device = info.st_dev;
        file->inode = info.st_ino;
        file->size = file->live_size = info.st_size;
        load_text(board, &log, keeper->path);
    }
    if (warning.status != HS_OK)
        hsp_hostlog(HSP_HOSTLOG_ERROR, "%s", warning.text);
    hsp_statelog_free(&log);
    free(text);
}

void hsp_keeper_load(struct hsp_keeper *keeper, struct hsp_board *board) {
    if (!hsp_board_lock_disk(board, -1))
        return;
    hsp_board_lock(board);
    if (!atomic_load(&board->loaded)) {
        hsp_board_reset(board);
        load_file(keeper, board);
        atomic_store(&board->logged, atomic_load(&board->tail));
        atomic_store(&board->loaded, true);
    }
    hsp_board_unlock(board);
    hsp_board_unlock_disk(board);
}
