/* SPDX-License-Identifier: MIT */
/* The daemon's settings from hookspool.conf and endpoints.d/: the keys at the top, the
 * files, and the whole that comes of them. */
#include "config.h"

#include "settings.h"

#include "../error.h"
#include "keys.h"
#include "settings_endpoint.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "endpoints.d"
#define SUFFIX ".conf"

#define MEMBER(member) offsetof(struct hsp_settings, member)

static const struct hsp_key keys[] = {
    {"journal", HSP_DEFAULT_JOURNAL, hsp_set_file, MEMBER(journal),
     .allowed = "an absolute path"},
    {"journal_max", "100M", hsp_set_size, MEMBER(journal_max_bytes),
     .allowed = "a size from 64K", .min = 64 * 1024, .max = INT64_C(1) << 50},
    {"log", "stderr", hsp_set_log, MEMBER(log),
     .allowed = "stderr, syslog or an absolute path"},
    {"fold", "10m", hsp_set_duration, MEMBER(fold_ms),
     .allowed = "a duration from 0s to 7d", .max = INT64_C(7 * 86400) * 1000},
};
#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

/* Keys that adapters read, too: core/conf.c checks them. */
static const struct hsp_key shared_keys[] = {
    {"spool_dir", NULL, hsp_set_file, .offset = MEMBER(spool_dir)},
    {"min_free", NULL, hsp_set_share, .offset = MEMBER(min_free)},
};
#define SHARED_KEY_COUNT (sizeof(shared_keys) / sizeof(shared_keys[0]))

static int check_key(cfg_t *cfg, cfg_opt_t *opt) {
    return hsp_key_check(keys, KEY_COUNT, cfg, opt);
}

/* Files
 * ------------------------------------------------------------------------------------ */

/* Parse `path` with `cfg` and collect its endpoints. */
static enum hs_status parse(cfg_t *cfg, const char *path, struct hsp_endpoint_list *list,
                            struct hs_error *err) {
    struct hs_error mistake = {0};
    hsp_endpoint_collect(list, cfg);
    enum hs_status status = hsp_conf_parse(cfg, path, &mistake);
    if (list->error.status != HS_OK)
        mistake = list->error; /* libConfuse knows no reason but a mistake */
    if (status == HS_OK)
        return HS_OK;
    if (err != NULL && err->status == HS_OK)
        *err = mistake;
    return mistake.status;
}

/* The file itself. */
static enum hs_status read_main(struct hsp_settings *settings,
                                struct hsp_endpoint_list *list, struct hs_error *err) {
    const cfg_opt_t shared[] = {HSP_CONF_SHARED_OPTIONS};
    const size_t shared_count = sizeof(shared) / sizeof(shared[0]);
    cfg_opt_t options[sizeof(shared) / sizeof(shared[0]) + KEY_COUNT + 2];
    memcpy(options, shared, sizeof(shared));
    for (size_t i = 0; i < KEY_COUNT; i++)
        options[shared_count + i] = hsp_key_option(&keys[i]);
    options[shared_count + KEY_COUNT] = hsp_endpoint_option();
    options[shared_count + KEY_COUNT + 1] = (cfg_opt_t)CFG_END();

    cfg_t *cfg = cfg_init(options, CFGF_NONE);
    if (cfg == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read %s: out of memory", settings->path);
    hsp_conf_guard_shared(cfg);
    for (size_t i = 0; i < KEY_COUNT; i++)
        cfg_set_validate_func(cfg, keys[i].name, check_key);
    enum hs_status status = parse(cfg, settings->path, list, err);
    if (status == HS_OK && (!hsp_keys_fill(keys, KEY_COUNT, cfg, settings) ||
                            !hsp_keys_fill(shared_keys, SHARED_KEY_COUNT, cfg, settings)))
        status = hsp_fail(err, HS_E_NOMEM, "read %s: out of memory", settings->path);
    cfg_free(cfg);
    return status;
}

/* A file of endpoints.d. */
static enum hs_status read_part(const char *path, struct hsp_endpoint_list *list,
                                struct hs_error *err) {
    cfg_opt_t options[] = {hsp_endpoint_option(), CFG_END()};
    cfg_t *cfg = cfg_init(options, CFGF_NONE);
    if (cfg == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read %s: out of memory", path);
    enum hs_status status = parse(cfg, path, list, err);
    cfg_free(cfg);
    return status;
}

static enum hs_status read_entry(const char *folder, const char *name,
                                 struct hsp_endpoint_list *list, struct hs_error *err) {
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, name) < 0)
        return hsp_fail(err, HS_E_NOMEM, "read folder %s: out of memory", folder);
    enum hs_status status = read_part(path, list, err);
    free(path);
    return status;
}

