/* SPDX-License-Identifier: MIT */
/* Lines of events. Events live in chunks that never move; lines in one array, found by
 * object through a chained hash table; ready and waiting lines in two binary heaps,
 * ordered by the head's sequence and by its due time. */
#include "config.h"

#include "queue_lines.h"

#include "../error.h"

#include <stdlib.h>
#include <string.h>

/* Heaps -------------------------------------------------------------------------------
 */

static struct heap *heap_of(struct hsp_queue *queue, const struct line *line) {
    return line->place == READY ? &queue->ready : &queue->waiting;
}

static bool before(const struct hsp_queue *queue, uint32_t a, uint32_t b) {
    const struct line *left = &queue->lines[a], *right = &queue->lines[b];
    if (left->place == WAITING && left->due_ms != right->due_ms)
        return left->due_ms < right->due_ms;
    return hsp_queue_item(queue, left->head)->sequence <
           hsp_queue_item(queue, right->head)->sequence;
}

static void heap_set(struct hsp_queue *queue, struct heap *heap, uint32_t index,
                     uint32_t line) {
    heap->lines[index] = line;
    queue->lines[line].heap_index = index;
}

/* Move the line at `index` to where it belongs. */
static void heap_settle(struct hsp_queue *queue, struct heap *heap, uint32_t index) {
    uint32_t line = heap->lines[index];
    while (index > 0 && before(queue, line, heap->lines[(index - 1) / 2])) {
        heap_set(queue, heap, index, heap->lines[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * index + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count &&
            before(queue, heap->lines[child + 1], heap->lines[child]))
            child++;
        if (!before(queue, heap->lines[child], line))
            break;
        heap_set(queue, heap, index, heap->lines[child]);
        index = child;
    }
    heap_set(queue, heap, index, line);
}

/* Both heaps have room for every line, so this cannot fail. */
static void enter(struct hsp_queue *queue, uint32_t line, enum place place) {
    queue->lines[line].place = place;
    struct heap *heap = heap_of(queue, &queue->lines[line]);
    heap_set(queue, heap, heap->count++, line);
    heap_settle(queue, heap, heap->count - 1);
}

void hsp_queue_leave(struct hsp_queue *queue, uint32_t line) {
    struct heap *heap = heap_of(queue, &queue->lines[line]);
    uint32_t index = queue->lines[line].heap_index;
    uint32_t last = heap->lines[--heap->count];
    if (last != line) {
        heap_set(queue, heap, index, last);
        heap_settle(queue, heap, index);
    }
}

/* Lines and items -----------------------------------------------------------------------
 */

static uint32_t *bucket_of(const struct hsp_queue *queue, uint64_t object) {
    return &queue->buckets[(object ^ (object >> 32)) & (queue->line_capacity - 1)];
}

uint32_t hsp_queue_find(const struct hsp_queue *queue, uint64_t object) {
    if (queue->line_capacity == 0)
        return NONE;
    uint32_t line = *bucket_of(queue, object);
    while (line != NONE && queue->lines[line].object != object)
        line = queue->lines[line].chain;
    return line;
}

static void rehash(struct hsp_queue *queue, uint32_t used) {
    memset(queue->buckets, 0xff, queue->line_capacity * sizeof *queue->buckets);
    for (uint32_t line = 0; line < used; line++) {
        uint32_t *bucket = bucket_of(queue, queue->lines[line].object);
        queue->lines[line].chain = *bucket;
        *bucket = line;
    }
}

/* Double the room for lines; called when every one is used. */
static bool grow_lines(struct hsp_queue *queue) {
    uint32_t used = queue->line_capacity, wanted = used == 0 ? 64 : used * 2;
    struct line *lines = realloc(queue->lines, wanted * sizeof *lines);
    if (lines != NULL)
        queue->lines = lines;
    uint32_t *buckets = realloc(queue->buckets, wanted * sizeof *buckets);
    if (buckets != NULL)
        queue->buckets = buckets;
    uint32_t *ready = realloc(queue->ready.lines, wanted * sizeof *ready);
    if (ready != NULL)
        queue->ready.lines = ready;
    uint32_t *waiting = realloc(queue->waiting.lines, wanted * sizeof *waiting);
    if (waiting != NULL)
        queue->waiting.lines = waiting;
    if (lines == NULL || buckets == NULL || ready == NULL || waiting == NULL)
        return false;
    queue->line_capacity = wanted;
    rehash(queue, used);
    for (uint32_t line = wanted; line-- > used;) {
        queue->lines[line] = (struct line){.place = FREE, .chain = queue->free_line};
        queue->free_line = line;
    }
    return true;
}

uint32_t hsp_queue_new_line(struct hsp_queue *queue, uint64_t object) {
    if (queue->free_line == NONE && !grow_lines(queue))
        return NONE;
    uint32_t line = queue->free_line;
    queue->free_line = queue->lines[line].chain;
    uint32_t *bucket = bucket_of(queue, object);
    queue->lines[line] = (struct line){
        .object = object, .head = NONE, .tail = NONE, .chain = *bucket, .place = FREE};
    *bucket = line;
    return line;
}

void hsp_queue_end_line(struct hsp_queue *queue, uint32_t line) {
    uint32_t *link = bucket_of(queue, queue->lines[line].object);
    while (*link != line)
        link = &queue->lines[*link].chain;
    *link = queue->lines[line].chain;
    queue->lines[line] = (struct line){.place = FREE, .chain = queue->free_line};
    queue->free_line = line;
}

static bool grow_items(struct hsp_queue *queue) {
    struct item **chunks =
        realloc(queue->chunks, (queue->chunk_count + 1) * sizeof *chunks);
    if (chunks == NULL)
        return false;
    queue->chunks = chunks;
    struct item *chunk = malloc(CHUNK_SIZE * sizeof *chunk);
    if (chunk == NULL)
        return false;
    uint32_t first = queue->chunk_count << CHUNK_BITS;
    chunks[queue->chunk_count++] = chunk;
    for (uint32_t i = CHUNK_SIZE; i-- > 0;) {
        chunk[i].next = queue->free_item;
        queue->free_item = first + i;
    }
    return true;
}

/* Public --------------------------------------------------------------------------------
 */

enum hs_status hsp_queue_new(struct hsp_queue **queue, struct hs_error *err) {
    struct hsp_queue *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return hsp_fail(err, HS_E_NOMEM, "make a queue: out of memory");
    fresh->free_item = NONE;
    fresh->free_line = NONE;
    *queue = fresh;
    return HS_OK;
}

void hsp_queue_free(struct hsp_queue *queue) {
    if (queue == NULL)
        return;
    for (uint32_t i = 0; i < queue->chunk_count; i++)
        free(queue->chunks[i]);
    free(queue->chunks);
    free(queue->lines);
    free(queue->buckets);
    free(queue->ready.lines);
    free(queue->waiting.lines);
    free(queue);
}

/* Make `line`, whose head has just been set, take part in the race, unless that is held.
 */
void hsp_queue_set_going(struct hsp_queue *queue, uint32_t line, int64_t due_ms) {
    queue->lines[line].due_ms = due_ms;
    if (hsp_queue_item(queue, queue->lines[line].head)->held)
        queue->lines[line].place = BUSY;
    else
        enter(queue, line, due_ms > 0 ? WAITING : READY);
}

uint32_t hsp_queue_new_item(struct hsp_queue *queue, const struct hsp_entry *entry) {
    if (queue->free_item == NONE && !grow_items(queue))
        return NONE;
    uint32_t fresh = queue->free_item;
    struct item *item = hsp_queue_item(queue, fresh);
    queue->free_item = item->next;
    *item = (struct item){.sequence = entry->sequence,
                          .size = entry->size,
                          .offset = entry->offset,
                          .next = NONE};
    queue->count++;
    queue->bytes += entry->size;
    return fresh;
}

void hsp_queue_free_item(struct hsp_queue *queue, uint32_t index) {
    struct item *item = hsp_queue_item(queue, index);
    queue->count--;
    queue->bytes -= item->size;
    item->next = queue->free_item;
    queue->free_item = index;
}

void hsp_queue_forget_head(struct line *line) {
    line->attempts = 0;
    line->due_s = 0;
    line->code = 0;
    line->suspect = 0;
}

enum hs_status hsp_queue_add(struct hsp_queue *queue, const struct hsp_entry *entry,
                             int64_t due_ms, struct hs_error *err) {
    uint32_t index = hsp_queue_find(queue, entry->object);
    if (index == NONE)
        index = hsp_queue_new_line(queue, entry->object);
    uint32_t fresh = index == NONE ? NONE : hsp_queue_new_item(queue, entry);
    if (fresh == NONE) {
        if (index != NONE && queue->lines[index].head == NONE)
            hsp_queue_end_line(queue, index);
        return hsp_fail(err, HS_E_NOMEM, "queue an event: out of memory");
    }
    struct line *line = &queue->lines[index];
    if (line->tail != NONE)
        hsp_queue_item(queue, line->tail)->next = fresh;
    line->tail = fresh;
    if (line->head == NONE) {
        line->head = fresh;
        line->attempts = (uint8_t)entry->attempts;
        line->code = (uint16_t)entry->code;
        line->due_s = entry->due_s;
        hsp_queue_set_going(queue, index, due_ms);
    }
    return HS_OK;
}

uint64_t hsp_queue_newest(const struct hsp_queue *queue, uint64_t object) {
    uint32_t line = hsp_queue_find(queue, object);
    return line == NONE ? 0 : hsp_queue_item(queue, queue->lines[line].tail)->sequence;
}

static void ripen(struct hsp_queue *queue, int64_t now_ms) {
    while (queue->waiting.count > 0 &&
           queue->lines[queue->waiting.lines[0]].due_ms <= now_ms) {
        uint32_t line = queue->waiting.lines[0];
        hsp_queue_leave(queue, line);
        enter(queue, line, READY);
    }
}

/* The first of `heap` that is not `avoid`; `avoid` itself when it is alone. */
static uint32_t first_but(const struct hsp_queue *queue, const struct heap *heap,
                          uint32_t avoid) {
    if (heap->count == 0)
        return NONE;
    if (heap->lines[0] != avoid || heap->count == 1)
        return heap->lines[0];
    if (heap->count > 2 && before(queue, heap->lines[2], heap->lines[1]))
        return heap->lines[2];
    return heap->lines[1];
}

hsp_line hsp_queue_pick(struct hsp_queue *queue, int64_t now_ms, hsp_line avoid) {
    ripen(queue, now_ms);
    return first_but(queue, &queue->ready, avoid);
}

hsp_line hsp_queue_pick_waiting(const struct hsp_queue *queue, hsp_line avoid) {
    return first_but(queue, &queue->waiting, avoid);
}

int64_t hsp_queue_next_due(const struct hsp_queue *queue) {
    if (queue->ready.count > 0)
        return 0;
    return queue->waiting.count > 0 ? queue->lines[queue->waiting.lines[0]].due_ms
                                    : INT64_MAX;
}

void hsp_queue_head(const struct hsp_queue *queue, hsp_line line,
                    struct hsp_entry *head) {
    const struct line *from = &queue->lines[line];
    const struct item *item = hsp_queue_item(queue, from->head);
    *head = (struct hsp_entry){
        .sequence = item->sequence,
        .object = from->object,
        .attempts = from->attempts,
        .due_s = from->due_s,
        .code = from->code,
        .size = item->size,
        .offset = item->offset,
    };
}

void hsp_queue_start(struct hsp_queue *queue, hsp_line line) {
    hsp_queue_leave(queue, line);
    queue->lines[line].place = BUSY;
}

void hsp_queue_stay(struct hsp_queue *queue, hsp_line line, const struct hsp_entry *named,
                    bool suspect, int64_t due_ms) {
    struct line *to = &queue->lines[line];
    to->attempts = (uint8_t)named->attempts;
    to->due_s = named->due_s;
    to->code = (uint16_t)named->code;
    to->suspect = suspect;
    hsp_queue_set_going(queue, line, due_ms);
}

bool hsp_queue_is_suspect(const struct hsp_queue *queue, hsp_line line) {
    return queue->lines[line].suspect;
}

void hsp_queue_advance(struct hsp_queue *queue, hsp_line line) {
    struct line *from = &queue->lines[line];
    uint32_t gone = from->head;
    from->head = hsp_queue_item(queue, gone)->next;
    hsp_queue_free_item(queue, gone);
    if (from->head == NONE) {
        hsp_queue_end_line(queue, line);
        return;
    }
    hsp_queue_forget_head(from);
    hsp_queue_set_going(queue, line, 0);
}

void hsp_queue_wake(struct hsp_queue *queue, bool all) {
    uint32_t count = queue->waiting.count;
    for (uint32_t i = 0; i < count; i++) {
        struct line *line = &queue->lines[queue->waiting.lines[i]];
        if (line->attempts > 0 && !all)
            continue;
        line->due_ms = 0;
        heap_settle(queue, &queue->waiting, i); /* moves up, past lines already seen */
    }
}

hsp_line hsp_queue_oldest(const struct hsp_queue *queue) {
    uint32_t best = queue->ready.count > 0 ? queue->ready.lines[0] : NONE;
    for (uint32_t i = 0; i < queue->waiting.count; i++) {
        uint32_t line = queue->waiting.lines[i];
        if (best == NONE || hsp_queue_item(queue, queue->lines[line].head)->sequence <
                                hsp_queue_item(queue, queue->lines[best].head)->sequence)
            best = line;
    }
    return best;
}

void hsp_queue_each_from(const struct hsp_queue *queue, uint64_t first,
                         void (*each)(void *context, const struct hsp_entry *entry),
                         void *context) {
    for (uint32_t i = 0; i < queue->line_capacity; i++) {
        const struct line *line = &queue->lines[i];
        if (line->place == FREE)
            continue;
        struct hsp_entry entry;
        hsp_queue_head(queue, i, &entry);
        for (uint32_t at = line->head; at != NONE; at = hsp_queue_item(queue, at)->next) {
            entry.sequence = hsp_queue_item(queue, at)->sequence;
            entry.size = hsp_queue_item(queue, at)->size;
            entry.offset = hsp_queue_item(queue, at)->offset;
            if (entry.sequence >= first)
                each(context, &entry);
            entry.attempts = entry.code = 0; /* only a head has any */
            entry.due_s = 0;
        }
    }
}

size_t hsp_queue_count(const struct hsp_queue *queue) { return queue->count; }

int64_t hsp_queue_bytes(const struct hsp_queue *queue) { return queue->bytes; }
