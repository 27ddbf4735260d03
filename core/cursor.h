/* SPDX-License-Identifier: MIT */
/* Reading text from front to back without trusting it: every step looks whether it stays
 * inside and says whether it was made. Pure functions. */
#ifndef HSP_CURSOR_H
#define HSP_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is left. */
struct hsp_cursor {
    const char *at, *end;
};

/* Step over `literal` if it is there. */
bool hsp_take(struct hsp_cursor *cursor, const char *literal);

/* Step over a decimal number without sign and leading zeros, at most `max`. On failure
 * the cursor stands somewhere in the digits. */
bool hsp_take_number(struct hsp_cursor *cursor, uint64_t max, uint64_t *number);

#endif
