/* SPDX-License-Identifier: MIT */
/* What the verbs of hookspool share. */
#include "config.h"

#include "cli.h"

#include "../conf.h"
#include "../error.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

int hsp_cli_complain(const struct hsp_cli *cli, const struct hs_error *err) {
    fprintf(stderr, "hookspool: %s: %s\n", cli->verb, err->text);
    return err->status == HS_E_CONFIG ? EX_CONFIG : HSP_EXIT_FAILED;
}

int hsp_cli_misuse(const struct hsp_cli *cli, const char *format, ...) {
    fprintf(stderr, "hookspool: %s: ", cli->verb);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return EX_USAGE;
}

bool hsp_cli_has_colour(void) {
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == '\0') &&
           term != NULL && *term != '\0' && strcmp(term, "dumb") != 0;
}

char *hsp_cli_find_spool(const struct hsp_cli *cli, struct hs_error *err) {
    struct hs_config *config = NULL;
    if (hsp_conf_check_named(cli->config, err) != HS_OK)
        return NULL;
    if (hs_config_load(&config, cli->config, err) != HS_OK)
        return NULL;
    if (hs_config_warning(config) != NULL)
        fprintf(stderr, "hookspool: %s\n", hs_config_warning(config));
    char *spool = strdup(hs_config_spool_dir(config));
    hs_config_free(config);
    if (spool == NULL)
        hsp_fail(err, HS_E_NOMEM, "find the spool: out of memory");
    return spool;
}
