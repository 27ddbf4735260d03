/* SPDX-License-Identifier: MIT */
/* Reading the map. It is generated, but may be written by hand, too: whatever is wrong
 * with one item costs that item only, and is told with the number of its line. */
#include "config.h"

#include "map.h"

#include "criteria.h"
#include "cursor.h"
#include "error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "hookspool-zabbix-map 1"
#define VERSIONLESS "hookspool-zabbix-map "
#define LINE_MAX_LENGTH 65536
#define FACTOR 1000 /* of response times, by default */

/* Items by number: open addressing. */
struct hsp_map_node {
    uint64_t itemid; /* 0: free */
    const struct hsp_map_item *item;
};

struct reading {
    struct hsp_map map;
    size_t room; /* for items */
    const char *at, *end;
    size_t line;     /* its number */
    size_t declared; /* items that were begun */
    struct hsp_criteria criteria;
    uint32_t seen;  /* words of this item */
    bool has_item;  /* the last of map.items is being read */
    bool is_wrong;  /* … and is left out */
    size_t item_at; /* its line */
    void (*say)(void *context, const char *line);
    void *context;
};

static void complain(const struct reading *reading, size_t line, uint64_t itemid,
                     const char *what) {
    char text[sizeof(((struct hs_error *)NULL)->text) + 80];
    if (itemid != 0)
        snprintf(text, sizeof(text), "line %zu: item %llu: %s", line,
                 (unsigned long long)itemid, what);
    else
        snprintf(text, sizeof(text), "line %zu: %s", line, what);
    reading->say(reading->context, text);
}

/* Words
 * ------------------------------------------------------------------------------------ */

static bool parse_itemid(const char *text, uint64_t *itemid, const char **rest) {
    struct hsp_cursor cursor = {text, text + strlen(text)};
    if (!hsp_take_number(&cursor, UINT64_MAX, itemid) || *itemid == 0)
        return false;
    *rest = cursor.at;
    return true;
}

static enum hs_status set_text(struct hsp_map_item *item, enum hsp_map_text which,
                               const char *value, struct hs_error *err) {
    item->texts[which] = strdup(value);
    return item->texts[which] != NULL
               ? HS_OK
               : hsp_fail(err, HS_E_NOMEM, "read map: out of memory");
}

static enum hs_status set_extra(struct hsp_map_item *item, enum hsp_map_extra which,
                                const char *value, struct hs_error *err) {
    const char *rest = NULL;
    uint64_t itemid = 0;
    double factor = which == HSP_MAP_RESPONSE_TIME ? FACTOR : 1;
    if (!parse_itemid(value, &itemid, &rest))
        return hsp_fail(err, HS_E_DATA, "'%.60s' is no number of an item", value);
    const bool scaled = which == HSP_MAP_RESPONSE_TIME && *rest == ' ';
    if (*rest != '\0' && (!scaled || !hsp_parse_decimal(rest + 1, &factor)))
        return hsp_fail(err, HS_E_DATA, "'%.60s' is no number of an item%s", value,
                        scaled ? " and a factor" : "");
    item->extras[which].itemid = itemid;
    item->extras[which].factor = factor;
    return HS_OK;
}

static const struct word {
    const char *word;
    enum { TEXT, EXTRA, CRITERION } kind;
    int which;
} words[] = {
    {"host", TEXT, HSP_MAP_HOST},
    {"service", TEXT, HSP_MAP_SERVICE},
    {"name", TEXT, HSP_MAP_NAME},
    {"id", TEXT, HSP_MAP_ID},
    {"url", TEXT, HSP_MAP_URL},
    {"region", TEXT, HSP_MAP_REGION},
    {"endpoints", TEXT, HSP_MAP_ENDPOINTS},
    {"response_time", EXTRA, HSP_MAP_RESPONSE_TIME},
    {"status_code", EXTRA, HSP_MAP_STATUS_CODE},
    {"up", CRITERION, 0},
    {"failures", CRITERION, 0},
    {"successes", CRITERION, 0},
    {"notify_at", CRITERION, 0},
    {"repeat", CRITERION, 0},
};
#define WORDS (sizeof(words) / sizeof(words[0]))

