/* SPDX-License-Identifier: MIT */
/* The durable steps of fan-out, in the disk thread. After each fsync stands what a crash
 * there leaves behind. */
#include "config.h"

#include "placing.h"

#include "../crash.h"
#include "../error.h"
#include "trim.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 30000 /* to one copy: ext4 takes 65,000 */
#define COPY_NAME_MAX 24

static void staged_name(const struct hsp_file *file, char name[17]) {
    snprintf(name, 17, "%016" PRIx64, file->first);
}

static void copy_name(const struct hsp_file *file, char name[COPY_NAME_MAX]) {
    snprintf(name, COPY_NAME_MAX, "%016" PRIx64 ".copy", file->first);
}

static enum hs_status sync_folder(int fd, const char *name, struct hs_error *err) {
    return fsync(fd) == 0 ? HS_OK : hsp_fail_errno(err, HS_E_IO, "sync %s", name);
}

/* 1. Files that need copies are put aside under their number. A crash leaves each either
 * in incoming/ (as if nothing had been) or staged. */
static enum hs_status stage(struct hsp_placing *placing, struct hs_error *err) {
    bool any = false;
    for (size_t i = 0; i < placing->file_count; i++) {
        const struct hsp_file *file = &placing->files[i];
        if (file->fate != HSP_FILE_COPY || file->staged)
            continue;
        char name[17];
        staged_name(file, name);
        if (renameat(placing->dir->incoming, file->name, placing->dir->staged, name) !=
                0 &&
            errno != ENOENT) /* ENOENT: done by an earlier run */
            return hsp_fail_errno(err, HS_E_IO, "stage incoming/%s", file->name);
        any = true;
    }
    enum hs_status status = HS_OK;
    if (any)
        status = sync_folder(placing->dir->staged, "queue/.staged", err);
    if (any && status == HS_OK)
        status = sync_folder(placing->dir->incoming, "incoming/", err);
    return status;
}

static enum hs_status move_into(const struct hsp_placing *placing,
                                const struct hsp_placement *placement,
                                struct hs_error *err) {
    const char *name = placing->files[placement->file].name;
    char path[HSP_ENTRY_PATH_MAX];
    hsp_entry_path(&placement->entry, path);
    int fd = placement->endpoint->queue_fd;
    if (renameat(placing->dir->incoming, name, fd, path) == 0)
        return HS_OK;
    /* Either the folder is missing or the file is, done by an earlier run. */
    enum hs_status status =
        errno == ENOENT
            ? hsp_endpoint_make_shard(placement->endpoint, placement->entry.sequence, err)
            : HS_OK;
    if (status == HS_OK && renameat(placing->dir->incoming, name, fd, path) != 0 &&
        errno != ENOENT)
        status = hsp_fail_errno(err, HS_E_IO, "move incoming/%s to queue/%s", name,
                                placement->endpoint->name);
    return status;
}

/* The copy of a staged file, with the submitter's uid: written anew, synced, and where
 * each event begins in it. */
static enum hs_status write_copy(struct hsp_placing *placing, size_t first, size_t end,
                                 const char *name, struct hs_error *err) {
    struct hsp_buffer text = {0};
    size_t count = 0;
    hsp_record_begin(&text);
    hsp_record_from(&text, placing->files[placing->placements[first].file].owner);
    for (size_t i = first; i < end; i++) {
        struct hsp_placement *placement = &placing->placements[i];
        bool same =
            i > first && placement->entry.sequence == placement[-1].entry.sequence;
        placement->entry.offset =
            same ? placement[-1].entry.offset : (uint32_t)text.length;
        if (same)
            continue;
        hsp_record_event(&text, &placement->event);
        count++;
    }
    hsp_record_end(&text, count);
    enum hs_status status = text.failed
                                ? hsp_fail(err, HS_E_NOMEM, "copy events: out of memory")
                                : hsp_replace_file(placing->dir->staged, name, 0600,
                                                   text.data, text.length, true, err);
    hsp_buffer_free(&text);
    /* Its age is the event's, for max_age and the status. */
    int64_t put_ms = placing->files[placing->placements[first].file].put_utc_ms;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                {put_ms / 1000, put_ms % 1000 * 1000000}};
    if (status == HS_OK)
        (void)!utimensat(placing->dir->staged, name, times, 0);
    return status;
}