static int is_part(const struct dirent *entry) {
    const size_t length = strlen(entry->d_name), suffix = strlen(SUFFIX);
    return entry->d_name[0] != '.' && length > suffix &&
           strcmp(entry->d_name + length - suffix, SUFFIX) == 0;
}

/* By bytes, whatever the locale. */
static int compare_names(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static enum hs_status read_folder(const char *folder, struct hsp_endpoint_list *list,
                                  struct hs_error *err) {
    struct dirent **entries = NULL;
    enum hs_status status = HS_OK;
    const int count = scandir(folder, &entries, is_part, compare_names);
    if (count < 0 && errno == ENOENT)
        return HS_OK;
    if (count < 0)
        return hsp_fail_errno(err, HS_E_IO, "read folder %s", folder);
    for (int i = 0; i < count; i++) {
        if (status == HS_OK)
            status = read_entry(folder, entries[i]->d_name, list, err);
        free(entries[i]);
    }
    free(entries);
    return status;
}

/* endpoints.d/ stands beside `path`. free(); NULL: out of memory. */
static char *name_folder(const char *path) {
    char *folder = NULL;
    char *copy = strdup(path);
    if (copy != NULL && asprintf(&folder, "%s/" FOLDER, dirname(copy)) < 0)
        folder = NULL;
    free(copy);
    return folder;
}

/* Public
 * ------------------------------------------------------------------------------------ */

enum hs_status hsp_settings_load(struct hsp_settings **settings, const char *path,
                                 struct hs_error *err) {
    struct hsp_endpoint_list list = {0};
    enum hs_status status = HS_OK;
    char *folder = NULL;
    struct hsp_settings *made = calloc(1, sizeof(*made));
    if (made != NULL) {
        made->path = strdup(hsp_conf_path(path));
        folder = name_folder(hsp_conf_path(path));
    }
    if (made == NULL || made->path == NULL || folder == NULL) {
        status = hsp_fail(err, HS_E_NOMEM, "read %s: out of memory", hsp_conf_path(path));
        goto out;
    }
    status = read_main(made, &list, err);
    if (status == HS_OK)
        status = read_folder(folder, &list, err);
    if (status != HS_OK)
        goto out;
    made->endpoints = list.items;
    made->endpoint_count = list.count;
    list.items = NULL;
    *settings = made;
    made = NULL;
out:
    hsp_endpoint_list_free(&list);
    hsp_settings_free(made);
    free(folder);
    return status;
}

void hsp_settings_free(struct hsp_settings *settings) {
    if (settings == NULL)
        return;
    for (size_t i = 0; i < settings->endpoint_count; i++)
        hsp_endpoint_clear(&settings->endpoints[i]);
    free(settings->endpoints);
    free(settings->path);
    free(settings->spool_dir);
    free(settings->journal);
    free(settings->log);
    free(settings);
}

bool hsp_endpoint_name_ok(const char *name) {
    static const char allowed[] =
        "._-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const size_t length = strlen(name);
    return length >= 1 && length <= HSP_ENDPOINT_NAME_MAX &&
           strspn(name, allowed) == length && strchr("._-", name[0]) == NULL;
}
