/* SPDX-License-Identifier: MIT */
/* The rules that turn a host's notification into an alert. Each takes the input and gives
 * one value; hsp_alert_map puts them together. Nothing odd in the input is an error, for
 * an alert with a null in it is better than none. */
#include "config.h"

#include "mapping.h"
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The input with the rules, so that the functions below take one argument for both. */
struct view {
    const struct hsp_input *input;
    const struct hsp_rules *rules;
};

static const char *text_of(const struct view *view, enum hsp_field field) {
    return hsp_macro_get(view->input, view->rules->object, field);
}

/* A whole number of the host's, or `otherwise`. */
static int64_t number_of(const struct view *view, enum hsp_field field,
                         int64_t otherwise) {
    int64_t value = otherwise;
    hsp_parse_whole(text_of(view, field), &value);
    return value;
}

static bool is_icinga2(const struct view *view) {
    return strcmp(view->rules->system, "icinga2") == 0;
}

static enum hs_status fail(struct hs_error *err, enum hs_status status,
                           const char *text) {
    if (err && err->status == HS_OK) {
        err->status = status;
        err->sys_errno = status == HS_E_NOMEM ? ENOMEM : 0;
        snprintf(err->text, sizeof(err->text), "read the notification: %s", text);
    }
    return status;
}

/* States and kinds */

/* How a state's word counts; HS_STATE_NONE for a word that says nothing (PENDING). */
static enum hs_state state_of(const char *word, enum hs_state warning_is) {
    static const struct {
        const char *word;
        enum hs_state state;
    } words[] = {
        {"OK", HS_STATE_UP},         {"UP", HS_STATE_UP},
        {"CRITICAL", HS_STATE_DOWN}, {"UNKNOWN", HS_STATE_DOWN},
        {"DOWN", HS_STATE_DOWN},     {"UNREACHABLE", HS_STATE_DOWN},
    };
    if (word && strcasecmp(word, "WARNING") == 0)
        return warning_is;
    for (size_t i = 0; word && i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(word, words[i].word) == 0)
            return words[i].state;
    }
    return HS_STATE_NONE;
}

static enum hs_state state_in(const struct view *view, enum hsp_field field) {
    return state_of(text_of(view, field), view->rules->warning_is);
}

/* What sort of notification it is, before states are looked at. */
enum type { TYPE_PROBLEM, TYPE_RECOVERY, TYPE_NONE, TYPE_OTHER };

static const struct type_row {
    const char *word;
    bool is_prefix;
    enum type type;
    enum hs_kind kind; /* for TYPE_OTHER */
} type_rows[] = {
    {"PROBLEM", false, TYPE_PROBLEM, HS_KIND_INCIDENT},
    {"RECOVERY", false, TYPE_RECOVERY, HS_KIND_RECOVERY},
    {"ACKNOWLEDGEMENT", false, TYPE_OTHER, HS_KIND_ACKNOWLEDGEMENT},
    {"DOWNTIME", true, TYPE_OTHER, HS_KIND_DOWNTIME},
    {"FLAPPING", true, TYPE_OTHER, HS_KIND_FLAPPING},
    {"CUSTOM", false, TYPE_OTHER, HS_KIND_CUSTOM},
    {"", true, TYPE_OTHER, HS_KIND_OTHER},
};
static const struct type_row no_type = {"", false, TYPE_NONE, HS_KIND_OTHER};

static const struct type_row *find_type(const char *word) {
    const struct type_row *row = type_rows;
    if (!word)
        return &no_type;
    while (row->is_prefix ? strncasecmp(word, row->word, strlen(row->word)) != 0
                          : strcasecmp(word, row->word) != 0)
        row++;
    return row;
}

/* The status now. A state that cannot be read counts as UNKNOWN does, unless the host
 * says that all is well again. */
static enum hs_state current_state(const struct view *view, enum type type) {
    enum hs_state state = state_in(view, HSP_FIELD_STATE);
    if (state != HS_STATE_NONE)
        return state;
    return type == TYPE_RECOVERY ? HS_STATE_UP : HS_STATE_DOWN;
}

/* Before a PROBLEM. "Last state" is that of the check before, and while a problem was
 * still soft that is already the new one: the first notification tells, by its number in
 * Nagios, by the type of the last state in Icinga 2. */
