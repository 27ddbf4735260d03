/* SPDX-License-Identifier: MIT */
/* Following an exported file. Zabbix closes a file before it renames it, so one whose
 * name leads to another file is whole: it is read to its end through the descriptor that
 * is open, whatever became of its name, and then the next one is looked for. */
#include "config.h"

#include "error.h"
#include "follow.h"
#include "named.h"
#include "position.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (64 * 1024)
#define NAME_ROOM 288
#define LOOKS 100 /* at names that keep changing */

struct hsp_follow {
    struct hsp_follow_options options;
    char *name, *wanted; /* wanted: the position to begin at; NULL */
    int fd;              /* -1: no file yet */
    struct stat info;    /* which file it is */
    struct hsp_place place;
    bool final;    /* nothing more will be written to it */
    bool skipping; /* within a line that is passed over */
    int64_t due;   /* bytes until the mark */
    uint64_t skipped;
    char *buffer; /* bytes of the file from place.offset on */
    size_t begin, end, room;
    size_t looked;           /* bytes behind `begin` without a line end */
    size_t line_length;      /* of the line at hand with its end; 0: none */
    size_t text_length;      /* without its end */
    struct hs_error failure; /* why the file to go on with may not be opened */
};

static void say(struct hsp_follow *follow, const char *format, ...) HS_PRINTF(2, 3);

static void say(struct hsp_follow *follow, const char *format, ...) {
    char text[256], line[384];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    snprintf(line, sizeof(line), "%.100s.ndjson: %s", follow->name, text);
    follow->options.say(follow->options.context, line);
}

/* Which file
 * ------------------------------------------------------------------------------------ */

static void forget_buffer(struct hsp_follow *follow) {
    follow->begin = follow->end = follow->looked = follow->line_length = 0;
}

/* Go on with this file, from `place` on. */
static void take(struct hsp_follow *follow, struct hsp_named *one,
                 const struct hsp_place *place, bool final) {
    if (follow->fd >= 0)
        close(follow->fd);
    follow->fd = one->fd;
    follow->info = one->info;
    one->fd = -1;
    follow->place = *place;
    follow->place.inode = (uint64_t)one->info.st_ino;
    follow->final = final;
    follow->skipping = false;
    forget_buffer(follow);
    free(follow->wanted);
    follow->wanted = NULL;
}

/* At the end of what is there. A line that is half written is news, once it is whole. */
static void take_end(struct hsp_follow *follow, struct hsp_named *one, bool final) {
    char last = '\n';
    const int64_t size = one->info.st_size;
    const struct hsp_place place = {
        .offset = final ? size : hsp_place_of_half(one->fd, size, HSP_FOLLOW_LINE_MAX)};
    if (place.offset > 0 && pread(one->fd, &last, 1, place.offset - 1) != 1)
        last = '\n';
    take(follow, one, &place, final);
    follow->skipping = last != '\n';
}

/* As take_end, of a file that may not be opened yet: what was there by now is old. */
static void note_end(struct hsp_follow *follow, const struct hsp_named *one) {
    char text[HSP_POSITION_MAX];
    const struct hsp_place place = {.inode = (uint64_t)one->info.st_ino,
                                    .offset = one->info.st_size};
    if (place.inode == 0)
        return;
    hsp_place_print(&place, text, sizeof(text));
    follow->wanted = strdup(text);
    follow->options.from_end = follow->wanted == NULL;
}

/* `one` is the file to go on with, from its beginning, if only it could be opened. */
static bool is_open(struct hsp_follow *follow, const struct hsp_named *one) {
    if (one->fd < 0)
        follow->failure = one->err;
    return one->fd >= 0;
}

static void choose_first(struct hsp_follow *follow, struct hsp_named *now,
                         struct hsp_named *old) {
    struct hsp_place place;
    const struct hsp_place start = {0};
    const bool known = follow->wanted != NULL && hsp_place_read(&place, follow->wanted);
    if (known && now->fd >= 0 && hsp_place_fits(&place, now->fd)) {
        take(follow, now, &place, false);
    } else if (known && old->fd >= 0 && hsp_place_fits(&place, old->fd)) {
        take(follow, old, &place, true);
    } else if (known && (now->err.status != HS_OK || old->err.status != HS_OK)) {
        /* It may be the one. */
        follow->failure = now->err.status != HS_OK ? now->err : old->err;
    } else if (follow->wanted == NULL && follow->options.from_end) {
        struct hsp_named *one = now->there ? now : old;
        if (is_open(follow, one))
            take_end(follow, one, one == old);
        else
            note_end(follow, one);
    } else {
        struct hsp_named *one = old->there ? old : now;
        if (!is_open(follow, one))
            return;
        if (follow->wanted != NULL)
            say(follow, "the file that was read last is gone: what was written to it "
                        "since then is lost");
        take(follow, one, &start, one == old);
    }
    if (follow->fd >= 0)
        follow->options.from_end = false;
}

