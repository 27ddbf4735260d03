/* SPDX-License-Identifier: MIT */
/* The daemon's main loop, and what it takes in. */
#include "config.h"

#include "../error.h"
#include "../units.h"
#include "control.h"
#include "flusher.h"
#include "trials.h"

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define TMP_AGE_S 3600    /* older files in tmp/ belong to nobody */
#define PATIENCE_MS 10000 /* for what is in flight, after SIGTERM */
#define POLL_FDS (HSP_CONTROL_CLIENTS + HSP_TRIALS_MAX + 5) /* hsp_http_wait: 16 */

struct hsp_endpoint *hsp_flusher_find(struct hsp_flusher *flusher, const char *name) {
    for (struct hsp_endpoint *e = flusher->endpoints; e != NULL; e = e->next)
        if (strcmp(e->name, name) == 0)
            return e;
    return NULL;
}

void hsp_flusher_fail(struct hsp_flusher *flusher, const struct hs_error *err) {
    if (!flusher->failed)
        hsp_log(HSP_LOG_ERROR, "%s: ending; a new start loses nothing", err->text);
    flusher->failed = true;
}

/* Intake
 * ------------------------------------------------------------------------------------ */

static void placed(struct hsp_job *job) {
    struct hsp_placing *placing = (struct hsp_placing *)job;
    struct hsp_flusher *flusher = placing->owner;
    flusher->changed = true;
    if (job->status != HS_OK) {
        hsp_log(HSP_LOG_ERROR, "%s: will be tried again", job->err.text);
        flusher->placing_again_ms = hsp_now_ms(CLOCK_BOOTTIME) + HSP_RETRY_MS;
        return;
    }
    struct hs_error err = {0};
    for (size_t i = 0; i < placing->placement_count; i++) {
        const struct hsp_placement *placement = &placing->placements[i];
        if (hsp_queue_add(placement->endpoint->queue, &placement->entry, 0, &err) !=
            HS_OK)
            hsp_flusher_fail(flusher, &err);
    }
    for (size_t i = 0; i < placing->copy_count; i++)
        hsp_copies_add(&flusher->copies, &placing->copies[i]);
    placing->copy_count = 0;
    hsp_placing_free(placing);
    flusher->placing = NULL;
}

static bool has_endpoint(const struct hsp_flusher *flusher) {
    return flusher->settings->endpoint_count > 0;
}

/* What a killed adapter left behind was never acknowledged. Looked for when there is
 * something to do anyway, at most once an hour. */