static enum hs_state before_problem(const struct view *view) {
    enum hs_state hard = state_in(view, HSP_FIELD_LAST_HARD_STATE);
    if (hard != HS_STATE_NONE)
        return hard;
    const char *last_type = text_of(view, HSP_FIELD_LAST_STATE_TYPE);
    int64_t number = number_of(view, HSP_FIELD_NUMBER, -1);
    if (is_icinga2(view) ? last_type && strcasecmp(last_type, "SOFT") == 0
                         : number == 0 || number == 1)
        return HS_STATE_UP;
    return state_in(view, HSP_FIELD_LAST_STATE);
}

/* Before a RECOVERY. One that was held back (flapping, downtime) comes when the check
 * before was fine too; it still ends a problem. */
static enum hs_state before_recovery(const struct view *view) {
    const char *last = text_of(view, HSP_FIELD_LAST_STATE);
    if (last && strcasecmp(last, "WARNING") == 0)
        return view->rules->warning_is;
    return HS_STATE_DOWN;
}

/* PROBLEM and RECOVERY are what the mapped states make of them. */
static enum hs_kind kind_of_change(enum hs_state now, enum hs_state before) {
    if (now == HS_STATE_DOWN)
        return HS_KIND_INCIDENT;
    return before == HS_STATE_UP ? HS_KIND_UNCHANGED : HS_KIND_RECOVERY;
}

static void map_states(struct hsp_alert *alert, const struct view *view) {
    const struct type_row *row = find_type(text_of(view, HSP_FIELD_TYPE));
    enum type type = row->type;
    alert->state = current_state(view, type);
    if (type == TYPE_NONE)
        type = alert->state == HS_STATE_DOWN ? TYPE_PROBLEM : TYPE_RECOVERY;
    if (type == TYPE_OTHER) {
        alert->kind = row->kind;
        alert->previous = alert->state;
        return;
    }
    alert->previous = type == TYPE_PROBLEM ? before_problem(view) : before_recovery(view);
    alert->kind = kind_of_change(alert->state, alert->previous);
}

/* Counts */

static int64_t at_least(int64_t value, int64_t least) {
    return value < least ? least : value;
}

/* How often `interval` (seconds) fits between the last hard state change and now. */
static int64_t intervals_passed(const struct view *view, enum hsp_field interval_field) {
    int64_t interval = number_of(view, interval_field, 0);
    int64_t now = number_of(view, HSP_FIELD_TIME, 0);
    int64_t since = number_of(view, HSP_FIELD_HARD_STATE_CHANGE, 0);
    return interval > 0 && since > 0 && now > since ? (now - since) / interval : 0;
}

/* A lower bound in Nagios: checks between two notifications leave no trace in macros. In
 * Icinga 2 the attempt is back at 1 when a problem is hard, so time has to tell. */
static int64_t failures(const struct view *view, enum hs_state state) {
    if (state == HS_STATE_UP)
        return 0;
    if (is_icinga2(view))
        return at_least(number_of(view, HSP_FIELD_MAX_ATTEMPTS, 1), 1) +
               intervals_passed(view, HSP_FIELD_CHECK_INTERVAL);
    return at_least(number_of(view, HSP_FIELD_ATTEMPT, 1), 1) +
           at_least(number_of(view, HSP_FIELD_NUMBER, 1), 1) - 1;
}

/* Icinga 2's number counts every type of notification and sometimes the recovery before,
 * so it is only a limit to what the time since the problem began allows. */
static int64_t level(const struct view *view) {
    int64_t number = at_least(number_of(view, HSP_FIELD_NUMBER, 1), 1);
    if (!is_icinga2(view) || !text_of(view, HSP_FIELD_INTERVAL))
        return number;
    int64_t problems = 1 + intervals_passed(view, HSP_FIELD_INTERVAL);
    return problems < number ? problems : number;
}

/* When it happened, and which came first in that second. */
static int64_t host_time(const struct view *view) {
    int64_t time = number_of(view, HSP_FIELD_TIME, 0);
    return time > 0 ? time : number_of(view, HSP_FIELD_MICROTIME, 0) / 1000000;
}

static int64_t sequence(const struct view *view) {
    int64_t id = number_of(view, HSP_FIELD_NOTIFICATION_ID, -1);
    if (id >= 0)
        return id;
    int64_t microtime = number_of(view, HSP_FIELD_MICROTIME, -1);
    return microtime >= 0 ? microtime % 1000000 : -1;
}

