/* SPDX-License-Identifier: MIT */
/* A place in a file that grows and is renamed: how far it was read, and by what it is
 * known again. */
#ifndef HSP_POSITION_H
#define HSP_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HSP_PRINT_BYTES 4096 /* of a file's beginning are hashed, at most */

/* Zeros: the beginning of a file that is not known yet. */
struct hsp_place {
    uint64_t inode;
    int64_t offset;
    int64_t print_length; /* bytes that are hashed; at most `offset` */
    uint64_t print_hash;
};

/* "INODE OFFSET LENGTH HASH" and back; false: it is no such text. */
void hsp_place_print(const struct hsp_place *place, char *text, size_t size);
bool hsp_place_read(struct hsp_place *place, const char *text);

/* Hash more of the file's beginning, where the offset is beyond what is hashed. */
void hsp_place_update(struct hsp_place *place, int fd);

/* Is it a place in this file? The hash decides; where nothing is hashed, the inode. */
bool hsp_place_fits(const struct hsp_place *place, int fd);

/* Where the last line of a file of `size` bytes begins that has no end yet; `size`: there
 * is none, or it is longer than `max`, or it cannot be read. */
int64_t hsp_place_of_half(int fd, int64_t size, int64_t max);

#endif
