/* SPDX-License-Identifier: MIT */
/* The daemon: start, loop, reload, end. The start does in this order what a crash may
 * have left undone: staged files, then queues, then what is to be remembered of them;
 * only then is anything new taken in or sent. */
#include "config.h"

#include "../error.h"
#include "control.h"
#include "flusher.h"

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define PATIENCE_MS 10000   /* for what is in flight, after SIGTERM */
#define TMP_AGE_S 3600      /* older files in tmp/ belong to nobody */
#define REMEMBER_BACK 16384 /* so many numbers are looked at after a crash */
#define POLL_FDS (HSP_CONTROL_CLIENTS + 5)

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
        if (hsp_endpoint_name_ok(item->d_name) &&
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
    flusher->reload_wanted = false;
    if (hsp_flusher_check(flusher->settings->path, &fresh, &err) != HS_OK) {
        hsp_log(HSP_LOG_ERROR, "%s: the old configuration stays", err.text);
        return;
    }
    if (strcmp(fresh->spool_dir, flusher->settings->spool_dir) != 0 ||
        strcmp(fresh->journal, flusher->settings->journal) != 0)
        hsp_log(HSP_LOG_WARNING,
                "spool_dir and journal are not changed by a reload: restart");
    if (configure_all(flusher, fresh, &err) != HS_OK)
        hsp_log(HSP_LOG_ERROR, "%s: it gets nothing until the next reload", err.text);
    hsp_settings_free(flusher->settings);
    flusher->settings = fresh;
    flusher->changed = true;
    hsp_notice_rescan(flusher->notice);
    hsp_log(HSP_LOG_NOTICE, "configuration reloaded: %zu endpoints",
            fresh->endpoint_count);
}

/* Start
 * ------------------------------------------------------------------------------------ */

/* Do again what was being placed when the process died. Without the thread: nothing else
 * goes on yet. */
static enum hs_status finish_staged(struct hsp_flusher *flusher, struct hs_error *err) {
    struct hsp_placing *placing = NULL;
    enum hs_status status = hsp_plan_staged(flusher, &placing, err);
    if (status == HS_OK && placing != NULL)
        status = hsp_placing_work(&placing->job, err);
    hsp_placing_free(placing);
    return status;
}

