/* SPDX-License-Identifier: MIT */
/* What the module does in a history syncer: values come in, edges go out. One for each
 * process; all work on the same board. A batch of values is
 *
 *     begin, note …, value …, end
 *
 * (first all are noted, so that response time and status code do not come too late),
 * and what came of it is durable when `end` returns, unless the disk fails or takes
 * longer than a second. Without edges no file is written. */
#ifndef HSP_SYNCER_H
#define HSP_SYNCER_H

#include "keeper.h"
#include "map.h"

#define HSP_SYNCER_MAP "items.map"

struct hsp_value {
    uint64_t itemid;
    int clock, ns;
    struct hsp_worth worth;
};

struct hsp_syncer {
    struct hsp_board *board;
    const struct hs_config *config; /* borrowed */
    char *map_path;
    struct hsp_map map;
    struct hsp_keeper keeper;
    uint64_t map_version; /* the board's */
    struct hsp_clock now; /* of the batch */
    bool locked;
    bool wrote; /* there is something for the disk */
};

/* `folder` is where the map and the state file are; nothing is written. HS_E_NOMEM. */
enum hs_status hsp_syncer_init(struct hsp_syncer *syncer, const char *folder,
                               const struct hs_config *config, struct hsp_board *board,
                               struct hs_error *err) HS_MUST_CHECK;
void hsp_syncer_free(struct hsp_syncer *syncer);

/* Have the map that is in use. Once a second one of the processes looks whether the file
 * is another one, and reads it; a good one is all processes' from then on. */
void hsp_syncer_look(struct hsp_syncer *syncer, int64_t now_us);

void hsp_syncer_begin(struct hsp_syncer *syncer);
void hsp_syncer_note(struct hsp_syncer *syncer, const struct hsp_value *value);
void hsp_syncer_value(struct hsp_syncer *syncer, const struct hsp_value *value);
void hsp_syncer_end(struct hsp_syncer *syncer);

/* What waits and what is due, where there is anything at all: for other processes that
 * come by, too. */
void hsp_syncer_attend(struct hsp_syncer *syncer);

#endif
