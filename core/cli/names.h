/* SPDX-License-Identifier: MIT */
/* The names in a folder, in their order, in bounded memory: the first NAMES_AT_ONCE are
 * kept, handed over, then those behind them, and so on. One thread. */
#ifndef HSP_NAMES_H
#define HSP_NAMES_H

#include "../hookspool.h"
#include <stdbool.h>

#define HSP_NAME_MAX 160 /* longer ones are none of a spool's */

/* Called for each name; another status than HS_OK ends the walk with it. */
typedef enum hs_status hsp_name_visit(void *context, const char *name,
                                      struct hs_error *err);

/* Visit the names in `dirfd` that do not begin with a dot; with `sharded` those in its
 * folders 00 to ff. What follows the first dot of a name may change meanwhile: a name is
 * visited once. A folder that has gone is empty. HS_E_IO, HS_E_NOMEM. */
enum hs_status hsp_names_walk(int dirfd, bool sharded, hsp_name_visit *visit,
                              void *context, struct hs_error *err) HS_MUST_CHECK;

/* How many there are. */
enum hs_status hsp_names_count(int dirfd, bool sharded, size_t *count,
                               struct hs_error *err) HS_MUST_CHECK;

#endif