static enum hs_status set_word(struct reading *reading, const struct word *word,
                               const char *value, struct hs_error *err) {
    struct hsp_map_item *item = &reading->map.items[reading->map.count];
    struct hs_error own = {0};
    enum hs_status status = HS_OK;
    const uint32_t bit = UINT32_C(1) << (word - words);
    if ((reading->seen & bit) != 0)
        return hsp_fail(err, HS_E_DATA, "%s: is there twice", word->word);
    reading->seen |= bit;
    if (word->kind == CRITERION)
        return hsp_criteria_set(&reading->criteria, word->word, value, err);
    status = word->kind == TEXT
                 ? set_text(item, (enum hsp_map_text)word->which, value, &own)
                 : set_extra(item, (enum hsp_map_extra)word->which, value, &own);
    return status == HS_OK ? HS_OK
                           : hsp_fail(err, status, "%s: %s", word->word, own.text);
}

/* Items
 * ------------------------------------------------------------------------------------ */

static void free_item(struct hsp_map_item *item) {
    for (size_t i = 0; i < HSP_MAP_TEXTS; i++)
        free(item->texts[i]);
    free((void *)item->rules.notify_at);
    hsp_rule_free(&item->up);
    *item = (struct hsp_map_item){0};
}

/* Take over what was read of it. */
static enum hs_status finish_item(struct reading *reading, struct hs_error *err) {
    struct hsp_map_item *item = &reading->map.items[reading->map.count];
    const struct hsp_monitor_rules *rules = &reading->criteria.rules;
    static const char *const needed[] = {"host", "service"};
    for (size_t i = 0; i < 2; i++)
        if (item->texts[i] == NULL || *item->texts[i] == '\0')
            return hsp_fail(err, HS_E_DATA, "has no %s", needed[i]);
    if (!reading->criteria.has_up)
        return hsp_fail(err, HS_E_DATA, "has no rule for up");
    item->rules = *rules;
    item->rules.notify_at = NULL;
    if (rules->notify_at_count > 0) {
        const size_t size = rules->notify_at_count * sizeof(*rules->notify_at);
        int64_t *marks = malloc(size);
        if (marks == NULL)
            return hsp_fail(err, HS_E_NOMEM, "read map: out of memory");
        memcpy(marks, rules->notify_at, size);
        item->rules.notify_at = marks;
    }
    item->up = reading->criteria.up;
    reading->criteria.up = (struct hsp_rule){0};
    return HS_OK;
}

/* The item before is read; HS_E_NOMEM is all that ends the reading. */
static enum hs_status end_item(struct reading *reading, struct hs_error *err) {
    struct hs_error own = {0};
    enum hs_status status = HS_OK;
    if (!reading->has_item)
        return HS_OK;
    struct hsp_map_item *item = &reading->map.items[reading->map.count];
    reading->has_item = false;
    if (!reading->is_wrong)
        status = finish_item(reading, &own);
    if (status == HS_E_DATA)
        complain(reading, reading->item_at, item->itemid, own.text);
    if (status == HS_OK && !reading->is_wrong) {
        reading->map.repeats = reading->map.repeats || item->rules.repeat_us > 0;
        reading->map.count++;
    } else {
        free_item(item);
    }
    hsp_criteria_free(&reading->criteria);
    return status == HS_E_NOMEM ? hsp_fail(err, status, "%s", own.text) : HS_OK;
}

