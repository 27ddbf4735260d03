/* SPDX-License-Identifier: MIT */
/* hookspool.conf through libConfuse. The file is read into memory and prepared first, for
 * libConfuse 3.3 expands ${VAR}, counts comment lines twice, takes an unclosed block and
 * stays inside a string that was never closed, for good. Its lexer is global, so parsing
 * holds a lock. */
#include "config.h"

#include "conf.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX_BYTES (1024 * 1024)

const char *hsp_conf_path(const char *path) {
    if (path != NULL)
        return path;
    const char *named = getenv("HOOKSPOOL_CONFIG");
    return named != NULL && *named != '\0' ? named : HSP_DEFAULT_CONFIG;
}

enum hs_status hsp_conf_check_named(const char *path, struct hs_error *err) {
    const char *named = hsp_conf_path(path);
    if (path == NULL && strcmp(named, HSP_DEFAULT_CONFIG) == 0)
        return HS_OK;
    return access(named, R_OK) == 0 ? HS_OK
                                    : hsp_fail_errno(err, HS_E_IO, "open %s", named);
}

/* The text while it is prepared. `out` has as many lines as the file. */
struct scanner {
    const char *path;
    const char *at, *end;
    unsigned line;
    unsigned block_line; /* of the outermost open brace */
    unsigned depth;
    bool in_word; /* the last byte belongs to an unquoted word */
    struct hsp_buffer *out;
};

static enum hs_status refuse(const struct scanner *scanner, unsigned line,
                             const char *mistake, struct hs_error *err) {
    return hsp_fail(err, HS_E_CONFIG, "%s:%u: %s", scanner->path, line, mistake);
}

static bool looking_at(const struct scanner *scanner, const char *text) {
    const size_t length = strlen(text);
    return (size_t)(scanner->end - scanner->at) >= length &&
           memcmp(scanner->at, text, length) == 0;
}

/* Step over `count` bytes; they go out as they are, or blank. */
static void step(struct scanner *scanner, size_t count, bool blank) {
    for (; count > 0; count--) {
        const char c = *scanner->at++;
        if (c == '\n')
            scanner->line++;
        hsp_buffer_append(scanner->out, blank && c != '\n' ? " " : &c, 1);
    }
}

static void blank_line(struct scanner *scanner) {
    while (scanner->at < scanner->end && *scanner->at != '\n')
        step(scanner, 1, true);
}

static enum hs_status blank_comment(struct scanner *scanner, struct hs_error *err) {
    const unsigned start = scanner->line;
    step(scanner, 2, true);
    while (!looking_at(scanner, "*/")) {
        if (scanner->at == scanner->end)
            return refuse(scanner, start, "unterminated comment", err);
        step(scanner, 1, true);
    }
    step(scanner, 2, true);
    return HS_OK;
}

/* An octal escape that libConfuse takes, and that is not NUL, or no octal escape. */
static bool is_escape_ok(const struct scanner *scanner) {
    int value = 0;
    size_t digits = 0;
    for (const char *at = scanner->at + 1; at < scanner->end; at++, digits++) {
        if (*at < '0' || *at > '9')
            break;
        if (*at > '7' || digits == 3)
            return false;
        value = value * 8 + *at - '0';
    }
    return digits == 0 || (value > 0 && value <= 255);
}

static enum hs_status copy_string(struct scanner *scanner, struct hs_error *err) {
    const char quote = *scanner->at;
    const unsigned start = scanner->line;
    step(scanner, 1, false);
    while (scanner->at < scanner->end && *scanner->at != quote) {
        if (*scanner->at == '\\') {
            if (quote == '"' && !is_escape_ok(scanner))
                return refuse(scanner, scanner->line, "bad escape in a string", err);
            step(scanner, scanner->end - scanner->at > 1 ? 2 : 1, false);
            continue;
        }
        if (quote == '"' && looking_at(scanner, "${"))
            hsp_buffer_append(scanner->out, "\\", 1);
        step(scanner, 1, false);
    }
    if (scanner->at == scanner->end)
        return refuse(scanner, start, "unterminated string", err);
    step(scanner, 1, false);
    return HS_OK;
}

