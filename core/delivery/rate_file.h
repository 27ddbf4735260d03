/* SPDX-License-Identifier: MIT */
/* The file of a rate window: what rate.c keeps in memory, and how it comes from and goes
 * to the disk. For rate.c alone; the format is in rate.h. */
#ifndef HSP_RATE_FILE_H
#define HSP_RATE_FILE_H

#include "rate.h"

/* In place of a time: under way, never used. */
enum { HSP_SLOT_UNDER_WAY = -1, HSP_SLOT_NEVER = 0 };

struct hsp_rate_slot {
    int64_t boot_ms; /* end of its last request */
    int64_t utc_ms;
};

struct hsp_rate_window {
    int fd;
    char *name; /* of the file, for messages */
    size_t count;
    int64_t window_ms;
    struct hsp_rate_slot *slots;
    int *ended; /* ring of the slots not under way, the one that ended first at `head` */
    size_t head, ended_count;
    bool is_dirty; /* takes not yet synced */
};

/* Open or make the file and read what it holds into window->slots. */
enum hs_status hsp_rate_file_open(struct hsp_rate_window *window, int dirfd,
                                  int64_t now_boot_ms, int64_t now_utc_ms,
                                  struct hs_error *err) HS_MUST_CHECK;
/* Write one slot to its place. */
enum hs_status hsp_rate_file_write(struct hsp_rate_window *window, int slot,
                                   struct hs_error *err) HS_MUST_CHECK;
enum hs_status hsp_rate_file_sync(struct hsp_rate_window *window,
                                  struct hs_error *err) HS_MUST_CHECK;

#endif
