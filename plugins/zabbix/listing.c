/* SPDX-License-Identifier: MIT */
/* Writing the map. Items that are monitors come out in the order of their numbers, so
 * that the same items make the same file. */
#include "config.h"

#include "criteria.h"
#include "cursor.h"
#include "error.h"
#include "json.h"
#include "listing.h"
#include "rule.h"
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

#define TAG_TIME HSP_TAG "response_time"

struct row {
    uint64_t itemid;
    size_t place;           /* in the answer, from 1 */
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
    json_object *hosts = hsp_json_member(item, "hosts", json_type_array);
    const char *number = text_of(item, "itemid");
    struct hsp_cursor cursor = {number, number == NULL ? NULL : number + strlen(number)};
    row->key = text_of(item, "key_");
    row->tags = hsp_json_member(item, "tags", json_type_array);
    if (number == NULL || row->key == NULL || hosts == NULL || row->tags == NULL ||
        !hsp_take_number(&cursor, UINT64_MAX, &row->itemid) || cursor.at != cursor.end)
        return false;
    row->host = text_of(json_object_array_get_idx(hosts, 0), "host");
    row->monitor = tag_of(row, HSP_TAG_MONITOR);
    return row->itemid > 0 && row->host != NULL;
}

/* Of two with one number the first in the answer counts. */
static int by_number(const void *a, const void *b) {
    const struct row *x = a, *y = b;
    if (x->itemid != y->itemid)
        return x->itemid < y->itemid ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static void drop_twins(struct listing *listing) {
    size_t kept = 0;
    for (size_t i = 0; i < listing->count; i++) {
        if (kept > 0 && listing->rows[kept - 1].itemid == listing->rows[i].itemid)
            say(listing, &listing->rows[i], "it is there twice: the second is left out");
        else
            listing->rows[kept++] = listing->rows[i];
    }
    listing->count = kept;
}

/* What is told of item `place`, from 1. */
#define NO_ITEM "item.get: item %zu of %zu has no number, key, host or tags"

/* Places that no row has. Rows stand as in the answer. */
static void tell_missing(const struct listing *listing, size_t count) {
    char line[160];
    const struct row *row = listing->rows;
    for (size_t place = 1; place <= count; place++) {
        if (row < listing->rows + listing->count && row->place == place) {
            row++;
            continue;
        }
        snprintf(line, sizeof(line), NO_ITEM ": left out", place, count);
        listing->say(line);
    }
}

static enum hs_status read_rows(struct listing *listing, json_object *items,
                                struct hs_error *err) {
    if (!json_object_is_type(items, json_type_array))
        return hsp_fail(err, HS_E_DATA, "item.get: the result is no list of items");
    const size_t count = json_object_array_length(items);
    listing->rows = calloc(count + 1, sizeof(*listing->rows));
    if (listing->rows == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read items: out of memory");
    for (size_t i = 0; i < count; i++) {
        struct row *row = &listing->rows[listing->count];
        row->place = i + 1;
        listing->count += read_row(row, json_object_array_get_idx(items, i));
    }
    if (count > 0 && listing->count == 0)
        return hsp_fail(err, HS_E_DATA, NO_ITEM, (size_t)1, count);
    tell_missing(listing, count);
    qsort(listing->rows, listing->count, sizeof(*listing->rows), by_number);
    drop_twins(listing);
    return HS_OK;
}

/* Objects: "KIND\nHOST\nMONITOR", for there are no line ends in names. */
static char *make_key(const char *kind, const struct row *row, const char *monitor) {
    char *key = NULL;
    return asprintf(&key, "%s\n%s\n%s", kind, row->host, monitor) < 0 ? NULL : key;
}

/* A factor that is none would cost the monitor in the module, not only its value. */
static bool is_usable(const struct listing *listing, const struct row *row,
                      const char *tag) {
    const char *factor = tag_of(row, HSP_TAG "factor");
    double number;
    char what[200];
    if (strcmp(tag, TAG_TIME) != 0 || factor == NULL ||
        hsp_parse_decimal(factor, &number))
        return true;
    snprintf(what, sizeof(what), HSP_TAG "factor: '%.60s' is no number: left out",
             factor);
    say(listing, row, what);
    return false;
}

static enum hs_status note_one(struct listing *listing, struct row *row, const char *tag,
                               struct hs_error *err) {
    const char *monitor = tag_of(row, tag);
    struct hsp_table *table = row->monitor != NULL && strcmp(tag, HSP_TAG_MONITOR) == 0
                                  ? &listing->known
                                  : &listing->extras;
    if (monitor == NULL || *monitor == '\0' || !is_usable(listing, row, tag))
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
    static const char *const tags[] = {HSP_TAG_MONITOR, TAG_TIME, HSP_TAG "status_code"};
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
    if (*row->host == '\0' || *row->key == '\0')
        status = hsp_fail(err, HS_E_DATA, "it has no host or no key");
    else if (strpbrk(row->host, "\r\n") != NULL || strpbrk(row->key, "\r\n") != NULL)
        status = hsp_fail(err, HS_E_DATA, "there is a line end in its host or key");
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

/* One longer line would cost the whole map. */
static bool lines_fit(const char *lines) {
    for (const char *end; (end = strchr(lines, '\n')) != NULL; lines = end + 1)
        if (end - lines > HSP_LISTING_LINE_MAX)
            return false;
    return true;
}

/* Append an item; HS_E_DATA: what is wrong, and nothing is appended. */
static enum hs_status print_whole(const struct listing *listing, struct hsp_buffer *map,
                                  const struct row *row, struct hs_error *err) {
    const size_t before = map->length;
    enum hs_status status = check(row, err);
    if (status == HS_OK)
        status = print_row(listing, map, row, err);
    if (status == HS_OK && !map->failed && !lines_fit(map->data + before)) {
        map->length = before;
        map->data[before] = '\0';
        status = hsp_fail(err, HS_E_DATA, "a line of it would be longer than 64 KB");
    }
    return status;
}

static enum hs_status print_rows(const struct listing *listing, struct hsp_buffer *map,
                                 size_t *count, struct hs_error *err) {
    hsp_buffer_print(map, "%s", HSP_LISTING_MAGIC);
    for (size_t i = 0; i < listing->count; i++) {
        const struct row *row = &listing->rows[i];
        struct hs_error own = {0};
        if (row->monitor == NULL)
            continue;
        const enum hs_status status = print_whole(listing, map, row, &own);
        if (status == HS_E_DATA) {
            char what[sizeof(own.text) + 32];
            snprintf(what, sizeof(what), "%s: left out", own.text);
            say(listing, row, what);
        } else if (status != HS_OK) {
            return hsp_fail(err, status, "%s", own.text);
        }
        *count += status == HS_OK;
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
