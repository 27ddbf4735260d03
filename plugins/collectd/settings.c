/* SPDX-License-Identifier: MIT */
/* Two tables of options, one for the block and one for its Monitors, each row with the
 * function that reads its values. Keys are matched whatever their case, as collectd does.
 */
#include "config.h"

#include "error.h"
#include "settings.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MARKS_MAX 1000

struct row {
    const char *key;
    enum hs_status (*read)(void *place, const struct hsp_option *option,
                           struct hs_error *err);
    size_t offset; /* of the place in the struct that is filled */
};

/* Reading values */

static enum hs_status read_state(void *place, const struct hsp_option *option,
                                 struct hs_error *err) {
    static const struct hsp_word words[] = {
        {"up", HS_STATE_UP}, {"down", HS_STATE_DOWN}, {NULL, 0}};
    int value = 0;
    const enum hs_status status =
        hsp_option_word(&value, option, words, "\"up\" or \"down\"", err);
    if (status == HS_OK)
        *(enum hs_state *)place = (enum hs_state)value;
    return status;
}

static enum hs_status read_severity(void *place, const struct hsp_option *option,
                                    struct hs_error *err) {
    static const struct hsp_word words[] = {{"okay", HSP_OKAY},
                                            {"ok", HSP_OKAY},
                                            {"warning", HSP_WARNING},
                                            {"failure", HSP_FAILURE},
                                            {NULL, 0}};
    int value = 0;
    const enum hs_status status = hsp_option_word(
        &value, option, words, "\"okay\", \"warning\" or \"failure\"", err);
    if (status == HS_OK)
        *(enum hsp_severity *)place = (enum hsp_severity)value;
    return status;
}

static enum hs_status read_source(void *place, const struct hsp_option *option,
                                  struct hs_error *err) {
    static const struct hsp_word words[] = {
        {"values", 0}, {"notifications", 1}, {NULL, 0}};
    int value = 0;
    const enum hs_status status =
        hsp_option_word(&value, option, words, "\"values\" or \"notifications\"", err);
    if (status == HS_OK)
        *(bool *)place = value != 0;
    return status;
}

/* What concerns the Monitor as a whole. */

