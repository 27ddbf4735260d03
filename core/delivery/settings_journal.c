/* SPDX-License-Identifier: MIT */
/* Where the journal is when the configuration has a mistake: who is looking for what went
 * wrong must not be stopped by it. As adapters read the file, line by line. */
#include "config.h"

#include "settings.h"

#include <stdlib.h>
#include <string.h>

#define KEY "journal"

/* Does the line set the key? At its start only: what is indented may belong to a block.
 */
static bool is_key(const char *line, size_t length) {
    size_t at = strlen(KEY);
    if (length <= at || memcmp(line, KEY, at) != 0)
        return false;
    while (at < length && (line[at] == ' ' || line[at] == '\t'))
        at++;
    return at < length && line[at] == '=';
}

/* The path that the line sets; NULL: none that is allowed. */
static char *parse_line(const char *line, size_t length) {
    char *journal = NULL;
    struct hsp_buffer text = {0};
    cfg_opt_t options[] = {CFG_STR(KEY, NULL, CFGF_NONE), CFG_END()};
    cfg_t *cfg = cfg_init(options, CFGF_NONE);
    if (cfg != NULL && hsp_conf_clean("", line, length, &text, NULL) == HS_OK &&
        hsp_conf_parse_text(cfg, "", &text, NULL) == HS_OK) {
        const char *value = cfg_getstr(cfg, KEY);
        if (value != NULL && value[0] == '/')
            journal = strdup(value);
    }
    hsp_buffer_free(&text);
    if (cfg != NULL)
        cfg_free(cfg);
    return journal;
}

char *hsp_settings_guess_journal(const char *path) {
    struct hsp_buffer bytes = {0};
    char *journal = NULL;
    if (hsp_conf_slurp(hsp_conf_path(path), &bytes, NULL) == HS_OK) {
        const char *at = bytes.data, *end = at + bytes.length;
        while (at < end) {
            const char *newline = memchr(at, '\n', (size_t)(end - at));
            const char *line_end = newline != NULL ? newline : end;
            char *found = is_key(at, (size_t)(line_end - at))
                              ? parse_line(at, (size_t)(line_end - at))
                              : NULL;
            if (found != NULL) {
                free(journal);
                journal = found;
            }
            at = newline != NULL ? newline + 1 : end;
        }
    }
    hsp_buffer_free(&bytes);
    return journal != NULL ? journal : strdup(HSP_DEFAULT_JOURNAL);
}