/* The file after one that is read to its end: that in between, where it was rotated
 * twice, else the one that is written now. */
static void choose_next(struct hsp_follow *follow, struct hsp_named *now,
                        struct hsp_named *old) {
    const struct hsp_place start = {0};
    struct hsp_named *next = NULL;
    if (old->there && !hsp_named_is_same(&old->info, &follow->info) &&
        (!now->there || !hsp_named_is_same(&old->info, &now->info)))
        next = old;
    else if (now->there && !hsp_named_is_same(&now->info, &follow->info))
        next = now;
    if (next != NULL && is_open(follow, next))
        take(follow, next, &start, next == old);
}

/* Is there a file to read from now, another one than before? A rotation between the two
 * looks shows as one file under both names. */
static bool choose(struct hsp_follow *follow) {
    const int before = follow->fd;
    struct stat info = follow->info;
    struct hsp_named now, old;
    follow->failure = (struct hs_error){0};
    for (int i = 0;; i++) {
        hsp_named_open(&now, follow->options.dirfd, follow->name, "");
        hsp_named_open(&old, follow->options.dirfd, follow->name, ".old");
        if (now.fd < 0 || old.fd < 0 || !hsp_named_is_same(&now.info, &old.info) ||
            i == LOOKS)
            break;
        hsp_named_drop(&now);
        hsp_named_drop(&old);
    }
    if (now.there || old.there) {
        if (before < 0)
            choose_first(follow, &now, &old);
        else
            choose_next(follow, &now, &old);
    }
    hsp_named_drop(&now);
    hsp_named_drop(&old);
    return follow->fd >= 0 && (before < 0 || !hsp_named_is_same(&info, &follow->info));
}

/* Reading
 * ------------------------------------------------------------------------------------ */

static void step(struct hsp_follow *follow, size_t length) {
    follow->begin += length;
    follow->place.offset += (int64_t)length;
    follow->due -= (int64_t)length;
    follow->looked = follow->line_length = 0;
}

static void skip(struct hsp_follow *follow, const char *why) {
    if (!follow->skipping) {
        follow->skipped++;
        say(follow, "%s at byte %lld, passed over", why, (long long)follow->place.offset);
    }
}

/* Read on behind what is in the buffer; how much, 0: there is no more. */
static enum hs_status fill(struct hsp_follow *follow, size_t *count,
                           struct hs_error *err) {
    const size_t length = follow->end - follow->begin;
    ssize_t got;
    if (follow->begin > 0)
        memmove(follow->buffer, follow->buffer + follow->begin, length);
    follow->begin = 0;
    follow->end = length;
    if (follow->room < length + CHUNK) {
        char *grown = realloc(follow->buffer, length * 2 + CHUNK);
        if (grown == NULL)
            return hsp_fail(err, HS_E_NOMEM, "read %s: out of memory", follow->name);
        follow->buffer = grown;
        follow->room = length * 2 + CHUNK;
    }
    do
        got = pread(follow->fd, follow->buffer + length, CHUNK,
                    follow->place.offset + (int64_t)length);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return hsp_fail_errno(err, HS_E_IO, "read %s.ndjson", follow->name);
    follow->end += (size_t)got;
    *count = (size_t)got;
    return HS_OK;
}

