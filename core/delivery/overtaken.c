/* SPDX-License-Identifier: MIT */
/* A small open-addressing table of objects, and its file. */
#include "config.h"

#include "overtaken.h"

#include "../buffer.h"
#include "../error.h"
#include "../file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_LENGTH 34              /* two numbers, a blank, a newline */
#define LONG_FILE (32 * 1024 * 34)  /* beyond this it is written anew */
#define FILE_MAX (64 * 1024 * 1024) /* beyond this it is none of ours */

struct slot {
    uint64_t object;
    uint64_t delivered; /* newest number, 0: none yet */
    uint64_t newest;    /* of the dead letters, 0: not watched */
    bool used;
};

struct hsp_overtaken {
    struct slot *slots;
    size_t capacity, count; /* capacity is a power of two, or 0 */
};

static struct slot *find(const struct hsp_overtaken *overtaken, uint64_t object) {
    if (overtaken->capacity == 0)
        return NULL;
    size_t at = (size_t)(object ^ (object >> 32)) & (overtaken->capacity - 1);
    while (overtaken->slots[at].used && overtaken->slots[at].object != object)
        at = (at + 1) & (overtaken->capacity - 1);
    return &overtaken->slots[at];
}

static bool grow(struct hsp_overtaken *overtaken) {
    struct hsp_overtaken larger = {
        .capacity = overtaken->capacity == 0 ? 64 : overtaken->capacity * 2,
        .count = overtaken->count,
    };
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (larger.slots == NULL)
        return false;
    for (size_t i = 0; i < overtaken->capacity; i++)
        if (overtaken->slots[i].used)
            *find(&larger, overtaken->slots[i].object) = overtaken->slots[i];
    free(overtaken->slots);
    *overtaken = larger;
    return true;
}

/* The object's slot, made where there is none; NULL: out of memory. */
static struct slot *get(struct hsp_overtaken *overtaken, uint64_t object) {
    struct slot *slot = find(overtaken, object);
    if (slot != NULL && slot->used)
        return slot;
    if (2 * (overtaken->count + 1) > overtaken->capacity) {
        if (!grow(overtaken))
            return NULL;
        slot = find(overtaken, object);
    }
    *slot = (struct slot){.object = object, .used = true};
    overtaken->count++;
    return slot;
}

/* The file
 * ------------------------------------------------------------------------------------ */

static void file_name(const char *endpoint, char name[128]) {
    snprintf(name, 128, "%s.overtaken", endpoint);
}

static void compose(struct hsp_buffer *out, uint64_t object, uint64_t sequence) {
    hsp_buffer_print(out, "%016" PRIx64 " %016" PRIx64 "\n", object, sequence);
}

static bool read_line(struct hsp_overtaken *overtaken, const char *line) {
    uint64_t object, sequence;
    char end;
    if (sscanf(line, "%16" SCNx64 " %16" SCNx64 "%c", &object, &sequence, &end) != 3 ||
        end != '\n')
        return true; /* torn by a crash: that delivery comes again */
    struct slot *slot = get(overtaken, object);
    if (slot != NULL && sequence > slot->delivered)
        slot->delivered = sequence;
    return slot != NULL;
}

enum hs_status hsp_overtaken_open(struct hsp_overtaken **overtaken, int state_fd,
                                  const char *endpoint, struct hs_error *err) {
    char name[128];
    size_t length = 0;
    file_name(endpoint, name);
    struct hsp_overtaken *fresh = calloc(1, sizeof *fresh);
    bool ok = fresh != NULL;
    errno = 0;
    char *text = ok ? hsp_read_file(state_fd, name, FILE_MAX, &length, NULL) : NULL;
    if (ok && text == NULL && errno != ENOENT) {
        enum hs_status status = hsp_fail_errno(err, HS_E_IO, "read state/%s", name);
        hsp_overtaken_close(fresh);
        return status;
    }
    for (size_t at = 0; ok && at + LINE_LENGTH <= length; at += LINE_LENGTH)
        ok = read_line(fresh, text + at);
    free(text);
    if (!ok) {
        hsp_overtaken_close(fresh);
        return hsp_fail(err, HS_E_NOMEM, "read state/%s: out of memory", name);
    }
    *overtaken = fresh;
    return HS_OK;
}

void hsp_overtaken_close(struct hsp_overtaken *overtaken) {
    if (overtaken != NULL)
        free(overtaken->slots);
    free(overtaken);
}

