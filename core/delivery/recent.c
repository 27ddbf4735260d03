/* SPDX-License-Identifier: MIT */
/* A ring of entries with three chained hash tables over it (id, fold key, object), newest
 * first in each chain. */
#include "config.h"

#include "recent.h"

#include "../error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUCKETS 16384u
#define NONE UINT32_MAX

enum { BY_ID, BY_FOLD, BY_OBJECT, CHAINS };

struct slot {
    uint64_t key[CHAINS]; /* hash of the id, fold key, object */
    uint64_t sequence;
    int64_t at_ms;
    uint32_t next[CHAINS];
    char id[HSP_ID_LENGTH];
    uint8_t state;
    bool linked[CHAINS];
};

struct hsp_recent {
    int fd;
    uint32_t next_place;
    uint64_t top;
    uint32_t buckets[CHAINS][BUCKETS];
    struct slot slots[HSP_RECENT_MAX];
};

static uint32_t *bucket_of(struct hsp_recent *recent, int chain, uint64_t key) {
    return &recent->buckets[chain][(key ^ (key >> 32)) & (BUCKETS - 1)];
}

static uint32_t first_of(const struct hsp_recent *recent, int chain, uint64_t key) {
    return recent->buckets[chain][(key ^ (key >> 32)) & (BUCKETS - 1)];
}

static void unlink_slot(struct hsp_recent *recent, uint32_t place, int chain) {
    struct slot *slot = &recent->slots[place];
    if (!slot->linked[chain])
        return;
    uint32_t *link = bucket_of(recent, chain, slot->key[chain]);
    while (*link != place)
        link = &recent->slots[*link].next[chain];
    *link = slot->next[chain];
    slot->linked[chain] = false;
}

static void link_slot(struct hsp_recent *recent, uint32_t place, int chain) {
    struct slot *slot = &recent->slots[place];
    uint32_t *bucket = bucket_of(recent, chain, slot->key[chain]);
    slot->next[chain] = *bucket;
    slot->linked[chain] = true;
    *bucket = place;
}

static uint32_t find_object(const struct hsp_recent *recent, uint64_t object) {
    uint32_t place = first_of(recent, BY_OBJECT, object);
    while (place != NONE && recent->slots[place].key[BY_OBJECT] != object)
        place = recent->slots[place].next[BY_OBJECT];
    return place;
}

static void set_slot(struct hsp_recent *recent, uint32_t place,
                     const struct hsp_recent_entry *entry) {
    for (int chain = 0; chain < CHAINS; chain++)
        unlink_slot(recent, place, chain);
    /* Only the newest of an object is ever asked for: chains stay short. */
    uint32_t other = find_object(recent, entry->object);
    bool is_newest = other == NONE || recent->slots[other].sequence < entry->sequence;
    if (other != NONE && is_newest)
        unlink_slot(recent, other, BY_OBJECT);
    struct slot *slot = &recent->slots[place];
    *slot = (struct slot){
        .key = {hsp_hash(entry->id, HSP_ID_LENGTH), entry->fold, entry->object},
        .sequence = entry->sequence,
        .at_ms = entry->at_ms,
        .state = (uint8_t)entry->state,
    };
    memcpy(slot->id, entry->id, HSP_ID_LENGTH);
    link_slot(recent, place, BY_ID);
    if (is_newest)
        link_slot(recent, place, BY_OBJECT);
    if (entry->fold != 0)
        link_slot(recent, place, BY_FOLD);
    if (entry->sequence > recent->top)
        recent->top = entry->sequence;
}

/* The file -----------------------------------------------------------------------------
 */

void hsp_recent_format(const struct hsp_recent_entry *entry,
                       char line[HSP_RECENT_LINE + 1]) {
    snprintf(line, HSP_RECENT_LINE + 1,
             "%s %016" PRIx64 " %016" PRIx64 " %016" PRIx64 " %016" PRIx64 " %d",
             entry->id, entry->fold, entry->object, entry->sequence,
             (uint64_t)entry->at_ms, (int)entry->state);
    size_t length = strlen(line);
    memset(line + length, ' ', HSP_RECENT_LINE - 1 - length);
    line[HSP_RECENT_LINE - 1] = '\n';
    line[HSP_RECENT_LINE] = '\0';
}

static bool parse_line(const char *text, struct hsp_recent_entry *entry) {
    uint64_t at;
    int state;
    if (sscanf(text,
               "%36[0-9a-f-] %16" SCNx64 " %16" SCNx64 " %16" SCNx64 " %16" SCNx64 " %1d",
               entry->id, &entry->fold, &entry->object, &entry->sequence, &at,
               &state) != 6)
        return false;
    entry->at_ms = (int64_t)at;
    entry->state = (enum hs_state)state;
    return hsp_id_is_valid(entry->id) && state <= HS_STATE_DOWN;
}

struct loaded {
    struct hsp_recent_entry entry;
    uint32_t place;
};

static int by_sequence(const void *a, const void *b) {
    const struct loaded *left = a, *right = b;
    return (left->entry.sequence > right->entry.sequence) -
           (left->entry.sequence < right->entry.sequence);
}