static int64_t check_time(const struct view *view) {
    int64_t time = number_of(view, HSP_FIELD_LAST_CHECK, 0);
    if (time <= 0)
        time = host_time(view);
    return time > 0 ? time : -1;
}

static int64_t status_code(const struct view *view) {
    int64_t code = number_of(view, HSP_FIELD_STATUS_CODE, -1);
    if (code >= 0 && code <= 999)
        return code;
    code = hsp_output_status_code(text_of(view, HSP_FIELD_OUTPUT));
    if (code >= 0)
        return code;
    return hsp_output_status_code(text_of(view, HSP_FIELD_LONG_OUTPUT));
}

static int64_t response_time_ms(const struct view *view) {
    int64_t time_ms = number_of(view, HSP_FIELD_RESPONSE_TIME_MS, -1);
    return time_ms >= 0 ? time_ms
                        : hsp_output_response_ms(text_of(view, HSP_FIELD_PERFDATA));
}

static void map_numbers(struct hsp_alert *alert, const struct view *view) {
    int64_t *numbers = alert->numbers;
    int64_t order_time = host_time(view);
    numbers[HS_NUMBER_TIME] = check_time(view);
    numbers[HS_NUMBER_RESPONSE_TIME_MS] = response_time_ms(view);
    numbers[HS_NUMBER_STATUS_CODE] = status_code(view);
    numbers[HS_NUMBER_CONSECUTIVE_FAILURES] = failures(view, alert->state);
    numbers[HS_NUMBER_NOTIFICATION_LEVEL] = level(view);
    numbers[HS_NUMBER_ORDER_TIME] = order_time > 0 ? order_time : -1;
    numbers[HS_NUMBER_ORDER_SEQUENCE] = sequence(view);
}

/* Texts */

/* An action URL is often a path of the web interface, or holds the attributes of a link
 * beside it: only a whole and plain address is one for the payload. */
static const char *plain_url(const char *url) {
    if (!url || (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8)))
        return NULL;
    return url[strcspn(url, " \t\r\n\"'<>")] == '\0' ? url : NULL;
}

static void map_texts(struct hsp_alert *alert, const struct view *view) {
    static const struct {
        enum hs_text text;
        enum hsp_field field;
    } rows[] = {
        {HS_TEXT_MONITOR_NAME, HSP_FIELD_MONITOR_NAME},
        {HS_TEXT_MONITOR_ID, HSP_FIELD_MONITOR_ID},
        {HS_TEXT_MONITOR_URL, HSP_FIELD_URL},
        {HS_TEXT_REGION, HSP_FIELD_REGION},
        {HS_TEXT_HOST, HSP_FIELD_HOST},
        {HS_TEXT_SERVICE, HSP_FIELD_SERVICE},
        {HS_TEXT_ENDPOINTS, HSP_FIELD_ENDPOINT},
    };
    const char **texts = alert->texts;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        /* A host has no service, whatever else was given. */
        if (rows[i].field != HSP_FIELD_SERVICE ||
            view->rules->object == HSP_OBJECT_SERVICE)
            texts[rows[i].text] = text_of(view, rows[i].field);
    }
    texts[HS_TEXT_SYSTEM] = view->rules->system;
    if (!texts[HS_TEXT_MONITOR_URL])
        texts[HS_TEXT_MONITOR_URL] = plain_url(text_of(view, HSP_FIELD_ACTION_URL));
    /* A given name stands for the object where the object is not named: it decides the
     * order of events and the monitor's id. */
    if (!texts[HS_TEXT_HOST])
        texts[HS_TEXT_HOST] = texts[HS_TEXT_MONITOR_NAME];
    if (view->rules->object == HSP_OBJECT_SERVICE && !texts[HS_TEXT_SERVICE])
        texts[HS_TEXT_SERVICE] = texts[HS_TEXT_MONITOR_NAME];
}

static enum hs_status check_names(const struct hsp_alert *alert, const struct view *view,
                                  struct hs_error *err) {
    if (!alert->texts[HS_TEXT_HOST])
        return fail(err, HS_E_DATA, "no HOSTNAME");
    /* Under the host's name alone it would pass for the host itself, or for another of
     * its services, and close that one's incident. */
    if (view->rules->object == HSP_OBJECT_SERVICE && !alert->texts[HS_TEXT_SERVICE])
        return fail(err, HS_E_DATA, "no SERVICEDESC");
    return HS_OK;
}

