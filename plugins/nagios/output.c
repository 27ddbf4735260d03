/* SPDX-License-Identifier: MIT */
/* Reading plugin output and perfdata. Nothing here trusts them: what does not have the
 * expected form is not there. */
#include "config.h"

#include "output.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WHOLE_MAX 9007199254740992.0 /* 2^53 */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool hsp_parse_decimal(const char *text, size_t length, double *value) {
    double number = 0;
    double scale = 1;
    size_t digits = 0;
    bool fraction = false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '.' && !fraction) {
            fraction = true;
        } else if (is_digit(text[i])) {
            digits++;
            number = number * 10 + (text[i] - '0');
            scale = fraction ? scale * 10 : scale;
        } else {
            return false;
        }
    }
    if (digits == 0 || digits > 40 || number / scale > WHOLE_MAX)
        return false;
    *value = number / scale;
    return true;
}

static bool round_up(double value, int64_t *whole) {
    if (value > WHOLE_MAX)
        return false;
    *whole = (int64_t)(value + 0.5);
    return true;
}

bool hsp_parse_whole(const char *text, int64_t *value) {
    double number;
    return text && hsp_parse_decimal(text, strlen(text), &number) &&
           round_up(number, value);
}

/* The code after "HTTP/", or -1: a version, one blank, three digits and no fourth. */
static int64_t status_after(const char *text) {
    size_t version = strspn(text, "0123456789.");
    const char *code = text + version;
    if (version == 0 || *code++ != ' ')
        return -1;
    if (strspn(code, "0123456789") != 3)
        return -1;
    long status = strtol(code, NULL, 10);
    return status >= 100 && status <= 599 ? status : -1;
}

int64_t hsp_output_status_code(const char *output) {
    for (const char *at = output; at && (at = strstr(at, "HTTP/")); at++) {
        int64_t status = status_after(at + strlen("HTTP/"));
        if (status >= 0)
            return status;
    }
    return -1;
}

struct slice {
    const char *start;
    size_t length;
};

static bool slice_is(struct slice slice, const char *word) {
    return slice.length == strlen(word) &&
           strncasecmp(slice.start, word, slice.length) == 0;
}

static struct slice trim(const char *start, const char *end, char quote) {
    while (start < end && (is_blank(*start) || *start == quote))
        start++;
    while (end > start && (is_blank(end[-1]) || end[-1] == quote))
        end--;
    return (struct slice){start, (size_t)(end - start)};
}

/* Milliseconds in a value like "0.032s", or -1. */
static int64_t milliseconds(struct slice value, const char *default_unit) {
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"s", 1000}, {"ms", 1}, {"us", 0.001}};
    size_t digits = 0;
    while (digits < value.length &&
           (is_digit(value.start[digits]) || value.start[digits] == '.'))
        digits++;
    struct slice unit = {value.start + digits, value.length - digits};
    if (unit.length == 0)
        unit = (struct slice){default_unit, strlen(default_unit)};
    double number;
    int64_t whole;
    if (!hsp_parse_decimal(value.start, digits, &number))
        return -1;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (slice_is(unit, units[i].unit) && round_up(number * units[i].factor, &whole))
            return whole;
    }
    return -1;
}

int64_t hsp_output_response_ms(const char *perfdata) {
    const char *at = perfdata;
    const char *equals;
    while (at && (equals = strchr(at, '='))) {
        /* A label that lost its quotes still ends at "=" and begins after the last
         * value. */
        struct slice label = trim(at, equals, '\'');
        const char *value = equals + 1;
        size_t length = strcspn(value, "; \t\r\n");
        int64_t time_ms = -1;
        if (slice_is(label, "time"))
            time_ms = milliseconds((struct slice){value, length}, "s");
        else if (slice_is(label, "rta"))
            time_ms = milliseconds((struct slice){value, length}, "ms");
        if (time_ms >= 0)
            return time_ms;
        at = value + strcspn(value, " \t\r\n");
    }
    return -1;
}

/* Append `text` at `to`, undoing \n and \\; the end. */
static char *decode(char *to, const char *text) {
    bool encoded = !strchr(text, '\n');
    for (; *text; text++) {
        char c = *text;
        if (encoded && c == '\\' && (text[1] == 'n' || text[1] == '\\'))
            c = *++text == 'n' ? '\n' : '\\';
        *to++ = c;
    }
    return to;
}

char *hsp_output_text(const char *output, const char *long_output, size_t *length) {
    const char *first = output ? output : "";
    const char *rest = long_output ? long_output : "";
    char *text = malloc(strlen(first) + strlen(rest) + 2);
    if (!text)
        return NULL;
    char *end = stpcpy(text, first);
    if (*first && *rest)
        *end++ = '\n';
    end = decode(end, rest);
    while (end > text && is_blank(end[-1]))
        end--;
    *end = '\0';
    *length = (size_t)(end - text);
    return text;
}