static enum hs_status copy_brace(struct scanner *scanner, struct hs_error *err) {
    if (*scanner->at == '{') {
        if (scanner->depth++ == 0)
            scanner->block_line = scanner->line;
    } else if (scanner->depth-- == 0) {
        return refuse(scanner, scanner->line, "'}' without a '{'", err);
    }
    step(scanner, 1, false);
    return HS_OK;
}

/* One comment, string, brace or byte. */
static enum hs_status prepare_next(struct scanner *scanner, struct hs_error *err) {
    const bool in_word = scanner->in_word;
    const char c = *scanner->at;
    scanner->in_word = false;
    if (c == '#' || (!in_word && looking_at(scanner, "//"))) {
        blank_line(scanner);
        return HS_OK;
    }
    if (looking_at(scanner, "/*"))
        return blank_comment(scanner, err);
    if (c == '"' || c == '\'')
        return copy_string(scanner, err);
    if (looking_at(scanner, "${"))
        return refuse(scanner, scanner->line, "'${' must stand in quotes", err);
    if (c == '{' || c == '}')
        return copy_brace(scanner, err);
    if (c == '\0')
        return refuse(scanner, scanner->line, "NUL byte", err);
    scanner->in_word = strchr(" \t\r\n=()+,*", c) == NULL;
    step(scanner, 1, false);
    return HS_OK;
}

enum hs_status hsp_conf_clean(const char *path, const char *bytes, size_t length,
                              struct hsp_buffer *text, struct hs_error *err) {
    struct scanner scanner = {
        .path = path, .at = bytes, .end = bytes + length, .line = 1, .out = text};
    while (scanner.at < scanner.end) {
        enum hs_status status = prepare_next(&scanner, err);
        if (status != HS_OK)
            return status;
    }
    if (scanner.depth > 0)
        return refuse(&scanner, scanner.block_line, "'{' without a '}'", err);
    if (text->failed)
        return hsp_fail(err, HS_E_NOMEM, "read %s: out of memory", path);
    return HS_OK;
}

enum hs_status hsp_conf_slurp(const char *path, struct hsp_buffer *bytes,
                              struct hs_error *err) {
    char block[16384];
    enum hs_status status = HS_OK;
    int fd = -1;

    hsp_buffer_append(bytes, "", 0); /* an empty file has bytes, too */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        status = hsp_fail_errno(err, HS_E_IO, "open %s", path);
        goto out;
    }
    for (;;) {
        const ssize_t got = read(fd, block, sizeof block);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            status = hsp_fail_errno(err, HS_E_IO, "read %s", path);
            goto out;
        }
        if (got == 0)
            break;
        hsp_buffer_append(bytes, block, (size_t)got);
        if (bytes->length > FILE_MAX_BYTES) {
            status = hsp_fail(err, HS_E_CONFIG, "%s:1: longer than 1 MB", path);
            goto out;
        }
    }
    if (bytes->failed)
        status = hsp_fail(err, HS_E_NOMEM, "read %s: out of memory", path);

out:
    if (fd >= 0)
        close(fd);
    return status;
}

/* Where libConfuse reports to while a parse holds the lock. */
static pthread_mutex_t parsing = PTHREAD_MUTEX_INITIALIZER;
static struct hs_error *mistake;

static void note_mistake(cfg_t *cfg, const char *format, va_list args) {
    char text[sizeof mistake->text];
    if (mistake == NULL)
        return;
    vsnprintf(text, sizeof text, format, args);
    hsp_fail(mistake, HS_E_CONFIG, "%s:%d: %s", cfg->filename, cfg->line, text);
}

/* Parse under the lock; the first mistake goes to `found`. */
static int parse_stream(cfg_t *cfg, FILE *stream, struct hs_error *found) {
    pthread_mutex_lock(&parsing);
    mistake = found;
    cfg_set_error_function(cfg, note_mistake);
    const int result = cfg_parse_fp(cfg, stream);
    mistake = NULL;
    pthread_mutex_unlock(&parsing);
    return result;
}

