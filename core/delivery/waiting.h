/* SPDX-License-Identifier: MIT */
/* Reading a waiting event. Its name is one of two: of a file that an adapter wrote and
 * that was moved here whole, or a link to the daemon's own copy of a file with more
 * events or for more endpoints, of which it is a part. Any thread. */
#ifndef HSP_WAITING_H
#define HSP_WAITING_H

#include "../payload.h"
#include "../record.h"
#include "copies.h"
#include "endpoint.h"

struct hsp_waiting {
    char *bytes;                   /* owned */
    struct hsp_record_event event; /* points into them */
    struct hsp_payload_facts facts;
    int64_t uid;        /* who submitted it */
    int64_t put_utc_ms; /* when; not known of one read from an open copy: 0 */
};

/* Read and check it, body and all: an adapter may still have its file open, so what is
 * signed is what was checked. End it with hsp_waiting_free. HS_E_DATA: it cannot be used,
 * now or later, sys_errno ENOENT: it is gone; HS_E_IO, HS_E_NOMEM: perhaps later. */
enum hs_status hsp_waiting_read(struct hsp_waiting *waiting,
                                const struct hsp_endpoint *endpoint,
                                const struct hsp_entry *entry,
                                struct hs_error *err) HS_MUST_CHECK;
/* The same of an event that is in `copy` (hsp_copies_find; NULL: by name). */
enum hs_status hsp_waiting_read_copy(struct hsp_waiting *waiting,
                                     const struct hsp_endpoint *endpoint,
                                     const struct hsp_entry *entry,
                                     const struct hsp_copy *copy,
                                     struct hs_error *err) HS_MUST_CHECK;
void hsp_waiting_free(struct hsp_waiting *waiting); /* a zeroed one is fine */

#endif