/* Only what is DOWN has an error. */
static enum hs_status map_message(struct hsp_alert *alert, const struct view *view,
                                  struct hs_error *err) {
    if (alert->state != HS_STATE_DOWN)
        return HS_OK;
    alert->message =
        hsp_output_text(text_of(view, HSP_FIELD_OUTPUT),
                        text_of(view, HSP_FIELD_LONG_OUTPUT), &alert->message_length);
    if (!alert->message)
        return fail(err, HS_E_NOMEM, "out of memory");
    alert->texts[HS_TEXT_ERROR_MESSAGE] = alert->message;
    return HS_OK;
}

/* Which two fields, beside the object and the type, are the same for every contact of one
 * notification and differ from one notification to the next. */
static bool fold_parts(const struct view *view, const char *parts[2]) {
    if (is_icinga2(view)) {
        parts[0] = text_of(view, HSP_FIELD_STATE_CHANGE);
        parts[1] = text_of(view, HSP_FIELD_NUMBER);
    } else if ((parts[0] = text_of(view, HSP_FIELD_NOTIFICATION_ID))) {
        /* Ids start again with the process. Its start is the same for all contacts, while
         * the time may pass from one second to the next between two of them. */
        parts[1] = text_of(view, HSP_FIELD_PROCESS_START);
        if (!parts[1])
            parts[1] = text_of(view, HSP_FIELD_TIME);
    } else {
        parts[0] = "";
        parts[1] = text_of(view, HSP_FIELD_MICROTIME);
    }
    return parts[0] && parts[1];
}

/* The pieces as one text, free(); NULL: out of memory. */
static char *join(const char *const *pieces, size_t count) {
    size_t length = 1;
    for (size_t i = 0; i < count; i++)
        length += strlen(pieces[i]);
    char *text = malloc(length);
    char *end = text;
    for (size_t i = 0; text && i < count; i++)
        end = stpcpy(end, pieces[i]);
    return text;
}

/* Contacts with endpoints of their own each want the event. */
static enum hs_status map_fold_key(struct hsp_alert *alert, const struct view *view,
                                   struct hs_error *err) {
    const char *const *texts = alert->texts;
    const char *service = texts[HS_TEXT_SERVICE] ? texts[HS_TEXT_SERVICE] : "";
    const char *type = text_of(view, HSP_FIELD_TYPE);
    const char *endpoints = texts[HS_TEXT_ENDPOINTS];
    const char *parts[2];
    if (!type || !fold_parts(view, parts))
        return HS_OK;
    const char *const pieces[] = {texts[HS_TEXT_HOST],
                                  !is_icinga2(view) ? ";"
                                  : *service        ? "!"
                                                    : "",
                                  service,
                                  ";",
                                  type,
                                  ";",
                                  parts[0],
                                  ";",
                                  parts[1],
                                  endpoints ? ";" : "",
                                  endpoints ? endpoints : ""};
    alert->fold_key = join(pieces, sizeof(pieces) / sizeof(pieces[0]));
    if (!alert->fold_key)
        return fail(err, HS_E_NOMEM, "out of memory");
    alert->texts[HS_TEXT_FOLD_KEY] = alert->fold_key;
    return HS_OK;
}

enum hs_status hsp_alert_map(struct hsp_alert *alert, const struct hsp_input *input,
                             const struct hsp_rules *rules, struct hs_error *err) {
    struct hsp_alert mapped = {0};
    const struct view view = {input, rules};
    map_states(&mapped, &view);
    map_numbers(&mapped, &view);
    map_texts(&mapped, &view);
    enum hs_status status = check_names(&mapped, &view, err);
    if (status != HS_OK)
        goto out;
    status = map_message(&mapped, &view, err);
    if (status != HS_OK)
        goto out;
    status = map_fold_key(&mapped, &view, err);
    if (status != HS_OK)
        goto out;
    *alert = mapped;
    mapped = (struct hsp_alert){0};
out:
    hsp_alert_free(&mapped);
    return status;
}

void hsp_alert_free(struct hsp_alert *alert) {
    free(alert->fold_key);
    free(alert->message);
    *alert = (struct hsp_alert){0};
}
