/* SPDX-License-Identifier: MIT */
/* hookspool pause, resume, reload: one errand, answered at once. */
#include "config.h"

#include "cli.h"

#include "../ask.h"
#include "../error.h"

#include <string.h>

static enum hs_status ask(struct hsp_desk *desk, const struct hsp_cli *cli,
                          struct hs_error *err) {
    json_object *request = json_object_new_object(), *answer = NULL;
    json_object_object_add(request, "verb", json_object_new_string(cli->verb));
    if (cli->operand_count > 0)
        json_object_object_add(request, "endpoint",
                               json_object_new_string(cli->operands[0]));
    enum hs_status status =
        hsp_desk_ask(desk, request, HSP_ASK_PATIENCE_MS, &answer, err);
    json_object_put(answer);
    json_object_put(request);
    return status;
}

static int command(const struct hsp_cli *cli) {
    struct hs_error err = {0};
    struct hsp_desk *desk = NULL;
    enum hs_status status = hsp_desk_open(&desk, cli, &err);
    if (status == HS_OK && cli->operand_count == 0 && !hsp_desk_is_served(desk))
        status =
            hsp_fail(&err, HS_E_SPOOL, "no hookspoold runs on %s", hsp_desk_spool(desk));
    if (status == HS_OK)
        status = ask(desk, cli, &err);
    hsp_desk_close(desk);
    return status == HS_OK ? 0 : hsp_cli_complain(cli, &err);
}

const struct hsp_verb hsp_verb_pause = {
    "pause", "ENDPOINT", 1, 1, "send nothing to it until resume", command, NULL};
const struct hsp_verb hsp_verb_resume = {
    "resume", "ENDPOINT", 1, 1, "send again, whatever state it is in", command, NULL};
const struct hsp_verb hsp_verb_reload = {
    "reload", "", 0, 0, "read the configuration again", command, NULL};
