/* SPDX-License-Identifier: MIT */
/* The adapters' view of hookspool.conf. Nothing that stands in the file may cost an
 * event: blocks are the daemon's business and skipped unread, and where the rest cannot
 * be parsed each line that sets a shared key counts by itself, so that a typo somewhere
 * else does not send events to another spool. */
#include "config.h"

#include "conf.h"
#include "error.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum key { SPOOL_DIR, SITE, REGION, MONITOR_NAME, WARNING_IS, MAX_PAYLOAD, MIN_FREE };

static const char *const keys[] = {
    [SPOOL_DIR] = "spool_dir",   [SITE] = "site",
    [REGION] = "region",         [MONITOR_NAME] = "monitor_name",
    [WARNING_IS] = "warning_is", [MAX_PAYLOAD] = "max_payload",
    [MIN_FREE] = "min_free",
};
#define KEY_COUNT (sizeof keys / sizeof keys[0])

struct hs_config {
    char *values[KEY_COUNT];
    char *warning; /* NULL: all is well */
};

static cfg_t *new_cfg(void) {
    cfg_opt_t options[] = {HSP_CONF_SHARED_OPTIONS, CFG_END()};
    cfg_t *cfg = cfg_init(options, CFGF_IGNORE_UNKNOWN);
    if (cfg != NULL)
        hsp_conf_guard_shared(cfg);
    return cfg;
}

static char *repaired(const char *text) {
    struct hsp_buffer out = {0};
    hsp_text_repair(&out, text, strlen(text));
    return hsp_buffer_take(&out, NULL);
}

/* A path without slashes at its end; its bytes are the file system's. */
static char *trimmed(const char *path) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    return strndup(path, length);
}

/* Take the value of one key over. */
static enum hs_status adopt(struct hs_config *config, cfg_t *cfg, enum key key,
                            struct hs_error *err) {
    const char *text = cfg_getstr(cfg, keys[key]);
    char *value = key == SPOOL_DIR ? trimmed(text) : repaired(text);
    if (value == NULL)
        return hsp_fail(err, HS_E_NOMEM, "load configuration: out of memory");
    free(config->values[key]);
    config->values[key] = value;
    return HS_OK;
}

static enum hs_status adopt_all(struct hs_config *config, cfg_t *cfg,
                                struct hs_error *err) {
    enum hs_status status = HS_OK;
    for (size_t i = 0; i < KEY_COUNT && status == HS_OK; i++)
        status = adopt(config, cfg, (enum key)i, err);
    return status;
}

/* The short host name is the region where none is configured. */
static enum hs_status default_region(struct hs_config *config, struct hs_error *err) {
    char name[256] = "";
    if (config->values[REGION][0] != '\0')
        return HS_OK;
    const bool known = gethostname(name, sizeof name - 1) == 0;
    name[strcspn(name, ".")] = '\0';
    char *region = repaired(known && name[0] != '\0' ? name : "localhost");
    if (region == NULL)
        return hsp_fail(err, HS_E_NOMEM, "load configuration: out of memory");
    free(config->values[REGION]);
    config->values[REGION] = region;
    return HS_OK;
}

static void blank(char *from, const char *to) {
    for (; from < to; from++)
        if (*from != '\n')
            *from = ' ';
}

/* The end of the quoted string at `at`. */
static char *string_end(char *at) {
    const char quote = *at++;
    while (*at != quote)
        at += *at == '\\' ? 2 : 1;
    return at + 1;
}

/* The end of the braces at `at`, which match. */
static char *block_end(char *at) {
    unsigned depth = 0;
    do {
        if (*at == '"' || *at == '\'') {
            at = string_end(at);
            continue;
        }
        depth += *at == '{';
        depth -= *at == '}';
        at++;
    } while (depth > 0);
    return at;
}

/* Turn each block `name "title" { … }` of a clean text into `name ( )`, a function call:
 * libConfuse 3.3 skips unknown ones of those well, but stumbles over unknown blocks. */
