/* SPDX-License-Identifier: MIT */
/* hookspool-notify: the notification command of Nagios, Naemon, Icinga 2 and Checkmk. It
 * reads what the host says, puts one event into the spool and exits 0 only when that is
 * durable. The host runs it as often at once as it likes, kills it after its timeout,
 * never runs it again, and logs nothing of it but a failure's output: so there is no
 * lock, no network, and exactly one line on stderr that says which step failed. */
#include "config.h"

#include "details.h"
#include "notifier.h"
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#define NAME "hookspool-notify"
#define CHECKMK_RETRY 1 /* Checkmk runs the command again after this status */

static const char *chosen_config, *chosen_spool, *chosen_system;
static const char *monitor_id, *monitor_name, *url, *region, *endpoint, *response_time_ms,
    *status_code;
static bool dry_run, want_help, want_version;

static const struct hsp_option options[] = {
    {'c', "config", "FILE", "read FILE instead of hookspool.conf", HSP_OPTION_TEXT,
     &chosen_config},
    {'s', "spool", "DIR", "use this spool directory", HSP_OPTION_TEXT, &chosen_spool},
    {'\0', "system", "NAME", "nagios (default), icinga2, naemon …", HSP_OPTION_TEXT,
     &chosen_system},
    {'\0', "dry-run", NULL, "print the spool record, put nothing", HSP_OPTION_FLAG,
     &dry_run},
    {'\0', "monitor-id", "ID", "the monitor's id", HSP_OPTION_TEXT, &monitor_id},
    {'\0', "monitor-name", "NAME", "the monitor's name", HSP_OPTION_TEXT, &monitor_name},
    {'\0', "url", "URL", "the monitor's address", HSP_OPTION_TEXT, &url},
    {'\0', "region", "NAME", "where the check ran", HSP_OPTION_TEXT, &region},
    {'\0', "endpoint", "NAMES", "send to these endpoints only (a,b)", HSP_OPTION_TEXT,
     &endpoint},
    {'\0', "response-time-ms", "N", "response time in milliseconds", HSP_OPTION_TEXT,
     &response_time_ms},
    {'\0', "status-code", "N", "HTTP status code", HSP_OPTION_TEXT, &status_code},
    {'h', "help", NULL, "print this", HSP_OPTION_FLAG, &want_help},
    {'V', "version", NULL, "print the version", HSP_OPTION_FLAG, &want_version},
    {.name = NULL},
};

/* Options that are pairs by another name. */
static const struct override {
    const char *key;
    const char **value; /* NULL where it is not given */
} overrides[] = {
    {"MONITOR_ID", &monitor_id},
    {"MONITOR_NAME", &monitor_name},
    {"URL", &url},
    {"REGION", &region},
    {"ENDPOINT", &endpoint},
    {"RESPONSE_TIME_MS", &response_time_ms},
    {"STATUS_CODE", &status_code},
};
#define OVERRIDES (sizeof(overrides) / sizeof(overrides[0]))

/* What the command line and the environment ask for, beside the pairs. */
struct request {
    const char *system;
    bool checkmk;
    enum hsp_object object;
};

static int usage(const char *problem, const char *what) {
    hsp_notifier_complain(NAME, "%s%s%s%s; see --help", problem, what ? " '" : "",
                          what ? what : "", what ? "'" : "");
    return EX_USAGE;
}

/* The one place where a status becomes an exit status. */
static int exit_status(enum hs_status status, bool checkmk) {
    int code = hsp_notifier_exit_status(status);
    if (checkmk && (code == EX_IOERR || code == EX_CANTCREAT || code == EX_TEMPFAIL))
        return CHECKMK_RETRY;
    return code;
}

/* Options */

static int print_help(void) {
    fputs(
        "usage: " NAME " [OPTION…] host|service KEY=VALUE…\n"
        "\n"
        "Put one notification of Nagios, Naemon, Icinga 2 or Checkmk into the spool. KEY "
        "is the\n"
        "host's macro name: HOSTNAME, SERVICEDESC, NOTIFICATIONTYPE, SERVICESTATE and so "
        "on.\n"
        "The same names are read from NAGIOS_*, ICINGA_* and NOTIFY_* variables.\n"
        "\n",
        stdout);
    hsp_options_print(options, stdout);
    fputs("\n"
          "Exit status: 0 durable; 64 usage, 65 bad data, 73 or 74 not written, 75 no "
          "space,\n"
          "78 configuration; under Checkmk 1 for 73, 74 and 75.\n",
          stdout);
    return EX_OK;
}

