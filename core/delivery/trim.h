/* SPDX-License-Identifier: MIT */
/* Folders that are kept within a bound: dead/ENDPOINT and corrupt/. Their names begin
 * with what orders them, so the oldest come first. Any thread. */
#ifndef HSP_TRIM_H
#define HSP_TRIM_H

#include "../buffer.h"

#define HSP_CORRUPT_MAX 1000
#define HSP_CORRUPT_MAX_BYTES (256 * 1024 * 1024)

/* What is to go: journal lines to be written first, then the files. */
struct hsp_trim {
    struct hsp_buffer lines;
    struct hsp_buffer names;  /* each with its NUL */
    int64_t count, bytes;     /* of what goes */
    int64_t left, left_bytes; /* of what stays */
};

/* Choose the oldest files (folders do not count) of `dirfd` beyond the limits. `endpoint`
 * names whose dead letters they are, NULL: corrupt/. End with hsp_trim_free. */
enum hs_status hsp_trim_choose(struct hsp_trim *trim, int dirfd, const char *endpoint,
                               int64_t max_count, int64_t max_bytes, int64_t now_utc_ms,
                               struct hs_error *err) HS_MUST_CHECK;
/* Remove them, as far as that is possible. */
void hsp_trim_remove(const struct hsp_trim *trim, int dirfd);
void hsp_trim_free(struct hsp_trim *trim);

/* Move `path` in `from_fd` to corrupt/, under a name that begins with the time and ends
 * with its own. One that has gone is fine; a folder that cannot be moved is removed if it
 * is empty, else left. HS_E_FULL, HS_E_IO. */
enum hs_status hsp_corrupt_move(int corrupt_fd, int from_fd, const char *path,
                                int64_t now_utc_ms, struct hs_error *err) HS_MUST_CHECK;
/* How many files are there; 0 where that cannot be found out. */
int64_t hsp_corrupt_count(int corrupt_fd);

#endif
