/* SPDX-License-Identifier: MIT */
/* The board's way to the disk. Any of the server's processes may do it, one at a time:
 *
 *     record -> state file (status and event, one fsync) -> spool (one file) -> done
 *
 * as core/courier.c does for adapters of a single process; the state file has the same
 * form (core/statefile.h). Without a state file (no folder, disk full) an event is
 * durable when the spool has it. What fails is tried again after a second, and complained
 * of once a minute. */
#ifndef HSP_KEEPER_H
#define HSP_KEEPER_H

#include "board.h"

struct hs_spool;

#define HSP_KEEPER_FILE "module.state"
#define HSP_KEEPER_KEY "item " /* before the number of one, in the file */

/* A process's own hold on the files. */
struct hsp_keeper {
    const struct hs_config *config; /* borrowed */
    char *folder, *path;
    struct hs_spool *spool; /* NULL: not open */
    int fd;                 /* of the state file; -1: not open */
};

/* Opens nothing yet. HS_E_NOMEM. */
enum hs_status hsp_keeper_init(struct hsp_keeper *keeper, const char *folder,
                               const struct hs_config *config,
                               struct hs_error *err) HS_MUST_CHECK;
void hsp_keeper_free(struct hsp_keeper *keeper);

/* Read the state file into the board, once for all processes. */
void hsp_keeper_load(struct hsp_keeper *keeper, struct hsp_board *board);

/* Is there something to do, by the running clock? Asks without a lock. */
bool hsp_keeper_wants(const struct hsp_board *board, int64_t now_us);
/* Bring to disk what is there. Waits for another process that does so, a second at most;
 * what it does not get is done by the next. */
void hsp_keeper_work(struct hsp_keeper *keeper, struct hsp_board *board);
/* At the end of the server: all, also counts that no event came of yet. */
void hsp_keeper_finish(struct hsp_keeper *keeper, struct hsp_board *board);

#endif
