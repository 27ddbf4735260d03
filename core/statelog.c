/* SPDX-License-Identifier: MIT */
/* What a state file holds, in memory, and its text. Groups are read only where their hash
 * proves them whole; what a group says is applied line by line. */
#include "config.h"

#include "cursor.h"
#include "error.h"
#include "id.h"
#include "statelog.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC_START "hookspool-state "

struct hsp_edge_text {
    char *bytes;
    size_t length;
};

/* In memory */

static enum hs_status set_value(struct hsp_statelog *log, const char *key,
                                const char *value, size_t length, struct hs_error *err) {
    char *copy = strndup(value, length);
    char *old = hsp_table_get(&log->values, key);
    const bool put = copy != NULL && hsp_table_put(&log->values, key, copy);
    free(put ? old : copy);
    return put ? HS_OK : hsp_fail(err, HS_E_NOMEM, "keep status: out of memory");
}

static enum hs_status add_edge(struct hsp_statelog *log, const void *bytes, size_t length,
                               struct hs_error *err) {
    if (log->first > 0 && log->first + log->count == log->room) {
        memmove(log->edges, log->edges + log->first, log->count * sizeof(*log->edges));
        log->first = 0;
    }
    if (log->count == log->room) {
        const size_t room = log->room == 0 ? 16 : log->room * 2;
        struct hsp_edge_text *grown = realloc(log->edges, room * sizeof(*grown));
        if (grown == NULL)
            return hsp_fail(err, HS_E_NOMEM, "keep event: out of memory");
        log->edges = grown;
        log->room = room;
    }
    char *copy = malloc(length + 1);
    if (copy == NULL)
        return hsp_fail(err, HS_E_NOMEM, "keep event: out of memory");
    memcpy(copy, bytes, length);
    copy[length] = '\0';
    struct hsp_edge_text *edge = &log->edges[log->first + log->count++];
    edge->bytes = copy;
    edge->length = length;
    return HS_OK;
}

static void drop_edges(struct hsp_statelog *log, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(log->edges[log->first + i].bytes);
    log->first += count;
    log->count -= count;
    if (log->count == 0)
        log->first = 0;
}

const char *hsp_statelog_get(const struct hsp_statelog *log, const char *key) {
    return hsp_table_get(&log->values, key);
}

void hsp_statelog_walk(const struct hsp_statelog *log,
                       void (*each)(const char *key, void *value, void *context),
                       void *context) {
    hsp_table_walk(&log->values, each, context);
}

size_t hsp_statelog_edges(const struct hsp_statelog *log) { return log->count; }

const char *hsp_statelog_edge(const struct hsp_statelog *log, size_t index,
                              size_t *length) {
    const struct hsp_edge_text *edge = &log->edges[log->first + index];
    *length = edge->length;
    return edge->bytes;
}

/* As text */

void hsp_statelog_print_set(struct hsp_buffer *out, const char *key, const char *value) {
    hsp_buffer_print(out, "set %zu %zu\n%s%s\n", strlen(key), strlen(value), key, value);
}

static void print_set(const char *key, void *value, void *context) {
    hsp_statelog_print_set(context, key, value);
}

void hsp_statelog_print_edge(struct hsp_buffer *out, const char *bytes, size_t length) {
    hsp_buffer_print(out, "edge %zu\n", length);
    hsp_buffer_append(out, bytes, length);
    hsp_buffer_append(out, "\n", 1);
}

void hsp_statelog_print_done(struct hsp_buffer *out, uint64_t count) {
    hsp_buffer_print(out, "done %" PRIu64 "\n", count);
}

void hsp_statelog_print_group(struct hsp_buffer *out, const struct hsp_buffer *content) {
    hsp_buffer_print(out, "group %zu %016" PRIx64 "\n", content->length,
                     hsp_hash(content->data, content->length));
    hsp_buffer_append(out, content->data, content->length);
    out->failed = out->failed || content->failed;
}

