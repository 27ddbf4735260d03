/* SPDX-License-Identifier: MIT */
/* Reading exported lines. What a line is shows by its members: only values have an
 * itemid, only recoveries a p_eventid. */
#include "config.h"

#include "error.h"
#include "json.h"
#include "ndjson.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CLOCK_MAX INT64_C(253402300799)
#define NS_MAX INT64_C(999999999)

/* Members
 * ------------------------------------------------------------------------------------ */

static bool take_number(json_object *object, const char *key, int64_t max,
                        int64_t *number) {
    json_object *value = hsp_json_member(object, key, json_type_int);
    const int64_t found = value == NULL ? -1 : json_object_get_int64(value);
    if (found < 0 || found > max)
        return false;
    *number = found;
    return true;
}

/* Ids are 64 bits wide; json-c has those above INT64_MAX apart, so the digits are read.
 */
static bool take_id(json_object *object, const char *key, uint64_t *id) {
    json_object *value = hsp_json_member(object, key, json_type_int);
    const char *text = value == NULL ? "-" : json_object_get_string(value);
    char *end = NULL;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    const unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *id = number;
    return true;
}

static const char *text_of(json_object *object, const char *key) {
    json_object *value =
        object == NULL ? NULL : hsp_json_member(object, key, json_type_string);
    return value == NULL ? "" : json_object_get_string(value);
}

/* Lines
 * ------------------------------------------------------------------------------------ */

static void take_host(struct hsp_line *line, json_object *host) {
    line->host = text_of(host, "host");
    line->host_name = text_of(host, "name");
}

static const char *read_value(struct hsp_line *line) {
    take_host(line, hsp_json_member(line->root, "host", json_type_object));
    line->tags = hsp_json_member(line->root, "item_tags", json_type_array);
    if (!json_object_object_get_ex(line->root, "value", &line->value) ||
        line->value == NULL)
        return "it has no value";
    return NULL;
}

static const char *read_event(struct hsp_line *line) {
    int64_t value = 0, severity = 0;
    if (!take_id(line->root, "eventid", &line->eventid))
        return "it has neither itemid nor eventid";
    if (!take_number(line->root, "value", 1, &value))
        return "its value is neither 0 nor 1";
    if (value == 0) {
        line->kind = HSP_LINE_RECOVERY;
        return take_id(line->root, "p_eventid", &line->problemid)
                   ? NULL
                   : "it is a recovery without p_eventid";
    }
    line->kind = HSP_LINE_PROBLEM;
    if (take_number(line->root, "severity", HSP_SEVERITIES - 1, &severity))
        line->severity = (int)severity;
    line->hosts = hsp_json_member(line->root, "hosts", json_type_array);
    line->tags = hsp_json_member(line->root, "tags", json_type_array);
    json_object *first =
        line->hosts == NULL ? NULL : json_object_array_get_idx(line->hosts, 0);
    take_host(line, json_object_is_type(first, json_type_object) ? first : NULL);
    return NULL;
}

/* What is wrong with it; NULL: nothing. */
static const char *read_root(struct hsp_line *line) {
    if (!json_object_is_type(line->root, json_type_object))
        return "it is no JSON object";
    if (!take_number(line->root, "clock", CLOCK_MAX, &line->clock))
        return "it has no clock";
    if (!take_number(line->root, "ns", NS_MAX, &line->ns))
        line->ns = 0;
    line->name = text_of(line->root, "name");
    line->groups = hsp_json_member(line->root, "groups", json_type_array);
    if (take_id(line->root, "itemid", &line->itemid)) {
        line->kind = HSP_LINE_VALUE;
        return read_value(line);
    }
    return read_event(line);
}

enum hs_status hsp_line_read(struct hsp_line *line, const char *text, size_t length,
                             struct hs_error *err) {
    struct hs_error own = {0};
    struct hsp_line made = {.name = "", .host = "", .host_name = ""};
    made.root = hsp_json_parse(text, length, &own);
    if (made.root == NULL)
        return hsp_fail(err, own.status, "%s", own.text);
    const char *mistake = read_root(&made);
    if (mistake != NULL) {
        hsp_line_free(&made);
        return hsp_fail(err, HS_E_DATA, "%s", mistake);
    }
    *line = made;
    return HS_OK;
}

void hsp_line_free(struct hsp_line *line) {
    json_object_put(line->root);
    *line = (struct hsp_line){0};
}

/* Torn lines
 * ------------------------------------------------------------------------------------ */

static bool is_escaped(const char *text, size_t at) {
    size_t from = at;
    while (from > 0 && text[from - 1] == '\\')
        from--;
    return (at - from) % 2 == 1;
}

/* Where the object begins that the text ends with; `length`: it ends with none. Looked
 * for from behind: there we are outside of strings for sure, and what was torn in front
 * of it does not matter, nor in which order its members come. In texts of others quotes
 * are escaped, so none of them can look like a line. */
static size_t find_object(const char *text, size_t length) {
    size_t depth = 0;
    bool in_string = false;
    if (length == 0 || text[length - 1] != '}')
        return length;
    for (size_t at = length; at-- > 0;) {
        if (text[at] == '"' && !is_escaped(text, at))
            in_string = !in_string;
        else if (!in_string && text[at] == '}')
            depth++;
        else if (!in_string && text[at] == '{' && --depth == 0)
            return at;
    }
    return length;
}

enum hs_status hsp_line_cut(const char *text, size_t length, size_t *cut,
                            struct hs_error *err) {
    enum hs_status status = HS_OK;
    size_t begin = length, second = length;
    while (begin > 0) {
        struct hsp_line line = {0};
        const size_t at = find_object(text, begin);
        if (at == begin)
            break;
        status = hsp_line_read(&line, text + at, begin - at, NULL);
        hsp_line_free(&line);
        if (status != HS_OK)
            break;
        second = begin;
        begin = at;
    }
    if (status == HS_E_NOMEM)
        return hsp_fail(err, status, "read line: out of memory");
    *cut = begin == 0 ? second : begin;
    if (*cut == length)
        *cut = 0;
    return HS_OK;
}

bool hsp_line_before(const struct hsp_line *a, const struct hsp_line *b) {
    if (a->clock != b->clock)
        return a->clock < b->clock;
    return a->ns != b->ns ? a->ns < b->ns : a->eventid < b->eventid;
}

bool hsp_line_tag(const struct hsp_line *line, size_t index, const char **name,
                  const char **value) {
    if (line->tags == NULL || index >= json_object_array_length(line->tags))
        return false;
    json_object *tag = json_object_array_get_idx(line->tags, index);
    const bool is_tag = json_object_is_type(tag, json_type_object);
    *name = text_of(is_tag ? tag : NULL, "tag");
    *value = text_of(is_tag ? tag : NULL, "value");
    return true;
}

const char *hsp_line_tag_value(const struct hsp_line *line, const char *name) {
    const char *key, *value;
    for (size_t i = 0; hsp_line_tag(line, i, &key, &value); i++)
        if (strcmp(key, name) == 0)
            return value;
    return NULL;
}