static enum hs_status read_notify_at(void *place, const struct hsp_option *option,
                                     struct hs_error *err) {
    struct hsp_watch *watch = place;
    const size_t count = option->value_count;
    if (count == 0 || count > MARKS_MAX || option->child_count > 0)
        return hsp_fail(err, HS_E_DATA, "takes 1 to %d numbers", MARKS_MAX);
    int64_t *marks = calloc(count, sizeof(*marks));
    if (marks == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read configuration: out of memory");
    enum hs_status status = HS_OK;
    for (size_t i = 0; i < count && status == HS_OK; i++) {
        if (option->values[i].type != HSP_OPTION_NUMBER)
            status = hsp_fail(err, HS_E_DATA, "takes numbers only");
        else
            status = hsp_option_check_count(option->values[i].number, err);
        if (status == HS_OK)
            marks[i] = (int64_t)option->values[i].number;
        if (status == HS_OK && i > 0 && marks[i] <= marks[i - 1])
            status = hsp_fail(err, HS_E_DATA, "the numbers do not ascend");
    }
    if (status != HS_OK) {
        free(marks);
        return status;
    }
    free(watch->notify_at);
    watch->notify_at = marks;
    watch->rules.notify_at = marks;
    watch->rules.notify_at_count = count;
    return HS_OK;
}

static enum hs_status read_timeout(void *place, const struct hsp_option *option,
                                   struct hs_error *err) {
    struct hsp_watch *watch = place;
    const enum hs_status status =
        hsp_option_seconds(&watch->rules.timeout_us, option, err);
    if (status == HS_OK)
        watch->timeout_is_given = true;
    return status;
}

static enum hs_status read_part(struct hsp_watch *watch, enum hsp_part part,
                                const struct hsp_option *option, struct hs_error *err) {
    const enum hs_status status = hsp_option_need(option, HSP_OPTION_TEXT, err);
    return status == HS_OK
               ? hsp_pattern_set(&watch->pattern, part, option->values[0].text, err)
               : status;
}

#define PART(name, part)                                                                 \
    static enum hs_status name(void *place, const struct hsp_option *option,             \
                               struct hs_error *err) {                                   \
        return read_part(place, part, option, err);                                      \
    }
PART(read_host, HSP_HOST)
PART(read_plugin, HSP_PLUGIN)
PART(read_plugin_instance, HSP_PLUGIN_INSTANCE)
PART(read_type, HSP_TYPE)
PART(read_type_instance, HSP_TYPE_INSTANCE)

static enum hs_status read_feed(void *place, const struct hsp_option *option,
                                struct hs_error *err) {
    struct hsp_feed *feed = place;
    enum hs_status status = hsp_option_need(option, HSP_OPTION_TEXT, err);
    if (status == HS_OK)
        status = hsp_pattern_set_identifier(&feed->pattern, option->values[0].text, err);
    if (status == HS_OK)
        feed->wanted = true;
    return status;
}

#define AT(member) offsetof(struct hsp_watch, member)
static const struct row monitor_rows[] = {
    {"Name", hsp_option_text, AT(name)},
    {"Id", hsp_option_text, AT(id)},
    {"URL", hsp_option_text, AT(url)},
    {"Endpoints", hsp_option_text, AT(endpoints)},
    {"Host", read_host, 0},
    {"Plugin", read_plugin, 0},
    {"PluginInstance", read_plugin_instance, 0},
    {"Type", read_type, 0},
    {"TypeInstance", read_type_instance, 0},
    {"DataSource", hsp_option_text, AT(data_source)},
    {"FailureMin", hsp_option_number, AT(limits.min)},
    {"FailureMax", hsp_option_number, AT(limits.max)},
    {"Failures", hsp_option_count, AT(rules.failures)},
    {"Successes", hsp_option_count, AT(rules.successes)},
    {"Timeout", read_timeout, 0},
    {"NotifyAt", read_notify_at, 0},
    {"Repeat", hsp_option_seconds, AT(rules.repeat_us)},
    {"ResponseTime", read_feed, AT(feeds[HSP_RESPONSE_TIME])},
    {"ResponseTimeFactor", hsp_option_factor, AT(feeds[HSP_RESPONSE_TIME].factor)},
    {"StatusCode", read_feed, AT(feeds[HSP_STATUS_CODE])},
    {"Source", read_source, AT(by_notifications)},
    {"WarningIs", read_state, AT(warning_is)},
    {NULL, NULL, 0},
};
#undef AT

#define AT(member) offsetof(struct hsp_settings, member)
static const struct row rows[] = {
    {"Config", hsp_option_path, AT(config)},
    {"SpoolDir", hsp_option_path, AT(spool_dir)},
    {"StateFile", hsp_option_text, AT(state_file)},
    {"Region", hsp_option_text, AT(region)},
    {"Notifications", hsp_option_flag, AT(notifications)},
    {"MinSeverity", read_severity, AT(min_severity)},
    {"WarningIs", read_state, AT(warning_is)},
    {NULL, NULL, 0},
};
#undef AT

/* One option by its row; HS_E_DATA with the option's name, also for an unknown one. */
static enum hs_status read_option(void *filled, const struct row *row,
                                  const struct hsp_option *option, struct hs_error *err) {
    struct hs_error own = {0};
    while (row->key != NULL && strcasecmp(row->key, option->key) != 0)
        row++;
    if (row->key == NULL)
        return hsp_fail(err, HS_E_DATA, "Invalid configuration option: %s", option->key);
    const enum hs_status status = row->read((char *)filled + row->offset, option, &own);
    if (status != HS_OK)
        hsp_fail(err, status, "%s: %s", row->key, own.text);
    return status;
}

static bool is_known(const struct row *row, const char *key) {
    while (row->key != NULL && strcasecmp(row->key, key) != 0)
        row++;
    return row->key != NULL;
}

/* Monitors */

static void free_watch(struct hsp_watch *watch) {
    if (watch == NULL)
        return;
    char *const texts[] = {watch->label, watch->name,      watch->id,
                           watch->url,   watch->endpoints, watch->data_source};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
    for (int i = 0; i < HSP_FEEDS; i++) {
        watch->feeds[i].pattern.texts[HSP_HOST] = NULL; /* the monitor's own */
        watch->feeds[i].pattern.regexes[HSP_HOST] = NULL;
        hsp_pattern_free(&watch->feeds[i].pattern);
    }
    hsp_pattern_free(&watch->pattern);
    free(watch->notify_at);
    free(watch);
}

static struct hsp_watch *new_watch(const char *label) {
    struct hsp_watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL)
        return NULL;
    watch->label = strdup(label);
    watch->limits = (struct hsp_limits){NAN, NAN};
    watch->rules.failures = 1;
    watch->rules.successes = 1;
    if (watch->label == NULL) {
        free(watch);
        return NULL;
    }
    return watch;
}

static enum hs_status check_watch(const struct hsp_settings *settings,
                                  const struct hsp_watch *watch, struct hs_error *err) {
    for (size_t i = 0; i < settings->watch_count; i++)
        if (strcmp(settings->watches[i]->label, watch->label) == 0)
            return hsp_fail(err, HS_E_DATA, "there is another one of this name");
    if (watch->limits.min > watch->limits.max)
        return hsp_fail(err, HS_E_DATA, "FailureMin: %.15g is above FailureMax %.15g",
                        watch->limits.min, watch->limits.max);
    if (watch->by_notifications &&
        (!isnan(watch->limits.min) || !isnan(watch->limits.max)))
        return hsp_fail(err, HS_E_DATA,
                        "FailureMin, FailureMax: with Source "
                        "\"notifications\" the severity decides");
    for (int i = 0; i < HSP_PARTS; i++)
        if (watch->pattern.texts[i] != NULL || watch->pattern.regexes[i] != NULL)
            return HS_OK;
    return hsp_fail(err, HS_E_DATA,
                    "needs one of Host, Plugin, PluginInstance, Type and "
                    "TypeInstance");
}

