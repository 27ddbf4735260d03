/* SPDX-License-Identifier: MIT */
/* The reader of Zabbix's messages; see message.h. Pure but for memory. */
#include "config.h"

#include "message.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define MARK "event_id" /* the key whose value other keys bear */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Keys whose values others write: users of Zabbix, or whoever can make an item have a
 * value; in the order that holds in a marked message. Comments stand last, as who writes
 * one knows the event's number. */
static const char *const text_keys[] = {
    "monitor_name",  "trigger_url",      "url",           "opdata",       "status_code",
    "response_time", "response_time_ms", "host_name",     "trigger_name", "event_name",
    "message",       "update_author",    "update_message"};
#define TEXTS COUNT(text_keys)
#define REST "message" /* takes the rest, where there are no marks */

/* Keys that say which event it is. */
static const char *const telling_keys[] = {MARK, "event_value", "event_status",
                                           "update_status"};

static enum hs_status out_of_memory(struct hs_error *err) {
    return hsp_fail(err, HS_E_NOMEM, "read the message: out of memory");
}

bool hsp_message_is_absent(const char *value) {
    const size_t length = strlen(value);
    if (length == 0 || strcmp(value, "*UNKNOWN*") == 0)
        return true;
    if (length < 3 || value[0] != '{' || value[length - 1] != '}')
        return false;
    const char *inside = value + 1;
    if (*inside == '$' || strncmp(inside, "EVENT.TAGS.", 11) == 0)
        return strcspn(inside, "{}\n") == length - 2;
    return strchr(UPPER, *inside) != NULL &&
           strspn(inside, UPPER DIGITS "._") == length - 2;
}

static size_t key_bytes(const char *text) {
    if (*text == '\0' || strchr(LETTERS, *text) == NULL)
        return 0;
    return strspn(text, LETTERS DIGITS ".-");
}

size_t hsp_message_key(const char *text) {
    const size_t length = key_bytes(text);
    return text[length] == '=' ? length : 0;
}

/* Where a key stands among `keys`; `count`: nowhere. */
static size_t place_of(const char *key, size_t length, const char *const *keys,
                       size_t count) {
    size_t i = 0;
    while (i < count && (strlen(keys[i]) != length || memcmp(keys[i], key, length) != 0))
        i++;
    return i;
}

static struct hsp_message_pair *find(const struct hsp_message *message, const char *key,
                                     size_t length) {
    for (size_t i = 0; i < message->count; i++) {
        struct hsp_message_pair *pair = &message->pairs[i];
        if (strlen(pair->key) == length && memcmp(pair->key, key, length) == 0)
            return pair;
    }
    return NULL;
}

static bool make_room(struct hsp_message *message) {
    if (message->count < message->capacity)
        return true;
    const size_t capacity = message->capacity ? message->capacity * 2 : 32;
    struct hsp_message_pair *pairs = realloc(message->pairs, capacity * sizeof(*pairs));
    if (pairs == NULL)
        return false;
    message->pairs = pairs;
    message->capacity = capacity;
    return true;
}

/* Add a pair, whose value is from `value` to `end`, unless there is one of that key;
 * `added` says whether. */
static enum hs_status add(struct hsp_message *message, const char *key, size_t key_length,
                          const char *value, const char *end, bool *added,
                          struct hs_error *err) {
    *added = false;
    if (find(message, key, key_length) != NULL)
        return HS_OK;
    if (!make_room(message))
        return out_of_memory(err);
    struct hsp_message_pair *pair = &message->pairs[message->count];
    pair->key = strndup(key, key_length);
    pair->value = strndup(value, (size_t)(end - value));
    if (pair->key == NULL || pair->value == NULL) {
        free(pair->key);
        free(pair->value);
        return out_of_memory(err);
    }
    pair->length = strlen(pair->value);
    message->count++;
    *added = true;
    return HS_OK;
}

/* A line that is no pair goes on with the value before. */
static enum hs_status go_on(struct hsp_message_pair *pair, const char *line,
                            size_t length, struct hs_error *err) {
    char *value = realloc(pair->value, pair->length + length + 2);
    if (value == NULL)
        return out_of_memory(err);
    value[pair->length] = '\n';
    memcpy(value + pair->length + 1, line, length);
    pair->value = value;
    pair->length += length + 1;
    value[pair->length] = '\0';
    return HS_OK;
}

/* CRLF to LF, and no line end at the end. */
static void mend_line_ends(struct hsp_message_pair *pair) {
    char *to = pair->value;
    for (const char *from = pair->value; *from; from++)
        if (from[0] != '\r' || from[1] != '\n')
            *to++ = *from;
    while (to > pair->value && (to[-1] == '\n' || to[-1] == '\r'))
        to--;
    *to = '\0';
    pair->length = (size_t)(to - pair->value);
}

/* Where the parser stands. */
struct parser {
    struct hsp_message *message;
    const char *mark;   /* what keys bear */
    size_t mark_length; /* 0: they bear none */
    size_t next_text;   /* the place of the first text that may still come, if marked */
    bool in_texts;      /* the first text has come */
    bool open;          /* the last pair takes lines that are none */
};

