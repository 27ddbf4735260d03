/* SPDX-License-Identifier: MIT */
/* Shared memory. All forks have it at the same address, so pointers into it hold. */
#include "config.h"

#include "board.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define ALIGNMENT 8
#define LAP_BYTES (256 * 1024) /* an empty line begins anew after so many */

/* A record as it lies in the line, which no record crosses the end of. */
struct head {
    uint32_t size; /* of all of it, aligned */
    uint32_t status_length;
    uint32_t event_length;
    uint32_t is_gap; /* nothing up to the end of the line */
    uint64_t itemid;
};

static size_t aligned(size_t size) { return (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1UL); }

static bool make_lock(pthread_mutex_t *lock) {
    pthread_mutexattr_t attributes;
    if (pthread_mutexattr_init(&attributes) != 0)
        return false;
    const bool made =
        pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0 &&
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0 &&
        pthread_mutex_init(lock, &attributes) == 0;
    pthread_mutexattr_destroy(&attributes);
    return made;
}

struct hsp_board *hsp_board_new(size_t items_max, size_t line_bytes, size_t map_bytes) {
    size_t slots = 16;
    while (slots < items_max * 2)
        slots *= 2;
    const size_t head_size = aligned(sizeof(struct hsp_board));
    const size_t slots_size = slots * sizeof(uint32_t);
    const size_t items_size = aligned(items_max * sizeof(struct hsp_board_item));
    const size_t size = head_size + slots_size + items_size + line_bytes + map_bytes;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    struct hsp_board *board = (struct hsp_board *)(void *)memory;
    board->items_max = items_max;
    board->line_size = line_bytes;
    board->slots = (uint32_t *)(void *)(memory + head_size);
    board->slot_count = slots;
    board->items = (struct hsp_board_item *)(void *)(memory + head_size + slots_size);
    board->line = memory + head_size + slots_size + items_size;
    board->map.text = board->line + line_bytes;
    board->map_size = map_bytes;
    board->mapped_bytes = size;
    if (make_lock(&board->table) && make_lock(&board->disk))
        return board;
    munmap(memory, size);
    errno = ENOTSUP;
    return NULL;
}

void hsp_board_free(struct hsp_board *board) {
    if (board != NULL)
        munmap(board, board->mapped_bytes);
}

/* Locks
 * ------------------------------------------------------------------------------------ */

/* Make the change that is written down. It can be made twice. */
static void apply(struct hsp_board *board) {
    if (atomic_load_explicit(&board->redo.pending, memory_order_acquire) == 0)
        return;
    memcpy(&board->items[board->redo.index], &board->redo.item, sizeof(board->redo.item));
    atomic_store_explicit(&board->tail, board->redo.tail, memory_order_release);
    atomic_store_explicit(&board->redo.pending, 0, memory_order_release);
}

/* Took a lock; EOWNERDEAD: from one who died with it. */
static bool took(pthread_mutex_t *lock, int result) {
    if (result == EOWNERDEAD)
        result = pthread_mutex_consistent(lock);
    return result == 0;
}

bool hsp_board_lock_disk(struct hsp_board *board, int64_t timeout_ms) {
    struct timespec until;
    if (timeout_ms < 0)
        return took(&board->disk, pthread_mutex_lock(&board->disk));
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return took(&board->disk, pthread_mutex_timedlock(&board->disk, &until));
}

void hsp_board_unlock_disk(struct hsp_board *board) {
    pthread_mutex_unlock(&board->disk);
}

void hsp_board_lock(struct hsp_board *board) {
    if (took(&board->table, pthread_mutex_lock(&board->table))) {
        apply(board);
        board->next_tail = board->tail;
    }
}

void hsp_board_unlock(struct hsp_board *board) { pthread_mutex_unlock(&board->table); }

/* Items
 * ------------------------------------------------------------------------------------ */

static uint32_t *slot_of(const struct hsp_board *board, uint64_t itemid) {
    const size_t mask = board->slot_count - 1;
    size_t at = (size_t)(itemid * UINT64_C(0x9E3779B97F4A7C15) >> 32) & mask;
    while (board->slots[at] != 0 && board->items[board->slots[at] - 1].itemid != itemid)
        at = (at + 1) & mask;
    return &board->slots[at];
}

struct hsp_board_item *hsp_board_find(const struct hsp_board *board, uint64_t itemid) {
    const uint32_t index = *slot_of(board, itemid);
    return index == 0 ? NULL : &board->items[index - 1];
}