/* Read the lines; enter them oldest first, so that chains run from the newest. */
static enum hs_status load(struct hsp_recent *recent, struct hs_error *err) {
    struct loaded *all = calloc(HSP_RECENT_MAX, sizeof *all);
    if (all == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read state/recent: out of memory");
    size_t count = 0;
    char line[HSP_RECENT_LINE + 1];
    for (uint32_t place = 0; place < HSP_RECENT_MAX; place++) {
        ssize_t got =
            pread(recent->fd, line, HSP_RECENT_LINE, (off_t)place * HSP_RECENT_LINE);
        if (got < HSP_RECENT_LINE)
            break;
        line[HSP_RECENT_LINE] = '\0';
        if (parse_line(line, &all[count].entry))
            all[count++].place = place;
    }
    qsort(all, count, sizeof *all, by_sequence);
    for (size_t i = 0; i < count; i++)
        set_slot(recent, all[i].place, &all[i].entry);
    if (count > 0)
        recent->next_place = (all[count - 1].place + 1) % HSP_RECENT_MAX;
    free(all);
    return HS_OK;
}

enum hs_status hsp_recent_open(struct hsp_recent **recent, int state_fd,
                               struct hs_error *err) {
    struct hsp_recent *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return hsp_fail(err, HS_E_NOMEM, "open state/recent: out of memory");
    memset(fresh->buckets, 0xff, sizeof fresh->buckets);
    enum hs_status status = HS_OK;
    fresh->fd =
        openat(state_fd, "recent", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fresh->fd < 0)
        status = hsp_fail_errno(err, HS_E_IO, "open state/recent");
    /* All its space now, so that a full disk cannot stop a later write. */
    int allocated =
        fresh->fd < 0
            ? 0
            : posix_fallocate(fresh->fd, 0, (off_t)HSP_RECENT_MAX * HSP_RECENT_LINE);
    if (status == HS_OK && allocated != 0) {
        errno = allocated;
        status = hsp_fail_errno(err, HS_E_IO, "allocate state/recent");
    }
    if (status == HS_OK)
        status = load(fresh, err);
    if (status == HS_OK)
        *recent = fresh;
    else
        hsp_recent_close(fresh);
    return status;
}

void hsp_recent_close(struct hsp_recent *recent) {
    if (recent == NULL)
        return;
    if (recent->fd >= 0)
        close(recent->fd);
    free(recent);
}

/* Questions ----------------------------------------------------------------------------
 */

bool hsp_recent_has_id(const struct hsp_recent *recent, const char *id) {
    uint64_t key = hsp_hash(id, HSP_ID_LENGTH);
    uint32_t place = first_of(recent, BY_ID, key);
    while (place != NONE && memcmp(recent->slots[place].id, id, HSP_ID_LENGTH) != 0)
        place = recent->slots[place].next[BY_ID];
    return place != NONE;
}

bool hsp_recent_has_fold(const struct hsp_recent *recent, uint64_t fold, uint64_t object,
                         int64_t since_ms) {
    if (fold == 0)
        return false;
    for (uint32_t place = first_of(recent, BY_FOLD, fold); place != NONE;
         place = recent->slots[place].next[BY_FOLD]) {
        const struct slot *slot = &recent->slots[place];
        if (slot->key[BY_FOLD] == fold && slot->key[BY_OBJECT] == object &&
            slot->at_ms >= since_ms)
            return true;
    }
    return false;
}

enum hs_state hsp_recent_state(const struct hsp_recent *recent, uint64_t object) {
    uint32_t place = find_object(recent, object);
    return place == NONE ? HS_STATE_NONE : (enum hs_state)recent->slots[place].state;
}

uint64_t hsp_recent_newest(const struct hsp_recent *recent, uint64_t object) {
    uint32_t place = find_object(recent, object);
    return place == NONE ? 0 : recent->slots[place].sequence;
}

uint64_t hsp_recent_top(const struct hsp_recent *recent) { return recent->top; }

uint32_t hsp_recent_add(struct hsp_recent *recent, const struct hsp_recent_entry *entry) {
    uint32_t place = recent->next_place;
    recent->next_place = (place + 1) % HSP_RECENT_MAX;
    set_slot(recent, place, entry);
    return place;
}

enum hs_status hsp_recent_write(const struct hsp_recent *recent, uint32_t place,
                                const char *lines, size_t count, struct hs_error *err) {
    while (count > 0) {
        size_t fit = HSP_RECENT_MAX - place < count ? HSP_RECENT_MAX - place : count;
        size_t bytes = fit * HSP_RECENT_LINE;
        ssize_t written =
            pwrite(recent->fd, lines, bytes, (off_t)place * HSP_RECENT_LINE);
        if (written != (ssize_t)bytes)
            return hsp_fail_errno(err, HS_E_IO, "write state/recent");
        lines += bytes;
        count -= fit;
        place = 0;
    }
    return HS_OK;
}

enum hs_status hsp_recent_sync(const struct hsp_recent *recent, struct hs_error *err) {
    return fdatasync(recent->fd) == 0 ? HS_OK
                                      : hsp_fail_errno(err, HS_E_IO, "sync state/recent");
}
