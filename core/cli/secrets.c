/* SPDX-License-Identifier: MIT */
/* Secrets for checking. */
#include "config.h"

#include "secrets.h"

#include "../delivery/settings.h"
#include "../error.h"

#include <stdlib.h>
#include <string.h>

static enum hs_status add(struct hsp_secrets *secrets, const char *file,
                          struct hs_error *err) {
    secrets->files[secrets->count] = strdup(file);
    if (secrets->files[secrets->count] == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read secrets: out of memory");
    secrets->count++;
    return HS_OK;
}

static enum hs_status add_endpoint(struct hsp_secrets *secrets, const char *config,
                                   const char *name, struct hs_error *err) {
    struct hsp_settings *settings = NULL;
    enum hs_status status = hsp_settings_load(&settings, config, err);
    if (status != HS_OK)
        return status;
    const struct hsp_endpoint_settings *found = NULL;
    for (size_t i = 0; i < settings->endpoint_count && found == NULL; i++)
        if (strcmp(settings->endpoints[i].name, name) == 0)
            found = &settings->endpoints[i];
    if (found == NULL)
        status = hsp_fail(err, HS_E_DATA, "no endpoint '%s' in %s", name, settings->path);
    for (size_t i = 0; status == HS_OK && i < HSP_SECRETS_MAX; i++)
        if (found->secret_files[i] != NULL)
            status = add(secrets, found->secret_files[i], err);
    hsp_settings_free(settings);
    return status;
}

enum hs_status hsp_secrets_load(struct hsp_secrets *secrets, const struct hsp_cli *cli,
                                const char *endpoint, const struct hsp_option_list *files,
                                bool need_standard, struct hs_error *err) {
    struct hs_error wrong = {0};
    enum hs_status status = HS_OK;
    if (endpoint != NULL)
        status = add_endpoint(secrets, cli->config, endpoint, err);
    for (size_t i = 0; endpoint == NULL && i < files->count && status == HS_OK; i++)
        status = add(secrets, files->items[i], err);
    if (status != HS_OK || secrets->count == 0)
        return status;
    status = hsp_signer_load(&secrets->signer, secrets->files, secrets->count, true,
                             need_standard ? err : &wrong);
    secrets->standard = status == HS_OK;
    if (status == HS_OK || need_standard)
        return status;
    return hsp_signer_load(&secrets->signer, secrets->files, secrets->count, false, err);
}

void hsp_secrets_free(struct hsp_secrets *secrets) {
    hsp_signer_free(secrets->signer);
    for (size_t i = 0; i < secrets->count; i++)
        free(secrets->files[i]);
    *secrets = (struct hsp_secrets){0};
}
