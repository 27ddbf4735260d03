/* SPDX-License-Identifier: MIT */
/* hookspool log: the delivery journal, filtered and followed. Entries are read, matched
 * and printed one by one. */
#include "config.h"

#include "cli.h"
#include "journal_entry.h"
#include "journal_reader.h"
#include "journal_watch.h"

#include "../delivery/journal.h"
#include "../delivery/settings.h"
#include "../error.h"
#include "../units.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLLOW_LINES 10 /* as tail and journalctl show before they follow */

static bool follow, as_json;
static int64_t count = -1;
static const char *since, *until;
static struct hsp_journal_filter filter = {.since_ms = -1, .until_ms = -1};

static volatile sig_atomic_t interrupted;

static void note_signal(int number) {
    (void)number;
    interrupted = 1;
}

/* What is wanted
 * ------------------------------------------------------------------------ */

/* A time, or how long ago. */
static bool read_time(const char *text, int64_t now_ms, int64_t *utc_ms) {
    int64_t ago_ms;
    if (text == NULL || hsp_parse_time_ms(text, utc_ms))
        return true;
    if (!hsp_parse_duration(text, &ago_ms))
        return false;
    *utc_ms = now_ms > ago_ms ? now_ms - ago_ms : 0;
    return true;
}

static bool is_word(const char *text) {
    for (const char *const *word = hsp_journal_words; *word != NULL; word++)
        if (strcmp(*word, text) == 0)
            return true;
    return false;
}

static bool is_kind(const char *text) { return hs_kind_parse(text) >= 0; }

/* A word that the journal cannot have is a slip, which must not look like "nothing". */
static const struct check {
    enum hsp_journal_field field;
    const char *option;
    bool (*is_right)(const char *text);
    const char *allowed; /* NULL: the words of the journal */
} checks[] = {
    {HSP_JOURNAL_WHAT, "what", is_word, NULL},
    {HSP_JOURNAL_ENDPOINT, "endpoint", hsp_endpoint_name_ok, "an endpoint's name"},
    {HSP_JOURNAL_KIND, "kind", is_kind,
     "incident, recovery, acknowledgement, downtime, flapping, custom, test, other or "
     "unchanged"},
};

static int refuse(const struct hsp_cli *cli, const struct check *check,
                  const char *text) {
    if (check->allowed != NULL)
        return hsp_cli_misuse(cli, "--%s: '%s' is not %s", check->option, text,
                              check->allowed);
    struct hsp_buffer words = {0};
    for (const char *const *word = hsp_journal_words; *word != NULL; word++)
        hsp_buffer_print(&words, "%s%s", word == hsp_journal_words ? "" : ", ", *word);
    int result = hsp_cli_misuse(cli, "--%s: '%s' is none of %s", check->option, text,
                                words.data != NULL ? words.data : "the words");
    hsp_buffer_free(&words);
    return result;
}

/* 0, or the exit status of a mistake. */
static int check_options(const struct hsp_cli *cli) {
    int64_t now_ms = hsp_now_ms(CLOCK_REALTIME);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        const struct hsp_option_list *list = &filter.lists[checks[i].field];
        for (size_t j = 0; j < list->count; j++)
            if (!checks[i].is_right(list->items[j]))
                return refuse(cli, &checks[i], list->items[j]);
    }
    static const char form[] = "a time like 2024-01-15T10:30:15Z, nor a duration like 2h";
    if (!read_time(since, now_ms, &filter.since_ms))
        return hsp_cli_misuse(cli, "--since: '%s' is not %s", since, form);
    if (!read_time(until, now_ms, &filter.until_ms))
        return hsp_cli_misuse(cli, "--until: '%s' is not %s", until, form);
    if (until != NULL && follow)
        return hsp_cli_misuse(cli, "--follow has no end: leave out --until");
    if (until != NULL && filter.since_ms > filter.until_ms)
        return hsp_cli_misuse(cli, "--since is later than --until");
    return 0;
}

/* The journal of the configuration. One that has a mistake somewhere is no reason to show
 * nothing: who looks here may be looking for it. free(). */
