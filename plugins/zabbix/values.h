/* SPDX-License-Identifier: MIT */
/* Exported values of items that are monitors: those with the tags that tags.h knows. The
 * status of each is kept in the state file under "item ITEMID". */
#ifndef HSP_VALUES_H
#define HSP_VALUES_H

#include "courier.h"
#include "ndjson.h"

struct hsp_values;

#define HSP_VALUES_MAX 100000 /* items */

/* `courier` and `config` are borrowed. HS_E_NOMEM. */
enum hs_status hsp_values_open(struct hsp_values **values, struct hsp_courier *courier,
                               const struct hs_config *config,
                               struct hs_error *err) HS_MUST_CHECK;
void hsp_values_close(struct hsp_values *values); /* NULL is fine */

/* A value. HS_E_NOMEM, HS_E_IO (no random bytes): what came of it so far must not be
 * committed. */
enum hs_status hsp_values_line(struct hsp_values *values, const struct hsp_line *line,
                               struct hs_error *err) HS_MUST_CHECK;
/* Repeat what is to be repeated. As above. */
enum hs_status hsp_values_tick(struct hsp_values *values,
                               struct hs_error *err) HS_MUST_CHECK;
/* Until the next tick is wanted; -1: none is. */
int64_t hsp_values_idle_ms(const struct hsp_values *values);

#endif
