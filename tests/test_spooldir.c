/* SPDX-License-Identifier: MIT */
/* The daemon's hold on a spool: folders with their modes and owners, the lock, small
 * files, and the sequence number. Owners need root, as the full disk (a small tmpfs)
 * does; else those parts are skipped and say so. */
#include "config.h"

#include "alloc_fail.h"
#include "delivery/spooldir.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
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
    umount2(scratch_path("disk"), MNT_DETACH); /* where a test failed before it did so */
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
    assert_int_equal(info.st_mode, S_IFDIR | 0750);
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

/* Small files
 * ------------------------------------------------------------------------------------ */

static void check_file(const char *name, const char *expected) {
    size_t length;
    char *text = scratch_read(scratch_path(name), &length);
    assert_string_equal(text, expected);
    assert_int_equal(length, strlen(expected));
    free(text);
}

static int open_scratch(void) {
    int fd = open(scratch_path("."), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void replace(int dirfd, const char *bytes, mode_t mode, bool durable) {
    struct hs_error err = {0};
    if (hsp_replace_file(dirfd, "file", mode, bytes, strlen(bytes), durable, &err) !=
        HS_OK)
        fail_msg("%s", err.text);
}

static void test_replace_file(void **state) {
    struct stat info;
    (void)state;
    const int dirfd = open_scratch();
    const mode_t masks[] = {0, 077};
    for (size_t i = 0; i < 2; i++) {
        const mode_t before = umask(masks[i]);
        replace(dirfd, "one", 0640, true);
        umask(before);
        check_file("file", "one");
        assert_int_equal(fstatat(dirfd, "file", &info, 0), 0);
        assert_int_equal(info.st_mode, S_IFREG | 0640);
        replace(dirfd, "", 0600, false);
        check_file("file", "");
        assert_int_equal(fstatat(dirfd, "file", &info, 0), 0);
        assert_int_equal(info.st_mode, S_IFREG | 0600);
    }
    /* What a crash left is no hindrance, and what is replaced is not written into. */
    scratch_write(".file.new", "a long line left by a crash", 27);
    assert_int_equal(linkat(dirfd, "file", dirfd, "same", 0), 0);
    replace(dirfd, "two", 0600, true);
    check_file("file", "two");
    check_file("same", "");
    assert_int_equal(scratch_count(scratch_path("."), NULL), 2);
    assert_int_not_equal(faccessat(dirfd, ".file.new", F_OK, 0), 0);
    /* A link is replaced, not followed. */
    scratch_write("target", "kept", 4);
    assert_int_equal(unlinkat(dirfd, "file", 0), 0);
    assert_int_equal(symlinkat("target", dirfd, "file"), 0);
    replace(dirfd, "three", 0600, true);
    check_file("target", "kept");
    check_file("file", "three");
    close(dirfd);
}

static void check_replace_refused(int dirfd, enum hs_status expected, const char *step) {
    static const char bytes[8192] = "new";
    struct hs_error err = {0};
    assert_int_equal(
        hsp_replace_file(dirfd, "file", 0600, bytes, sizeof bytes, true, &err), expected);
    if (strstr(err.text, step) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err.text, step);
}

static void test_replace_file_that_fails(void **state) {
    (void)state;
    const int dirfd = open_scratch();
    replace(dirfd, "old", 0600, true);
    check_replace_refused(-1, HS_E_IO, "write .file.new");
    scratch_write("target", "kept", 4);
    assert_int_equal(symlinkat("target", dirfd, ".file.new"), 0);
    check_replace_refused(dirfd, HS_E_IO, "write .file.new");
    check_file("target", "kept");
    assert_int_equal(unlinkat(dirfd, ".file.new", 0), 0);
    check_file("file", "old");
    assert_int_equal(unlinkat(dirfd, "file", 0), 0);
    assert_int_equal(mkdirat(dirfd, "file", 0700), 0);
    check_replace_refused(dirfd, HS_E_IO, "rename .file.new to file");
    assert_int_not_equal(faccessat(dirfd, ".file.new", F_OK, 0), 0);
    close(dirfd);
}

static void test_replace_file_on_a_full_disk(void **state) {
    static const char block[4096];
    (void)state;
    const char *disk = scratch_path("disk");
    assert_int_equal(mkdir(disk, 0700), 0);
    if (mount("none", disk, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k") != 0) {
        print_message("SKIPPED, mount: %s: a full disk\n", strerror(errno));
        skip();
    }
    const int dirfd = open(disk, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    replace(dirfd, "old", 0600, true);
    int fd = openat(dirfd, "ballast", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write(fd, block, sizeof block) > 0)
        ;
    close(fd);
    check_replace_refused(dirfd, HS_E_FULL, "write .file.new");
    assert_int_not_equal(faccessat(dirfd, ".file.new", F_OK, 0), 0);
    check_file("disk/file", "old");
    close(dirfd);
    assert_int_equal(umount(scratch_path("disk")), 0);
}

static void test_read_file(void **state) {
    struct stat info = {0};
    size_t length = 99;
    (void)state;
    const int dirfd = open_scratch();
    static const struct {
        const char *bytes;
        size_t length;
    } cases[] = {{"", 0}, {"x", 1}, {"a\0b\n", 4}, {"0123456789", 10}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scratch_write("file", cases[i].bytes, cases[i].length);
        char *bytes = hsp_read_file(dirfd, "file", 10, &length, &info);
        assert_non_null(bytes);
        assert_int_equal(length, cases[i].length);
        assert_int_equal(info.st_size, length);
        assert_memory_equal(bytes, cases[i].bytes, length);
        assert_int_equal(bytes[length], '\0');
        free(bytes);
        bytes = hsp_read_file(dirfd, "file", 10, &length, NULL);
        assert_non_null(bytes);
        free(bytes);
    }
    close(dirfd);
}

static void test_read_file_refuses(void **state) {
    static const struct {
        const char *name;
        int error;
    } cases[] = {
        {"missing", ENOENT}, {"folder", EINVAL}, {"fifo", EINVAL},    {"link", ELOOP},
        {"linked", EINVAL},  {"long", EFBIG},    {"long/x", ENOTDIR},
    };
    (void)state;
    const int dirfd = open_scratch();
    assert_int_equal(mkdirat(dirfd, "folder", 0700), 0);
    assert_int_equal(mkfifoat(dirfd, "fifo", 0600), 0);
    assert_int_equal(symlinkat("long", dirfd, "link"), 0);
    scratch_write("long", "0123456789a", 11);
    scratch_write("linked", "x", 1);
    assert_int_equal(linkat(dirfd, "linked", dirfd, "other", 0), 0);
    const int before = open_files();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stat info = {.st_size = 77};
        size_t length = 99;
        errno = 0;
        assert_null(hsp_read_file(dirfd, cases[i].name, 10, &length, &info));
        if (errno != cases[i].error)
            fail_msg("%s: %s", cases[i].name, strerror(errno));
        assert_int_equal(length, 99);
        assert_int_equal(info.st_size, 77);
    }
    assert_int_equal(open_files(), before);
    close(dirfd);
}

static void test_write_all(void **state) {
    int ends[2];
    char got[16] = "";
    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(hsp_write_all(ends[1], "hello", 5), 0);
    assert_int_equal(hsp_write_all(ends[1], "", 0), 0);
    assert_int_equal(read(ends[0], got, sizeof got), 5);
    assert_string_equal(got, "hello");
    errno = 0;
    assert_int_equal(hsp_write_all(ends[0], "hello", 5), -1); /* the reading end */
    assert_int_equal(errno, EBADF);
    close(ends[0]);
    close(ends[1]);
}

/* Sequence
 * ------------------------------------------------------------------------------------ */

static void open_sequence(struct hsp_sequence *sequence, int fd, uint64_t at_least) {
    struct hs_error err = {0};
    if (hsp_sequence_open(sequence, fd, at_least, &err) != HS_OK)
        fail_msg("%s", err.text);
}

static uint64_t take(struct hsp_sequence *sequence, uint64_t count) {
    uint64_t first = 0;
    assert_int_equal(hsp_sequence_take(sequence, count, &first, NULL), HS_OK);
    return first;
}

static uint64_t recorded(void) {
    size_t length;
    char *text = scratch_read(scratch_path("sequence"), &length);
    assert_int_equal(length, 17);
    assert_int_equal(text[16], '\n');
    const uint64_t number = strtoull(text, NULL, 16);
    free(text);
    return number;
}

static void test_sequence(void **state) {
    struct hsp_sequence sequence;
    uint64_t next = 5;
    struct stat info;
    (void)state;
    const int fd = open_scratch();
    open_sequence(&sequence, fd, 5);
    assert_int_equal(fstatat(fd, "sequence", &info, 0), 0);
    assert_int_equal(info.st_mode, S_IFREG | 0600);
    for (uint64_t count = 1; next < 4000000; count = count * 3 % 100003) {
        assert_int_equal(take(&sequence, count), next);
        next += count;
        assert_true(next <= recorded()); /* before it is given */
        assert_true(recorded() < next + 2 * (1 << 20));
    }
    assert_int_equal(take(&sequence, 5000000), next); /* more than a block */
    assert_true(next + 5000000 <= recorded());
    close(fd);
}

static void test_sequence_over_restarts(void **state) {
    struct hsp_sequence sequence;
    uint64_t last = 0;
    (void)state;
    const int fd = open_scratch();
    for (int i = 0; i < 20; i++) {
        open_sequence(&sequence, fd, i % 3 == 0 ? last : 0);
        const uint64_t first = take(&sequence, 10);
        assert_true(i == 0 || first > last);
        last = first + 9;
    }
    open_sequence(&sequence, fd, UINT64_C(1) << 40); /* names say more */
    assert_true(take(&sequence, 1) == UINT64_C(1) << 40);
    open_sequence(&sequence, fd, 0);
    assert_true(take(&sequence, 1) > UINT64_C(1) << 40);
    close(fd);
}

static void test_sequence_over_damage(void **state) {
    static const struct {
        const char *text;
        uint64_t next; /* with names up to 0xfff found */
    } cases[] = {
        {"", 0x1000},
        {"\n", 0x1000},
        {"garbage\n", 0x1000},
        {"0000000000000000\n", 0x1000},
        {"0000000000000fff\n", 0x1000},
        {"0000000000100000\n", 0x100000},
        {"00000000001", 0x1000}, /* cut: fewer than what was found */
        {"ffffffffffffffff\n", 0x1000},
        {"4000000000000000\n", 0x1000}, /* no count gets there */
        {"3fffffffff000000\n", UINT64_C(0x3fffffffff000000)},
        {"-1\n", 0x1000},
        {"99999999999999999999999999999999999999\n", 0x1000},
        {"0000000000100000\n0000000000100000\n0000000000100000\n0000000000100000\n",
         0x1000}, /* longer than it can be */
    };
    struct hsp_sequence sequence;
    (void)state;
    const int fd = open_scratch();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scratch_write("sequence", cases[i].text, strlen(cases[i].text));
        open_sequence(&sequence, fd, 0x1000);
        if (take(&sequence, 1) != cases[i].next)
            fail_msg("case %zu", i);
        assert_true(recorded() > cases[i].next);
    }
    assert_int_equal(unlinkat(fd, "sequence", 0), 0);
    assert_int_equal(symlinkat("/dev/zero", fd, "sequence"), 0);
    open_sequence(&sequence, fd, 0x1000); /* replaced by a file */
    assert_int_equal(take(&sequence, 1), 0x1000);
    close(fd);
}

/* Nothing is taken that could not be recorded, and all goes on once it can be. */
static void test_sequence_that_cannot_be_kept(void **state) {
    struct hsp_sequence sequence;
    struct hs_error err = {0};
    uint64_t first = 77;
    (void)state;
    const int fd = open_scratch();
    open_sequence(&sequence, fd, 0);
    assert_int_equal(take(&sequence, 10), 0);
    assert_int_equal(mkdirat(fd, ".sequence.new", 0700), 0);
    assert_int_equal(take(&sequence, 10), 10); /* these are recorded */
    assert_int_equal(hsp_sequence_take(&sequence, 1 << 21, &first, &err), HS_E_IO);
    assert_non_null(strstr(err.text, "sequence"));
    assert_int_equal(first, 77);
    assert_int_equal(unlinkat(fd, ".sequence.new", AT_REMOVEDIR), 0);
    assert_int_equal(take(&sequence, 1 << 21), 20);
    assert_int_equal(mkdirat(fd, ".sequence.new", 0700), 0);
    assert_int_equal(hsp_sequence_open(&sequence, fd, 0, NULL), HS_E_IO);
    close(fd);
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

static enum hs_status read_once(void *context, struct hs_error *err) {
    size_t length;
    char *bytes = hsp_read_file(*(int *)context, "file", 10, &length, NULL);
    if (bytes == NULL && errno == ENOMEM)
        *err = (struct hs_error){.status = HS_E_NOMEM, .text = "read"};
    free(bytes);
    return err->status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    alloc_fail_each(init_once, NULL);
    alloc_fail_each(open_once, NULL);
    int fd = open_scratch();
    scratch_write("file", "x", 1);
    alloc_fail_each(read_once, &fd);
    /* The sequence takes no number from a file that it cannot read now. */
    struct hsp_sequence sequence;
    open_sequence(&sequence, fd, 0);
    const uint64_t before = take(&sequence, 10);
    alloc_fail_at(1);
    assert_int_equal(hsp_sequence_open(&sequence, fd, 0, NULL), HS_E_NOMEM);
    assert_true(alloc_fail_stop());
    open_sequence(&sequence, fd, 0);
    assert_true(take(&sequence, 1) > before + 9);
    close(fd);
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
        TEST(test_replace_file),
        TEST(test_replace_file_that_fails),
        TEST(test_replace_file_on_a_full_disk),
        TEST(test_read_file),
        TEST(test_read_file_refuses),
        TEST(test_write_all),
        TEST(test_sequence),
        TEST(test_sequence_over_restarts),
        TEST(test_sequence_over_damage),
        TEST(test_sequence_that_cannot_be_kept),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
