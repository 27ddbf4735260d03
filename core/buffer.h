/* SPDX-License-Identifier: MIT */
/* A growing run of bytes, always NUL-terminated. An append that fails leaves `failed` set
 * and the rest of a chain of appends does nothing, so that one check at the end is
 * enough. Zero-initialize; one thread at a time. */
#ifndef HSP_BUFFER_H
#define HSP_BUFFER_H

#include "hookspool.h"
#include <stdbool.h>

struct hsp_buffer {
    char *data; /* NULL before the first append */
    size_t length;
    size_t capacity;
    bool failed; /* out of memory */
};

void hsp_buffer_append(struct hsp_buffer *buffer, const void *bytes, size_t length);
void hsp_buffer_print(struct hsp_buffer *buffer, const char *format, ...) HS_PRINTF(2, 3);
void hsp_buffer_clear(
    struct hsp_buffer *buffer); /* length 0, memory kept, `failed` unset */
void hsp_buffer_free(struct hsp_buffer *buffer); /* back to zero */
/* Hand the bytes out (free()) and empty the buffer; NULL when it failed or nothing was
 * appended. */
char *hsp_buffer_take(struct hsp_buffer *buffer, size_t *length);

#endif