/* The exit status where an option ends the program, else -1 with the rest of the
 * arguments in `rest`. */
static int read_options(int argc, char **argv, char ***rest) {
    struct hs_error err = {0};
    int first = hsp_options_read(options, NULL, argc, argv, true, &err);
    if (first < 0)
        return usage(err.text, NULL);
    if (want_help)
        return print_help();
    if (want_version) {
        printf(NAME " %s\n", hs_version());
        return EX_OK;
    }
    if (chosen_system != NULL && *chosen_system == '\0')
        return usage("empty --system", NULL);
    *rest = argv + first;
    return -1;
}

/* Set `object` from a word; false where it is none. */
static bool take_object(const char *word, enum hsp_object *object) {
    if (!word || (strcasecmp(word, "host") != 0 && strcasecmp(word, "service") != 0))
        return false;
    *object = strcasecmp(word, "host") == 0 ? HSP_OBJECT_HOST : HSP_OBJECT_SERVICE;
    return true;
}

/* The word before the pairs. Checkmk calls without arguments and says it in NOTIFY_WHAT.
 */
static int read_object(struct request *request, char ***rest) {
    const char *what = getenv("NOTIFY_WHAT");
    const char *word = **rest;
    request->checkmk = what && *what;
    request->system = chosen_system      ? chosen_system
                      : request->checkmk ? "checkmk"
                                         : "nagios";
    if (take_object(word, &request->object)) {
        ++*rest;
        return -1;
    }
    if ((!word || strchr(word, '=')) && take_object(what, &request->object))
        return -1;
    return word ? usage("neither host nor service:", word)
                : usage("missing word host or service", NULL);
}

/* The event */

static enum hs_status read_input(struct hsp_input *input, char **arguments,
                                 struct hs_error *err) {
    enum hs_status status = hsp_input_add_environment(input, environ, err);
    for (; status == HS_OK && *arguments; arguments++)
        status = hsp_input_add_argument(input, *arguments, err);
    for (size_t i = 0; status == HS_OK && i < OVERRIDES; i++) {
        if (*overrides[i].value)
            status = hsp_input_add(input, overrides[i].key, *overrides[i].value, err);
    }
    return status;
}

static enum hs_status make_event(struct hs_event **event, const struct hsp_input *input,
                                 const struct hsp_rules *rules, struct hs_error *err) {
    struct hsp_alert alert = {0};
    enum hs_status status = hsp_alert_map(&alert, input, rules, err);
    if (status == HS_OK)
        status = hsp_alert_event(event, &alert, input, rules, err);
    hsp_alert_free(&alert);
    return status;
}

/* All that comes after the command line is understood. */
static enum hs_status notify(const struct request *request, const struct hsp_input *input,
                             const struct hs_config *config, struct hs_error *err) {
    struct hs_event *event = NULL;
    const struct hsp_rules rules = {
        .object = request->object,
        .system = request->system,
        .warning_is = hs_config_warning_is(config),
    };
    enum hs_status status = make_event(&event, input, &rules, err);
    if (status == HS_OK)
        status = hsp_notifier_put(event, config, dry_run, err);
    hs_event_free(event);
    return status;
}

static int run(const struct request *request, char **arguments) {
    struct hs_error err = {0};
    struct hsp_input input = {0};
    struct hs_config *config = NULL;
    int code = EX_USAGE;
    enum hs_status status = read_input(&input, arguments, &err);
    if (status == HS_E_DATA) {
        hsp_notifier_complain(NAME, "%s; see --help", err.text);
        goto out;
    }
    if (status == HS_OK)
        status = hs_config_load(&config, chosen_config, &err);
    if (status == HS_OK && chosen_spool)
        status = hs_config_set_spool_dir(config, chosen_spool, &err);
    if (status == HS_OK)
        status = notify(request, &input, config, &err);
    hsp_notifier_report(NAME, status, config, &err);
    code = exit_status(status, request->checkmk);
out:
    hs_config_free(config);
    hsp_input_free(&input);
    return code;
}

int main(int argc, char **argv) {
    struct request request = {0};
    char **rest = NULL;
    hsp_notifier_secure();
    int code = read_options(argc, argv, &rest);
    if (code < 0)
        code = read_object(&request, &rest);
    if (code < 0)
        code = run(&request, rest);
    return code;
}
