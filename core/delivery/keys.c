/* SPDX-License-Identifier: MIT */
/* Keys of the configuration: the setters, and the loops that walk a table of keys. */
#include "config.h"

#include "keys.h"

#include "settings.h"
#include "url.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static enum hsp_key_result set_number(const struct hsp_key *key, bool is_parsed,
                                      int64_t number, void *target) {
    if (!is_parsed || number < key->min || number > key->max)
        return HSP_KEY_WRONG;
    if (target != NULL)
        *(int64_t *)target = number;
    return HSP_KEY_OK;
}

enum hsp_key_result hsp_set_duration(const struct hsp_key *key, const char *value,
                                     void *target) {
    int64_t number = 0;
    const bool is_parsed = hsp_parse_duration(value, &number);
    return set_number(key, is_parsed, number, target);
}

enum hsp_key_result hsp_set_size(const struct hsp_key *key, const char *value,
                                 void *target) {
    int64_t number = 0;
    const bool is_parsed = hsp_parse_size(value, &number);
    return set_number(key, is_parsed, number, target);
}

enum hsp_key_result hsp_set_count(const struct hsp_key *key, const char *value,
                                  void *target) {
    int64_t number = 0;
    const bool has_unit = value[strspn(value, "0123456789")] != '\0';
    const bool is_parsed = !has_unit && hsp_parse_size(value, &number);
    return set_number(key, is_parsed, number, target);
}

enum hsp_key_result hsp_set_int(const struct hsp_key *key, const char *value,
                                void *target) {
    int64_t number = 0;
    enum hsp_key_result result = hsp_set_count(key, value, &number);
    if (result == HSP_KEY_OK && target != NULL)
        *(int *)target = (int)number;
    return result;
}

enum hsp_key_result hsp_set_flag(const struct hsp_key *key, const char *value,
                                 void *target) {
    static const struct {
        const char *word;
        bool flag;
    } words[] = {{"true", true},   {"yes", true}, {"on", true},
                 {"false", false}, {"no", false}, {"off", false}};
    (void)key;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(value, words[i].word) == 0) {
            if (target != NULL)
                *(bool *)target = words[i].flag;
            return HSP_KEY_OK;
        }
    }
    return HSP_KEY_WRONG;
}

enum hsp_key_result hsp_set_rate(const struct hsp_key *key, const char *value,
                                 void *target) {
    struct hsp_rate rate;
    (void)key;
    if (!hsp_parse_rate(value, &rate))
        return HSP_KEY_WRONG;
    if (target != NULL)
        *(struct hsp_rate *)target = rate;
    return HSP_KEY_OK;
}

enum hsp_key_result hsp_set_share(const struct hsp_key *key, const char *value,
                                  void *target) {
    struct hsp_share share;
    (void)key;
    if (!hsp_parse_share(value, &share))
        return HSP_KEY_WRONG;
    if (target != NULL)
        *(struct hsp_share *)target = share;
    return HSP_KEY_OK;
}

/* Texts
 * ------------------------------------------------------------------------------------ */

static enum hsp_key_result set_text(const char *value, void *target) {
    char **text = target;
    if (target == NULL)
        return HSP_KEY_OK;
    char *copy = strdup(value);
    if (copy == NULL)
        return HSP_KEY_NOMEM;
    free(*text);
    *text = copy;
    return HSP_KEY_OK;
}

static bool has_control(const char *value) {
    for (; *value != '\0'; value++)
        if ((unsigned char)*value < ' ' || *value == 0x7f)
            return true;
    return false;
}

enum hsp_key_result hsp_set_word(const struct hsp_key *key, const char *value,
                                 void *target) {
    (void)key;
    if (value[0] == '\0' || strchr(value, ' ') != NULL || has_control(value))
        return HSP_KEY_WRONG;
    return set_text(value, target);
}

enum hsp_key_result hsp_set_file(const struct hsp_key *key, const char *value,
                                 void *target) {
    (void)key;
    if (value[0] != '/' || has_control(value))
        return HSP_KEY_WRONG;
    return set_text(value, target);
}

enum hsp_key_result hsp_set_log(const struct hsp_key *key, const char *value,
                                void *target) {
    if (strcmp(value, "stderr") == 0 || strcmp(value, "syslog") == 0)
        return set_text(value, target);
    return hsp_set_file(key, value, target);
}

enum hsp_key_result hsp_set_url(const struct hsp_key *key, const char *value,
                                void *target) {
    (void)key;
    return hsp_url_ok(value) ? set_text(value, target) : HSP_KEY_WRONG;
}

enum hsp_key_result hsp_set_proxy(const struct hsp_key *key, const char *value,
                                  void *target) {
    static const char *const schemes[] = {"http",    "https",  "socks4",
                                          "socks4a", "socks5", "socks5h"};
    const char *colon = strstr(value, "://");
    for (size_t i = 0; colon != NULL && i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        const size_t length = strlen(schemes[i]);
        if ((size_t)(colon - value) == length && colon[3] != '\0' &&
            strncasecmp(value, schemes[i], length) == 0)
            return hsp_set_word(key, value, target);
    }
    return HSP_KEY_WRONG;
}

/* Tables
 * ------------------------------------------------------------------------------------ */

cfg_opt_t hsp_key_option(const struct hsp_key *key) {
    const cfg_opt_t one = CFG_STR(key->name, key->initial, CFGF_NONE);
    const cfg_opt_t list = CFG_STR_LIST(key->name, (char *)key->initial, CFGF_NONE);
    return key->is_list ? list : one;
}

/* Say what is wrong, with file and line. */
static int refuse(const struct hsp_key *key, cfg_t *cfg, const cfg_opt_t *opt,
                  const char *value) {
    char *masked = key->is_masked ? hsp_mask_url(value, false) : NULL;
    hsp_conf_refuse(cfg, opt,
                    !key->is_masked  ? value
                    : masked != NULL ? masked
                                     : "",
                    key->allowed);
    free(masked);
    return -1;
}

static const struct hsp_key *find(const struct hsp_key *keys, size_t count,
                                  const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

int hsp_key_check(const struct hsp_key *keys, size_t count, cfg_t *cfg, cfg_opt_t *opt) {
    const struct hsp_key *key = find(keys, count, cfg_opt_name(opt));
    const unsigned values = cfg_opt_size(opt);
    const char *value = values == 0 ? NULL : cfg_opt_getnstr(opt, values - 1);
    if (key == NULL || value == NULL)
        return 0;
    const bool is_too_long = key->is_list && key->max > 0 && values > key->max;
    return is_too_long || key->set(key, value, NULL) != HSP_KEY_OK
               ? refuse(key, cfg, opt, value)
               : 0;
}

bool hsp_keys_fill(const struct hsp_key *keys, size_t count, cfg_t *cfg, void *base) {
    for (size_t i = 0; i < count; i++) {
        const unsigned values = cfg_size(cfg, keys[i].name);
        for (unsigned n = 0; n < values; n++) {
            const char *value = cfg_getnstr(cfg, keys[i].name, n);
            if (value != NULL &&
                keys[i].set(&keys[i], value, (char *)base + keys[i].offset) ==
                    HSP_KEY_NOMEM)
                return false;
        }
    }
    return true;
}
