/* SPDX-License-Identifier: MIT */
/* From an edge of a mapped item to an event. */
#ifndef HSP_MAPPED_EVENT_H
#define HSP_MAPPED_EVENT_H

#include "map.h"
#include "track.h"

/* What an event is made of, all of it borrowed. */
struct hsp_mapped_edge {
    const struct hsp_map_item *item;
    const struct hsp_track_edge *edge;
    const struct hsp_worth
        *worth; /* of the value that made it; NULL: not known any more */
    double extras[HSP_MAP_EXTRAS]; /* NaN: none */
};

/* The caller's, ended by hs_event_free. Its id follows from the item, the value's time
 * and the kind of edge. HS_E_NOMEM; HS_E_IO (no random bytes). */
enum hs_status hsp_mapped_event(struct hs_event **event,
                                const struct hsp_mapped_edge *mapped,
                                const struct hs_config *config,
                                const struct hsp_clock *now,
                                struct hs_error *err) HS_MUST_CHECK;

#endif
