/* SPDX-License-Identifier: MIT */
/* Lines of waiting events: rules one by one, then long random runs beside a naive model,
 * in which every answer of the queue has to be the model's. */
#include "config.h"

#include "alloc_fail.h"
#include "delivery/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct hsp_queue *new_queue(void) {
    struct hsp_queue *queue = NULL;
    assert_int_equal(hsp_queue_new(&queue, NULL), HS_OK);
    return queue;
}

static void add(struct hsp_queue *queue, uint64_t object, uint64_t sequence,
                int64_t due_ms) {
    const struct hsp_entry entry = {.sequence = sequence, .object = object, .size = 10};
    assert_int_equal(hsp_queue_add(queue, &entry, due_ms, NULL), HS_OK);
}

static void check_entry(const struct hsp_entry *got, const struct hsp_entry *want) {
    assert_true(got->sequence == want->sequence);
    assert_true(got->object == want->object);
    assert_int_equal(got->attempts, want->attempts);
    assert_true(got->due_s == want->due_s);
    assert_int_equal(got->code, want->code);
    assert_int_equal(got->size, want->size);
    assert_int_equal(got->offset, want->offset);
}

/* The sequence number of a line's head; 0: no line. */
static uint64_t head_of(const struct hsp_queue *queue, hsp_line line) {
    struct hsp_entry head = {0};
    if (line != HSP_NO_LINE)
        hsp_queue_head(queue, line, &head);
    return head.sequence;
}

static uint64_t pick(struct hsp_queue *queue, int64_t now_ms) {
    return head_of(queue, hsp_queue_pick(queue, now_ms, HSP_NO_LINE));
}

/* Rules
 * ------------------------------------------------------------------------------------ */

static void test_empty(void **state) {
    (void)state;
    struct hsp_queue *queue = new_queue();
    assert_int_equal(hsp_queue_pick(queue, 1000, HSP_NO_LINE), HSP_NO_LINE);
    assert_int_equal(hsp_queue_pick_waiting(queue, HSP_NO_LINE), HSP_NO_LINE);
    assert_int_equal(hsp_queue_oldest(queue), HSP_NO_LINE);
    assert_true(hsp_queue_next_due(queue) == INT64_MAX);
    assert_int_equal(hsp_queue_count(queue), 0);
    assert_int_equal(hsp_queue_bytes(queue), 0);
    hsp_queue_wake(queue, true);
    hsp_queue_free(queue);
    hsp_queue_free(NULL);
}

static void test_one_line_is_first_in_first_out(void **state) {
    (void)state;
    struct hsp_queue *queue = new_queue();
    for (uint64_t i = 1; i <= 3; i++)
        add(queue, 7, i, 0);
    for (uint64_t i = 1; i <= 3; i++) {
        const hsp_line line = hsp_queue_pick(queue, 0, HSP_NO_LINE);
        assert_int_equal(head_of(queue, line), i);
        hsp_queue_start(queue, line);
        /* One under way holds back the rest of its line, and one that comes. */
        assert_int_equal(hsp_queue_pick(queue, 1000, HSP_NO_LINE), HSP_NO_LINE);
        assert_int_equal(hsp_queue_oldest(queue), HSP_NO_LINE);
        assert_true(hsp_queue_next_due(queue) == INT64_MAX);
        assert_int_equal(hsp_queue_bytes(queue), 10 * (4 - i));
        hsp_queue_advance(queue, line);
        assert_int_equal(hsp_queue_count(queue), 3 - i);
    }
    assert_int_equal(hsp_queue_bytes(queue), 0);
    hsp_queue_free(queue);
}

