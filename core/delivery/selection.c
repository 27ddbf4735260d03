/* SPDX-License-Identifier: MIT */
/* retry, drop and move: errands that name events, up to NAMES_MAX in a request,
 *
 *     {"verb":"retry","endpoint":"a","dead":["SEQUENCE.OBJECT.ID",…],
 *      "waiting":["SEQUENCE.OBJECT…",…]}
 *
 * by the names of their files. Each is held in the queue at once, so that nothing
 * overtakes it, becomes an operation of the open batch, and is released or removed when
 * that is on disk; the last one answers the errand. */
#include "config.h"

#include "errand.h"
#include "waiting.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAMES_MAX 256

static const char *const tally_names[HSP_TALLY_COUNT] = {
    "done", "stale", "busy", "waiting", "missing", "corrupt", "full"};

static void answer_tallies(struct hsp_errand *errand) {
    char json[256];
    int length = 0;
    for (size_t i = 0; i < HSP_TALLY_COUNT; i++)
        length +=
            snprintf(json + length, sizeof json - (size_t)length, "%s\"%s\":%" PRId64,
                     i == 0 ? "{" : ",", tally_names[i], errand->tallies[i]);
    snprintf(json + length, sizeof json - (size_t)length, "}");
    hsp_errand_answer(errand, "events", json);
}

static enum hsp_tally tally_of(enum hsp_hold hold) {
    switch (hold) {
    case HSP_HOLD_MISSING:
        return HSP_TALLY_MISSING;
    case HSP_HOLD_THERE:
        return HSP_TALLY_WAITING;
    case HSP_HOLD_BUSY:
        return HSP_TALLY_BUSY;
    default:
        return HSP_TALLY_DONE;
    }
}

/* Operations
 * -------------------------------------------------------------------------------- */

/* A zeroed operation of the errand; NULL: the flusher has failed. */
static struct hsp_op *add_op(struct hsp_flusher *flusher, struct hsp_errand *errand,
                             enum hsp_op_kind kind, const struct hsp_entry *entry) {
    struct hsp_batch *batch = hsp_settle_batch(flusher);
    struct hsp_op *op = batch != NULL ? hsp_batch_add(batch) : NULL;
    if (op == NULL) {
        hsp_flusher_fail(flusher, &(struct hs_error){.text = "do as asked: no memory"});
        return NULL;
    }
    op->kind = kind;
    op->endpoint = errand->endpoint;
    op->entry = *entry;
    op->errand = errand;
    errand->open++;
    flusher->changed = true;
    return op;
}

/* `letter` may be NULL. */
static void set_letter(struct hsp_flusher *flusher, struct hsp_op *op,
                       const char *letter) {
    op->note = strdup(letter);
    if (op->note == NULL)
        hsp_flusher_fail(flusher, &(struct hs_error){.text = "do as asked: no memory"});
}

/* `line` says already what the event is, as far as it is known. */
static void note_line(struct hsp_flusher *flusher, const struct hsp_errand *errand,
                      struct hsp_journal_line *line, const struct hsp_entry *entry,
                      const char *reason) {
    char text[256];
    snprintf(text, sizeof text, "%s, by uid %ld", reason, (long)errand->uid);
    line->endpoint = errand->endpoint->name;
    line->sequence = (int64_t)entry->sequence;
    line->reason = text;
    hsp_settle_note(flusher, line);
}

static void note(struct hsp_flusher *flusher, const struct hsp_errand *errand,
                 const char *what, const struct hsp_entry *entry, const char *id,
                 const char *reason) {
    struct hsp_journal_line line = HSP_JOURNAL_LINE(hsp_now_ms(CLOCK_REALTIME), what);
    line.id = id;
    note_line(flusher, errand, &line, entry, reason);
}

/* The name of a waiting file has no id: it is read, so that whoever looks for the event
 * finds what became of it. */
