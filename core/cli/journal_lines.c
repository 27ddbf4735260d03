/* SPDX-License-Identifier: MIT */
/* Lines of a growing file. Read in pieces by pread, so that the descriptor may be shared;
 * what was handed over goes when the next piece comes. Backwards a file is read window by
 * window, each of them forwards: what is kept is a line, and a count. */
#include "config.h"

#include "journal_lines.h"

#include "../error.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PIECE (64 * 1024)
#define WINDOW ((int64_t)1 << 18) /* looked at at once when looking backwards */

void hsp_lines_open(struct hsp_lines *lines, int fd, int64_t offset) {
    hsp_buffer_clear(&lines->text);
    lines->fd = fd;
    lines->end = INT64_MAX;
    lines->is_last = false;
    lines->begin = offset;
    lines->at = lines->looked = 0;
    lines->skipping = false;
}

void hsp_lines_change(struct hsp_lines *lines, int fd) { lines->fd = fd; }

int64_t hsp_lines_offset(const struct hsp_lines *lines) {
    return lines->begin + (int64_t)lines->text.length;
}

/* Take what is done with away from the front. */
static void compact(struct hsp_lines *lines) {
    struct hsp_buffer *text = &lines->text;
    if (lines->at == 0)
        return;
    memmove(text->data, text->data + lines->at, text->length - lines->at);
    text->length -= lines->at;
    lines->looked -= lines->at;
    lines->begin += (int64_t)lines->at;
    lines->at = 0;
}

/* Read a piece more; `got` 0: there is none. */
static enum hs_status fill(struct hsp_lines *lines, size_t *got, struct hs_error *err) {
    char piece[PIECE];
    int64_t offset = hsp_lines_offset(lines), left = lines->end - offset;
    *got = 0;
    if (left <= 0)
        return HS_OK;
    ssize_t count;
    do
        count = pread(lines->fd, piece, left < PIECE ? (size_t)left : PIECE, offset);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return hsp_fail_errno(err, HS_E_IO, "read the journal");
    compact(lines);
    hsp_buffer_append(&lines->text, piece, (size_t)count);
    if (lines->text.failed)
        return hsp_fail(err, HS_E_NOMEM, "read the journal: out of memory");
    *got = (size_t)count;
    return HS_OK;
}

/* The line up to `end` in `text`, the next one beginning at `next`. */
static void cut(struct hsp_lines *lines, size_t end, size_t next, struct hsp_line *line) {
    line->text = lines->text.data + lines->at;
    line->length = end - lines->at;
    line->start = lines->begin + (int64_t)lines->at;
    lines->at = lines->looked = next;
}

/* What is here without a newline, at the end. */
static enum hsp_lines_step finish(struct hsp_lines *lines, struct hsp_line *line) {
    size_t length = lines->text.length;
    if (!lines->is_last || lines->at == length)
        return HSP_LINES_END;
    cut(lines, length, length, line);
    return HSP_LINES_ONE;
}

enum hsp_lines_step hsp_lines_next(struct hsp_lines *lines, struct hsp_line *line,
                                   struct hs_error *err) {
    struct hsp_buffer *text = &lines->text;
    while (true) {
        size_t left = text->length - lines->looked, got;
        const char *newline =
            left > 0 ? memchr(text->data + lines->looked, '\n', left) : NULL;
        if (newline != NULL) {
            size_t end = (size_t)(newline - text->data);
            bool was_skipping = lines->skipping;
            lines->skipping = false;
            cut(lines, end, end + 1, line);
            if (was_skipping)
                continue;
            return HSP_LINES_ONE;
        }
        lines->looked = text->length;
        if (lines->skipping) {
            lines->at = text->length;
        } else if (text->length - lines->at > HSP_LINE_MAX) {
            cut(lines, lines->at + HSP_LINE_MAX, text->length, line);
            lines->skipping = true;
            return HSP_LINES_LONG;
        }
        if (fill(lines, &got, err) != HS_OK)
            return HSP_LINES_FAILED;
        if (got == 0)
            return finish(lines, line);
    }
}

void hsp_lines_free(struct hsp_lines *lines) { hsp_buffer_free(&lines->text); }

/* Backwards
 * ------------------------------------------------------------------------------ */

/* Count the matches among the lines that begin in [from, to), `stop` at most. */
static enum hs_status search_window(struct hsp_line_search *search,
                                    struct hsp_lines *lines, int64_t from, int64_t to,
                                    int64_t stop, int64_t *count, struct hs_error *err) {
    struct hsp_line line;
    enum hsp_lines_step step = HSP_LINES_ONE;
    int64_t size = lines->end;
    bool is_last = lines->is_last;
    hsp_lines_open(lines, lines->fd, from > 0 ? from - 1 : 0);
    if (from > 0) {
        /* The end of a line that began before; no further than the window: within a line
         * without end each would be read over and over. */
        lines->end = to;
        step = hsp_lines_next(lines, &line, err);
    }
    lines->end = size;
    lines->is_last = is_last;
    *count = 0;
    while (step == HSP_LINES_ONE || step == HSP_LINES_LONG) {
        step = hsp_lines_next(lines, &line, err);
        if ((step != HSP_LINES_ONE && step != HSP_LINES_LONG) || line.start >= to)
            break;
        if (step == HSP_LINES_ONE && search->match(search->context, &line)) {
            search->where = line.start;
            if (++*count == stop)
                break;
        }
    }
    return step != HSP_LINES_FAILED ? HS_OK : lines->text.failed ? HS_E_NOMEM : HS_E_IO;
}

/* The end of the last whole line. */
static enum hs_status find_end(struct hsp_line_search *search,
                               const struct hsp_lines *lines, struct hs_error *err) {
    char piece[4096];
    search->where = lines->is_last ? lines->end : 0;
    for (int64_t to = lines->end, from; to > 0 && search->where == 0; to = from) {
        from = to > (int64_t)sizeof piece ? to - (int64_t)sizeof piece : 0;
        ssize_t got = pread(lines->fd, piece, (size_t)(to - from), from);
        if (got < 0)
            return hsp_fail_errno(err, HS_E_IO, "read the journal");
        const char *newline = memrchr(piece, '\n', (size_t)got);
        if (newline != NULL)
            search->where = from + (newline - piece) + 1;
    }
    return HS_OK;
}

enum hs_status hsp_lines_search(struct hsp_line_search *search, int fd, int64_t size,
                                bool is_last, struct hs_error *err) {
    struct hsp_lines lines = {.fd = fd, .end = size, .is_last = is_last};
    enum hs_status status = HS_OK;
    if (search->wanted == 0)
        return find_end(search, &lines, err);
    for (int64_t to = size, from; to > 0 && search->wanted > 0 && status == HS_OK;
         to = from) {
        int64_t count;
        from = to > WINDOW ? to - WINDOW : 0;
        status = search_window(search, &lines, from, to, INT64_MAX, &count, err);
        if (status == HS_OK && count >= search->wanted) {
            status = search_window(search, &lines, from, to, count - search->wanted + 1,
                                   &count, err);
            search->wanted = 0;
        } else {
            search->wanted -= count;
        }
    }
    hsp_lines_free(&lines);
    return status;
}
