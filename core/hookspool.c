/* SPDX-License-Identifier: MIT */
/* hookspool: see and set up a spool. One verb a row of `verbs`; the work is in delivery/.
 */
#include "config.h"

#include "delivery/control.h"
#include "delivery/flusher.h"
#include "error.h"
#include "payload.h"

#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define FAILED 2
#define DEFAULT_ACCOUNT "hookspool"

struct arguments {
    const char *config;
    const char *user, *group;
    bool json;
    char **rest; /* after the verb */
    int count;
};

static int complain(const struct hs_error *err) {
    fprintf(stderr, "hookspool: %s\n", err->text);
    return err->status == HS_E_CONFIG ? EX_CONFIG : FAILED;
}

/* The spool that the configuration names, by the adapters' forgiving way; free(). */
static char *find_spool(const struct arguments *arguments, struct hs_error *err) {
    struct hs_config *config = NULL;
    if (hs_config_load(&config, arguments->config, err) != HS_OK)
        return NULL;
    if (hs_config_warning(config) != NULL)
        fprintf(stderr, "hookspool: %s\n", hs_config_warning(config));
    char *spool = strdup(hs_config_spool_dir(config));
    hs_config_free(config);
    return spool;
}

/* init
 * -------------------------------------------------------------------------------------
 */

/* A user's name or number. -1 where it is not known. */
static bool find_user(const char *name, uid_t *uid, gid_t *gid) {
    const struct passwd *entry = getpwnam(name);
    char *end;
    unsigned long number = strtoul(name, &end, 10);
    if (entry == NULL && (*name == '\0' || *end != '\0'))
        return false;
    *uid = entry != NULL ? entry->pw_uid : (uid_t)number;
    *gid = entry != NULL ? entry->pw_gid : (gid_t)-1;
    return true;
}

static bool find_group(const char *name, gid_t *gid) {
    const struct group *entry = getgrnam(name);
    char *end;
    unsigned long number = strtoul(name, &end, 10);
    if (entry == NULL && (*name == '\0' || *end != '\0'))
        return false;
    *gid = entry != NULL ? entry->gr_gid : (gid_t)number;
    return true;
}

/* Whose the spool is to be: as asked for; else, for root, the account hookspool where
 * there is one; else the caller's. */
static bool choose_owner(const struct arguments *arguments, uid_t *uid, gid_t *gid) {
    const char *user = arguments->user;
    if (user == NULL && geteuid() == 0 && getpwnam(DEFAULT_ACCOUNT) != NULL)
        user = DEFAULT_ACCOUNT;
    if (user != NULL && !find_user(user, uid, gid)) {
        fprintf(stderr, "hookspool: init: no user '%s'\n", user);
        return false;
    }
    if (arguments->group != NULL && !find_group(arguments->group, gid)) {
        fprintf(stderr, "hookspool: init: no group '%s'\n", arguments->group);
        return false;
    }
    return true;
}

/* The journal's folder, where it is missing: the daemon's alone, for members of the group
 * may not read the journal. */
static enum hs_status init_journal(const char *journal, uid_t uid, gid_t gid,
                                   struct hs_error *err) {
    char *folder = strndup(journal, (size_t)(strrchr(journal, '/') - journal));
    if (folder == NULL)
        return hsp_fail(err, HS_E_NOMEM, "make the journal's folder: out of memory");
    enum hs_status status = HS_OK;
    if (*folder != '\0' && access(folder, F_OK) != 0) {
        status = hsp_make_path(folder, err);
        if (status == HS_OK && (chown(folder, uid, gid) != 0 || chmod(folder, 0700) != 0))
            status = hsp_fail_errno(err, HS_E_SPOOL, "set owner and mode of %s", folder);
    }
    free(folder);
    return status;
}

static int do_init(const struct arguments *arguments) {
    struct hs_error err = {0};
    uid_t uid = (uid_t)-1;
    gid_t gid = (gid_t)-1;
    if (!choose_owner(arguments, &uid, &gid))
        return FAILED;
    char *spool = find_spool(arguments, &err);
    if (spool == NULL)
        return complain(&err);
    enum hs_status status = hsp_spooldir_init(spool, uid, gid, &err);
    /* A configuration that is not right yet stops no init: the journal then is where it
     * is by default. */
    struct hsp_settings *settings = NULL;
    bool is_right = hsp_settings_load(&settings, arguments->config, NULL) == HS_OK;
    if (status == HS_OK)
        status = init_journal(is_right ? settings->journal : HSP_DEFAULT_JOURNAL, uid,
                              gid, &err);
    hsp_settings_free(settings);
    if (status == HS_OK)
        printf("%s is ready\n", spool);
    free(spool);
    return status == HS_OK ? 0 : complain(&err);
}

/* check-config
 * --------------------------------------------------------------------------------- */