enum hs_status hsp_conf_parse_text(cfg_t *cfg, const char *path,
                                   const struct hsp_buffer *text, struct hs_error *err) {
    enum hs_status status = HS_OK;
    struct hs_error found = {0};
    FILE *stream = NULL;

    if (text->length == 0) /* fmemopen refuses it */
        return HS_OK;
    char *filename = strdup(path);
    if (filename == NULL)
        return hsp_fail(err, HS_E_NOMEM, "parse %s: out of memory", path);
    free(cfg->filename);
    cfg->filename = filename; /* cfg_free() frees it */
    stream = fmemopen(text->data, text->length, "r");
    if (stream == NULL)
        return hsp_fail_errno(err, HS_E_NOMEM, "parse %s", path);
    if (parse_stream(cfg, stream, &found) != CFG_SUCCESS)
        status =
            found.status != HS_OK
                ? hsp_fail(err, HS_E_CONFIG, "%s", found.text)
                : hsp_fail(err, HS_E_CONFIG, "%s:%d: not understood", path, cfg->line);
    fclose(stream);
    return status;
}

enum hs_status hsp_conf_parse(cfg_t *cfg, const char *path, struct hs_error *err) {
    struct hsp_buffer bytes = {0};
    struct hsp_buffer text = {0};

    enum hs_status status = hsp_conf_slurp(path, &bytes, err);
    if (status == HS_OK)
        status = hsp_conf_clean(path, bytes.data, bytes.length, &text, err);
    if (status == HS_OK)
        status = hsp_conf_parse_text(cfg, path, &text, err);
    hsp_buffer_free(&text);
    hsp_buffer_free(&bytes);
    return status;
}

int hsp_conf_refuse(cfg_t *cfg, const cfg_opt_t *opt, const char *value,
                    const char *allowed) {
    cfg_error(cfg, "%s: '%s' is not allowed; %s is", opt->name, value, allowed);
    return -1;
}

static int check_spool_dir(cfg_t *cfg, cfg_opt_t *opt) {
    const char *value = cfg_opt_getnstr(opt, 0);
    return value[0] == '/' ? 0 : hsp_conf_refuse(cfg, opt, value, "an absolute path");
}

static int check_monitor_name(cfg_t *cfg, cfg_opt_t *opt) {
    const char *value = cfg_opt_getnstr(opt, 0);
    return value[0] != '\0'
               ? 0
               : hsp_conf_refuse(cfg, opt, value, "a text that is not empty");
}

static int check_warning_is(cfg_t *cfg, cfg_opt_t *opt) {
    const char *value = cfg_opt_getnstr(opt, 0);
    if (strcmp(value, "up") == 0 || strcmp(value, "down") == 0)
        return 0;
    return hsp_conf_refuse(cfg, opt, value, "\"up\" or \"down\"");
}

static int check_max_payload(cfg_t *cfg, cfg_opt_t *opt) {
    const char *value = cfg_opt_getnstr(opt, 0);
    int64_t bytes;
    if (hsp_parse_size(value, &bytes) && bytes >= 1024 && bytes <= 1024 * 1024)
        return 0;
    return hsp_conf_refuse(cfg, opt, value, "a size from 1K to 1M");
}

static int check_min_free(cfg_t *cfg, cfg_opt_t *opt) {
    const char *value = cfg_opt_getnstr(opt, 0);
    struct hsp_share share;
    if (hsp_parse_share(value, &share))
        return 0;
    return hsp_conf_refuse(cfg, opt, value, "0% to 99% or a size");
}

void hsp_conf_guard_shared(cfg_t *cfg) {
    cfg_set_validate_func(cfg, "spool_dir", check_spool_dir);
    cfg_set_validate_func(cfg, "monitor_name", check_monitor_name);
    cfg_set_validate_func(cfg, "warning_is", check_warning_is);
    cfg_set_validate_func(cfg, "max_payload", check_max_payload);
    cfg_set_validate_func(cfg, "min_free", check_min_free);
}
