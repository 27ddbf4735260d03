/* SPDX-License-Identifier: MIT */
/* The lines of a file from any offset on, in bounded memory whatever the file holds,
 * while others append to it. One thread. */
#ifndef HSP_JOURNAL_LINES_H
#define HSP_JOURNAL_LINES_H

#include "../buffer.h"

#define HSP_LINE_MAX (1024 * 1024) /* bytes of a line that are kept */

/* Borrowed until the next call. */
struct hsp_line {
    const char *text; /* without its newline; no NUL behind it */
    size_t length;
    int64_t start; /* offset in the file */
};

/* Zero-initialize, then hsp_lines_open; ended by hsp_lines_free, which leaves `fd` open.
 */
struct hsp_lines {
    int fd;
    int64_t end;  /* not read beyond; INT64_MAX: as long as there is something */
    bool is_last; /* what stands behind the last newline is a line, too: no more comes */
    struct hsp_buffer text;
    int64_t begin; /* offset of text.data[0] */
    size_t at;     /* in `text`: where the next line begins */
    size_t looked; /* in `text`: no newline before it */
    bool skipping; /* the rest of a line that is too long */
};

enum hsp_lines_step {
    HSP_LINES_ONE,
    HSP_LINES_LONG,   /* one longer than HSP_LINE_MAX, of which that much is here */
    HSP_LINES_END,    /* no more; perhaps later */
    HSP_LINES_FAILED, /* `err`: reading, or no memory */
};

/* Begin at `offset`; what was read is forgotten. */
void hsp_lines_open(struct hsp_lines *lines, int fd, int64_t offset);
enum hsp_lines_step hsp_lines_next(struct hsp_lines *lines, struct hsp_line *line,
                                   struct hs_error *err) HS_MUST_CHECK;
/* Where the file will be read next. */
int64_t hsp_lines_offset(const struct hsp_lines *lines);
/* Go on in a file that holds the same bytes up to there. */
void hsp_lines_change(struct hsp_lines *lines, int fd);
void hsp_lines_free(struct hsp_lines *lines);

/* For the last lines that match. */
typedef bool hsp_line_match(void *context, const struct hsp_line *line);
struct hsp_line_search {
    hsp_line_match *match;
    void *context;
    int64_t wanted; /* which one from the end; then 0, or what is still to be found */
    int64_t where;  /* with `wanted` 0: where to begin */
};
/* Look through the first `size` bytes of a file from their end. `is_last` as above:
 * without it what stands behind the last newline is no line yet. HS_E_IO, HS_E_NOMEM. */
enum hs_status hsp_lines_search(struct hsp_line_search *search, int fd, int64_t size,
                                bool is_last, struct hs_error *err) HS_MUST_CHECK;

#endif
