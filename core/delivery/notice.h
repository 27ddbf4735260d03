/* SPDX-License-Identifier: MIT */
/* Noticing new files in incoming/: inotify for what arrives, a scan for what was there
 * before (and where inotify has lost count), names handed out oldest id first. Knows
 * names only, 16 bytes each; opens no file. Main loop only. */
#ifndef HSP_NOTICE_H
#define HSP_NOTICE_H

#include "../id.h"

#define HSP_NOTICE_NAME_MAX 256
#define HSP_NOTICE_POLL_MS 5000 /* between scans where there is no inotify */

struct hsp_notice;

/* Watch `incoming_fd` (borrowed). Without inotify it scans every 5 s instead. The first
 * scan is due at once. */
enum hs_status hsp_notice_open(struct hsp_notice **notice, int incoming_fd,
                               struct hs_error *err) HS_MUST_CHECK;
void hsp_notice_close(struct hsp_notice *notice); /* NULL is fine */

/* To poll for input; -1: none. */
int hsp_notice_fd(const struct hsp_notice *notice);
/* Take in what inotify has to say and scan where that is due. HS_E_IO: could not scan,
 * will be tried again. */
enum hs_status hsp_notice_update(struct hsp_notice *notice, int64_t now_boot_ms,
                                 struct hs_error *err) HS_MUST_CHECK;
/* When hsp_notice_update has to be called even without input; INT64_MAX: never. */
int64_t hsp_notice_due(const struct hsp_notice *notice);

/* The next name; false: none now. `stranger`: not a name that a put makes. */
bool hsp_notice_next(struct hsp_notice *notice, char name[HSP_NOTICE_NAME_MAX],
                     bool *stranger);
/* Nothing to hand out, nothing held back, no scan wanted. */
bool hsp_notice_is_empty(const struct hsp_notice *notice);
/* Names not yet handed out. */
size_t hsp_notice_count(const struct hsp_notice *notice);
/* Give a name that a put makes back: it is handed out again at `until_boot_ms`, or by
 * hsp_notice_pull for its object. Out of memory: a full scan will find it again. */
void hsp_notice_hold(struct hsp_notice *notice, const char *name, uint64_t object,
                     int64_t until_boot_ms);
/* Take a name out that is held back for `object`; false: there is none. */
bool hsp_notice_pull(struct hsp_notice *notice, uint64_t object,
                     char name[HSP_NOTICE_NAME_MAX]);
/* Scan again at the next update. */
void hsp_notice_rescan(struct hsp_notice *notice);

#endif
