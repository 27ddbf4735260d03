/* SPDX-License-Identifier: MIT */
/* write_hookspool: hookspool inside collectd. The one file that sees collectd's headers,
 * and does not see our config.h, for theirs has the same name; it turns what collectd
 * says into plain structs, and back what there is to log.
 *
 * Who calls what: module_register and config come from the main thread, before collectd
 * goes to the background, and have no effect outside; init comes after. Values come from
 * all writer threads at once, notifications from any thread, even after the shutdown: so
 * the watcher is never freed. Written against what 5.9 to 5.12 share. */
#include "collectd.h"

#include "plugin.h"
#include "utils_cache.h"

#include "watcher.h"

#include <stdatomic.h>

#define NAME "write_hookspool"
#define SOURCES_MAX 64   /* data sources of a type; types.db has less than ten */
#define META_MAX 64      /* of a notification */
#define META_TEXT_MAX 48 /* of a number */
#define DURABLE_MS 250   /* that a notification waits for the disk at most */
#define FLUSH_MS 5000
#define STOP_MS 5000

static struct hsp_settings settings;
static struct hs_config *config;
static _Atomic(struct hsp_watcher *) the_watcher; /* NULL before init */
static bool is_configured, takes_values;

/* Notifications carry the context of whoever sent them, so the name is said here. */
static void log_line(enum hsp_outbox_level level, const char *line) {
    static const int levels[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE};
    plugin_log(levels[level], NAME " plugin: %s", line);
}

static void complain(const char *line) { log_line(HSP_OUTBOX_ERROR, line); }

/* Values */

static struct hsp_series series_of_values(const value_list_t *vl) {
    return (struct hsp_series){
        {vl->host, vl->plugin, vl->plugin_instance, vl->type, vl->type_instance}};
}

/* A gauge as it is: the cache may know a newer one by now. Anything else is a rate, which
 * is only there from the second value on. */
static bool read_values(const data_set_t *ds, const value_list_t *vl, size_t count,
                        const char **names, double *values) {
    gauge_t *rates = NULL;
    bool known = true;
    for (size_t i = 0; i < count && known; i++) {
        names[i] = ds->ds[i].name;
        if (ds->ds[i].type == DS_TYPE_GAUGE) {
            values[i] = vl->values[i].gauge;
            continue;
        }
        if (rates == NULL)
            rates = uc_get_rate(ds, vl);
        known = rates != NULL && !isnan(rates[i]);
        values[i] = known ? rates[i] : 0;
    }
    free(rates);
    return known;
}

static int take_values(const data_set_t *ds, const value_list_t *vl,
                       user_data_t *unused) {
    const char *names[SOURCES_MAX];
    double values[SOURCES_MAX];
    struct hsp_watcher *watcher = the_watcher;
    const struct hsp_series series = series_of_values(vl);
    (void)unused;
    if (watcher == NULL || !hsp_watcher_wants(watcher, &series))
        return 0;
    size_t count = vl->values_len < ds->ds_num ? vl->values_len : ds->ds_num;
    count = count < SOURCES_MAX ? count : SOURCES_MAX;
    if (!read_values(ds, vl, count, names, values))
        return 0;
    const struct hsp_reading reading = {
        .series = series,
        .time_us = (int64_t)CDTIME_T_TO_US(vl->time),
        .interval_us = (int64_t)CDTIME_T_TO_US(vl->interval),
        .count = count,
        .names = names,
        .values = values,
    };
    hsp_watcher_value(watcher, &reading);
    return 0;
}

/* Notifications */

static enum hsp_severity severity_of(int severity) {
    switch (severity) {
    case NOTIF_OKAY:
        return HSP_OKAY;
    case NOTIF_WARNING:
        return HSP_WARNING;
    default:
        return HSP_FAILURE;
    }
}

