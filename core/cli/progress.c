/* SPDX-License-Identifier: MIT */
/* Drawing the bar. */
#include "config.h"

#include "progress.h"

#include "../units.h"

#include <stdio.h>
#include <unistd.h>

#define PATIENCE_MS 500
#define INTERVAL_MS 200
#define WIDTH 40

void hsp_progress_begin(struct hsp_progress *progress, const char *what) {
    *progress = (struct hsp_progress){
        .what = what,
        .shown = isatty(STDERR_FILENO) == 1,
        .next_ms = hsp_now_ms(CLOCK_BOOTTIME) + PATIENCE_MS,
    };
}

bool hsp_progress_is_shown(const struct hsp_progress *progress) {
    return progress->shown;
}

void hsp_progress_show(struct hsp_progress *progress, size_t at, size_t of) {
    int64_t now_ms = hsp_now_ms(CLOCK_BOOTTIME);
    if (!progress->shown || now_ms < progress->next_ms)
        return;
    progress->next_ms = now_ms + INTERVAL_MS;
    size_t full = of == 0 || at > of ? WIDTH : at * WIDTH / of;
    char bar[WIDTH + 1];
    for (size_t i = 0; i < WIDTH; i++)
        bar[i] = i < full ? '#' : '.';
    bar[WIDTH] = '\0';
    fprintf(stderr, "\r%s [%s] %zu of %zu", progress->what, bar, at, of);
    fflush(stderr);
    progress->drawn = true;
}

void hsp_progress_clear(struct hsp_progress *progress) {
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    progress->drawn = false;
}
