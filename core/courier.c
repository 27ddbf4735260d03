/* SPDX-License-Identifier: MIT */
/* From memory to the state file and on into the spool. The line of events that are not in
 * the spool yet is the state file's, so that memory and disk cannot come apart. */
#include "config.h"

#include "buffer.h"
#include "courier.h"
#include "crash.h"
#include "error.h"
#include "event.h"
#include "record.h"
#include "spool.h"

#include <stdio.h>
#include <string.h>

#define PUT_EVENTS 1000 /* of one spool file */
#define PUT_BYTES (4 * 1024 * 1024)

static void say(const struct hsp_courier *courier, enum hsp_outbox_level level,
                const char *line) {
    courier->options->log(courier->options->context, level, line);
}

static void complain(const struct hsp_courier *courier, struct hsp_complaint *complaint,
                     const struct hs_error *err, const char *what) {
    char line[sizeof(err->text) + 160];
    if (!hsp_complaint_due(complaint, err))
        return;
    snprintf(line, sizeof(line), "%s; %s", err->text, what);
    say(courier, HSP_OUTBOX_ERROR, line);
}

static void works_again(const struct hsp_courier *courier,
                        struct hsp_complaint *complaint, const char *what) {
    if (hsp_complaint_over(complaint))
        say(courier, HSP_OUTBOX_NOTICE, what);
}

static enum hs_status enter(struct hsp_courier *courier, struct hs_event **event,
                            const char *key, const char *value, struct hs_error *err) {
    struct hsp_buffer part = {0};
    enum hs_status status = HS_OK;
    if (*event != NULL) {
        status = hsp_event_append(&part, *event, courier->options->config, err);
        if (status == HS_OK)
            status = hsp_statefile_push(courier->state, part.data, part.length, err);
        hsp_buffer_free(&part);
        if (status == HS_E_NOMEM)
            return status;
        hs_event_free(*event);
        *event = NULL;
    }
    if (key != NULL) {
        const enum hs_status kept = hsp_statefile_set(courier->state, key, value, err);
        status = status == HS_OK ? kept : status;
    }
    return status;
}

enum hs_status hsp_courier_enter(struct hsp_courier *courier, struct hs_event **event,
                                 const char *key, const char *value) {
    struct hs_error err = {0};
    const enum hs_status status = enter(courier, event, key, value, &err);
    if (status != HS_OK)
        complain(courier, &courier->event_fails, &err,
                 status == HS_E_NOMEM ? "trying again" : "the event is dropped");
    return status;
}

bool hsp_courier_commit(struct hsp_courier *courier) {
    struct hs_error err = {0};
    if (!courier->keeps)
        return false;
    if (hsp_statefile_commit(courier->state, &err) != HS_OK) {
        complain(courier, &courier->state_fails, &err,
                 "until this is mended a crash would lose what is only in memory");
        return false;
    }
    works_again(courier, &courier->state_fails, "the state file can be written again");
    return true;
}

/* One file of the oldest edges; their number in `count`. */
static enum hs_status put_some(struct hsp_courier *courier, size_t *count,
                               struct hs_error *err) {
    struct hsp_buffer file = {0};
    char id[HSP_ID_LENGTH + 1] = "";
    const size_t edges = hsp_statefile_edges(courier->state);
    enum hs_status status = HS_OK;
    size_t n = 0;

    hsp_record_begin(&file);
    for (; n < edges && n < PUT_EVENTS && file.length < PUT_BYTES; n++) {
        size_t length = 0;
        const char *part = hsp_statefile_edge(courier->state, n, &length);
        hsp_buffer_append(&file, part, length);
        if (n == 0)
            snprintf(id, sizeof(id), "%s", part + strlen("event "));
    }
    hsp_record_end(&file, n);
    if (file.failed)
        status = hsp_fail(err, HS_E_NOMEM, "write batch: out of memory");
    if (status == HS_OK && n > 1)
        status = hsp_id_new(id, err);
    if (status == HS_OK && courier->spool == NULL)
        status = hs_spool_open(&courier->spool, courier->options->config, err);
    if (status == HS_OK)
        status = hsp_spool_put_file(courier->spool, id, &file, err);
    hsp_buffer_free(&file);
    *count = n;
    return status;
}

/* Everything that is in the line, into the spool; how many events that were. */
bool hsp_courier_put(struct hsp_courier *courier, size_t *count) {
    bool any = false;
    while (hsp_statefile_edges(courier->state) > 0) {
        struct hs_error err = {0};
        size_t some = 0;
        if (put_some(courier, &some, &err) != HS_OK) {
            char what[96];
            snprintf(what, sizeof(what), "%zu events wait and are tried again",
                     hsp_statefile_edges(courier->state));
            complain(courier, &courier->spool_fails, &err, what);
            hs_spool_close(courier->spool); /* it may be another folder by then */
            courier->spool = NULL;
            return false;
        }
        hsp_crash_point("outbox-put");
        hsp_statefile_pop(courier->state, some);
        *count += some;
        any = true;
    }
    if (any)
        works_again(courier, &courier->spool_fails, "the spool takes events again");
    return true;
}

enum hs_status hsp_courier_open(struct hsp_courier *courier,
                                const struct hsp_outbox_options *options,
                                struct hs_error *err) {
    struct hs_error warning = {0};
    *courier =
        (struct hsp_courier){.options = options, .keeps = options->state_path != NULL};
    const enum hs_status status =
        hsp_statefile_open(&courier->state, options->state_path, &warning, err);
    if (status != HS_OK)
        return status;
    if (warning.status != HS_OK)
        say(courier, HSP_OUTBOX_ERROR, warning.text);
    const size_t left = hsp_statefile_edges(courier->state);
    if (left > 0) {
        char line[96];
        snprintf(line, sizeof(line), "%zu events of before are put again", left);
        say(courier, HSP_OUTBOX_NOTICE, line);
    }
    return HS_OK;
}

void hsp_courier_close(struct hsp_courier *courier) {
    hs_spool_close(courier->spool);
    hsp_statefile_close(courier->state);
    *courier = (struct hsp_courier){0};
}