/* How many bytes of the line are a key; 0: none. `value` gets where its value begins. */
static size_t take_key(const struct parser *parser, const char *line, size_t length,
                       const char **value) {
    size_t key = hsp_message_key(line);
    *value = line + key + 1;
    if (parser->mark_length == 0 || parser->message->count == 0)
        return key;
    const char *equals = memchr(line, '=', length);
    const size_t before = equals == NULL ? 0 : (size_t)(equals - line);
    if (before < parser->mark_length + 2)
        return 0;
    key = before - parser->mark_length - 1;
    *value = equals + 1;
    return line[key] == '.' && key_bytes(line) >= key &&
                   memcmp(line + key + 1, parser->mark, parser->mark_length) == 0
               ? key
               : 0;
}

/* Are keys marked? The second line shows it, if the first is the event's number: neither
 * has anything in it that others write. */
static void find_mark(struct parser *parser, const char *text) {
    struct hsp_message one = {.count = 1};
    const char *value;
    if (strncmp(text, MARK "=", sizeof(MARK)) != 0)
        return;
    const char *mark = text + sizeof(MARK);
    const size_t length = strcspn(mark, "\r\n");
    const char *next = mark + length + strspn(mark + length, "\r");
    const struct parser tried = {.message = &one, .mark = mark, .mark_length = length};
    if (length == 0 || *next != '\n' ||
        take_key(&tried, next + 1, strcspn(next + 1, "\n"), &value) == 0)
        return;
    parser->mark = mark;
    parser->mark_length = length;
}

/* May a key, a text of that place or none (TEXTS), come here? */
static bool may_come(const struct parser *parser, const char *key, size_t length,
                     size_t place) {
    if (place == TEXTS)
        return !parser->in_texts;
    return parser->mark_length > 0 ? place >= parser->next_text
                                   : find(parser->message, key, length) == NULL;
}

/* One line without its end. */
static enum hs_status take_line(struct parser *parser, const char *line, size_t length,
                                struct hs_error *err) {
    struct hsp_message *message = parser->message;
    const char *value;
    const size_t key = take_key(parser, line, length, &value);
    const size_t place = place_of(line, key, text_keys, TEXTS);
    if (key > 0 && may_come(parser, line, key, place)) {
        parser->in_texts = place < TEXTS;
        parser->next_text = place < TEXTS ? place + 1 : 0;
        return add(message, line, key, value, line + length, &parser->open, err);
    }
    if (!parser->open)
        return HS_OK;
    return go_on(&message->pairs[message->count - 1], line, length, err);
}

enum hs_status hsp_message_parse(struct hsp_message *message, const char *text,
                                 struct hs_error *err) {
    struct parser parser = {.message = message};
    enum hs_status status = HS_OK;
    find_mark(&parser, text);
    while (*text && status == HS_OK) {
        size_t length = strcspn(text, "\n");
        const size_t step = length + (text[length] == '\n');
        if (parser.mark_length == 0 && strncmp(text, REST "=", sizeof(REST)) == 0 &&
            find(message, REST, sizeof(REST) - 1) == NULL) {
            status = add(message, text, sizeof(REST) - 1, text + sizeof(REST),
                         text + strlen(text), &parser.open, err);
            break;
        }
        if (length > 0 && text[length - 1] == '\r')
            length--;
        status = take_line(&parser, text, length, err);
        text += step;
    }
    for (size_t i = 0; i < message->count; i++)
        mend_line_ends(&message->pairs[i]);
    return status;
}

enum hs_status hsp_message_add(struct hsp_message *message, const char *argument,
                               struct hs_error *err) {
    bool added;
    const size_t key = hsp_message_key(argument);
    if (key == 0)
        return hsp_fail(err, HS_E_DATA, "argument '%.80s' is not key=value", argument);
    return add(message, argument, key, argument + key + 1, argument + strlen(argument),
               &added, err);
}

void hsp_message_free(struct hsp_message *message) {
    for (size_t i = 0; i < message->count; i++) {
        free(message->pairs[i].key);
        free(message->pairs[i].value);
    }
    free(message->pairs);
    *message = (struct hsp_message){0};
}

bool hsp_message_is_telling(const char *argument) {
    const size_t key = hsp_message_key(argument);
    return place_of(argument, key, telling_keys, COUNT(telling_keys)) <
           COUNT(telling_keys);
}

bool hsp_message_tells(const struct hsp_message *message) {
    for (size_t i = 0; i < COUNT(telling_keys); i++)
        if (find(message, telling_keys[i], strlen(telling_keys[i])) != NULL)
            return true;
    return false;
}

bool hsp_message_is_trial(const struct hsp_message *message) {
    bool macros = false;
    for (size_t i = 0; i < COUNT(telling_keys); i++) {
        const struct hsp_message_pair *pair =
            find(message, telling_keys[i], strlen(telling_keys[i]));
        if (pair == NULL)
            continue;
        if (!hsp_message_is_absent(pair->value))
            return false;
        macros = macros || *pair->value == '{';
    }
    return macros;
}

const char *hsp_message_get(const struct hsp_message *message, const char *key) {
    const struct hsp_message_pair *pair = find(message, key, strlen(key));
    return pair == NULL || hsp_message_is_absent(pair->value) ? NULL : pair->value;
}
