/* SPDX-License-Identifier: MIT */
/* Opening a spool and putting events: what is on disk, who may, and what every failing
 * system call leaves behind. The system calls of a put are wrapped (ld --wrap). */
#include "config.h"

#include "alloc_fail.h"
#include "conf.h"
#include "record.h"
#include "scratch.h"
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The call that fails next, with which errno, after how many that do not. */
static const char *failing;
static int failing_errno;
static int failing_after;

static bool fails_now(const char *call) {
    if (failing == NULL || strcmp(failing, call) != 0 || failing_after-- > 0)
        return false;
    failing = NULL;
    errno = failing_errno;
    return true;
}

static void let_fail(const char *call, int after, int cause) {
    failing = call;
    failing_after = after;
    failing_errno = cause;
}

int __real_openat(int dirfd, const char *name, int flags, ...);
int __real_fchmod(int fd, mode_t mode);
ssize_t __real_write(int fd, const void *bytes, size_t length);
int __real_fsync(int fd);
int __real_close(int fd);
int __real_renameat(int from, const char *old, int to, const char *new);

int __wrap_openat(int dirfd, const char *name, int flags, ...);
int __wrap_fchmod(int fd, mode_t mode);
ssize_t __wrap_write(int fd, const void *bytes, size_t length);
int __wrap_fsync(int fd);
int __wrap_close(int fd);
int __wrap_renameat(int from, const char *old, int to, const char *new);

int __wrap_openat(int dirfd, const char *name, int flags, ...) {
    va_list args;
    va_start(args, flags);
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails_now("openat") ? -1 : __real_openat(dirfd, name, flags, mode);
}

int __wrap_fchmod(int fd, mode_t mode) {
    return fails_now("fchmod") ? -1 : __real_fchmod(fd, mode);
}

/* Always short, so that the loop around it is needed. */
ssize_t __wrap_write(int fd, const void *bytes, size_t length) {
    if (fails_now("write"))
        return -1;
    return __real_write(fd, bytes, length > 1000 ? length / 2 : length);
}

int __wrap_fsync(int fd) { return fails_now("fsync") ? -1 : __real_fsync(fd); }

int __wrap_close(int fd) {
    const int result = __real_close(fd);
    return fails_now("close") ? -1 : result;
}

int __wrap_renameat(int from, const char *old, int to, const char *new) {
    return fails_now("renameat") ? -1 : __real_renameat(from, old, to, new);
}

static struct hs_config *config;

/* A scratch folder whose "spool" is the spool. */
static int set_up(void **state) {
    (void)state;
    char text[SCRATCH_PATH_MAX + 64];
    scratch_make();
    const char *path = scratch_path("spool");
    const int length =
        snprintf(text, sizeof text, "spool_dir = \"%s\"\nmin_free = 0\n", path);
    if (mkdir(path, 0755) != 0)
        return -1;
    path = scratch_write("hookspool.conf", text, (size_t)length);
    return hs_config_load(&config, path, NULL) == HS_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    failing = NULL;
    hs_config_free(config);
    config = NULL;
    scratch_remove();
    return 0;
}

static struct hs_spool *open_spool(void) {
    struct hs_spool *spool = NULL;
    struct hs_error err = {0};
    if (hs_spool_open(&spool, config, &err) != HS_OK)
        fail_msg("%s", err.text);
    return spool;
}

static struct hs_event *new_event(const char *host) {
    struct hs_event *event = NULL;
    assert_int_equal(hs_event_new(&event, HS_KIND_INCIDENT, HS_STATE_DOWN, NULL), HS_OK);
    assert_int_equal(hs_event_set_text(event, HS_TEXT_HOST, host, strlen(host), NULL),
                     HS_OK);
    return event;
}

static void set_message(struct hs_event *event, size_t length) {
    char *message = malloc(length);
    assert_non_null(message);
    memset(message, 'm', length);
    assert_int_equal(
        hs_event_set_text(event, HS_TEXT_ERROR_MESSAGE, message, length, NULL), HS_OK);
    free(message);
}

static size_t count_incoming(char name[SCRATCH_PATH_MAX]) {
    return scratch_count(scratch_path("spool/incoming"), name);
}

static size_t count_tmp(void) { return scratch_count(scratch_path("spool/tmp"), NULL); }

