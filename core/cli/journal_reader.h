/* SPDX-License-Identifier: MIT */
/* The delivery journal as one run of lines: PATH.1, then PATH, then, when it is followed,
 * whatever takes the place of PATH. The daemon's own rotation, that of others by renaming
 * or by copying and cutting, and a write that was taken back (docs/journal.md) cost no
 * line and repeat none, as long as no more than one rotation goes unseen at a time and
 * the rotated file stays under the name PATH.1 until it is read. Memory: a line. One
 * thread. */
#ifndef HSP_JOURNAL_READER_H
#define HSP_JOURNAL_READER_H

#include "journal_lines.h"

struct hsp_journal_reader;

/* Without `follow` the reader ends where the files end now. Files that are missing are no
 * failure. HS_E_IO: PATH may not be read, or is no file; HS_E_NOMEM. */
enum hs_status hsp_journal_reader_open(struct hsp_journal_reader **reader,
                                       const char *path, bool follow,
                                       struct hs_error *err) HS_MUST_CHECK;
void hsp_journal_reader_close(struct hsp_journal_reader *reader); /* NULL is fine */

/* Neither PATH nor PATH.1 is, or was, there. */
bool hsp_journal_reader_is_missing(const struct hsp_journal_reader *reader);
/* Why PATH.1 is there and cannot be read; NULL: it can. */
const char *hsp_journal_reader_warning(const struct hsp_journal_reader *reader);

/* Skip all but the last `count` lines that match, reading backwards; before the first
 * hsp_journal_reader_next. */
enum hs_status hsp_journal_reader_tail(struct hsp_journal_reader *reader, int64_t count,
                                       hsp_line_match *match, void *context,
                                       struct hs_error *err) HS_MUST_CHECK;

/* HSP_LINES_END: all that is there now has been read; a reader that follows is then asked
 * again. */
enum hsp_lines_step hsp_journal_reader_next(struct hsp_journal_reader *reader,
                                            struct hsp_line *line,
                                            struct hs_error *err) HS_MUST_CHECK;

#endif