/* A failure of the buffer is noticed at the commit, which then writes all anew. */
enum hs_status hsp_statelog_set(struct hsp_statelog *log, const char *key,
                                const char *value, struct hs_error *err) {
    if (value == NULL) {
        free(hsp_table_remove(&log->values, key));
        hsp_buffer_print(&log->changes, "unset %zu\n%s\n", strlen(key), key);
        return HS_OK;
    }
    const enum hs_status status = set_value(log, key, value, strlen(value), err);
    if (status == HS_OK)
        hsp_statelog_print_set(&log->changes, key, value);
    return status;
}

enum hs_status hsp_statelog_push(struct hsp_statelog *log, const void *bytes,
                                 size_t length, struct hs_error *err) {
    const enum hs_status status = add_edge(log, bytes, length, err);
    if (status == HS_OK)
        hsp_statelog_print_edge(&log->changes, bytes, length);
    return status;
}

void hsp_statelog_pop(struct hsp_statelog *log, size_t count) {
    drop_edges(log, count);
    hsp_statelog_print_done(&log->changes, count);
}

/* Reading */

static bool take_bytes(struct hsp_cursor *cursor, size_t length, const char **bytes) {
    if ((size_t)(cursor->end - cursor->at) < length)
        return false;
    *bytes = cursor->at;
    cursor->at += length;
    return true;
}

