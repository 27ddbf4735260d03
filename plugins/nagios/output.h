/* SPDX-License-Identifier: MIT */
/* What a plugin printed: numbers to be found in it, and its text as a person wrote it.
 * Pure functions; a NULL text is an empty one. */
#ifndef HSP_NOTIFY_OUTPUT_H
#define HSP_NOTIFY_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A decimal number without sign or exponent, "30" or "0.032", up to 2^53. */
bool hsp_parse_decimal(const char *text, size_t length, double *value);
/* The same, rounded to a whole number. */
bool hsp_parse_whole(const char *text, int64_t *value);

/* The code of the first status line ("HTTP/1.1 503", "HTTP/2 200") in `output`, 100 to
 * 599; -1 where there is none. */
int64_t hsp_output_status_code(const char *output);

/* The response time in milliseconds, rounded, from the first perfdata value labelled
 * "time" (seconds if it names no unit) or "rta" (milliseconds if it names none); -1 where
 * there is none. Labels may have lost their quotes, as on Nagios's command lines. */
int64_t hsp_output_response_ms(const char *perfdata);

/* Output and long output as one text of `length` bytes, a line break between them;
 * free(). Nagios writes a line break in long output as \n and a backslash as \\: that is
 * undone, unless the text has a real line break and so was never written that way. NULL:
 * out of memory. */
char *hsp_output_text(const char *output, const char *long_output, size_t *length);

#endif
