/* SPDX-License-Identifier: MIT */
/* The disk's end of an outbox: what is entered goes to the state file, and from there
 * into the spool. It complains once of what fails, when the reason changes and once a
 * minute, and says when it works again. One thread at a time. */
#ifndef HSP_COURIER_H
#define HSP_COURIER_H

#include "complaint.h"
#include "outbox.h"
#include "statefile.h"

struct hsp_courier {
    const struct hsp_outbox_options *options; /* borrowed */
    bool keeps;                               /* there is a state file */
    struct hsp_statefile *state;
    struct hs_spool *spool; /* NULL: not open */
    struct hsp_complaint state_fails, spool_fails, event_fails;
};

/* Open the state file, and say what is wrong with it and what it holds. HS_E_NOMEM. */
enum hs_status hsp_courier_open(struct hsp_courier *courier,
                                const struct hsp_outbox_options *options,
                                struct hs_error *err) HS_MUST_CHECK;
void hsp_courier_close(struct hsp_courier *courier);

/* Take an event (NULL: none; freed and emptied once it is in) and a status (`key` NULL:
 * none) into the state file's memory. HS_E_NOMEM: not both, come again. HS_E_DATA: no
 * payload can be made of the event, which is dropped. It has complained. */
enum hs_status hsp_courier_enter(struct hsp_courier *courier, struct hs_event **event,
                                 const char *key, const char *value) HS_MUST_CHECK;
/* Bring all that was entered to disk; false: it is in memory only, and always where there
 * is no state file. */
bool hsp_courier_commit(struct hsp_courier *courier);
/* Put all events that wait into the spool, in files of at most a thousand; `count` grows
 * by those that are. false: some are not. */
bool hsp_courier_put(struct hsp_courier *courier, size_t *count);

#endif