static char *find_journal(const struct hsp_cli *cli, struct hs_error *err) {
    struct hsp_settings *settings = NULL;
    struct hs_error wrong = {0};
    char *journal;
    if (hsp_settings_load(&settings, cli->config, &wrong) == HS_OK) {
        journal = strdup(settings->journal);
    } else {
        journal = hsp_settings_guess_journal(cli->config);
        if (journal != NULL)
            fprintf(stderr, "hookspool: log: %s; reading %s\n", wrong.text, journal);
    }
    hsp_settings_free(settings);
    if (journal == NULL)
        hsp_fail(err, HS_E_NOMEM, "find the journal: out of memory");
    return journal;
}

/* Reading
 * ------------------------------------------------------------------------------- */

struct session {
    struct hsp_journal_reader *reader;
    json_tokener *tokener;
    struct hsp_journal_layout layout;
    struct hsp_buffer text; /* of one entry */
    int64_t shown, broken;
};

static bool matches(void *context, const struct hsp_line *line) {
    struct session *session = context;
    json_object *entry = NULL;
    bool matched =
        hsp_journal_line_may_match(line, &filter) &&
        hsp_journal_entry_parse(&entry, session->tokener, line, NULL) == HS_OK &&
        entry != NULL && hsp_journal_entry_matches(entry, &filter);
    json_object_put(entry);
    return matched;
}

static enum hs_status show(struct session *session, const struct hsp_line *line,
                           json_object *entry, struct hs_error *err) {
    struct hsp_buffer *text = &session->text;
    hsp_buffer_clear(text);
    if (as_json) {
        size_t nuls = 0; /* what a crash has left before it */
        while (line->text[nuls] == '\0')
            nuls++;
        hsp_buffer_append(text, line->text + nuls, line->length - nuls);
        hsp_buffer_append(text, "\n", 1);
    } else {
        hsp_journal_entry_print(entry, &session->layout, text);
    }
    if (text->failed)
        return hsp_fail(err, HS_E_NOMEM, "show the journal: out of memory");
    fwrite(text->data, 1, text->length, stdout);
    session->shown++;
    return HS_OK;
}

static enum hs_status take(struct session *session, const struct hsp_line *line,
                           bool is_long, struct hs_error *err) {
    json_object *entry = NULL;
    enum hs_status status = HS_OK;
    if (is_long || hsp_journal_entry_parse(&entry, session->tokener, line, NULL) != HS_OK)
        session->broken++;
    else if (entry != NULL && hsp_journal_entry_matches(entry, &filter))
        status = show(session, line, entry, err);
    json_object_put(entry);
    return status;
}

/* Show all that is there now. False: it failed, or there is no use in going on. */
static bool drain(struct session *session, struct hs_error *err) {
    struct hsp_line line;
    enum hsp_lines_step step = HSP_LINES_ONE;
    enum hs_status status = HS_OK;
    while (status == HS_OK && !interrupted && !ferror(stdout)) {
        step = hsp_journal_reader_next(session->reader, &line, err);
        if (step != HSP_LINES_ONE && step != HSP_LINES_LONG)
            break;
        status = take(session, &line, step == HSP_LINES_LONG, err);
    }
    if (status != HS_OK || step == HSP_LINES_FAILED || interrupted)
        return false;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        if (errno != EPIPE && !interrupted)
            hsp_fail_errno(err, HS_E_IO, "write to standard output");
        return false;
    }
    return true;
}

/* A second signal ends the program at once, whatever it waits for. */
static void catch_signals(void) {
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void keep_following(struct session *session, struct hsp_journal_watch *watch,
                           struct hs_error *err) {
    sigset_t blocked, before;
    bool goes_on = true;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_SETMASK, NULL, &before);
    while (goes_on && drain(session, err)) {
        sigprocmask(SIG_BLOCK, &blocked, NULL);
        if (!interrupted)
            goes_on = hsp_journal_watch_wait(watch, STDOUT_FILENO, &before);
        sigprocmask(SIG_SETMASK, &before, NULL);
    }
}

/* The verb
 * ------------------------------------------------------------------------------ */

