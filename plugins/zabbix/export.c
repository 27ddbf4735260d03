/* SPDX-License-Identifier: MIT */
/* hookspool-zabbix-export: reads what Zabbix exports to files, and spools problems,
 * recoveries and the changes of monitored items. Stays in the foreground. */
#include "config.h"

#include "exporter.h"
#include "file.h"
#include "options.h"
#include "ready.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#define NAME "hookspool-zabbix-export"
#define STATE_NAME "export.state"
#define UNFINISHED 1 /* with --once: events are not in the spool yet */

static const char *chosen_config, *chosen_spool, *chosen_state, *chosen_severity,
    *chosen_only;
static struct hsp_option_list with_tags, without_tags;
static bool once, from_start, want_help, want_version;
static int signals = -1; /* a signalfd */

static const struct hsp_option options[] = {
    {'c', "config", "FILE", "read FILE instead of hookspool.conf", HSP_OPTION_TEXT,
     &chosen_config},
    {'s', "spool", "DIR", "use this spool directory", HSP_OPTION_TEXT, &chosen_spool},
    {'\0', "state", "FILE",
     "what is remembered (default: $HOOKSPOOL_ZABBIX_DIR,\n"
     "else " HSP_DEFAULT_ZABBIX_DIR "/" STATE_NAME ")",
     HSP_OPTION_TEXT, &chosen_state},
    {'\0', "only", "WHAT", "problems or history; default: both", HSP_OPTION_TEXT,
     &chosen_only},
    {'\0', "min-severity", "SEVERITY",
     "leave less severe problems out: 0 to 5, or information,\n"
     "warning, average, high, disaster",
     HSP_OPTION_TEXT, &chosen_severity},
    {'\0', "tag", "NAME[=VALUE]",
     "only problems that have this tag, or another one that\nis given so",
     HSP_OPTION_LIST, &with_tags},
    {'\0', "without-tag", "NAME[=VALUE]", "no problems that have this tag",
     HSP_OPTION_LIST, &without_tags},
    {'\0', "from-start", NULL,
     "at the very first start, read what is there already,\ntoo", HSP_OPTION_FLAG,
     &from_start},
    {'\0', "once", NULL, "read what is there, then end", HSP_OPTION_FLAG, &once},
    {'h', "help", NULL, "print this", HSP_OPTION_FLAG, &want_help},
    {'V', "version", NULL, "print the version", HSP_OPTION_FLAG, &want_version},
    {.name = NULL},
};

/* One line on stderr, with its weight for systemd's journal. */
static void log_line(void *context, enum hsp_outbox_level level, const char *line) {
    static const int weights[] = {
        [HSP_OUTBOX_ERROR] = 3, [HSP_OUTBOX_WARNING] = 4, [HSP_OUTBOX_NOTICE] = 5};
    char text[1024];
    (void)context;
    snprintf(text, sizeof(text), "%s", line);
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    if (getenv("JOURNAL_STREAM") != NULL)
        fprintf(stderr, "<%d>", weights[level]);
    fprintf(stderr, NAME ": %s\n", text);
}

static int usage(const char *problem, const char *what) {
    char line[512];
    snprintf(line, sizeof(line), "%s%s%s%s; see --help", problem, what ? " '" : "",
             what ? what : "", what ? "'" : "");
    log_line(NULL, HSP_OUTBOX_ERROR, line);
    return EX_USAGE;
}

static int print_help(void) {
    fputs("usage: " NAME " [OPTION…] EXPORTDIR\n"
          "Follow the files that Zabbix writes to its ExportDir, and put problems and "
          "recoveries,\n"
          "and changes of items with the tag webhook.monitor, into the spool. Stays in "
          "the\n"
          "foreground.\n\n",
          stdout);
    hsp_options_print(options, stdout);
    fputs("\nSIGTERM ends it; killed, it goes on where it was. Exit status: 0 ended; 1 "
          "with\n--once, events wait for the spool; 64 usage, 66 no such folder, or with "
          "--once a file\nthat may not be read; 73 no state file, 74 I/O error, 75 out "
          "of memory, 78 configuration.\n",
          stdout);
    return EX_OK;
}

/* Options
 * ------------------------------------------------------------------------------------ */

/* A severity as a number or a word. */
static bool read_severity(const char *text, int *severity) {
    if (text[0] >= '0' && text[0] < '0' + HSP_SEVERITIES && text[1] == '\0') {
        *severity = text[0] - '0';
        return true;
    }
    for (int i = 0; i < HSP_SEVERITIES; i++)
        if (strcasecmp(hsp_problem_severities[i], text) == 0) {
            *severity = i;
            return true;
        }
    return false;
}

/* Has each of them a name? */
static bool are_tags(const struct hsp_option_list *list) {
    for (size_t i = 0; i < list->count; i++)
        if (*list->items[i] == '\0' || *list->items[i] == '=')
            return false;
    return true;
}

/* The exit status where an option ends the program, else -1. */
static int read_options(int argc, char **argv, struct hsp_exporter_options *chosen) {
    struct hs_error err = {0};
    const int first = hsp_options_read(options, NULL, argc, argv, true, &err);
    if (first < 0)
        return usage(err.text, NULL);
    if (want_help)
        return print_help();
    if (want_version) {
        printf(NAME " %s\n", hs_version());
        return EX_OK;
    }
    if (first + 1 != argc)
        return first == argc ? usage("Zabbix's ExportDir must be named", NULL)
                             : usage("more than one folder:", argv[first + 1]);
    chosen->folder = argv[first];
    if (chosen_severity != NULL &&
        !read_severity(chosen_severity, &chosen->filter.min_severity))
        return usage("--min-severity: no such severity:", chosen_severity);
    if (chosen_only != NULL && strcmp(chosen_only, "problems") != 0 &&
        strcmp(chosen_only, "history") != 0)
        return usage("--only: neither problems nor history:", chosen_only);
    if (!are_tags(&with_tags) || !are_tags(&without_tags))
        return usage("--tag, --without-tag: a tag has a name", NULL);
    if (chosen_state != NULL && *chosen_state == '\0')
        return usage("empty --state", NULL);
    chosen->problems = chosen_only == NULL || strcmp(chosen_only, "problems") == 0;
    chosen->values = chosen_only == NULL || strcmp(chosen_only, "history") == 0;
    chosen->filter.with = &with_tags;
    chosen->filter.without = &without_tags;
    chosen->from_start = from_start;
    return -1;
}

