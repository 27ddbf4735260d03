/* SPDX-License-Identifier: MIT */
/* Values to edges. Whether an item is in the map is known without a lock, so values that
 * are of no interest cost one look into a table; those of mapped items are counted under
 * the board's lock, and only edges lead to the disk. */
#include "config.h"

#include "syncer.h"

#include "error.h"
#include "event.h"
#include "file.h"
#include "hostlog.h"
#include "id.h"
#include "mapped_event.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SECOND_US INT64_C(1000000)
#define US_NS 1000
#define SECOND_NS INT64_C(1000000000)
#define EXTRA_AGE_NS (300 * SECOND_NS) /* between a value and the one that decided */

enum hs_status hsp_syncer_init(struct hsp_syncer *syncer, const char *folder,
                               const struct hs_config *config, struct hsp_board *board,
                               struct hs_error *err) {
    *syncer = (struct hsp_syncer){.board = board, .config = config};
    const enum hs_status status = hsp_keeper_init(&syncer->keeper, folder, config, err);
    if (status != HS_OK)
        return status;
    if (asprintf(&syncer->map_path, "%s/" HSP_SYNCER_MAP, folder) >= 0)
        return HS_OK;
    syncer->map_path = NULL;
    hsp_syncer_free(syncer);
    return hsp_fail(err, HS_E_NOMEM, "start: out of memory");
}

void hsp_syncer_free(struct hsp_syncer *syncer) {
    hsp_keeper_free(&syncer->keeper);
    hsp_map_free(&syncer->map);
    free(syncer->map_path);
    *syncer = (struct hsp_syncer){.keeper.fd = -1};
}

/* The map
 * ------------------------------------------------------------------------------------ */

static void say(void *context, const char *line) {
    const struct hsp_syncer *syncer = context;
    hsp_hostlog(HSP_HOSTLOG_WARNING, "%s: %s", syncer->map_path, line);
}

static void say_nothing(void *context, const char *line) {
    (void)context;
    (void)line;
}

static void use(struct hsp_syncer *syncer, struct hsp_map *map, uint64_t version) {
    hsp_map_free(&syncer->map);
    syncer->map = *map;
    syncer->map_version = version;
}

/* Which file it is; never 0 or 1. */
static uint64_t stamp_of(const struct stat *info) {
    const int64_t facts[] = {(int64_t)info->st_ino, (int64_t)info->st_size,
                             info->st_mtim.tv_sec, info->st_mtim.tv_nsec};
    return hsp_hash(facts, sizeof(facts)) | 2;
}

static enum hs_status share(struct hsp_syncer *syncer, struct hsp_map *map,
                            const char *text, size_t length, struct hs_error *err) {
    uint64_t version = 0;
    hsp_board_lock(syncer->board);
    const bool fits = hsp_board_set_map(syncer->board, text, length, &version);
    hsp_board_unlock(syncer->board);
    if (!fits)
        return hsp_fail(err, HS_E_FULL, "too long");
    use(syncer, map, version);
    return HS_OK;
}

/* From the file. It is told once, also where it cannot be read. */
static void read_map(struct hsp_syncer *syncer) {
    struct hs_error err = {0};
    struct hsp_map map = {0};
    struct stat info;
    size_t length = 0;
    enum hs_status status = HS_OK;
    char *text =
        hsp_read_file(AT_FDCWD, syncer->map_path, HSP_MAP_BYTES_MAX, &length, &info);
    if (text == NULL)
        status = hsp_fail_errno(&err, HS_E_IO, "read");
    const uint64_t stamp = text == NULL ? 1 : stamp_of(&info);
    if (atomic_load(&syncer->board->map.stamp) == stamp)
        goto out;
    if (status == HS_OK)
        status = hsp_map_parse(&map, text, length, say, syncer, &err);
    if (status == HS_OK)
        status = share(syncer, &map, text, length, &err);
    if (status != HS_OK)
        hsp_hostlog(HSP_HOSTLOG_ERROR, "%s: %s; the map of before stays in use",
                    syncer->map_path, err.text);
    else
        hsp_hostlog(HSP_HOSTLOG_NOTICE, "%s: %zu items are monitors", syncer->map_path,
                    map.count);
    /* At the end: who is killed before has not done it. */
    atomic_store(&syncer->board->map.stamp, stamp);

out:
    free(text);
}

