/* SPDX-License-Identifier: MIT */
/* What a stranger wrote (an answer, a certificate), made fit to be shown: one line of
 * UTF-8 that can do nothing to a terminal. Pure but for the buffer written to. */
#ifndef HSP_PLAIN_H
#define HSP_PLAIN_H

#include "../buffer.h"

/* Append `text`: ill-formed UTF-8 and control characters (C0, DEL, C1, the ones that
 * change the direction of writing) become U+FFFD, each run of white space one blank. */
void hsp_plain_append(struct hsp_buffer *out, const char *text, size_t length);

/* The same into `room`, cut between code points, always NUL-terminated. */
void hsp_plain_copy(char *room, size_t size, const char *text, size_t length);

#endif