static void test_head_is_what_its_file_is_named(void **state) {
    const struct hsp_entry first = {11, 5, 3, 1700000000, 503, 700, 44};
    const struct hsp_entry second = {12, 5, 0, 0, 0, 800, 55};
    const struct hsp_entry named = {11, 5, 4, 1700000060, 429, 700, 44};
    struct hsp_entry head;
    (void)state;
    struct hsp_queue *queue = new_queue();
    assert_int_equal(hsp_queue_add(queue, &first, 900, NULL), HS_OK);
    assert_int_equal(hsp_queue_add(queue, &second, 0, NULL), HS_OK);
    assert_int_equal(hsp_queue_pick(queue, 899, HSP_NO_LINE), HSP_NO_LINE);
    assert_true(hsp_queue_next_due(queue) == 900);
    const hsp_line line = hsp_queue_pick(queue, 900, HSP_NO_LINE);
    hsp_queue_head(queue, line, &head);
    check_entry(&head, &first);
    assert_false(hsp_queue_is_suspect(queue, line));
    hsp_queue_start(queue, line);
    hsp_queue_stay(queue, line, &named, true, 5000);
    hsp_queue_head(queue, line, &head);
    check_entry(&head, &named);
    assert_true(hsp_queue_is_suspect(queue, line));
    assert_int_equal(hsp_queue_pick(queue, 4999, HSP_NO_LINE), HSP_NO_LINE);
    assert_int_equal(hsp_queue_pick_waiting(queue, HSP_NO_LINE), line);
    hsp_queue_start(queue, line); /* a waiting one may be sent, too */
    hsp_queue_advance(queue, line);
    hsp_queue_head(queue, line, &head);
    check_entry(&head, &second);
    assert_false(hsp_queue_is_suspect(queue, line));
    assert_int_equal(hsp_queue_pick(queue, 0, HSP_NO_LINE), line);
    hsp_queue_free(queue);
}

static void test_oldest_head_first(void **state) {
    (void)state;
    struct hsp_queue *queue = new_queue();
    add(queue, 1, 30, 0);
    add(queue, 2, 20, 0);
    add(queue, 3, 10, 500); /* due later, then the oldest */
    assert_int_equal(pick(queue, 499), 20);
    assert_int_equal(pick(queue, 500), 10);
    assert_true(hsp_queue_next_due(queue) <= 500);
    hsp_queue_free(queue);
}

static void test_avoided_line(void **state) {
    (void)state;
    struct hsp_queue *queue = new_queue();
    add(queue, 1, 10, 0);
    const hsp_line first = hsp_queue_pick(queue, 0, HSP_NO_LINE);
    assert_int_equal(hsp_queue_pick(queue, 0, first), first); /* alone */
    add(queue, 2, 30, 0);
    assert_int_equal(head_of(queue, hsp_queue_pick(queue, 0, first)), 30);
    add(queue, 3, 20, 0);
    assert_int_equal(head_of(queue, hsp_queue_pick(queue, 0, first)), 20);
    const hsp_line other = hsp_queue_pick(queue, 0, first);
    assert_int_equal(hsp_queue_pick(queue, 0, other), first);
    hsp_queue_free(queue);
}

static void test_waiting_order(void **state) {
    (void)state;
    struct hsp_queue *queue = new_queue();
    add(queue, 1, 10, 900);
    add(queue, 2, 30, 500);
    add(queue, 3, 20, 500);
    const hsp_line first = hsp_queue_pick_waiting(queue, HSP_NO_LINE);
    assert_int_equal(head_of(queue, first), 20); /* equally due: the older one */
    assert_int_equal(head_of(queue, hsp_queue_pick_waiting(queue, first)), 30);
    assert_int_equal(head_of(queue, hsp_queue_oldest(queue)), 10);
    add(queue, 4, 40, 0); /* a ready one does not count here */
    assert_int_equal(hsp_queue_pick_waiting(queue, HSP_NO_LINE), first);
    hsp_queue_free(queue);
}

static void test_wake(void **state) {
    static const struct hsp_entry tried = {.sequence = 10, .object = 1, .attempts = 1};
    static const struct hsp_entry fresh = {.sequence = 20, .object = 2, .code = 503};
    (void)state;
    for (int all = 0; all < 2; all++) {
        struct hsp_queue *queue = new_queue();
        assert_int_equal(hsp_queue_add(queue, &tried, 500, NULL), HS_OK);
        assert_int_equal(hsp_queue_add(queue, &fresh, 900, NULL), HS_OK);
        hsp_queue_wake(queue, all != 0);
        assert_true(hsp_queue_next_due(queue) <= 1);
        assert_int_equal(pick(queue, 1), all ? 10 : 20);
        assert_int_equal(pick(queue, 500), 10);
        hsp_queue_free(queue);
    }
}

struct seen {
    struct hsp_entry entries[8];
    size_t count;
};

static void see(void *context, const struct hsp_entry *entry) {
    struct seen *seen = context;
    assert_true(seen->count < 8);
    seen->entries[seen->count++] = *entry;
}

