/* SPDX-License-Identifier: MIT */
/* Lines of events, out of turn: what a person holds, puts back or takes away. An event
 * that heads its line and is held keeps the line out of the race: it is BUSY with nothing
 * under way. */
#include "config.h"

#include "queue_lines.h"

/* Where `sequence` stands in the line, or would: `previous` is the last item before it
 * (NONE: it comes first), the result the item itself (NONE: it is not there). */
static uint32_t find_item(const struct hsp_queue *queue, const struct line *line,
                          uint64_t sequence, uint32_t *previous) {
    *previous = NONE;
    if (line->tail != NONE && hsp_queue_item(queue, line->tail)->sequence < sequence) {
        *previous = line->tail; /* the usual case, however long the line is */
        return NONE;
    }
    uint32_t at = line->head;
    while (at != NONE && hsp_queue_item(queue, at)->sequence < sequence) {
        *previous = at;
        at = hsp_queue_item(queue, at)->next;
    }
    return at != NONE && hsp_queue_item(queue, at)->sequence == sequence ? at : NONE;
}

static bool is_under_way(const struct hsp_queue *queue, const struct line *line) {
    return line->place == BUSY && !hsp_queue_item(queue, line->head)->held;
}

enum hsp_hold hsp_queue_hold(struct hsp_queue *queue, uint64_t object, uint64_t sequence,
                             struct hsp_entry *entry) {
    uint32_t index = hsp_queue_find(queue, object), previous;
    if (index == NONE)
        return HSP_HOLD_MISSING;
    struct line *line = &queue->lines[index];
    uint32_t at = find_item(queue, line, sequence, &previous);
    if (at == NONE)
        return HSP_HOLD_MISSING;
    struct item *item = hsp_queue_item(queue, at);
    if (item->held || (at == line->head && is_under_way(queue, line)))
        return HSP_HOLD_BUSY;
    *entry = (struct hsp_entry){.object = object};
    if (at == line->head) {
        hsp_queue_head(queue, index, entry);
        hsp_queue_leave(queue, index);
        line->place = BUSY;
    }
    entry->sequence = sequence;
    entry->size = item->size;
    entry->offset = item->offset;
    item->held = true;
    return HSP_HOLD_DONE;
}

/* The new item comes first: the old head, not under way, is held too where its file has
 * to be renamed. */
static void displace(struct hsp_queue *queue, uint32_t index, uint32_t fresh,
                     struct hsp_entry *displaced) {
    struct line *line = &queue->lines[index];
    hsp_queue_head(queue, index, displaced);
    if (line->place != BUSY)
        hsp_queue_leave(queue, index);
    if (displaced->attempts == 0 && displaced->due_s == 0 && displaced->code == 0)
        displaced->sequence = 0;
    hsp_queue_forget_head(line);
    hsp_queue_item(queue, fresh)->next = line->head;
    line->head = fresh;
    line->place = BUSY;
}

enum hsp_hold hsp_queue_insert(struct hsp_queue *queue, const struct hsp_entry *entry,
                               struct hsp_entry *displaced) {
    uint32_t index = hsp_queue_find(queue, entry->object), previous = NONE;
    displaced->sequence = 0;
    if (index == NONE)
        index = hsp_queue_new_line(queue, entry->object);
    if (index == NONE)
        return HSP_HOLD_NOMEM;
    bool is_new = queue->lines[index].head == NONE;
    if (!is_new &&
        find_item(queue, &queue->lines[index], entry->sequence, &previous) != NONE)
        return HSP_HOLD_THERE;
    if (!is_new && previous == NONE && is_under_way(queue, &queue->lines[index]))
        return HSP_HOLD_BUSY;
    uint32_t fresh = hsp_queue_new_item(queue, entry);
    if (fresh == NONE) {
        if (is_new)
            hsp_queue_end_line(queue, index);
        return HSP_HOLD_NOMEM;
    }
    hsp_queue_item(queue, fresh)->held = true;
    struct line *line = &queue->lines[index];
    if (is_new) {
        line->head = line->tail = fresh;
        line->place = BUSY;
    } else if (previous == NONE) {
        displace(queue, index, fresh, displaced);
    } else {
        hsp_queue_item(queue, fresh)->next = hsp_queue_item(queue, previous)->next;
        hsp_queue_item(queue, previous)->next = fresh;
        if (line->tail == previous)
            line->tail = fresh;
    }
    return HSP_HOLD_DONE;
}

void hsp_queue_release(struct hsp_queue *queue, const struct hsp_entry *entry) {
    uint32_t index = hsp_queue_find(queue, entry->object), previous;
    struct line *line = &queue->lines[index];
    uint32_t at = find_item(queue, line, entry->sequence, &previous);
    struct item *item = hsp_queue_item(queue, at);
    item->held = false;
    queue->bytes += (int64_t)entry->size - item->size;
    item->size = entry->size;
    item->offset = entry->offset;
    if (at != line->head)
        return;
    line->attempts = (uint8_t)entry->attempts;
    line->code = (uint16_t)entry->code;
    line->due_s = entry->due_s;
    hsp_queue_set_going(queue, index, 0);
}

void hsp_queue_remove(struct hsp_queue *queue, const struct hsp_entry *entry) {
    uint32_t index = hsp_queue_find(queue, entry->object), previous;
    struct line *line = &queue->lines[index];
    uint32_t at = find_item(queue, line, entry->sequence, &previous);
    if (previous == NONE) {
        hsp_queue_advance(queue, index);
        return;
    }
    hsp_queue_item(queue, previous)->next = hsp_queue_item(queue, at)->next;
    if (line->tail == at)
        line->tail = previous;
    hsp_queue_free_item(queue, at);
}

enum hsp_hold hsp_queue_hurry(struct hsp_queue *queue, uint64_t object,
                              uint64_t sequence) {
    uint32_t index = hsp_queue_find(queue, object), previous;
    if (index == NONE)
        return HSP_HOLD_MISSING;
    struct line *line = &queue->lines[index];
    uint32_t at = find_item(queue, line, sequence, &previous);
    if (at == NONE)
        return HSP_HOLD_MISSING;
    if (at == line->head && line->place == WAITING) {
        hsp_queue_leave(queue, index);
        hsp_queue_set_going(queue, index, 0);
    }
    return HSP_HOLD_DONE;
}
