/* SPDX-License-Identifier: MIT */
/* One item that is a monitor: what its tags say of it, and its status; and values of
 * other items that say more about the same check. Tags, the names being words of
 * docs/hookspool-zabbix-map.5:
 *
 *     webhook.monitor NAME        this item is a monitor, of this name
 *     webhook.up RULE             needed; likewise failures, successes, notify_at, repeat
 *     webhook.response_time NAME  the value is the response time of monitor NAME of the
 *                                 same host, in seconds, or times webhook.factor
 *     webhook.status_code NAME    likewise its status code */
#ifndef HSP_WATCHED_H
#define HSP_WATCHED_H

#include "criteria.h"
#include "ndjson.h"
#include "table.h"

#define HSP_TAG_MONITOR "webhook.monitor"
#define HSP_WATCHED_TEXT_MAX (HSP_MONITOR_TEXT_MAX + 48)
#define HSP_EXTRAS_MAX 100000

struct hsp_watched {
    struct hsp_monitor monitor;
    struct hsp_criteria criteria;
    bool usable;          /* its tags are right */
    uint64_t tags_hash;   /* of those that were read last */
    int64_t last_ns;      /* of the last value, since 1970 */
    struct hsp_line last; /* root NULL: not kept, for nothing is to be repeated */
};

/* A new one, with what was kept of it (NULL: nothing). NULL: out of memory. */
struct hsp_watched *hsp_watched_new(const char *kept, const struct hsp_clock *now);
void hsp_watched_free(struct hsp_watched *watched); /* NULL is fine */
/* As text to be kept. */
void hsp_watched_save(const struct hsp_watched *watched, char text[HSP_WATCHED_TEXT_MAX]);
/* Is there more to be kept than before? */
bool hsp_watched_differs(const struct hsp_watched *watched,
                         const struct hsp_monitor *before);

/* Read the tags, where they are others than before. HS_E_DATA: what is wrong with them,
 * told once; HS_E_NOMEM. */
enum hs_status hsp_watched_update(struct hsp_watched *watched,
                                  const struct hsp_line *line,
                                  struct hs_error *err) HS_MUST_CHECK;
/* Keep the line, where it may have to be told again. */
void hsp_watched_remember(struct hsp_watched *watched, const struct hsp_line *line);
/* The value, borrowed. */
struct hsp_worth hsp_watched_worth(const struct hsp_line *line);

/* Zero-initialize. */
struct hsp_extras {
    struct hsp_table values;
};
/* Take the value, where the item's tags say so. HS_E_NOMEM. */
enum hs_status hsp_extras_take(struct hsp_extras *extras, const struct hsp_line *line,
                               struct hs_error *err) HS_MUST_CHECK;
/* Set response time and status code of a monitor's event. */
void hsp_extras_fill(const struct hsp_extras *extras, struct hs_event *event,
                     const struct hsp_line *line);
void hsp_extras_free(struct hsp_extras *extras);

#endif
