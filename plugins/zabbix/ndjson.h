/* SPDX-License-Identifier: MIT */
/* One line of what Zabbix exports (ExportDir, from 4.0 on): a problem, a recovery or a
 * value of an item, each a JSON object. Source: Zabbix' manual, appendix
 * "Newline-delimited JSON export protocol". */
#ifndef HSP_NDJSON_H
#define HSP_NDJSON_H

#include "hookspool.h"
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hsp_line_kind { HSP_LINE_PROBLEM, HSP_LINE_RECOVERY, HSP_LINE_VALUE };

#define HSP_SEVERITIES 6 /* 0 not classified … 5 disaster */

/* Texts and objects belong to `root`; texts are never NULL, objects are where there is
 * nothing. */
struct hsp_line {
    json_object *root;
    enum hsp_line_kind kind;
    int64_t clock, ns;
    uint64_t eventid;   /* of a problem or recovery */
    uint64_t problemid; /* of a recovery: which problem it ends */
    uint64_t itemid;    /* of a value */
    int severity;
    const char *name; /* of the problem or the item */
    const char *host, *host_name;
    json_object *hosts;  /* array, of a problem */
    json_object *groups; /* array */
    json_object *tags;   /* array of {"tag", "value"}: the event's or the item's */
    json_object *value;
};

/* Read a line, without its end. HS_E_DATA: it is none of these, and why; HS_E_NOMEM. */
enum hs_status hsp_line_read(struct hsp_line *line, const char *text, size_t length,
                             struct hs_error *err) HS_MUST_CHECK;
void hsp_line_free(struct hsp_line *line); /* of zeros: fine */

/* A text that is no line: does it end in one? Zabbix goes on behind half a line that it
 * could not finish. `cut` is where to part it, so that the front is what was torn, or
 * else a line that lacks its end; 0: no part of it is a line. HS_E_NOMEM. Pure. */
enum hs_status hsp_line_cut(const char *text, size_t length, size_t *cut,
                            struct hs_error *err) HS_MUST_CHECK;

/* Does `a` come before `b`? By time, then by the numbers of the events. */
bool hsp_line_before(const struct hsp_line *a, const struct hsp_line *b);

/* The name and the value of a tag; false: there is no such. */
bool hsp_line_tag(const struct hsp_line *line, size_t index, const char **name,
                  const char **value);
/* The value of the first tag of this name; NULL: none. */
const char *hsp_line_tag_value(const struct hsp_line *line, const char *name);

#endif
