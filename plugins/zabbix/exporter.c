/* SPDX-License-Identifier: MIT */
/* Rounds of the exporter. Events and positions go to the state file together, so there is
 * no order of two writes to get wrong; the spool gets what the state file has. */
#include "config.h"

#include "crash.h"
#include "error.h"
#include "exporter.h"
#include "statelog.h"
#include "told.h"
#include "units.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROUND_LINES 1000 /* until what came of them is brought to disk */
#define KEEP_EVERY_MS                                                                    \
    5000 /* positions alone: lines of no interest are soon read again                    \
          */
#define RETRY_MS 1000

static void say(void *context, const char *line) {
    const struct hsp_exporter *exporter = context;
    exporter->options.log(NULL, HSP_OUTBOX_WARNING, line);
}

/* Opening
 * ------------------------------------------------------------------------------------ */

/* The folder comes first: it is what a person named on the command line. */
static enum hs_status check_folder(const struct hsp_exporter *exporter,
                                   struct hs_error *err) {
    const char *folder = exporter->options.folder;
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return hsp_fail_errno(err, HS_E_IO, "open %s", folder);
    close(fd);
    return HS_OK;
}

/* Is there a state file, and is it one? Any other file stays as it is: somebody has named
 * it by mistake. The beginning of a first line alone is what a full disk leaves. */
static enum hs_status check_state(const char *path, bool *there, struct hs_error *err) {
    char start[sizeof(HSP_STATELOG_MAGIC) - 1];
    struct stat info;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    *there = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    const ssize_t got = *there ? read(fd, start, sizeof(start)) : 0;
    if (fd >= 0)
        close(fd);
    return got > 0 && memcmp(start, HSP_STATELOG_MAGIC, (size_t)got) != 0
               ? hsp_fail(err, HS_E_SPOOL,
                          "read %s: this is no state file of this version; it is left "
                          "as it is",
                          path)
               : HS_OK;
}

static void count_text(const char *key, void *value, void *context) {
    size_t *count = context;
    (void)key;
    (void)value;
    ++*count;
}

/* A state file that does not know of a first start: all that was in it is lost, or it is
 * another program's. To take it for a first start would pass over what was written since
 * the last one; what is told again has the same ids again. */
static enum hs_status begin_anew(struct hsp_exporter *exporter, struct hs_error *err) {
    const char *path = exporter->options.state_path;
    char line[512];
    size_t count = hsp_statefile_edges(exporter->courier.state);
    hsp_statefile_walk(exporter->courier.state, count_text, &count);
    if (count > 0)
        return hsp_fail(err, HS_E_SPOOL,
                        "read %s: this is the state file of another program", path);
    exporter->options.from_start = true;
    snprintf(line, sizeof(line),
             "%.300s: what was in it is lost; the exported files are read from their "
             "beginning",
             path);
    say(exporter, line);
    return HS_OK;
}

/* A torn end is what a crash leaves; a state that cannot be read, or is another
 * process's, would have everything told a second time. */
static enum hs_status open_state(struct hsp_exporter *exporter, struct hs_error *err) {
    struct hs_error warning = {0};
    bool there = false;
    exporter->courier = (struct hsp_courier){
        .options = &exporter->courier_options,
        .keeps = true,
    };
    enum hs_status status = check_state(exporter->options.state_path, &there, err);
    if (status == HS_OK)
        status = hsp_statefile_open(&exporter->courier.state,
                                    exporter->options.state_path, &warning, err);
    if (status != HS_OK)
        return status;
    if (warning.status != HS_OK && warning.status != HS_E_DATA)
        return hsp_fail(err, HS_E_SPOOL, "%s", warning.text);
    if (there && hsp_statefile_get(exporter->courier.state, HSP_SOURCES_STARTED) == NULL)
        return begin_anew(exporter, err);
    if (warning.status != HS_OK)
        say(exporter, warning.text);
    return HS_OK;
}

static enum hs_status open_sources(struct hsp_exporter *exporter, struct hs_error *err) {
    const struct hsp_sources_options options = {
        .folder = exporter->options.folder,
        .state = exporter->courier.state,
        .problems = exporter->options.problems,
        .values = exporter->options.values,
        .from_start = exporter->options.from_start,
        .needle = "\"" HSP_TAG,
        .say = say,
        .context = exporter,
    };
    return hsp_sources_open(&exporter->sources, &options, err);
}

enum hs_status hsp_exporter_open(struct hsp_exporter *exporter,
                                 const struct hsp_exporter_options *options,
                                 struct hs_error *err) {
    *exporter = (struct hsp_exporter){.options = *options};
    exporter->courier_options = (struct hsp_outbox_options){
        .config = options->config,
        .state_path = options->state_path,
        .log = options->log,
    };
    exporter->problems = (struct hsp_problems){
        .config = options->config,
        .courier = &exporter->courier,
        .filter = options->filter,
    };
    enum hs_status status = check_folder(exporter, err);
    if (status == HS_OK)
        status = open_state(exporter, err);
    if (status == HS_OK)
        status = open_sources(exporter, err);
    if (status == HS_OK)
        status =
            hsp_values_open(&exporter->values, &exporter->courier, options->config, err);
    if (status == HS_OK)
        hsp_problems_start(&exporter->problems);
    else
        hsp_exporter_close(exporter);
    return status;
}

