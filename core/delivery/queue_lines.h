/* SPDX-License-Identifier: MIT */
/* Inside of queue.h: lines and items, for queue.c and queue_turn.c alone. */
#ifndef HSP_QUEUE_LINES_H
#define HSP_QUEUE_LINES_H

#include "queue.h"

#define NONE UINT32_MAX
#define CHUNK_BITS 12
#define CHUNK_SIZE (1u << CHUNK_BITS)

struct item {
    uint64_t sequence;
    uint32_t size, offset;
    uint32_t next;
    bool held; /* in the room that alignment leaves */
};

/* BUSY with a head that is held: nothing is under way, the line waits for its release. */
enum place { FREE, READY, WAITING, BUSY };

struct line {
    uint64_t object;
    int64_t due_ms;
    int64_t due_s;
    uint32_t head, tail; /* items */
    uint32_t chain;      /* next line of the hash bucket, or of the free list */
    uint32_t heap_index;
    uint16_t code;
    uint8_t attempts;
    uint8_t place : 2;
    uint8_t suspect : 1;
};

struct heap {
    uint32_t *lines;
    uint32_t count;
};

struct hsp_queue {
    struct item **chunks;
    uint32_t chunk_count;
    uint32_t free_item;
    struct line *lines;
    uint32_t line_capacity;
    uint32_t free_line;
    uint32_t *buckets; /* line_capacity of them, a power of two */
    struct heap ready, waiting;
    size_t count;
    int64_t bytes;
};

static inline struct item *hsp_queue_item(const struct hsp_queue *queue, uint32_t index) {
    return &queue->chunks[index >> CHUNK_BITS][index & (CHUNK_SIZE - 1)];
}

/* The line of an object, NONE: it has none. */
uint32_t hsp_queue_find(const struct hsp_queue *queue, uint64_t object);
/* A line without events; NONE: out of memory. */
uint32_t hsp_queue_new_line(struct hsp_queue *queue, uint64_t object);
void hsp_queue_end_line(struct hsp_queue *queue, uint32_t line);
/* Take a line out of its heap. */
void hsp_queue_leave(struct hsp_queue *queue, uint32_t line);
/* Make `line`, whose head has just been set, take part in the race, unless that is held.
 */
void hsp_queue_set_going(struct hsp_queue *queue, uint32_t line, int64_t due_ms);
/* A new item, in no line; NONE: out of memory. */
uint32_t hsp_queue_new_item(struct hsp_queue *queue, const struct hsp_entry *entry);
void hsp_queue_free_item(struct hsp_queue *queue, uint32_t index);
/* What the line says of its head is not true of the next one. */
void hsp_queue_forget_head(struct line *line);

#endif