static mode_t mode_of(const char *path) {
    struct stat found;
    assert_int_equal(lstat(path, &found), 0);
    return found.st_mode & 07777;
}

/* The ids of a file's events; their number. */
static size_t read_ids(const char *path, char ids[][HSP_ID_LENGTH + 1], size_t max) {
    size_t length;
    size_t count = 0;
    char *bytes = scratch_read(path, &length);
    struct hsp_record_reader reader;
    struct hsp_record_event event;
    assert_int_equal(hsp_record_open(&reader, bytes, length, NULL), HS_OK);
    while (hsp_record_next(&reader, &event) && count < max)
        memcpy(ids[count++], event.id, sizeof event.id);
    free(bytes);
    return count;
}

static void test_put(void **state) {
    (void)state;
    char path[SCRATCH_PATH_MAX];
    char ids[1][HSP_ID_LENGTH + 1];
    char *record = NULL;
    size_t length = 0;
    size_t record_length = 0;
    const mode_t before = umask(0077);
    struct hs_spool *spool = open_spool();
    struct hs_event *event = new_event("web-01");
    set_message(event, 5000);
    umask(0777);
    assert_int_equal(hs_spool_put(spool, event, NULL), HS_OK);
    umask(before);

    assert_int_equal(mode_of(scratch_path("spool/incoming")), HSP_INCOMING_MODE);
    assert_int_equal(mode_of(scratch_path("spool/tmp")), HSP_INCOMING_MODE);
    assert_int_equal(count_tmp(), 0);
    assert_int_equal(count_incoming(path), 1);
    assert_int_equal(mode_of(path), HSP_EVENT_MODE);
    assert_true(hsp_spool_name_ok(strrchr(path, '/') + 1));
    assert_memory_equal(strrchr(path, '/') + 1, hs_event_id(event), HSP_ID_LENGTH);
    assert_int_equal(read_ids(path, ids, 1), 1);
    assert_string_equal(ids[0], hs_event_id(event));

    char *file = scratch_read(path, &length);
    assert_int_equal(hs_event_record(event, config, &record, &record_length, NULL),
                     HS_OK);
    assert_int_equal(length, record_length);
    assert_string_equal(file, record);
    free(file);
    free(record);

    /* Again under the same id: one file. */
    assert_int_equal(hs_spool_put(spool, event, NULL), HS_OK);
    assert_int_equal(count_incoming(NULL), 1);
    hs_event_free(event);
    hs_spool_close(spool);
    hs_spool_close(NULL);
}

