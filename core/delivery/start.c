/* SPDX-License-Identifier: MIT */
/* Start, reload and end of the daemon. The start does in this order what a crash may have
 * left undone: staged files, then queues, then what is to be remembered of them; only
 * then is anything new taken in or sent. */
#include "config.h"

#include "../error.h"
#include "../units.h"
#include "control.h"
#include "flusher.h"
#include "trials.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REMEMBER_BACK 16384 /* so many numbers are looked at after a crash */

/* Endpoints
 * ------------------------------------------------------------------------------- */

static enum hs_status add_endpoint(struct hsp_flusher *flusher, const char *name,
                                   struct hsp_endpoint **added, struct hs_error *err) {
    struct hsp_endpoint *endpoint = NULL;
    enum hs_status status = hsp_endpoint_open(&endpoint, &flusher->dir, name, err);
    if (status != HS_OK)
        return status;
    struct hsp_endpoint **end = &flusher->endpoints;
    while (*end != NULL)
        end = &(*end)->next;
    *end = endpoint;
    *added = endpoint;
    return HS_OK;
}

static bool is_folder(int parent, const char *name) {
    struct stat info;
    return fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(info.st_mode);
}

/* Every folder of queue/ and dead/ is an endpoint that once was configured. */
static enum hs_status add_found(struct hsp_flusher *flusher, int parent,
                                struct hs_error *err) {
    int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        if (fd >= 0)
            close(fd);
        return hsp_fail_errno(err, HS_E_IO, "list the spool's endpoints");
    }
    enum hs_status status = HS_OK;
    struct hsp_endpoint *added;
    for (struct dirent *item; status == HS_OK && (item = readdir(folder)) != NULL;)
        if (hsp_endpoint_name_ok(item->d_name) && is_folder(fd, item->d_name) &&
            hsp_flusher_find(flusher, item->d_name) == NULL)
            status = add_endpoint(flusher, item->d_name, &added, err);
    closedir(folder);
    return status;
}

static const struct hsp_endpoint_settings *
settings_of(const struct hsp_settings *settings, const char *name) {
    for (size_t i = 0; i < settings->endpoint_count; i++)
        if (strcmp(settings->endpoints[i].name, name) == 0)
            return &settings->endpoints[i];
    return NULL;
}

/* Give every endpoint its settings, making those that are new and orphaning those that
 * are not named any more. */
static enum hs_status configure_all(struct hsp_flusher *flusher,
                                    const struct hsp_settings *settings,
                                    struct hs_error *err) {
    enum hs_status status = HS_OK;
    for (size_t i = 0; status == HS_OK && i < settings->endpoint_count; i++) {
        struct hsp_endpoint *endpoint =
            hsp_flusher_find(flusher, settings->endpoints[i].name);
        if (endpoint == NULL)
            status = add_endpoint(flusher, settings->endpoints[i].name, &endpoint, err);
    }
    for (struct hsp_endpoint *e = flusher->endpoints; e != NULL; e = e->next) {
        struct hs_error failure = {0};
        if (hsp_endpoint_configure(e, settings_of(settings, e->name), &failure) == HS_OK)
            continue;
        if (status == HS_OK)
            status =
                hsp_fail(err, failure.status, "endpoint %s: %s", e->name, failure.text);
        (void)!hsp_endpoint_configure(e, NULL, NULL);
    }
    return status;
}

/* Secrets are read before anything is changed: a wrong file is refused whole. */
static enum hs_status try_secrets(const struct hsp_settings *settings,
                                  struct hs_error *err) {
    for (size_t i = 0; i < settings->endpoint_count; i++) {
        const struct hsp_endpoint_settings *one = &settings->endpoints[i];
        struct hsp_signer *signer = NULL;
        struct hs_error failure = {0};
        size_t count = 0;
        while (count < HSP_SECRETS_MAX && one->secret_files[count] != NULL)
            count++;
        enum hs_status status = hsp_signer_load(&signer, one->secret_files, count,
                                                one->standard_webhooks, &failure);
        hsp_signer_free(signer);
        if (status != HS_OK)
            return hsp_fail(err, status, "endpoint %s: %s", one->name, failure.text);
    }
    return HS_OK;
}

enum hs_status hsp_flusher_check(const char *path, struct hsp_settings **settings,
                                 struct hs_error *err) {
    struct hsp_settings *fresh = NULL;
    enum hs_status status = hsp_settings_load(&fresh, path, err);
    if (status == HS_OK)
        status = try_secrets(fresh, err);
    if (status == HS_OK)
        *settings = fresh;
    else
        hsp_settings_free(fresh);
    return status;
}

static void reload(struct hsp_flusher *flusher) {
    struct hs_error err = {0};
    struct hsp_settings *fresh = NULL;
    if (hsp_flusher_check(flusher->settings->path, &fresh, &err) != HS_OK) {
        hsp_log(HSP_LOG_ERROR, "%s: the old configuration stays", err.text);
        hsp_supervisor_status(&flusher->supervisor, err.text);
        return;
    }
    if (strcmp(fresh->spool_dir, flusher->settings->spool_dir) != 0 ||
        strcmp(fresh->journal, flusher->settings->journal) != 0 ||
        fresh->journal_max_bytes != flusher->settings->journal_max_bytes)
        hsp_log(
            HSP_LOG_WARNING,
            "spool_dir, journal and journal_max are not changed by a reload: restart");
    if (configure_all(flusher, fresh, &err) != HS_OK)
        hsp_log(HSP_LOG_ERROR, "%s: it gets nothing until the next reload", err.text);
    hsp_settings_free(flusher->settings);
    flusher->settings = fresh;
    flusher->changed = true;
    hsp_log_open(fresh->log);
    hsp_notice_rescan(flusher->notice);
    hsp_log(HSP_LOG_NOTICE, "configuration reloaded: %zu endpoint%s",
            fresh->endpoint_count, hsp_plural(fresh->endpoint_count));
}

