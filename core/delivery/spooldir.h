/* SPDX-License-Identifier: MIT */
/* The daemon's hold on a spool: its folders, its lock, and the sequence. */
#ifndef HSP_SPOOLDIR_H
#define HSP_SPOOLDIR_H

#include "../file.h"
#include "../lock.h"
#include "../spool.h"

/* Folders as descriptors; -1 where not open. Everything below is reached through them,
 * never by path. */
struct hsp_spooldir {
    char *path;
    int root, incoming, tmp, queue, staged, dead, corrupt, state;
    int lock;             /* daemon.lock, held exclusively */
    bool locked_by_other; /* after a failed open: that was the reason */
};

/* Make what is missing and set the modes of all of it (section 3 of the design), for
 * `hookspool init`. spool_dir and its parents are made; with uid, gid other than -1
 * everything is given to them. HS_E_SPOOL, HS_E_IO, HS_E_FULL; the message names folder
 * and step. */
enum hs_status hsp_spooldir_init(const char *path, uid_t uid, gid_t gid,
                                 struct hs_error *err) HS_MUST_CHECK;

/* Make the folder `path` (absolute) and what leads to it, 0755 whatever the umask; what
 * is there stays as it is. HS_E_SPOOL, HS_E_NOMEM. */
enum hs_status hsp_make_path(const char *path, struct hs_error *err) HS_MUST_CHECK;

/* Open a spool for delivery: spool_dir must be there and belong to the calling user, its
 * folders too; missing ones inside are made. Takes the lock, HS_E_SPOOL when another
 * daemon has it. On failure everything is closed again. */
enum hs_status hsp_spooldir_open(struct hsp_spooldir *dir, const char *path,
                                 struct hs_error *err) HS_MUST_CHECK;
void hsp_spooldir_close(struct hsp_spooldir *dir);

#define HSP_SEQUENCE_LIMIT (UINT64_C(1) << 62) /* beyond any honest count */

/* The spool-wide sequence number: the next one, never given before, whatever crashed. */
struct hsp_sequence {
    int state_fd;
    uint64_t next, reserved; /* numbers below `reserved` are recorded as used up */
};
/* `at_least`: above every number found in the spool. HS_E_IO, HS_E_FULL, HS_E_NOMEM. */
enum hs_status hsp_sequence_open(struct hsp_sequence *sequence, int state_fd,
                                 uint64_t at_least, struct hs_error *err) HS_MUST_CHECK;
/* At an orderly end: give back what was reserved and not taken, so that numbers stay
 * short. Failure costs numbers, no more. A zeroed one is fine. */
void hsp_sequence_close(struct hsp_sequence *sequence);
/* Take `count` neighbouring numbers. Writes (durably) once in a million. HS_E_IO,
 * HS_E_FULL: none taken. */
enum hs_status hsp_sequence_take(struct hsp_sequence *sequence, uint64_t count,
                                 uint64_t *first, struct hs_error *err) HS_MUST_CHECK;

#endif
