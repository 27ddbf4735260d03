/* SPDX-License-Identifier: MIT */
/* check_hookspool: a Nagios plugin by the Monitoring Plugins guidelines. It reads what
 * members of the group may read, prints one line that begins with the worst, performance
 * data behind it, and always ends in time. All it says goes to stdout, where the
 * monitoring system looks. */
#include "config.h"

#include "check_judge.h"

#include "buffer.h"
#include "conf.h"
#include "error.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "check_hookspool"
#define TIMEOUT_S 10
#define TIMEOUT_MOST_S 3600
#define TOLD 4 /* findings in the first line, without -v */

static const char *config, *spool_option;
static struct hsp_option_list warnings, criticals, names;
static int64_t timeout_s = TIMEOUT_S;
static int verbosity;
static bool want_help, want_version;

static const struct hsp_option options[] = {
    {'w', "warning", "METRIC=RANGE,...", "WARNING outside of it; may be repeated",
     HSP_OPTION_LIST, &warnings},
    {'c', "critical", "METRIC=RANGE,...", "CRITICAL outside of it; likewise",
     HSP_OPTION_LIST, &criticals},
    {'e', "endpoint", "NAME", "look at this endpoint only; may be repeated",
     HSP_OPTION_LIST, &names},
    {'s', "spool", "DIR", "the spool (default: as the configuration says)",
     HSP_OPTION_TEXT, &spool_option},
    {'\0', "config", "FILE",
     "configuration (default: $HOOKSPOOL_CONFIG, else\n" HSP_DEFAULT_CONFIG ")",
     HSP_OPTION_TEXT, &config},
    {'t', "timeout", "SECONDS", "end after so long (default: 10)", HSP_OPTION_NUMBER,
     &timeout_s},
    {'v', "verbose", NULL,
     "tell all that is wrong; -vv: a line an endpoint;\n-vvv: where it is known from",
     HSP_OPTION_COUNT, &verbosity},
    {'h', "help", NULL, "this text", HSP_OPTION_FLAG, &want_help},
    {'V', "version", NULL, "the version", HSP_OPTION_FLAG, &want_version},
    {.name = NULL},
};

static const char *const words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

static int print_help(void) {
    puts("usage: " NAME " [OPTION...]\n\n"
         "Check hookspoold and its spool: is it running, what waits, for how long, is\n"
         "an endpoint in trouble. -v says more, and may be repeated.\n");
    hsp_options_print(options, stdout);
    puts("\nMetrics, with what is a WARNING and CRITICAL by default:\n");
    hsp_thresholds_print(stdout);
    puts(
        "\nA range is 10 (alert above 10 or below 0), 10: (below 10), ~:10 (above 10),\n"
        "10:20 (outside) or @10:20 (inside); ages take s, m, h and d; nothing: no "
        "alert.\n"
        "Always CRITICAL: hookspoold does not run or answer, an endpoint misconfigured\n"
        "or gone, a queue or the dead letters 80 % full. Always WARNING: an endpoint in\n"
        "backoff, paused or orphaned.\n\n"
        "Exit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, and after -h and -V.");
    return HSP_UNKNOWN;
}

/* One line that says why nothing is known. */
static int fail(const char *text, const char *more) {
    struct hs_error line = {0};
    hsp_fail(&line, HS_E_DATA, "%s%s%s", text, *more != '\0' ? "; " : "", more);
    for (char *at = line.text; (at = strchr(at, '|')) != NULL;)
        *at = '/';
    printf("HOOKSPOOL UNKNOWN - %s\n", line.text);
    return HSP_UNKNOWN;
}

/* The disk does not answer; the daemon has less time than this. */
static void give_up(int number) {
    static const char text[] = "HOOKSPOOL UNKNOWN - no result in time (see -t)\n";
    (void)number;
    if (write(STDOUT_FILENO, text, sizeof text - 1) < 0)
        _exit(HSP_UNKNOWN);
    _exit(HSP_UNKNOWN);
}

