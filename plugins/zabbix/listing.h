/* SPDX-License-Identifier: MIT */
/* From the API's items to the text of a map. Tags: watched.h; format:
 * docs/hookspool-zabbix-map.5. */
#ifndef HSP_LISTING_H
#define HSP_LISTING_H

#include "buffer.h"
#include <json-c/json.h>

#define HSP_LISTING_MAGIC "hookspool-zabbix-map 1\n"
#define HSP_LISTING_ITEMS_MAX 100000
#define HSP_LISTING_BYTES_MAX (64 * 1024 * 1024)
#define HSP_LISTING_LINE_MAX 65535 /* bytes, without the line's end */

/* The parameters of item.get. */
extern const char hsp_listing_parameters[];

/* Append the map of `items`, an array of item.get, in the order of their numbers; `count`
 * gets how many are in it. What the module would not take is left out and told by `say`:
 * an item without number, host or tags, or that is there twice, or with wrong tags.
 * HS_E_DATA: this is no such array, or has no item that is one, or too many; HS_E_NOMEM.
 */
enum hs_status hsp_listing_write(struct hsp_buffer *map, json_object *items,
                                 size_t *count, void (*say)(const char *line),
                                 struct hs_error *err) HS_MUST_CHECK;

/* How many items a map has; false: the text is no map. */
bool hsp_listing_count(const char *text, size_t length, size_t *count);

#endif