void hsp_start_reload(struct hsp_flusher *flusher) {
    flusher->reload_wanted = false;
    hsp_supervisor_reloading(&flusher->supervisor);
    reload(flusher);
    hsp_supervisor_ready(&flusher->supervisor);
}

/* Start
 * ------------------------------------------------------------------------------------ */

/* Copies whose file has been dealt with: only their links count. */
static void clear_staged(struct hsp_flusher *flusher) {
    int fd = openat(flusher->dir.staged, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *item; folder != NULL && (item = readdir(folder)) != NULL;)
        if (strstr(item->d_name, ".copy") != NULL)
            (void)unlinkat(fd, item->d_name, 0);
    if (folder != NULL)
        closedir(folder);
    else if (fd >= 0)
        close(fd);
}

/* Do again what was being placed when the process died. Without the thread: nothing else
 * goes on yet. */
static enum hs_status finish_staged(struct hsp_flusher *flusher, struct hs_error *err) {
    struct hsp_placing *placing = NULL;
    enum hs_status status = hsp_intake_plan_staged(flusher, &placing, err);
    if (status == HS_OK && placing != NULL)
        status = hsp_placing_work(&placing->job, err);
    hsp_placing_free(placing);
    if (status == HS_OK)
        clear_staged(flusher);
    return status;
}

/* Events above `known` were placed but not remembered. */
static void remember_unknown(struct hsp_flusher *flusher, uint64_t known, uint64_t top) {
    uint64_t first = top > REMEMBER_BACK ? top - REMEMBER_BACK : 0;
    first = known + 1 > first ? known + 1 : first;
    for (struct hsp_endpoint *e = flusher->endpoints; e != NULL; e = e->next)
        hsp_queue_each_from(e->queue, first, hsp_intake_remember,
                            &(struct hsp_intake_context){flusher, e});
}

static enum hs_status load_queues(struct hsp_flusher *flusher, struct hs_error *err) {
    uint64_t known = hsp_recent_top(flusher->recent), top = known;
    size_t strangers = 0;
    enum hs_status status = finish_staged(flusher, err);
    for (struct hsp_endpoint *e = flusher->endpoints; status == HS_OK && e != NULL;
         e = e->next)
        status = hsp_endpoint_load(e, &top, &strangers, err);
    if (status != HS_OK)
        return status;
    if (strangers > 0)
        hsp_log(HSP_LOG_WARNING, "%zu files in queue/ are none of ours: left there",
                strangers);
    remember_unknown(flusher, known, top);
    return top + 1 > flusher->sequence.next
               ? hsp_sequence_open(&flusher->sequence, flusher->dir.state, top + 1, err)
               : HS_OK;
}

enum hs_status hsp_start_open(struct hsp_flusher *flusher, struct hs_error *err) {
    const struct hsp_settings *settings = flusher->settings;
    enum hs_status status = hsp_spooldir_open(&flusher->dir, settings->spool_dir, err);
    if (status == HS_OK)
        status = hsp_journal_open(&flusher->journal, settings->journal,
                                  settings->journal_max_bytes, err);
    if (status == HS_OK)
        status = hsp_recent_open(&flusher->recent, flusher->dir.state, err);
    if (status == HS_OK)
        status = hsp_sequence_open(&flusher->sequence, flusher->dir.state,
                                   hsp_recent_top(flusher->recent) + 1, err);
    if (status == HS_OK)
        status = configure_all(flusher, settings, err);
    if (status == HS_OK)
        status = add_found(flusher, flusher->dir.queue, err);
    if (status == HS_OK)
        status = add_found(flusher, flusher->dir.dead, err);
    if (status == HS_OK)
        status = load_queues(flusher, err);
    if (status == HS_OK)
        status = hsp_notice_open(&flusher->notice, flusher->dir.incoming, err);
    if (status == HS_OK)
        status = flusher->clerk
                     ? HS_OK
                     : hsp_http_open(&flusher->http, hsp_settle_answer, flusher, err);
    struct hs_error failure = {0};
    if (status == HS_OK && !flusher->clerk &&
        hsp_control_open(&flusher->control, flusher->dir.root, &failure) != HS_OK)
        hsp_log(HSP_LOG_WARNING, "%s: delivering without it",
                failure.text); /* a full disk */
    if (status == HS_OK)
        status = hsp_worker_open(&flusher->placer, err);
    if (status == HS_OK)
        status = hsp_worker_open(&flusher->settler, err);
    return status;
}

void hsp_start_close(struct hsp_flusher *flusher) {
    hsp_trials_close(flusher);
    hsp_worker_close(flusher->placer);
    hsp_worker_close(flusher->settler);
    hsp_control_close(flusher->control);
    hsp_http_close(flusher->http);
    hsp_notice_close(flusher->notice);
    hsp_placing_free(flusher->placing);
    hsp_copies_clear(&flusher->copies);
    hsp_batch_free(flusher->open);
    hsp_batch_free(flusher->closed);
    while (flusher->endpoints != NULL) {
        struct hsp_endpoint *next = flusher->endpoints->next;
        hsp_endpoint_close(flusher->endpoints);
        flusher->endpoints = next;
    }
    if (!flusher->failed)
        hsp_sequence_close(&flusher->sequence);
    hsp_recent_close(flusher->recent);
    hsp_journal_close(flusher->journal);
    hsp_spooldir_close(&flusher->dir);
    hsp_settings_free(flusher->settings);
}
