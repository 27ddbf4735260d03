/* SPDX-License-Identifier: MIT */
/* What an outbox was handed, in the order in which it came. A list has no lock of its
 * own: whoever has it says who may use it. */
#ifndef HSP_ITEM_H
#define HSP_ITEM_H

#include "outbox.h"

struct hsp_item {
    struct hsp_item *next;
    struct hs_event *event; /* NULL: a status alone */
    void *arg;
    char *key, *value; /* NULL: none */
    int64_t added_us;  /* running clock */
    uint64_t ticket;
};

struct hsp_items {
    struct hsp_item *first, **end;
    size_t events; /* items that have one */
};

/* Copies of key and value; the event is not in it yet. NULL: out of memory. */
struct hsp_item *hsp_item_new(const struct hsp_outgoing *outgoing, int64_t now_us);
void hsp_item_free(struct hsp_item *item); /* with its event; NULL is fine */

void hsp_items_init(struct hsp_items *items);
/* At the end; the list's from then on. */
void hsp_items_add(struct hsp_items *items, struct hsp_item *item);
/* All of `from` to the end of `items`; false: there were none. */
bool hsp_items_move(struct hsp_items *items, struct hsp_items *from);
/* The first is done with. */
void hsp_items_drop(struct hsp_items *items);
void hsp_items_free(struct hsp_items *items);

#endif
