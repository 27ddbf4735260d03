/* SPDX-License-Identifier: MIT */
/* hookspool check-config: read the configuration as hookspoold would. */
#include "config.h"

#include "cli.h"

#include "../delivery/flusher.h"
#include "../units.h"

#include <sysexits.h>

static int do_check_config(const struct hsp_cli *cli) {
    struct hs_error err = {0};
    struct hsp_settings *settings = NULL;
    if (hsp_flusher_check(cli->config, &settings, &err) != HS_OK) {
        hsp_cli_complain(cli, &err);
        return EX_CONFIG;
    }
    printf("%s is right: spool %s, %zu endpoint%s\n", settings->path, settings->spool_dir,
           settings->endpoint_count, hsp_plural(settings->endpoint_count));
    for (size_t i = 0; i < settings->endpoint_count; i++)
        printf("  %s  %s\n", settings->endpoints[i].name,
               settings->endpoints[i].shown_url);
    hsp_settings_free(settings);
    return 0;
}

const struct hsp_verb hsp_verb_check_config = {
    "check-config",  "",  0, 0, "read the configuration as hookspoold would",
    do_check_config, NULL};
