/* SPDX-License-Identifier: MIT */
/* Endpoint blocks: the table of their keys, and the checks that need the whole block. A
 * value is checked when it is read, a block at its closing brace, so that every mistake
 * is reported with its line. */
#include "config.h"

#include "settings_endpoint.h"

#include "../error.h"
#include "keys.h"
#include "url.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define URL_FILE_MAX 8192
#define DAY_MS (INT64_C(86400) * 1000)
#define SIZE_LIMIT (INT64_C(1) << 50)

static struct hsp_endpoint_list *collecting;

/* What the keys of a block set. */
struct block {
    struct hsp_endpoint_settings endpoint;
    char *url_file; /* read into endpoint.url at the end of the block */
};

/* The table
 * ------------------------------------------------------------------------------------ */

static enum hsp_key_result set_kind(const struct hsp_key *key, const char *value,
                                    void *target) {
    const int kind = hs_kind_parse(value);
    (void)key;
    if (kind < 0 || kind == HS_KIND_UNCHANGED)
        return HSP_KEY_WRONG;
    if (target != NULL)
        *(unsigned *)target |= 1u << kind;
    return HSP_KEY_OK;
}

static enum hsp_key_result set_outage(const struct hsp_key *key, const char *value,
                                      void *target) {
    (void)key;
    const bool is_count = strcmp(value, "count") == 0;
    if (!is_count && strcmp(value, "wait") != 0)
        return HSP_KEY_WRONG;
    if (target != NULL)
        *(enum hsp_outage *)target = is_count ? HSP_OUTAGE_COUNT : HSP_OUTAGE_WAIT;
    return HSP_KEY_OK;
}

/* The next free place of the list; a relative name is a systemd credential. */
static enum hsp_key_result add_secret(const struct hsp_key *key, const char *value,
                                      void *target) {
    char **files = target;
    if (files == NULL)
        return hsp_set_word(key, value, NULL);
    while (*files != NULL)
        files++;
    return hsp_set_word(key, value, files);
}

#define MEMBER(member) offsetof(struct block, member)
#define PAUSE_ALLOWED "a duration from 1ms to 7d"
#define WAIT_ALLOWED "a duration from 1ms to 1d"
#define COUNT_ALLOWED "a whole number from 1 to 1000000000"
#define SIZE_ALLOWED "a size above 0"
#define FLAG_ALLOWED "true or false"
#define FILE_ALLOWED "an absolute path"