static enum hs_status link_into(const struct hsp_placing *placing,
                                const struct hsp_placement *placement, const char *name,
                                struct hs_error *err) {
    char path[HSP_ENTRY_PATH_MAX];
    hsp_entry_path(&placement->entry, path);
    int from = placing->dir->staged, to = placement->endpoint->queue_fd;
    if (linkat(from, name, to, path, 0) == 0)
        return HS_OK;
    enum hs_status status = HS_OK;
    if (errno == ENOENT)
        status =
            hsp_endpoint_make_shard(placement->endpoint, placement->entry.sequence, err);
    else if (errno == EEXIST)
        (void)unlinkat(to, path, 0); /* by an earlier run, of an earlier copy */
    if (status == HS_OK && linkat(from, name, to, path, 0) != 0)
        status = hsp_fail_errno(err, HS_E_IO, "link queue/%s/%s",
                                placement->endpoint->name, path);
    return status;
}

static void close_copies(struct hsp_placing *placing) {
    while (placing->copy_count > 0)
        close(placing->copies[--placing->copy_count].fd);
}

/* For the main loop, which will read from it at once. That it cannot be had is no
 * failure. */
static void hold_open(struct hsp_placing *placing, size_t first, size_t end,
                      const char *name) {
    const struct hsp_placement *placements = placing->placements;
    struct hsp_copy *more =
        realloc(placing->copies, (placing->copy_count + 1) * sizeof *more);
    if (more == NULL)
        return;
    placing->copies = more;
    more[placing->copy_count] = (struct hsp_copy){
        .first = placements[first].entry.sequence,
        .last = placements[end - 1].entry.sequence,
        .fd = openat(placing->dir->staged, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC),
        .uid = placing->files[placements[first].file].owner,
    };
    if (more[placing->copy_count].fd >= 0)
        placing->copy_count++;
}

/* Placements from `first` on of the same file: a copy, and links to it. */
static enum hs_status copy_file(struct hsp_placing *placing, size_t first, size_t *end,
                                struct hs_error *err) {
    char name[COPY_NAME_MAX];
    size_t file = placing->placements[first].file, last = first;
    copy_name(&placing->files[file], name);
    while (last < placing->placement_count && placing->placements[last].file == file &&
           last - first < LINKS_MAX)
        last++;
    enum hs_status status = write_copy(placing, first, last, name, err);
    if (status == HS_OK)
        hold_open(placing, first, last, name);
    for (size_t i = first; status == HS_OK && i < last; i++)
        status = link_into(placing, &placing->placements[i], name, err);
    *end = last;
    return status;
}

/* 2. Every event into every queue that wants it. */
static enum hs_status place(struct hsp_placing *placing, struct hs_error *err) {
    enum hs_status status = HS_OK;
    close_copies(placing); /* of an earlier run */
    for (size_t i = 0; status == HS_OK && i < placing->placement_count;) {
        const struct hsp_placement *placement = &placing->placements[i];
        if (placing->files[placement->file].fate == HSP_FILE_COPY)
            status = copy_file(placing, i, &i, err);
        else
            status = move_into(placing, &placing->placements[i++], err);
    }
    return status;
}

/* Was the folder of placements[index] synced for an earlier one? */
static bool is_synced(const struct hsp_placing *placing, size_t index) {
    const struct hsp_placement *one = &placing->placements[index];
    for (size_t i = index; i-- > 0;) {
        const struct hsp_placement *other = &placing->placements[i];
        if (other->entry.sequence >> 10 != one->entry.sequence >> 10)
            return false; /* placements ascend: no earlier one can be of this folder */
        if (other->endpoint == one->endpoint)
            return true;
    }
    return false;
}

/* 3. Queues and incoming/ to disk. A crash before leaves moved files in either place and
 * staged ones still staged. */