/* The value as text, in `text` where it is a number. */
static const char *meta_text(const notification_meta_t *meta, char text[META_TEXT_MAX]) {
    switch (meta->type) {
    case NM_TYPE_STRING:
        return meta->nm_value.nm_string == NULL ? "" : meta->nm_value.nm_string;
    case NM_TYPE_SIGNED_INT:
        snprintf(text, META_TEXT_MAX, "%" PRIi64, meta->nm_value.nm_signed_int);
        break;
    case NM_TYPE_UNSIGNED_INT:
        snprintf(text, META_TEXT_MAX, "%" PRIu64, meta->nm_value.nm_unsigned_int);
        break;
    case NM_TYPE_DOUBLE:
        snprintf(text, META_TEXT_MAX, "%.15g", meta->nm_value.nm_double);
        break;
    case NM_TYPE_BOOLEAN:
        snprintf(text, META_TEXT_MAX, "%s", meta->nm_value.nm_boolean ? "true" : "false");
        break;
    default:
        text[0] = '\0';
    }
    return text;
}

static int take_notification(const notification_t *n, user_data_t *unused) {
    char texts[META_MAX][META_TEXT_MAX];
    struct hsp_meta meta[META_MAX];
    size_t count = 0;
    struct hsp_watcher *watcher = the_watcher;
    (void)unused;
    if (watcher == NULL)
        return 0;
    for (const notification_meta_t *m = n->meta; m != NULL && count < META_MAX;
         m = m->next) {
        meta[count] = (struct hsp_meta){m->name, meta_text(m, texts[count])};
        count++;
    }
    const struct hsp_note note = {
        .series = {{n->host, n->plugin, n->plugin_instance, n->type, n->type_instance}},
        .severity = severity_of(n->severity),
        .time_us = (int64_t)CDTIME_T_TO_US(n->time),
        .message = n->message,
        .meta = meta,
        .meta_count = count,
    };
    const uint64_t ticket = hsp_watcher_note(watcher, &note);
    /* Nobody says it again: it should be on disk when collectd goes on. */
    if (ticket > 0)
        hsp_outbox_wait(hsp_watcher_outbox(watcher), ticket, DURABLE_MS);
    return 0;
}

static int flush(cdtime_t timeout, const char *identifier, user_data_t *unused) {
    struct hsp_watcher *watcher = the_watcher;
    (void)timeout;
    (void)identifier;
    (void)unused;
    if (watcher != NULL)
        hsp_outbox_flush(hsp_watcher_outbox(watcher), FLUSH_MS);
    return 0;
}

/* Configuration: collectd's tree as one of ours, with the same texts. */

static void free_options(struct hsp_option *option) {
    for (size_t i = 0; i < option->child_count; i++)
        free_options((struct hsp_option *)&option->children[i]);
    free((void *)option->children);
    free((void *)option->values);
}

static bool copy_values(struct hsp_option *option, const oconfig_item_t *item) {
    const size_t count = item->values_num > 0 ? (size_t)item->values_num : 0;
    struct hsp_option_value *values = calloc(count + 1, sizeof(*values));
    option->values = values;
    if (values == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const oconfig_value_t *value = &item->values[i];
        if (value->type == OCONFIG_TYPE_STRING)
            values[i] =
                (struct hsp_option_value){HSP_OPTION_TEXT, value->value.string, 0, false};
        else if (value->type == OCONFIG_TYPE_NUMBER)
            values[i] = (struct hsp_option_value){HSP_OPTION_NUMBER, NULL,
                                                  value->value.number, false};
        else
            values[i] = (struct hsp_option_value){HSP_OPTION_FLAG, NULL, 0,
                                                  value->value.boolean != 0};
    }
    option->value_count = count;
    return true;
}

/* `option` can be freed whatever the result. */
static bool copy_options(struct hsp_option *option, const oconfig_item_t *item) {
    const size_t count = item->children_num > 0 ? (size_t)item->children_num : 0;
    *option = (struct hsp_option){.key = item->key};
    struct hsp_option *children = calloc(count + 1, sizeof(*children));
    option->children = children;
    if (children == NULL || !copy_values(option, item))
        return false;
    for (size_t i = 0; i < count; i++) {
        option->child_count++;
        if (!copy_options(&children[i], &item->children[i]))
            return false;
    }
    return true;
}

