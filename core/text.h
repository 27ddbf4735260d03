/* SPDX-License-Identifier: MIT */
/* UTF-8: repair and cutting. Pure functions. */
#ifndef HSP_TEXT_H
#define HSP_TEXT_H

#include "buffer.h"

#define HSP_REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* Append `length` bytes of `text` to `out`, each maximal ill-formed part replaced by one
 * U+FFFD, exactly as the WHATWG decoder (and so every JavaScript receiver) does. U+0000
 * is kept. */
void hsp_text_repair(struct hsp_buffer *out, const char *text, size_t length);

/* Is it well-formed UTF-8? */
bool hsp_text_is_utf8(const char *text, size_t length);

/* The length of the longest prefix of well-formed `text` that has at most `max` bytes and
 * ends between code points. */
size_t hsp_text_cut(const char *text, size_t length, size_t max);

#endif