/* What is told
 * ---------------------------------------------------------------------------- */

static void print_summary(const struct hsp_status *status,
                          const struct hsp_result *result) {
    int64_t pending = 0, dead = 0;
    size_t endpoints = 0;
    for (size_t i = 0; i < status->endpoint_count; i++) {
        const struct hsp_endpoint_status *e = &status->endpoints[i];
        if (!hsp_check_is_wanted(&names, e->name))
            continue;
        endpoints++;
        pending += e->pending;
        dead += e->dead;
    }
    if (result->count == 0)
        printf("%zu endpoint%s ok, %" PRId64 " pending, %" PRId64 " dead", endpoints,
               endpoints == 1 ? "" : "s", pending, dead);
    size_t told = verbosity > 0 || result->count <= TOLD ? result->count : TOLD;
    for (size_t i = 0; i < told; i++)
        printf("%s%s", i > 0 ? "; " : "", result->findings[i].text);
    if (told < result->count)
        printf("; and %zu more", result->count - told);
}

static const char *ago(const struct hsp_status *status, int64_t at,
                       char text[HSP_SPAN_LENGTH]) {
    return at == HSP_NO_TIME ? "never" : hsp_span_text(status->read_at - at, text);
}

/* A text of the status, in a line that performance data could follow. */
static void print_plain(const char *text) {
    for (; *text != '\0'; text++)
        putchar(*text == '|' ? '/' : *text);
}

static void print_endpoints(const struct hsp_status *status) {
    char oldest[HSP_SPAN_LENGTH], success[HSP_SPAN_LENGTH];
    for (size_t i = 0; i < status->endpoint_count; i++) {
        const struct hsp_endpoint_status *e = &status->endpoints[i];
        if (!hsp_check_is_wanted(&names, e->name))
            continue;
        printf("%s: %s, %" PRId64 " pending, oldest %s, %" PRId64 " sent, %" PRId64
               " failed, %" PRId64 " dead, last success %s%s",
               e->name, e->state, e->pending,
               e->oldest_at == HSP_NO_TIME ? "-" : ago(status, e->oldest_at, oldest),
               e->sent, e->failed, e->dead, ago(status, e->last_success_at, success),
               e->last_success_at == HSP_NO_TIME ? "" : " ago");
        if (e->last_error[0] != '\0')
            printf(", last error: ");
        print_plain(e->last_error);
        putchar('\n');
    }
}

static void print_source(const struct hsp_status *status, const char *spool,
                         const char *warning) {
    static const char *const sources[] = {"no status is there", "status.json",
                                          "the control socket"};
    char text[HSP_SPAN_LENGTH];
    printf("spool: ");
    print_plain(spool);
    printf("\nknown from: %s\n", sources[status->source]);
    if (status->source != HSP_STATUS_NONE) {
        printf("hookspoold: ");
        print_plain(status->daemon);
        printf(", pid %" PRId64 ", started %s ago\n", status->pid,
               ago(status, status->started_at, text));
    }
    if (status->silence.status != HS_OK) {
        printf("not asked: ");
        print_plain(status->silence.text);
        putchar('\n');
    }
    if (*warning != '\0') {
        printf("configuration: ");
        print_plain(warning);
        putchar('\n');
    }
}

static int print_result(const struct hsp_status *status, const struct hsp_result *result,
                        const char *spool, const char *warning) {
    enum hsp_severity worst = result->count > 0 ? result->findings[0].severity : HSP_OKAY;
    printf("HOOKSPOOL %s - ", words[worst]);
    print_summary(status, result);
    if (result->perfdata.length > 0)
        printf(" | %s", result->perfdata.data);
    putchar('\n');
    if (verbosity >= 2)
        print_endpoints(status);
    if (verbosity >= 3)
        print_source(status, spool, warning);
    return (int)worst;
}

/* What is done
 * ----------------------------------------------------------------------------- */

