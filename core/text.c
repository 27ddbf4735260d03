/* SPDX-License-Identifier: MIT */
/* UTF-8: which bytes form a code point (Unicode 15, table 3-7), repair, cutting. Source
 * of the repair rule: WHATWG Encoding, "UTF-8 decoder": one U+FFFD for each maximal
 * ill-formed part. Pure but for the buffer written to. */
#include "config.h"

#include "text.h"

#include <stdint.h>
#include <string.h>

/* A first byte from `first` to `last` wants `more` bytes, the next from `low` to `high`.
 */
struct lead {
    unsigned char first, last, low, high, more;
};

static const struct lead leads[] = {
    {0xC2, 0xDF, 0x80, 0xBF, 1}, {0xE0, 0xE0, 0xA0, 0xBF, 2}, {0xE1, 0xEC, 0x80, 0xBF, 2},
    {0xED, 0xED, 0x80, 0x9F, 2}, {0xEE, 0xEF, 0x80, 0xBF, 2}, {0xF0, 0xF0, 0x90, 0xBF, 3},
    {0xF1, 0xF3, 0x80, 0xBF, 3}, {0xF4, 0xF4, 0x80, 0x8F, 3},
};

static const struct lead *find_lead(unsigned char byte) {
    for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++)
        if (byte >= leads[i].first && byte <= leads[i].last)
            return &leads[i];
    return NULL;
}

/* The length of the code point at `text`, or of the maximal ill-formed part there. */
static size_t code_point(const unsigned char *text, size_t length, bool *well_formed) {
    *well_formed = true;
    if (text[0] < 0x80)
        return 1;
    *well_formed = false;
    const struct lead *lead = find_lead(text[0]);
    if (lead == NULL || length < 2 || text[1] < lead->low || text[1] > lead->high)
        return 1;
    size_t taken = 2;
    while (taken <= lead->more) {
        if (taken == length || (text[taken] & 0xC0) != 0x80)
            return taken;
        taken++;
    }
    *well_formed = true;
    return taken;
}

/* The length of the ASCII at the start, eight bytes at a time: most text is only that. */
static size_t ascii_run(const char *text, size_t length) {
    size_t at = 0;
    for (; length - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, text + at, sizeof word);
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    while (at < length && (unsigned char)text[at] < 0x80)
        at++;
    return at;
}

/* The length of the well-formed text at the start; `bad` is that of the ill-formed part
 * behind it, 0 at the end. */
static size_t good_run(const char *text, size_t length, size_t *bad) {
    size_t at = 0;
    *bad = 0;
    while (at < length) {
        at += ascii_run(text + at, length - at);
        if (at == length)
            break;
        bool well_formed;
        const size_t taken =
            code_point((const unsigned char *)text + at, length - at, &well_formed);
        if (!well_formed) {
            *bad = taken;
            break;
        }
        at += taken;
    }
    return at;
}

void hsp_text_repair(struct hsp_buffer *out, const char *text, size_t length) {
    size_t at = 0;
    do {
        size_t bad;
        const size_t good = good_run(text + at, length - at, &bad);
        hsp_buffer_append(out, text + at, good);
        if (bad > 0)
            hsp_buffer_append(out, HSP_REPLACEMENT, strlen(HSP_REPLACEMENT));
        at += good + bad;
    } while (at < length);
}

bool hsp_text_is_utf8(const char *text, size_t length) {
    size_t bad;
    return good_run(text, length, &bad) == length;
}

size_t hsp_text_cut(const char *text, size_t length, size_t max) {
    if (length <= max)
        return length;
    while (max > 0 && ((unsigned char)text[max] & 0xC0) == 0x80)
        max--;
    return max;
}
