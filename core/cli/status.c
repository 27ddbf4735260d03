/* SPDX-License-Identifier: MIT */
/* hookspool status: what waits, where, and why. Each showing is made whole in memory
 * first, so that a file gets all of it and a terminal does not flicker. */
#include "config.h"

#include "cli.h"
#include "status.h"

#include "../error.h"
#include "../file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 3000 /* for a daemon that hangs: the reader has ten seconds */
#define EVERY_MS 2000
#define EVERY_LEAST_MS 100
#define FILE_MODE 0644

static bool as_json, as_prometheus, watch;
static int64_t every_ms;
static const char *output;

static volatile sig_atomic_t interrupted;

static void note_signal(int number) {
    (void)number;
    interrupted = 1;
}

/* What is shown
 * --------------------------------------------------------------------------- */

/* The page that belongs to the terminal, if there is one. */
static void fit(struct hsp_status_page *page, int *rows) {
    *rows = 0;
    if (output != NULL || !isatty(STDOUT_FILENO))
        return;
    struct winsize size = {0};
    const char *columns = getenv("COLUMNS");
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        page->columns = size.ws_col;
    else
        page->columns = columns != NULL && atoi(columns) > 0 ? atoi(columns) : 80;
    *rows = size.ws_row;
    page->colour = hsp_cli_has_colour();
}

static enum hs_status render(const struct hsp_status_page *page, FILE *out,
                             struct hs_error *err) {
    const struct hsp_status *status = page->status;
    if (as_json && status->json == NULL)
        return hsp_fail(err, HS_E_SPOOL, "hookspoold %s on %s, and has left no status",
                        status->service == HSP_SERVED ? "does not answer"
                                                      : "does not run",
                        page->spool);
    if (as_json)
        fprintf(out, "%s\n", hsp_json_text(status->json, &(size_t){0}));
    else if (as_prometheus)
        hsp_status_prometheus(page, out);
    else
        hsp_status_table(page, out);
    if ((as_json || as_prometheus) && status->silence.status != HS_OK)
        fprintf(stderr, "hookspool: status: %s; this is what it wrote last\n",
                status->silence.text);
    return HS_OK;
}

/* Find out and put it into words; `text` is the caller's. The result is the exit status
 * that belongs to it, or below 0: `err` says why there is none. */
static int look(const struct hsp_cli *cli, const char *spool, int *rows, char **text,
                struct hs_error *err) {
    struct hsp_status status = {0};
    struct hsp_status_page page = {
        .status = &status, .spool = spool, .config = cli->config};
    size_t length = 0;
    int result = -1;
    FILE *out = open_memstream(text, &length);
    if (out == NULL) {
        hsp_fail(err, HS_E_NOMEM, "show the status: out of memory");
        return -1;
    }
    fit(&page, rows);
    enum hs_status done = hsp_status_get(&status, spool, PATIENCE_MS, err);
    if (done == HS_OK)
        done = render(&page, out, err);
    if (fclose(out) != 0 && done == HS_OK)
        done = hsp_fail(err, HS_E_NOMEM, "show the status: out of memory");
    bool is_well = status.source == HSP_STATUS_SOCKET || as_prometheus;
    if (done == HS_OK)
        result = is_well ? 0 : HSP_EXIT_PARTLY;
    hsp_status_free(&status);
    return result;
}

/* Where it goes
 * --------------------------------------------------------------------------- */

/* Beside the file first, then in its place: whoever reads it sees the old or the new. */
static enum hs_status write_file(const char *text, struct hs_error *err) {
    const char *slash = strrchr(output, '/');
    const char *name = slash != NULL ? slash + 1 : output;
    char *folder =
        slash == NULL ? strdup(".") : strndup(output, (size_t)(slash - output) + 1);
    int fd = folder == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum hs_status status = HS_OK;
    if (fd < 0)
        status = hsp_fail_errno(err, HS_E_IO, "open the folder of %s", output);
    else
        status = hsp_replace_file(fd, name, FILE_MODE, text, strlen(text), false, err);
    if (fd >= 0)
        close(fd);
    free(folder);
    return status;
}

