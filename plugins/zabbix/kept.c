/* SPDX-License-Identifier: MIT */
/* Problems and recoveries in the state file. It is a table of texts, so all of a kind are
 * found by walking over it; that is done seldom. */
#include "config.h"

#include "cursor.h"
#include "error.h"
#include "kept.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX 40

static const char *const prefixes[HSP_KEPT_KINDS] = {
    [HSP_KEPT_PROBLEM] = "problem ",
    [HSP_KEPT_RECOVERY] = "recovery ",
    [HSP_KEPT_OVER] = "over ",
};

static void make_key(char key[KEY_MAX], enum hsp_kept_kind kind, uint64_t eventid) {
    snprintf(key, KEY_MAX, "%s%" PRIu64, prefixes[kind], eventid);
}

const char *hsp_kept_get(const struct hsp_kept *kept, enum hsp_kept_kind kind,
                         uint64_t eventid) {
    char key[KEY_MAX];
    make_key(key, kind, eventid);
    return hsp_statefile_get(kept->state, key);
}

/* The count goes along. */
enum hs_status hsp_kept_set(struct hsp_kept *kept, enum hsp_kept_kind kind,
                            uint64_t eventid, const char *text, struct hs_error *err) {
    char key[KEY_MAX];
    make_key(key, kind, eventid);
    const bool had = hsp_statefile_get(kept->state, key) != NULL;
    if (!had && text == NULL)
        return HS_OK;
    const enum hs_status status = hsp_statefile_set(kept->state, key, text, err);
    if (status == HS_OK)
        kept->count[kind] += (size_t)(text != NULL) - (size_t)had;
    return status;
}

/* All of a kind
 * ------------------------------------------------------------------------------------ */

struct numbers {
    const char *prefix;
    uint64_t *all;
    size_t count, room;
    bool failed;
};

static void note_number(const char *key, void *value, void *context) {
    struct numbers *numbers = context;
    struct hsp_cursor cursor = {key, key + strlen(key)};
    uint64_t number = 0;
    (void)value;
    if (!hsp_take(&cursor, numbers->prefix) ||
        !hsp_take_number(&cursor, UINT64_MAX, &number))
        return;
    if (numbers->count == numbers->room) {
        const size_t room = numbers->room == 0 ? 64 : numbers->room * 2;
        uint64_t *grown = realloc(numbers->all, room * sizeof(*grown));
        numbers->failed = numbers->failed || grown == NULL;
        if (grown == NULL)
            return;
        numbers->all = grown;
        numbers->room = room;
    }
    numbers->all[numbers->count++] = number;
}

static int ascending(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

enum hs_status hsp_kept_list(const struct hsp_kept *kept, enum hsp_kept_kind kind,
                             uint64_t **all, size_t *count, struct hs_error *err) {
    struct numbers numbers = {.prefix = prefixes[kind]};
    hsp_statefile_walk(kept->state, note_number, &numbers);
    if (numbers.failed) {
        free(numbers.all);
        return hsp_fail(err, HS_E_NOMEM, "list open problems: out of memory");
    }
    if (numbers.count > 0)
        qsort(numbers.all, numbers.count, sizeof(*numbers.all), ascending);
    *all = numbers.all;
    *count = numbers.count;
    return HS_OK;
}

void hsp_kept_start(struct hsp_kept *kept, struct hsp_statefile *state) {
    *kept = (struct hsp_kept){.state = state};
    for (int kind = 0; kind < HSP_KEPT_KINDS; kind++) {
        uint64_t *all = NULL;
        if (hsp_kept_list(kept, kind, &all, &kept->count[kind], NULL) == HS_OK)
            free(all);
    }
}

/* Bounds
 * ------------------------------------------------------------------------------------ */

enum hs_status hsp_kept_make_room(struct hsp_kept *kept, enum hsp_kept_kind kind,
                                  size_t max, bool *dropped, struct hs_error *err) {
    uint64_t *all = NULL;
    size_t count = 0;
    *dropped = kept->count[kind] >= max;
    if (!*dropped)
        return HS_OK;
    enum hs_status status = hsp_kept_list(kept, kind, &all, &count, err);
    for (size_t i = 0; i < count / 10 && status == HS_OK; i++)
        status = hsp_kept_set(kept, kind, all[i], NULL, err);
    free(all);
    return status;
}

enum hs_status hsp_kept_forget_before(struct hsp_kept *kept, enum hsp_kept_kind kind,
                                      int64_t since_s, struct hs_error *err) {
    uint64_t *all = NULL;
    size_t count = 0;
    if (kept->count[kind] == 0)
        return HS_OK;
    enum hs_status status = hsp_kept_list(kept, kind, &all, &count, err);
    for (size_t i = 0; i < count && status == HS_OK; i++)
        if (strtoll(hsp_kept_get(kept, kind, all[i]), NULL, 10) < since_s)
            status = hsp_kept_set(kept, kind, all[i], NULL, err);
    free(all);
    return status;
}
