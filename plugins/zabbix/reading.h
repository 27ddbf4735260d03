/* SPDX-License-Identifier: MIT */
/* Zabbix's way of writing times, durations and numbers. Pure functions; a NULL text is
 * none. */
#ifndef HSP_READING_H
#define HSP_READING_H

#include <stdbool.h>
#include <stdint.h>

/* "2026.11.23" and "09:39:41", UTC: seconds since 1970; -1: they are no time. */
int64_t hsp_reading_time(const char *date, const char *time);

/* A response time in milliseconds, rounded: "0.25", "250ms", "1s 500ms", "2m 3s", "<
 * 1ms"; a number without a unit counts `unit_ms`. -1: it is none. */
int64_t hsp_reading_response_ms(const char *text, double unit_ms);

/* An HTTP status code: "503", "Service unavailable (503)", "HTTP/1.1 503"; -1: none. */
int64_t hsp_reading_status_code(const char *text);

/* All of the text as a whole number from `min` to `max`; -1: it is none. */
int64_t hsp_reading_whole(const char *text, int64_t min, int64_t max);

/* A severity, "0" to "5" or its name as Zabbix has it at first ("average"); -1: none. */
int hsp_reading_severity(const char *text);

#endif