static const struct hsp_key keys[] = {
    {"url", NULL, hsp_set_url, MEMBER(endpoint.url),
     .allowed = "an https:// or http:// URL without blanks", .is_masked = true},
    {"url_file", NULL, hsp_set_file, MEMBER(url_file), .allowed = FILE_ALLOWED},
    {"secret_file", NULL, add_secret, MEMBER(endpoint.secret_files),
     .allowed = "a list of one to four file names without blanks", .max = HSP_SECRETS_MAX,
     .is_list = true},
    {"events", "{incident, recovery}", set_kind, MEMBER(endpoint.events),
     .allowed = "a list of incident, recovery, acknowledgement, downtime, flapping, "
                "custom, test, "
                "other",
     .is_list = true},
    {"retries", "5", hsp_set_int, MEMBER(endpoint.retries),
     .allowed = "a whole number from 0 to 100", .min = 0, .max = 100},
    {"backoff", "10s", hsp_set_duration, MEMBER(endpoint.backoff_ms),
     .allowed = PAUSE_ALLOWED, .min = 1, .max = 7 * DAY_MS},
    {"backoff_max", "1h", hsp_set_duration, MEMBER(endpoint.backoff_max_ms),
     .allowed = PAUSE_ALLOWED, .min = 1, .max = 7 * DAY_MS},
    {"probe_max", "1m", hsp_set_duration, MEMBER(endpoint.probe_max_ms),
     .allowed = PAUSE_ALLOWED, .min = 1, .max = 7 * DAY_MS},
    {"timeout", "30s", hsp_set_duration, MEMBER(endpoint.timeout_ms),
     .allowed = WAIT_ALLOWED, .min = 1, .max = DAY_MS},
    {"connect_timeout", "10s", hsp_set_duration, MEMBER(endpoint.connect_timeout_ms),
     .allowed = WAIT_ALLOWED, .min = 1, .max = DAY_MS},
    {"connections", "8", hsp_set_int, MEMBER(endpoint.connections),
     .allowed = "a whole number from 1 to 256", .min = 1, .max = 256},
    {"rate_limit", "100/min", hsp_set_rate, MEMBER(endpoint.rate),
     .allowed = "N/s, N/min or N/h with N from 1 to 100000, or none,"},
    {"max_age", "3d", hsp_set_duration, MEMBER(endpoint.max_age_ms),
     .allowed = "a duration from 1ms to 3650d", .min = 1, .max = 3650 * DAY_MS},
    {"outage", "wait", set_outage, MEMBER(endpoint.outage), .allowed = "wait or count"},
    {"max_queued", "1000000", hsp_set_count, MEMBER(endpoint.max_queued),
     .allowed = COUNT_ALLOWED, .min = 1, .max = 1000000000},
    {"max_queued_size", "1G", hsp_set_size, MEMBER(endpoint.max_queued_bytes),
     .allowed = SIZE_ALLOWED, .min = 1, .max = SIZE_LIMIT},
    {"max_dead", "10000", hsp_set_count, MEMBER(endpoint.max_dead),
     .allowed = COUNT_ALLOWED, .min = 1, .max = 1000000000},
    {"max_dead_size", "100M", hsp_set_size, MEMBER(endpoint.max_dead_bytes),
     .allowed = SIZE_ALLOWED, .min = 1, .max = SIZE_LIMIT},
    {"standard_webhooks", "false", hsp_set_flag, MEMBER(endpoint.standard_webhooks),
     .allowed = FLAG_ALLOWED},
    {"allow_http", "false", hsp_set_flag, MEMBER(endpoint.allow_http),
     .allowed = FLAG_ALLOWED},
    {"ca_file", NULL, hsp_set_file, MEMBER(endpoint.ca_file), .allowed = FILE_ALLOWED},
    {"cert_file", NULL, hsp_set_file, MEMBER(endpoint.cert_file),
     .allowed = FILE_ALLOWED},
    {"key_file", NULL, hsp_set_file, MEMBER(endpoint.key_file), .allowed = FILE_ALLOWED},
    {"proxy", NULL, hsp_set_proxy, MEMBER(endpoint.proxy),
     .allowed = "a URL with http, https, socks4, socks4a, socks5 or socks5h",
     .is_masked = true},
    {"source_address", NULL, hsp_set_word, MEMBER(endpoint.source_address),
     .allowed = "an address or the name of an interface"},
};
#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

cfg_opt_t hsp_endpoint_option(void) {
    static cfg_opt_t options[KEY_COUNT + 1];
    for (size_t i = 0; i < KEY_COUNT; i++)
        options[i] = hsp_key_option(&keys[i]);
    options[KEY_COUNT] = (cfg_opt_t)CFG_END();
    return (cfg_opt_t)CFG_SEC("endpoint", options, CFGF_MULTI | CFGF_TITLE);
}

/* Blocks
 * ------------------------------------------------------------------------------------ */

void hsp_endpoint_clear(struct hsp_endpoint_settings *endpoint) {
    free(endpoint->name);
    free(endpoint->url);
    free(endpoint->shown_url);
    for (size_t i = 0; i < HSP_SECRETS_MAX; i++)
        free(endpoint->secret_files[i]);
    free(endpoint->ca_file);
    free(endpoint->cert_file);
    free(endpoint->key_file);
    free(endpoint->proxy);
    free(endpoint->source_address);
    *endpoint = (struct hsp_endpoint_settings){0};
}

