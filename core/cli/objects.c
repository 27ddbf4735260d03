/* SPDX-License-Identifier: MIT */
/* JSON objects out of a stream. An object is fed to json-c line by line until it is
 * whole; where it goes wrong, or does not end, only its first line is given up. */
#include "config.h"

#include "objects.h"

#include "../error.h"
#include "../text.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define PIECE (64 * 1024)
#define BOM "\xEF\xBB\xBF"

/* Take what is done with away from the front. */
static void compact(struct hsp_objects *objects) {
    struct hsp_buffer *text = &objects->text;
    if (objects->begin == 0)
        return;
    memmove(text->data, text->data + objects->begin, text->length - objects->begin);
    text->length -= objects->begin;
    objects->at -= objects->begin;
    objects->begin = 0;
}

static bool can_read(int fd) {
    struct pollfd want = {.fd = fd, .events = POLLIN};
    return poll(&want, 1, 0) != 0;
}

/* Read a piece more. */
static enum hs_status fill(struct hsp_objects *objects, struct hs_error *err) {
    char piece[PIECE];
    ssize_t got;
    do
        got = read(objects->fd, piece, sizeof piece);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return hsp_fail_errno(err, HS_E_IO, "read standard input");
    objects->ended = got == 0;
    compact(objects);
    hsp_buffer_append(&objects->text, piece, (size_t)got);
    return objects->text.failed
               ? hsp_fail(err, HS_E_NOMEM, "read standard input: out of memory")
               : HS_OK;
}

/* The line at `at`: where it ends, and where the next begins. False: it is not here yet.
 */
static bool find_line(const struct hsp_objects *objects, size_t *end, size_t *next) {
    const struct hsp_buffer *text = &objects->text;
    if (objects->at == text->length)
        return false;
    const char *newline =
        memchr(text->data + objects->at, '\n', text->length - objects->at);
    if (newline == NULL && !objects->ended)
        return false;
    *end = newline != NULL ? (size_t)(newline - text->data) : text->length;
    *next = newline != NULL ? *end + 1 : *end;
    return true;
}

/* Begin anew behind the first line of what was looked at last. */
static void resume(struct hsp_objects *objects) {
    const struct hsp_buffer *text = &objects->text;
    const char *from = text->data + objects->begin;
    const char *newline = memchr(from, '\n', text->length - objects->begin);
    objects->begin = newline != NULL ? (size_t)(newline + 1 - text->data) : text->length;
    objects->at = objects->begin;
    objects->line = ++objects->first;
    objects->within = false;
    json_tokener_reset(objects->tokener);
}

static void step_behind(struct hsp_objects *objects, size_t next) {
    objects->begin = objects->at = next;
    objects->first = ++objects->line;
    objects->within = false;
}

static enum hs_status feed(struct hsp_objects *objects, const char *line, size_t length,
                           json_object **object, struct hs_error *err) {
    struct hsp_buffer clean = {0};
    const bool is_clean = hsp_text_is_utf8(line, length);
    if (!is_clean)
        hsp_text_repair(&clean, line, length);
    enum hs_status status =
        clean.failed ? hsp_fail(err, HS_E_NOMEM, "read JSON: out of memory")
                     : hsp_json_feed(objects->tokener, is_clean ? line : clean.data,
                                     is_clean ? length : clean.length, object, err);
    hsp_buffer_free(&clean);
    return status;
}

/* Look at one line; `found` false: go on with the next. */
static enum hsp_objects_step take_line(struct hsp_objects *objects, size_t end,
                                       size_t next, json_object **object, bool *found,
                                       struct hs_error *err) {
    const char *line = objects->text.data + objects->at;
    size_t length = end - objects->at;
    if (objects->line == 0 && length >= strlen(BOM) &&
        memcmp(line, BOM, strlen(BOM)) == 0) {
        line += strlen(BOM);
        length -= strlen(BOM);
    }
    while (length > 0 && strchr(" \t\r", line[length - 1]) != NULL &&
           line[length - 1] != '\0')
        length--;
    *found = false;
    size_t blanks = 0;
    while (blanks < length && (line[blanks] == ' ' || line[blanks] == '\t'))
        blanks++;
    if (!objects->within && blanks == length) {
        step_behind(objects, next);
        return HSP_OBJECTS_ONE;
    }
    *found = true;
    if (!objects->within && line[blanks] != '{') {
        step_behind(objects, next);
        hsp_fail(err, HS_E_DATA, "an object, {…}, is expected%s",
                 line[blanks] == '[' ? "; jq -c '.[]' makes lines of an array" : "");
        return HSP_OBJECTS_BAD;
    }
    enum hs_status status = feed(objects, line, length, object, err);
    if (status == HS_OK && *object != NULL) {
        step_behind(objects, next);
        return HSP_OBJECTS_ONE;
    }
    if (status == HS_OK) /* it goes on in the next line */
        status = hsp_json_feed(objects->tokener, "\n", 1, object, err);
    if (status == HS_OK) {
        *found = false;
        objects->within = true;
        objects->at = next;
        objects->line++;
        return HSP_OBJECTS_ONE;
    }
    resume(objects);
    return status == HS_E_DATA ? HSP_OBJECTS_BAD : HSP_OBJECTS_FAILED;
}

/* A line, or an object, that does not end within what is allowed. */
static enum hsp_objects_step give_up(struct hsp_objects *objects, struct hs_error *err) {
    hsp_fail(err, HS_E_DATA, "more than %d bytes", HSP_OBJECT_MAX);
    if (objects->within) {
        resume(objects);
    } else {
        objects->skipping = true;
        objects->begin = objects->at = objects->text.length;
    }
    return HSP_OBJECTS_BAD;
}

/* In a line that is too long: step to its end, where that is here. */
static void skip(struct hsp_objects *objects) {
    size_t end, next;
    if (find_line(objects, &end, &next)) {
        objects->skipping = false;
        step_behind(objects, next);
    } else {
        objects->begin = objects->at = objects->text.length;
    }
}

enum hsp_objects_step hsp_objects_next(struct hsp_objects *objects, bool wait,
                                       json_object **object, size_t *line,
                                       struct hs_error *err) {
    if (objects->tokener == NULL && (objects->tokener = json_tokener_new()) == NULL) {
        hsp_fail(err, HS_E_NOMEM, "read JSON: out of memory");
        return HSP_OBJECTS_FAILED;
    }
    while (true) {
        size_t end, next;
        bool found;
        *line = objects->first + 1;
        *object = NULL;
        if (!objects->skipping && find_line(objects, &end, &next)) {
            enum hsp_objects_step step =
                take_line(objects, end, next, object, &found, err);
            if (found)
                return step;
            continue;
        }
        if (!objects->skipping && objects->text.length - objects->begin > HSP_OBJECT_MAX)
            return give_up(objects, err);
        if (objects->ended && objects->within) {
            hsp_fail(err, HS_E_DATA, "the object does not end");
            resume(objects);
            return HSP_OBJECTS_BAD;
        }
        if (objects->ended)
            return HSP_OBJECTS_END;
        if (!wait && !can_read(objects->fd))
            return HSP_OBJECTS_PAUSE;
        if (fill(objects, err) != HS_OK)
            return HSP_OBJECTS_FAILED;
        if (objects->skipping)
            skip(objects);
    }
}

void hsp_objects_free(struct hsp_objects *objects) {
    hsp_buffer_free(&objects->text);
    if (objects->tokener != NULL)
        json_tokener_free(objects->tokener);
    objects->tokener = NULL;
}