/* What one line of a group says. `ok` is false where it is wrong. */
static enum hs_status read_set(struct hsp_statelog *log, struct hsp_cursor *cursor,
                               bool *ok, struct hs_error *err) {
    uint64_t key_length = 0, length = 0;
    const char *bytes = NULL, *value = NULL;
    *ok = hsp_take_number(cursor, HSP_STATELOG_MAX, &key_length) &&
          hsp_take(cursor, " ") && hsp_take_number(cursor, HSP_STATELOG_MAX, &length) &&
          hsp_take(cursor, "\n") && take_bytes(cursor, key_length, &bytes) &&
          take_bytes(cursor, length, &value) && hsp_take(cursor, "\n");
    if (!*ok)
        return HS_OK;
    char *key = strndup(bytes, key_length);
    if (key == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read status: out of memory");
    const enum hs_status status = set_value(log, key, value, length, err);
    free(key);
    return status;
}

static enum hs_status read_unset(struct hsp_statelog *log, struct hsp_cursor *cursor,
                                 bool *ok, struct hs_error *err) {
    uint64_t length = 0;
    const char *bytes = NULL;
    *ok = hsp_take_number(cursor, HSP_STATELOG_MAX, &length) && hsp_take(cursor, "\n") &&
          take_bytes(cursor, length, &bytes) && hsp_take(cursor, "\n");
    if (!*ok)
        return HS_OK;
    char *key = strndup(bytes, length);
    if (key == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read status: out of memory");
    free(hsp_table_remove(&log->values, key));
    free(key);
    return HS_OK;
}

static enum hs_status read_edge(struct hsp_statelog *log, struct hsp_cursor *cursor,
                                bool *ok, struct hs_error *err) {
    uint64_t length = 0;
    const char *bytes = NULL;
    *ok = hsp_take_number(cursor, HSP_STATELOG_MAX, &length) && hsp_take(cursor, "\n") &&
          take_bytes(cursor, length, &bytes) && hsp_take(cursor, "\n");
    return *ok ? add_edge(log, bytes, length, err) : HS_OK;
}

static enum hs_status read_done(struct hsp_statelog *log, struct hsp_cursor *cursor,
                                bool *ok, struct hs_error *err) {
    uint64_t count = 0;
    (void)err;
    *ok = hsp_take_number(cursor, log->count, &count) && hsp_take(cursor, "\n");
    if (*ok)
        drop_edges(log, count);
    return HS_OK;
}

static enum hs_status read_group(struct hsp_statelog *log, struct hsp_cursor group,
                                 bool *ok, struct hs_error *err) {
    static const struct {
        const char *word;
        enum hs_status (*read)(struct hsp_statelog *, struct hsp_cursor *, bool *,
                               struct hs_error *);
    } lines[] = {
        {"set ", read_set},
        {"unset ", read_unset},
        {"edge ", read_edge},
        {"done ", read_done},
    };
    enum hs_status status = HS_OK;
    *ok = true;
    while (status == HS_OK && *ok && group.at < group.end) {
        size_t i = 0;
        const size_t count = sizeof(lines) / sizeof(lines[0]);
        while (i < count && !hsp_take(&group, lines[i].word))
            i++;
        *ok = i < count;
        if (*ok)
            status = lines[i].read(log, &group, ok, err);
    }
    return status;
}

/* The head of a group and its bytes, which its hash must fit. */
static bool take_group(struct hsp_cursor *cursor, struct hsp_cursor *group) {
    uint64_t length = 0;
    const char *hash = NULL, *bytes = NULL;
    char expected[17];
    if (!hsp_take(cursor, "group ") ||
        !hsp_take_number(cursor, HSP_STATELOG_MAX, &length) || !hsp_take(cursor, " ") ||
        !take_bytes(cursor, 16, &hash) || !hsp_take(cursor, "\n") ||
        !take_bytes(cursor, length, &bytes))
        return false;
    snprintf(expected, sizeof(expected), "%016" PRIx64, hsp_hash(bytes, length));
    *group = (struct hsp_cursor){bytes, bytes + length};
    return memcmp(expected, hash, 16) == 0;
}

enum hs_status hsp_statelog_read(struct hsp_statelog *log, const char *text,
                                 size_t length, const char *path,
                                 struct hs_error *warning, struct hs_error *err) {
    struct hsp_cursor cursor = {text, text + length}, group;
    enum hs_status status = HS_OK;
    uint64_t version = 0;
    bool ok = true;
    if (!hsp_take(&cursor, HSP_STATELOG_MAGIC)) {
        const bool newer = hsp_take(&cursor, MAGIC_START) &&
                           hsp_take_number(&cursor, 1000, &version) &&
                           hsp_take(&cursor, "\n");
        hsp_fail(warning, HS_E_DATA, "read %s: this is %s", path,
                 newer ? "a state file of a newer version"
                       : "no state file of hookspool's");
        return HS_OK;
    }
    while (status == HS_OK && ok && cursor.at < cursor.end) {
        const size_t offset = (size_t)(cursor.at - text);
        ok = take_group(&cursor, &group);
        if (ok)
            status = read_group(log, group, &ok, err);
        if (!ok)
            hsp_fail(warning, HS_E_DATA,
                     "read %s: torn at byte %zu of %zu; the rest is left out", path,
                     offset, length);
    }
    return status;
}

void hsp_statelog_print_changes(struct hsp_statelog *log, struct hsp_buffer *out) {
    hsp_statelog_print_group(out, &log->changes);
}

void hsp_statelog_print_all(const struct hsp_statelog *log, struct hsp_buffer *out) {
    struct hsp_buffer content = {0};
    hsp_table_walk(&log->values, print_set, &content);
    for (size_t i = 0; i < log->count; i++)
        hsp_statelog_print_edge(&content, log->edges[log->first + i].bytes,
                                log->edges[log->first + i].length);
    hsp_buffer_append(out, HSP_STATELOG_MAGIC, strlen(HSP_STATELOG_MAGIC));
    if (content.length > 0 || content.failed)
        hsp_statelog_print_group(out, &content);
    hsp_buffer_free(&content);
}

void hsp_statelog_free(struct hsp_statelog *log) {
    drop_edges(log, log->count);
    free(log->edges);
    hsp_table_free(&log->values, free);
    hsp_buffer_free(&log->changes);
    *log = (struct hsp_statelog){0};
}