static enum hs_status begin_item(struct reading *reading, const char *value,
                                 struct hs_error *err) {
    struct hsp_map *map = &reading->map;
    const char *rest = NULL;
    uint64_t itemid = 0;
    const enum hs_status status = end_item(reading, err);
    if (status != HS_OK)
        return status;
    if (++reading->declared > HSP_MAP_ITEMS_MAX)
        return hsp_fail(err, HS_E_DATA, "more than %d items", HSP_MAP_ITEMS_MAX);
    if (map->count == reading->room) {
        const size_t room = reading->room == 0 ? 64 : reading->room * 2;
        struct hsp_map_item *grown = realloc(map->items, room * sizeof(*grown));
        if (grown == NULL)
            return hsp_fail(err, HS_E_NOMEM, "read map: out of memory");
        map->items = grown;
        reading->room = room;
    }
    const bool is_number = parse_itemid(value, &itemid, &rest) && *rest == '\0';
    map->items[map->count] = (struct hsp_map_item){.itemid = itemid};
    hsp_criteria_init(&reading->criteria);
    reading->seen = 0;
    reading->has_item = true;
    reading->is_wrong = !is_number;
    reading->item_at = reading->line;
    if (!is_number)
        complain(reading, reading->line, 0, "item: no number of an item: left out");
    return HS_OK;
}

static enum hs_status read_word(struct reading *reading, const char *name,
                                const char *value, struct hs_error *err) {
    struct hs_error own = {0};
    char what[sizeof(own.text) + 32];
    if (!reading->has_item)
        return hsp_fail(err, HS_E_DATA, "line %zu: '%.40s' before any item",
                        reading->line, name);
    const uint64_t itemid = reading->map.items[reading->map.count].itemid;
    size_t i = 0;
    while (i < WORDS && strcmp(words[i].word, name) != 0)
        i++;
    if (i == WORDS) {
        snprintf(what, sizeof(what), "'%.40s' is not known, passed over", name);
        complain(reading, reading->line, itemid, what);
        return HS_OK;
    }
    const enum hs_status status =
        reading->is_wrong ? HS_OK : set_word(reading, &words[i], value, &own);
    if (status == HS_E_NOMEM)
        return hsp_fail(err, status, "%s", own.text);
    if (status != HS_OK) {
        snprintf(what, sizeof(what), "%s: left out", own.text);
        complain(reading, reading->line, itemid, what);
        reading->is_wrong = true;
    }
    return HS_OK;
}

/* Lines
 * ------------------------------------------------------------------------------------ */

/* A copy of the next line, split at its first blank. */
static enum hs_status next_line(struct reading *reading, char *line, char **value,
                                struct hs_error *err) {
    const char *end = memchr(reading->at, '\n', (size_t)(reading->end - reading->at));
    reading->line++;
    if (end == NULL)
        return hsp_fail(err, HS_E_DATA, "line %zu: torn, or no line \"end COUNT\"",
                        reading->line);
    const size_t length = (size_t)(end - reading->at);
    if (length >= LINE_MAX_LENGTH || memchr(reading->at, '\0', length) != NULL)
        return hsp_fail(err, HS_E_DATA, "line %zu: too long, or with a NUL byte",
                        reading->line);
    memcpy(line, reading->at, length);
    line[length] = '\0';
    reading->at = end + 1;
    char *blank = strchr(line, ' ');
    *value = blank == NULL ? line + length : blank + 1;
    if (blank != NULL)
        *blank = '\0';
    return HS_OK;
}

static enum hs_status read_end(const struct reading *reading, const char *value,
                               struct hs_error *err) {
    struct hsp_cursor cursor = {value, value + strlen(value)};
    uint64_t count = 0;
    if (!hsp_take_number(&cursor, HSP_MAP_ITEMS_MAX, &count) || *cursor.at != '\0' ||
        count != reading->declared)
        return hsp_fail(err, HS_E_DATA, "line %zu: \"end %.40s\" after %zu items",
                        reading->line, value, reading->declared);
    return reading->at == reading->end
               ? HS_OK
               : hsp_fail(err, HS_E_DATA, "line %zu: more after the end", reading->line);
}

