/* SPDX-License-Identifier: MIT */
/* Writing the map. Items that are monitors come out in the order of their numbers, so
 * that the same items make the same file. */
#include "config.h"

#include "criteria.h"
#include "cursor.h"
#include "error.h"
#include "json.h"
#include "listing.h"
#include "table.h"
#include "told.h"
#include "watched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Items whose tags are values of another one are asked for, too. */
const char hsp_listing_parameters[] =
    "{\"output\":[\"itemid\",\"key_\",\"value_type\"],"
    "\"selectTags\":[\"tag\",\"value\"],\"selectHosts\":[\"host\"],"
    "\"monitored\":true,\"webitems\":true,\"evaltype\":2,\"tags\":["
    "{\"tag\":\"webhook.monitor\",\"operator\":4},"
    "{\"tag\":\"webhook.response_time\",\"operator\":4},"
    "{\"tag\":\"webhook.status_code\",\"operator\":4}]}";

struct row {
    uint64_t itemid;
    const char *key, *host; /* borrowed from the answer, as all here */
    json_object *tags;
    const char *monitor; /* NULL: it is none itself */
};

struct listing {
    struct row *rows;
    size_t count;
    struct hsp_table extras; /* struct row, by kind, host and monitor */
    struct hsp_table known;  /* struct row of monitors, by host and monitor */
    void (*say)(const char *line);
};

static void say(const struct listing *listing, const struct row *row, const char *what) {
    char line[800];
    snprintf(line, sizeof(line), "item %llu (%.100s, %.200s): %.400s",
             (unsigned long long)row->itemid, row->host, row->key, what);
    listing->say(line);
}

static const char *text_of(json_object *object, const char *key) {
    return json_object_get_string(hsp_json_member(object, key, json_type_string));
}

/* The tag at an index; false: there is none. */
static bool tag_at(const struct row *row, size_t index, const char **name,
                   const char **value) {
    if (row->tags == NULL || index >= json_object_array_length(row->tags))
        return false;
    json_object *tag = json_object_array_get_idx(row->tags, index);
    *name = text_of(tag, "tag");
    *value = text_of(tag, "value");
    if (*name == NULL || *value == NULL)
        *name = *value = "";
    return true;
}

static const char *tag_of(const struct row *row, const char *wanted) {
    const char *name, *value;
    for (size_t i = 0; tag_at(row, i, &name, &value); i++)
        if (strcmp(name, wanted) == 0)
            return value;
    return NULL;
}

/* Reading the answer
 * ------------------------------------------------------------------------------------ */

static bool read_row(struct row *row, json_object *item) {
    json_object *hosts = NULL, *tags = NULL;
    const char *number = text_of(item, "itemid");
    struct hsp_cursor cursor = {number, number == NULL ? NULL : number + strlen(number)};
    row->key = text_of(item, "key_");
    if (number == NULL || row->key == NULL ||
        !hsp_take_number(&cursor, UINT64_MAX, &row->itemid) || cursor.at != cursor.end ||
        !json_object_object_get_ex(item, "hosts", &hosts) ||
        !json_object_is_type(hosts, json_type_array) ||
        !json_object_object_get_ex(item, "tags", &tags) ||
        !json_object_is_type(tags, json_type_array))
        return false;
    row->host = text_of(json_object_array_get_idx(hosts, 0), "host");
    row->tags = tags;
    row->monitor = tag_of(row, HSP_TAG_MONITOR);
    return row->host != NULL;
}

static int by_number(const void *a, const void *b) {
    const uint64_t x = ((const struct row *)a)->itemid,
                   y = ((const struct row *)b)->itemid;
    return x < y ? -1 : x > y;
}