/* The state file: as given, else in the folder of Zabbix's adapters; free(). */
static char *find_state(void) {
    const char *folder = getenv("HOOKSPOOL_ZABBIX_DIR");
    char *path = NULL;
    if (chosen_state != NULL)
        return strdup(chosen_state);
    if (folder == NULL || *folder == '\0')
        folder = HSP_DEFAULT_ZABBIX_DIR;
    return asprintf(&path, "%s/%s", folder, STATE_NAME) < 0 ? NULL : path;
}

/* Running
 * ------------------------------------------------------------------------------------ */

static bool open_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
        signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return signals >= 0;
}

/* Wait for a signal, for `fd` (-1: none) or for a time (-1: for ever); false: a signal
 * has come. */
static bool wait_for(int fd, int64_t milliseconds) {
    struct pollfd fds[] = {{.fd = signals, .events = POLLIN},
                           {.fd = fd, .events = POLLIN}};
    const int timeout = milliseconds > 3600000 ? 3600000 : (int)milliseconds;
    while (poll(fds, 2, timeout) < 0 && errno == EINTR)
        ;
    return fds[0].revents == 0;
}

static bool pause_for(int64_t milliseconds) { return wait_for(-1, milliseconds); }

static enum hs_status follow(struct hsp_exporter *exporter, struct hs_error *err) {
    enum hs_status status = HS_OK;
    do
        status = hsp_exporter_round(exporter, pause_for, err);
    while (status == HS_OK &&
           wait_for(hsp_sources_fd(exporter->sources), hsp_exporter_idle_ms(exporter)));
    hsp_ready_tell("STOPPING=1");
    if (status == HS_OK)
        hsp_exporter_settle(exporter);
    return status;
}

/* All that is there, and no more than that: a file that grows meanwhile does not keep us.
 */
static enum hs_status read_once(struct hsp_exporter *exporter, struct hs_error *err) {
    enum hs_status status = hsp_exporter_round(exporter, NULL, err);
    if (status == HS_OK)
        status = hsp_exporter_finish(exporter, err);
    return status;
}

static int exit_status(enum hs_status status) {
    static const int codes[] = {
        [HS_OK] = EX_OK,           [HS_E_NOMEM] = EX_TEMPFAIL,  [HS_E_DATA] = EX_DATAERR,
        [HS_E_CONFIG] = EX_CONFIG, [HS_E_SPOOL] = EX_CANTCREAT, [HS_E_IO] = EX_IOERR,
        [HS_E_FULL] = EX_TEMPFAIL,
    };
    return (size_t)status < sizeof(codes) / sizeof(codes[0]) ? codes[status]
                                                             : EX_SOFTWARE;
}

static int run_with(const struct hsp_exporter_options *chosen, struct hs_error *err) {
    struct hsp_exporter exporter;
    enum hs_status status = hsp_exporter_open(&exporter, chosen, err);
    if (status != HS_OK)
        return status == HS_E_IO &&
                       (err->sys_errno == ENOENT || err->sys_errno == ENOTDIR)
                   ? EX_NOINPUT
                   : exit_status(status);
    hsp_ready_tell("READY=1");
    status = once ? read_once(&exporter, err) : follow(&exporter, err);
    const bool unfinished = exporter.failing, unread = exporter.unread;
    hsp_exporter_close(&exporter);
    return status != HS_OK      ? exit_status(status)
           : once && unfinished ? UNFINISHED
           : once && unread     ? EX_NOINPUT
                                : EX_OK;
}

static int run(struct hsp_exporter_options *chosen) {
    struct hs_error err = {0};
    struct hs_config *config = NULL;
    char *state = find_state();
    int code = EX_OSERR;
    enum hs_status status =
        state == NULL ? HS_E_NOMEM : hs_config_load(&config, chosen_config, &err);
    if (status == HS_OK && chosen_spool != NULL)
        status = hs_config_set_spool_dir(config, chosen_spool, &err);
    if (status == HS_OK && hs_config_warning(config) != NULL)
        log_line(NULL, HSP_OUTBOX_WARNING, hs_config_warning(config));
    if (status == HS_OK && open_signals()) {
        chosen->config = config;
        chosen->state_path = state;
        chosen->log = log_line;
        code = run_with(chosen, &err);
    } else if (status != HS_OK) {
        code = exit_status(status);
    }
    /* Files that could not be read were told when that was. */
    const bool is_told = code == UNFINISHED || (code == EX_NOINPUT && *err.text == '\0');
    if (code != EX_OK && !is_told)
        log_line(NULL, HSP_OUTBOX_ERROR,
                 *err.text != '\0' ? err.text : hs_status_text(status));
    hs_config_free(config);
    free(state);
    return code;
}

int main(int argc, char **argv) {
    struct hsp_exporter_options chosen = {0};
    hsp_secure_descriptors();
    const int code = read_options(argc, argv, &chosen);
    return code >= 0 ? code : run(&chosen);
}