static void note_waiting(struct hsp_flusher *flusher, const struct hsp_errand *errand,
                         const char *what, const struct hsp_entry *entry,
                         const char *reason) {
    struct hsp_journal_line line = HSP_JOURNAL_LINE(hsp_now_ms(CLOCK_REALTIME), what);
    struct hsp_waiting waiting = {0};
    if (hsp_waiting_read(&waiting, errand->endpoint, entry, NULL) == HS_OK) {
        line.id = waiting.event.id;
        line.monitor = waiting.facts.monitor_id;
        line.kind = hs_kind_text(waiting.facts.kind);
        line.uid = waiting.uid;
    }
    note_line(flusher, errand, &line, entry, reason);
    hsp_waiting_free(&waiting);
}

/* Put a place for the event into the queue of `target`, held. HSP_HOLD_DONE: there is
 * one.
 */
static enum hsp_hold make_place(struct hsp_flusher *flusher, struct hsp_errand *errand,
                                struct hsp_endpoint *target,
                                const struct hsp_entry *entry) {
    struct hsp_entry displaced, plain = hsp_entry_plain(entry);
    enum hsp_hold hold = hsp_queue_insert(target->queue, &plain, &displaced);
    if (hold == HSP_HOLD_NOMEM)
        hsp_flusher_fail(flusher, &(struct hs_error){.text = "do as asked: no memory"});
    if (hold != HSP_HOLD_DONE || displaced.sequence == 0)
        return hold;
    /* Its file is named anew before the new head's is there: see queue.h. */
    struct hsp_op *op = add_op(flusher, errand, HSP_OP_PLAIN, &displaced);
    if (op != NULL) {
        op->endpoint = target;
        op->renamed = hsp_entry_plain(&displaced);
    }
    return hold;
}

/* Letters and waiting events, one by one
 * ---------------------------------------------------------------------------- */

static bool is_forced(const struct hsp_errand *errand) {
    json_object *value = NULL;
    return json_object_object_get_ex(errand->request, "stale", &value) &&
           json_object_get_boolean(value);
}

static bool is_beyond(const struct hsp_endpoint *endpoint, uint64_t object,
                      uint64_t sequence) {
    return sequence > hsp_queue_newest(endpoint->queue, object) &&
           sequence > hsp_overtaken_newest(endpoint->overtaken, object);
}

/* Has the target seen something newer of this object? Of its own letters it is known. An
 * event of another endpoint's is taken for stale when a newer one than that endpoint has
 * was taken in, and does not wait at the target any more. */
static bool is_stale(const struct hsp_flusher *flusher, const struct hsp_errand *errand,
                     const struct hsp_endpoint *target, const struct hsp_entry *entry) {
    if (hsp_overtaken_is_stale(target->overtaken, entry->object, entry->sequence))
        return true;
    uint64_t newest = hsp_recent_newest(flusher->recent, entry->object);
    return target != errand->endpoint && newest > entry->sequence &&
           is_beyond(errand->endpoint, entry->object, newest) &&
           is_beyond(target, entry->object, newest);
}

/* Beyond these limits it would be dead at once, or another would. */
static bool has_room(const struct hsp_endpoint *target) {
    int64_t count = (int64_t)(hsp_queue_count(target->queue) - target->dying);
    return count < target->settings->max_queued &&
           hsp_queue_bytes(target->queue) - target->dying_bytes <
               target->settings->max_queued_bytes;
}

static enum hsp_tally revive(struct hsp_flusher *flusher, struct hsp_errand *errand,
                             struct hsp_endpoint *target, const char *name) {
    struct hsp_entry entry = {0};
    char id[HSP_ID_LENGTH + 1], reason[128];
    if (!hsp_dead_parse(name, &entry, id))
        return HSP_TALLY_MISSING;
    if (!is_forced(errand) && is_stale(flusher, errand, target, &entry))
        return HSP_TALLY_STALE;
    if (!has_room(target))
        return HSP_TALLY_FULL;
    enum hsp_hold hold = make_place(flusher, errand, target, &entry);
    if (hold != HSP_HOLD_DONE)
        return tally_of(hold);
    struct hsp_op *op = add_op(flusher, errand, HSP_OP_REVIVE, &entry);
    if (op == NULL)
        return HSP_TALLY_MISSING;
    op->target = target;
    set_letter(flusher, op, name);
    bool same = target == errand->endpoint;
    snprintf(reason, sizeof reason, "%s%s", same ? "dead letter" : "dead letter, to ",
             same ? "" : target->name);
    note(flusher, errand, same ? "retried" : "moved", &entry, id, reason);
    return HSP_TALLY_DONE;
}

