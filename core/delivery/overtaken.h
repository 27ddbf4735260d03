/* SPDX-License-Identifier: MIT */
/* Which dead letters were overtaken: a letter that is older than the newest event
 * delivered for its monitor is stale, for to send it now would undo what the receiver
 * knows. Of each object with dead letters at an endpoint the newest number delivered
 * since is kept in state/ENDPOINT.overtaken, one line a delivery, "OBJECT SEQUENCE" in 16
 * hex digits each. Main loop, except hsp_overtaken_write. */
#ifndef HSP_OVERTAKEN_H
#define HSP_OVERTAKEN_H

#include "../hookspool.h"
#include <stdbool.h>

struct hsp_overtaken;

/* Read what is kept in the folder `state_fd`; a missing file is an empty one, lines that
 * cannot be read are skipped. Changes nothing. HS_E_IO, HS_E_NOMEM. */
enum hs_status hsp_overtaken_open(struct hsp_overtaken **overtaken, int state_fd,
                                  const char *endpoint,
                                  struct hs_error *err) HS_MUST_CHECK;
void hsp_overtaken_close(struct hsp_overtaken *overtaken); /* NULL is fine */

/* The object has a dead letter of this number. HS_E_NOMEM. */
enum hs_status hsp_overtaken_watch(struct hsp_overtaken *overtaken, uint64_t object,
                                   uint64_t sequence, struct hs_error *err) HS_MUST_CHECK;
/* The highest number of a dead letter of the object, 0: none was watched. */
uint64_t hsp_overtaken_newest(const struct hsp_overtaken *overtaken, uint64_t object);
/* An event was delivered. True: its object has dead letters, so this is to be written
 * before the event is removed. */
bool hsp_overtaken_deliver(struct hsp_overtaken *overtaken, uint64_t object,
                           uint64_t sequence);
/* Was a newer event of the object delivered than this one? */
bool hsp_overtaken_is_stale(const struct hsp_overtaken *overtaken, uint64_t object,
                            uint64_t sequence);

/* Keep one delivery, durably. The file is made shorter when it has grown long. Any one
 * thread. HS_E_IO, HS_E_FULL, HS_E_NOMEM: not kept, may be repeated. */
enum hs_status hsp_overtaken_write(int state_fd, const char *endpoint, uint64_t object,
                                   uint64_t sequence, struct hs_error *err) HS_MUST_CHECK;
/* Drop what is kept of objects that are not watched: at a start, when all are known.
 * Failure leaves it as it was, which does no harm. */
void hsp_overtaken_tidy(struct hsp_overtaken *overtaken, int state_fd,
                        const char *endpoint);

#endif
