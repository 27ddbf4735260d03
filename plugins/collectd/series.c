/* SPDX-License-Identifier: MIT */
/* Matching identifiers. collectd hands over every value it has, a hundred thousand times
 * a second if need be, so the index looks at those patterns only that have the same hash
 * of their texts. */
#include "config.h"

#include "error.h"
#include "id.h"
#include "series.h"

#include <stdlib.h>
#include <string.h>

void hsp_series_print(const struct hsp_series *series, struct hsp_buffer *out) {
    const char *const *parts = series->parts;
    hsp_buffer_print(out, "%s/%s%s%s/%s%s%s", parts[HSP_HOST], parts[HSP_PLUGIN],
                     *parts[HSP_PLUGIN_INSTANCE] ? "-" : "", parts[HSP_PLUGIN_INSTANCE],
                     parts[HSP_TYPE], *parts[HSP_TYPE_INSTANCE] ? "-" : "",
                     parts[HSP_TYPE_INSTANCE]);
}

/* Patterns */

static enum hs_status set_regex(struct hsp_pattern *pattern, enum hsp_part part,
                                const char *text, size_t length, struct hs_error *err) {
    char reason[128];
    char *inner = strndup(text, length);
    regex_t *regex = malloc(sizeof(*regex));
    if (inner == NULL || regex == NULL) {
        free(inner);
        free(regex);
        return hsp_fail(err, HS_E_NOMEM, "set pattern: out of memory");
    }
    const int wrong = regcomp(regex, inner, REG_EXTENDED | REG_NOSUB);
    free(inner);
    if (wrong != 0) {
        regerror(wrong, regex, reason, sizeof(reason));
        free(regex);
        return hsp_fail(err, HS_E_DATA, "'%.*s' is no regular expression: %s",
                        (int)length, text, reason);
    }
    pattern->regexes[part] = regex;
    return HS_OK;
}

static enum hs_status set_text(struct hsp_pattern *pattern, enum hsp_part part,
                               const char *text, size_t length, struct hs_error *err) {
    char *copy = strndup(text, length);
    if (copy == NULL)
        return hsp_fail(err, HS_E_NOMEM, "set pattern: out of memory");
    pattern->texts[part] = copy;
    return HS_OK;
}

static void clear_part(struct hsp_pattern *pattern, enum hsp_part part) {
    free(pattern->texts[part]);
    pattern->texts[part] = NULL;
    if (pattern->regexes[part] != NULL)
        regfree(pattern->regexes[part]);
    free(pattern->regexes[part]);
    pattern->regexes[part] = NULL;
}

enum hs_status hsp_pattern_set(struct hsp_pattern *pattern, enum hsp_part part,
                               const char *text, struct hs_error *err) {
    const size_t length = strlen(text);
    clear_part(pattern, part);
    if (length >= 2 && text[0] == '/' && text[length - 1] == '/')
        return set_regex(pattern, part, text + 1, length - 2, err);
    return set_text(pattern, part, text, length, err);
}

/* "name-instance" up to `end`; without an instance that is "". */
static enum hs_status set_pair(struct hsp_pattern *pattern, enum hsp_part name,
                               enum hsp_part instance, const char *text, const char *end,
                               struct hs_error *err) {
    const char *dash = memchr(text, '-', (size_t)(end - text));
    const char *name_end = dash == NULL ? end : dash;
    const char *rest = dash == NULL ? end : dash + 1;
    clear_part(pattern, name);
    clear_part(pattern, instance);
    enum hs_status status = set_text(pattern, name, text, (size_t)(name_end - text), err);
    if (status == HS_OK)
        status = set_text(pattern, instance, rest, (size_t)(end - rest), err);
    return status;
}

enum hs_status hsp_pattern_set_identifier(struct hsp_pattern *pattern, const char *text,
                                          struct hs_error *err) {
    const char *slash = strchr(text, '/');
    if (slash == NULL || slash == text || slash[1] == '\0' ||
        strchr(slash + 1, '/') != NULL || text[0] == '-' || slash[1] == '-')
        return hsp_fail(err, HS_E_DATA, "'%s' is not of the form plugin-instance/type",
                        text);
    const char *end = slash + 1 + strlen(slash + 1);
    enum hs_status status =
        set_pair(pattern, HSP_PLUGIN, HSP_PLUGIN_INSTANCE, text, slash, err);
    if (status == HS_OK)
        status = set_pair(pattern, HSP_TYPE, HSP_TYPE_INSTANCE, slash + 1, end, err);
    return status;
}

void hsp_pattern_borrow(struct hsp_pattern *pattern, enum hsp_part part,
                        const struct hsp_pattern *from) {
    pattern->texts[part] = from->texts[part];
    pattern->regexes[part] = from->regexes[part];
}

