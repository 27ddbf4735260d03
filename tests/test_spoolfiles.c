/* SPDX-License-Identifier: MIT */
/* Small files of the spool, replaced and read, and the sequence number over restarts and
 * damage. The full disk is a small tmpfs, for which the test must be root; else that part
 * is skipped and says so. */
#include "config.h"

#include "alloc_fail.h"
#include "delivery/spooldir.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state) {
    (void)state;
    scratch_make();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    umount2(scratch_path("disk"), MNT_DETACH); /* where a test failed before it did so */
    scratch_remove();
    return 0;
}

static int open_files(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
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
        {"missing", ENOENT}, {"folder", EINVAL}, {"fifo", EINVAL},
        {"link", ELOOP},     {"long", EFBIG},    {"long/x", ENOTDIR},
    };
    (void)state;
    const int dirfd = open_scratch();
    assert_int_equal(mkdirat(dirfd, "folder", 0700), 0);
    assert_int_equal(mkfifoat(dirfd, "fifo", 0600), 0);
    assert_int_equal(symlinkat("long", dirfd, "link"), 0);
    scratch_write("long", "0123456789a", 11);
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
    /* After an orderly end none is skipped, after a kill many are. */
    const uint64_t next = take(&sequence, 1) + 1;
    hsp_sequence_close(&sequence);
    open_sequence(&sequence, fd, 0);
    assert_true(take(&sequence, 1) == next);
    open_sequence(&sequence, fd, 0);
    assert_true(take(&sequence, 1) > next + 1);
    sequence = (struct hsp_sequence){0};
    hsp_sequence_close(&sequence);
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
