/* SPDX-License-Identifier: MIT */
/* The two steps that spool files and payloads are read with. Pure. */
#include "config.h"

#include "cursor.h"

#include <string.h>

bool hsp_take(struct hsp_cursor *cursor, const char *literal) {
    const size_t length = strlen(literal);
    if ((size_t)(cursor->end - cursor->at) < length ||
        memcmp(cursor->at, literal, length) != 0)
        return false;
    cursor->at += length;
    return true;
}

bool hsp_take_number(struct hsp_cursor *cursor, uint64_t max, uint64_t *number) {
    const char *start = cursor->at;
    uint64_t value = 0;
    while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9') {
        const uint64_t digit = (uint64_t)(*cursor->at - '0');
        if (digit > max || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
        cursor->at++;
    }
    const ptrdiff_t digits = cursor->at - start;
    if (digits == 0 || (digits > 1 && *start == '0'))
        return false;
    *number = value;
    return true;
}