static void skip_blocks(char *text) {
    char *title = NULL; /* the second word of the statement */
    unsigned words = 0;
    bool value = false; /* behind a "=" */
    for (char *at = text; *at != '\0';) {
        char *end = at + 1;
        if (*at == '{') {
            end = block_end(at);
            if (!value) {
                if (words > 1)
                    blank(title, at);
                blank(at, end);
                *at = '(';
                end[-1] = ')';
            }
            words = 0;
            value = false;
        } else if (*at == '=') {
            value = true;
        } else if (strchr(" \t\r\n+,()*}", *at) == NULL) {
            end = *at == '"' || *at == '\'' ? string_end(at)
                                            : at + strcspn(at, " \t\r\n=+,()*{}\"'");
            title = at;
            words = value ? 0 : words + 1;
            value = false;
        }
        at = end;
    }
}

/* Parse the clean text as a whole. */
static enum hs_status load_whole(struct hs_config *config, const char *path,
                                 const struct hsp_buffer *bytes, struct hs_error *err) {
    enum hs_status status = HS_OK;
    struct hsp_buffer text = {0};
    cfg_t *cfg = new_cfg();

    if (cfg == NULL) {
        status = hsp_fail(err, HS_E_NOMEM, "load configuration: out of memory");
        goto out;
    }
    status = hsp_conf_clean(path, bytes->data, bytes->length, &text, err);
    if (status != HS_OK)
        goto out;
    if (text.data != NULL)
        skip_blocks(text.data);
    status = hsp_conf_parse_text(cfg, path, &text, err);
    if (status == HS_OK)
        status = adopt_all(config, cfg, err);

out:
    hsp_buffer_free(&text);
    if (cfg != NULL)
        cfg_free(cfg);
    return status;
}

/* The shared key that the line sets, KEY_COUNT for none. Only the start of a line counts:
 * what is indented may belong to a block. */
static size_t key_of_line(const char *line, size_t length) {
    for (size_t i = 0; i < KEY_COUNT; i++) {
        size_t at = strlen(keys[i]);
        if (at >= length || memcmp(line, keys[i], at) != 0)
            continue;
        while (at < length && (line[at] == ' ' || line[at] == '\t'))
            at++;
        if (at < length && line[at] == '=')
            return i;
    }
    return KEY_COUNT;
}

/* Let one line set its key, if it is right by itself. */
static enum hs_status load_line(struct hs_config *config, const char *line, size_t length,
                                struct hs_error *err) {
    const size_t key = key_of_line(line, length);
    struct hsp_buffer text = {0};

    if (key == KEY_COUNT)
        return HS_OK;
    cfg_t *cfg = new_cfg();
    if (cfg == NULL)
        return hsp_fail(err, HS_E_NOMEM, "load configuration: out of memory");
    struct hs_error wrong = {0};
    enum hs_status status = hsp_conf_clean("", line, length, &text, &wrong);
    if (status == HS_OK)
        status = hsp_conf_parse_text(cfg, "", &text, &wrong);
    if (status == HS_OK)
        status = adopt(config, cfg, (enum key)key, &wrong);
    if (status == HS_E_NOMEM)
        hsp_fail(err, status, "%s", wrong.text);
    hsp_buffer_free(&text);
    cfg_free(cfg);
    return status == HS_E_NOMEM ? status : HS_OK;
}

static enum hs_status load_lines(struct hs_config *config, const struct hsp_buffer *bytes,
                                 struct hs_error *err) {
    const char *at = bytes->data;
    const char *end = at + bytes->length;
    enum hs_status status = HS_OK;
    while (at < end && status == HS_OK) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline == NULL ? end : newline;
        status = load_line(config, at, (size_t)(line_end - at), err);
        at = newline == NULL ? end : newline + 1;
    }
    return status;
}

