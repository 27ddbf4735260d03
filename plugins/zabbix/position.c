/* SPDX-License-Identifier: MIT */
/* Places in files. An inode alone is not enough: file systems give the number of a file
 * that was removed to the next one, which after two rotations is the file that is written
 * now. The first line of a file has a time and an id in it, so no two begin alike. */
#include "config.h"

#include "cursor.h"
#include "id.h"
#include "position.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void hsp_place_print(const struct hsp_place *place, char *text, size_t size) {
    snprintf(text, size, "%" PRIu64 " %" PRId64 " %" PRId64 " %" PRIu64, place->inode,
             place->offset, place->print_length, place->print_hash);
}

bool hsp_place_read(struct hsp_place *place, const char *text) {
    struct hsp_cursor cursor = {text, text + strlen(text)};
    uint64_t numbers[4];
    for (size_t i = 0; i < 4; i++)
        if ((i > 0 && !hsp_take(&cursor, " ")) ||
            !hsp_take_number(&cursor, i == 0 || i == 3 ? UINT64_MAX : INT64_MAX,
                             &numbers[i]))
            return false;
    if (cursor.at != cursor.end || numbers[2] > HSP_PRINT_BYTES ||
        numbers[2] > numbers[1])
        return false;
    *place = (struct hsp_place){numbers[0], (int64_t)numbers[1], (int64_t)numbers[2],
                                numbers[3]};
    return true;
}

/* The hash of the first `length` bytes; false: they cannot be read. */
static bool hash_start(int fd, int64_t length, uint64_t *hash) {
    char bytes[HSP_PRINT_BYTES];
    size_t have = 0;
    while (have < (size_t)length) {
        const ssize_t got = pread(fd, bytes + have, (size_t)length - have, (int64_t)have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    *hash = hsp_hash(bytes, have);
    return true;
}

void hsp_place_update(struct hsp_place *place, int fd) {
    const int64_t length =
        place->offset < HSP_PRINT_BYTES ? place->offset : HSP_PRINT_BYTES;
    if (length > place->print_length && hash_start(fd, length, &place->print_hash))
        place->print_length = length;
}

bool hsp_place_fits(const struct hsp_place *place, int fd) {
    struct stat info;
    uint64_t hash = 0;
    if (fstat(fd, &info) != 0 || info.st_size < place->offset)
        return false;
    if (place->print_length == 0)
        return info.st_ino == place->inode;
    return hash_start(fd, place->print_length, &hash) && hash == place->print_hash;
}

int64_t hsp_place_of_half(int fd, int64_t size, int64_t max) {
    char bytes[4096];
    int64_t at = size;
    while (at > 0 && size - at <= max) {
        const int64_t count = at < (int64_t)sizeof(bytes) ? at : (int64_t)sizeof(bytes);
        if (pread(fd, bytes, (size_t)count, at - count) != count)
            return size;
        const char *end = memrchr(bytes, '\n', (size_t)count);
        at -= count;
        if (end != NULL)
            return at + (end - bytes) + 1;
    }
    return at == 0 ? 0 : size;
}