/* From the top of the terminal, as far as it reaches; what stood there goes. */
static void redraw(const char *text, int rows) {
    fputs("\033[H", stdout);
    for (int row = 1; *text != '\0' && (rows == 0 || row < rows); row++) {
        size_t length = strcspn(text, "\n");
        printf("%.*s\033[K\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
    fputs("\033[J", stdout);
}

static enum hs_status show(const char *text, int rows, bool again, struct hs_error *err) {
    if (output != NULL)
        return write_file(text, err);
    if (watch && rows > 0)
        redraw(text, rows);
    else
        printf("%s%s", again && !as_json ? "\n" : "", text);
    if (fflush(stdout) != 0)
        return hsp_fail_errno(err, HS_E_IO, "write the status");
    return HS_OK;
}

static int once(const struct hsp_cli *cli, const char *spool, bool again) {
    struct hs_error err = {0};
    char *text = NULL;
    int rows = 0;
    int result = look(cli, spool, &rows, &text, &err);
    if (result >= 0 && show(text, rows, again, &err) != HS_OK)
        result = -1;
    free(text);
    if (result < 0 && err.sys_errno == EPIPE && watch)
        return HSP_EXIT_FAILED; /* the reader has seen enough */
    return result < 0 ? hsp_cli_complain(cli, &err) : result;
}

static int keep_watching(const struct hsp_cli *cli, const char *spool) {
    /* A second signal ends the program at once, whatever it waits for. */
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (output == NULL && isatty(STDOUT_FILENO))
        fputs("\033[2J", stdout);
    struct timespec pause = {.tv_sec = every_ms / 1000,
                             .tv_nsec = every_ms % 1000 * 1000000};
    int result = once(cli, spool, false);
    while (!interrupted && result != HSP_EXIT_FAILED) {
        nanosleep(&pause, NULL);
        if (!interrupted)
            result = once(cli, spool, true);
    }
    return interrupted ? 0 : result;
}

static int do_status(const struct hsp_cli *cli) {
    struct hs_error err = {0};
    if (as_json && as_prometheus)
        return hsp_cli_misuse(cli, "--json and --prometheus are two forms: choose one");
    if (every_ms != 0 && !watch)
        return hsp_cli_misuse(cli, "--every says how often --watch looks");
    if (watch && as_prometheus && output == NULL)
        return hsp_cli_misuse(cli, "--watch with --prometheus needs --output");
    if (every_ms == 0)
        every_ms = EVERY_MS;
    if (every_ms < EVERY_LEAST_MS)
        return hsp_cli_misuse(cli, "--every: at least %dms", EVERY_LEAST_MS);
    char *spool = hsp_cli_find_spool(cli, &err);
    if (spool == NULL)
        return hsp_cli_complain(cli, &err);
    int result = watch ? keep_watching(cli, spool) : once(cli, spool, false);
    free(spool);
    return result;
}

static const struct hsp_option options[] = {
    {'\0', "json", NULL, "for machines", HSP_OPTION_FLAG, &as_json},
    {'\0', "prometheus", NULL, "for the node exporter's textfile folder", HSP_OPTION_FLAG,
     &as_prometheus},
    {'o', "output", "FILE", "replace FILE by it, as a whole", HSP_OPTION_TEXT, &output},
    {'w', "watch", NULL, "show it anew until interrupted", HSP_OPTION_FLAG, &watch},
    {'\0', "every", "DURATION", "how often, with --watch (default: 2s)",
     HSP_OPTION_DURATION, &every_ms},
    {.name = NULL},
};

const struct hsp_verb hsp_verb_status = {
    "status", "", 0, 0, "what waits, where, and why", do_status, options};
