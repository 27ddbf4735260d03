/* SPDX-License-Identifier: MIT */
/* Entries of the delivery journal: parsed by json-c, which takes what no writer of the
 * journal writes as well; matched by their texts; shown as columns. */
#include "config.h"

#include "journal_entry.h"

#include "../error.h"
#include "../status.h"
#include "../units.h"

#include <string.h>

/* Parsing
 * ------------------------------------------------------------------------------- */

enum hs_status hsp_journal_entry_parse(json_object **entry, json_tokener *tokener,
                                       const struct hsp_line *line,
                                       struct hs_error *err) {
    const char *at = line->text, *end = at + line->length;
    while (at < end && *at == '\0')
        at++;
    if (at == end && line->length > 0)
        return hsp_fail(err, HS_E_DATA, "only NUL bytes");
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
        at++;
    *entry = NULL;
    if (at == end)
        return HS_OK;
    for (const char *byte = at; byte < end; byte++) /* json-c lets them pass */
        if ((unsigned char)*byte < ' ' && *byte != '\t' && *byte != '\r')
            return hsp_fail(err, HS_E_DATA, "a control character");
    json_object *json = NULL;
    enum hs_status status = hsp_json_feed(tokener, at, (size_t)(end - at), &json, err);
    if (status == HS_OK && !json_object_is_type(json, json_type_object)) {
        json_tokener_reset(tokener); /* it may be within an object */
        json_object_put(json);
        return hsp_fail(err, HS_E_DATA, "no whole object");
    }
    if (status == HS_OK)
        *entry = json;
    return status;
}

/* The text of a key, NUL-terminated; NULL: there is none. */
static const char *text_of(json_object *entry, const char *key, size_t *length) {
    json_object *value = NULL;
    if (!json_object_object_get_ex(entry, key, &value) || value == NULL)
        return NULL;
    const char *text = json_object_get_string(value);
    if (text == NULL)
        return NULL;
    *length = json_object_is_type(value, json_type_string)
                  ? (size_t)json_object_get_string_len(value)
                  : strlen(text);
    return text;
}

/* Matching
 * ------------------------------------------------------------------------------ */

static const char *const fields[HSP_JOURNAL_FIELDS] = {
    [HSP_JOURNAL_WHAT] = "what", [HSP_JOURNAL_ENDPOINT] = "endpoint",
    [HSP_JOURNAL_KIND] = "kind", [HSP_JOURNAL_MONITOR] = "monitor",
    [HSP_JOURNAL_ID] = "id",
};

static bool is_in(const struct hsp_option_list *list, const char *text, size_t length) {
    for (size_t i = 0; i < list->count; i++)
        if (strlen(list->items[i]) == length && memcmp(list->items[i], text, length) == 0)
            return true;
    return false;
}

/* Does one of the list stand in the line? Yes, too, where JSON may spell one otherwise.
 */
static bool may_have(const struct hsp_line *line, const struct hsp_option_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        const char *item = list->items[i];
        bool is_plain = true;
        for (const char *c = item; *c != '\0'; c++)
            is_plain =
                is_plain && *c > ' ' && *c < 0x7F && *c != '"' && *c != '\\' && *c != '/';
        if (!is_plain || memmem(line->text, line->length, item, strlen(item)) != NULL)
            return true;
    }
    return list->count == 0;
}

bool hsp_journal_line_may_match(const struct hsp_line *line,
                                const struct hsp_journal_filter *filter) {
    if (line->length < 2 || line->text[0] != '{' || line->text[line->length - 1] != '}')
        return true;
    for (size_t i = 0; i < HSP_JOURNAL_FIELDS; i++)
        if (!may_have(line, &filter->lists[i]))
            return false;
    return true;
}

/* An entry without a time that can be read is in no span of time. */
static bool is_within(json_object *entry, const struct hsp_journal_filter *filter) {
    size_t length;
    int64_t at_ms;
    if (filter->since_ms < 0 && filter->until_ms < 0)
        return true;
    const char *at = text_of(entry, "at", &length);
    return at != NULL && hsp_parse_time_ms(at, &at_ms) && at_ms >= filter->since_ms &&
           (filter->until_ms < 0 || at_ms <= filter->until_ms);
}

/* How bad it is, of what needs no look: everything else, also what is not known yet, is
 * doubtful. */
enum tone { DOUBTFUL, GOOD, PLAIN, BAD };
static const struct word {
    const char *name;
    enum tone tone;
} words[] = {
    {"delivered", GOOD}, {"filtered", GOOD},     {"folded", GOOD}, {"retried", PLAIN},
    {"moved", PLAIN},    {"test", PLAIN},        {"dead", BAD},    {"expired", BAD},
    {"removed", BAD},    {"misconfigured", BAD}, {"gone", BAD},    {"corrupt", BAD},
};

static enum tone tone_of(json_object *entry) {
    size_t length;
    const char *what = text_of(entry, "what", &length);
    for (size_t i = 0; what != NULL && i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].name, what) == 0)
            return words[i].tone;
    return DOUBTFUL;
}

bool hsp_journal_entry_matches(json_object *entry,
                               const struct hsp_journal_filter *filter) {
    if (!is_within(entry, filter) || (filter->problems && tone_of(entry) == GOOD))
        return false;
    for (size_t i = 0; i < HSP_JOURNAL_FIELDS; i++) {
        size_t length = 0;
        if (filter->lists[i].count == 0)
            continue;
        const char *text = text_of(entry, fields[i], &length);
        if (text == NULL || !is_in(&filter->lists[i], text, length))
            return false;
    }
    return true;
}

