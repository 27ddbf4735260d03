/* SPDX-License-Identifier: MIT */
/* Events held, put back and taken away out of turn: rules one by one, then random runs
 * beside a naive model of lines. */
#include "config.h"

#include "alloc_fail.h"
#include "delivery/queue.h"
#include "error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct hsp_queue *new_queue(void) {
    struct hsp_queue *queue = NULL;
    assert_int_equal(hsp_queue_new(&queue, NULL), HS_OK);
    return queue;
}

static struct hsp_entry named(uint64_t object, uint64_t sequence) {
    return (struct hsp_entry){.object = object, .sequence = sequence, .size = 10};
}

static void add(struct hsp_queue *queue, uint64_t object, uint64_t sequence) {
    const struct hsp_entry entry = named(object, sequence);
    assert_int_equal(hsp_queue_add(queue, &entry, 0, NULL), HS_OK);
}

static enum hsp_hold insert(struct hsp_queue *queue, uint64_t object, uint64_t sequence,
                            struct hsp_entry *displaced) {
    struct hsp_entry ignored;
    const struct hsp_entry entry = named(object, sequence);
    return hsp_queue_insert(queue, &entry, displaced != NULL ? displaced : &ignored);
}

static void release(struct hsp_queue *queue, uint64_t object, uint64_t sequence) {
    const struct hsp_entry entry = named(object, sequence);
    hsp_queue_release(queue, &entry);
}

static void take_away(struct hsp_queue *queue, uint64_t object, uint64_t sequence) {
    const struct hsp_entry entry = named(object, sequence);
    hsp_queue_remove(queue, &entry);
}

/* Begin to send the oldest head; 0: nothing may be sent. */
static uint64_t start(struct hsp_queue *queue, hsp_line *line) {
    struct hsp_entry head;
    *line = hsp_queue_pick(queue, 1000, HSP_NO_LINE);
    if (*line == HSP_NO_LINE)
        return 0;
    hsp_queue_head(queue, *line, &head);
    hsp_queue_start(queue, *line);
    return head.sequence;
}

/* Send all that may be sent; the numbers in the order in which they went. */
static void check_order(struct hsp_queue *queue, const uint64_t *want, size_t count) {
    hsp_line line;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(start(queue, &line), want[i]);
        hsp_queue_advance(queue, line);
    }
    assert_int_equal(start(queue, &line), 0);
}

static void test_a_held_event_and_all_behind_it_wait(void **state) {
    (void)state;
    struct hsp_queue *queue = new_queue();
    struct hsp_entry entry;
    for (uint64_t i = 1; i <= 4; i++)
        add(queue, 7, i);
    assert_int_equal(hsp_queue_hold(queue, 7, 2, &entry), HSP_HOLD_DONE);
    assert_true(entry.sequence == 2 && entry.object == 7 && entry.size == 10);
    assert_int_equal(hsp_queue_hold(queue, 7, 2, &entry), HSP_HOLD_BUSY);
    check_order(queue, (uint64_t[]){1}, 1);
    assert_int_equal(hsp_queue_hold(queue, 7, 3, &entry), HSP_HOLD_DONE);
    take_away(queue, 7, 2);
    check_order(queue, NULL, 0);
    assert_int_equal(hsp_queue_count(queue), 2);
    release(queue, 7, 3);
    check_order(queue, (uint64_t[]){3, 4}, 2);
    assert_int_equal(hsp_queue_hold(queue, 7, 4, &entry), HSP_HOLD_MISSING);
    hsp_queue_free(queue);
}

static void test_a_waiting_head_is_held_as_its_file_is_named(void **state) {
    (void)state;
    struct hsp_queue *queue = new_queue();
    struct hsp_entry entry = named(7, 1), held;
    entry.attempts = 3;
    entry.due_s = 99;
    entry.code = 500;
    assert_int_equal(hsp_queue_add(queue, &entry, 5000, NULL), HS_OK);
    add(queue, 7, 2);
    assert_int_equal(hsp_queue_hold(queue, 7, 1, &held), HSP_HOLD_DONE);
    assert_true(held.attempts == 3 && held.due_s == 99 && held.code == 500);
    assert_true(hsp_queue_next_due(queue) == INT64_MAX);
    take_away(queue, 7, 1);
    hsp_line line;
    assert_int_equal(start(queue, &line), 2);
    hsp_queue_head(queue, line, &held);
    assert_true(held.attempts == 0 && held.due_s == 0 && held.code == 0);
    hsp_queue_free(queue);
}

