/* SPDX-License-Identifier: MIT */
/* A table of pointers by text: for what is looked up often and comes and goes. Keys are
 * copied; what the pointers lead to is the caller's. Zero-initialize; any number of
 * threads may look up while none changes it. */
#ifndef HSP_TABLE_H
#define HSP_TABLE_H

#include <stdbool.h>
#include <stddef.h>

struct hsp_table_node;

struct hsp_table {
    struct hsp_table_node **slots;
    size_t size; /* slots; a power of two, or 0 */
    size_t count;
};

/* The value under `key`; NULL: none. */
void *hsp_table_get(const struct hsp_table *table, const char *key);

/* Put `value` (not NULL) under `key`, in the place of another. false: out of memory, and
 * the table is as before. */
bool hsp_table_put(struct hsp_table *table, const char *key, void *value);

/* Take the value under `key` out; NULL: none. */
void *hsp_table_remove(struct hsp_table *table, const char *key);

/* Call `each` for all, in no order. It may change values, not the table. */
void hsp_table_walk(const struct hsp_table *table,
                    void (*each)(const char *key, void *value, void *context),
                    void *context);

/* Back to empty; `release` (may be NULL) ends each value. */
void hsp_table_free(struct hsp_table *table, void (*release)(void *value));

#endif