static enum hsp_tally shred(struct hsp_flusher *flusher, struct hsp_errand *errand,
                            struct hsp_endpoint *target, const char *name) {
    (void)target;
    struct hsp_entry entry = {0};
    char id[HSP_ID_LENGTH + 1];
    if (!hsp_dead_parse(name, &entry, id))
        return HSP_TALLY_MISSING;
    struct hsp_op *op = add_op(flusher, errand, HSP_OP_SHRED, &entry);
    if (op == NULL)
        return HSP_TALLY_MISSING;
    set_letter(flusher, op, name);
    note(flusher, errand, "removed", &entry, id, "dead letter dropped");
    return HSP_TALLY_DONE;
}

static enum hsp_tally hurry(struct hsp_flusher *flusher, struct hsp_errand *errand,
                            struct hsp_endpoint *target, const char *name) {
    (void)target;
    struct hsp_entry entry;
    if (!hsp_entry_parse(name, &entry))
        return HSP_TALLY_MISSING;
    flusher->changed = true;
    return tally_of(
        hsp_queue_hurry(errand->endpoint->queue, entry.object, entry.sequence));
}

/* Hold the waiting event that `name` names; `entry` is as its file is named now. */
static enum hsp_hold take(struct hsp_errand *errand, const char *name,
                          struct hsp_entry *entry) {
    struct hsp_entry asked;
    if (!hsp_entry_parse(name, &asked))
        return HSP_HOLD_MISSING;
    return hsp_queue_hold(errand->endpoint->queue, asked.object, asked.sequence, entry);
}

static enum hsp_tally discard(struct hsp_flusher *flusher, struct hsp_errand *errand,
                              struct hsp_endpoint *target, const char *name) {
    (void)target;
    struct hsp_entry entry;
    enum hsp_hold hold = take(errand, name, &entry);
    if (hold != HSP_HOLD_DONE)
        return tally_of(hold);
    if (add_op(flusher, errand, HSP_OP_DISCARD, &entry) != NULL)
        note_waiting(flusher, errand, "removed", &entry, "dropped");
    return HSP_TALLY_DONE;
}

static enum hsp_tally transfer(struct hsp_flusher *flusher, struct hsp_errand *errand,
                               struct hsp_endpoint *target, const char *name) {
    struct hsp_entry entry;
    enum hsp_hold hold = take(errand, name, &entry);
    if (hold != HSP_HOLD_DONE)
        return tally_of(hold);
    if (!is_forced(errand) && is_stale(flusher, errand, target, &entry)) {
        hsp_queue_release(errand->endpoint->queue, &entry);
        return HSP_TALLY_STALE;
    }
    if (!has_room(target)) {
        hsp_queue_release(errand->endpoint->queue, &entry);
        return HSP_TALLY_FULL;
    }
    hold = make_place(flusher, errand, target, &entry);
    if (hold != HSP_HOLD_DONE) {
        hsp_queue_release(errand->endpoint->queue, &entry);
        return tally_of(hold);
    }
    struct hsp_op *op = add_op(flusher, errand, HSP_OP_TRANSFER, &entry);
    if (op == NULL)
        return HSP_TALLY_DONE;
    op->target = target;
    op->renamed = hsp_entry_plain(&entry);
    char reason[128];
    snprintf(reason, sizeof reason, "to %s", target->name);
    note_waiting(flusher, errand, "moved", &entry, reason);
    return HSP_TALLY_DONE;
}

/* Errands
 * ---------------------------------------------------------------------------------- */

typedef enum hsp_tally action(struct hsp_flusher *, struct hsp_errand *,
                              struct hsp_endpoint *, const char *);