/* Open the journal and find the place to begin. */
static enum hs_status begin(struct session *session, const char *path,
                            struct hs_error *err) {
    if (count < 0 && follow && since == NULL)
        count = FOLLOW_LINES;
    session->layout.colour = hsp_cli_has_colour();
    session->tokener = json_tokener_new();
    if (session->tokener == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read journal %s: out of memory", path);
    enum hs_status status = hsp_journal_reader_open(&session->reader, path, follow, err);
    if (status != HS_OK)
        return status;
    if (hsp_journal_reader_is_missing(session->reader)) {
        if (!follow)
            return hsp_fail(err, HS_E_IO,
                            "there is no journal %s; hookspoold makes it when it starts",
                            path);
        fprintf(stderr, "hookspool: log: waiting for journal %s\n", path);
    }
    if (hsp_journal_reader_warning(session->reader) != NULL)
        fprintf(stderr, "hookspool: log: %s\n",
                hsp_journal_reader_warning(session->reader));
    if (count >= 0)
        status = hsp_journal_reader_tail(session->reader, count, matches, session, err);
    return status;
}

static int run(const struct hsp_cli *cli, const char *path) {
    struct hs_error err = {0};
    struct session session = {0};
    struct hsp_journal_watch watch = {.fd = -1};
    signal(SIGPIPE, SIG_IGN); /* head has seen enough: no failure */
    if (follow)
        catch_signals();
    if (!follow || hsp_journal_watch_open(&watch, path, &err) == HS_OK) {
        if (begin(&session, path, &err) == HS_OK) {
            if (follow)
                keep_following(&session, &watch, &err);
            else
                (void)!drain(&session, &err);
        }
    }
    if (session.broken > 0 && !ferror(stdout))
        fprintf(stderr, "hookspool: log: %" PRId64 " line%s skipped: no JSON\n",
                session.broken, hsp_plural(session.broken));
    hsp_journal_watch_close(&watch);
    hsp_journal_reader_close(session.reader);
    if (session.tokener != NULL)
        json_tokener_free(session.tokener);
    hsp_buffer_free(&session.text);
    if (err.status != HS_OK)
        return hsp_cli_complain(cli, &err);
    return session.shown > 0 || interrupted ? 0 : HSP_EXIT_PARTLY;
}

static int do_log(const struct hsp_cli *cli) {
    struct hs_error err = {0};
    int result = check_options(cli);
    if (result != 0)
        return result;
    char *path = find_journal(cli, &err);
    if (path == NULL)
        return hsp_cli_complain(cli, &err);
    result = run(cli, path);
    free(path);
    return result;
}

static const struct hsp_option options[] = {
    {'f', "follow", NULL, "go on as entries come; begin with the last 10",
     HSP_OPTION_FLAG, &follow},
    {'n', "lines", "N", "only the last N that match", HSP_OPTION_NUMBER, &count},
    {'\0', "since", "TIME", "from then on: 2024-01-15T10:30:15Z, or 2h ago",
     HSP_OPTION_TEXT, &since},
    {'\0', "until", "TIME", "up to then", HSP_OPTION_TEXT, &until},
    {'e', "endpoint", "NAME", "of this endpoint; may be given again", HSP_OPTION_LIST,
     &filter.lists[HSP_JOURNAL_ENDPOINT]},
    {'\0', "what", "WORD", "delivered, failed, dead, …; may be given again",
     HSP_OPTION_LIST, &filter.lists[HSP_JOURNAL_WHAT]},
    {'p', "problems", NULL, "all that is neither delivered, filtered nor folded",
     HSP_OPTION_FLAG, &filter.problems},
    {'\0', "kind", "KIND", "incident, recovery, …; may be given again", HSP_OPTION_LIST,
     &filter.lists[HSP_JOURNAL_KIND]},
    {'\0', "monitor", "ID", "of this monitor; may be given again", HSP_OPTION_LIST,
     &filter.lists[HSP_JOURNAL_MONITOR]},
    {'\0', "id", "ID", "of this event; may be given again", HSP_OPTION_LIST,
     &filter.lists[HSP_JOURNAL_ID]},
    {'\0', "json", NULL, "the lines as they are", HSP_OPTION_FLAG, &as_json},
    {.name = NULL},
};

const struct hsp_verb hsp_verb_log = {
    "log", "", 0, 0, "what was done with every event: the journal", do_log, options};