static void test_one_under_way_is_not_held(void **state) {
    (void)state;
    struct hsp_queue *queue = new_queue();
    struct hsp_entry entry;
    hsp_line line;
    add(queue, 7, 5);
    assert_int_equal(start(queue, &line), 5);
    assert_int_equal(hsp_queue_hold(queue, 7, 5, &entry), HSP_HOLD_BUSY);
    assert_int_equal(insert(queue, 7, 4, NULL), HSP_HOLD_BUSY);
    assert_int_equal(insert(queue, 7, 5, NULL), HSP_HOLD_THERE);
    assert_int_equal(insert(queue, 7, 6, NULL), HSP_HOLD_DONE);
    hsp_queue_advance(queue, line);
    check_order(queue, NULL, 0);
    release(queue, 7, 6);
    check_order(queue, (uint64_t[]){6}, 1);
    hsp_queue_free(queue);
}

static void test_an_older_one_comes_first(void **state) {
    (void)state;
    struct hsp_queue *queue = new_queue();
    struct hsp_entry head = named(7, 5), displaced;
    add(queue, 8, 9);
    head.attempts = 2;
    head.code = 503;
    assert_int_equal(hsp_queue_add(queue, &head, 0, NULL), HS_OK);
    assert_int_equal(insert(queue, 7, 3, &displaced), HSP_HOLD_DONE);
    assert_true(displaced.sequence == 5 && displaced.attempts == 2);
    assert_int_equal(insert(queue, 7, 4, &displaced), HSP_HOLD_DONE);
    assert_true(displaced.sequence == 0);
    assert_int_equal(insert(queue, 7, 1, &displaced), HSP_HOLD_DONE);
    assert_true(displaced.sequence == 0);
    check_order(queue, (uint64_t[]){9}, 1);
    release(queue, 7, 3);
    release(queue, 7, 1);
    release(queue, 7, 4);
    check_order(queue, (uint64_t[]){1, 3, 4, 5}, 4);
    assert_int_equal(hsp_queue_count(queue), 0);
    assert_int_equal(hsp_queue_bytes(queue), 0);
    hsp_queue_free(queue);
}

static void test_a_line_of_its_own(void **state) {
    (void)state;
    struct hsp_queue *queue = new_queue();
    assert_int_equal(insert(queue, 7, 3, NULL), HSP_HOLD_DONE);
    add(queue, 7, 8); /* comes while the letter is on its way back */
    check_order(queue, NULL, 0);
    take_away(queue, 7, 3); /* the letter was not there */
    check_order(queue, (uint64_t[]){8}, 1);
    assert_int_equal(insert(queue, 7, 9, NULL), HSP_HOLD_DONE);
    take_away(queue, 7, 9);
    assert_int_equal(hsp_queue_count(queue), 0);
    hsp_queue_free(queue);
}

static void test_hurry(void **state) {
    (void)state;
    struct hsp_queue *queue = new_queue();
    const struct hsp_entry entry = named(7, 1);
    hsp_line line;
    assert_int_equal(hsp_queue_add(queue, &entry, 5000, NULL), HS_OK);
    add(queue, 7, 2);
    assert_int_equal(start(queue, &line), 0);
    assert_int_equal(hsp_queue_hurry(queue, 7, 3), HSP_HOLD_MISSING);
    assert_int_equal(hsp_queue_hurry(queue, 8, 1), HSP_HOLD_MISSING);
    assert_int_equal(hsp_queue_hurry(queue, 7, 2), HSP_HOLD_DONE);
    assert_int_equal(start(queue, &line), 0);
    assert_int_equal(hsp_queue_hurry(queue, 7, 1), HSP_HOLD_DONE);
    assert_int_equal(start(queue, &line), 1);
    assert_int_equal(hsp_queue_hurry(queue, 7, 1), HSP_HOLD_DONE);
    hsp_queue_free(queue);
}

/* A naive model
 * -------------------------------------------------------------------------------- */

#define OBJECTS 5
#define NUMBERS 400

enum state { ABSENT, HERE, HELD, SENT };

struct model {
    struct hsp_queue *queue;
    enum state states[OBJECTS][NUMBERS];
    uint64_t top; /* no event was added beyond it */
    uint64_t seed;
};

static uint32_t below(struct model *model, uint32_t limit) {
    model->seed =
        model->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(model->seed >> 33) % limit;
}

/* The first number of an object that is there; 0: none is. */
static uint64_t head_of(const struct model *model, uint32_t object) {
    for (uint64_t i = 1; i < NUMBERS; i++)
        if (model->states[object][i] != ABSENT)
            return i;
    return 0;
}

