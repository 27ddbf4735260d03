/* SPDX-License-Identifier: MIT */
/* Where a status comes from: the disk, the lock, the daemon, or the file that it wrote
 * last. Nothing is changed, and a daemon that hangs costs no more than the patience. */
#include "config.h"

#include "status.h"

#include "ask.h"
#include "error.h"
#include "file.h"
#include "id.h"
#include "spool.h"
#include "units.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define STATUS_MAX (64 * 1024 * 1024)
#define ADVICE_SIZE 160
#define STARTING_MS 2000 /* a daemon that starts has the lock before it listens */
#define STARTING_STEP_MS 50

/* Disk
 * ------------------------------------------------------------------------------------ */

/* An event's id, and so the name of its file, begins with the time in ms, 48 bits. */
static int64_t time_of_name(const char *name) {
    char digits[13] = "";
    memcpy(digits, name, 8);
    memcpy(digits + 8, name + 9, 4);
    return (int64_t)strtoull(digits, NULL, 16);
}

static void count_incoming(struct hsp_status *status, int root) {
    status->incoming = -1;
    status->incoming_oldest_at = HSP_NO_TIME;
    int fd = openat(root, HSP_INCOMING, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    status->incoming = 0;
    for (struct dirent *item; (item = readdir(folder)) != NULL;) {
        if (!hsp_spool_name_ok(item->d_name))
            continue;
        int64_t at = time_of_name(item->d_name);
        if (status->incoming++ == 0 || at < status->incoming_oldest_at)
            status->incoming_oldest_at = at;
    }
    closedir(folder);
}

static double percent(uint64_t part, uint64_t whole) {
    return whole > 0 ? (double)part * 100 / (double)whole : -1;
}

static void measure_space(struct hsp_status *status, int root) {
    struct statvfs fs = {0};
    bool told = fstatvfs(root, &fs) == 0;
    status->space_free = told ? percent(fs.f_bavail, fs.f_blocks) : -1;
    status->inodes_free = told ? percent(fs.f_favail, fs.f_files) : -1;
}

/* Daemon
 * ---------------------------------------------------------------------------------- */

/* The daemon's answer as its status; NULL where it has none. The caller's. */
static json_object *unwrap(const char *answer, struct hs_error *err) {
    json_object *object = hsp_json_parse(answer, strcspn(answer, "\n"), err);
    json_object *status = NULL, *error = NULL;
    if (json_object_object_get_ex(object, "status", &status) && status != NULL)
        json_object_get(status);
    else if (json_object_object_get_ex(object, "error", &error))
        hsp_fail(err, HS_E_SPOOL, "hookspoold says: %s", json_object_get_string(error));
    else
        hsp_fail(err, HS_E_SPOOL, "hookspoold gave no status");
    json_object_put(object);
    return status;
}

/* Ask, and again for a moment while somebody has the lock but does not listen. */
static json_object *ask(const char *spool, int patience_ms, struct hs_error *err) {
    char *answer = NULL;
    int64_t began_ms = hsp_now_ms(CLOCK_BOOTTIME), spent_ms = 0;
    for (;;) {
        struct hs_error failure = {0};
        if (hsp_ask(spool, "{\"verb\":\"status\"}", patience_ms - (int)spent_ms, &answer,
                    &failure) == HS_OK)
            break;
        spent_ms = hsp_now_ms(CLOCK_BOOTTIME) - began_ms;
        if (!hsp_ask_may_pass(&failure) || spent_ms + STARTING_STEP_MS >= patience_ms ||
            spent_ms > STARTING_MS || hsp_lock_ask(spool) == HSP_NOT_SERVED) {
            *err = failure;
            return NULL;
        }
        usleep(STARTING_STEP_MS * 1000);
    }
    json_object *status = unwrap(answer, err);
    free(answer);
    return status;
}

/* What helps whoever has no right to `name` in the spool: the daemon's files have its
 * group, which has to be the spool's, and members of it may read them. */
static void advise(int root, const char *name, char text[ADVICE_SIZE]) {
    struct stat spool, file;
    const struct passwd *user = getpwuid(geteuid());
    *text = '\0';
    if (user == NULL || fstat(root, &spool) != 0)
        return;
    bool is_same = fstatat(root, name, &file, AT_SYMLINK_NOFOLLOW) != 0 ||
                   file.st_gid == spool.st_gid;
    const struct group *group = getgrgid(spool.st_gid);
    if (group != NULL && is_same)
        snprintf(text, ADVICE_SIZE, " (make user %s a member of the group %s)",
                 user->pw_name, group->gr_name);
    else if (group != NULL)
        snprintf(text, ADVICE_SIZE, " (hookspoold has to run with the group %s)",
                 group->gr_name);
}

/* A failed step, with the way out. `name` is in the spool, NULL the spool itself. */
static enum hs_status fail(const char *spool, int root, const char *name,
                           struct hs_error *err) {
    int cause = errno;
    struct hs_error plain = {0};
    char advice[ADVICE_SIZE] = "";
    hsp_fail_errno(&plain, HS_E_SPOOL, "open %s%s%s", spool, name != NULL ? "/" : "",
                   name != NULL ? name : "");
    if (cause == ENOENT && name == NULL)
        snprintf(advice, sizeof advice, " (run `hookspool init`?)");
    else if (cause == EACCES && name != NULL)
        advise(root, name, advice);
    hsp_fail(err, plain.status, "%s%s", plain.text, advice);
    err->sys_errno = cause;
    return err->status;
}

static json_object *read_file(const char *spool, int root, struct hs_error *err) {
    size_t length = 0;
    char *text = hsp_read_file(root, "status.json", STATUS_MAX, &length, NULL);
    if (text == NULL) {
        if (errno != ENOENT)
            fail(spool, root, "status.json", err);
        return NULL;
    }
    struct hs_error failure = {0};
    json_object *json = hsp_json_parse(text, strcspn(text, "\n"), &failure);
    if (json == NULL)
        hsp_fail(err, HS_E_DATA, "%s/status.json is damaged: %s", spool, failure.text);
    free(text);
    return json;
}

/* The daemon's words, from it or from its file. */
static json_object *hear(struct hsp_status *status, const char *spool, int root,
                         int patience_ms, struct hs_error *err) {
    json_object *json = NULL;
    if (patience_ms >= 0 && status->service != HSP_NOT_SERVED)
        json = ask(spool, patience_ms, &status->silence);
    if (json != NULL) {
        status->service = HSP_SERVED;
        status->source = HSP_STATUS_SOCKET;
        return json;
    }
    /* It may have ended, or come to its end, meanwhile. */
    if (status->service == HSP_SERVED)
        status->service = hsp_lock_ask(spool);
    if (status->service == HSP_NOT_SERVED)
        status->silence = (struct hs_error){0};
    json = read_file(spool, root, err);
    status->source = json != NULL ? HSP_STATUS_FILE : HSP_STATUS_NONE;
    return json;
}

enum hs_status hsp_status_get(struct hsp_status *status, const char *spool,
                              int patience_ms, struct hs_error *err) {
    *status = (struct hsp_status){.read_at = hsp_now_ms(CLOCK_REALTIME)};
    *err = (struct hs_error){0};
    int root = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return fail(spool, -1, NULL, err);
    status->service = hsp_lock_ask(spool);
    int lock_errno = errno;
    count_incoming(status, root);
    measure_space(status, root);
    json_object *json = hear(status, spool, root, patience_ms, err);
    enum hs_status result = err->status;
    if (result == HS_OK && status->service == HSP_SERVICE_UNKNOWN) {
        errno = lock_errno;
        result = fail(spool, root, HSP_LOCK_NAME, err);
    } else if (result == HS_OK && json != NULL) {
        result = hsp_status_parse(status, json, err);
    }
    json_object_put(json);
    close(root);
    return result;
}
