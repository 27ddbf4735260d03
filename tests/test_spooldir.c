/* SPDX-License-Identifier: MIT */
/* The daemon's hold on a spool: folders with their modes and owners, and the lock. Owners
 * need root; else those parts are skipped and say so. */
#include "config.h"

#include "alloc_fail.h"
#include "delivery/spooldir.h"
#include "scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NOBODY 65534

static char spool[SCRATCH_PATH_MAX];

static int setup(void **state) {
    (void)state;
    scratch_make();
    snprintf(spool, sizeof spool, "%s", scratch_path("var/spool"));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

/* The path of `name` in the spool. */
static const char *in_spool(const char *name) {
    static char paths[4][SCRATCH_PATH_MAX * 2];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", spool, name);
    return path;
}

static void init_spool(void) {
    struct hs_error err = {0};
    if (hsp_spooldir_init(spool, (uid_t)-1, (gid_t)-1, &err) != HS_OK)
        fail_msg("%s", err.text);
}

static void open_spool(struct hsp_spooldir *dir) {
    struct hs_error err = {0};
    if (hsp_spooldir_open(dir, spool, &err) != HS_OK)
        fail_msg("%s", err.text);
    assert_false(dir->locked_by_other);
}

static const struct {
    const char *name;
    mode_t mode;
} folders[] = {
    {".", 0755},       {"incoming", 03770},     {"tmp", 03770},
    {"queue", 0700},   {"queue/.staged", 0700}, {"dead", 0700},
    {"corrupt", 0700}, {"state", 0700},
};
#define FOLDERS (sizeof folders / sizeof folders[0])

static void check_folders(uid_t uid, gid_t gid) {
    for (size_t i = 0; i < FOLDERS; i++) {
        struct stat info;
        assert_int_equal(lstat(in_spool(folders[i].name), &info), 0);
        if (info.st_mode != (S_IFDIR | folders[i].mode))
            fail_msg("%s has mode %o", folders[i].name, info.st_mode);
        assert_int_equal(info.st_uid, uid);
        assert_int_equal(info.st_gid, gid);
    }
}

static int open_files(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Making
 * ------------------------------------------------------------------------------------ */

static void test_modes_whatever_the_umask(void **state) {
    static const mode_t masks[] = {0, 022, 077};
    (void)state;
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        snprintf(spool, sizeof spool, "%s/%zu", scratch_path("spool"), i);
        const mode_t before = umask(masks[i]);
        init_spool();
        umask(before);
        check_folders(geteuid(), getegid());
    }
}

static void test_init_sets_modes_right(void **state) {
    (void)state;
    init_spool();
    for (size_t i = 1; i < FOLDERS; i++)
        assert_int_equal(chmod(in_spool(folders[i].name), 0777), 0);
    assert_int_equal(chmod(spool, 0700), 0);
    scratch_write("var/spool/queue/kept", "x", 1);
    init_spool();
    check_folders(geteuid(), getegid());
    assert_int_equal(access(in_spool("queue/kept"), F_OK), 0);
}

static void test_init_gives_it_away(void **state) {
    struct stat info;
    (void)state;
    if (geteuid() != 0) {
        print_message("SKIPPED, not root: owners\n");
        skip();
    }
    init_spool();
    assert_int_equal(hsp_spooldir_init(spool, 12345, 12346, NULL), HS_OK);
    check_folders(12345, 12346);
    assert_int_equal(stat(scratch_path("var"), &info), 0);
    assert_int_equal(info.st_uid, 0); /* not what leads to it */
}

static void test_make_path(void **state) {
    struct hs_error err = {0};
    struct stat info;
    (void)state;
    const mode_t mask = umask(027);
    assert_int_equal(hsp_make_path(scratch_path("a/b//c/"), NULL), HS_OK);
    umask(mask);
    assert_int_equal(stat(scratch_path("a/b/c"), &info), 0);
    assert_int_equal(info.st_mode, S_IFDIR | 0755); /* whatever the umask */
    assert_int_equal(hsp_make_path(scratch_path("a/b/c"), NULL), HS_OK);
    assert_int_equal(hsp_make_path("/", NULL), HS_OK);
    scratch_write("file", "", 0);
    assert_int_equal(hsp_make_path(scratch_path("file/x"), &err), HS_E_SPOOL);
    assert_non_null(strstr(err.text, scratch_path("file/x")));
}

/* A file, a link or a FIFO where a folder belongs is not made to disappear. */
static void test_something_in_the_place_of_a_folder(void **state) {
    struct hsp_spooldir dir;
    (void)state;
    for (size_t i = 1; i < FOLDERS; i++) {
        for (int kind = 0; kind < 3; kind++) {
            struct hs_error err = {0};
            init_spool();
            const char *path = in_spool(folders[i].name);
            (void)rmdir(in_spool("queue/.staged"));
            if (strcmp(folders[i].name, "queue/.staged") != 0)
                assert_int_equal(rmdir(path), 0);
            if (kind == 0)
                scratch_write(strstr(path, "var/spool"), "x", 1);
            else if (kind == 1)
                assert_int_equal(symlink("/tmp", path), 0);
            else
                assert_int_equal(mkfifo(path, 0600), 0);
            const int before = open_files();
            assert_int_equal(hsp_spooldir_open(&dir, spool, &err), HS_E_SPOOL);
            assert_non_null(strstr(err.text, folders[i].name));
            assert_non_null(strstr(err.text, "not a folder"));
            assert_false(dir.locked_by_other);
            assert_int_equal(dir.lock, -1);
            assert_null(dir.path);
            err = (struct hs_error){0};
            assert_int_equal(hsp_spooldir_init(spool, (uid_t)-1, (gid_t)-1, &err),
                             HS_E_SPOOL);
            assert_non_null(strstr(err.text, folders[i].name));
            assert_int_equal(open_files(), before);
            assert_int_equal(unlink(path), 0);
        }
    }
}

/* Opening
 * ------------------------------------------------------------------------------------ */

static void test_open(void **state) {
    struct hsp_spooldir dir;
    struct stat info, same;
    (void)state;
    init_spool();
    const int before = open_files();
    open_spool(&dir);
    const struct {
        int fd;
        const char *name;
    } cases[] = {
        {dir.root, "."},
        {dir.incoming, "incoming"},
        {dir.tmp, "tmp"},
        {dir.queue, "queue"},
        {dir.staged, "queue/.staged"},
        {dir.dead, "dead"},
        {dir.corrupt, "corrupt"},
        {dir.state, "state"},
        {dir.lock, "daemon.lock"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(fstat(cases[i].fd, &info), 0);
        assert_int_equal(stat(in_spool(cases[i].name), &same), 0);
        assert_int_equal(info.st_ino, same.st_ino);
        assert_int_equal(fcntl(cases[i].fd, F_GETFD), FD_CLOEXEC);
    }
    assert_string_equal(dir.path, spool);
    assert_int_equal(info.st_mode, S_IFREG | 0640); /* daemon.lock */
    hsp_spooldir_close(&dir);
    assert_int_equal(open_files(), before);
    hsp_spooldir_close(&dir);
}

static void test_open_makes_what_is_missing(void **state) {
    struct hsp_spooldir dir;
    (void)state;
    assert_int_equal(hsp_make_path(spool, NULL), HS_OK);
    assert_int_equal(chmod(spool, 0755), 0);
    const mode_t mask = umask(077);
    open_spool(&dir);
    umask(mask);
    check_folders(geteuid(), getegid());
    struct stat info;
    assert_int_equal(fstat(dir.lock, &info), 0);
    assert_int_equal(info.st_mode, S_IFREG | 0640);
    hsp_spooldir_close(&dir);
}

static void check_open_refused(const char *why) {
    struct hsp_spooldir dir;
    struct hs_error err = {0};
    const int before = open_files();
    assert_int_equal(hsp_spooldir_open(&dir, spool, &err), HS_E_SPOOL);
    assert_int_equal(open_files(), before);
    assert_false(dir.locked_by_other);
    if (strstr(err.text, spool) == NULL || strstr(err.text, why) == NULL)
        fail_msg("\"%s\" does not name the folder or \"%s\"", err.text, why);
}

static void test_no_spool(void **state) {
    (void)state;
    check_open_refused("hookspool init");
    assert_int_equal(access(scratch_path("var"), F_OK), -1); /* made by init alone */
    assert_int_equal(mkdir(scratch_path("var"), 0700), 0);
    scratch_write("var/spool", "", 0);
    check_open_refused("Not a directory");
}

static void test_wrong_owner(void **state) {
    (void)state;
    init_spool();
    if (geteuid() != 0) {
        print_message("SKIPPED, not root: owners\n");
        skip();
    }
    for (size_t i = 0; i < FOLDERS; i++) {
        assert_int_equal(chown(in_spool(folders[i].name), NOBODY, (gid_t)-1), 0);
        check_open_refused("hookspool init");
        check_open_refused("belongs to uid 65534");
        assert_int_equal(chown(in_spool(folders[i].name), 0, (gid_t)-1), 0);
    }
    struct hsp_spooldir dir;
    open_spool(&dir);
    hsp_spooldir_close(&dir);
}

static void test_lock_that_is_no_file(void **state) {
    (void)state;
    init_spool();
    assert_int_equal(mkdir(in_spool("daemon.lock"), 0700), 0);
    check_open_refused("daemon.lock");
    assert_int_equal(rmdir(in_spool("daemon.lock")), 0);
    scratch_write("target", "", 0);
    assert_int_equal(symlink(scratch_path("target"), in_spool("daemon.lock")), 0);
    check_open_refused("daemon.lock");
    assert_false(hsp_spooldir_is_served(spool));
}

/* The lock
 * ------------------------------------------------------------------------------------ */

static void check_locked(void) {
    struct hsp_spooldir dir;
    struct hs_error err = {0};
    const int before = open_files();
    assert_int_equal(hsp_spooldir_open(&dir, spool, &err), HS_E_SPOOL);
    assert_true(dir.locked_by_other);
    assert_non_null(strstr(err.text, "another hookspoold"));
    assert_non_null(strstr(err.text, spool));
    assert_int_equal(open_files(), before);
}

static void test_one_daemon(void **state) {
    struct hsp_spooldir dir;
    (void)state;
    assert_false(hsp_spooldir_is_served(spool));
    init_spool();
    assert_false(hsp_spooldir_is_served(spool));
    assert_int_not_equal(access(in_spool("daemon.lock"), F_OK),
                         0); /* asking makes none */
    open_spool(&dir);
    assert_true(hsp_spooldir_is_served(spool));
    check_locked();
    assert_true(hsp_spooldir_is_served(spool)); /* still, after both */
    hsp_spooldir_close(&dir);
    assert_false(hsp_spooldir_is_served(spool));
    assert_int_equal(access(in_spool("daemon.lock"), F_OK), 0); /* a file is no lock */
    open_spool(&dir);
    hsp_spooldir_close(&dir);
}

/* Held by another process, and free when it has been killed. */
static void test_lock_of_a_killed_process(void **state) {
    struct hsp_spooldir dir;
    int ready[2];
    char byte;
    (void)state;
    init_spool();
    assert_int_equal(pipe(ready), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (hsp_spooldir_open(&dir, spool, NULL) == HS_OK)
            (void)!write(ready[1], "x", 1);
        pause();
        _exit(0);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    assert_true(hsp_spooldir_is_served(spool));
    check_locked();
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_false(hsp_spooldir_is_served(spool));
    open_spool(&dir);
    hsp_spooldir_close(&dir);
}

/* Out of memory
 * ------------------------------------------------------------------------------------ */

static enum hs_status init_once(void *context, struct hs_error *err) {
    (void)context;
    return hsp_spooldir_init(spool, (uid_t)-1, (gid_t)-1, err);
}

static enum hs_status open_once(void *context, struct hs_error *err) {
    struct hsp_spooldir dir;
    (void)context;
    const enum hs_status status = hsp_spooldir_open(&dir, spool, err);
    if (status != HS_OK)
        assert_int_equal(dir.lock, -1);
    hsp_spooldir_close(&dir);
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    alloc_fail_each(init_once, NULL);
    alloc_fail_each(open_once, NULL);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_modes_whatever_the_umask),
        TEST(test_init_sets_modes_right),
        TEST(test_init_gives_it_away),
        TEST(test_make_path),
        TEST(test_something_in_the_place_of_a_folder),
        TEST(test_open),
        TEST(test_open_makes_what_is_missing),
        TEST(test_no_spool),
        TEST(test_wrong_owner),
        TEST(test_lock_that_is_no_file),
        TEST(test_one_daemon),
        TEST(test_lock_of_a_killed_process),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
