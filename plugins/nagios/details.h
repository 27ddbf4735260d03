/* SPDX-License-Identifier: MIT */
/* From the alert to the library's event, with the host's own words as details. */
#ifndef HSP_NOTIFY_DETAILS_H
#define HSP_NOTIFY_DETAILS_H

#include "mapping.h"

/* Make the event of `alert`; hs_event_free. A number that the library refuses is left
 * out. HS_E_NOMEM, HS_E_IO as of hs_event_new. */
enum hs_status hsp_alert_event(struct hs_event **event, const struct hsp_alert *alert,
                               const struct hsp_input *input,
                               const struct hsp_rules *rules,
                               struct hs_error *err) HS_MUST_CHECK;

#endif