static void register_callbacks(void) {
    for (size_t i = 0; i < settings.watch_count; i++) {
        if (settings.watches[i]->by_notifications || takes_values)
            continue;
        takes_values = true;
        plugin_register_write(NAME, take_values, NULL);
    }
    if (is_configured)
        return;
    is_configured = true;
    plugin_register_notification(NAME, take_notification, NULL);
    plugin_register_flush(NAME, flush, NULL);
}

static int configure(oconfig_item_t *block) {
    struct hs_error err = {0};
    struct hsp_option option;
    enum hs_status status = HS_E_NOMEM;
    if (copy_options(&option, block))
        status = hsp_settings_read(&settings, &option, complain, &err);
    free_options(&option);
    if (status != HS_OK) {
        complain(err.text[0] != '\0' ? err.text : hs_status_text(status));
        return -1;
    }
    register_callbacks();
    return 0;
}

/* The start and the end */

/* hookspool.conf, and what the block says instead. */
static enum hs_status load_config(struct hs_error *err) {
    enum hs_status status = hs_config_load(&config, settings.config, err);
    if (status == HS_OK && hs_config_warning(config) != NULL)
        log_line(HSP_OUTBOX_WARNING, hs_config_warning(config));
    if (status == HS_OK && settings.spool_dir != NULL)
        status = hs_config_set_spool_dir(config, settings.spool_dir, err);
    return status;
}

/* A spool that cannot be used is told at once, not with the first event; and it may come
 * back. */
static void try_spool(void) {
    struct hs_error err = {0};
    struct hs_spool *spool = NULL;
    if (hs_spool_open(&spool, config, &err) != HS_OK)
        log_line(HSP_OUTBOX_ERROR, err.text);
    hs_spool_close(spool);
}

/* The state file's path; a relative one is in collectd's BaseDir, which is the working
 * directory by now. */
static void find_state_file(char *path, size_t size) {
    const char *name = settings.state_file ? settings.state_file : "hookspool.state";
    char folder[PATH_MAX] = "";
    if (name[0] == '/' || getcwd(folder, sizeof(folder)) == NULL)
        snprintf(path, size, "%s", name);
    else
        snprintf(path, size, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name);
}

static int start(void) {
    struct hs_error err = {0};
    struct hsp_watcher *watcher = NULL;
    char state_file[2 * PATH_MAX];
    if (!is_configured) {
        log_line(HSP_OUTBOX_WARNING,
                 "there is no <Plugin " NAME "> block: nothing to do");
        return 0;
    }
    enum hs_status status = load_config(&err);
    if (status != HS_OK)
        goto out;
    try_spool();
    find_state_file(state_file, sizeof(state_file));
    const struct hsp_watcher_options options = {
        .settings = &settings,
        .config = config,
        .state_path = state_file,
        .interval_us = (int64_t)CDTIME_T_TO_US(plugin_get_interval()),
        .log = log_line,
    };
    status = hsp_watcher_open(&watcher, &options, &err);
    if (status == HS_OK)
        status = hsp_watcher_start(watcher, &err);
    if (status == HS_OK)
        the_watcher = watcher;

out:
    /* A failure here would end collectd, and with it all monitoring. */
    if (status != HS_OK) {
        complain(err.text);
        complain("nothing will be spooled");
    }
    return 0;
}

static int stop(void) {
    struct hsp_watcher *watcher = the_watcher;
    bool kept = false;
    char line[160];
    if (watcher == NULL)
        return 0;
    const size_t left = hsp_watcher_stop(watcher, STOP_MS, &kept);
    if (left > 0) {
        snprintf(line, sizeof(line), "%zu events are not in the spool; %s", left,
                 kept ? "they are kept in the state file" : "they are lost");
        log_line(HSP_OUTBOX_ERROR, line);
    }
    return 0;
}

__attribute__((visibility("default"))) void module_register(void) {
    hsp_settings_init(&settings);
    plugin_register_complex_config(NAME, configure);
    plugin_register_init(NAME, start);
    plugin_register_shutdown(NAME, stop);
}