/* Events above `known` were placed but not remembered. */
static void remember_unknown(struct hsp_flusher *flusher, uint64_t known, uint64_t top) {
    uint64_t first = top > REMEMBER_BACK ? top - REMEMBER_BACK : 0;
    first = known + 1 > first ? known + 1 : first;
    for (struct hsp_endpoint *e = flusher->endpoints; e != NULL; e = e->next)
        hsp_queue_each_from(e->queue, first, hsp_plan_remember_each,
                            &(struct hsp_plan_context){flusher, e});
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

/* What a killed adapter left behind was never acknowledged. */
static void clean_tmp(struct hsp_flusher *flusher) {
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

static enum hs_status open_parts(struct hsp_flusher *flusher, struct hs_error *err) {
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
        status = hsp_http_open(&flusher->http, hsp_settle_answer, flusher, err);
    if (status == HS_OK)
        status = hsp_control_open(&flusher->control, flusher->dir.root, err);
    if (status == HS_OK)
        status = hsp_worker_open(&flusher->placer, err);
    if (status == HS_OK)
        status = hsp_worker_open(&flusher->settler, err);
    return status;
}

static void close_parts(struct hsp_flusher *flusher) {
    hsp_worker_close(flusher->placer);
    hsp_worker_close(flusher->settler);
    hsp_control_close(flusher->control);
    hsp_http_close(flusher->http);
    hsp_notice_close(flusher->notice);
    hsp_placing_free(flusher->placing);
    hsp_batch_free(flusher->open);
    hsp_batch_free(flusher->closed);
    while (flusher->endpoints != NULL) {
        struct hsp_endpoint *next = flusher->endpoints->next;
        hsp_endpoint_close(flusher->endpoints);
        flusher->endpoints = next;
    }
    hsp_recent_close(flusher->recent);
    hsp_journal_close(flusher->journal);
    hsp_spooldir_close(&flusher->dir);
    hsp_settings_free(flusher->settings);
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
    if (placing->saw_down)
        hsp_notice_release(flusher->notice);
    hsp_placing_free(placing);
    flusher->placing = NULL;
}

static bool has_endpoint(const struct hsp_flusher *flusher) {
    return flusher->settings->endpoint_count > 0;
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
    if (hsp_notice_update(flusher->notice, now_ms, &err) != HS_OK)
        hsp_log(HSP_LOG_ERROR, "%s", err.text);
    /* Without an endpoint everything would be filtered away: a mistake that costs nothing
     * this way. */
    if (flusher->stop_at_ms != 0 || !has_endpoint(flusher))
        return;
    if (hsp_plan_incoming(flusher, &flusher->placing, &err) != HS_OK) {
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
    if (flusher->stop_at_ms == 0)
        flusher->stop_at_ms = now_ms + PATIENCE_MS;
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
        (flusher->open != NULL && !hsp_batch_is_empty(flusher->open)))
        return false;
    if (flusher->stop_at_ms != 0)
        return true;
    return hsp_notice_count(flusher->notice) == 0 &&
           hsp_notice_due(flusher->notice) == INT64_MAX &&
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
    int64_t due = hsp_report_due(flusher);
    if (flusher->placing == NULL && flusher->stop_at_ms == 0)
        due = earlier(due, hsp_notice_due(flusher->notice));
    if (flusher->placing == NULL && has_endpoint(flusher) && flusher->stop_at_ms == 0 &&
        hsp_notice_count(flusher->notice) > 0)
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
    count += hsp_control_fds(flusher->control, fds + count);
    hsp_http_wait(flusher->http, fds, count, timeout_ms);
}

static void loop(struct hsp_flusher *flusher, int signal_fd) {
    int64_t now_ms = hsp_now_ms(CLOCK_BOOTTIME);
    while (!is_over(flusher, now_ms)) {
        wait_for_work(flusher, signal_fd);
        now_ms = hsp_now_ms(CLOCK_BOOTTIME);
        read_signals(flusher, signal_fd, now_ms);
        hsp_worker_collect(flusher->placer);
        hsp_worker_collect(flusher->settler);
        if (flusher->reload_wanted && flusher->placing == NULL)
            reload(flusher);
        else
            take_in(flusher, now_ms);
        hsp_http_perform(flusher->http);
        hsp_settle_submit(flusher, now_ms);
        hsp_send_all(flusher, now_ms);
        hsp_http_perform(flusher->http);
        hsp_settle_submit(flusher, now_ms);
        hsp_control_serve(flusher->control, flusher);
        hsp_report_write(flusher, now_ms, false);
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

static size_t waiting(const struct hsp_flusher *flusher) {
    size_t count = hsp_notice_count(flusher->notice);
    for (const struct hsp_endpoint *e = flusher->endpoints; e != NULL; e = e->next)
        count += e->settings != NULL ? hsp_queue_count(e->queue) : 0;
    return count;
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
    if (status == HS_OK)
        status = open_parts(flusher, &err);
    if (status == HS_OK)
        flusher->recordable = hsp_journal_reserve(flusher->journal, 1, NULL) == HS_OK;
    if (status != HS_OK) {
        hsp_log(HSP_LOG_ERROR, "%s", err.text);
        return exit_status(status);
    }
    clean_tmp(flusher);
    hsp_report_write(flusher, hsp_now_ms(CLOCK_BOOTTIME), true);
    hsp_log(HSP_LOG_INFO, "%s serves %s: %zu endpoints, %zu events waiting",
            PACKAGE_STRING, flusher->dir.path, flusher->settings->endpoint_count,
            waiting(flusher));
    loop(flusher, signal_fd);
    hsp_report_write(flusher, hsp_now_ms(CLOCK_BOOTTIME), true);
    hsp_log(HSP_LOG_INFO, "ended: %zu events waiting", waiting(flusher));
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
    int signal_fd = open_signals();
    if (signal_fd < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        hsp_log(HSP_LOG_ERROR, "start: %s", strerror(errno));
        return EX_OSERR;
    }
    umask(077);
    srandom((unsigned)hsp_now_ms(CLOCK_REALTIME) ^ (unsigned)getpid());
    int result = run(&flusher, options, signal_fd);
    close_parts(&flusher);
    curl_global_cleanup();
    close(signal_fd);
    return result;
}
