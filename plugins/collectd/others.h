/* SPDX-License-Identifier: MIT */
/* Notifications that fit no Monitor: each is an event, and which series are DOWN is
 * remembered, so that an OKAY ends what there was and is not told otherwise. */
#ifndef HSP_OTHERS_H
#define HSP_OTHERS_H

#include "alert.h"
#include "table.h"

#include <pthread.h>

struct hsp_others {
    pthread_mutex_t lock;
    struct hsp_table down; /* struct other, by key */
    enum hsp_severity min_severity;
    enum hs_state warning_is;
    const char *region;        /* borrowed, may be NULL */
    struct hsp_outbox *outbox; /* borrowed */
};

#define HSP_OTHERS_PREFIX "series "

/* Take over what the state file says of a series; false: it is nothing of this kind. */
bool hsp_others_load(struct hsp_others *others, const char *key, const char *text);

/* Any thread. `ticket` 0: nothing came of it. HS_E_FULL, HS_E_NOMEM: it is lost. */
enum hs_status hsp_others_note(struct hsp_others *others, const struct hsp_note *note,
                               const struct hsp_clock *now, uint64_t *ticket,
                               struct hs_error *err) HS_MUST_CHECK;

void hsp_others_free(struct hsp_others *others);

#endif
