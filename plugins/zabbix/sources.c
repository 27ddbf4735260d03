/* SPDX-License-Identifier: MIT */
/* The files of an export folder. Of the first whole lines of all files the earliest comes
 * next. A file without a line does not hold the others up; so that syncers which write at
 * the same time come out in order nevertheless, the caller waits for a moment between
 * noticing and reading, and what came in that moment is taken only where it belongs in
 * front. */
#include "config.h"

#include "error.h"
#include "follow.h"
#include "sources.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SUFFIX ".ndjson"
#define OLD SUFFIX ".old"
#define NAME_MAX_BYTES 255
#define COMPLAIN_EVERY_S 60

struct source {
    struct hsp_follow *follow;
    struct hsp_line line; /* of its head; root NULL: it has none */
    const char *text;
    size_t length;
};

struct hsp_sources {
    struct hsp_sources_options options;
    int folder, watch; /* -1: not open */
    struct source *all;
    size_t count;
    struct source *next; /* that hsp_sources_head has found; NULL */
    uint64_t garbage;
    time_t told_s; /* of garbage, last */
    bool told_full;
};

/* Names
 * ------------------------------------------------------------------------------------ */

static bool begins(const char *name, const char *prefix) {
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* "problems-…" or "history-…" without the suffix; false: another file. */
static bool base_name(const struct hsp_sources_options *options, const char *name,
                      char base[NAME_MAX_BYTES + 1]) {
    static const char *const suffixes[] = {SUFFIX, OLD};
    const size_t length = strlen(name);
    if (!(options->problems && begins(name, "problems-")) &&
        !(options->values && begins(name, "history-")))
        return false;
    for (size_t i = 0; i < 2; i++) {
        const size_t end = strlen(suffixes[i]);
        if (length > end && strcmp(name + length - end, suffixes[i]) == 0) {
            snprintf(base, NAME_MAX_BYTES + 1, "%.*s", (int)(length - end), name);
            return true;
        }
    }
    return false;
}

static bool is_known(const struct hsp_sources *sources, const char *name) {
    for (size_t i = 0; i < sources->count; i++)
        if (strcmp(hsp_follow_name(sources->all[i].follow), name) == 0)
            return true;
    return false;
}

static void make_key(char key[NAME_MAX_BYTES + 8], const char *name) {
    snprintf(key, NAME_MAX_BYTES + 8, "file %s", name);
}

static enum hs_status add(struct hsp_sources *sources, const char *name,
                          struct hs_error *err) {
    char key[NAME_MAX_BYTES + 8];
    if (sources->count == HSP_SOURCES_MAX) {
        if (!sources->told_full)
            sources->options.say(sources->options.context,
                                 "too many files in the folder: some are not read");
        sources->told_full = true;
        return HS_OK;
    }
    struct source *grown =
        realloc(sources->all, (sources->count + 1) * sizeof(*sources->all));
    if (grown == NULL)
        return hsp_fail(err, HS_E_NOMEM, "follow %s: out of memory", name);
    sources->all = grown;
    grown[sources->count] = (struct source){0};
    make_key(key, name);
    const struct hsp_follow_options options = {
        .dirfd = sources->folder,
        .name = name,
        .position = hsp_statefile_get(sources->options.state, key),
        .from_end =
            !sources->options.from_start &&
            hsp_statefile_get(sources->options.state, HSP_SOURCES_STARTED) == NULL,
        .needle = begins(name, "history-") ? sources->options.needle : NULL,
        .say = sources->options.say,
        .context = sources->options.context,
    };
    const enum hs_status status =
        hsp_follow_open(&grown[sources->count].follow, &options, err);
    if (status == HS_OK)
        sources->count++;
    return status;
}

static enum hs_status scan(struct hsp_sources *sources, struct hs_error *err) {
    enum hs_status status = HS_OK;
    char name[NAME_MAX_BYTES + 1];
    const int fd = openat(sources->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        status = hsp_fail_errno(err, HS_E_IO, "read %s", sources->options.folder);
        if (fd >= 0)
            close(fd);
        return status;
    }
    for (struct dirent *item; status == HS_OK && (item = readdir(folder)) != NULL;)
        if (base_name(&sources->options, item->d_name, name) && !is_known(sources, name))
            status = add(sources, name, err);
    closedir(folder);
    return status;
}

/* Watching
 * ------------------------------------------------------------------------------------ */

static void watch(struct hsp_sources *sources) {
    sources->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (sources->watch >= 0 &&
        inotify_add_watch(sources->watch, sources->options.folder,
                          IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF |
                              IN_MOVE_SELF | IN_ONLYDIR) < 0) {
        close(sources->watch);
        sources->watch = -1;
    }
}

/* What it says does not matter: everything is looked at. */
static void empty_watch(const struct hsp_sources *sources) {
    _Alignas(struct inotify_event) char room[16384];
    while (sources->watch >= 0 && read(sources->watch, room, sizeof(room)) > 0)
        ;
}

/* Is the folder by its name still the one that is open? */
static bool is_in_place(const struct hsp_sources *sources) {
    struct stat here, there;
    return fstat(sources->folder, &here) == 0 &&
           stat(sources->options.folder, &there) == 0 && here.st_ino == there.st_ino &&
           here.st_dev == there.st_dev;
}

enum hs_status hsp_sources_look(struct hsp_sources *sources, struct hs_error *err) {
    empty_watch(sources);
    if (!is_in_place(sources))
        return hsp_fail(err, HS_E_SPOOL, "%s is another folder now, or gone",
                        sources->options.folder);
    enum hs_status status = scan(sources, err);
    for (size_t i = 0; i < sources->count; i++)
        hsp_follow_mark(sources->all[i].follow);
    return status == HS_OK &&
                   hsp_statefile_get(sources->options.state, HSP_SOURCES_STARTED) == NULL
               ? hsp_statefile_set(sources->options.state, HSP_SOURCES_STARTED, "1", err)
               : status;
}

/* Lines
 * ------------------------------------------------------------------------------------ */

static void tell_garbage(struct hsp_sources *sources, const struct source *source,
                         const char *why) {
    char line[400];
    const time_t now = time(NULL);
    sources->garbage++;
    if (sources->told_s != 0 && now >= sources->told_s &&
        now < sources->told_s + COMPLAIN_EVERY_S)
        return;
    sources->told_s = now;
    snprintf(line, sizeof(line),
             "%.100s.ndjson: a line that is none of an export is passed over: %.120s "
             "(%llu so far)",
             hsp_follow_name(source->follow), why, (unsigned long long)sources->garbage);
    sources->options.say(sources->options.context, line);
}

/* A line that is none: part it where that helps, else pass it over. */
static enum hs_status pass_over(struct hsp_sources *sources, struct source *source,
                                const char *why, struct hs_error *err) {
    size_t cut = 0;
    const enum hs_status status = hsp_line_cut(source->text, source->length, &cut, err);
    if (status != HS_OK)
        return status;
    if (cut > 0) {
        hsp_follow_cut(source->follow, cut);
        return HS_OK;
    }
    tell_garbage(sources, source, why);
    hsp_follow_consume(source->follow);
    return HS_OK;
}

/* Read the head of a source, where it has none at hand. */
static enum hs_status read_head(struct hsp_sources *sources, struct source *source,
                                struct hs_error *err) {
    while (source->line.root == NULL) {
        struct hs_error own = {0};
        enum hs_status status =
            hsp_follow_peek(source->follow, &source->text, &source->length, err);
        if (status != HS_OK || source->text == NULL)
            return status;
        status = hsp_line_read(&source->line, source->text, source->length, &own);
        if (status == HS_E_NOMEM)
            return hsp_fail(err, status, "%s", own.text);
        if (status == HS_OK)
            break;
        status = pass_over(sources, source, own.text, err);
        if (status != HS_OK)
            return status;
    }
    return HS_OK;
}

enum hs_status hsp_sources_head(struct hsp_sources *sources, struct hsp_head *head,
                                struct hs_error *err) {
    bool is_due = false;
    head->line = NULL;
    sources->next = NULL;
    for (size_t i = 0; i < sources->count; i++) {
        struct source *source = &sources->all[i];
        const enum hs_status status = read_head(sources, source, err);
        if (status != HS_OK)
            return status;
        if (source->line.root == NULL)
            continue;
        is_due = is_due || !hsp_follow_is_due(source->follow);
        if (sources->next == NULL || hsp_line_before(&source->line, &sources->next->line))
            sources->next = source;
    }
    if (is_due)
        *head = (struct hsp_head){&sources->next->line, sources->next->text,
                                  sources->next->length};
    return HS_OK;
}

void hsp_sources_next(struct hsp_sources *sources) {
    hsp_line_free(&sources->next->line);
    hsp_follow_consume(sources->next->follow);
    sources->next = NULL;
}

enum hs_status hsp_sources_keep(struct hsp_sources *sources, struct hs_error *err) {
    enum hs_status status = HS_OK;
    char key[NAME_MAX_BYTES + 8], text[HSP_POSITION_MAX];
    for (size_t i = 0; i < sources->count && status == HS_OK; i++) {
        struct hsp_follow *follow = sources->all[i].follow;
        make_key(key, hsp_follow_name(follow));
        const char *before = hsp_statefile_get(sources->options.state, key);
        if (hsp_follow_position(follow, text) &&
            (before == NULL || strcmp(before, text) != 0))
            status = hsp_statefile_set(sources->options.state, key, text, err);
    }
    return status;
}

size_t hsp_sources_unread(const struct hsp_sources *sources, struct hs_error *err) {
    size_t count = 0;
    for (size_t i = 0; i < sources->count; i++) {
        const struct hs_error *own = hsp_follow_failure(sources->all[i].follow);
        if (own->status != HS_OK && count++ == 0)
            *err = *own;
    }
    return count;
}

uint64_t hsp_sources_skipped(const struct hsp_sources *sources) {
    uint64_t skipped = sources->garbage;
    for (size_t i = 0; i < sources->count; i++)
        skipped += hsp_follow_skipped(sources->all[i].follow);
    return skipped;
}

int hsp_sources_fd(const struct hsp_sources *sources) { return sources->watch; }

enum hs_status hsp_sources_open(struct hsp_sources **sources,
                                const struct hsp_sources_options *options,
                                struct hs_error *err) {
    struct hsp_sources *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return hsp_fail(err, HS_E_NOMEM, "open %s: out of memory", options->folder);
    made->options = *options;
    made->watch = -1;
    made->folder = open(options->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (made->folder < 0) {
        const enum hs_status status =
            hsp_fail_errno(err, HS_E_IO, "open %s", options->folder);
        hsp_sources_close(made);
        return status;
    }
    watch(made);
    *sources = made;
    return HS_OK;
}

void hsp_sources_close(struct hsp_sources *sources) {
    if (sources == NULL)
        return;
    for (size_t i = 0; i < sources->count; i++) {
        hsp_line_free(&sources->all[i].line);
        hsp_follow_close(sources->all[i].follow);
    }
    free(sources->all);
    if (sources->watch >= 0)
        close(sources->watch);
    if (sources->folder >= 0)
        close(sources->folder);
    free(sources);
}
