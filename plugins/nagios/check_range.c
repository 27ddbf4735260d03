/* SPDX-License-Identifier: MIT */
/* Reading, asking and writing a range. */
#include "config.h"

#include "check_range.h"

#include "units.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define END_LENGTH 32              /* of one end as text */
#define LARGEST 9007199254740992.0 /* 2^53 */

/* A decimal number, perhaps below 0: no exponent, no hexadecimal, no "nan". */
static bool parse_number(const char *text, double *value) {
    const char *digits = text + (*text == '-');
    size_t whole = strspn(digits, "0123456789");
    const char *rest = digits + whole;
    if (*rest == '.') {
        size_t fraction = strspn(rest + 1, "0123456789");
        if (fraction == 0)
            return false;
        rest += 1 + fraction;
    }
    double number = strtod(text, NULL);
    if (whole == 0 || *rest != '\0' || number > LARGEST || number < -LARGEST)
        return false;
    *value = number;
    return true;
}

static bool parse_end(const char *text, enum hsp_unit unit, double *value) {
    int64_t duration_ms;
    if (parse_number(text, value))
        return true;
    if (unit == HSP_UNIT_SECONDS && hsp_parse_duration(text, &duration_ms)) {
        *value = (double)duration_ms / 1000;
        return true;
    }
    char plain[END_LENGTH];
    size_t length = strlen(text);
    if (unit != HSP_UNIT_PERCENT || length == 0 || text[length - 1] != '%')
        return false;
    snprintf(plain, sizeof plain, "%.*s", (int)length - 1, text);
    return parse_number(plain, value);
}

bool hsp_range_parse(const char *text, size_t length, enum hsp_unit unit,
                     struct hsp_range *range) {
    struct hsp_range fresh = {.is_set = length > 0, .end = INFINITY};
    char start[END_LENGTH] = "", end[END_LENGTH] = "";
    if (length > 0 && *text == '@') {
        fresh.is_inside = true;
        text++;
        length--;
    }
    const char *colon = memchr(text, ':', length);
    size_t start_length = colon != NULL ? (size_t)(colon - text) : 0;
    size_t end_length = colon != NULL ? length - start_length - 1 : length;
    if (start_length >= END_LENGTH || end_length >= END_LENGTH)
        return false;
    memcpy(start, text, start_length);
    memcpy(end, text + length - end_length, end_length);
    if (strcmp(start, "~") == 0)
        fresh.start = -INFINITY;
    else if (start_length > 0 && !parse_end(start, unit, &fresh.start))
        return false;
    /* "10:" has no end, and neither has ":"; "@" alone is nothing. */
    if (end_length > 0 && !parse_end(end, unit, &fresh.end))
        return false;
    if (fresh.start > fresh.end || (fresh.is_inside && length == 0))
        return false;
    *range = fresh;
    return true;
}

bool hsp_range_alerts(const struct hsp_range *range, double value) {
    bool is_in = value >= range->start && value <= range->end;
    return range->is_set && is_in == range->is_inside;
}

static void print_end(double value, char text[END_LENGTH]) {
    if (value == INFINITY)
        *text = '\0';
    else if (value == -INFINITY)
        snprintf(text, END_LENGTH, "~");
    else
        snprintf(text, END_LENGTH, "%.16g", value);
}

const char *hsp_range_text(const struct hsp_range *range, char text[HSP_RANGE_LENGTH]) {
    char start[END_LENGTH], end[END_LENGTH];
    print_end(range->start, start);
    print_end(range->end, end);
    bool is_short = range->start == 0 && range->end != INFINITY;
    *text = '\0';
    if (range->is_set)
        snprintf(text, HSP_RANGE_LENGTH, "%s%s%s%s", range->is_inside ? "@" : "",
                 is_short ? "" : start, is_short ? "" : ":", end);
    return text;
}
