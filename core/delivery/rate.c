/* SPDX-License-Identifier: MIT */
/* The sliding window of one endpoint: slots in memory, queued in the order in which they
 * ended, and the same slots in a file of fixed size. A slot on disk is a promise to the
 * receiver, so every doubt (a torn line, a request under way when the daemon died, a time
 * in the future) counts as "ended just now".
 *
 * Limits: with the clock set forward across a reboot slots look older than they are. */
#include "config.h"

#include "rate.h"

#include "../buffer.h"
#include "../error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_LENGTH 36
#define HEAD_LENGTH (BOOT_ID_LENGTH + 1)
#define LINE_LENGTH 34        /* 16 digits, a blank, 16 digits, a newline */
#define SLOTS_READ_MAX 100000 /* hsp_parse_rate allows no more */

enum { UNDER_WAY = -1, NEVER = 0 }; /* in place of a time */

struct slot {
    int64_t boot_ms; /* end of its last request; UNDER_WAY, NEVER */
    int64_t utc_ms;
};

struct hsp_rate_window {
    int fd;
    char *name; /* of the file, for messages */
    size_t count;
    int64_t window_ms;
    struct slot *slots;
    int *ended; /* ring of the slots not under way, the one that ended first at `head` */
    size_t head, ended_count;
    bool is_dirty; /* takes not yet synced */
};

struct clocks {
    int64_t boot_ms, utc_ms;
    char boot_id[BOOT_ID_LENGTH + 1]; /* "" where it cannot be had */
};

