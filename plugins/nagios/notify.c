/* SPDX-License-Identifier: MIT */
/* hookspool-notify: the notification command of Nagios, Naemon, Icinga 2 and Checkmk. It
 * reads what the host says, puts one event into the spool and exits 0 only when that is
 * durable. The host runs it as often at once as it likes, kills it after its timeout,
 * never runs it again, and logs nothing of it but a failure's output: so there is no
 * lock, no network, and exactly one line on stderr that says which step failed. */
#include "config.h"

#include "details.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#define NAME "hookspool-notify"
#define CHECKMK_RETRY 1 /* Checkmk runs the command again after this status */

enum { OPTION_SYSTEM = 256, OPTION_DRY_RUN, OPTION_OVERRIDE };

/* Options that are pairs by another name. */
static const struct override {
    const char *option;
    const char *key;
} overrides[] = {
    {"monitor-id", "MONITOR_ID"},
    {"monitor-name", "MONITOR_NAME"},
    {"url", "URL"},
    {"region", "REGION"},
    {"endpoint", "ENDPOINT"},
    {"response-time-ms", "RESPONSE_TIME_MS"},
    {"status-code", "STATUS_CODE"},
};
#define OVERRIDES (sizeof(overrides) / sizeof(overrides[0]))

static const struct option plain_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"spool", required_argument, NULL, 's'},
    {"system", required_argument, NULL, OPTION_SYSTEM},
    {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
};
#define PLAIN_OPTIONS (sizeof(plain_options) / sizeof(plain_options[0]))

static const char help[] =
    "usage: " NAME " [options] host|service KEY=VALUE...\n"
    "\n"
    "Put one notification of Nagios, Naemon, Icinga 2 or Checkmk into the spool. KEY is "
    "the\n"
    "host's macro name: HOSTNAME, SERVICEDESC, NOTIFICATIONTYPE, SERVICESTATE and so "
    "on.\n"
    "The same names are read from NAGIOS_*, ICINGA_* and NOTIFY_* variables.\n"
    "\n"
    "  -c, --config FILE          read FILE instead of hookspool.conf\n"
    "  -s, --spool DIR            use this spool directory\n"
    "      --system NAME          nagios (default), icinga2, naemon ...\n"
    "      --dry-run              print the spool record, put nothing\n"
    "      --monitor-id ID        the monitor's id\n"
    "      --monitor-name NAME    the monitor's name\n"
    "      --url URL              the monitor's address\n"
    "      --region NAME          where the check ran\n"
    "      --endpoint NAME[,...]  send to these endpoints only\n"
    "      --response-time-ms N   response time in milliseconds\n"
    "      --status-code N        HTTP status code\n"
    "  -h, --help                 print this\n"
    "  -V, --version              print the version\n"
    "\n"
    "Exit status: 0 durable; 64 usage, 65 bad data, 73 or 74 not written, 75 no space,\n"
    "78 configuration; under Checkmk 1 for 73, 74 and 75.\n";

struct request {
    const char *config;
    const char *spool;
    const char *system;                 /* NULL: by what calls */
    const char *override_of[OVERRIDES]; /* NULL: not given */
    bool dry_run;
    bool checkmk;
    enum hsp_object object;
};

/* Print one line on stderr, whatever bytes an argument or a path in it holds. */
static void complain(const char *format, ...) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    for (char *c = line; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    }
    fprintf(stderr, NAME ": %s\n", line);
}

static int usage(const char *problem, const char *what) {
    complain("%s%s%s%s; see --help", problem, what ? " '" : "", what ? what : "",
             what ? "'" : "");
    return EX_USAGE;
}

/* The one place where a status becomes an exit status. */
static int exit_status(enum hs_status status, bool checkmk) {
    static const int codes[] = {
        [HS_OK] = EX_OK,           [HS_E_NOMEM] = EX_IOERR,     [HS_E_DATA] = EX_DATAERR,
        [HS_E_CONFIG] = EX_CONFIG, [HS_E_SPOOL] = EX_CANTCREAT, [HS_E_IO] = EX_IOERR,
        [HS_E_FULL] = EX_TEMPFAIL,
    };
    int code =
        (size_t)status < sizeof(codes) / sizeof(codes[0]) ? codes[status] : EX_SOFTWARE;
    if (checkmk && (code == EX_IOERR || code == EX_CANTCREAT || code == EX_TEMPFAIL))
        return CHECKMK_RETRY;
    return code;
}

/* Options */

static size_t fill_options(struct option *options) {
    size_t count = 0;
    for (size_t i = 0; i < PLAIN_OPTIONS; i++)
        options[count++] = plain_options[i];
    for (size_t i = 0; i < OVERRIDES; i++)
        options[count++] = (struct option){overrides[i].option, required_argument, NULL,
                                           OPTION_OVERRIDE + (int)i};
    return count;
}