/* At the end: is the file still the one by its name? true: look again. */
static bool look(struct hsp_follow *follow) {
    char name[NAME_ROOM];
    struct stat info, named;
    const int64_t seen = follow->place.offset + (int64_t)(follow->end - follow->begin);
    if (fstat(follow->fd, &info) == 0 && info.st_size < seen) {
        const struct hsp_place start = {.inode = follow->place.inode};
        say(follow, "it has become shorter, and is read from its beginning");
        follow->place = start;
        follow->due = info.st_size;
        follow->skipping = false;
        forget_buffer(follow);
        return info.st_size > 0;
    }
    if (follow->final) {
        if (follow->end > follow->begin) {
            skip(follow, "its last line is cut");
            step(follow, follow->end - follow->begin);
        }
        return choose(follow);
    }
    snprintf(name, sizeof(name), "%s.ndjson", follow->name);
    follow->final =
        fstatat(follow->options.dirfd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
        !hsp_named_is_same(&named, &follow->info);
    return follow->final;
}

/* The line end behind `begin`, if there is one in the buffer; else make use of what is
 * there. NULL: more has to be read. */
static const char *find_end(struct hsp_follow *follow) {
    const char *from = follow->buffer + follow->begin;
    const size_t length = follow->end - follow->begin;
    const char *end = length == follow->looked
                          ? NULL
                          : memchr(from + follow->looked, '\n', length - follow->looked);
    if (end != NULL)
        return end;
    follow->looked = length;
    if (length > HSP_FOLLOW_LINE_MAX || (follow->skipping && length > 0)) {
        skip(follow, "a line of more than 1 MB");
        follow->skipping = true;
        step(follow, length);
    }
    return NULL;
}

/* Is the line that ends at `end` one to hand out? It is passed over otherwise. */
static bool accept(struct hsp_follow *follow, const char *end) {
    const char *from = follow->buffer + follow->begin;
    const size_t length = (size_t)(end - from);
    const char *needle = follow->options.needle;
    const bool wanted =
        !follow->skipping &&
        (needle == NULL || memmem(from, length, needle, strlen(needle)) != NULL);
    if (wanted) {
        follow->line_length = length + 1;
        follow->text_length = length;
    } else {
        step(follow, length + 1);
    }
    follow->skipping = false;
    return wanted;
}

enum hs_status hsp_follow_peek(struct hsp_follow *follow, const char **text,
                               size_t *length, struct hs_error *err) {
    *text = NULL;
    if (follow->fd < 0 && !choose(follow))
        return HS_OK;
    while (follow->line_length == 0) {
        size_t count = 0;
        const char *end = follow->end > follow->begin ? find_end(follow) : NULL;
        if (end != NULL) {
            accept(follow, end);
            continue;
        }
        const enum hs_status status = fill(follow, &count, err);
        if (status != HS_OK)
            return status;
        if (count == 0 && !look(follow))
            return HS_OK;
    }
    *text = follow->buffer + follow->begin;
    *length = follow->text_length;
    return HS_OK;
}

void hsp_follow_cut(struct hsp_follow *follow, size_t length) {
    follow->line_length = follow->text_length = length;
}

void hsp_follow_consume(struct hsp_follow *follow) {
    if (follow->line_length > 0)
        step(follow, follow->line_length);
}

/* Marks
 * ------------------------------------------------------------------------------------ */

/* The size of a file by its name where it is another one than ours, else 0. */
static int64_t size_of_other(const struct hsp_follow *follow, const char *suffix) {
    char name[NAME_ROOM];
    struct stat named;
    snprintf(name, sizeof(name), "%s.ndjson%s", follow->name, suffix);
    if (fstatat(follow->options.dirfd, name, &named, AT_SYMLINK_NOFOLLOW) != 0 ||
        hsp_named_is_same(&named, &follow->info))
        return 0;
    return named.st_size;
}

void hsp_follow_mark(struct hsp_follow *follow) {
    struct stat info;
    if (follow->fd < 0)
        (void)choose(follow);
    follow->due = 0;
    if (follow->fd < 0 || fstat(follow->fd, &info) != 0)
        return;
    const int64_t newer = size_of_other(follow, "");
    follow->due = info.st_size - follow->place.offset + newer;
    /* The .old of a file that is still written to was read before it. */
    if (newer > 0 || follow->final)
        follow->due += size_of_other(follow, ".old");
}

bool hsp_follow_is_due(const struct hsp_follow *follow) { return follow->due <= 0; }

const struct hs_error *hsp_follow_failure(const struct hsp_follow *follow) {
    return &follow->failure;
}

bool hsp_follow_position(struct hsp_follow *follow, char text[HSP_POSITION_MAX]) {
    if (follow->fd < 0)
        return follow->wanted != NULL &&
               snprintf(text, HSP_POSITION_MAX, "%s", follow->wanted) < HSP_POSITION_MAX;
    hsp_place_update(&follow->place, follow->fd);
    hsp_place_print(&follow->place, text, HSP_POSITION_MAX);
    return true;
}

uint64_t hsp_follow_skipped(const struct hsp_follow *follow) { return follow->skipped; }

const char *hsp_follow_name(const struct hsp_follow *follow) { return follow->name; }

enum hs_status hsp_follow_open(struct hsp_follow **follow,
                               const struct hsp_follow_options *options,
                               struct hs_error *err) {
    struct hsp_follow *made = calloc(1, sizeof(*made));
    if (made != NULL) {
        made->fd = -1;
        made->options = *options;
        made->name = strdup(options->name);
        made->wanted = options->position == NULL ? NULL : strdup(options->position);
    }
    if (made == NULL || made->name == NULL ||
        (options->position != NULL && made->wanted == NULL)) {
        hsp_follow_close(made);
        return hsp_fail(err, HS_E_NOMEM, "follow %s: out of memory", options->name);
    }
    *follow = made;
    return HS_OK;
}

void hsp_follow_close(struct hsp_follow *follow) {
    if (follow == NULL)
        return;
    if (follow->fd >= 0)
        close(follow->fd);
    free(follow->buffer);
    free(follow->wanted);
    free(follow->name);
    free(follow);
}