static void test_each_from(void **state) {
    const struct hsp_entry head = {11, 5, 3, 1700000000, 503, 700, 44};
    const struct hsp_entry next = {12, 5, 0, 0, 0, 800, 55};
    struct seen seen = {.count = 0};
    (void)state;
    struct hsp_queue *queue = new_queue();
    hsp_queue_each_from(queue, 0, see, &seen);
    assert_int_equal(seen.count, 0);
    assert_int_equal(hsp_queue_add(queue, &head, 900, NULL), HS_OK);
    assert_int_equal(hsp_queue_add(queue, &next, 0, NULL), HS_OK);
    hsp_queue_each_from(queue, 11, see, &seen);
    assert_int_equal(seen.count, 2);
    check_entry(&seen.entries[0], &head);
    check_entry(&seen.entries[1], &next);
    seen.count = 0;
    hsp_queue_each_from(queue, 12, see, &seen);
    assert_int_equal(seen.count, 1);
    check_entry(&seen.entries[0], &next);
    hsp_queue_each_from(queue, 13, see, &seen);
    assert_int_equal(seen.count, 1);
    hsp_queue_free(queue);
}

/* Model
 * ------------------------------------------------------------------------------------ */

#define LINES 150
#define EVENTS 64 /* in one line */

enum place { EMPTY, READY, WAITING, BUSY };

struct model_line {
    uint64_t object;
    struct hsp_entry events[EVENTS];
    size_t first, count;
    enum place place;
    bool suspect;
    int64_t due_ms;
    hsp_line handle; /* HSP_NO_LINE: not yet known */
};

struct model {
    struct model_line lines[LINES];
    struct hsp_queue *queue;
    uint64_t seed, sequence;
    int64_t now_ms;
    size_t count;
    int64_t bytes;
};

static uint32_t below(struct model *model, uint32_t limit) {
    model->seed =
        model->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(model->seed >> 33) % limit;
}

static struct hsp_entry *model_head(struct model_line *line) {
    return &line->events[line->first];
}

/* a before b: by due time (where that matters), then by number. */
static bool precedes(struct model_line *a, struct model_line *b, bool by_due) {
    if (by_due && a->due_ms != b->due_ms)
        return a->due_ms < b->due_ms;
    return model_head(a)->sequence < model_head(b)->sequence;
}

static struct model_line *first_in(struct model *model, enum place place,
                                   const struct model_line *avoid) {
    struct model_line *best = NULL, *avoided = NULL;
    for (size_t i = 0; i < LINES; i++) {
        struct model_line *line = &model->lines[i];
        if (line->place != place)
            continue;
        if (line == avoid)
            avoided = line;
        else if (best == NULL || precedes(line, best, place == WAITING))
            best = line;
    }
    return best != NULL ? best : avoided;
}

static void check_line(struct model_line *want, struct hsp_queue *queue, hsp_line got) {
    struct hsp_entry head;
    if (want == NULL) {
        assert_int_equal(got, HSP_NO_LINE);
        return;
    }
    assert_int_not_equal(got, HSP_NO_LINE);
    hsp_queue_head(queue, got, &head);
    check_entry(&head, model_head(want));
    assert_int_equal(hsp_queue_is_suspect(queue, got), want->suspect);
    assert_true(want->handle == HSP_NO_LINE || want->handle == got);
    want->handle = got;
}

static void model_go(struct model_line *line, int64_t due_ms) {
    line->due_ms = due_ms;
    line->place = due_ms > 0 ? WAITING : READY;
}

static void do_add(struct model *model) {
    struct model_line *line = &model->lines[below(model, LINES)];
    if (line->count == EVENTS)
        return;
    struct hsp_entry entry = {
        .sequence = ++model->sequence,
        .object = line->object,
        .size = below(model, 1000),
        .offset = below(model, 1000),
    };
    int64_t due_ms = 0;
    if (line->count == 0 && below(model, 3) == 0) {
        entry.attempts = below(model, 6);
        entry.code = below(model, 1000);
        entry.due_s = 1 + below(model, 100);
        due_ms = model->now_ms + below(model, 2000);
    }
    assert_int_equal(hsp_queue_add(model->queue, &entry, due_ms, NULL), HS_OK);
    line->events[(line->first + line->count) % EVENTS] = entry;
    if (line->count++ == 0)
        model_go(line, due_ms);
    model->count++;
    model->bytes += entry.size;
}

/* A line in the race whose handle is known, to be avoided; NULL: none by chance. */
static struct model_line *some_known(struct model *model) {
    struct model_line *line = &model->lines[below(model, LINES)];
    return line->place != EMPTY && line->handle != HSP_NO_LINE ? line : NULL;
}

