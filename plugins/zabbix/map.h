/* SPDX-License-Identifier: MIT */
/* The map in memory: which items are monitors, by their numbers. Format:
 * docs/hookspool-zabbix-map.5 */
#ifndef HSP_MAP_H
#define HSP_MAP_H

#include "monitor.h"
#include "rule.h"

#define HSP_MAP_ITEMS_MAX 100000
#define HSP_MAP_BYTES_MAX (64 * 1024 * 1024)

enum hsp_map_text {
    HSP_MAP_HOST,
    HSP_MAP_SERVICE,
    HSP_MAP_NAME,
    HSP_MAP_ID,
    HSP_MAP_URL,
    HSP_MAP_REGION,
    HSP_MAP_ENDPOINTS,
    HSP_MAP_TEXTS, /* not a text: their number */
};

enum hsp_map_extra { HSP_MAP_RESPONSE_TIME, HSP_MAP_STATUS_CODE, HSP_MAP_EXTRAS };

struct hsp_map_item {
    uint64_t itemid;
    char *texts[HSP_MAP_TEXTS]; /* NULL: not given */
    struct hsp_rule up;
    struct hsp_monitor_rules rules; /* its notify_at is the map's */
    struct {
        uint64_t itemid; /* 0: none */
        double factor;
    } extras[HSP_MAP_EXTRAS];
};

struct hsp_map_node;

/* Zero-initialize; unchanged once it is read. */
struct hsp_map {
    struct hsp_map_item *items;
    size_t count;
    struct hsp_map_node *nodes; /* by itemid */
    size_t size;                /* of nodes: a power of two */
    bool repeats;               /* some item has `repeat` */
};

/* Read the text of a map. An item that is wrong, or a word that is not known, is told by
 * `say`, one line each. HS_E_DATA: this is no whole map, and `map` is as before. */
enum hs_status hsp_map_parse(struct hsp_map *map, const char *text, size_t length,
                             void (*say)(void *context, const char *line), void *context,
                             struct hs_error *err) HS_MUST_CHECK;
void hsp_map_free(struct hsp_map *map); /* of zeros: fine */

/* Is the item of any interest? `item` is the monitor, NULL where its values are only
 * wanted beside another one's. */
bool hsp_map_find(const struct hsp_map *map, uint64_t itemid,
                  const struct hsp_map_item **item);

#endif
