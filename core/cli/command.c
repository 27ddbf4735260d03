/* SPDX-License-Identifier: MIT */
/* hookspool pause, resume, reload: one request to the daemon, answered at once. */
#include "config.h"

#include "cli.h"

#include <stdlib.h>

static int command(const struct hsp_cli *cli) {
    struct hs_error err = {0};
    char *spool = hsp_cli_find_spool(cli, &err);
    json_object *request = json_object_new_object(), *answer = NULL;
    json_object_object_add(request, "verb", json_object_new_string(cli->verb));
    if (cli->operand_count > 0)
        json_object_object_add(request, "endpoint",
                               json_object_new_string(cli->operands[0]));
    int result = 0;
    if (spool == NULL || hsp_cli_ask(spool, request, &answer, &err) != HS_OK)
        result = hsp_cli_complain(cli, &err);
    json_object_put(answer);
    json_object_put(request);
    free(spool);
    return result;
}

const struct hsp_verb hsp_verb_pause = {
    "pause", "ENDPOINT", 1, 1, "send nothing to it until resume", command, NULL};
const struct hsp_verb hsp_verb_resume = {
    "resume", "ENDPOINT", 1, 1, "send again, whatever state it is in", command, NULL};
const struct hsp_verb hsp_verb_reload = {
    "reload", "", 0, 0, "read the configuration again", command, NULL};