bool hsp_pattern_fits(const struct hsp_pattern *pattern,
                      const struct hsp_series *series) {
    for (int i = 0; i < HSP_PARTS; i++) {
        if (pattern->texts[i] != NULL && strcmp(pattern->texts[i], series->parts[i]) != 0)
            return false;
        if (pattern->regexes[i] != NULL &&
            regexec(pattern->regexes[i], series->parts[i], 0, NULL, 0) != 0)
            return false;
    }
    return true;
}

void hsp_pattern_free(struct hsp_pattern *pattern) {
    for (int i = 0; i < HSP_PARTS; i++)
        clear_part(pattern, (enum hsp_part)i);
}

/* The index */

struct entry {
    struct entry *next;
    const struct hsp_pattern *pattern;
    void *target;
    uint64_t hash;
};

/* Patterns that have texts in the same parts. */
struct hsp_index_group {
    unsigned mask; /* bit i: part i */
    struct entry **slots;
    size_t size, count;
};

static uint64_t hash_parts(const char *const *parts, unsigned mask) {
    uint64_t hash = 0;
    for (int i = 0; i < HSP_PARTS; i++)
        if ((mask & 1U << i) != 0)
            hash = hash * UINT64_C(0x9E3779B97F4A7C15) +
                   hsp_hash(parts[i], strlen(parts[i]));
    return hash ^ hash >> 32;
}

static unsigned mask_of(const struct hsp_pattern *pattern) {
    unsigned mask = 0;
    for (int i = 0; i < HSP_PARTS; i++)
        if (pattern->texts[i] != NULL)
            mask |= 1U << i;
    return mask;
}

/* The group of `mask`, made where there is none; NULL: out of memory. */
static struct hsp_index_group *find_group(struct hsp_index *index, unsigned mask) {
    for (size_t i = 0; i < index->group_count; i++)
        if (index->groups[i].mask == mask)
            return &index->groups[i];
    struct hsp_index_group *grown =
        realloc(index->groups, (index->group_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return NULL;
    index->groups = grown;
    grown[index->group_count] = (struct hsp_index_group){.mask = mask};
    return &grown[index->group_count++];
}

static bool grow(struct hsp_index_group *group) {
    const size_t size = group->size == 0 ? 16 : group->size * 4;
    struct entry **slots = calloc(size, sizeof(*slots));
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < group->size; i++) {
        struct entry *next;
        for (struct entry *entry = group->slots[i]; entry != NULL; entry = next) {
            next = entry->next;
            entry->next = slots[entry->hash & (size - 1)];
            slots[entry->hash & (size - 1)] = entry;
        }
    }
    free(group->slots);
    group->slots = slots;
    group->size = size;
    return true;
}

enum hs_status hsp_index_add(struct hsp_index *index, const struct hsp_pattern *pattern,
                             void *target, struct hs_error *err) {
    struct hsp_index_group *group = find_group(index, mask_of(pattern));
    struct entry *entry = malloc(sizeof(*entry));
    if (group == NULL || entry == NULL ||
        (group->count * 2 >= group->size && !grow(group))) {
        free(entry);
        return hsp_fail(err, HS_E_NOMEM, "index pattern: out of memory");
    }
    const uint64_t hash = hash_parts((const char *const *)pattern->texts, group->mask);
    struct entry **slot = &group->slots[hash & (group->size - 1)];
    *entry = (struct entry){*slot, pattern, target, hash};
    *slot = entry;
    group->count++;
    return HS_OK;
}

bool hsp_index_find(const struct hsp_index *index, const struct hsp_series *series,
                    void (*found)(void *target, void *context), void *context) {
    bool any = false;
    for (size_t i = 0; i < index->group_count; i++) {
        const struct hsp_index_group *group = &index->groups[i];
        if (group->count == 0)
            continue;
        const uint64_t hash = hash_parts(series->parts, group->mask);
        const struct entry *entry = group->slots[hash & (group->size - 1)];
        for (; entry != NULL; entry = entry->next) {
            if (entry->hash != hash || !hsp_pattern_fits(entry->pattern, series))
                continue;
            any = true;
            if (found == NULL)
                return true;
            found(entry->target, context);
        }
    }
    return any;
}

void hsp_index_free(struct hsp_index *index) {
    for (size_t i = 0; i < index->group_count; i++) {
        struct hsp_index_group *group = &index->groups[i];
        for (size_t slot = 0; slot < group->size; slot++) {
            struct entry *next;
            for (struct entry *entry = group->slots[slot]; entry != NULL; entry = next) {
                next = entry->next;
                free(entry);
            }
        }
        free(group->slots);
    }
    free(index->groups);
    *index = (struct hsp_index){0};
}