static enum hs_status read_thresholds(struct hsp_thresholds *thresholds,
                                      struct hs_error *err) {
    enum hs_status status = HS_OK;
    hsp_thresholds_default(thresholds);
    for (size_t i = 0; status == HS_OK && i < warnings.count; i++)
        status = hsp_thresholds_set(thresholds->warning, warnings.items[i], err);
    for (size_t i = 0; status == HS_OK && i < criticals.count; i++)
        status = hsp_thresholds_set(thresholds->critical, criticals.items[i], err);
    if (status == HS_OK && (timeout_s < 1 || timeout_s > TIMEOUT_MOST_S))
        status = hsp_fail(err, HS_E_DATA, "--timeout: 1 to %d seconds", TIMEOUT_MOST_S);
    return status;
}

/* Every endpoint that was named has to be there, where a status is. */
static enum hs_status check_names(const struct hsp_status *status, struct hs_error *err) {
    for (size_t i = 0; i < names.count; i++)
        if (status->source != HSP_STATUS_NONE &&
            hsp_status_find(status, names.items[i]) == NULL)
            return hsp_fail(err, HS_E_DATA, "no endpoint '%s' in the status",
                            names.items[i]);
    return HS_OK;
}

static int check(const struct hsp_thresholds *thresholds, const char *spool,
                 const char *warning) {
    struct hs_error err = {0};
    struct hsp_status status = {0};
    struct hsp_result result = {0};
    int exit_status = HSP_UNKNOWN;
    /* The daemon gets a bit less than all: that it hangs is worse than not knowing. */
    int patience_ms = (int)timeout_s * 1000 - (timeout_s > 3 ? 1000 : 250);
    enum hs_status done = hsp_status_get(&status, spool, patience_ms, &err);
    if (done == HS_OK)
        done = check_names(&status, &err);
    if (done == HS_OK)
        hsp_check_judge(&result, &status, thresholds, &names);
    if (done == HS_E_DATA && status.service == HSP_NOT_SERVED) {
        printf("HOOKSPOOL CRITICAL - hookspoold is not running; ");
        print_plain(err.text);
        putchar('\n');
        exit_status = HSP_CRITICAL;
    } else if (done != HS_OK || result.failed) {
        exit_status = fail(done != HS_OK ? err.text : "out of memory", warning);
    } else {
        exit_status = print_result(&status, &result, spool, warning);
    }
    hsp_result_free(&result);
    hsp_status_free(&status);
    return exit_status;
}

/* With the spool that the options or the configuration name. */
static int check_spool(const struct hsp_thresholds *thresholds) {
    struct hs_error err = {0};
    struct hs_config *settings = NULL;
    if (spool_option != NULL)
        return *spool_option == '/' ? check(thresholds, spool_option, "")
                                    : fail("--spool: not an absolute path", "");
    if (hsp_conf_check_named(config, &err) != HS_OK)
        return fail(err.text, "");
    if (hs_config_load(&settings, config, &err) != HS_OK)
        return fail(err.text, "");
    const char *warning = hs_config_warning(settings);
    int exit_status =
        check(thresholds, hs_config_spool_dir(settings), warning != NULL ? warning : "");
    hs_config_free(settings);
    return exit_status;
}

int main(int argc, char **argv) {
    struct hs_error err = {0};
    struct hsp_thresholds thresholds = {0};
    int first = hsp_options_read(options, NULL, argc, argv, true, &err);
    if (first < 0)
        return fail(err.text, "see " NAME " --help");
    if (want_help)
        return print_help();
    if (want_version) {
        puts(NAME " (" PACKAGE_STRING ")");
        return HSP_UNKNOWN;
    }
    if (first < argc)
        return fail("this takes options only", "see " NAME " --help");
    if (read_thresholds(&thresholds, &err) != HS_OK)
        return fail(err.text, "");
    signal(SIGALRM, give_up);
    alarm((unsigned)timeout_s);
    int exit_status = check_spool(&thresholds);
    return fflush(stdout) == 0 ? exit_status : HSP_UNKNOWN;
}
