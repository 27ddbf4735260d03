/* SPDX-License-Identifier: MIT */
/* A table of pointers by text: chains of nodes that hold their key, in as many slots as
 * there are nodes. */
#include "config.h"

#include "id.h"
#include "table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 16

struct hsp_table_node {
    struct hsp_table_node *next;
    void *value;
    uint64_t hash;
    char key[];
};

/* The pointer that leads to the node of `key`, or to the NULL at the chain's end. */
static struct hsp_table_node **find(const struct hsp_table *table, const char *key,
                                    uint64_t hash) {
    struct hsp_table_node **at = &table->slots[hash & (table->size - 1)];
    while (*at != NULL && ((*at)->hash != hash || strcmp((*at)->key, key) != 0))
        at = &(*at)->next;
    return at;
}

void *hsp_table_get(const struct hsp_table *table, const char *key) {
    if (table->count == 0)
        return NULL;
    const struct hsp_table_node *node = *find(table, key, hsp_hash(key, strlen(key)));
    return node == NULL ? NULL : node->value;
}

/* Twice as many slots. */
static bool grow(struct hsp_table *table) {
    const size_t size = table->size == 0 ? FIRST_SIZE : table->size * 2;
    struct hsp_table_node **slots = calloc(size, sizeof(*slots));
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < table->size; i++) {
        struct hsp_table_node *next;
        for (struct hsp_table_node *node = table->slots[i]; node != NULL; node = next) {
            next = node->next;
            node->next = slots[node->hash & (size - 1)];
            slots[node->hash & (size - 1)] = node;
        }
    }
    free(table->slots);
    table->slots = slots;
    table->size = size;
    return true;
}

bool hsp_table_put(struct hsp_table *table, const char *key, void *value) {
    const size_t length = strlen(key);
    const uint64_t hash = hsp_hash(key, length);
    if (table->count >= table->size && !grow(table) && table->size == 0)
        return false;
    struct hsp_table_node **at = find(table, key, hash);
    if (*at == NULL) {
        struct hsp_table_node *node = malloc(sizeof(*node) + length + 1);
        if (node == NULL)
            return false;
        node->next = NULL;
        node->hash = hash;
        memcpy(node->key, key, length + 1);
        *at = node;
        table->count++;
    }
    (*at)->value = value;
    return true;
}

void *hsp_table_remove(struct hsp_table *table, const char *key) {
    if (table->count == 0)
        return NULL;
    struct hsp_table_node **at = find(table, key, hsp_hash(key, strlen(key)));
    struct hsp_table_node *node = *at;
    if (node == NULL)
        return NULL;
    void *value = node->value;
    *at = node->next;
    free(node);
    table->count--;
    return value;
}

void hsp_table_walk(const struct hsp_table *table,
                    void (*each)(const char *key, void *value, void *context),
                    void *context) {
    for (size_t i = 0; i < table->size; i++)
        for (struct hsp_table_node *node = table->slots[i]; node; node = node->next)
            each(node->key, node->value, context);
}

void hsp_table_free(struct hsp_table *table, void (*release)(void *value)) {
    for (size_t i = 0; i < table->size; i++) {
        struct hsp_table_node *next;
        for (struct hsp_table_node *node = table->slots[i]; node != NULL; node = next) {
            next = node->next;
            if (release != NULL)
                release(node->value);
            free(node);
        }
    }
    free(table->slots);
    *table = (struct hsp_table){0};
}
