/* SPDX-License-Identifier: MIT */
/* What a state file holds, in memory: texts by key, a line of edges, and what changed in
 * them since the last commit. core/statefile.c uses it, says what it means, and
 * describes format and threads. */
#ifndef HSP_STATELOG_H
#define HSP_STATELOG_H

#include "buffer.h"
#include "table.h"

#define HSP_STATELOG_MAGIC "hookspool-state 1\n"
#define HSP_STATELOG_MAX (1024 * 1024 * 1024) /* bytes of a file */

struct hsp_edge_text;

/* Zero-initialize. */
struct hsp_statelog {
    struct hsp_table values;
    struct hsp_edge_text *edges; /* few wait, but for an outage */
    size_t count, first, room;
    struct hsp_buffer changes; /* as lines of a group */
};

/* As their namesakes of hsp_statefile. */
const char *hsp_statelog_get(const struct hsp_statelog *log, const char *key);
void hsp_statelog_walk(const struct hsp_statelog *log,
                       void (*each)(const char *key, void *value, void *context),
                       void *context);
size_t hsp_statelog_edges(const struct hsp_statelog *log);
const char *hsp_statelog_edge(const struct hsp_statelog *log, size_t index,
                              size_t *length);
enum hs_status hsp_statelog_set(struct hsp_statelog *log, const char *key,
                                const char *value, struct hs_error *err) HS_MUST_CHECK;
enum hs_status hsp_statelog_push(struct hsp_statelog *log, const void *bytes,
                                 size_t length, struct hs_error *err) HS_MUST_CHECK;
void hsp_statelog_pop(struct hsp_statelog *log, size_t count);

/* Add what the text of a file says, up to where it is torn. What is wrong goes to
 * `warning`, with `path`; HS_E_NOMEM. */
enum hs_status hsp_statelog_read(struct hsp_statelog *log, const char *text,
                                 size_t length, const char *path,
                                 struct hs_error *warning,
                                 struct hs_error *err) HS_MUST_CHECK;
/* Append the changes as a group, or a whole file of all there is. */
void hsp_statelog_print_changes(struct hsp_statelog *log, struct hsp_buffer *out);
void hsp_statelog_print_all(const struct hsp_statelog *log, struct hsp_buffer *out);

/* Parts of a file, for whoever keeps what is in it elsewhere: lines of a group's content,
 * and the group. */
void hsp_statelog_print_set(struct hsp_buffer *out, const char *key, const char *value);
void hsp_statelog_print_edge(struct hsp_buffer *out, const char *bytes, size_t length);
void hsp_statelog_print_done(struct hsp_buffer *out, uint64_t count);
void hsp_statelog_print_group(struct hsp_buffer *out, const struct hsp_buffer *content);

void hsp_statelog_free(struct hsp_statelog *log);

#endif
