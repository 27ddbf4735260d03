/* SPDX-License-Identifier: MIT */
/* Strangers' texts, made fit to be shown. */
#include "config.h"

#include "plain.h"

#include "../text.h"

#include <stdint.h>
#include <string.h>

/* Code points that a terminal obeys instead of showing. */
static const struct {
    uint32_t first, last;
} harmful[] = {
    {0x00, 0x1F},     {0x7F, 0x9F},     {0x061C, 0x061C}, {0x200E, 0x200F},
    {0x2028, 0x202E}, {0x2066, 0x2069}, {0xFEFF, 0xFEFF},
};

static bool is_harmful(uint32_t point) {
    for (size_t i = 0; i < sizeof harmful / sizeof *harmful; i++)
        if (point >= harmful[i].first && point <= harmful[i].last)
            return true;
    return false;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* The code point at the start of well-formed text, and how many bytes it takes. */
static uint32_t decode(const char *text, size_t *size) {
    const unsigned char first = (unsigned char)text[0];
    *size = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    uint32_t point = *size == 1 ? first : first & (0x7Fu >> *size);
    for (size_t i = 1; i < *size; i++)
        point = point << 6 | ((unsigned char)text[i] & 0x3Fu);
    return point;
}

static void append_good(struct hsp_buffer *out, const char *text, size_t length) {
    for (size_t at = 0, size; at < length; at += size) {
        uint32_t point = decode(text + at, &size);
        if (is_blank(text[at])) {
            while (at + size < length && is_blank(text[at + size]))
                size++;
            hsp_buffer_append(out, " ", 1);
        } else if (is_harmful(point)) {
            hsp_buffer_append(out, HSP_REPLACEMENT, strlen(HSP_REPLACEMENT));
        } else {
            hsp_buffer_append(out, text + at, size);
        }
    }
}

void hsp_plain_append(struct hsp_buffer *out, const char *text, size_t length) {
    struct hsp_buffer good = {0};
    hsp_text_repair(&good, text, length);
    if (good.length > 0)
        append_good(out, good.data, good.length);
    out->failed = out->failed || good.failed;
    hsp_buffer_free(&good);
}

void hsp_plain_copy(char *room, size_t size, const char *text, size_t length) {
    struct hsp_buffer plain = {0};
    hsp_plain_append(&plain, text, length);
    size_t kept = plain.failed ? 0 : hsp_text_cut(plain.data, plain.length, size - 1);
    if (kept > 0)
        memcpy(room, plain.data, kept);
    room[kept] = '\0';
    hsp_buffer_free(&plain);
}