static enum hs_status append_watch(struct hsp_settings *settings, struct hsp_watch *watch,
                                   struct hs_error *err) {
    struct hsp_watch **grown = realloc(settings->watches, (settings->watch_count + 1) *
                                                              sizeof(*settings->watches));
    if (grown == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read configuration: out of memory");
    settings->watches = grown;
    grown[settings->watch_count++] = watch;
    for (int i = 0; i < HSP_FEEDS; i++)
        hsp_pattern_borrow(&watch->feeds[i].pattern, HSP_HOST, &watch->pattern);
    return HS_OK;
}

static void say(hsp_complain *complain, const char *label, const char *text,
                const char *effect) {
    char line[sizeof(((struct hs_error *)NULL)->text) + 256];
    snprintf(line, sizeof(line), "%s%.100s%s%s%s", label ? "Monitor \"" : "",
             label ? label : "", label ? "\": " : "", text, effect);
    complain(line);
}

/* All of a block; an unknown option is passed over. HS_E_DATA: this Monitor is left out.
 */
static enum hs_status read_options(struct hsp_watch *watch,
                                   const struct hsp_option *block, hsp_complain *complain,
                                   struct hs_error *err) {
    enum hs_status status = HS_OK;
    for (size_t i = 0; i < block->child_count && status == HS_OK; i++) {
        const struct hsp_option *option = &block->children[i];
        struct hs_error own = {0};
        const enum hs_status one = read_option(watch, monitor_rows, option, &own);
        if (one != HS_OK && one != HS_E_NOMEM && !is_known(monitor_rows, option->key))
            say(complain, watch->label, own.text, "");
        else if (one != HS_OK)
            status = hsp_fail(err, one, "%s", own.text);
    }
    return status;
}

static enum hs_status read_monitor(struct hsp_settings *settings,
                                   const struct hsp_option *block, hsp_complain *complain,
                                   struct hs_error *err) {
    struct hs_error own = {0};
    if (block->value_count != 1 || block->values[0].type != HSP_OPTION_TEXT ||
        *block->values[0].text == '\0') {
        complain("Monitor: takes one name, as in <Monitor \"api\">; it is left out");
        return HS_OK;
    }
    struct hsp_watch *watch = new_watch(block->values[0].text);
    if (watch == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read configuration: out of memory");
    enum hs_status status = read_options(watch, block, complain, &own);
    if (status == HS_OK)
        status = check_watch(settings, watch, &own);
    if (status == HS_OK)
        status = append_watch(settings, watch, &own);
    if (status == HS_OK)
        return HS_OK;
    if (status == HS_E_DATA)
        say(complain, watch->label, own.text, "; it is left out");
    else
        hsp_fail(err, status, "%s", own.text);
    free_watch(watch);
    return status == HS_E_DATA ? HS_OK : status;
}

/* The block */

void hsp_settings_init(struct hsp_settings *settings) {
    *settings = (struct hsp_settings){.min_severity = HSP_WARNING};
}

enum hs_status hsp_settings_read(struct hsp_settings *settings,
                                 const struct hsp_option *block, hsp_complain *complain,
                                 struct hs_error *err) {
    enum hs_status status = HS_OK;
    for (size_t i = 0; i < block->child_count && status == HS_OK; i++) {
        const struct hsp_option *option = &block->children[i];
        struct hs_error own = {0};
        if (strcasecmp(option->key, "Monitor") == 0) {
            status = read_monitor(settings, option, complain, err);
            continue;
        }
        const enum hs_status one = read_option(settings, rows, option, &own);
        /* Events in another spool than the one that was meant are as good as lost. */
        if (one == HS_E_NOMEM ||
            (one != HS_OK && strcasecmp(option->key, "SpoolDir") == 0))
            status = hsp_fail(err, one == HS_E_NOMEM ? one : HS_E_CONFIG, "%s", own.text);
        else if (one != HS_OK)
            say(complain, NULL, own.text, "");
    }
    return status;
}

void hsp_settings_free(struct hsp_settings *settings) {
    for (size_t i = 0; i < settings->watch_count; i++)
        free_watch(settings->watches[i]);
    free(settings->watches);
    free(settings->config);
    free(settings->spool_dir);
    free(settings->region);
    free(settings->state_file);
    hsp_settings_init(settings);
}