static void do_pick(struct model *model, bool waiting) {
    struct model_line *avoid = some_known(model);
    const hsp_line avoided = avoid == NULL ? HSP_NO_LINE : avoid->handle;
    if (!waiting)
        for (size_t i = 0; i < LINES; i++)
            if (model->lines[i].place == WAITING &&
                model->lines[i].due_ms <= model->now_ms)
                model->lines[i].place = READY;
    struct model_line *want = first_in(model, waiting ? WAITING : READY, avoid);
    const hsp_line got = waiting ? hsp_queue_pick_waiting(model->queue, avoided)
                                 : hsp_queue_pick(model->queue, model->now_ms, avoided);
    check_line(want, model->queue, got);
    if (want == NULL || below(model, 8) == 0)
        return;
    hsp_queue_start(model->queue, got);
    want->place = BUSY;
}

static struct model_line *some_busy(struct model *model) {
    const uint32_t from = below(model, LINES);
    for (uint32_t i = 0; i < LINES; i++)
        if (model->lines[(from + i) % LINES].place == BUSY)
            return &model->lines[(from + i) % LINES];
    return NULL;
}

static void do_stay(struct model *model) {
    struct model_line *line = some_busy(model);
    if (line == NULL)
        return;
    struct hsp_entry named = *model_head(line);
    named.attempts = below(model, 256);
    named.due_s = below(model, 1000);
    named.code = below(model, 1000);
    line->suspect = below(model, 2);
    const int64_t due_ms = below(model, 4) == 0 ? 0 : model->now_ms + below(model, 3000);
    hsp_queue_stay(model->queue, line->handle, &named, line->suspect, due_ms);
    *model_head(line) = named;
    model_go(line, due_ms);
}

static void do_advance(struct model *model) {
    struct model_line *line = some_busy(model);
    if (line == NULL)
        return;
    hsp_queue_advance(model->queue, line->handle);
    model->bytes -= model_head(line)->size;
    model->count--;
    line->first = (line->first + 1) % EVENTS;
    line->suspect = false;
    if (--line->count > 0) {
        model_go(line, 0);
        return;
    }
    line->place = EMPTY;
    line->handle = HSP_NO_LINE;
}

static void do_wake(struct model *model) {
    const bool all = below(model, 2);
    hsp_queue_wake(model->queue, all);
    for (size_t i = 0; i < LINES; i++) {
        struct model_line *line = &model->lines[i];
        if (line->place == WAITING && (all || model_head(line)->attempts == 0))
            line->due_ms = 0;
    }
}

static void check_oldest(struct model *model) {
    struct model_line *ready = first_in(model, READY, NULL), *want = ready;
    for (size_t i = 0; i < LINES; i++) {
        struct model_line *line = &model->lines[i];
        if (line->place == WAITING && (want == NULL || precedes(line, want, false)))
            want = line;
    }
    check_line(want, model->queue, hsp_queue_oldest(model->queue));
    struct model_line *waiting = first_in(model, WAITING, NULL);
    const int64_t due_ms = hsp_queue_next_due(model->queue);
    if (ready != NULL)
        assert_true(due_ms <= model->now_ms);
    else
        assert_true(due_ms == (waiting == NULL ? INT64_MAX : waiting->due_ms));
}

static struct model_line *line_of(struct model *model, uint64_t object) {
    size_t i = 0;
    while (i < LINES && model->lines[i].object != object)
        i++;
    assert_true(i < LINES);
    return &model->lines[i];
}

struct walk {
    struct model *model;
    uint64_t first;
    size_t count;
};

static void walk_one(void *context, const struct hsp_entry *entry) {
    struct walk *walk = context;
    struct model_line *line = line_of(walk->model, entry->object);
    assert_true(entry->sequence >= walk->first);
    size_t i = 0;
    while (i < line->count &&
           line->events[(line->first + i) % EVENTS].sequence != entry->sequence)
        i++;
    assert_true(i < line->count);
    check_entry(entry, &line->events[(line->first + i) % EVENTS]);
    walk->count++;
}

static void check_each_from(struct model *model) {
    struct walk walk = {.model = model};
    walk.first = below(model, (uint32_t)model->sequence + 2);
    size_t expected = 0;
    for (size_t i = 0; i < LINES; i++) {
        const struct model_line *line = &model->lines[i];
        for (size_t k = 0; k < line->count; k++)
            expected += line->events[(line->first + k) % EVENTS].sequence >= walk.first;
    }
    hsp_queue_each_from(model->queue, walk.first, walk_one, &walk);
    assert_int_equal(walk.count, expected);
}

