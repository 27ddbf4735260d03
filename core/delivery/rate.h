/* SPDX-License-Identifier: MIT */
/* A sliding window of requests, kept on disk: in any window of `rate.window_ms` at most
 * `rate.count` requests are under way or ended. A request holds its slot from before it
 * is sent until `window_ms` after it ended, so that the receiver, too, never counts more.
 *
 * File (text, fixed-width lines, written in place): a line with the boot id, then a line
 * a slot: boot-clock ms and UTC ms of its end, 16 hex digits each; a request under way
 * has ffffffffffffffff and the UTC of its start; a slot never used has zeros. A line that
 * cannot be read counts as now. After a restart a time in the future counts as now; with
 * another boot id the UTC column decides. One thread. */
#ifndef HSP_RATE_H
#define HSP_RATE_H

#include "../hookspool.h"
#include "../units.h"
#include <stdbool.h>

struct hsp_rate_window;

/* Open or make the file `name` in the folder `dirfd` (mode 0600), its space allocated in
 * full. A file of another size, form or limit is carried over as far as it can be read:
 * its newest slots survive. `rate->count` 0: no limit and no file. The clocks are given
 * so that tests can choose them: now_boot_ms (CLOCK_BOOTTIME) and now_utc_ms
 * (CLOCK_REALTIME). HS_E_IO, HS_E_FULL. */
enum hs_status hsp_rate_open(struct hsp_rate_window **window, int dirfd, const char *name,
                             const struct hsp_rate *rate, int64_t now_boot_ms,
                             int64_t now_utc_ms, struct hs_error *err) HS_MUST_CHECK;
void hsp_rate_close(struct hsp_rate_window *window); /* NULL is fine */

/* When the next request may start (boot clock); at most now_boot_ms: at once. INT64_MAX:
 * when one under way has ended. */
int64_t hsp_rate_next(const struct hsp_rate_window *window, int64_t now_boot_ms);

/* Take a slot and record it (written, not synced). `slot` is its number, -1 without a
 * limit. Call only when hsp_rate_next allows it. HS_E_IO, HS_E_FULL: not taken, do not
 * send. */
enum hs_status hsp_rate_take(struct hsp_rate_window *window, int64_t now_boot_ms,
                             int64_t now_utc_ms, int *slot,
                             struct hs_error *err) HS_MUST_CHECK;
/* fdatasync the takes so far; a no-op when there are none. */
enum hs_status hsp_rate_sync(struct hsp_rate_window *window,
                             struct hs_error *err) HS_MUST_CHECK;
/* The request of `slot` has ended (or never left). A failed write is HS_E_IO; the slot is
 * right in memory all the same. */
enum hs_status hsp_rate_end(struct hsp_rate_window *window, int slot, int64_t now_boot_ms,
                            int64_t now_utc_ms, struct hs_error *err) HS_MUST_CHECK;

/* Requests in the window that ends now, those under way included: for the status. */
int64_t hsp_rate_used(const struct hsp_rate_window *window, int64_t now_boot_ms);

#endif