static int do_check_config(const struct arguments *arguments) {
    struct hs_error err = {0};
    struct hsp_settings *settings = NULL;
    if (hsp_flusher_check(arguments->config, &settings, &err) != HS_OK) {
        fprintf(stderr, "hookspool: %s\n", err.text);
        return EX_CONFIG;
    }
    printf("%s is right: spool %s, %zu endpoints\n", settings->path, settings->spool_dir,
           settings->endpoint_count);
    for (size_t i = 0; i < settings->endpoint_count; i++)
        printf("  %s  %s\n", settings->endpoints[i].name,
               settings->endpoints[i].shown_url);
    hsp_settings_free(settings);
    return 0;
}

/* status
 * ----------------------------------------------------------------------------------------
 */

static const char *text_of(json_object *object, const char *key) {
    json_object *value = NULL;
    json_object_object_get_ex(object, key, &value);
    return value != NULL ? json_object_get_string(value) : "-";
}

/* "2026-01-15T10:30:15.000Z" as "10m 5s ago" or "in 3s". */
static const char *relative(const char *time, char text[32]) {
    char seconds_only[HSP_TIME_LENGTH + 1];
    int64_t at_s;
    snprintf(seconds_only, sizeof seconds_only, "%.19sZ", time);
    if (!hsp_parse_time(seconds_only, &at_s))
        return "-";
    int64_t ago_s = hsp_now_ms(CLOCK_REALTIME) / 1000 - at_s;
    int64_t s = ago_s < 0 ? -ago_s : ago_s;
    if (s < 60)
        snprintf(text, 32, "%" PRId64 "s", s);
    else if (s < 3600)
        snprintf(text, 32, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
    else
        snprintf(text, 32, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
    return text;
}

static void print_endpoint(const char *name, json_object *endpoint) {
    char oldest[32], next[32], rate[48];
    snprintf(rate, sizeof rate, "%s/%s", text_of(endpoint, "rate_used"),
             text_of(endpoint, "rate_limit"));
    printf("%-20s %-14s %8s %8s %8s %8s %8s %9s %8s  %s\n", name,
           text_of(endpoint, "state"), text_of(endpoint, "pending"),
           relative(text_of(endpoint, "oldest_at"), oldest), text_of(endpoint, "sent"),
           text_of(endpoint, "failed"), text_of(endpoint, "dead"), rate,
           relative(text_of(endpoint, "next_attempt_at"), next),
           text_of(endpoint, "last_error"));
}

static void print_status(json_object *status, const char *spool, bool served) {
    char since[32];
    printf("%s: hookspoold %s, status of %s ago\n", spool,
           served ? "is running" : "is NOT RUNNING",
           relative(text_of(status, "updated_at"), since));
    printf("incoming %s, corrupt %s, space %s\n\n", text_of(status, "incoming"),
           text_of(status, "corrupt"), text_of(status, "space"));
    printf("%-20s %-14s %8s %8s %8s %8s %8s %9s %8s  %s\n", "ENDPOINT", "STATE",
           "PENDING", "OLDEST", "SENT", "FAILED", "DEAD", "RATE", "NEXT", "LAST ERROR");
    json_object *endpoints = NULL;
    if (!json_object_object_get_ex(status, "endpoints", &endpoints))
        return;
    json_object_object_foreach(endpoints, name, endpoint) print_endpoint(name, endpoint);
}

/* From the daemon where one runs, else what it wrote last. The caller's. */
static json_object *get_status(const char *spool, bool served, struct hs_error *err) {
    char *text = NULL, path[4096];
    size_t length = 0;
    if (served && hsp_control_ask(spool, "{\"verb\":\"status\"}", &text, err) != HS_OK)
        return NULL;
    snprintf(path, sizeof path, "%s/status.json", spool);
    if (!served)
        text = hsp_read_file(AT_FDCWD, path, 64 * 1024 * 1024, &length, NULL);
    if (text == NULL) {
        hsp_fail_errno(err, HS_E_SPOOL, "no hookspoold runs on %s; read %s", spool, path);
        return NULL;
    }
    length = strcspn(text, "\n");
    json_object *object = hsp_json_parse(text, length, err), *inner = NULL;
    free(text);
    if (served && object != NULL && json_object_object_get_ex(object, "status", &inner)) {
        json_object_get(inner);
        json_object_put(object);
        object = inner;
    }
    return object;
}

static int do_status(const struct arguments *arguments) {
    struct hs_error err = {0};
    char *spool = find_spool(arguments, &err);
    if (spool == NULL)
        return complain(&err);
    bool served = hsp_spooldir_is_served(spool);
    json_object *status = get_status(spool, served, &err);
    if (status != NULL && arguments->json)
        puts(hsp_json_text(status, &(size_t){0}));
    else if (status != NULL)
        print_status(status, spool, served);
    free(spool);
    if (status == NULL)
        return complain(&err);
    json_object_put(status);
    return served ? 0 : 1;
}

/* pause, resume, reload
 * ------------------------------------------------------------------------ */

static int command(const struct arguments *arguments, const char *verb,
                   const char *endpoint) {
    struct hs_error err = {0};
    char *spool = find_spool(arguments, &err), *text = NULL;
    json_object *request = json_object_new_object(), *answer = NULL, *error = NULL;
    json_object_object_add(request, "verb", json_object_new_string(verb));
    if (endpoint != NULL)
        json_object_object_add(request, "endpoint", json_object_new_string(endpoint));
    if (spool != NULL && hsp_control_ask(spool, hsp_json_text(request, &(size_t){0}),
                                         &text, &err) == HS_OK)
        answer = hsp_json_parse(text, strcspn(text, "\n"), &err);
    int result = 0;
    if (answer == NULL) {
        result = complain(&err);
    } else if (json_object_object_get_ex(answer, "error", &error)) {
        fprintf(stderr, "hookspool: %s: %s\n", verb, json_object_get_string(error));
        result = FAILED;
    }
    json_object_put(answer);
    json_object_put(request);
    free(text);
    free(spool);
    return result;
}

static int do_pause(const struct arguments *arguments) {
    return command(arguments, "pause", arguments->rest[0]);
}

static int do_resume(const struct arguments *arguments) {
    return command(arguments, "resume", arguments->rest[0]);
}

static int do_reload(const struct arguments *arguments) {
    return command(arguments, "reload", NULL);
}

/* Verbs and options
 * ------------------------------------------------------------------------------ */

static const struct verb {
    const char *name;
    int operands;
    int (*run)(const struct arguments *);
    const char *synopsis, *help;
} verbs[] = {
    {"init", 0, do_init, "init [--user USER] [--group GROUP]",
     "make the folders of spool and journal, with their owner and modes"},
    {"check-config", 0, do_check_config, "check-config",
     "read the configuration as hookspoold would"},
    {"status", 0, do_status, "status [--json]", "what waits, where, and why"},
    {"pause", 1, do_pause, "pause ENDPOINT", "send nothing to it until resume"},
    {"resume", 1, do_resume, "resume ENDPOINT",
     "send again, whatever state the endpoint is in"},
    {"reload", 0, do_reload, "reload", "read the configuration again"},
};

static const char options_help[] =
    "\n"
    "  -c, --config FILE   configuration (default: $HOOKSPOOL_CONFIG, else\n"
    "                      " HSP_DEFAULT_CONFIG ")\n"
    "      --user USER     init: owner of the spool (default for root: " DEFAULT_ACCOUNT
    ")\n"
    "      --group GROUP   init: group whose members may add events\n"
    "      --json          status: for machines\n"
    "  -h, --help          this text\n"
    "  -V, --version       the version\n"
    "\n"
    "Exit status: 0 done, 1 only in part (status: hookspoold is not running), 2 failed,\n"
    "64 usage, 78 configuration.\n";

static int print_usage(FILE *stream) {
    fputs("usage: hookspool [-c FILE] VERB [options]\n\n", stream);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        fprintf(stream, "  %-36s %s\n", verbs[i].synopsis, verbs[i].help);
    fputs(options_help, stream);
    return stream == stdout ? 0 : EX_USAGE;
}

enum { OPTION_USER = 256, OPTION_GROUP, OPTION_JSON };

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"user", required_argument, NULL, OPTION_USER},
    {"group", required_argument, NULL, OPTION_GROUP},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static int run_verb(struct arguments *arguments, int argc, char **argv) {
    const struct verb *verb = NULL;
    for (size_t i = 0; argc > 0 && i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, argv[0]) == 0)
            verb = &verbs[i];
    if (verb == NULL || argc - 1 != verb->operands) {
        if (argc > 0)
            fprintf(stderr, "hookspool: %s '%s'\n",
                    verb == NULL ? "unknown verb" : "wrong number of operands for",
                    argv[0]);
        return print_usage(stderr);
    }
    arguments->rest = argv + 1;
    arguments->count = argc - 1;
    return verb->run(arguments);
}

int main(int argc, char **argv) {
    struct arguments arguments = {0};
    for (int option; (option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1;) {
        switch (option) {
        case 'c':
            arguments.config = optarg;
            break;
        case OPTION_USER:
            arguments.user = optarg;
            break;
        case OPTION_GROUP:
            arguments.group = optarg;
            break;
        case OPTION_JSON:
            arguments.json = true;
            break;
        case 'h':
            return print_usage(stdout);
        case 'V':
            puts(PACKAGE_STRING);
            return 0;
        default:
            return print_usage(stderr);
        }
    }
    return run_verb(&arguments, argc - optind, argv + optind);
}
