/* SPDX-License-Identifier: MIT */
/* What collectd calls an identifier, host/plugin-instance/type-instance, in its five
 * parts; patterns of it; and an index that finds the patterns that a series fits. */
#ifndef HSP_SERIES_H
#define HSP_SERIES_H

#include "buffer.h"
#include "hookspool.h"

#include <regex.h>
#include <stdbool.h>

enum hsp_part {
    HSP_HOST,
    HSP_PLUGIN,
    HSP_PLUGIN_INSTANCE,
    HSP_TYPE,
    HSP_TYPE_INSTANCE,
    HSP_PARTS, /* not a part: their number */
};

struct hsp_series {
    const char *parts[HSP_PARTS]; /* never NULL, may be "" */
};

/* Append "host/plugin-instance/type-instance". */
void hsp_series_print(const struct hsp_series *series, struct hsp_buffer *out);

/* For each part a text, a regular expression, or nothing: any. */
struct hsp_pattern {
    char *texts[HSP_PARTS];
    regex_t *regexes[HSP_PARTS];
};

/* Set one part: a text, or "/regex/" (POSIX, extended). HS_E_DATA: no regular expression;
 * HS_E_NOMEM. */
enum hs_status hsp_pattern_set(struct hsp_pattern *pattern, enum hsp_part part,
                               const char *text, struct hs_error *err) HS_MUST_CHECK;
/* Set all but the host from "plugin-instance/type-instance". HS_E_DATA: it is none. */
enum hs_status hsp_pattern_set_identifier(struct hsp_pattern *pattern, const char *text,
                                          struct hs_error *err) HS_MUST_CHECK;
/* Take over another's text or expression of one part, which stays the other's. */
void hsp_pattern_borrow(struct hsp_pattern *pattern, enum hsp_part part,
                        const struct hsp_pattern *from);
bool hsp_pattern_fits(const struct hsp_pattern *pattern, const struct hsp_series *series);
void hsp_pattern_free(struct hsp_pattern *pattern);

/* Patterns, and what each leads to. A series that fits none costs one hash for each set
 * of parts in which patterns have texts, however many patterns there are. Add by one
 * thread, then find by any number at once. Zero-initialize. */
struct hsp_index {
    struct hsp_index_group *groups;
    size_t group_count;
};

/* `pattern` is borrowed as long as the index is used. HS_E_NOMEM. */
enum hs_status hsp_index_add(struct hsp_index *index, const struct hsp_pattern *pattern,
                             void *target, struct hs_error *err) HS_MUST_CHECK;
/* Call `found` for each pattern that fits; `found` NULL: just look. true: there is one.
 */
bool hsp_index_find(const struct hsp_index *index, const struct hsp_series *series,
                    void (*found)(void *target, void *context), void *context);
void hsp_index_free(struct hsp_index *index);

#endif
