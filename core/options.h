/* SPDX-License-Identifier: MIT */
/* A program's options as a table with one row per option: read from argv by getopt_long,
 * printed by --help. Used by programs only, never by the library in a host's process. */
#ifndef HSP_OPTIONS_H
#define HSP_OPTIONS_H

#include "hookspool.h"
#include <stdbool.h>
#include <stdio.h>

enum hsp_option_kind {
    HSP_OPTION_FLAG,     /* bool */
    HSP_OPTION_COUNT,    /* int: a flag, one more each time */
    HSP_OPTION_TEXT,     /* const char *: borrowed from argv */
    HSP_OPTION_NUMBER,   /* int64_t: 0 to 2^53 */
    HSP_OPTION_DURATION, /* int64_t, milliseconds: "30s", "3d" (units.h) */
    HSP_OPTION_LIST,     /* struct hsp_option_list: may be given more than once */
};

#define HSP_OPTION_LIST_MAX 64
struct hsp_option_list {
    const char *items[HSP_OPTION_LIST_MAX]; /* borrowed from argv */
    size_t count;
};

struct hsp_option {
    char letter;          /* '\0': only the long name */
    const char *name;     /* without the dashes; NULL ends the table */
    const char *argument; /* what --help calls it, "FILE"; NULL: a flag */
    const char *help;     /* for --help; a '\n' begins another line */
    enum hsp_option_kind kind;
    void *value; /* of the kind's type; untouched when the option is not given */
};

/* Rows of both tables (`more` may be NULL), at most 64 in all, are options. Returns the
 * index of the first operand in argv; -1: a mistake, `err` (HS_E_DATA) says which. With
 * `anywhere` options may follow operands, which are then moved to the end; without it the
 * first operand ends the options. */
int hsp_options_read(const struct hsp_option *options, const struct hsp_option *more,
                     int argc, char **argv, bool anywhere,
                     struct hs_error *err) HS_MUST_CHECK;

/* One line an option (or more), as --help shows them. */
void hsp_options_print(const struct hsp_option *options, FILE *stream);

#endif