/* All of the table, or what is watched of it. */
static enum hs_status write_all(const struct hsp_overtaken *overtaken, int state_fd,
                                const char *name, bool watched_only,
                                struct hs_error *err) {
    struct hsp_buffer text = {0};
    for (size_t i = 0; i < overtaken->capacity; i++) {
        const struct slot *slot = &overtaken->slots[i];
        if (slot->delivered != 0 && (slot->newest != 0 || !watched_only))
            compose(&text, slot->object, slot->delivered);
    }
    enum hs_status status =
        text.failed
            ? hsp_fail(err, HS_E_NOMEM, "write state/%s: out of memory", name)
            : hsp_replace_file(state_fd, name, 0600, text.length > 0 ? text.data : "",
                               text.length, true, err);
    hsp_buffer_free(&text);
    return status;
}

/* A line a delivery makes a long file: one an object is enough. */
static enum hs_status shorten(int state_fd, const char *endpoint, const char *name,
                              struct hs_error *err) {
    struct hsp_overtaken *kept = NULL;
    enum hs_status status = hsp_overtaken_open(&kept, state_fd, endpoint, err);
    if (status == HS_OK)
        status = write_all(kept, state_fd, name, false, err);
    hsp_overtaken_close(kept);
    return status;
}

/* What a crash left of a line is written over. */
static enum hs_status append(int fd, const char *name, uint64_t object, uint64_t sequence,
                             off_t *end, struct hs_error *err) {
    struct hsp_buffer line = {0};
    *end = lseek(fd, 0, SEEK_END);
    *end -= *end % LINE_LENGTH;
    compose(&line, object, sequence);
    enum hs_status status = HS_OK;
    if (line.failed)
        status = hsp_fail(err, HS_E_NOMEM, "write state/%s: out of memory", name);
    else if (lseek(fd, *end, SEEK_SET) < 0 ||
             hsp_write_all(fd, line.data, line.length) != 0 || fdatasync(fd) != 0)
        status = hsp_fail_errno(err, HS_E_IO, "write state/%s", name);
    *end += LINE_LENGTH;
    hsp_buffer_free(&line);
    return status;
}

enum hs_status hsp_overtaken_write(int state_fd, const char *endpoint, uint64_t object,
                                   uint64_t sequence, struct hs_error *err) {
    char name[128];
    off_t end = 0;
    file_name(endpoint, name);
    int fd = openat(state_fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return hsp_fail_errno(err, HS_E_IO, "open state/%s", name);
    enum hs_status status = append(fd, name, object, sequence, &end, err);
    close(fd);
    /* A file that has just been made must not go with its folder in a crash. */
    if (status == HS_OK && end == LINE_LENGTH && fsync(state_fd) != 0)
        status = hsp_fail_errno(err, HS_E_IO, "sync state");
    if (status == HS_OK && end > LONG_FILE)
        status = shorten(state_fd, endpoint, name, err);
    return status;
}

void hsp_overtaken_tidy(struct hsp_overtaken *overtaken, int state_fd,
                        const char *endpoint) {
    char name[128];
    bool is_needed = false;
    file_name(endpoint, name);
    for (size_t i = 0; i < overtaken->capacity; i++)
        is_needed = is_needed || (overtaken->slots[i].delivered != 0 &&
                                  overtaken->slots[i].newest == 0);
    if (is_needed)
        (void)!write_all(overtaken, state_fd, name, true, NULL);
}

/* Questions
 * ------------------------------------------------------------------------------ */

enum hs_status hsp_overtaken_watch(struct hsp_overtaken *overtaken, uint64_t object,
                                   uint64_t sequence, struct hs_error *err) {
    struct slot *slot = get(overtaken, object);
    if (slot == NULL)
        return hsp_fail(err, HS_E_NOMEM, "note a dead letter: out of memory");
    if (slot->newest < sequence)
        slot->newest = sequence;
    return HS_OK;
}

uint64_t hsp_overtaken_newest(const struct hsp_overtaken *overtaken, uint64_t object) {
    const struct slot *slot = find(overtaken, object);
    return slot != NULL && slot->used ? slot->newest : 0;
}

bool hsp_overtaken_deliver(struct hsp_overtaken *overtaken, uint64_t object,
                           uint64_t sequence) {
    struct slot *slot = find(overtaken, object);
    if (slot == NULL || !slot->used || slot->newest == 0 || slot->delivered >= sequence)
        return false;
    slot->delivered = sequence;
    return true;
}

bool hsp_overtaken_is_stale(const struct hsp_overtaken *overtaken, uint64_t object,
                            uint64_t sequence) {
    const struct slot *slot = find(overtaken, object);
    return slot != NULL && slot->used && slot->delivered > sequence;
}
