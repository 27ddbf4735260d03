/* SPDX-License-Identifier: MIT */
/* Errands of the verbs: to the daemon or to a clerk of our own. */
#include "config.h"

#include "cli.h"

#include "../ask.h"
#include "../delivery/clerk.h"
#include "../error.h"
#include "../lock.h"
#include "../units.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_AGAIN_MS 100

struct hsp_desk {
    char *spool;
    bool served;
    struct hsp_clerk *clerk; /* NULL where a daemon serves */
};

/* By whom is the spool served? `coming`: by somebody who does not listen yet, or by
 * another hookspool, which will have done. */
static enum hs_status look(struct hsp_desk *desk, const struct hsp_cli *cli, bool *coming,
                           struct hs_error *err) {
    *coming = false;
    desk->served = hsp_spooldir_is_served(desk->spool);
    if (!desk->served) {
        enum hs_status status = hsp_clerk_open(&desk->clerk, cli->config, err);
        *coming = status != HS_OK && hsp_spooldir_is_served(desk->spool);
        return status;
    }
    enum hs_status status = hsp_ask_reach(desk->spool, HSP_ASK_PATIENCE_MS, err);
    *coming = status != HS_OK && hsp_ask_may_pass(err);
    return status;
}

enum hs_status hsp_desk_open(struct hsp_desk **desk, const struct hsp_cli *cli,
                             struct hs_error *err) {
    int64_t until_ms = hsp_now_ms(CLOCK_BOOTTIME) + HSP_ASK_PATIENCE_MS;
    struct hs_error failure = {0};
    struct hsp_desk *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return hsp_fail(err, HS_E_NOMEM, "open the spool: out of memory");
    bool coming = false;
    enum hs_status status = HS_OK;
    fresh->spool = hsp_cli_find_spool(cli, &failure);
    if (fresh->spool == NULL)
        status = failure.status;
    else
        status = look(fresh, cli, &coming, &failure);
    while (coming && hsp_now_ms(CLOCK_BOOTTIME) < until_ms) {
        usleep(LOOK_AGAIN_MS * 1000);
        failure = (struct hs_error){0};
        status = look(fresh, cli, &coming, &failure);
    }
    if (status == HS_OK)
        *desk = fresh;
    else
        hsp_desk_close(fresh);
    return status == HS_OK
               ? HS_OK
               : hsp_fail(err, status, "%s%s", failure.text,
                          coming ? " (hookspoold is starting, or another hookspool works "
                                   "on the spool)"
                                 : "");
}

void hsp_desk_close(struct hsp_desk *desk) {
    if (desk == NULL)
        return;
    hsp_clerk_close(desk->clerk);
    free(desk->spool);
    free(desk);
}

bool hsp_desk_is_served(const struct hsp_desk *desk) { return desk->served; }

const char *hsp_desk_spool(const struct hsp_desk *desk) { return desk->spool; }

/* {"error":…} becomes an error. */
static enum hs_status understand(const char *text, json_object **answer,
                                 struct hs_error *err) {
    json_object *object = hsp_json_parse(text, strcspn(text, "\n"), err), *error = NULL;
    if (object == NULL)
        return err->status;
    if (!json_object_object_get_ex(object, "error", &error)) {
        *answer = object;
        return HS_OK;
    }
    enum hs_status status = hsp_fail(err, HS_E_DATA, "%s", json_object_get_string(error));
    json_object_put(object);
    return status;
}

enum hs_status hsp_desk_ask(struct hsp_desk *desk, json_object *request, int patience_ms,
                            json_object **answer, struct hs_error *err) {
    char *text = NULL;
    const char *line = hsp_json_text(request, &(size_t){0});
    enum hs_status status = HS_OK;
    if (line == NULL)
        status = hsp_fail(err, HS_E_NOMEM, "ask hookspoold: out of memory");
    else if (desk->served)
        status = hsp_ask(desk->spool, line, patience_ms, &text, err);
    else
        status = hsp_clerk_ask(desk->clerk, line, &text, err);
    if (status == HS_OK)
        status = understand(text, answer, err);
    free(text);
    return status;
}