static enum hs_status sync_places(struct hsp_placing *placing, struct hs_error *err) {
    enum hs_status status = HS_OK;
    for (size_t i = 0; status == HS_OK && i < placing->placement_count; i++) {
        const struct hsp_placement *placement = &placing->placements[i];
        if (is_synced(placing, i))
            continue;
        char shard[3];
        hsp_entry_shard(placement->entry.sequence, shard);
        int fd = openat(placement->endpoint->queue_fd, shard,
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return hsp_fail_errno(err, HS_E_IO, "open queue/%s/%s",
                                  placement->endpoint->name, shard);
        status = sync_folder(fd, placement->endpoint->name, err);
        close(fd);
    }
    if (status == HS_OK)
        status = sync_folder(placing->dir->incoming, "incoming/", err);
    return status;
}

/* 4. What is done with goes, the journal lines being written. */
static enum hs_status clear_up(struct hsp_placing *placing, struct hs_error *err) {
    enum hs_status status = HS_OK;
    bool incoming = false, staged = false;
    for (size_t i = 0; status == HS_OK && i < placing->file_count; i++) {
        const struct hsp_file *file = &placing->files[i];
        char name[17];
        staged_name(file, name);
        bool aside = file->staged || file->fate == HSP_FILE_COPY;
        int fd = aside ? placing->dir->staged : placing->dir->incoming;
        const char *path = aside ? name : file->name;
        if (file->fate == HSP_FILE_QUARANTINE)
            status = hsp_corrupt_move(placing->dir->corrupt, fd, path,
                                      hsp_now_ms(CLOCK_REALTIME), err);
        else if (file->fate != HSP_FILE_MOVE && unlinkat(fd, path, 0) != 0 &&
                 errno != ENOENT)
            status = hsp_fail_errno(err, HS_E_IO, "remove %s", path);
        if (file->fate == HSP_FILE_COPY) {
            char copy[COPY_NAME_MAX];
            copy_name(file, copy);
            (void)unlinkat(fd, copy, 0); /* only its links count from now on */
        }
        staged |= aside;
        incoming |= !aside && file->fate != HSP_FILE_MOVE;
    }
    if (staged && status == HS_OK)
        status = sync_folder(placing->dir->staged, "queue/.staged", err);
    if (incoming && status == HS_OK)
        status = sync_folder(placing->dir->incoming, "incoming/", err);
    return status;
}

/* 5. Only now remembered: a crash before leaves events in the queues whose numbers are
 * above all remembered ones, and a start remembers those. */
static enum hs_status remember(struct hsp_placing *placing, struct hs_error *err) {
    size_t count = placing->memories.length / HSP_RECENT_LINE;
    if (count == 0)
        return HS_OK;
    enum hs_status status = hsp_recent_write(placing->recent, placing->first_memory,
                                             placing->memories.data, count, err);
    return status == HS_OK ? hsp_recent_sync(placing->recent, err) : status;
}

static enum hs_status write_lines(struct hsp_placing *placing, struct hs_error *err) {
    if (placing->journaled || placing->lines.length == 0)
        return HS_OK;
    enum hs_status status = hsp_journal_write(placing->journal, placing->lines.data,
                                              placing->lines.length, err);
    placing->journaled = status == HS_OK;
    return status;
}

/* corrupt/ is for a person, but not for ever more. */
static enum hs_status bound_corrupt(struct hsp_placing *placing, struct hs_error *err) {
    bool any = false;
    for (size_t i = 0; i < placing->file_count; i++)
        any |= placing->files[i].fate == HSP_FILE_QUARANTINE;
    if (!any)
        return HS_OK;
    struct hsp_trim trim;
    enum hs_status status =
        hsp_trim_choose(&trim, placing->dir->corrupt, NULL, HSP_CORRUPT_MAX,
                        HSP_CORRUPT_MAX_BYTES, hsp_now_ms(CLOCK_REALTIME), err);
    if (status == HS_OK && trim.count > 0)
        status =
            hsp_journal_write(placing->journal, trim.lines.data, trim.lines.length, err);
    if (status == HS_OK)
        hsp_trim_remove(&trim, placing->dir->corrupt);
    hsp_trim_free(&trim);
    return status;
}

enum hs_status hsp_placing_work(struct hsp_job *job, struct hs_error *err) {
    struct hsp_placing *placing = (struct hsp_placing *)job;
    hsp_crash_point("intake-read");
    enum hs_status status = stage(placing, err);
    hsp_crash_point("intake-staged");
    if (status == HS_OK)
        status = place(placing, err);
    hsp_crash_point("intake-copied");
    if (status == HS_OK && placing->placement_count > 0)
        status = sync_places(placing, err);
    hsp_crash_point("intake-placed");
    if (status == HS_OK)
        status = write_lines(placing, err);
    if (status == HS_OK)
        status = clear_up(placing, err);
    if (status == HS_OK)
        status = remember(placing, err);
    hsp_crash_point("intake-recorded");
    if (status == HS_OK)
        status = bound_corrupt(placing, err);
    return status;
}

void hsp_placing_free(struct hsp_placing *placing) {
    if (placing == NULL)
        return;
    for (size_t i = 0; i < placing->file_count; i++)
        free(placing->files[i].bytes);
    free(placing->files);
    free(placing->placements);
    close_copies(placing);
    free(placing->copies);
    hsp_buffer_free(&placing->memories);
    hsp_buffer_free(&placing->lines);
    free(placing);
}