static void test_batch(void **state) {
    (void)state;
    enum { COUNT = 100 };
    char path[SCRATCH_PATH_MAX];
    char ids[COUNT + 1][HSP_ID_LENGTH + 1];
    struct hs_event *events[COUNT];
    struct hs_spool *spool = open_spool();
    assert_int_equal(hs_spool_put_batch(spool, NULL, 0, NULL), HS_OK);
    assert_int_equal(count_incoming(NULL), 0);
    for (int i = 0; i < COUNT; i++)
        events[i] = new_event("web-01");
    const struct hs_event *const *batch = (const struct hs_event *const *)events;
    assert_int_equal(hs_spool_put_batch(spool, batch, COUNT, NULL), HS_OK);
    assert_int_equal(count_incoming(path), 1);
    assert_int_equal(read_ids(path, ids, COUNT + 1), COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_string_equal(ids[i], hs_event_id(events[i]));

    /* One of them put again alone does not take the place of all. */
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(hs_spool_put(spool, events[i], NULL), HS_OK);
    assert_int_equal(count_incoming(NULL), COUNT + 1);
    for (int i = 0; i < COUNT; i++)
        hs_event_free(events[i]);
    hs_spool_close(spool);
}

/* More than one file holds, with every event once and no file too long. */
static void test_long_batch(void **state) {
    (void)state;
    enum { COUNT = 400 };
    struct hs_event *events[COUNT];
    struct hs_spool *spool = open_spool();
    for (int i = 0; i < COUNT; i++) {
        events[i] = new_event("web-01");
        set_message(events[i], 100000);
    }
    const struct hs_event *const *batch = (const struct hs_event *const *)events;
    assert_int_equal(hs_spool_put_batch(spool, batch, COUNT, NULL), HS_OK);
    size_t found = 0;
    char path[SCRATCH_PATH_MAX];
    while (count_incoming(path) > 0) {
        char ids[COUNT][HSP_ID_LENGTH + 1];
        struct stat file;
        assert_int_equal(stat(path, &file), 0);
        assert_true(file.st_size <= HSP_FILE_MAX);
        found += read_ids(path, ids, COUNT);
        assert_int_equal(remove(path), 0);
    }
    assert_int_equal(found, COUNT);
    for (int i = 0; i < COUNT; i++)
        hs_event_free(events[i]);
    hs_spool_close(spool);
}

/* A bad event: nothing of the batch is queued. */
static void test_bad_event(void **state) {
    (void)state;
    struct hs_spool *spool = open_spool();
    struct hs_event *good = new_event("web-01");
    struct hs_event *bad = new_event("");
    const struct hs_event *const batch[] = {good, bad};
    struct hs_error err = {0};
    assert_int_equal(hs_spool_put_batch(spool, batch, 2, &err), HS_E_DATA);
    assert_string_equal(err.text, "event: no monitor name and no host");
    assert_int_equal(count_incoming(NULL), 0);
    assert_int_equal(count_tmp(), 0);
    hs_event_free(good);
    hs_event_free(bad);
    hs_spool_close(spool);
}

/* What each step of a put leaves when it fails. */
static void test_failing_steps(void **state) {
    (void)state;
    static const struct {
        const char *call;
        int after, cause;
        enum hs_status status;
        size_t incoming;
        const char *text; /* "%" stands for the spool's path */
    } cases[] = {
        {"openat", 0, EACCES, HS_E_SPOOL, 0, "create %/tmp/"},
        {"openat", 0, EROFS, HS_E_SPOOL, 0, "create %/tmp/"},
        {"openat", 0, ENOENT, HS_E_SPOOL, 0, "create %/tmp/"},
        {"openat", 0, ENOSPC, HS_E_FULL, 0, "create %/tmp/"},
        {"openat", 0, EMFILE, HS_E_IO, 0, "create %/tmp/"},
        {"openat", 0, EEXIST, HS_OK, 1, ""},
        {"fchmod", 0, EPERM, HS_E_SPOOL, 0, "set the mode of %/tmp/"},
        {"write", 0, EINTR, HS_OK, 1, ""},
        {"write", 0, ENOSPC, HS_E_FULL, 0, "write %/tmp/"},
        {"write", 1, EDQUOT, HS_E_FULL, 0, "write %/tmp/"},
        {"write", 2, EIO, HS_E_IO, 0, "write %/tmp/"},
        {"fsync", 0, EIO, HS_E_IO, 0, "sync %/tmp/"},
        {"fsync", 0, ENOSPC, HS_E_FULL, 0, "sync %/tmp/"},
        {"close", 0, EIO, HS_E_IO, 0, "close %/tmp/"},
        {"renameat", 0, ENOSPC, HS_E_FULL, 0, "rename "},
        {"renameat", 0, EPERM, HS_E_SPOOL, 0, "rename "},
        {"renameat", 0, EIO, HS_E_IO, 0, "rename "},
        /* From the rename on the event may be sent, whatever the errno is. */
        {"fsync", 1, EIO, HS_E_IO, 1, "sync %/incoming: "},
        {"fsync", 1, ENOSPC, HS_E_IO, 1, "sync %/incoming: "},
    };
    struct hs_spool *spool = open_spool();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[SCRATCH_PATH_MAX];
        char expected[SCRATCH_PATH_MAX + 64];
        struct hs_error err = {0};
        struct hs_event *event = new_event("web-01");
        set_message(event, 5000);
        let_fail(cases[i].call, cases[i].after, cases[i].cause);
        const enum hs_status status = hs_spool_put(spool, event, &err);
        assert_null(failing);
        if (status != cases[i].status || err.status != status)
            fail_msg("case %zu: %d, %s", i, status, err.text);
        const char *hole = strchr(cases[i].text, '%');
        if (hole == NULL)
            snprintf(expected, sizeof expected, "%s", cases[i].text);
        else
            snprintf(expected, sizeof expected, "%.*s%s%s", (int)(hole - cases[i].text),
                     cases[i].text, scratch_path("spool"), hole + 1);
        if (strncmp(err.text, expected, strlen(expected)) != 0)
            fail_msg("case %zu: %s, not %s", i, err.text, expected);
        assert_int_equal(err.sys_errno, status == HS_OK ? 0 : cases[i].cause);
        assert_int_equal(count_tmp(), 0);
        assert_int_equal(count_incoming(path), cases[i].incoming);
        if (cases[i].incoming > 0)
            assert_int_equal(remove(path), 0);
        hs_event_free(event);
    }
    hs_spool_close(spool);
}

