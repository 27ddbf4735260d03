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

/* Keys whose values others write: users of Zabbix, or whoever can make an item have a
 * value. "message" takes the rest. */
static const char *const text_keys[] = {"host_name", "trigger_name", "event_name",
                                        "update_message", "message"};
#define REST "message"

/* Keys that say which event it is. */
static const char *const telling_keys[] = {"event_id", "event_value", "update_status"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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

size_t hsp_message_key(const char *text) {
    if (*text == '\0' || strchr(LETTERS, *text) == NULL)
        return 0;
    const size_t length = strspn(text, LETTERS DIGITS ".-");
    return text[length] == '=' ? length : 0;
}

static bool is_one_of(const char *key, size_t length, const char *const *keys,
                      size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strlen(keys[i]) == length && memcmp(keys[i], key, length) == 0)
            return true;
    return false;
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

/* Add a pair unless there is one of that key; `added` says whether. */
static enum hs_status add(struct hsp_message *message, const char *text,
                          size_t key_length, size_t length, bool *added,
                          struct hs_error *err) {
    *added = false;
    if (find(message, text, key_length) != NULL)
        return HS_OK;
    if (!make_room(message))
        return out_of_memory(err);
    struct hsp_message_pair *pair = &message->pairs[message->count];
    pair->key = strndup(text, key_length);
    pair->value = strndup(text + key_length + 1, length - key_length - 1);
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
    bool in_texts; /* the first text has come */
    bool open;     /* the last pair takes lines that are none */
};

/* One line without its end, or the rest of the text where the line begins it. */
static enum hs_status take_line(struct parser *parser, const char *line, size_t length,
                                struct hs_error *err) {
    struct hsp_message *message = parser->message;
    const size_t key = hsp_message_key(line);
    const bool is_text = is_one_of(line, key, text_keys, COUNT(text_keys));
    if (key > 0 && !parser->in_texts && !is_text)
        return add(message, line, key, length, &parser->open, err);
    if (is_text && find(message, line, key) == NULL) {
        parser->in_texts = true;
        return add(message, line, key, length, &parser->open, err);
    }
    if (!parser->open)
        return HS_OK;
    return go_on(&message->pairs[message->count - 1], line, length, err);
}

enum hs_status hsp_message_parse(struct hsp_message *message, const char *text,
                                 struct hs_error *err) {
    struct parser parser = {.message = message};
    enum hs_status status = HS_OK;
    while (*text && status == HS_OK) {
        size_t length = strcspn(text, "\n");
        const size_t step = length + (text[length] == '\n');
        if (strncmp(text, REST "=", sizeof(REST)) == 0 &&
            find(message, REST, sizeof(REST) - 1) == NULL) {
            status =
                add(message, text, sizeof(REST) - 1, strlen(text), &parser.open, err);
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
    return add(message, argument, key, strlen(argument), &added, err);
}

void hsp_message_free(struct hsp_message *message) {
    for (size_t i = 0; i < message->count; i++) {
        free(message->pairs[i].key);
        free(message->pairs[i].value);
    }
    free(message->pairs);
    *message = (struct hsp_message){0};
}

bool hsp_message_tells(const struct hsp_message *message) {
    for (size_t i = 0; i < COUNT(telling_keys); i++)
        if (find(message, telling_keys[i], strlen(telling_keys[i])) != NULL)
            return true;
    return false;
}

const char *hsp_message_get(const struct hsp_message *message, const char *key) {
    const struct hsp_message_pair *pair = find(message, key, strlen(key));
    return pair == NULL || hsp_message_is_absent(pair->value) ? NULL : pair->value;
}