static void step(struct model *model, uint32_t add_share) {
    const uint32_t what = below(model, 1000);
    if (what < add_share)
        do_add(model);
    else if (what < 700)
        do_pick(model, below(model, 4) == 0);
    else if (what < 800)
        do_stay(model);
    else if (what < 960)
        do_advance(model);
    else if (what < 965)
        do_wake(model);
    else
        model->now_ms += below(model, 500);
    assert_int_equal(hsp_queue_count(model->queue), model->count);
    assert_true(hsp_queue_bytes(model->queue) == model->bytes);
}

static void run_model(uint64_t seed) {
    static struct model model;
    model = (struct model){.seed = seed, .now_ms = 1000};
    model.queue = new_queue();
    for (size_t i = 0; i < LINES; i++) {
        /* Some of these meet in one bucket, whatever their number is. */
        model.lines[i].object = i % 3 == 0 ? (uint64_t)i << 20 : i;
        model.lines[i].handle = HSP_NO_LINE;
    }
    size_t most = 0;
    for (int i = 0; i < 30000; i++) {
        step(&model, i < 12000 ? 650 : 300); /* fill, then drain slowly */
        most = model.count > most ? model.count : most;
        if (i % 16 == 0)
            check_oldest(&model);
        if (i % 1500 == 0)
            check_each_from(&model);
    }
    assert_true(most > 4096); /* more than one chunk of events */
    while (model.count > 0) {
        model.now_ms += 500;
        do_pick(&model, false);
        do_advance(&model);
    }
    assert_int_equal(hsp_queue_count(model.queue), 0);
    assert_int_equal(hsp_queue_oldest(model.queue), HSP_NO_LINE);
    hsp_queue_free(model.queue);
}

static void test_against_a_model(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++)
        run_model(seed * 7919);
}

/* Out of memory
 * ------------------------------------------------------------------------------------ */

/* More lines and events than the first growth of either has room for. */
static enum hs_status fill(void *context, struct hs_error *err) {
    struct hsp_queue *queue = NULL;
    (void)context;
    enum hs_status status = hsp_queue_new(&queue, err);
    if (status != HS_OK) {
        assert_null(queue);
        return status;
    }
    size_t added = 0;
    for (uint64_t i = 0; status == HS_OK && i < 4096 + 65; i++) {
        const struct hsp_entry entry = {
            .sequence = i + 1, .object = i < 4096 ? i % 64 : i, .size = 3};
        status = hsp_queue_add(queue, &entry, i % 5, err);
        added += status == HS_OK;
    }
    assert_int_equal(hsp_queue_count(queue), added);
    assert_true(hsp_queue_bytes(queue) == (int64_t)added * 3);
    assert_int_equal(pick(queue, 10), added > 0 ? 1 : 0);
    if (status != HS_OK) { /* what failed may be tried again: only one allocation fails */
        add(queue, 9999, 9999, 0);
        assert_int_equal(hsp_queue_count(queue), added + 1);
    }
    hsp_queue_free(queue);
    return status;
}

/* Events that come and go take the room of those before them. */
static void test_room_is_used_again(void **state) {
    (void)state;
    struct hsp_queue *queue = new_queue();
    add(queue, 0, 1, 0);
    alloc_fail_at(1);
    for (uint64_t i = 1; i <= 10000; i++) {
        const hsp_line line = hsp_queue_pick(queue, 0, HSP_NO_LINE);
        hsp_queue_start(queue, line);
        add(queue, i, i + 1, 0);
        hsp_queue_advance(queue, line);
    }
    assert_false(alloc_fail_stop());
    assert_int_equal(hsp_queue_count(queue), 1);
    hsp_queue_free(queue);
}

static void test_out_of_memory(void **state) {
    (void)state;
    alloc_fail_each(fill, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_one_line_is_first_in_first_out),
        cmocka_unit_test(test_head_is_what_its_file_is_named),
        cmocka_unit_test(test_oldest_head_first),
        cmocka_unit_test(test_avoided_line),
        cmocka_unit_test(test_waiting_order),
        cmocka_unit_test(test_wake),
        cmocka_unit_test(test_each_from),
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_room_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