/* Showing
 * ------------------------------------------------------------------------------- */

#define WIDTH_MAX 32 /* what is wider is shown whole, and widens nothing */

/* As they are printed: `before` and `behind` the text of the key. */
static const struct column {
    const char *key, *before, *behind;
    int width;
    bool right;
} columns[HSP_JOURNAL_COLUMNS] = {
    {"at", "", "", HSP_TIME_LENGTH, false},
    {"what", "", "", 9, false},
    {"endpoint", "", "", 8, false},
    {"kind", "", "", 8, false},
    {"monitor", "", "", 16, false},
    {"attempt", "#", "", 2, true},
    {"status", "", "", 3, true},
    {"took_ms", "", "ms", 6, true},
};

/* Code points that a terminal obeys instead of showing them. */
static const struct range {
    uint32_t first, last;
} hidden[] = {
    {0, 0x1F},        {0x7F, 0x9F},     {0x61C, 0x61C},
    {0x200E, 0x200F}, {0x2028, 0x202E}, {0x2066, 0x2069},
};

static bool is_hidden(uint32_t point) {
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (point >= hidden[i].first && point <= hidden[i].last)
            return true;
    return false;
}

/* The code point at `text`, which is well-formed and ends in a NUL. */
static uint32_t take_point(const unsigned char *text, size_t *size) {
    static const unsigned char masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    *size = *text < 0x80 ? 1 : *text < 0xE0 ? 2 : *text < 0xF0 ? 3 : 4;
    uint32_t point = *text & masks[*size];
    for (size_t i = 1; i < *size; i++)
        point = point << 6 | (text[i] & 0x3F);
    return point;
}

/* Append the text harmlessly; the number of code points. */
static int append_text(struct hsp_buffer *out, const char *text, size_t length) {
    int points = 0;
    for (size_t at = 0, size; at < length; at += size) {
        uint32_t point = take_point((const unsigned char *)text + at, &size);
        bool is_shown = !is_hidden(point);
        if (is_shown)
            hsp_buffer_append(out, text + at, size);
        else
            hsp_buffer_print(out, "\\u%04x", (unsigned)point);
        points += is_shown ? 1 : 6;
    }
    return points;
}

static const char *colour_of(json_object *entry) {
    enum tone tone = tone_of(entry);
    return tone == BAD ? "\033[1;31m" : tone == DOUBTFUL ? "\033[33m" : "";
}

static void append_column(struct hsp_buffer *out, const struct column *column, int *width,
                          json_object *entry, const char *colour) {
    size_t length = 0;
    struct hsp_buffer cell = {0};
    const char *text = text_of(entry, column->key, &length);
    int points = 1;
    if (text != NULL) {
        points = (int)(strlen(column->before) + strlen(column->behind));
        hsp_buffer_print(&cell, "%s", column->before);
        points += append_text(&cell, text, length);
        hsp_buffer_print(&cell, "%s", column->behind);
    } else {
        hsp_buffer_print(&cell, "-");
    }
    if (*width < column->width)
        *width = column->width;
    if (*width < points && points <= WIDTH_MAX)
        *width = points;
    int gap = *width > points ? *width - points : 0;
    hsp_buffer_print(out, "%*s%s%s%s%*s  ", column->right ? gap : 0, "", colour,
                     cell.data != NULL ? cell.data : "", *colour != '\0' ? "\033[0m" : "",
                     column->right ? 0 : gap, "");
    out->failed = out->failed || cell.failed;
    hsp_buffer_free(&cell);
}

/* "; again in 10s", behind the reason. */
static void append_next(struct hsp_buffer *out, json_object *entry, bool has_reason) {
    size_t length;
    int64_t at_ms, next_ms;
    char span[HSP_SPAN_LENGTH];
    const char *at = text_of(entry, "at", &length);
    const char *next = text_of(entry, "next_at", &length);
    if (at == NULL || next == NULL || !hsp_parse_time_ms(at, &at_ms) ||
        !hsp_parse_time_ms(next, &next_ms))
        return;
    hsp_buffer_print(out, "%sagain in %s", has_reason ? "; " : "",
                     hsp_span_text(next_ms - at_ms, span));
}

void hsp_journal_entry_print(json_object *entry, struct hsp_journal_layout *layout,
                             struct hsp_buffer *out) {
    size_t length;
    for (size_t i = 0; i < HSP_JOURNAL_COLUMNS; i++) {
        bool is_what = strcmp(columns[i].key, "what") == 0;
        append_column(out, &columns[i], &layout->widths[i], entry,
                      layout->colour && is_what ? colour_of(entry) : "");
    }
    size_t begin = out->length;
    const char *reason = text_of(entry, "reason", &length);
    if (reason != NULL)
        append_text(out, reason, length);
    append_next(out, entry, reason != NULL);
    const char *id = text_of(entry, "id", &length);
    if (id != NULL && out->length > begin)
        hsp_buffer_append(out, "  ", 2);
    if (id != NULL)
        append_text(out, id, length);
    while (!out->failed && out->length > 0 && out->data[out->length - 1] == ' ')
        out->length--;
    hsp_buffer_append(out, "\n", 1);
}