/* From another process. */
static void take_map(struct hsp_syncer *syncer) {
    struct hsp_board_map *shared = &syncer->board->map;
    struct hs_error err = {0};
    struct hsp_map map = {0};
    hsp_board_lock(syncer->board);
    const uint64_t version = atomic_load(&shared->version);
    const size_t length = shared->length;
    char *text = malloc(length + 1);
    if (text != NULL)
        memcpy(text, shared->text, length);
    hsp_board_unlock(syncer->board);
    if (text == NULL)
        hsp_fail(&err, HS_E_NOMEM, "out of memory");
    else if (hsp_map_parse(&map, text, length, say_nothing, NULL, &err) == HS_OK)
        use(syncer, &map, version);
    free(text);
    if (err.status != HS_OK)
        hsp_hostlog(HSP_HOSTLOG_ERROR, "%s: take over: %s; it is tried again",
                    syncer->map_path, err.text);
}

static bool is_due(struct hsp_board_map *shared, int64_t now_us, bool *is_first) {
    int64_t before = atomic_load(&shared->looked_us);
    *is_first = before == 0;
    return (*is_first || now_us >= before + SECOND_US) &&
           atomic_compare_exchange_strong(&shared->looked_us, &before, now_us);
}

void hsp_syncer_look(struct hsp_syncer *syncer, int64_t now_us) {
    struct hsp_board_map *shared = &syncer->board->map;
    struct stat info;
    bool is_first = false;
    if (is_due(shared, now_us, &is_first)) {
        /* A map that is gone is as if it had not been touched. */
        if (stat(syncer->map_path, &info) == 0) {
            if (stamp_of(&info) != atomic_load(&shared->stamp))
                read_map(syncer);
        } else if (is_first && errno != ENOENT) {
            hsp_hostlog(HSP_HOSTLOG_ERROR, "look at %s: %s", syncer->map_path,
                        strerror(errno));
        }
    }
    if (atomic_load(&shared->version) != syncer->map_version)
        take_map(syncer);
}

/* Records
 * ------------------------------------------------------------------------------------ */

static void complain(struct hsp_complaint *complaint, const struct hs_error *err,
                     const struct hsp_map_item *item) {
    if (hsp_complaint_due(complaint, err))
        hsp_hostlog(HSP_HOSTLOG_ERROR, "item %" PRIu64 ": %s", item->itemid, err->text);
}

/* The last value of another item, if it is of about the same time. */
static double extra_of(const struct hsp_board *board, const struct hsp_map_item *item,
                       enum hsp_map_extra which, int64_t time_ns) {
    const struct hsp_board_item *other =
        item->extras[which].itemid == 0
            ? NULL
            : hsp_board_find(board, item->extras[which].itemid);
    if (other == NULL || other->value_ns == 0 ||
        llabs(other->value_ns - time_ns) > EXTRA_AGE_NS)
        return NAN;
    return other->value * item->extras[which].factor;
}

static enum hs_status make_event(const struct hsp_syncer *syncer,
                                 const struct hsp_map_item *item,
                                 const struct hsp_track_edge *edge,
                                 const struct hsp_worth *worth, struct hsp_buffer *out,
                                 struct hs_error *err) {
    struct hsp_mapped_edge mapped = {.item = item, .edge = edge, .worth = worth};
    struct hs_event *event = NULL;
    for (int i = 0; i < HSP_MAP_EXTRAS; i++)
        mapped.extras[i] =
            extra_of(syncer->board, item, (enum hsp_map_extra)i, edge->time_ns);
    enum hs_status status =
        hsp_mapped_event(&event, &mapped, syncer->config, &syncer->now, err);
    if (status == HS_OK)
        status = hsp_event_append(out, event, syncer->config, err);
    hs_event_free(event);
    return status;
}

