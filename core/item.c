/* SPDX-License-Identifier: MIT */
/* Items of an outbox, each in one allocation with its texts. */
#include "config.h"

#include "item.h"

#include <stdlib.h>
#include <string.h>

struct hsp_item *hsp_item_new(const struct hsp_outgoing *outgoing, int64_t now_us) {
    const size_t key_size = outgoing->key == NULL ? 0 : strlen(outgoing->key) + 1;
    const size_t value_size = outgoing->value == NULL ? 0 : strlen(outgoing->value) + 1;
    struct hsp_item *item = malloc(sizeof(*item) + key_size + value_size);
    if (item == NULL)
        return NULL;
    char *texts = (char *)(item + 1);
    *item = (struct hsp_item){.arg = outgoing->arg, .added_us = now_us};
    if (key_size > 0)
        item->key = memcpy(texts, outgoing->key, key_size);
    if (value_size > 0)
        item->value = memcpy(texts + key_size, outgoing->value, value_size);
    return item;
}

void hsp_item_free(struct hsp_item *item) {
    if (item == NULL)
        return;
    hs_event_free(item->event);
    free(item);
}

void hsp_items_init(struct hsp_items *items) {
    *items = (struct hsp_items){.end = &items->first};
}

void hsp_items_add(struct hsp_items *items, struct hsp_item *item) {
    *items->end = item;
    items->end = &item->next;
    items->events += item->event != NULL;
}

bool hsp_items_move(struct hsp_items *items, struct hsp_items *from) {
    if (from->first == NULL)
        return false;
    *items->end = from->first;
    items->end = from->end;
    items->events += from->events;
    hsp_items_init(from);
    return true;
}

void hsp_items_drop(struct hsp_items *items) {
    struct hsp_item *item = items->first;
    items->events -= item->event != NULL;
    items->first = item->next;
    if (items->first == NULL)
        items->end = &items->first;
    hsp_item_free(item);
}

void hsp_items_free(struct hsp_items *items) {
    while (items->first != NULL)
        hsp_items_drop(items);
}
