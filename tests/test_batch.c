/* SPDX-License-Identifier: MIT */
/* Batches: each operation, the order of journal and disk, and doing it again after a step
 * that failed. The work is done without the thread. */
#include "config.h"

#include "alloc_fail.h"
#include "delivery/batch.h"
#include "fixture.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOTE "{\"reason\":\"attempts\"}"

/* Syncing
 * ------------------------------------------------------------------------------------ */

static int sync_failing; /* the n-th one from now on; 0: none */

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd) {
    if (sync_failing > 0 && --sync_failing == 0) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

/* The spool
 * ------------------------------------------------------------------------------------ */

static struct fixture fixture;
static struct hsp_journal *journal;

static int setup(void **state) {
    (void)state;
    fixture_open(&fixture, scratch_make());
    return hsp_journal_open(&journal, scratch_path("journal"), 1 << 20, NULL) != HS_OK;
}

static int teardown(void **state) {
    (void)state;
    hsp_journal_close(journal);
    fixture_close(&fixture);
    scratch_remove();
    return 0;
}

static struct hsp_entry entry(uint64_t sequence) {
    return (struct hsp_entry){.sequence = sequence, .object = 0xab};
}

static bool waits(uint64_t sequence) {
    const struct hsp_entry named = entry(sequence);
    return fixture_waits(&fixture, &named);
}

static void wait_here(uint64_t sequence) {
    const struct hsp_entry named = entry(sequence);
    fixture_wait(&fixture, &named);
}

static struct hsp_batch *new_batch(const char *lines) {
    struct hsp_batch *batch = hsp_batch_new(&fixture.dir, journal, 4096, NULL, NULL);
    assert_non_null(batch);
    assert_true(hsp_batch_is_empty(batch));
    hsp_buffer_append(&batch->lines, lines, strlen(lines));
    return batch;
}

static struct hsp_op *add(struct hsp_batch *batch, enum hsp_op_kind kind,
                          uint64_t sequence) {
    struct hsp_op *op = hsp_batch_add(batch);
    assert_non_null(op);
    op->kind = kind;
    op->endpoint = fixture.endpoint;
    op->entry = entry(sequence);
    if (kind == HSP_OP_KILL) {
        op->note = strdup(NOTE);
        assert_non_null(op->note);
    }
    return op;
}

static enum hs_status work(struct hsp_batch *batch, struct hs_error *err) {
    return batch->job.work(&batch->job, err);
}

static void work_well(struct hsp_batch *batch) {
    struct hs_error err = {0};
    if (work(batch, &err) != HS_OK)
        fail_msg("%s", err.text);
}

static void work_badly(struct hsp_batch *batch, const char *why) {
    struct hs_error err = {0};
    assert_int_equal(work(batch, &err), HS_E_IO);
    assert_int_equal(err.status, HS_E_IO);
    if (strstr(err.text, why) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err.text, why);
}

static void check_journal(const char *expected) {
    size_t length;
    char *text = scratch_read(scratch_path("journal"), &length);
    assert_string_equal(text, expected);
    free(text);
}

/* A batch
 * ------------------------------------------------------------------------------------ */

static void ignore(struct hsp_job *job) { (void)job; }

static void test_filling(void **state) {
    int owner;
    (void)state;
    struct hsp_batch *batch = hsp_batch_new(&fixture.dir, journal, 7, ignore, &owner);
    assert_non_null(batch);
    assert_ptr_equal(batch->owner, &owner);
    assert_true(batch->job.done == ignore);
    assert_int_equal(batch->reserve, 7);
    assert_true(hsp_batch_is_empty(batch));
    for (size_t i = 0; i < 200; i++) {
        struct hsp_op *op = hsp_batch_add(batch);
        assert_non_null(op);
        assert_ptr_equal(op, &batch->ops[i]);
        assert_null(op->note);
        assert_null(op->endpoint);
        op->note = strdup("owned"); /* freed with the batch */
        op->entry.sequence = i;
    }
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(batch->ops[i].entry.sequence, i);
    assert_false(hsp_batch_is_empty(batch));
    hsp_batch_free(batch);
    hsp_batch_free(NULL);
    batch = new_batch("a line alone\n");
    assert_false(hsp_batch_is_empty(batch));
    work_well(batch);
    assert_true(batch->recordable);
    hsp_batch_free(batch);
    check_journal("a line alone\n");
}

/* Operations
 * ------------------------------------------------------------------------------------ */

static void test_remove(void **state) {
    (void)state;
    wait_here(1);
    wait_here(2);
    wait_here(5000); /* in another folder */
    struct hsp_batch *batch = new_batch("removed\n");
    add(batch, HSP_OP_REMOVE, 1);
    add(batch, HSP_OP_REMOVE, 5000);
    add(batch, HSP_OP_REMOVE, 3); /* gone already */
    work_well(batch);
    assert_false(waits(1));
    assert_true(waits(2));
    assert_false(waits(5000));
    check_journal("removed\n");
    work_well(batch); /* may be repeated, the line comes once */
    check_journal("removed\n");
    assert_true(waits(2));
    hsp_batch_free(batch);
}

static void test_rename(void **state) {
    struct hsp_entry renamed = entry(1);
    (void)state;
    renamed.attempts = 3;
    renamed.due_s = 1700000000;
    renamed.code = 503;
    wait_here(1);
    struct hsp_batch *batch = new_batch("");
    add(batch, HSP_OP_RENAME, 1)->renamed = renamed;
    struct hsp_op *same = add(batch, HSP_OP_RENAME, 2); /* gone already */
    same->renamed = same->entry;
    for (int i = 0; i < 2; i++) {
        work_well(batch);
        assert_false(waits(1));
        assert_true(fixture_waits(&fixture, &renamed));
    }
    hsp_batch_free(batch);
    check_journal("");
}

static void test_kill(void **state) {
    struct stat info;
    char letter[SCRATCH_PATH_MAX];
    (void)state;
    wait_here(1);
    struct hsp_batch *batch = new_batch("killed\n");
    add(batch, HSP_OP_KILL, 1);
    add(batch, HSP_OP_KILL, 2); /* gone already: no letter */
    for (int i = 0; i < 2; i++) {
        work_well(batch);
        assert_false(waits(1));
        assert_int_equal(scratch_count(scratch_path("dead/one"), letter), 1);
        assert_int_equal(stat(letter, &info), 0);
        assert_int_equal(batch->ops[0].dead, 1); /* also of the first run */
        assert_int_equal(batch->ops[0].dead_bytes, info.st_size);
        assert_int_equal(batch->ops[1].dead, 0);
        assert_int_equal(batch->ops[1].dead_bytes, 0);
    }
    hsp_batch_free(batch);
    check_journal("killed\n");
}

static void test_unreadable_events(void **state) {
    const struct hsp_entry first = entry(1), second = entry(2);
    (void)state;
    fixture_write(&fixture, &first, "garbage", 7);
    fixture_write(&fixture, &second, "garbage", 7);
    struct hsp_batch *batch = new_batch("");
    add(batch, HSP_OP_QUARANTINE, 1);
    add(batch, HSP_OP_KILL, 2); /* a letter cannot be made of it */
    add(batch, HSP_OP_QUARANTINE, 3);
    for (int i = 0; i < 2; i++) {
        work_well(batch);
        assert_false(waits(1));
        assert_false(waits(2));
        assert_int_equal(scratch_count(scratch_path("corrupt"), NULL), 2);
        assert_int_equal(scratch_count(scratch_path("dead/one"), NULL), 0);
        assert_int_equal(batch->ops[1].dead, 0);
    }
    hsp_batch_free(batch);
}

static void test_trim(void **state) {
    (void)state;
    scratch_write("dead/one/1", "0123456789", 10);
    scratch_write("dead/one/2", "01234", 5);
    scratch_write("dead/one/3", "0", 1);
    struct hsp_batch *batch = new_batch("first\n");
    struct hsp_op *op = add(batch, HSP_OP_TRIM, 0);
    op->max_dead = 1;
    op->max_dead_bytes = 1000;
    for (int i = 0; i < 2; i++) {
        work_well(batch);
        assert_int_equal(scratch_count(scratch_path("dead/one"), NULL), 1);
        assert_int_equal(op->dead, 1); /* what is left */
        assert_int_equal(op->dead_bytes, 1);
    }
    hsp_batch_free(batch);
    size_t length;
    char *text = scratch_read(scratch_path("journal"), &length);
    assert_memory_equal(text, "first\n", 6);
    assert_non_null(strstr(text, "dead/one/1\"}\n"));
    assert_non_null(strstr(text, "dead/one/2\"}\n"));
    assert_null(strstr(text, "dead/one/3"));
    free(text);
}

/* Failures
 * ------------------------------------------------------------------------------------ */

/* Nothing is done whose line could not be written. */
static void test_journal_that_fails(void **state) {
    (void)state;
    wait_here(1);
    scratch_write("dead/one/1", "x", 1);
    assert_int_equal(rename(scratch_path("journal"), scratch_path("old")), 0);
    assert_int_equal(mkdir(scratch_path("journal"), 0700), 0);
    struct hsp_batch *batch = new_batch("removed\n"), *trim = new_batch("");
    add(batch, HSP_OP_REMOVE, 1);
    add(trim, HSP_OP_TRIM, 0);
    work_badly(batch, "journal");
    work_badly(trim, "journal");
    assert_true(waits(1));
    assert_int_equal(scratch_count(scratch_path("dead/one"), NULL), 1);
    assert_int_equal(trim->ops[0].dead, 0);
    assert_int_equal(rmdir(scratch_path("journal")), 0);
    work_well(batch);
    check_journal("removed\n");
    assert_false(waits(1));
    work_well(trim);
    assert_int_equal(trim->ops[0].dead, 0);
    assert_int_equal(scratch_count(scratch_path("dead/one"), NULL), 0);
    hsp_batch_free(batch);
    hsp_batch_free(trim);
}

/* The rest is done when the batch comes again; lines and numbers are those of one run. */
static void test_step_that_fails(void **state) {
    (void)state;
    wait_here(1);
    wait_here(3);
    const struct hsp_entry second = entry(2);
    char path[HSP_ENTRY_PATH_MAX];
    hsp_entry_path(&second, path);
    assert_int_equal(mkdirat(fixture.endpoint->queue_fd, path, 0700), 0);
    scratch_write("dead/one/0", "x", 1);
    struct hsp_batch *batch = new_batch("three\n");
    add(batch, HSP_OP_KILL, 1);
    struct hsp_op *trim = add(batch, HSP_OP_TRIM, 0);
    trim->max_dead = 1;
    trim->max_dead_bytes = 100000;
    add(batch, HSP_OP_REMOVE, 2);
    add(batch, HSP_OP_REMOVE, 3);
    work_badly(batch, "remove queue/one/00/");
    assert_false(waits(1));
    assert_true(waits(3));
    assert_int_equal(unlinkat(fixture.endpoint->queue_fd, path, AT_REMOVEDIR), 0);
    work_well(batch);
    assert_false(waits(3));
    assert_int_equal(batch->ops[0].dead, 1);
    assert_int_equal(batch->ops[1].dead, 1);
    assert_int_equal(batch->ops[1].dead_bytes, batch->ops[0].dead_bytes);
    assert_int_equal(scratch_count(scratch_path("dead/one"), NULL), 1);
    hsp_batch_free(batch);
}

/* Whichever sync fails: the second run ends well, with the numbers of one. */
static void test_syncs_that_fail(void **state) {
    int n = 0;
    bool failed = true;
    (void)state;
    for (; failed; n++) {
        wait_here(1);
        wait_here(5000);
        scratch_write("dead/one/0", "x", 1);
        struct hsp_batch *batch = new_batch("");
        add(batch, HSP_OP_KILL, 1);
        struct hsp_op *trim = add(batch, HSP_OP_TRIM, 0);
        trim->max_dead = 1;
        trim->max_dead_bytes = 100000;
        add(batch, HSP_OP_REMOVE, 5000);
        sync_failing = n + 1;
        failed = work(batch, NULL) != HS_OK;
        sync_failing = 0;
        work_well(batch);
        assert_false(waits(1));
        assert_false(waits(5000));
        assert_int_equal(batch->ops[0].dead, 1); /* also of the first run */
        assert_true(batch->ops[0].dead_bytes > 0);
        assert_int_equal(trim->dead, 1);
        assert_int_equal(trim->dead_bytes, batch->ops[0].dead_bytes);
        hsp_batch_free(batch);
    }
    assert_true(n > 4); /* the letter, its folder twice, two of the queue */
}

static void test_letter_that_fails(void **state) {
    (void)state;
    wait_here(1);
    const char *letter =
        scratch_path("dead/one/0000000000000001.00000000000000ab." FIXTURE_ID);
    assert_int_equal(mkdir(letter, 0700), 0);
    struct hsp_batch *batch = new_batch("killed\n");
    add(batch, HSP_OP_KILL, 1);
    work_badly(batch, "dead/one");
    assert_true(waits(1));
    assert_int_equal(batch->ops[0].dead, 0);
    assert_int_equal(rmdir(letter), 0);
    work_well(batch);
    assert_int_equal(batch->ops[0].dead, 1);
    check_journal("killed\n");
    hsp_batch_free(batch);
}

/* Room for what comes next is asked for at the end. */
static void test_reserve(void **state) {
    (void)state;
    struct hsp_batch *batch = new_batch("");
    batch->reserve = 100000;
    work_well(batch);
    assert_true(batch->recordable);
    struct stat info;
    assert_int_equal(stat(scratch_path("journal"), &info), 0);
    assert_true(info.st_blocks * 512 >= 100000);
    batch->reserve = (size_t)1 << 60; /* nobody has that */
    work_well(batch);
    assert_false(batch->recordable);
    hsp_batch_free(batch);
}

/* Out of memory
 * ------------------------------------------------------------------------------------ */

static enum hs_status fill(void *context, struct hs_error *err) {
    (void)context;
    struct hsp_batch *batch = hsp_batch_new(&fixture.dir, journal, 1, ignore, NULL);
    bool ok = batch != NULL;
    for (size_t i = 0; ok && i < 65; i++) { /* one more than the first room */
        ok = hsp_batch_add(batch) != NULL;
        assert_int_equal(batch->count, ok ? i + 1 : i);
    }
    hsp_batch_free(batch);
    if (!ok)
        *err = (struct hs_error){.status = HS_E_NOMEM, .text = "batch"};
    return err->status;
}

/* Nothing is lost of an event that cannot be buried for want of memory. */
static enum hs_status do_all(void *context, struct hs_error *err) {
    struct hsp_batch *batch = context;
    const enum hs_status status = work(batch, err);
    assert_true(waits(1) || batch->ops[0].dead == 1);
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    alloc_fail_each(fill, NULL);
    wait_here(1);
    scratch_write("dead/one/0", "x", 1);
    struct hsp_batch *batch = new_batch("killed\n");
    add(batch, HSP_OP_KILL, 1);
    struct hsp_op *trim = add(batch, HSP_OP_TRIM, 0);
    trim->max_dead = 1;
    trim->max_dead_bytes = 100000;
    alloc_fail_each(do_all, batch);
    assert_int_equal(batch->ops[0].dead, 1);
    assert_int_equal(batch->ops[1].dead, 1);
    assert_int_equal(scratch_count(scratch_path("dead/one"), NULL), 1);
    hsp_batch_free(batch);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_filling),
        TEST(test_remove),
        TEST(test_rename),
        TEST(test_kill),
        TEST(test_unreadable_events),
        TEST(test_trim),
        TEST(test_journal_that_fails),
        TEST(test_step_that_fails),
        TEST(test_syncs_that_fail),
        TEST(test_letter_that_fails),
        TEST(test_reserve),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