static bool copy_text(char **to, const char *from) {
    *to = from != NULL ? strdup(from) : NULL;
    return from == NULL || *to != NULL;
}

enum hs_status hsp_endpoint_copy(struct hsp_endpoint_settings *to,
                                 const struct hsp_endpoint_settings *from,
                                 struct hs_error *err) {
    struct hsp_endpoint_settings made = *from;
    bool ok = copy_text(&made.name, from->name);
    ok = copy_text(&made.url, from->url) && ok;
    ok = copy_text(&made.shown_url, from->shown_url) && ok;
    for (size_t i = 0; i < HSP_SECRETS_MAX; i++)
        ok = copy_text(&made.secret_files[i], from->secret_files[i]) && ok;
    ok = copy_text(&made.ca_file, from->ca_file) && ok;
    ok = copy_text(&made.cert_file, from->cert_file) && ok;
    ok = copy_text(&made.key_file, from->key_file) && ok;
    ok = copy_text(&made.proxy, from->proxy) && ok;
    ok = copy_text(&made.source_address, from->source_address) && ok;
    if (ok) {
        *to = made;
        return HS_OK;
    }
    hsp_endpoint_clear(&made);
    return hsp_fail(err, HS_E_NOMEM, "copy endpoint %s: out of memory", from->name);
}

static void clear_block(struct block *block) {
    hsp_endpoint_clear(&block->endpoint);
    free(block->url_file);
    block->url_file = NULL;
}

/* libConfuse also calls this for the default of a list, at the start of every block; it
 * aborts where that fails, so that only values are looked at here. */
static int check_key(cfg_t *cfg, cfg_opt_t *opt) {
    collecting->open = cfg;
    return hsp_key_check(keys, KEY_COUNT, cfg, opt);
}

static int check_name(cfg_t *cfg) {
    const char *name = cfg_title(cfg);
    if (!hsp_endpoint_name_ok(name)) {
        cfg_error(cfg,
                  "endpoint '%s': the name is not allowed; 1 to %d of A-Z a-z 0-9 . _ -, "
                  "the first a letter or digit, are",
                  name, HSP_ENDPOINT_NAME_MAX);
        return -1;
    }
    for (size_t i = 0; i < collecting->count; i++) {
        if (strcmp(collecting->items[i].name, name) == 0) {
            cfg_error(cfg, "endpoint '%s': the block that ends at %s has this name, too",
                      name, collecting->places[i]);
            return -1;
        }
    }
    return 0;
}

static int no_memory(void) {
    hsp_fail(&collecting->error, HS_E_NOMEM, "read endpoints: out of memory");
    return -1;
}