static void check_open_fails(enum hs_status status, const char *start, const char *end) {
    struct hs_spool *spool = NULL;
    struct hs_error err = {0};
    char expected[SCRATCH_PATH_MAX + 128];
    assert_int_equal(hs_spool_open(&spool, config, &err), status);
    assert_null(spool);
    snprintf(expected, sizeof expected, "%s%s%s", start, scratch_path("spool"), end);
    assert_string_equal(err.text, expected);
    assert_int_equal(err.status, status);
}

static void test_no_spool(void **state) {
    (void)state;
    const char *path = scratch_path("spool");
    assert_int_equal(rmdir(path), 0);
    check_open_fails(HS_E_SPOOL, "open ",
                     ": No such file or directory; run `hookspool init`");
    scratch_write("spool", "", 0);
    check_open_fails(HS_E_SPOOL, "", " is not a folder; run `hookspool init`");
    assert_int_equal(remove(path), 0);
    /* The spool itself may be elsewhere. */
    assert_int_equal(mkdir(scratch_path("real"), 0755), 0);
    assert_int_equal(symlink("real", path), 0);
    hs_spool_close(open_spool());
    assert_int_equal(access(scratch_path("real/incoming"), F_OK), 0);
}

static void test_spool_for_everybody(void **state) {
    (void)state;
    assert_int_equal(chmod(scratch_path("spool"), 01777), 0);
    check_open_fails(HS_E_SPOOL, "", " is writable for everybody; run `hookspool init`");
}

static void test_no_folders(void **state) {
    (void)state;
    hs_spool_close(open_spool());
    assert_int_equal(rmdir(scratch_path("spool/incoming")), 0);
    scratch_write("spool/incoming", "", 0);
    check_open_fails(HS_E_SPOOL, "", "/incoming is not a folder; run `hookspool init`");
    assert_int_equal(remove(scratch_path("spool/incoming")), 0);
    assert_int_equal(symlink("tmp", scratch_path("spool/incoming")), 0);
    check_open_fails(HS_E_SPOOL, "", "/incoming is not a folder; run `hookspool init`");
    assert_int_equal(remove(scratch_path("spool/incoming")), 0);
    hs_spool_close(open_spool());
    assert_int_equal(rmdir(scratch_path("spool/tmp")), 0);
    assert_int_equal(symlink("/nonexistent", scratch_path("spool/tmp")), 0);
    check_open_fails(HS_E_SPOOL, "", "/tmp is not a folder; run `hookspool init`");
    let_fail("openat", 0, EIO);
    check_open_fails(HS_E_IO, "open ", "/incoming: Input/output error");
    let_fail("openat", 0, EACCES);
    check_open_fails(HS_E_SPOOL, "open ",
                     "/incoming: Permission denied; run `hookspool init`");
}

/* Folders of another: nothing is made there, nothing of mixed owners is used. */
static void test_owners(void **state) {
    (void)state;
    if (geteuid() != 0)
        skip();
    const char *path = scratch_path("spool");
    assert_int_equal(chown(path, 4711, 4711), 0);
    check_open_fails(HS_E_SPOOL, "open ",
                     "/incoming: No such file or directory; run `hookspool init`");
    assert_int_equal(access(scratch_path("spool/incoming"), F_OK), -1);
    assert_int_equal(mkdir(scratch_path("spool/incoming"), 0770), 0);
    check_open_fails(
        HS_E_SPOOL, "",
        "/incoming belongs to uid 0, the spool to uid 4711; run `hookspool init`");
    assert_int_equal(chown(scratch_path("spool/incoming"), 4711, 4711), 0);
    check_open_fails(HS_E_SPOOL, "open ",
                     "/tmp: No such file or directory; run `hookspool init`");
}

