/* SPDX-License-Identifier: MIT */
/* Words of the configuration and times as text. Pure. The calendar is computed here:
 * gmtime() would open the time zone's file at every start of an adapter. */
#include "config.h"

#include "units.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define DURATION_MAX_MS (INT64_C(3650) * 86400 * 1000)
#define SIZE_MAX_BYTES (INT64_C(1) << 50)
#define RATE_MAX 100000

struct unit {
    const char *name;
    int64_t factor;
};

/* Read the digits at `*text` and step over them; false when there are none or when they
 * exceed `max`. */
static bool take_number(const char **text, int64_t max, int64_t *number) {
    const char *at = *text;
    int64_t value = 0;
    if (*at < '0' || *at > '9')
        return false;
    for (; *at >= '0' && *at <= '9'; at++) {
        const int digit = *at - '0';
        if (value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *text = at;
    *number = value;
    return true;
}

static const struct unit *find_unit(const struct unit *units, size_t count,
                                    const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(units[i].name, name) == 0)
            return &units[i];
    return NULL;
}

/* A number and one of `units`, at most `max` as a product. */
static bool parse_product(const char *text, const struct unit *units, size_t count,
                          int64_t max, int64_t *product) {
    int64_t number;
    if (!take_number(&text, max, &number))
        return false;
    const struct unit *unit = find_unit(units, count, text);
    if (unit == NULL || number > max / unit->factor)
        return false;
    *product = number * unit->factor;
    return true;
}

bool hsp_parse_duration(const char *text, int64_t *duration_ms) {
    static const struct unit units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    return parse_product(text, units, sizeof units / sizeof units[0], DURATION_MAX_MS,
                         duration_ms);
}

bool hsp_parse_size(const char *text, int64_t *bytes) {
    static const struct unit units[] = {
        {"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}};
    return parse_product(text, units, sizeof units / sizeof units[0], SIZE_MAX_BYTES,
                         bytes);
}

bool hsp_parse_rate(const char *text, struct hsp_rate *rate) {
    static const struct unit windows[] = {{"/s", 1000}, {"/min", 60000}, {"/h", 3600000}};
    if (strcmp(text, "none") == 0) {
        *rate = (struct hsp_rate){0};
        return true;
    }
    int64_t count;
    if (!take_number(&text, RATE_MAX, &count) || count == 0)
        return false;
    const struct unit *window =
        find_unit(windows, sizeof windows / sizeof windows[0], text);
    if (window == NULL)
        return false;
    *rate = (struct hsp_rate){.count = count, .window_ms = window->factor};
    return true;
}

bool hsp_parse_share(const char *text, struct hsp_share *share) {
    const char *at = text;
    int64_t percent;
    if (take_number(&at, 99, &percent) && strcmp(at, "%") == 0) {
        *share = (struct hsp_share){.percent = (int)percent, .bytes = -1};
        return true;
    }
    int64_t bytes;
    if (!hsp_parse_size(text, &bytes))
        return false;
    *share = (struct hsp_share){.percent = -1, .bytes = bytes};
    return true;
}

struct date {
    int64_t year, month, day;
};

/* Years begin in March here, so that the leap day is the last one of a year; an era is
 * the 400 years after which the calendar repeats. Only years from 1970 on come here. */
static int64_t days_of_date(struct date date) {
    const int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    const int64_t month = date.month <= 2 ? date.month + 9 : date.month - 3;
    const int64_t days = year * 365 + year / 4 - year / 100 + year / 400;
    return days + (153 * month + 2) / 5 + date.day - 1 - 719468;
}

static struct date date_of_days(int64_t days) {
    days += 719468;
    const int64_t era = days / 146097;
    const int64_t in_era = days % 146097;
    const int64_t year =
        (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    const int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    const int64_t month = (5 * in_year + 2) / 153;
    return (struct date){
        .year = era * 400 + year + (month >= 10 ? 1 : 0),
        .month = month < 10 ? month + 3 : month - 9,
        .day = in_year - (153 * month + 2) / 5 + 1,
    };
}

static void put_digits(char *text, int64_t value, int width) {
    for (int i = width - 1; i >= 0; i--) {
        text[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

void hsp_format_time(int64_t utc_seconds, char text[HSP_TIME_LENGTH + 1]) {
    const int64_t time = utc_seconds < 0              ? 0
                         : utc_seconds > HSP_TIME_MAX ? HSP_TIME_MAX
                                                      : utc_seconds;
    const struct date date = date_of_days(time / 86400);
    memcpy(text, "YYYY-MM-DDThh:mm:ssZ", sizeof "YYYY-MM-DDThh:mm:ssZ");
    put_digits(text, date.year, 4);
    put_digits(text + 5, date.month, 2);
    put_digits(text + 8, date.day, 2);
    put_digits(text + 11, time % 86400 / 3600, 2);
    put_digits(text + 14, time % 3600 / 60, 2);
    put_digits(text + 17, time % 60, 2);
}

void hsp_format_time_ms(int64_t utc_ms, char text[HSP_TIME_LENGTH + 1]) {
    const int64_t time = utc_ms < 0 ? 0 : utc_ms;
    hsp_format_time(time / 1000, text);
    memcpy(text + 19, ".000Z", sizeof ".000Z");
    put_digits(text + 20, time % 1000, 3);
}

bool hsp_parse_time(const char *text, int64_t *utc_seconds) {
    static const char form[] = "0000-00-00T00:00:00Z";
    int64_t values[6] = {0};
    size_t field = 0;
    for (size_t i = 0; form[i] != '\0'; i++) {
        const bool digit = text[i] >= '0' && text[i] <= '9';
        if (form[i] == '0' ? !digit : text[i] != form[i])
            return false;
        if (digit)
            values[field] = values[field] * 10 + text[i] - '0';
        else
            field++;
    }
    if (text[sizeof form - 1] != '\0' || values[0] < 1970)
        return false;
    const struct date date = {values[0], values[1], values[2]};
    const int64_t seconds =
        days_of_date(date) * 86400 + values[3] * 3600 + values[4] * 60 + values[5];
    /* A day or an hour that does not exist comes out as another one. */
    char back[HSP_TIME_LENGTH + 1];
    hsp_format_time(seconds, back);
    if (strcmp(back, text) != 0)
        return false;
    *utc_seconds = seconds;
    return true;
}

/* "Z" or "+01:00", to the end: how far east of UTC. */
static bool parse_zone(const char *text, int64_t *east_ms) {
    int64_t hours, minutes;
    const char *at = text + 1;
    if ((*text == 'Z' || *text == 'z') && *at == '\0') {
        *east_ms = 0;
        return true;
    }
    if ((*text != '+' && *text != '-') || strlen(text) != 6 ||
        !take_number(&at, 23, &hours) || at != text + 3 || *at++ != ':' ||
        !take_number(&at, 59, &minutes) || at != text + 6)
        return false;
    *east_ms = (hours * 60 + minutes) * (*text == '-' ? -60000 : 60000);
    return true;
}

bool hsp_parse_time_ms(const char *text, int64_t *utc_ms) {
    char local[HSP_TIME_LENGTH + 1];
    int64_t local_s, east_ms, fraction_ms = 0;
    if (strlen(text) < 20 || strchr("Tt ", text[10]) == NULL)
        return false;
    snprintf(local, sizeof local, "%.10sT%.8sZ", text, text + 11);
    const char *rest = text + 19;
    if (rest[0] == '.' && rest[1] >= '0' && rest[1] <= '9') {
        rest++;
        for (int64_t unit = 100; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
            fraction_ms += unit * (*rest - '0');
    }
    if (!hsp_parse_time(local, &local_s) || !parse_zone(rest, &east_ms) ||
        local_s * 1000 + fraction_ms < east_ms)
        return false;
    *utc_ms = local_s * 1000 + fraction_ms - east_ms;
    return true;
}

int64_t hsp_now_ms(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
