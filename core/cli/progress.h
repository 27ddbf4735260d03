/* SPDX-License-Identifier: MIT */
/* A bar on stderr for long work, where that is a terminal. One thread. */
#ifndef HSP_PROGRESS_H
#define HSP_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hsp_progress {
    const char *what;
    bool shown;      /* on a terminal */
    bool drawn;      /* something stands there */
    int64_t next_ms; /* when it is drawn again, boot clock */
};

/* `what` is borrowed. Nothing is drawn before half a second has passed. */
void hsp_progress_begin(struct hsp_progress *progress, const char *what);
bool hsp_progress_is_shown(const struct hsp_progress *progress);
/* At most five times a second. */
void hsp_progress_show(struct hsp_progress *progress, size_t at, size_t of);
/* Wipe it, before anything else is printed. */
void hsp_progress_clear(struct hsp_progress *progress);

#endif