static enum hs_status read_rows(struct listing *listing, json_object *items,
                                struct hs_error *err) {
    if (!json_object_is_type(items, json_type_array))
        return hsp_fail(err, HS_E_DATA, "item.get: the result is no list of items");
    const size_t count = json_object_array_length(items);
    listing->rows = calloc(count + 1, sizeof(*listing->rows));
    if (listing->rows == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read items: out of memory");
    for (size_t i = 0; i < count; i++)
        if (!read_row(&listing->rows[listing->count++],
                      json_object_array_get_idx(items, i)))
            return hsp_fail(err, HS_E_DATA,
                            "item.get: item %zu of %zu has no number, key, host or tags",
                            i + 1, count);
    qsort(listing->rows, listing->count, sizeof(*listing->rows), by_number);
    return HS_OK;
}

/* Objects: "KIND\nHOST\nMONITOR", for there are no line ends in names. */
static char *make_key(const char *kind, const struct row *row, const char *monitor) {
    char *key = NULL;
    return asprintf(&key, "%s\n%s\n%s", kind, row->host, monitor) < 0 ? NULL : key;
}

static enum hs_status note_one(struct listing *listing, struct row *row, const char *tag,
                               struct hs_error *err) {
    const char *monitor = tag_of(row, tag);
    struct hsp_table *table = row->monitor != NULL && strcmp(tag, HSP_TAG_MONITOR) == 0
                                  ? &listing->known
                                  : &listing->extras;
    if (monitor == NULL || *monitor == '\0')
        return HS_OK;
    char *key = make_key(tag, row, monitor);
    const bool twice = key != NULL && hsp_table_get(table, key) != NULL;
    const bool done = key != NULL && (twice || hsp_table_put(table, key, row));
    free(key);
    if (twice)
        say(listing, row, "another item of this host has the same value of the tag");
    return done ? HS_OK : hsp_fail(err, HS_E_NOMEM, "read items: out of memory");
}

static enum hs_status note_rows(struct listing *listing, struct hs_error *err) {
    static const char *const tags[] = {HSP_TAG_MONITOR, HSP_TAG "response_time",
                                       HSP_TAG "status_code"};
    enum hs_status status = HS_OK;
    for (size_t i = 0; i < listing->count && status == HS_OK; i++)
        for (size_t k = 0; k < 3 && status == HS_OK; k++)
            status = note_one(listing, &listing->rows[i], tags[k], err);
    return status;
}

/* Writing
 * ------------------------------------------------------------------------------------ */

static void print_word(struct hsp_buffer *out, const char *word, const char *value) {
    if (value != NULL && *value != '\0')
        hsp_buffer_print(out, "%s %s\n", word, value);
}

static enum hs_status print_extra(const struct listing *listing, struct hsp_buffer *out,
                                  const struct row *row, const char *word,
                                  struct hs_error *err) {
    char tag[64];
    snprintf(tag, sizeof(tag), HSP_TAG "%s", word);
    char *key = make_key(tag, row, row->monitor);
    if (key == NULL)
        return hsp_fail(err, HS_E_NOMEM, "write items: out of memory");
    const struct row *extra = hsp_table_get(&listing->extras, key);
    free(key);
    if (extra == NULL)
        return HS_OK;
    const char *factor = tag_of(extra, HSP_TAG "factor");
    const bool scaled = strcmp(word, "response_time") == 0 && factor != NULL;
    hsp_buffer_print(out, "%s %llu%s%s\n", word, (unsigned long long)extra->itemid,
                     scaled ? " " : "", scaled ? factor : "");
    return HS_OK;
}

/* Words of which one that is wrong spoils the item: what it says, tried out. */
static enum hs_status check(const struct row *row, struct hs_error *err) {
    struct hsp_criteria criteria;
    const char *name, *value;
    const size_t prefix = strlen(HSP_TAG);
    enum hs_status status = HS_OK;
    hsp_criteria_init(&criteria);
    for (size_t i = 0; status == HS_OK && tag_at(row, i, &name, &value); i++) {
        if (strncmp(name, HSP_TAG, prefix) != 0)
            continue;
        if (strpbrk(value, "\r\n") != NULL)
            status = hsp_fail(err, HS_E_DATA, "%s: there is a line end in it", name);
        else if (hsp_criteria_has(name + prefix))
            status = hsp_criteria_set(&criteria, name + prefix, value, err);
    }
    if (status == HS_OK && !criteria.has_up)
        status = hsp_fail(err, HS_E_DATA, "it has no tag webhook.up");
    hsp_criteria_free(&criteria);
    return status;
}

static enum hs_status print_row(const struct listing *listing, struct hsp_buffer *out,
                                const struct row *row, struct hs_error *err) {
    static const char *const words[] = {"id",        "url",       "region",
                                        "endpoints", "up",        "failures",
                                        "successes", "notify_at", "repeat"};
    char tag[64];
    hsp_buffer_print(out, "item %llu\n", (unsigned long long)row->itemid);
    print_word(out, "host", row->host);
    print_word(out, "service", *row->monitor == '\0' ? row->key : row->monitor);
    print_word(out, "name", row->monitor);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        snprintf(tag, sizeof(tag), HSP_TAG "%s", words[i]);
        print_word(out, words[i], tag_of(row, tag));
    }
    const enum hs_status status = print_extra(listing, out, row, "response_time", err);
    return status == HS_OK ? print_extra(listing, out, row, "status_code", err) : status;
}

static enum hs_status print_rows(const struct listing *listing, struct hsp_buffer *map,
                                 size_t *count, struct hs_error *err) {
    hsp_buffer_print(map, "%s", HSP_LISTING_MAGIC);
    for (size_t i = 0; i < listing->count; i++) {
        const struct row *row = &listing->rows[i];
        struct hs_error own = {0};
        if (row->monitor == NULL)
            continue;
        enum hs_status status = check(row, &own);
        if (status == HS_E_DATA) {
            char what[sizeof(own.text) + 32];
            snprintf(what, sizeof(what), "%s: left out", own.text);
            say(listing, row, what);
            continue;
        }
        status = status == HS_OK ? print_row(listing, map, row, err)
                                 : hsp_fail(err, status, "%s", own.text);
        if (status != HS_OK)
            return status;
        ++*count;
    }
    hsp_buffer_print(map, "end %zu\n", *count);
    if (map->failed)
        return hsp_fail(err, HS_E_NOMEM, "write items: out of memory");
    if (*count > HSP_LISTING_ITEMS_MAX || map->length > HSP_LISTING_BYTES_MAX)
        return hsp_fail(err, HS_E_DATA, "%zu items are more than a map can hold", *count);
    return HS_OK;
}

enum hs_status hsp_listing_write(struct hsp_buffer *map, json_object *items,
                                 size_t *count, void (*say_line)(const char *line),
                                 struct hs_error *err) {
    struct listing listing = {.say = say_line};
    *count = 0;
    enum hs_status status = read_rows(&listing, items, err);
    if (status == HS_OK)
        status = note_rows(&listing, err);
    if (status == HS_OK)
        status = print_rows(&listing, map, count, err);
    hsp_table_free(&listing.extras, NULL);
    hsp_table_free(&listing.known, NULL);
    free(listing.rows);
    return status;
}

bool hsp_listing_count(const char *text, size_t length, size_t *count) {
    const size_t magic = strlen(HSP_LISTING_MAGIC);
    if (length < magic || memcmp(text, HSP_LISTING_MAGIC, magic) != 0)
        return false;
    *count = 0;
    for (const char *line = text + magic; line != NULL && line < text + length;) {
        *count += strncmp(line, "item ", 5) == 0;
        line = memchr(line, '\n', (size_t)(text + length - line));
        line = line == NULL ? NULL : line + 1;
    }
    return true;
}