/* All of a result into the line, with the status that goes with it; HS_E_FULL: there is
 * no room, and nothing of it is there. */
static enum hs_status prepare(struct hsp_syncer *syncer, const struct hsp_map_item *item,
                              const struct hsp_track *track,
                              const struct hsp_track_result *result, int64_t time_ns,
                              const struct hsp_worth *worth, struct hs_error *err) {
    char kept[HSP_TRACK_TEXT_MAX];
    bool fits = true;
    hsp_track_save(track, kept);
    if (result->count == 0)
        fits = hsp_board_prepare(syncer->board, item->itemid, kept, NULL, 0);
    for (size_t i = 0; i < result->count && fits; i++) {
        const struct hsp_track_edge *edge = &result->edges[i];
        struct hsp_buffer text = {0};
        const enum hs_status status = make_event(
            syncer, item, edge, edge->time_ns == time_ns ? worth : NULL, &text, err);
        if (status == HS_OK)
            fits = hsp_board_prepare(syncer->board, item->itemid, kept, text.data,
                                     text.length);
        hsp_buffer_free(&text);
        if (status != HS_OK)
            return status;
    }
    return fits ? HS_OK
                : hsp_fail(err, HS_E_FULL,
                           "too many events wait: its status stays as it is until there "
                           "is room");
}

/* Make the change that a result is about. Where no record can be made of it nothing
 * changes, and the next value decides. */
static bool take_over(struct hsp_syncer *syncer, const struct hsp_map_item *mapped,
                      struct hsp_board_item *item, const struct hsp_board_item *changed,
                      const struct hsp_track_result *result, int64_t time_ns,
                      const struct hsp_worth *worth) {
    struct hsp_board *board = syncer->board;
    struct hs_error err = {0};
    if (result->remember &&
        prepare(syncer, mapped, &changed->track, result, time_ns, worth, &err) != HS_OK) {
        hsp_board_forget(board);
        atomic_fetch_add(&board->counts[HSP_BOARD_REFUSED], 1);
        complain(&board->refusals, &err, mapped);
        return false;
    }
    /* Before they can be put, or the count could be below zero for a moment. */
    atomic_fetch_add(&board->counts[HSP_BOARD_WAITING], result->count);
    atomic_fetch_add(&board->counts[HSP_BOARD_EDGES], result->count);
    hsp_board_commit(board, item, changed);
    syncer->wrote = syncer->wrote || result->remember;
    return true;
}

/* Values
 * ------------------------------------------------------------------------------------ */

static struct hsp_board_item *item_of(struct hsp_syncer *syncer, uint64_t itemid) {
    struct hsp_board *board = syncer->board;
    struct hsp_board_item *item = hsp_board_find(board, itemid);
    if (item == NULL)
        item = hsp_board_add(board, itemid, &syncer->now);
    if (item == NULL) {
        struct hs_error err = {0};
        hsp_fail(&err, HS_E_FULL, "too many items have been mapped: it is left out");
        if (hsp_complaint_due(&board->refusals, &err))
            hsp_hostlog(HSP_HOSTLOG_ERROR, "item %" PRIu64 ": %s", itemid, err.text);
        atomic_fetch_add(&board->counts[HSP_BOARD_REFUSED], 1);
    }
    return item;
}

static void lock(struct hsp_syncer *syncer) {
    if (!syncer->locked)
        hsp_board_lock(syncer->board);
    syncer->locked = true;
}

static void unlock(struct hsp_syncer *syncer) {
    if (syncer->locked)
        hsp_board_unlock(syncer->board);
    syncer->locked = false;
}

static int64_t time_of(const struct hsp_syncer *syncer, const struct hsp_value *value) {
    const int64_t now_ns = syncer->now.wall_us * US_NS;
    const int64_t time_ns = value->clock * SECOND_NS + value->ns;
    return time_ns < now_ns ? time_ns : now_ns;
}