static void clean_tmp(struct hsp_flusher *flusher, int64_t now_ms) {
    flusher->clean_tmp_ms = now_ms + TMP_AGE_S * 1000;
    int fd = openat(flusher->dir.tmp, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    time_t now = time(NULL);
    struct stat info;
    for (struct dirent *item; folder != NULL && (item = readdir(folder)) != NULL;)
        if (item->d_name[0] != '.' &&
            fstatat(fd, item->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(info.st_mode) && now - info.st_mtime > TMP_AGE_S)
            (void)unlinkat(fd, item->d_name, 0);
    if (folder != NULL)
        closedir(folder);
    else if (fd >= 0)
        close(fd);
}

static void take_in(struct hsp_flusher *flusher, int64_t now_ms) {
    struct hs_error err = {0};
    if (flusher->placing != NULL) {
        if (flusher->placing_again_ms != 0 && flusher->placing_again_ms <= now_ms) {
            flusher->placing_again_ms = 0;
            hsp_worker_submit(flusher->placer, &flusher->placing->job);
        }
        return;
    }
    if (flusher->clean_tmp_ms <= now_ms)
        clean_tmp(flusher, now_ms);
    enum hs_status noticed = hsp_notice_update(flusher->notice, now_ms, &err);
    if (noticed == HS_E_SPOOL)
        hsp_flusher_fail(flusher, &err);
    else if (noticed != HS_OK)
        hsp_log(HSP_LOG_ERROR, "%s", err.text);
    size_t incoming = hsp_notice_count(flusher->notice);
    flusher->changed = flusher->changed || incoming != flusher->incoming;
    flusher->incoming = incoming;
    /* Without an endpoint everything would be filtered away: a mistake that costs nothing
     * this way. */
    if (flusher->stop_at_ms != 0 || flusher->failed || !has_endpoint(flusher))
        return;
    if (hsp_intake_plan(flusher, &flusher->placing, &err) != HS_OK) {
        hsp_flusher_fail(flusher, &err);
        return;
    }
    if (flusher->placing == NULL)
        return;
    flusher->changed = true;
    flusher->placing->job.done = placed;
    flusher->placing_again_ms = 0;
    hsp_worker_submit(flusher->placer, &flusher->placing->job);
}

/* Loop
 * ---------------------------------------------------------------------------------------
 */

static int in_flight(const struct hsp_flusher *flusher) {
    int count = 0;
    for (const struct hsp_endpoint *e = flusher->endpoints; e != NULL; e = e->next)
        count += e->in_flight;
    return count;
}

static void begin_stop(struct hsp_flusher *flusher, int64_t now_ms) {
    if (flusher->stop_at_ms == 0) {
        flusher->stop_at_ms = now_ms + PATIENCE_MS;
        hsp_supervisor_stopping(&flusher->supervisor);
        hsp_trials_cancel(flusher);
    }
}

static void read_signals(struct hsp_flusher *flusher, int signal_fd, int64_t now_ms) {
    struct signalfd_siginfo info;
    while (read(signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGHUP)
            flusher->reload_wanted = true;
        else
            begin_stop(flusher, now_ms);
    }
}

/* Nothing under way, nothing due: what is left waits for a time or a person. */
static bool is_idle(const struct hsp_flusher *flusher, int64_t now_ms) {
    if (flusher->placing != NULL || flusher->closed != NULL || in_flight(flusher) > 0 ||
        flusher->tests != NULL ||
        (flusher->open != NULL && !hsp_batch_is_empty(flusher->open)))
        return false;
    if (flusher->stop_at_ms != 0)
        return true;
    return (!has_endpoint(flusher) || flusher->short_of_space ||
            hsp_notice_is_empty(flusher->notice)) &&
           hsp_send_due(flusher, now_ms) > now_ms;
}

static bool is_over(struct hsp_flusher *flusher, int64_t now_ms) {
    if (flusher->failed)
        return true;
    if (flusher->drain && flusher->stop_at_ms == 0 && is_idle(flusher, now_ms))
        begin_stop(flusher, now_ms);
    if (flusher->stop_at_ms == 0)
        return false;
    if (flusher->stop_at_ms <= now_ms)
        hsp_http_abort(flusher->http);
    /* A disk that does not take the rest must not keep the process for ever: the files
     * say it all. */
    return is_idle(flusher, now_ms) ||
           (flusher->stop_at_ms <= now_ms && flusher->closed_again_ms != 0) ||
           (flusher->stop_at_ms <= now_ms && flusher->placing_again_ms != 0);
}

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t next_due(const struct hsp_flusher *flusher, int64_t now_ms) {
    int64_t due =
        earlier(hsp_report_due(flusher), hsp_supervisor_due(&flusher->supervisor));
    if (flusher->placing == NULL && flusher->stop_at_ms == 0)
        due = earlier(due, hsp_notice_due(flusher->notice));
    if (flusher->placing == NULL && has_endpoint(flusher) && flusher->stop_at_ms == 0 &&
        hsp_notice_count(flusher->notice) > 0)
        due = now_ms;
    if (flusher->reload_wanted && flusher->placing == NULL)
        due = now_ms;
    if (flusher->placing_again_ms != 0)
        due = earlier(due, flusher->placing_again_ms);
    if (flusher->closed_again_ms != 0)
        due = earlier(due, flusher->closed_again_ms);
    if (!flusher->recordable && flusher->closed == NULL)
        due = earlier(due, flusher->reserve_again_ms);
    if (flusher->stop_at_ms != 0)
        due = earlier(due, flusher->stop_at_ms);
    return earlier(due, hsp_send_due(flusher, now_ms));
}

static void wait_for_work(struct hsp_flusher *flusher, int signal_fd) {
    int64_t now_ms = hsp_now_ms(CLOCK_BOOTTIME), due = next_due(flusher, now_ms);
    int64_t timeout_ms = due == INT64_MAX ? -1 : due > now_ms ? due - now_ms : 0;
    struct pollfd fds[POLL_FDS];
    unsigned count = 0;
    fds[count++] = (struct pollfd){.fd = signal_fd, .events = POLLIN};
    fds[count++] =
        (struct pollfd){.fd = hsp_worker_fd(flusher->placer), .events = POLLIN};
    fds[count++] =
        (struct pollfd){.fd = hsp_worker_fd(flusher->settler), .events = POLLIN};
    /* While files are being placed more of them is no news. */
    if (hsp_notice_fd(flusher->notice) >= 0 && flusher->placing == NULL)
        fds[count++] =
            (struct pollfd){.fd = hsp_notice_fd(flusher->notice), .events = POLLIN};
    count += hsp_trials_fds(flusher, fds + count);
    if (flusher->control != NULL)
        count += hsp_control_fds(flusher->control, fds + count);
    hsp_http_wait(flusher->http, fds, count, timeout_ms);
}

/* Connections and copies may want more descriptors than a shell gives. */
static void raise_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static size_t waiting(const struct hsp_flusher *flusher) {
    size_t count = hsp_notice_count(flusher->notice);
    for (const struct hsp_endpoint *e = flusher->endpoints; e != NULL; e = e->next)
        count += e->settings != NULL ? hsp_queue_count(e->queue) : 0;
    return count;
}

static void loop(struct hsp_flusher *flusher, int signal_fd) {
    int64_t now_ms = hsp_now_ms(CLOCK_BOOTTIME);
    while (!is_over(flusher, now_ms)) {
        wait_for_work(flusher, signal_fd);
        now_ms = hsp_now_ms(CLOCK_BOOTTIME);
        read_signals(flusher, signal_fd, now_ms);
        hsp_worker_collect(flusher->placer);
        hsp_worker_collect(flusher->settler);
        hsp_trials_collect(flusher);
        /* Before the batch is handed over: what was asked for goes with it. */
        if (flusher->control != NULL)
            hsp_control_serve(flusher->control, flusher);
        if (flusher->reload_wanted && flusher->placing == NULL)
            hsp_start_reload(flusher);
        take_in(flusher, now_ms);
        hsp_http_perform(flusher->http);
        hsp_settle_submit(flusher, now_ms);
        hsp_send_all(flusher, now_ms);
        hsp_http_perform(flusher->http);
        hsp_settle_submit(flusher, now_ms);
        if (waiting(flusher) == 0)
            hsp_copies_clear(&flusher->copies); /* nothing will be read from them */
        hsp_report_write(flusher, now_ms, false);
        hsp_supervisor_ping(&flusher->supervisor, now_ms);
    }
}

/* Block the signals that the loop reads and open their descriptor. */
static int open_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int exit_status(enum hs_status status) {
    switch (status) {
    case HS_E_CONFIG:
        return EX_CONFIG;
    case HS_E_SPOOL:
        return EX_CANTCREAT;
    case HS_E_FULL:
        return 75;
    default:
        return EX_IOERR;
    }
}

/* The configuration is read, the parts are opened, the loop runs. */
static int run(struct hsp_flusher *flusher, const struct hsp_flusher_options *options,
               int signal_fd) {
    struct hs_error err = {0};
    enum hs_status status = hsp_flusher_check(options->config, &flusher->settings, &err);
    if (status != HS_OK && status != HS_E_NOMEM)
        status = HS_E_CONFIG; /* a file that cannot be read is a wrong one */
    if (status == HS_OK) {
        hsp_log_open(flusher->settings->log);
        status = hsp_start_open(flusher, &err);
    }
    if (status == HS_OK)
        flusher->recordable = hsp_journal_reserve(flusher->journal, 1, NULL) == HS_OK;
    if (status != HS_OK) {
        hsp_log(HSP_LOG_ERROR, "%s", err.text);
        hsp_supervisor_status(&flusher->supervisor, err.text);
        return exit_status(status);
    }
    hsp_report_write(flusher, hsp_now_ms(CLOCK_BOOTTIME), true);
    hsp_log(HSP_LOG_INFO, "%s serves %s: %zu endpoint%s, %zu event%s waiting",
            PACKAGE_STRING, flusher->dir.path, flusher->settings->endpoint_count,
            hsp_plural(flusher->settings->endpoint_count), waiting(flusher),
            hsp_plural(waiting(flusher)));
    hsp_supervisor_ready(&flusher->supervisor);
    hsp_log_leave_stderr();
    loop(flusher, signal_fd);
    hsp_report_write(flusher, hsp_now_ms(CLOCK_BOOTTIME), true);
    hsp_log(HSP_LOG_INFO, "ended: %zu event%s waiting", waiting(flusher),
            hsp_plural(waiting(flusher)));
    if (flusher->failed)
        return EX_IOERR;
    return flusher->drain && waiting(flusher) > 0 ? 1 : 0;
}

int hsp_flusher_run(const struct hsp_flusher_options *options) {
    struct hsp_flusher flusher = {
        .dir = {.root = -1, .lock = -1},
        .drain = options->drain,
        .started_utc_ms = hsp_now_ms(CLOCK_REALTIME),
    };
    hsp_copies_init(&flusher.copies);
    int signal_fd = open_signals();
    if (signal_fd < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        hsp_log(HSP_LOG_ERROR, "start: %s", strerror(errno));
        return EX_OSERR;
    }
    umask(077);
    raise_limit();
    hsp_supervisor_open(&flusher.supervisor);
    srandom((unsigned)hsp_now_ms(CLOCK_REALTIME) ^ (unsigned)getpid());
    int result = run(&flusher, options, signal_fd);
    hsp_start_close(&flusher);
    hsp_supervisor_close(&flusher.supervisor);
    hsp_log_close();
    curl_global_cleanup();
    close(signal_fd);
    return result;
}
