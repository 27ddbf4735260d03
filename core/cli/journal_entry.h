/* SPDX-License-Identifier: MIT */
/* A line of the delivery journal as a JSON object, whether it is wanted, and how a person
 * reads it. Format: docs/journal.md. */
#ifndef HSP_JOURNAL_ENTRY_H
#define HSP_JOURNAL_ENTRY_H

#include "../json.h"
#include "../options.h"
#include "journal_lines.h"

/* What can be asked for by name. */
enum hsp_journal_field {
    HSP_JOURNAL_WHAT,
    HSP_JOURNAL_ENDPOINT,
    HSP_JOURNAL_KIND,
    HSP_JOURNAL_MONITOR,
    HSP_JOURNAL_ID,
    HSP_JOURNAL_FIELDS
};

/* Read a line. `entry` is the caller's, json_object_put; NULL for a blank line. NUL bytes
 * at the front, as a crash or a copy may leave them, are skipped. HS_E_DATA: it is no
 * JSON object. */
enum hs_status hsp_journal_entry_parse(json_object **entry, json_tokener *tokener,
                                       const struct hsp_line *line,
                                       struct hs_error *err) HS_MUST_CHECK;

/* What is wanted: of each list that is not empty one must be equal. */
struct hsp_journal_filter {
    struct hsp_option_list lists[HSP_JOURNAL_FIELDS];
    int64_t since_ms, until_ms; /* UTC, both included; -1: no such limit */
    bool problems;              /* neither delivered, filtered nor folded */
};
/* A look at the line as it is: false for most of those whose entry would not match, and
 * cheaper than parsing it. False for none that is cut. */
bool hsp_journal_line_may_match(const struct hsp_line *line,
                                const struct hsp_journal_filter *filter);
bool hsp_journal_entry_matches(json_object *entry,
                               const struct hsp_journal_filter *filter);

#define HSP_JOURNAL_COLUMNS 8
/* Columns that become as wide as what they have shown. Zero-initialize. */
struct hsp_journal_layout {
    bool colour;
    int widths[HSP_JOURNAL_COLUMNS];
};
/* Append one line and its newline: columns, reason, id. Control characters, and those
 * that turn the direction of writing, come out as \u001b. */
void hsp_journal_entry_print(json_object *entry, struct hsp_journal_layout *layout,
                             struct hsp_buffer *out);

#endif