void hsp_syncer_note(struct hsp_syncer *syncer, const struct hsp_value *value) {
    const struct hsp_map_item *mapped = NULL;
    double number = value->worth.number;
    const int64_t time_ns = time_of(syncer, value);
    if (!hsp_map_find(&syncer->map, value->itemid, &mapped))
        return;
    lock(syncer);
    struct hsp_board_item *item = item_of(syncer, value->itemid);
    if (item == NULL || time_ns < item->value_ns)
        return;
    if (value->worth.text != NULL && !hsp_parse_decimal(value->worth.text, &number))
        number = NAN;
    item->value = number;
    item->value_ns = time_ns;
}

void hsp_syncer_value(struct hsp_syncer *syncer, const struct hsp_value *value) {
    struct hsp_board *board = syncer->board;
    const struct hsp_map_item *mapped = NULL;
    struct hsp_track_result result;
    if (!hsp_map_find(&syncer->map, value->itemid, &mapped) || mapped == NULL)
        return;
    const struct hsp_point point = {
        .time_ns = time_of(syncer, value),
        .bad = !hsp_rule_holds(&mapped->up, &value->worth),
    };
    lock(syncer);
    struct hsp_board_item *item = item_of(syncer, value->itemid);
    if (item == NULL)
        return;
    struct hsp_board_item changed = *item;
    hsp_track_add(&changed.track, &mapped->rules, &point, &syncer->now, &result);
    atomic_fetch_add(&board->counts[HSP_BOARD_LATE], result.late && result.taken);
    atomic_fetch_add(&board->counts[HSP_BOARD_IGNORED], !result.taken);
    if (result.taken)
        take_over(syncer, mapped, item, &changed, &result, point.time_ns, &value->worth);
}

/* Repeats
 * ------------------------------------------------------------------------------------ */

static void tick_item(struct hsp_syncer *syncer, const struct hsp_map_item *mapped) {
    struct hsp_track_result result;
    struct hsp_board_item *item = hsp_board_find(syncer->board, mapped->itemid);
    if (item == NULL || item->track.monitor.state != HS_STATE_DOWN)
        return;
    struct hsp_board_item changed = *item;
    hsp_track_tick(&changed.track, &mapped->rules, &syncer->now, &result);
    if (result.count == 0)
        return;
    const struct hsp_worth worth = {.number = item->value};
    const bool tells = !isnan(item->value) && !hsp_rule_holds(&mapped->up, &worth);
    take_over(syncer, mapped, item, &changed, &result, result.edges[0].time_ns,
              tells ? &worth : NULL);
}

/* Once a second, by whichever process comes first. */
static void tick(struct hsp_syncer *syncer) {
    struct hsp_board *board = syncer->board;
    int64_t before = atomic_load(&board->ticked_us);
    const struct hsp_map_item *mapped = NULL;
    if (!syncer->map.repeats || syncer->now.running_us < before + SECOND_US ||
        !atomic_compare_exchange_strong(&board->ticked_us, &before,
                                        syncer->now.running_us))
        return;
    lock(syncer);
    for (size_t i = 0; i < syncer->map.count; i++) {
        const struct hsp_map_item *item = &syncer->map.items[i];
        if (item->rules.repeat_us > 0 &&
            hsp_map_find(&syncer->map, item->itemid, &mapped) && mapped == item)
            tick_item(syncer, item);
    }
}

/* Batches
 * ------------------------------------------------------------------------------------ */

void hsp_syncer_begin(struct hsp_syncer *syncer) {
    syncer->now = hsp_clock_now();
    hsp_syncer_look(syncer, syncer->now.running_us);
    if (!atomic_load(&syncer->board->loaded))
        hsp_keeper_load(&syncer->keeper, syncer->board);
    tick(syncer);
}

void hsp_syncer_end(struct hsp_syncer *syncer) {
    unlock(syncer);
    if (syncer->wrote || hsp_keeper_wants(syncer->board, syncer->now.running_us))
        hsp_keeper_work(&syncer->keeper, syncer->board);
    syncer->wrote = false;
}

void hsp_syncer_attend(struct hsp_syncer *syncer) {
    if (syncer->board == NULL || !atomic_load(&syncer->board->loaded))
        return;
    hsp_syncer_begin(syncer);
    hsp_syncer_end(syncer);
}