static void test_make_folder(void **state) {
    (void)state;
    struct hs_error err = {0};
    const char *path = scratch_path("spool");
    const int fd = open(path, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            hsp_make_folder(fd, path, "queue", 0700, getuid(), getgid(), NULL), HS_OK);
    assert_int_equal(mode_of(scratch_path("spool/queue")), 0700);
    assert_int_equal(
        hsp_make_folder(fd, path, "queue", 03770, (uid_t)-1, (gid_t)-1, NULL), HS_OK);
    assert_int_equal(mode_of(scratch_path("spool/queue")), 03770);
    scratch_write("spool/file", "", 0);
    assert_int_equal(hsp_make_folder(fd, path, "file", 0700, (uid_t)-1, (gid_t)-1, &err),
                     HS_E_SPOOL);
    assert_non_null(strstr(err.text, "/spool/file: Not a directory"));
    assert_int_equal(symlink("queue", scratch_path("spool/link")), 0);
    assert_int_equal(hsp_make_folder(fd, path, "link", 0700, (uid_t)-1, (gid_t)-1, NULL),
                     HS_E_SPOOL);
    assert_int_equal(mode_of(scratch_path("spool/queue")), 03770);
    assert_int_equal(hsp_make_folder(fd, path, "a/b", 0700, (uid_t)-1, (gid_t)-1, NULL),
                     HS_E_SPOOL);
    let_fail("fchmod", 0, EPERM);
    assert_int_equal(hsp_make_folder(fd, path, "new", 0700, (uid_t)-1, (gid_t)-1, NULL),
                     HS_E_SPOOL);
    close(fd);
}

