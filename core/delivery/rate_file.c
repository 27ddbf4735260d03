/* SPDX-License-Identifier: MIT */
/* The file of a rate window. A slot on disk is a promise to the receiver, so every doubt
 * (a torn line, a request under way when the daemon died, a time in the future) counts as
 * "ended just now".
 *
 * Limits: with the clock set forward across a reboot slots look older than they are. */
#include "config.h"

#include "rate_file.h"

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
static struct hsp_rate_slot read_line(const char *line, bool same_boot,
                                      const struct clocks *now) {
    const struct hsp_rate_slot just_now = {now->boot_ms, now->utc_ms};
    struct hsp_rate_slot slot;
    if (!parse_time(line, &slot.boot_ms) || line[16] != ' ' ||
        !parse_time(line + 17, &slot.utc_ms) || line[33] != '\n')
        return just_now;
    if (slot.boot_ms == HSP_SLOT_NEVER && slot.utc_ms == HSP_SLOT_NEVER)
        return slot;
    if (slot.boot_ms == HSP_SLOT_UNDER_WAY || slot.utc_ms < 0)
        return just_now;
    const bool is_future =
        same_boot ? slot.boot_ms > now->boot_ms : slot.utc_ms > now->utc_ms;
    if (is_future)
        return just_now;
    if (!same_boot)
        slot.boot_ms = now->boot_ms - (now->utc_ms - slot.utc_ms);
    if (slot.boot_ms == HSP_SLOT_UNDER_WAY || slot.boot_ms == HSP_SLOT_NEVER)
        slot.boot_ms = 1; /* later is safe */
    return slot;
}

/* Ended last first; the never used last of all. */
static int compare_newest(const void *a, const void *b) {
    const struct hsp_rate_slot *x = a, *y = b;
    const bool x_never = x->boot_ms == HSP_SLOT_NEVER,
               y_never = y->boot_ms == HSP_SLOT_NEVER;
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
    struct hsp_rate_slot *read = calloc(lines, sizeof(*read));
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

static void format_line(char line[LINE_LENGTH + 1], const struct hsp_rate_slot *slot) {
    snprintf(line, LINE_LENGTH + 1, "%016" PRIx64 " %016" PRIx64 "\n",
             (uint64_t)slot->boot_ms, (uint64_t)slot->utc_ms);
}

enum hs_status hsp_rate_file_write(struct hsp_rate_window *window, int slot,
                                   struct hs_error *err) {
    char line[LINE_LENGTH + 1];
    format_line(line, &window->slots[slot]);
    return write_at(window, line, LINE_LENGTH, HEAD_LENGTH + (off_t)slot * LINE_LENGTH,
                    err);
}

enum hs_status hsp_rate_file_sync(struct hsp_rate_window *window, struct hs_error *err) {
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
        status = hsp_rate_file_sync(window, err);
    if (status == HS_OK)
        status = write_at(window, head, HEAD_LENGTH, 0, err);
    if (status == HS_OK)
        status = hsp_rate_file_sync(window, err);
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

enum hs_status hsp_rate_file_open(struct hsp_rate_window *window, int dirfd,
                                  int64_t now_boot_ms, int64_t now_utc_ms,
                                  struct hs_error *err) {
    struct clocks now = {.boot_ms = now_boot_ms, .utc_ms = now_utc_ms};
    struct hsp_buffer text = {0};
    enum hs_status status = HS_OK;
    struct stat info = {0};
    read_boot_id(now.boot_id);
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
        status = read_slots(window, text.data, text.length, &now, err);
    if (status != HS_OK)
        goto out;
    if (info.st_size == (off_t)(HEAD_LENGTH + window->count * LINE_LENGTH))
        status = write_all(window, &now, err);
    else
        status = replace_file(window, dirfd, &now, err);
out:
    hsp_buffer_free(&text);
    return status;
}
