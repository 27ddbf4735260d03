/* SPDX-License-Identifier: MIT */
/* What is read from Zabbix's words; see reading.h. */
#include "config.h"

#include "reading.h"

#include "cursor.h"
#include "units.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_MS 9007199254740992.0 /* 2^53 */

int64_t hsp_reading_time(const char *date, const char *time) {
    char text[HSP_TIME_LENGTH + 1];
    int64_t utc_s;
    if (date == NULL || time == NULL || strlen(date) != 10 || strlen(time) != 8)
        return -1;
    snprintf(text, sizeof(text), "%.4s-%.2s-%.2sT%.8sZ", date, date + 5, date + 8, time);
    return hsp_parse_time(text, &utc_s) ? utc_s : -1;
}

/* Digits, perhaps with a fraction. */
static bool take_decimal(const char **text, double *value) {
    const char *at = *text;
    double number = 0, weight = 0.1;
    if (*at < '0' || *at > '9')
        return false;
    for (; *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (*at - '0');
    if (*at == '.')
        for (at++; *at >= '0' && *at <= '9'; at++, weight /= 10)
            number += weight * (*at - '0');
    *text = at;
    *value = number;
    return true;
}

static double take_unit(const char **text, double otherwise) {
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"us", 0.001}, {"ms", 1},      {"s", 1000},
                 {"m", 60000},  {"h", 3600000}, {"d", 86400000}};
    const size_t length = strspn(*text, "abcdefghijklmnopqrstuvwxyz");
    if (length == 0)
        return otherwise;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strlen(units[i].unit) == length && !strncmp(*text, units[i].unit, length)) {
            *text += length;
            return units[i].ms;
        }
    }
    return -1;
}

int64_t hsp_reading_response_ms(const char *text, double unit_ms) {
    double sum = 0, value;
    if (text == NULL)
        return -1;
    text += strspn(text, "< ");
    do {
        if (!take_decimal(&text, &value))
            return -1;
        text += strspn(text, " ");
        const double unit = take_unit(&text, *text == '\0' ? unit_ms : -1);
        if (unit < 0)
            return -1;
        sum += value * unit;
        text += strspn(text, " ");
    } while (*text);
    return sum <= MAX_MS ? (int64_t)(sum + 0.5) : -1;
}

int64_t hsp_reading_whole(const char *text, int64_t min, int64_t max) {
    uint64_t number;
    if (text == NULL)
        return -1;
    struct hsp_cursor cursor = {text, text + strlen(text)};
    if (!hsp_take_number(&cursor, (uint64_t)max, &number) || cursor.at != cursor.end)
        return -1;
    return (int64_t)number >= min ? (int64_t)number : -1;
}

/* The number at `text`, if it is a code by itself; words may follow. */
static int64_t code_at(const char *text) {
    if (strspn(text, "0123456789") != 3 || *text < '1' || *text > '5' ||
        strchr(" )", text[3]) == NULL)
        return -1;
    return (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
}

int64_t hsp_reading_status_code(const char *text) {
    if (text == NULL)
        return -1;
    /* A value map writes the value behind its name, in brackets. */
    const char *bracket = strrchr(text, '(');
    if (bracket != NULL &&
        strcmp(bracket + 1 + strspn(bracket + 1, "0123456789"), ")") == 0)
        return code_at(bracket + 1);
    if (strncmp(text, "HTTP/", 5) == 0)
        text += strcspn(text, " ") + strspn(text + strcspn(text, " "), " ");
    return code_at(text);
}

int hsp_reading_severity(const char *text) {
    static const char *const names[] = {"not classified", "information", "warning",
                                        "average",        "high",        "disaster"};
    const int64_t number = hsp_reading_whole(text, 0, 5);
    for (int i = 0; number < 0 && text != NULL && i < 6; i++)
        if (strcasecmp(text, names[i]) == 0)
            return i;
    return (int)number;
}
