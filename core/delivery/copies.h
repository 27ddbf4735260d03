/* SPDX-License-Identifier: MIT */
/* The daemon's newest copies of files with more than one event, held open: what is sent
 * soon after it was placed is read through these descriptors and not by name. Bounded;
 * whatever is not here is read by name. Main loop only. */
#ifndef HSP_COPIES_H
#define HSP_COPIES_H

#include "entry.h"

#define HSP_COPIES_MAX 32

struct hsp_copy {
    uint64_t first, last; /* sequence numbers of its events */
    int fd;               /* owned; -1: none */
    int64_t uid;          /* who submitted them */
};

struct hsp_copies {
    struct hsp_copy all[HSP_COPIES_MAX];
    unsigned next;
    bool any;
};

void hsp_copies_init(struct hsp_copies *copies);
/* Take the copy over, in the place of the oldest. */
void hsp_copies_add(struct hsp_copies *copies, const struct hsp_copy *copy);
/* The copy that holds the entry's event; borrowed until the next call. NULL: read it by
 * name. */
const struct hsp_copy *hsp_copies_find(const struct hsp_copies *copies,
                                       const struct hsp_entry *entry);
/* Close all: their space comes free when their last names have gone. */
void hsp_copies_clear(struct hsp_copies *copies);

#endif
