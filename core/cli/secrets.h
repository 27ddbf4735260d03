/* SPDX-License-Identifier: MIT */
/* The secrets that verify and listen check signatures with: of files, or of an endpoint
 * of the configuration. */
#ifndef HSP_SECRETS_H
#define HSP_SECRETS_H

#include "cli.h"

#include "../delivery/sign.h"

struct hsp_secrets {
    struct hsp_signer *signer; /* NULL: no secret was named */
    char *files[HSP_OPTION_LIST_MAX];
    size_t count;
    bool standard; /* they can check Standard Webhooks */
};

/* Read the secrets of `endpoint`, or those in `files` where it is NULL. Without
 * `need_standard` a whsec_ secret that is not base64 only clears `standard`. HS_E_DATA:
 * there is no such endpoint; else as hsp_settings_load and hsp_signer_load. */
enum hs_status hsp_secrets_load(struct hsp_secrets *secrets, const struct hsp_cli *cli,
                                const char *endpoint, const struct hsp_option_list *files,
                                bool need_standard, struct hs_error *err) HS_MUST_CHECK;
void hsp_secrets_free(struct hsp_secrets *secrets); /* a zeroed one is fine */

#endif
