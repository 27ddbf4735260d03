/* SPDX-License-Identifier: MIT */
/* hookspool-zabbix: the program of a Script media type. The alerter of Zabbix calls it
 * with a recipient, a subject and a message, or with a recipient and key=value arguments.
 * It puts one event into the spool and exits 0 only when that is durable; then Zabbix
 * counts the alert as sent. Else it says why in one line, which Zabbix shows beside the
 * alert, and Zabbix tries again a few times. */
#include "config.h"

#include "alert.h"
#include "notifier.h"
#include "options.h"
#include "reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define NAME "hookspool-zabbix"
#define AVERAGE 3 /* the severity above "warning" */

static const char *chosen_config, *chosen_spool, *min_severity;
static bool dry_run, want_help, want_version;

static const struct hsp_option options[] = {
    {'c', "config", "FILE", "read FILE instead of hookspool.conf", HSP_OPTION_TEXT,
     &chosen_config},
    {'s', "spool", "DIR", "use this spool directory", HSP_OPTION_TEXT, &chosen_spool},
    {'\0', "min-severity", "SEVERITY",
     "less severe problems count as UP: 0 to 5, or information,\n"
     "warning, average, high, disaster",
     HSP_OPTION_TEXT, &min_severity},
    {'\0', "dry-run", NULL, "print the spool record, put nothing", HSP_OPTION_FLAG,
     &dry_run},
    {'h', "help", NULL, "print this", HSP_OPTION_FLAG, &want_help},
    {'V', "version", NULL, "print the version", HSP_OPTION_FLAG, &want_version},
    {.name = NULL},
};

/* What the command line says. */
struct call {
    const char *sendto, *subject, *text; /* NULL: pairs */
    char **pairs;
};

static int usage(const char *problem) {
    hsp_notifier_complain(NAME, "%s; see --help", problem);
    return EX_USAGE;
}

static int print_help(void) {
    fputs("usage: " NAME " [OPTION…] SENDTO SUBJECT MESSAGE\n"
          "       " NAME " [OPTION…] SENDTO KEY=VALUE…\n"
          "\n"
          "Put one alert of Zabbix into the spool, for the endpoints that SENDTO names "
          "(a,b, or\n"
          "all). MESSAGE holds KEY=VALUE lines, as in hookspool-media-type.yaml.\n"
          "\n",
          stdout);
    hsp_options_print(options, stdout);
    fputs("\n"
          "Exit status: 0 durable; 64 usage, 65 bad data, 73 or 74 not written, 75 no "
          "space,\n"
          "78 configuration.\n",
          stdout);
    return EX_OK;
}

/* Sockets and pipes of the server leak into what it runs. Nothing of ours is open yet. */
static void close_leaked(void) { closefrom(STDERR_FILENO + 1); }

static bool is_pair(const char *argument) { return hsp_message_key(argument) > 0; }

/* Three arguments are a subject and a message, which may look like pairs; so one of them
 * has to say which event it is, and the message to be one line. */
static bool are_pairs(char **arguments, int count) {
    for (int i = 0; i < count; i++)
        if (!is_pair(arguments[i]))
            return false;
    return count != 2 ||
           (strchr(arguments[1], '\n') == NULL && (hsp_message_is_telling(arguments[0]) ||
                                                   hsp_message_is_telling(arguments[1])));
}

/* The exit status where the command line ends the program, else -1. */
static int read_call(int argc, char **argv, struct call *call) {
    struct hs_error err = {0};
    const int first = hsp_options_read(options, NULL, argc, argv, false, &err);
    if (first < 0)
        return usage(err.text);
    if (want_help)
        return print_help();
    if (want_version) {
        printf(NAME " %s\n", hs_version());
        return EX_OK;
    }
    if (min_severity != NULL && hsp_reading_severity(min_severity) < 0)
        return usage("--min-severity: neither 0 to 5 nor the name of a severity");
    const int count = argc - first - 1;
    if (count < 1)
        return usage("missing arguments: SENDTO SUBJECT MESSAGE, or SENDTO KEY=VALUE…");
    call->sendto = hsp_message_is_absent(argv[first]) ? NULL : argv[first];
    if (are_pairs(argv + first + 1, count)) {
        call->pairs = argv + first + 1;
        return -1;
    }
    if (count != 2)
        return usage("neither SENDTO SUBJECT MESSAGE nor SENDTO KEY=VALUE…");
    call->subject = hsp_message_is_absent(argv[first + 1]) ? NULL : argv[first + 1];
    call->text = argv[first + 2];
    return -1;
}

static enum hs_status read_message(struct hsp_message *message, const struct call *call,
                                   struct hs_error *err) {
    enum hs_status status = HS_OK;
    if (call->pairs == NULL)
        return hsp_message_parse(message, call->text, err);
    for (char **pair = call->pairs; *pair && status == HS_OK; pair++)
        status = hsp_message_add(message, *pair, err);
    return status;
}

static enum hs_status make_event(struct hs_event **event, const struct call *call,
                                 const struct hs_config *config, struct hs_error *err) {
    static const struct hsp_message nothing;
    struct hsp_message message = {0};
    struct hsp_alert alert = {0};
    const bool warning_is_up = hs_config_warning_is(config) == HS_STATE_UP;
    const struct hsp_alert_rules rules = {
        .sendto = call->sendto,
        .subject = call->subject,
        .down_from = min_severity    ? hsp_reading_severity(min_severity)
                     : warning_is_up ? AVERAGE
                                     : 0,
        .now_s = time(NULL),
    };
    enum hs_status status = read_message(&message, call, err);
    const bool tells = call->pairs != NULL || hsp_message_tells(&message);
    if (status == HS_OK)
        status = tells ? hsp_alert_map(&alert, &message, &rules, err)
                       : hsp_alert_map_plain(&alert, call->text, &rules, err);
    if (status == HS_OK)
        status = hsp_alert_event(event, &alert, tells ? &message : &nothing, err);
    hsp_alert_free(&alert);
    hsp_message_free(&message);
    return status;
}

static int run(const struct call *call) {
    struct hs_error err = {0};
    struct hs_config *config = NULL;
    struct hs_event *event = NULL;
    enum hs_status status = hs_config_load(&config, chosen_config, &err);
    if (status == HS_OK && chosen_spool)
        status = hs_config_set_spool_dir(config, chosen_spool, &err);
    if (status == HS_OK)
        status = make_event(&event, call, config, &err);
    if (status == HS_OK)
        status = hsp_notifier_put(event, config, dry_run, &err);
    hsp_notifier_report(NAME, status, config, &err);
    hs_event_free(event);
    hs_config_free(config);
    return hsp_notifier_exit_status(status);
}

int main(int argc, char **argv) {
    struct call call = {0};
    hsp_notifier_secure();
    close_leaked();
    const int code = read_call(argc, argv, &call);
    return code >= 0 ? code : run(&call);
}
