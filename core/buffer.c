/* SPDX-License-Identifier: MIT */
/* A growing run of bytes: the one place where the core reallocates. The bytes always end
 * in a NUL that the length does not count. Knows nothing of what the bytes mean. */
#include "config.h"

#include "buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 256

/* Room for `more` bytes and the NUL. */
static bool reserve(struct hsp_buffer *buffer, size_t more) {
    if (buffer->failed || more > SIZE_MAX / 4 || buffer->length > SIZE_MAX / 4) {
        buffer->failed = true;
        return false;
    }
    const size_t needed = buffer->length + more + 1;
    if (needed <= buffer->capacity)
        return true;
    size_t capacity = buffer->capacity == 0 ? FIRST_CAPACITY : buffer->capacity;
    while (capacity < needed)
        capacity *= 2;
    char *data = realloc(buffer->data, capacity);
    if (data == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

void hsp_buffer_append(struct hsp_buffer *buffer, const void *bytes, size_t length) {
    if (!reserve(buffer, length))
        return;
    if (length > 0)
        memcpy(buffer->data + buffer->length, bytes, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
}

void hsp_buffer_print(struct hsp_buffer *buffer, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        buffer->failed = true;
    if (!reserve(buffer, length < 0 ? 0 : (size_t)length))
        return;
    va_start(args, format);
    vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, args);
    va_end(args);
    buffer->length += (size_t)length;
}

void hsp_buffer_clear(struct hsp_buffer *buffer) {
    buffer->length = 0;
    buffer->failed = false;
    if (buffer->data != NULL)
        buffer->data[0] = '\0';
}

void hsp_buffer_free(struct hsp_buffer *buffer) {
    free(buffer->data);
    *buffer = (struct hsp_buffer){0};
}

char *hsp_buffer_take(struct hsp_buffer *buffer, size_t *length) {
    if (buffer->failed || buffer->data == NULL) {
        hsp_buffer_free(buffer);
        return NULL;
    }
    char *data = buffer->data;
    if (length != NULL)
        *length = buffer->length;
    *buffer = (struct hsp_buffer){0};
    return data;
}