static void check_start(struct model *model) {
    uint64_t want = 0;
    uint32_t object = 0;
    for (uint32_t i = 0; i < OBJECTS; i++) {
        const uint64_t head = head_of(model, i);
        if (head != 0 && model->states[i][head] == HERE && (want == 0 || head < want)) {
            want = head;
            object = i;
        }
    }
    hsp_line line;
    assert_int_equal(start(model->queue, &line), want);
    if (want != 0)
        model->states[object][want] = SENT;
    if (want != 0 && below(model, 2) == 0) {
        model->states[object][want] = ABSENT;
        hsp_queue_advance(model->queue, line);
    } else if (want != 0) {
        struct hsp_entry entry = named(object, want);
        model->states[object][want] = HERE;
        hsp_queue_stay(model->queue, line, &entry, false, 0);
    }
}

static void check_insert(struct model *model, uint32_t object, uint64_t sequence) {
    struct hsp_entry displaced;
    const enum hsp_hold want =
        model->states[object][sequence] != ABSENT ? HSP_HOLD_THERE : HSP_HOLD_DONE;
    assert_int_equal(insert(model->queue, object, sequence, &displaced), want);
    if (want == HSP_HOLD_DONE)
        model->states[object][sequence] = HELD;
}

static void check_hold(struct model *model, uint32_t object, uint64_t sequence) {
    struct hsp_entry entry;
    enum state *is = &model->states[object][sequence];
    const enum hsp_hold want = *is == ABSENT ? HSP_HOLD_MISSING
                               : *is == HELD ? HSP_HOLD_BUSY
                                             : HSP_HOLD_DONE;
    assert_int_equal(hsp_queue_hold(model->queue, object, sequence, &entry), want);
    if (want == HSP_HOLD_DONE)
        *is = HELD;
}

static void let_go(struct model *model, uint32_t object, uint64_t sequence) {
    enum state *is = &model->states[object][sequence];
    if (*is != HELD)
        return;
    const bool stays = below(model, 2) == 0;
    *is = stays ? HERE : ABSENT;
    if (stays)
        release(model->queue, object, sequence);
    else
        take_away(model->queue, object, sequence);
}

static void step(struct model *model) {
    const uint32_t object = below(model, OBJECTS), what = below(model, 100);
    const uint64_t sequence = 1 + below(model, NUMBERS - 1);
    if (what < 10 && model->top + 1 < NUMBERS) {
        add(model->queue, object, ++model->top);
        model->states[object][model->top] = HERE;
    } else if (what < 30 && sequence <= model->top) {
        check_insert(model, object, sequence);
    } else if (what < 50) {
        check_hold(model, object, sequence);
    } else if (what < 85) {
        for (uint64_t i = 0; i < 20; i++)
            let_go(model, object, 1 + below(model, NUMBERS - 1));
    } else {
        check_start(model);
    }
    size_t count = 0;
    for (uint32_t i = 0; i < OBJECTS; i++)
        for (uint64_t k = 1; k < NUMBERS; k++)
            count += model->states[i][k] != ABSENT;
    assert_int_equal(hsp_queue_count(model->queue), count);
    assert_true(hsp_queue_bytes(model->queue) == (int64_t)count * 10);
}

static void test_against_a_model(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct model model = {.queue = new_queue(), .seed = seed * 7919};
        for (int i = 0; i < 8000; i++)
            step(&model);
        hsp_queue_free(model.queue);
    }
}

static enum hs_status fill(void *context, struct hs_error *err) {
    (void)context;
    struct hsp_queue *queue = NULL;
    enum hs_status status = hsp_queue_new(&queue, err);
    for (uint64_t i = 1; status == HS_OK && i <= 200; i++) {
        const size_t before = hsp_queue_count(queue);
        if (insert(queue, i, i, NULL) == HSP_HOLD_NOMEM) {
            status = hsp_fail(err, HS_E_NOMEM, "put an event back");
            assert_int_equal(hsp_queue_count(queue), before);
        }
    }
    hsp_queue_free(queue);
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    alloc_fail_each(fill, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_held_event_and_all_behind_it_wait),
        cmocka_unit_test(test_a_waiting_head_is_held_as_its_file_is_named),
        cmocka_unit_test(test_one_under_way_is_not_held),
        cmocka_unit_test(test_an_older_one_comes_first),
        cmocka_unit_test(test_a_line_of_its_own),
        cmocka_unit_test(test_hurry),
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
