/* SPDX-License-Identifier: MIT */
/* A flusher without a main loop: one errand at a time. */
#include "config.h"

#include "clerk.h"

#include "../error.h"
#include "trials.h"

#include <curl/curl.h>
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 1000

struct hsp_clerk {
    struct hsp_flusher flusher;
    uid_t uid; /* who asks */
    bool answered;
    char *answer; /* of the errand under way; NULL: out of memory */
};

/* What root makes in the spool the daemon could not change: so it is made by the owner.
 */
static enum hs_status become_owner(const char *spool, struct hs_error *err) {
    struct stat info;
    if (stat(spool, &info) != 0)
        return hsp_fail_errno(err, HS_E_SPOOL, "look at spool %s", spool);
    if (geteuid() == info.st_uid)
        return HS_OK;
    if (geteuid() != 0)
        return hsp_fail(err, HS_E_SPOOL,
                        "no hookspoold runs, and only root and the owner of %s (uid %ld) "
                        "may do this",
                        spool, (long)info.st_uid);
    if (setgroups(0, NULL) != 0 ||
        setresgid(info.st_gid, info.st_gid, info.st_gid) != 0 ||
        setresuid(info.st_uid, info.st_uid, info.st_uid) != 0)
        return hsp_fail_errno(err, HS_E_SPOOL, "become the owner of spool %s", spool);
    return HS_OK;
}

static enum hs_status open_flusher(struct hsp_flusher *flusher, const char *config,
                                   struct hs_error *err) {
    enum hs_status status = hsp_flusher_check(config, &flusher->settings, err);
    if (status == HS_OK)
        status = become_owner(flusher->settings->spool_dir, err);
    if (status == HS_OK)
        status = hsp_start_open(flusher, err);
    if (status == HS_OK)
        flusher->recordable = hsp_journal_reserve(flusher->journal, 1, NULL) == HS_OK;
    return status;
}

enum hs_status hsp_clerk_open(struct hsp_clerk **clerk, const char *config,
                              struct hs_error *err) {
    struct hsp_clerk *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(fresh);
        return hsp_fail(err, HS_E_NOMEM, "open the spool: out of memory");
    }
    fresh->flusher.dir.root = fresh->flusher.dir.lock = -1;
    fresh->flusher.clerk = true;
    fresh->uid = getuid();
    hsp_log_limit(HSP_LOG_WARNING);
    fresh->flusher.started_utc_ms = hsp_now_ms(CLOCK_REALTIME);
    hsp_copies_init(&fresh->flusher.copies);
    umask(077);
    enum hs_status status = open_flusher(&fresh->flusher, config, err);
    if (status == HS_OK)
        *clerk = fresh;
    else
        hsp_clerk_close(fresh);
    return status;
}

void hsp_clerk_close(struct hsp_clerk *clerk) {
    if (clerk == NULL)
        return;
    if (clerk->flusher.settler != NULL)
        hsp_report_write(&clerk->flusher, hsp_now_ms(CLOCK_BOOTTIME), true);
    hsp_start_close(&clerk->flusher);
    curl_global_cleanup();
    free(clerk);
}

static void answered(struct hsp_errand *errand) {
    struct hsp_clerk *clerk = errand->owner;
    if (clerk != NULL) {
        clerk->answered = true;
        clerk->answer = hsp_buffer_take(&errand->answer, NULL);
    }
    hsp_errand_free(errand);
}

/* Let the workers go on until the errand is answered or cannot be. */
static void work(struct hsp_clerk *clerk) {
    struct hsp_flusher *flusher = &clerk->flusher;
    while (!clerk->answered && !flusher->failed && flusher->closed_again_ms == 0) {
        hsp_settle_submit(flusher, hsp_now_ms(CLOCK_BOOTTIME));
        struct pollfd fds[2 + HSP_TRIALS_MAX] = {
            {.fd = hsp_worker_fd(flusher->placer), .events = POLLIN},
            {.fd = hsp_worker_fd(flusher->settler), .events = POLLIN},
        };
        (void)poll(fds, 2 + hsp_trials_fds(flusher, fds + 2), LOOK_MS);
        hsp_worker_collect(flusher->placer);
        hsp_worker_collect(flusher->settler);
        hsp_trials_collect(flusher);
    }
}

enum hs_status hsp_clerk_ask(struct hsp_clerk *clerk, const char *request, char **answer,
                             struct hs_error *err) {
    struct hsp_errand *errand = hsp_errand_new(request, strlen(request));
    if (errand == NULL)
        return hsp_fail(err, HS_E_NOMEM, "do as asked: out of memory");
    errand->answered = answered;
    errand->owner = clerk;
    errand->trusted = true;
    errand->uid = clerk->uid;
    clerk->answered = false;
    clerk->answer = NULL;
    hsp_errand_begin(&clerk->flusher, errand);
    work(clerk);
    if (!clerk->answered) {
        errand->owner = NULL;
        return hsp_fail(err, HS_E_IO,
                        "not all of it could be recorded; nothing is lost: ask again");
    }
    if (clerk->answer == NULL)
        return hsp_fail(err, HS_E_NOMEM, "do as asked: out of memory");
    *answer = clerk->answer;
    return HS_OK;
}