static void test_names(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool ok;
    } cases[] = {
        {"017f22e2-79b0-7cc3-98c4-dc0c0c07398f.evt", true},
        {"017f22e2-79b0-7cc3-98c4-dc0c0c07398f.evt~", false},
        {"017f22e2-79b0-7cc3-98c4-dc0c0c07398f.txt", false},
        {"017f22e2-79b0-7cc3-98c4-dc0c0c07398f", false},
        {"017f22e2-79b0-4cc3-98c4-dc0c0c07398f.evt", false},
        {"017F22E2-79B0-7CC3-98C4-DC0C0C07398F.evt", false},
        {".evt", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(hsp_spool_name_ok(cases[i].name), cases[i].ok);
}

static void test_space(void **state) {
    (void)state;
    struct statvfs fs;
    const int fd = open(scratch_path("spool"), O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    assert_int_equal(fstatvfs(fd, &fs), 0);
    const int64_t left = (int64_t)(fs.f_bavail * fs.f_frsize);
    const struct {
        struct hsp_share share;
        bool is_short;
    } cases[] = {
        {{.percent = 0, .bytes = -1}, false},
        {{.percent = -1, .bytes = 0}, false},
        {{.percent = -1, .bytes = left / 2}, false},
        {{.percent = -1, .bytes = left + left / 2 + 1048576}, true},
        {{.percent = -1, .bytes = INT64_C(1) << 50}, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(hsp_space_is_short(fd, &cases[i].share), cases[i].is_short);
    close(fd);
    errno = EINTR;
    assert_false(hsp_space_is_short(fd, &cases[4].share));
    assert_int_equal(errno, EINTR);
}

static void test_min_free(void **state) {
    (void)state;
    char text[SCRATCH_PATH_MAX + 64];
    struct hs_config *strict = NULL;
    struct hs_spool *spool = NULL;
    struct hs_error err = {0};
    const int length =
        snprintf(text, sizeof text, "spool_dir = \"%s\"\nmin_free = \"1048576G\"\n",
                 scratch_path("spool"));
    const char *path = scratch_write("strict.conf", text, (size_t)length);
    assert_int_equal(hs_config_load(&strict, path, NULL), HS_OK);
    assert_int_equal(hs_spool_open(&spool, strict, NULL), HS_OK);
    struct hs_event *event = new_event("web-01");
    assert_int_equal(hs_spool_put(spool, event, &err), HS_E_FULL);
    snprintf(text, sizeof text, "write %s: less than 1125899906842624 bytes are free",
             scratch_path("spool"));
    assert_string_equal(err.text, text);
    assert_int_equal(count_incoming(NULL) + count_tmp(), 0);
    hs_event_free(event);
    hs_spool_close(spool);
    hs_config_free(strict);
}

#define THREADS 8
#define PUTS 25

static void *put_some(void *spool) {
    for (int i = 0; i < PUTS; i++) {
        struct hs_event *event = NULL;
        if (hs_event_new(&event, HS_KIND_TEST, HS_STATE_UP, NULL) != HS_OK ||
            hs_event_set_text(event, HS_TEXT_HOST, "h", 1, NULL) != HS_OK ||
            hs_spool_put(spool, event, NULL) != HS_OK)
            return spool;
        hs_event_free(event);
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    struct hs_spool *spool = open_spool();
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_some, spool), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(count_incoming(NULL), THREADS * PUTS);
    assert_int_equal(count_tmp(), 0);
    hs_spool_close(spool);
}

static enum hs_status open_and_close(void *context, struct hs_error *err) {
    struct hs_spool *spool = NULL;
    (void)context;
    const enum hs_status status = hs_spool_open(&spool, config, err);
    assert_int_equal(spool != NULL, status == HS_OK);
    hs_spool_close(spool);
    return status;
}

struct putting {
    struct hs_spool *spool;
    const struct hs_event *events[2];
};

static enum hs_status put_both(void *context, struct hs_error *err) {
    const struct putting *putting = context;
    const enum hs_status status =
        hs_spool_put_batch(putting->spool, putting->events, 2, err);
    assert_int_equal(count_incoming(NULL), status == HS_OK ? 1 : 0);
    assert_int_equal(count_tmp(), 0);
    return status;
}

static void test_without_memory(void **state) {
    (void)state;
    alloc_fail_each(open_and_close, NULL);
    struct hs_event *first = new_event("a");
    struct hs_event *second = new_event("b");
    struct putting putting = {open_spool(), {first, second}};
    alloc_fail_each(put_both, &putting);
    hs_spool_close(putting.spool);
    hs_event_free(first);
    hs_event_free(second);
}

#ifdef HSP_CRASH_POINTS
/* Die at each point of a put and look what is there; then the daemon would find a whole
 * event or none, and a second put of the same id brings it in any case. */
static void test_crash_points(void **state) {
    (void)state;
    static const struct {
        const char *point;
        size_t tmp, incoming;
    } cases[] = {
        {"put-created", 1, 0}, {"put-written", 1, 0},   {"put-synced", 1, 0},
        {"put-renamed", 0, 1}, {"put-renamed:2", 0, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[SCRATCH_PATH_MAX];
        char ids[1][HSP_ID_LENGTH + 1];
        struct hs_spool *spool = open_spool();
        struct hs_event *first = new_event("a");
        struct hs_event *second = new_event("b");
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            setenv("HOOKSPOOL_CRASH", cases[i].point, 1);
            if (hs_spool_put(spool, first, NULL) == HS_OK)
                _exit(hs_spool_put(spool, second, NULL) == HS_OK ? 0 : 1);
            _exit(1);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_int_equal(count_tmp(), cases[i].tmp);
        assert_int_equal(count_incoming(NULL), cases[i].incoming);
        assert_int_equal(hs_spool_put(spool, first, NULL), HS_OK);
        while (count_incoming(path) > 0) {
            assert_int_equal(read_ids(path, ids, 1), 1);
            assert_int_equal(remove(path), 0);
        }
        while (scratch_count(scratch_path("spool/tmp"), path) > 0)
            assert_int_equal(remove(path), 0);
        hs_event_free(first);
        hs_event_free(second);
        hs_spool_close(spool);
    }
}
#endif

#define SPOOL_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(test_put),
        SPOOL_TEST(test_batch),
        SPOOL_TEST(test_long_batch),
        SPOOL_TEST(test_bad_event),
        SPOOL_TEST(test_failing_steps),
        SPOOL_TEST(test_no_spool),
        SPOOL_TEST(test_spool_for_everybody),
        SPOOL_TEST(test_no_folders),
        SPOOL_TEST(test_owners),
        SPOOL_TEST(test_make_folder),
        cmocka_unit_test(test_names),
        SPOOL_TEST(test_space),
        SPOOL_TEST(test_min_free),
#ifdef HSP_CRASH_POINTS
        SPOOL_TEST(test_crash_points),
#endif
        SPOOL_TEST(test_threads),
        SPOOL_TEST(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