static void read_boot_id(char boot_id[BOOT_ID_LENGTH + 1]) {
    int fd = open(BOOT_ID_FILE, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, boot_id, BOOT_ID_LENGTH);
    boot_id[got == BOOT_ID_LENGTH ? BOOT_ID_LENGTH : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

/* Reading
 * ------------------------------------------------------------------------------------ */

/* 16 lower-case hex digits as two's complement. */
static bool parse_time(const char *text, int64_t *time_ms) {
    uint64_t value = 0;
    for (int i = 0; i < 16; i++) {
        const char *digits = "0123456789abcdef";
        const char *digit = text[i] == '\0' ? NULL : strchr(digits, text[i]);
        if (digit == NULL)
            return false;
        value = value << 4 | (uint64_t)(digit - digits);
    }
    *time_ms = (int64_t)value;
    return true;
}

/* What a line says in terms of the clocks of now. */
static struct slot read_line(const char *line, bool same_boot, const struct clocks *now) {
    const struct slot just_now = {now->boot_ms, now->utc_ms};
    struct slot slot;
    if (!parse_time(line, &slot.boot_ms) || line[16] != ' ' ||
        !parse_time(line + 17, &slot.utc_ms) || line[33] != '\n')
        return just_now;
    if (slot.boot_ms == NEVER && slot.utc_ms == NEVER)
        return slot;
    if (slot.boot_ms == UNDER_WAY || slot.utc_ms < 0)
        return just_now;
    const bool is_future =
        same_boot ? slot.boot_ms > now->boot_ms : slot.utc_ms > now->utc_ms;
    if (is_future)
        return just_now;
    if (!same_boot)
        slot.boot_ms = now->boot_ms - (now->utc_ms - slot.utc_ms);
    if (slot.boot_ms == UNDER_WAY || slot.boot_ms == NEVER)
        slot.boot_ms = 1; /* later is safe */
    return slot;
}

/* Ended last first; NEVER last of all. */
static int compare_newest(const void *a, const void *b) {
    const struct slot *x = a, *y = b;
    const bool x_never = x->boot_ms == NEVER, y_never = y->boot_ms == NEVER;
    if (x_never != y_never)
        return x_never ? 1 : -1;
    return (x->boot_ms < y->boot_ms) - (x->boot_ms > y->boot_ms);
}

/* Take the newest `count` slots over from `text`. */
static enum hs_status read_slots(struct hsp_rate_window *window, const char *text,
                                 size_t length, const struct clocks *now,
                                 struct hs_error *err) {
    const bool same_boot = length >= HEAD_LENGTH && now->boot_id[0] != '\0' &&
                           memcmp(text, now->boot_id, BOOT_ID_LENGTH) == 0 &&
                           text[BOOT_ID_LENGTH] == '\n';
    const size_t lines = length <= HEAD_LENGTH ? 0 : (length - HEAD_LENGTH) / LINE_LENGTH;
    if (lines == 0)
        return HS_OK;
    struct slot *read = calloc(lines, sizeof(*read));
    if (read == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read %s: out of memory", window->name);
    for (size_t i = 0; i < lines; i++)
        read[i] = read_line(text + HEAD_LENGTH + i * LINE_LENGTH, same_boot, now);
    /* Else each stays in its place, so that a write cut short by a crash loses none. */
    if (lines > window->count)
        qsort(read, lines, sizeof(*read), compare_newest);
    memcpy(window->slots, read,
           (lines < window->count ? lines : window->count) * sizeof(*read));
    free(read);
    return HS_OK;
}

/* All of the file, up to the largest that one can be. */
static enum hs_status read_file(struct hsp_rate_window *window, struct hsp_buffer *text,
                                struct hs_error *err) {
    const size_t max = HEAD_LENGTH + (size_t)SLOTS_READ_MAX * LINE_LENGTH;
    char piece[16384];
    while (text->length < max) {
        ssize_t got = read(window->fd, piece, sizeof(piece));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return hsp_fail_errno(err, HS_E_IO, "read %s", window->name);
        if (got == 0)
            break;
        hsp_buffer_append(text, piece, (size_t)got);
    }
    if (text->failed)
        return hsp_fail(err, HS_E_NOMEM, "read %s: out of memory", window->name);
    return HS_OK;
}

/* Writing
 * ------------------------------------------------------------------------------------ */

static enum hs_status write_at(struct hsp_rate_window *window, const char *bytes,
                               size_t length, off_t offset, struct hs_error *err) {
    while (length > 0) {
        ssize_t written = pwrite(window->fd, bytes, length, offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return hsp_fail_errno(err, HS_E_IO, "write %s", window->name);
        bytes += written;
        length -= (size_t)written;
        offset += written;
    }
    return HS_OK;
}

static void format_line(char line[LINE_LENGTH + 1], const struct slot *slot) {
    snprintf(line, LINE_LENGTH + 1, "%016" PRIx64 " %016" PRIx64 "\n",
             (uint64_t)slot->boot_ms, (uint64_t)slot->utc_ms);
}

static enum hs_status write_slot(struct hsp_rate_window *window, int slot,
                                 struct hs_error *err) {
    char line[LINE_LENGTH + 1];
    format_line(line, &window->slots[slot]);
    return write_at(window, line, LINE_LENGTH, HEAD_LENGTH + (off_t)slot * LINE_LENGTH,
                    err);
}

static enum hs_status sync_file(struct hsp_rate_window *window, struct hs_error *err) {
    if (fdatasync(window->fd) != 0)
        return hsp_fail_errno(err, HS_E_IO, "sync %s", window->name);
    return HS_OK;
}

/* The slots first, the boot id when they are durable: where a crash comes between, the
 * old boot id stands over them, so that the UTC column decides, which is the same. */
static enum hs_status write_all(struct hsp_rate_window *window, const struct clocks *now,
                                struct hs_error *err) {
    struct hsp_buffer text = {0};
    char line[LINE_LENGTH + 1];
    for (size_t i = 0; i < window->count; i++) {
        format_line(line, &window->slots[i]);
        hsp_buffer_append(&text, line, LINE_LENGTH);
    }
    char head[HEAD_LENGTH + 1];
    snprintf(head, sizeof(head), "%-*s\n", BOOT_ID_LENGTH, now->boot_id);
    enum hs_status status =
        text.failed ? hsp_fail(err, HS_E_NOMEM, "write %s: out of memory", window->name)
                    : write_at(window, text.data, text.length, HEAD_LENGTH, err);
    if (status == HS_OK)
        status = sync_file(window, err);
    if (status == HS_OK)
        status = write_at(window, head, HEAD_LENGTH, 0, err);
    if (status == HS_OK)
        status = sync_file(window, err);
    hsp_buffer_free(&text);
    return status;
}

/* Put a file of the right size in the place of one that is missing or of another size.
 * The old one stays until the new one is whole. */
static enum hs_status replace_file(struct hsp_rate_window *window, int dirfd,
                                   const struct clocks *now, struct hs_error *err) {
    char temporary[256];
    snprintf(temporary, sizeof(temporary), "%s.new", window->name);
    enum hs_status status = HS_OK;
    bool created = false;
    if (window->fd >= 0)
        close(window->fd);
    unlinkat(dirfd, temporary, 0); /* left by a crash */
    window->fd = openat(dirfd, temporary,
                        O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (window->fd < 0) {
        status = hsp_fail_errno(err, HS_E_IO, "make %s", temporary);
        goto out;
    }
    created = true;
    if (fchmod(window->fd, 0600) != 0) {
        status = hsp_fail_errno(err, HS_E_IO, "set the mode of %s", temporary);
        goto out;
    }
    status = write_all(window, now, err);
    if (status != HS_OK)
        goto out;
    if (fsync(window->fd) != 0 || renameat(dirfd, temporary, dirfd, window->name) != 0) {
        status = hsp_fail_errno(err, HS_E_IO, "rename %s", temporary);
        goto out;
    }
    created = false;
    if (fsync(dirfd) != 0)
        status = hsp_fail_errno(err, HS_E_IO, "sync the folder of %s", window->name);
out:
    if (created)
        unlinkat(dirfd, temporary, 0);
    return status;
}

/* Opening
 * ------------------------------------------------------------------------------------ */

static enum hs_status open_file(struct hsp_rate_window *window, int dirfd,
                                const struct clocks *now, struct hs_error *err) {
    struct hsp_buffer text = {0};
    enum hs_status status = HS_OK;
    struct stat info = {0};
    window->fd = openat(dirfd, window->name,
                        O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (window->fd < 0 && errno != ENOENT) {
        status = hsp_fail_errno(err, HS_E_IO, "open %s", window->name);
        goto out;
    }
    if (window->fd >= 0 && (fstat(window->fd, &info) != 0 || !S_ISREG(info.st_mode))) {
        status = hsp_fail(err, HS_E_IO, "open %s: not a file", window->name);
        goto out;
    }
    if (window->fd >= 0)
        status = read_file(window, &text, err);
    if (status == HS_OK)
        status = read_slots(window, text.data, text.length, now, err);
    if (status != HS_OK)
        goto out;
    if (info.st_size == (off_t)(HEAD_LENGTH + window->count * LINE_LENGTH))
        status = write_all(window, now, err);
    else
        status = replace_file(window, dirfd, now, err);
out:
    hsp_buffer_free(&text);
    return status;
}

static int compare_ended(const void *a, const void *b, void *slots) {
    const struct slot *all = slots;
    const int64_t x = all[*(const int *)a].boot_ms, y = all[*(const int *)b].boot_ms;
    return (x > y) - (x < y);
}

/* A slot never used counts as ended long enough ago. */
static void queue_slots(struct hsp_rate_window *window, int64_t now_boot_ms) {
    for (size_t i = 0; i < window->count; i++) {
        struct slot *slot = &window->slots[i];
        if (slot->boot_ms == NEVER)
            slot->boot_ms = now_boot_ms - window->window_ms - 1;
        window->ended[i] = (int)i;
    }
    qsort_r(window->ended, window->count, sizeof(*window->ended), compare_ended,
            window->slots);
    window->head = 0;
    window->ended_count = window->count;
}

enum hs_status hsp_rate_open(struct hsp_rate_window **window, int dirfd, const char *name,
                             const struct hsp_rate *rate, int64_t now_boot_ms,
                             int64_t now_utc_ms, struct hs_error *err) {
    struct clocks now = {.boot_ms = now_boot_ms, .utc_ms = now_utc_ms};
    enum hs_status status = HS_OK;
    struct hsp_rate_window *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        status = hsp_fail(err, HS_E_NOMEM, "open %s: out of memory", name);
        goto out;
    }
    made->fd = -1;
    if (rate->count > 0) {
        made->count = (size_t)rate->count;
        made->window_ms = rate->window_ms;
        made->name = strdup(name);
        made->slots = calloc(made->count, sizeof(*made->slots));
        made->ended = calloc(made->count, sizeof(*made->ended));
        if (made->name == NULL || made->slots == NULL || made->ended == NULL) {
            status = hsp_fail(err, HS_E_NOMEM, "open %s: out of memory", name);
            goto out;
        }
        read_boot_id(now.boot_id);
        status = open_file(made, dirfd, &now, err);
        if (status != HS_OK)
            goto out;
        queue_slots(made, now_boot_ms);
    }
    *window = made;
    made = NULL;
out:
    hsp_rate_close(made);
    return status;
}

void hsp_rate_close(struct hsp_rate_window *window) {
    if (window == NULL)
        return;
    if (window->fd >= 0)
        close(window->fd);
    free(window->name);
    free(window->slots);
    free(window->ended);
    free(window);
}

/* Using
 * ------------------------------------------------------------------------------------ */

/* One more than the window, for both ends are cut to whole milliseconds. */
static int64_t free_at(const struct hsp_rate_window *window, const struct slot *slot) {
    return slot->boot_ms + window->window_ms + 1;
}

int64_t hsp_rate_next(const struct hsp_rate_window *window, int64_t now_boot_ms) {
    if (window->count == 0)
        return now_boot_ms;
    if (window->ended_count == 0)
        return INT64_MAX;
    return free_at(window, &window->slots[window->ended[window->head]]);
}

enum hs_status hsp_rate_take(struct hsp_rate_window *window, int64_t now_boot_ms,
                             int64_t now_utc_ms, int *slot, struct hs_error *err) {
    if (window->count == 0) {
        *slot = -1;
        return HS_OK;
    }
    if (hsp_rate_next(window, now_boot_ms) > now_boot_ms)
        return hsp_fail(err, HS_E_IO, "take a slot of %s: none is free", window->name);
    const int taken = window->ended[window->head];
    const struct slot before = window->slots[taken];
    window->slots[taken] = (struct slot){UNDER_WAY, now_utc_ms};
    enum hs_status status = write_slot(window, taken, err);
    if (status != HS_OK) {
        window->slots[taken] = before;
        return status;
    }
    window->head = (window->head + 1) % window->count;
    window->ended_count--;
    window->is_dirty = true;
    *slot = taken;
    return HS_OK;
}

enum hs_status hsp_rate_sync(struct hsp_rate_window *window, struct hs_error *err) {
    if (!window->is_dirty)
        return HS_OK;
    enum hs_status status = sync_file(window, err);
    if (status == HS_OK)
        window->is_dirty = false;
    return status;
}

enum hs_status hsp_rate_end(struct hsp_rate_window *window, int slot, int64_t now_boot_ms,
                            int64_t now_utc_ms, struct hs_error *err) {
    if (slot < 0)
        return HS_OK;
    window->slots[slot] = (struct slot){now_boot_ms, now_utc_ms};
    window->ended[(window->head + window->ended_count) % window->count] = slot;
    window->ended_count++;
    return write_slot(window, slot, err);
}

int64_t hsp_rate_used(const struct hsp_rate_window *window, int64_t now_boot_ms) {
    int64_t used = (int64_t)(window->count - window->ended_count);
    for (size_t i = 0; i < window->count; i++) {
        const struct slot *slot = &window->slots[i];
        if (slot->boot_ms != UNDER_WAY && free_at(window, slot) > now_boot_ms)
            used++;
    }
    return used;
}