void hsp_exporter_close(struct hsp_exporter *exporter) {
    hsp_values_close(exporter->values);
    hsp_sources_close(exporter->sources);
    hsp_courier_close(&exporter->courier);
    exporter->values = NULL;
    exporter->sources = NULL;
}

/* Keeping
 * ------------------------------------------------------------------------------------ */

void hsp_exporter_settle(struct hsp_exporter *exporter) {
    size_t count = 0;
    struct hsp_courier *courier = &exporter->courier;
    hsp_crash_point("export-read");
    const bool kept = hsp_courier_commit(courier);
    if (kept)
        hsp_crash_point("export-kept");
    /* What the spool takes is safe, whatever the state file's disk says: read again, it
     * has the same ids. */
    const bool put = hsp_courier_put(courier, &count);
    exporter->events += count;
    if (count > 0) {
        hsp_crash_point("export-put");
        (void)hsp_courier_commit(courier);
        hsp_crash_point("export-done");
    }
    exporter->failing = !kept || !put;
    exporter->blocked = !kept || hsp_statefile_edges(courier->state) >= HSP_OUTBOX_MAX;
    exporter->kept_ms = hsp_now_ms(CLOCK_BOOTTIME);
}

/* Positions, and if there is more than these to keep, or after a while, to disk. */
static enum hs_status keep(struct hsp_exporter *exporter, bool now,
                           struct hs_error *err) {
    const bool changed = hsp_statefile_is_dirty(exporter->courier.state) ||
                         hsp_statefile_edges(exporter->courier.state) > 0;
    const enum hs_status status = hsp_sources_keep(exporter->sources, err);
    if (status == HS_OK &&
        (now || changed ||
         hsp_now_ms(CLOCK_BOOTTIME) >= exporter->kept_ms + KEEP_EVERY_MS))
        hsp_exporter_settle(exporter);
    return status;
}

/* Rounds
 * ------------------------------------------------------------------------------------ */

static enum hs_status take(struct hsp_exporter *exporter, const struct hsp_head *head,
                           struct hs_error *err) {
    exporter->lines++;
    return head->line->kind == HSP_LINE_VALUE
               ? hsp_values_line(exporter->values, head->line, err)
               : hsp_problems_line(&exporter->problems, head->line, head->text,
                                   head->length, err);
}

static enum hs_status read_lines(struct hsp_exporter *exporter, struct hs_error *err) {
    enum hs_status status = HS_OK;
    struct hsp_head head;
    for (size_t count = 1; status == HS_OK && !exporter->blocked; count++) {
        status = hsp_sources_head(exporter->sources, &head, err);
        if (status != HS_OK || head.line == NULL)
            break;
        status = take(exporter, &head, err);
        if (status != HS_OK)
            break;
        hsp_sources_next(exporter->sources);
        hsp_crash_point("export-line");
        if (count % ROUND_LINES == 0)
            status = keep(exporter, true, err);
    }
    return status;
}

/* Files that may not be opened are no reason to end: there are the others. */
static void tell_unread(struct hsp_exporter *exporter) {
    struct hs_error err = {0};
    char line[sizeof(err.text) + 160];
    const size_t count = hsp_sources_unread(exporter->sources, &err);
    exporter->unread = count > 0;
    if (count == 0 && hsp_complaint_over(&exporter->unread_fails))
        exporter->options.log(NULL, HSP_OUTBOX_NOTICE, "all files can be read again");
    if (count == 0 || !hsp_complaint_due(&exporter->unread_fails, &err))
        return;
    snprintf(line, sizeof(line),
             "%s; %zu of the exported files not read for such a reason, and tried again",
             err.text, count);
    exporter->options.log(NULL, HSP_OUTBOX_ERROR, line);
}

static enum hs_status tick(struct hsp_exporter *exporter, bool all,
                           struct hs_error *err) {
    enum hs_status status = hsp_problems_tick(&exporter->problems, time(NULL), all, err);
    if (status == HS_OK)
        status = hsp_values_tick(exporter->values, err);
    return status;
}

enum hs_status hsp_exporter_round(struct hsp_exporter *exporter,
                                  bool (*pause)(int64_t milliseconds),
                                  struct hs_error *err) {
    if (exporter->failing)
        hsp_exporter_settle(exporter);
    enum hs_status status = hsp_sources_look(exporter->sources, err);
    if (status == HS_OK && pause != NULL && !pause(HSP_EXPORTER_SETTLE_MS))
        return HS_OK;
    if (status == HS_OK)
        status = read_lines(exporter, err);
    if (status == HS_OK)
        tell_unread(exporter);
    if (status == HS_OK && !exporter->blocked)
        status = tick(exporter, false, err);
    if (status == HS_OK)
        status = keep(exporter, false, err);
    return status;
}

enum hs_status hsp_exporter_finish(struct hsp_exporter *exporter, struct hs_error *err) {
    enum hs_status status = exporter->blocked ? HS_OK : tick(exporter, true, err);
    if (status == HS_OK)
        status = keep(exporter, true, err);
    return status;
}

int64_t hsp_exporter_idle_ms(const struct hsp_exporter *exporter) {
    int64_t idle_ms = hsp_values_idle_ms(exporter->values);
    const bool soon = exporter->failing ||
                      exporter->problems.kept.count[HSP_KEPT_RECOVERY] > 0 ||
                      exporter->unread || hsp_sources_fd(exporter->sources) < 0;
    if (soon && (idle_ms < 0 || idle_ms > RETRY_MS))
        idle_ms = RETRY_MS;
    return idle_ms;
}
