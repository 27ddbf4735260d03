/* SPDX-License-Identifier: MIT */
/* What a put needs of an event: its part of a spool file. */
#ifndef HSP_EVENT_H
#define HSP_EVENT_H

#include "buffer.h"

/* Append the event as docs/spool-format.md says (one "event" part, no begin, no end).
 * Statuses as of hs_event_record; `out` is as before on failure but for its memory. */
enum hs_status hsp_event_append(struct hsp_buffer *out, const struct hs_event *event,
                                const struct hs_config *config,
                                struct hs_error *err) HS_MUST_CHECK;

#endif