static enum hs_status read_head(struct reading *reading, char *line,
                                struct hs_error *err) {
    char *value = NULL;
    const enum hs_status status = next_line(reading, line, &value, err);
    if (status != HS_OK)
        return status;
    if (value != line + strlen(line))
        value[-1] = ' ';
    if (strcmp(line, MAGIC) == 0)
        return HS_OK;
    if (strncmp(line, VERSIONLESS, strlen(VERSIONLESS)) == 0)
        return hsp_fail(err, HS_E_DATA, "a map of version %.20s, which is not known here",
                        line + strlen(VERSIONLESS));
    return hsp_fail(err, HS_E_DATA,
                    "this is no map: it does not begin with \"" MAGIC "\"");
}

static enum hs_status read_lines(struct reading *reading, char *line,
                                 struct hs_error *err) {
    enum hs_status status = read_head(reading, line, err);
    while (status == HS_OK) {
        char *value = NULL;
        status = next_line(reading, line, &value, err);
        if (status != HS_OK || *line == '#' || (*line == '\0' && *value == '\0'))
            continue;
        if (strcmp(line, "end") == 0) {
            status = end_item(reading, err);
            return status == HS_OK ? read_end(reading, value, err) : status;
        }
        status = strcmp(line, "item") == 0 ? begin_item(reading, value, err)
                                           : read_word(reading, line, value, err);
    }
    return status;
}

/* Finding
 * ------------------------------------------------------------------------------------ */

static struct hsp_map_node *node_of(const struct hsp_map *map, uint64_t itemid) {
    size_t at = (size_t)(itemid * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (map->size - 1);
    while (map->nodes[at].itemid != 0 && map->nodes[at].itemid != itemid)
        at = (at + 1) & (map->size - 1);
    return &map->nodes[at];
}

static void index_extras(struct hsp_map *map, const struct hsp_map_item *item) {
    for (size_t k = 0; k < HSP_MAP_EXTRAS; k++)
        if (item->extras[k].itemid != 0)
            node_of(map, item->extras[k].itemid)->itemid = item->extras[k].itemid;
}

/* The second of two items of one number is told, and is nobody's. */
static enum hs_status make_index(const struct reading *reading, struct hsp_map *map,
                                 struct hs_error *err) {
    map->size = 16;
    while (map->size < map->count * 2 * (1 + HSP_MAP_EXTRAS))
        map->size *= 2;
    map->nodes = calloc(map->size, sizeof(*map->nodes));
    if (map->nodes == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read map: out of memory");
    for (size_t i = 0; i < map->count; i++) {
        struct hsp_map_node *node = node_of(map, map->items[i].itemid);
        if (node->item != NULL) {
            complain(reading, reading->line, map->items[i].itemid,
                     "is there twice: the first counts");
            continue;
        }
        *node = (struct hsp_map_node){map->items[i].itemid, &map->items[i]};
        index_extras(map, &map->items[i]);
    }
    return HS_OK;
}

enum hs_status hsp_map_parse(struct hsp_map *map, const char *text, size_t length,
                             void (*say)(void *context, const char *line), void *context,
                             struct hs_error *err) {
    struct reading reading = {
        .at = text, .end = text + length, .say = say, .context = context};
    char *line = malloc(LINE_MAX_LENGTH);
    enum hs_status status = line == NULL
                                ? hsp_fail(err, HS_E_NOMEM, "read map: out of memory")
                                : read_lines(&reading, line, err);
    if (status == HS_OK)
        status = make_index(&reading, &reading.map, err);
    free(line);
    if (status == HS_OK) {
        *map = reading.map;
        return HS_OK;
    }
    if (reading.has_item) {
        free_item(&reading.map.items[reading.map.count]);
        hsp_criteria_free(&reading.criteria);
    }
    hsp_map_free(&reading.map);
    return status;
}

void hsp_map_free(struct hsp_map *map) {
    for (size_t i = 0; i < map->count; i++)
        free_item(&map->items[i]);
    free(map->items);
    free(map->nodes);
    *map = (struct hsp_map){0};
}

bool hsp_map_find(const struct hsp_map *map, uint64_t itemid,
                  const struct hsp_map_item **item) {
    if (map->count == 0)
        return false;
    const struct hsp_map_node *node = node_of(map, itemid);
    *item = node->item;
    return node->itemid != 0;
}
