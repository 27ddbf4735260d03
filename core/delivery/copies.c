/* SPDX-License-Identifier: MIT */
/* A ring of open copies. */
#include "config.h"

#include "copies.h"

#include <stddef.h>
#include <unistd.h>

void hsp_copies_init(struct hsp_copies *copies) {
    *copies = (struct hsp_copies){0};
    for (size_t i = 0; i < HSP_COPIES_MAX; i++)
        copies->all[i].fd = -1;
}

void hsp_copies_add(struct hsp_copies *copies, const struct hsp_copy *copy) {
    struct hsp_copy *place = &copies->all[copies->next];
    if (place->fd >= 0)
        close(place->fd);
    *place = *copy;
    copies->next = (copies->next + 1) % HSP_COPIES_MAX;
    copies->any = true;
}

const struct hsp_copy *hsp_copies_find(const struct hsp_copies *copies,
                                       const struct hsp_entry *entry) {
    if (entry->offset == 0 || !copies->any)
        return NULL;
    for (size_t i = 0; i < HSP_COPIES_MAX; i++) {
        const struct hsp_copy *copy = &copies->all[i];
        if (copy->fd >= 0 && copy->first <= entry->sequence &&
            entry->sequence <= copy->last)
            return copy;
    }
    return NULL;
}

void hsp_copies_clear(struct hsp_copies *copies) {
    for (size_t i = 0; copies->any && i < HSP_COPIES_MAX; i++)
        if (copies->all[i].fd >= 0)
            close(copies->all[i].fd);
    hsp_copies_init(copies);
}
