/* SPDX-License-Identifier: MIT */
/* Endpoint blocks of the configuration, collected over several files. libConfuse's
 * callbacks carry no argument of ours, so one list at a time is the one that collects. */
#ifndef HSP_SETTINGS_ENDPOINT_H
#define HSP_SETTINGS_ENDPOINT_H

#include "settings.h"

struct hsp_endpoint_list {
    struct hsp_endpoint_settings *items;
    char **places; /* "FILE:LINE" where each block ends */
    size_t count;
    cfg_t *open;           /* the block being read */
    struct hs_error error; /* what is no mistake in a file: out of memory, I/O */
};

/* The option for endpoint blocks; borrowed parts are static. */
cfg_opt_t hsp_endpoint_option(void);
/* From now on blocks parsed through `cfg` are checked and added to `list`. */
void hsp_endpoint_collect(struct hsp_endpoint_list *list, cfg_t *cfg);
/* Free what was not taken out of `list`. */
void hsp_endpoint_list_free(struct hsp_endpoint_list *list);
/* A copy of all of it, ended by hsp_endpoint_clear. HS_E_NOMEM. */
enum hs_status hsp_endpoint_copy(struct hsp_endpoint_settings *to,
                                 const struct hsp_endpoint_settings *from,
                                 struct hs_error *err) HS_MUST_CHECK;
/* Free what `endpoint` points to. */
void hsp_endpoint_clear(struct hsp_endpoint_settings *endpoint);

#endif