/* Take one option; the exit status where it ends the program, else -1. */
static int take_option(struct request *request, int option, char *const *argv) {
    switch (option) {
    case 'c':
        request->config = optarg;
        return -1;
    case 's':
        request->spool = optarg;
        return -1;
    case OPTION_SYSTEM:
        request->system = optarg;
        return -1;
    case OPTION_DRY_RUN:
        request->dry_run = true;
        return -1;
    case 'h':
        fputs(help, stdout);
        return EX_OK;
    case 'V':
        printf(NAME " %s\n", hs_version());
        return EX_OK;
    case ':':
        return usage("missing value of option", argv[optind - 1]);
    case '?':
        return usage("unknown option", argv[optind - 1]);
    default:
        request->override_of[option - OPTION_OVERRIDE] = optarg;
        return -1;
    }
}

static int read_options(struct request *request, int argc, char **argv) {
    struct option options[PLAIN_OPTIONS + OVERRIDES + 1] = {0};
    fill_options(options);
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, ":c:s:hV", options, NULL)) != -1) {
        int code = take_option(request, option, argv);
        if (code >= 0)
            return code;
    }
    if (request->system && !*request->system)
        return usage("empty --system", NULL);
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
static int read_object(struct request *request, char **argv) {
    const char *what = getenv("NOTIFY_WHAT");
    const char *word = argv[optind];
    request->checkmk = what && *what;
    if (!request->system)
        request->system = request->checkmk ? "checkmk" : "nagios";
    if (take_object(word, &request->object)) {
        optind++;
        return -1;
    }
    if ((!word || strchr(word, '=')) && take_object(what, &request->object))
        return -1;
    return word ? usage("neither host nor service:", word)
                : usage("missing word host or service", NULL);
}

/* The event */

static enum hs_status read_input(struct hsp_input *input, const struct request *request,
                                 char **arguments, struct hs_error *err) {
    enum hs_status status = hsp_input_add_environment(input, environ, err);
    for (; status == HS_OK && *arguments; arguments++)
        status = hsp_input_add_argument(input, *arguments, err);
    for (size_t i = 0; status == HS_OK && i < OVERRIDES; i++) {
        if (request->override_of[i])
            status = hsp_input_add(input, overrides[i].key, request->override_of[i], err);
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

static enum hs_status put(const struct hs_event *event, const struct hs_config *config,
                          struct hs_error *err) {
    struct hs_spool *spool = NULL;
    enum hs_status status = hs_spool_open(&spool, config, err);
    if (status == HS_OK)
        status = hs_spool_put(spool, event, err);
    hs_spool_close(spool);
    return status;
}

static enum hs_status print(const struct hs_event *event, const struct hs_config *config,
                            struct hs_error *err) {
    char *record = NULL;
    size_t length = 0;
    enum hs_status status = hs_event_record(event, config, &record, &length, err);
    if (status != HS_OK)
        return status;
    bool printed = fwrite(record, 1, length, stdout) == length && fflush(stdout) == 0;
    free(record);
    if (printed)
        return HS_OK;
    err->status = HS_E_IO;
    err->sys_errno = errno;
    snprintf(err->text, sizeof(err->text), "print the record: %s", strerror(errno));
    return HS_E_IO;
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
        status = request->dry_run ? print(event, config, err) : put(event, config, err);
    hs_event_free(event);
    return status;
}

/* One line at most: a failure's, which carries the warning, or the warning alone. */
static int report(enum hs_status status, const struct hs_config *config,
                  const struct hs_error *err, bool checkmk) {
    const char *warning = config ? hs_config_warning(config) : NULL;
    if (status != HS_OK)
        complain("%s%s%s%s", *err->text ? err->text : hs_status_text(status),
                 warning ? " (configuration: " : "", warning ? warning : "",
                 warning ? ")" : "");
    else if (warning)
        complain("warning: %s", warning);
    return exit_status(status, checkmk);
}

static int run(const struct request *request, char **arguments) {
    struct hs_error err = {0};
    struct hsp_input input = {0};
    struct hs_config *config = NULL;
    int code = EX_USAGE;
    enum hs_status status = read_input(&input, request, arguments, &err);
    if (status == HS_E_DATA) {
        complain("%s; see --help", err.text);
        goto out;
    }
    if (status == HS_OK)
        status = hs_config_load(&config, request->config, &err);
    if (status == HS_OK && request->spool)
        status = hs_config_set_spool_dir(config, request->spool, &err);
    if (status == HS_OK)
        status = notify(request, &input, config, &err);
    code = report(status, config, &err, request->checkmk);
out:
    hs_config_free(config);
    hsp_input_free(&input);
    return code;
}

/* A host that starts us without stdin, stdout or stderr must not find our complaint in
 * the spool file that would get the free number; and one that closed the pipe must not
 * end us after the event is durable. */
static void secure_descriptors(void) {
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
    signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv) {
    struct request request = {0};
    secure_descriptors();
    int code = read_options(&request, argc, argv);
    if (code < 0)
        code = read_object(&request, argv);
    if (code < 0)
        code = run(&request, argv + optind);
    return code;
}
