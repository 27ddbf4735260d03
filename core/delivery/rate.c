/* SPDX-License-Identifier: MIT */
/* The sliding window of one endpoint: slots queued in the order in which they ended, each
 * kept in rate_file.c, too. Everything but opening and the status is O(1). */
#include "config.h"

#include "rate.h"

#include "../error.h"
#include "rate_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int compare_ended(const void *a, const void *b, void *slots) {
    const struct hsp_rate_slot *all = slots;
    const int64_t x = all[*(const int *)a].boot_ms, y = all[*(const int *)b].boot_ms;
    return (x > y) - (x < y);
}

/* A slot never used counts as ended long enough ago. */
static void queue_slots(struct hsp_rate_window *window, int64_t now_boot_ms) {
    for (size_t i = 0; i < window->count; i++) {
        struct hsp_rate_slot *slot = &window->slots[i];
        if (slot->boot_ms == HSP_SLOT_NEVER)
            slot->boot_ms = now_boot_ms - window->window_ms - 1;
        window->ended[i] = (int)i;
    }
    qsort_r(window->ended, window->count, sizeof(*window->ended), compare_ended,
            window->slots);
    window->head = 0;
    window->ended_count = window->count;
}

enum hs_status hsp_rate_open(struct hsp_rate_window **window, int dirfd, const char *name,
                             const struct hsp_rate *rate, int64_t now_boot_ms,
                             int64_t now_utc_ms, struct hs_error *err) {
    enum hs_status status = HS_OK;
    struct hsp_rate_window *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        status = hsp_fail(err, HS_E_NOMEM, "open %s: out of memory", name);
        goto out;
    }
    made->fd = -1;
    if (rate->count > 0) {
        made->count = (size_t)rate->count;
        made->window_ms = rate->window_ms;
        made->name = strdup(name);
        made->slots = calloc(made->count, sizeof(*made->slots));
        made->ended = calloc(made->count, sizeof(*made->ended));
        if (made->name == NULL || made->slots == NULL || made->ended == NULL) {
            status = hsp_fail(err, HS_E_NOMEM, "open %s: out of memory", name);
            goto out;
        }
        status = hsp_rate_file_open(made, dirfd, now_boot_ms, now_utc_ms, err);
        if (status != HS_OK)
            goto out;
        queue_slots(made, now_boot_ms);
    }
    *window = made;
    made = NULL;
out:
    hsp_rate_close(made);
    return status;
}

void hsp_rate_close(struct hsp_rate_window *window) {
    if (window == NULL)
        return;
    if (window->fd >= 0)
        close(window->fd);
    free(window->name);
    free(window->slots);
    free(window->ended);
    free(window);
}

/* Using
 * ------------------------------------------------------------------------------------ */

/* One more than the window, for both ends are cut to whole milliseconds. */
static int64_t free_at(const struct hsp_rate_window *window,
                       const struct hsp_rate_slot *slot) {
    return slot->boot_ms + window->window_ms + 1;
}

int64_t hsp_rate_next(const struct hsp_rate_window *window, int64_t now_boot_ms) {
    if (window->count == 0)
        return now_boot_ms;
    if (window->ended_count == 0)
        return INT64_MAX;
    return free_at(window, &window->slots[window->ended[window->head]]);
}

enum hs_status hsp_rate_take(struct hsp_rate_window *window, int64_t now_boot_ms,
                             int64_t now_utc_ms, int *slot, struct hs_error *err) {
    if (window->count == 0) {
        *slot = -1;
        return HS_OK;
    }
    if (hsp_rate_next(window, now_boot_ms) > now_boot_ms)
        return hsp_fail(err, HS_E_IO, "take a slot of %s: none is free", window->name);
    const int taken = window->ended[window->head];
    const struct hsp_rate_slot before = window->slots[taken];
    window->slots[taken] = (struct hsp_rate_slot){HSP_SLOT_UNDER_WAY, now_utc_ms};
    enum hs_status status = hsp_rate_file_write(window, taken, err);
    if (status != HS_OK) {
        window->slots[taken] = before;
        return status;
    }
    window->head = (window->head + 1) % window->count;
    window->ended_count--;
    window->is_dirty = true;
    *slot = taken;
    return HS_OK;
}

enum hs_status hsp_rate_sync(struct hsp_rate_window *window, struct hs_error *err) {
    if (!window->is_dirty)
        return HS_OK;
    enum hs_status status = hsp_rate_file_sync(window, err);
    if (status == HS_OK)
        window->is_dirty = false;
    return status;
}

enum hs_status hsp_rate_end(struct hsp_rate_window *window, int slot, int64_t now_boot_ms,
                            int64_t now_utc_ms, struct hs_error *err) {
    if (slot < 0)
        return HS_OK;
    window->slots[slot] = (struct hsp_rate_slot){now_boot_ms, now_utc_ms};
    window->ended[(window->head + window->ended_count) % window->count] = slot;
    window->ended_count++;
    return hsp_rate_file_write(window, slot, err);
}

int64_t hsp_rate_used(const struct hsp_rate_window *window, int64_t now_boot_ms) {
    int64_t used = (int64_t)(window->count - window->ended_count);
    for (size_t i = 0; i < window->count; i++) {
        const struct hsp_rate_slot *slot = &window->slots[i];
        if (slot->boot_ms != HSP_SLOT_UNDER_WAY && free_at(window, slot) > now_boot_ms)
            used++;
    }
    return used;
}