/* One line of at most URL_FILE_MAX bytes. The contents are shown to nobody. */
static int read_url_file(cfg_t *cfg, struct block *block) {
    char text[URL_FILE_MAX + 2];
    struct stat info;
    int fd = open(block->url_file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    ssize_t got = -1;
    if (fd >= 0 && fstat(fd, &info) == 0 && !S_ISREG(info.st_mode))
        errno = EINVAL;
    else if (fd >= 0)
        got = read(fd, text, sizeof(text) - 1);
    if (got < 0)
        hsp_fail_errno(&collecting->error, HS_E_IO, "%s:%d: url_file: read %s",
                       cfg->filename, cfg->line, block->url_file);
    if (fd >= 0)
        close(fd);
    if (got < 0)
        return -1;
    if (got > 0 && text[got - 1] == '\n')
        got--;
    if (got > 0 && text[got - 1] == '\r')
        got--;
    text[got] = '\0';
    if (got > URL_FILE_MAX || strlen(text) != (size_t)got || !hsp_url_ok(text)) {
        cfg_error(cfg,
                  "url_file: the contents of %s are not allowed; one line with %s is",
                  block->url_file, keys[0].allowed);
        return -1;
    }
    block->endpoint.url = strdup(text);
    block->endpoint.url_is_secret = true;
    return block->endpoint.url == NULL ? no_memory() : 0;
}

/* What is wrong with the block as a whole; NULL: nothing. */
static const char *find_mistake(const struct block *block) {
    const struct hsp_endpoint_settings *endpoint = &block->endpoint;
    if ((endpoint->url == NULL) == (block->url_file == NULL))
        return "url: exactly one of url and url_file is needed";
    if (endpoint->secret_files[0] == NULL)
        return "secret_file: one to four files are needed";
    if (endpoint->events == 0)
        return "events: at least one kind is needed";
    if (endpoint->key_file != NULL && endpoint->cert_file == NULL)
        return "key_file: cert_file is needed, too";
    return NULL;
}

static const char *find_url_mistake(const struct hsp_endpoint_settings *endpoint) {
    return hsp_url_is_https(endpoint->url) || endpoint->allow_http ||
                   hsp_url_is_loopback(endpoint->url)
               ? NULL
               : "url: http:// is not allowed; https:// is, or http:// to this machine "
                 "(127.0.0.0/8, [::1], localhost) or with allow_http = true";
}

/* Add the endpoint, whose members move, to the list. */
static bool add_endpoint(cfg_t *cfg, struct hsp_endpoint_settings *endpoint) {
    struct hsp_endpoint_list *list = collecting;
    struct hsp_endpoint_settings *items =
        realloc(list->items, (list->count + 1) * sizeof(*items));
    if (items == NULL)
        return false;
    list->items = items;
    char **places = realloc(list->places, (list->count + 1) * sizeof(*places));
    if (places == NULL)
        return false;
    list->places = places;
    if (asprintf(&places[list->count], "%s:%d", cfg->filename, cfg->line) < 0)
        return false;
    items[list->count++] = *endpoint;
    *endpoint = (struct hsp_endpoint_settings){0};
    return true;
}

static int finish_block(cfg_t *cfg, struct block *block) {
    struct hsp_endpoint_settings *endpoint = &block->endpoint;
    if (check_name(cfg) != 0)
        return -1;
    if (!hsp_keys_fill(keys, KEY_COUNT, cfg, block))
        return no_memory();
    const char *mistake = find_mistake(block);
    if (mistake == NULL && block->url_file != NULL && read_url_file(cfg, block) != 0)
        return -1;
    if (mistake == NULL)
        mistake = find_url_mistake(endpoint);
    if (mistake != NULL) {
        cfg_error(cfg, "endpoint '%s': %s", cfg_title(cfg), mistake);
        return -1;
    }
    endpoint->name = strdup(cfg_title(cfg));
    endpoint->shown_url = hsp_mask_url(endpoint->url, endpoint->url_is_secret);
    if (endpoint->name == NULL || endpoint->shown_url == NULL ||
        !add_endpoint(cfg, endpoint))
        return no_memory();
    return 0;
}

/* libConfuse calls this at the closing brace, without saying of which block: it is the
 * one whose keys were checked last. */
static int close_block(cfg_t *cfg, cfg_opt_t *opt) {
    struct block block = {0};
    cfg_t *open = collecting->open;
    (void)cfg, (void)opt;
    const int result = finish_block(open, &block);
    clear_block(&block);
    collecting->open = NULL;
    return result;
}

void hsp_endpoint_collect(struct hsp_endpoint_list *list, cfg_t *cfg) {
    char name[64];
    collecting = list;
    list->open = NULL;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        snprintf(name, sizeof(name), "endpoint|%s", keys[i].name);
        cfg_set_validate_func(cfg, name, check_key);
    }
    cfg_set_validate_func(cfg, "endpoint", close_block);
}

void hsp_endpoint_list_free(struct hsp_endpoint_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        if (list->items != NULL)
            hsp_endpoint_clear(&list->items[i]);
        free(list->places[i]);
    }
    free(list->items);
    free(list->places);
    *list = (struct hsp_endpoint_list){0};
}