/* The file, as far as it is right. What is wrong with it goes to `wrong`. */
static enum hs_status load_file(struct hs_config *config, const char *path,
                                struct hs_error *wrong, struct hs_error *err) {
    struct hsp_buffer bytes = {0};
    enum hs_status status = hsp_conf_slurp(path, &bytes, wrong);
    if (status == HS_OK)
        status = load_whole(config, path, &bytes, wrong);
    if (status == HS_E_CONFIG)
        status = load_lines(config, &bytes, err);
    else if (status == HS_E_NOMEM)
        hsp_fail(err, status, "%s", wrong->text);
    hsp_buffer_free(&bytes);
    return status == HS_E_NOMEM ? status : HS_OK;
}

static enum hs_status load_defaults(struct hs_config *config, struct hs_error *err) {
    cfg_t *cfg = new_cfg();
    if (cfg == NULL)
        return hsp_fail(err, HS_E_NOMEM, "load configuration: out of memory");
    const enum hs_status status = adopt_all(config, cfg, err);
    cfg_free(cfg);
    return status;
}

/* Was the file asked for, by argument or environment? */
static bool is_named(const char *path) {
    return path != NULL || strcmp(hsp_conf_path(NULL), HSP_DEFAULT_CONFIG) != 0;
}

enum hs_status hs_config_load(struct hs_config **config, const char *path,
                              struct hs_error *err) {
    struct hs_error wrong = {0};
    enum hs_status status = HS_OK;

    struct hs_config *loaded = calloc(1, sizeof *loaded);
    if (loaded == NULL) {
        status = hsp_fail(err, HS_E_NOMEM, "load configuration: out of memory");
        goto out;
    }
    status = load_defaults(loaded, err);
    if (status == HS_OK)
        status = load_file(loaded, hsp_conf_path(path), &wrong, err);
    if (status == HS_OK)
        status = default_region(loaded, err);
    if (status != HS_OK)
        goto out;
    if (wrong.status != HS_OK && (wrong.sys_errno != ENOENT || is_named(path))) {
        loaded->warning = strdup(wrong.text);
        if (loaded->warning == NULL) {
            status = hsp_fail(err, HS_E_NOMEM, "load configuration: out of memory");
            goto out;
        }
    }
    *config = loaded;
    loaded = NULL;

out:
    hs_config_free(loaded);
    return status;
}

void hs_config_free(struct hs_config *config) {
    if (config == NULL)
        return;
    for (size_t i = 0; i < KEY_COUNT; i++)
        free(config->values[i]);
    free(config->warning);
    free(config);
}

enum hs_status hs_config_set_spool_dir(struct hs_config *config, const char *dir,
                                       struct hs_error *err) {
    if (dir[0] != '/')
        return hsp_fail(err, HS_E_CONFIG,
                        "spool_dir: '%s' is not allowed; an absolute path is", dir);
    char *copy = trimmed(dir);
    if (copy == NULL)
        return hsp_fail(err, HS_E_NOMEM, "set spool_dir: out of memory");
    free(config->values[SPOOL_DIR]);
    config->values[SPOOL_DIR] = copy;
    return HS_OK;
}

const char *hs_config_spool_dir(const struct hs_config *config) {
    return config->values[SPOOL_DIR];
}

const char *hs_config_region(const struct hs_config *config) {
    return config->values[REGION];
}

const char *hs_config_site(const struct hs_config *config) {
    return config->values[SITE];
}

const char *hs_config_monitor_name(const struct hs_config *config) {
    return config->values[MONITOR_NAME];
}

const char *hs_config_warning(const struct hs_config *config) { return config->warning; }

enum hs_state hs_config_warning_is(const struct hs_config *config) {
    return strcmp(config->values[WARNING_IS], "up") == 0 ? HS_STATE_UP : HS_STATE_DOWN;
}

/* The validators have seen the value: it parses. */
size_t hsp_config_max_payload(const struct hs_config *config) {
    int64_t bytes = 0;
    hsp_parse_size(config->values[MAX_PAYLOAD], &bytes);
    return (size_t)bytes;
}

struct hsp_share hsp_config_min_free(const struct hs_config *config) {
    struct hsp_share share = {.percent = 0, .bytes = -1};
    hsp_parse_share(config->values[MIN_FREE], &share);
    return share;
}
