/* SPDX-License-Identifier: MIT */
/* Options on top of getopt_long, with the messages made here: they name the option. */
#include "config.h"

#include "options.h"

#include "error.h"
#include "units.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 64
#define FIRST_CODE 256 /* beyond every letter */
#define HELP_COLUMN 24
#define NUMBER_MAX (INT64_C(1) << 53)

static bool set_number(int64_t *number, const char *text) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value > NUMBER_MAX)
        return false;
    *number = value;
    return true;
}

static enum hs_status set(const struct hsp_option *row, const char *text,
                          struct hs_error *err) {
    struct hsp_option_list *list = row->value;
    switch (row->kind) {
    case HSP_OPTION_FLAG:
        *(bool *)row->value = true;
        return HS_OK;
    case HSP_OPTION_COUNT:
        ++*(int *)row->value;
        return HS_OK;
    case HSP_OPTION_TEXT:
        *(const char **)row->value = text;
        return HS_OK;
    case HSP_OPTION_NUMBER:
        return set_number(row->value, text)
                   ? HS_OK
                   : hsp_fail(err, HS_E_DATA, "--%s: '%s' is not a number", row->name,
                              text);
    case HSP_OPTION_DURATION:
        return hsp_parse_duration(text, row->value)
                   ? HS_OK
                   : hsp_fail(err, HS_E_DATA,
                              "--%s: '%s' is not a number and ms, s, m, h or d",
                              row->name, text);
    case HSP_OPTION_LIST:
        if (list->count == HSP_OPTION_LIST_MAX)
            return hsp_fail(err, HS_E_DATA, "--%s: more than %d of them", row->name,
                            HSP_OPTION_LIST_MAX);
        list->items[list->count++] = text;
        return HS_OK;
    }
    return HS_OK;
}

/* What getopt_long wants to know. */
struct table {
    const struct hsp_option *rows[ROWS_MAX];
    struct option longs[ROWS_MAX + 1];
    char letters[2 * ROWS_MAX + 3];
    size_t count;
};

static void add_rows(struct table *table, const struct hsp_option *options) {
    for (const struct hsp_option *row = options;
         row != NULL && row->name != NULL && table->count < ROWS_MAX; row++) {
        table->rows[table->count] = row;
        table->longs[table->count] = (struct option){
            .name = row->name,
            .has_arg = row->argument != NULL ? required_argument : no_argument,
            .val = FIRST_CODE + (int)table->count,
        };
        table->count++;
        size_t used = strlen(table->letters);
        if (row->letter != '\0')
            snprintf(table->letters + used, sizeof table->letters - used, "%c%s",
                     row->letter, row->argument != NULL ? ":" : "");
    }
}

static const struct hsp_option *row_of(const struct table *table, int code) {
    if (code >= FIRST_CODE)
        return table->rows[code - FIRST_CODE];
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i]->letter == code)
            return table->rows[i];
    return NULL;
}

/* `code` is ':' for a missing argument, '?' for everything else that is wrong. */
static enum hs_status complain(const struct table *table, int code, char **argv,
                               struct hs_error *err) {
    const char *word = argv[optind - 1];
    const struct hsp_option *row = optopt != 0 ? row_of(table, optopt) : NULL;
    if (code == ':')
        return hsp_fail(err, HS_E_DATA, "option '%s' needs %s", word,
                        row != NULL ? row->argument : "an argument");
    if (row != NULL)
        return hsp_fail(err, HS_E_DATA, "option '%s' takes no argument", word);
    if (optopt != 0 && optopt < FIRST_CODE)
        return hsp_fail(err, HS_E_DATA, "unknown option '-%c'", optopt);
    return hsp_fail(err, HS_E_DATA, "unknown option '%s'", word);
}

int hsp_options_read(const struct hsp_option *options, const struct hsp_option *more,
                     int argc, char **argv, bool anywhere, struct hs_error *err) {
    struct table table = {.letters = ""};
    snprintf(table.letters, sizeof table.letters, "%s:", anywhere ? "" : "+");
    add_rows(&table, options);
    add_rows(&table, more);
    optind = 0; /* begin anew, whatever was read before */
    opterr = 0;
    for (int code;
         (code = getopt_long(argc, argv, table.letters, table.longs, NULL)) != -1;) {
        enum hs_status status = code == '?' || code == ':'
                                    ? complain(&table, code, argv, err)
                                    : set(row_of(&table, code), optarg, err);
        if (status != HS_OK)
            return -1;
    }
    return optind;
}

void hsp_options_print(const struct hsp_option *options, FILE *stream) {
    for (const struct hsp_option *row = options; row->name != NULL; row++) {
        int width = row->letter != '\0' ? fprintf(stream, "  -%c, ", row->letter)
                                        : fprintf(stream, "      ");
        width += fprintf(stream, "--%s%s%s", row->name, row->argument != NULL ? " " : "",
                         row->argument != NULL ? row->argument : "");
        if (width > HELP_COLUMN - 2) {
            fputc('\n', stream);
            width = 0;
        }
        fprintf(stream, "%*s", HELP_COLUMN - width, "");
        for (const char *c = row->help; *c != '\0'; c++) {
            fputc(*c, stream);
            if (*c == '\n')
                fprintf(stream, "%*s", HELP_COLUMN, "");
        }
        fputc('\n', stream);
    }
}