/* Do `one` with each name of the list; false: there are too many, and nothing was done.
 */
static size_t list_of(const struct hsp_errand *errand, const char *key,
                      json_object **list) {
    *list = NULL;
    if (!json_object_object_get_ex(errand->request, key, list) ||
        !json_object_is_type(*list, json_type_array))
        return 0;
    return json_object_array_length(*list);
}

static void each(struct hsp_flusher *flusher, struct hsp_errand *errand, const char *key,
                 struct hsp_endpoint *target, action *one) {
    json_object *list;
    size_t count = list_of(errand, key, &list);
    for (size_t i = 0; i < count; i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(list, i));
        enum hsp_tally tally =
            name != NULL ? one(flusher, errand, target, name) : HSP_TALLY_MISSING;
        errand->tallies[tally]++;
    }
}

static void run(struct hsp_flusher *flusher, struct hsp_errand *errand,
                struct hsp_endpoint *target, action *letter, action *waiting) {
    json_object *list;
    if (list_of(errand, "dead", &list) + list_of(errand, "waiting", &list) > NAMES_MAX) {
        hsp_errand_refuse(errand, "more than %d events in a request", NAMES_MAX);
        return;
    }
    errand->open = 1; /* until all are begun */
    each(flusher, errand, "dead", target, letter);
    each(flusher, errand, "waiting", target, waiting);
    if (--errand->open == 0)
        answer_tallies(errand);
}

void hsp_selection_retry(struct hsp_flusher *flusher, struct hsp_errand *errand) {
    run(flusher, errand, errand->endpoint, revive, hurry);
}

void hsp_selection_drop(struct hsp_flusher *flusher, struct hsp_errand *errand) {
    run(flusher, errand, NULL, shred, discard);
}

void hsp_selection_move(struct hsp_flusher *flusher, struct hsp_errand *errand) {
    const char *name = hsp_errand_text(errand, "to");
    struct hsp_endpoint *target = hsp_flusher_find(flusher, name);
    if (target == NULL || target->settings == NULL)
        hsp_errand_refuse(errand, "no such endpoint in the configuration: '%s'", name);
    else if (target == errand->endpoint)
        hsp_errand_refuse(errand, "'%s' cannot be moved to itself", name);
    else
        run(flusher, errand, target, revive, transfer);
}

/* On disk
 * ---------------------------------------------------------------------------------- */

/* A letter is in the queue of the target, or is not. */
static void settle_revived(struct hsp_flusher *flusher, const struct hsp_op *op) {
    if (op->found == HSP_FOUND) {
        hsp_queue_release(op->target->queue, &op->entry);
        return;
    }
    hsp_queue_remove(op->target->queue, &op->entry);
    if (op->found != HSP_FOUND_CORRUPT)
        return;
    note(flusher, op->errand, "corrupt", &op->entry, NULL, "a dead letter");
    hsp_log(HSP_LOG_ERROR,
            "endpoint %s: the dead letter %s cannot be read: moved to corrupt/",
            op->endpoint->name, op->note);
}

void hsp_selection_apply(struct hsp_flusher *flusher, const struct hsp_op *op) {
    struct hsp_errand *errand = op->errand;
    op->endpoint->dead -= op->dead;
    op->endpoint->dead_bytes -= op->dead_bytes;
    if (op->kind == HSP_OP_REVIVE)
        settle_revived(flusher, op);
    else if (op->kind == HSP_OP_DISCARD || op->kind == HSP_OP_TRANSFER)
        hsp_queue_remove(op->endpoint->queue, &op->entry);
    if (op->kind == HSP_OP_TRANSFER)
        hsp_queue_release(op->target->queue, &op->renamed);
    if (op->found != HSP_FOUND) {
        errand->tallies[HSP_TALLY_DONE]--;
        errand->tallies[op->found == HSP_FOUND_CORRUPT ? HSP_TALLY_CORRUPT
                                                       : HSP_TALLY_MISSING]++;
    }
    if (--errand->open == 0)
        answer_tallies(errand);
}