/* The slot is written last: whoever is killed before leaves an item that nobody finds. */
struct hsp_board_item *hsp_board_add(struct hsp_board *board, uint64_t itemid,
                                     const struct hsp_clock *now) {
    if (board->item_count >= board->items_max)
        return NULL;
    const uint32_t index = board->item_count++;
    struct hsp_board_item *item = &board->items[index];
    *item = (struct hsp_board_item){.itemid = itemid};
    hsp_track_start(&item->track, now);
    atomic_thread_fence(memory_order_release);
    *slot_of(board, itemid) = index + 1;
    return item;
}

/* The line
 * ------------------------------------------------------------------------------------ */

static struct head *head_at(const struct hsp_board *board, uint64_t position) {
    return (struct head *)(void *)(board->line + position % board->line_size);
}

/* A gap from `position` to the end of the memory; what is behind it. */
static uint64_t put_gap(struct hsp_board *board, uint64_t position) {
    const size_t left = board->line_size - (size_t)(position % board->line_size);
    if (left >= sizeof(struct head))
        *head_at(board, position) = (struct head){.size = (uint32_t)left, .is_gap = 1};
    return position + left;
}

void hsp_board_rewind(struct hsp_board *board) {
    const uint64_t tail = atomic_load(&board->tail);
    if (tail % board->line_size < LAP_BYTES || atomic_load(&board->put) != tail ||
        atomic_load(&board->logged) != tail)
        return;
    /* The gap comes before put, as all that is in the line does at any time. */
    const uint64_t next = put_gap(board, tail);
    board->next_tail = next;
    atomic_store(&board->tail, next);
    atomic_store(&board->logged, next);
    atomic_store(&board->put, next);
}

bool hsp_board_prepare(struct hsp_board *board, uint64_t itemid, const char *status,
                       const char *event, size_t event_length) {
    const size_t status_length = strlen(status);
    const size_t size =
        aligned(sizeof(struct head) + status_length + 1 + event_length + 1);
    const size_t left = board->line_size - (size_t)(board->next_tail % board->line_size);
    const uint64_t end = board->next_tail + size + (left < size ? left : 0);
    if (size > board->line_size / 4 || end - atomic_load(&board->put) > board->line_size)
        return false;
    if (left < size)
        board->next_tail = put_gap(board, board->next_tail);
    struct head *head = head_at(board, board->next_tail);
    *head = (struct head){(uint32_t)size, (uint32_t)status_length, (uint32_t)event_length,
                          0, itemid};
    char *at = (char *)(head + 1);
    memcpy(at, status, status_length + 1);
    if (event_length > 0)
        memcpy(at + status_length + 1, event, event_length);
    at[status_length + 1 + event_length] = '\0';
    board->next_tail += size;
    return true;
}

void hsp_board_commit(struct hsp_board *board, struct hsp_board_item *item,
                      const struct hsp_board_item *changed) {
    board->redo.index = (uint32_t)(item - board->items);
    board->redo.tail = board->next_tail;
    board->redo.item = *changed;
    atomic_store_explicit(&board->redo.pending, 1, memory_order_release);
    apply(board);
}

void hsp_board_forget(struct hsp_board *board) { board->next_tail = board->tail; }

void hsp_board_publish(struct hsp_board *board) {
    atomic_store_explicit(&board->tail, board->next_tail, memory_order_release);
}

bool hsp_board_next(const struct hsp_board *board, uint64_t *at, uint64_t end,
                    struct hsp_board_record *record) {
    while (*at < end) {
        const size_t left = board->line_size - (size_t)(*at % board->line_size);
        const struct head *head = head_at(board, *at);
        if (left < sizeof(*head) || head->is_gap != 0) {
            *at += left;
            continue;
        }
        const char *status = (const char *)(head + 1);
        *record = (struct hsp_board_record){
            .itemid = head->itemid,
            .status = status,
            .event = head->event_length > 0 ? status + head->status_length + 1 : NULL,
            .event_length = head->event_length,
        };
        *at += head->size;
        return true;
    }
    return false;
}

/* Whoever is killed here leaves a text without a version: it is written again. */
bool hsp_board_set_map(struct hsp_board *board, const char *text, size_t length,
                       uint64_t *version) {
    if (length > board->map_size)
        return false;
    memcpy(board->map.text, text, length);
    board->map.length = length;
    *version = atomic_fetch_add(&board->map.version, 1) + 1;
    return true;
}

void hsp_board_reset(struct hsp_board *board) {
    memset(board->slots, 0, board->slot_count * sizeof(*board->slots));
    board->item_count = 0;
    atomic_store(&board->redo.pending, 0);
    atomic_store(&board->tail, 0);
    atomic_store(&board->logged, 0);
    atomic_store(&board->put, 0);
    atomic_store(&board->counts[HSP_BOARD_WAITING], 0);
    board->next_tail = 0;
}
