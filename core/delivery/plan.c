/* SPDX-License-Identifier: MIT */
/* From a file to its place: fold, number, choose endpoints. */
#include "config.h"

#include "../error.h"
#include "draft.h"
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Deciding
 * -------------------------------------------------------------------------------------
 */

/* One more element of an array that doubles; NULL: out of memory. */
void *hsp_plan_one_more(void **array, size_t *count, size_t *capacity, size_t size) {
    if (*count == *capacity) {
        size_t wanted = *capacity == 0 ? 16 : *capacity * 2;
        void *more = realloc(*array, wanted * size);
        if (more == NULL)
            return NULL;
        *array = more;
        *capacity = wanted;
    }
    return memset((char *)*array + (*count)++ * size, 0, size);
}

static void explain(struct hsp_placing *placing, const struct hsp_draft *draft,
                    const struct hsp_draft_event *event, const char *what,
                    const char *reason) {
    struct hsp_journal_line line = HSP_JOURNAL_LINE(hsp_now_ms(CLOCK_REALTIME), what);
    line.uid = draft->file.owner;
    line.reason = reason;
    if (event != NULL) {
        line.id = event->record.id;
        line.monitor = event->facts.monitor_id;
        line.kind = hs_kind_text(event->facts.kind);
    }
    hsp_journal_compose(&placing->lines, &line);
}

static enum hs_status add_placement(struct hsp_placing *placing, size_t file,
                                    struct hsp_endpoint *endpoint,
                                    const struct hsp_draft_event *event,
                                    uint64_t sequence, struct hs_error *err) {
    struct hsp_placement *placement =
        hsp_plan_one_more((void **)&placing->placements, &placing->placement_count,
                          &placing->placement_capacity, sizeof *placement);
    if (placement == NULL)
        return hsp_fail(err, HS_E_NOMEM, "plan an event: out of memory");
    placement->file = file;
    placement->endpoint = endpoint;
    placement->event = event->record;
    placement->entry = (struct hsp_entry){
        .sequence = sequence,
        .object = event->object,
        .size = (uint32_t)(event->record.body_length + event->record.details_length),
    };
    return HS_OK;
}

/* Names of endpoints that do not exist: the event then goes to all. */
static const char *addressees(struct hsp_flusher *flusher, struct hsp_placing *placing,
                              const struct hsp_draft *draft,
                              const struct hsp_draft_event *event) {
    const char *names = event->details.endpoints;
    if (names[0] == '\0' || hsp_names_contain(names, "all"))
        return "";
    for (const char *at = names; *at != '\0';) {
        char name[HSP_ENDPOINT_NAME_MAX + 1];
        size_t length = strcspn(at, ", ");
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        const struct hsp_endpoint *endpoint = hsp_flusher_find(flusher, name);
        if (length >= sizeof name || endpoint == NULL || endpoint->settings == NULL) {
            char reason[160];
            snprintf(reason, sizeof reason,
                     "unknown endpoint '%s': the event goes to all", name);
            explain(placing, draft, event, "warning", reason);
            return "";
        }
        at += length;
        at += strspn(at, ", ");
    }
    return names;
}

static enum hs_status remember(struct hsp_flusher *flusher, struct hsp_placing *placing,
                               const struct hsp_draft_event *event, uint64_t sequence,
                               struct hs_error *err) {
    struct hsp_recent_entry entry = {
        .fold = hsp_draft_fold(event),
        .object = event->object,
        .sequence = sequence,
        .at_ms = hsp_now_ms(CLOCK_REALTIME),
        .state = event->facts.state,
    };
    memcpy(entry.id, event->record.id, sizeof entry.id);
    uint32_t place = hsp_recent_add(flusher->recent, &entry);
    if (placing->memories.length == 0)
        placing->first_memory = place; /* the others follow */
    char line[HSP_RECENT_LINE + 1];
    hsp_recent_format(&entry, line);
    hsp_buffer_append(&placing->memories, line, HSP_RECENT_LINE);
    if (placing->memories.failed)
        return hsp_fail(err, HS_E_NOMEM, "plan an event: out of memory");
    return HS_OK;
}

/* Why an event is not taken in again; NULL: it is new. */
const char *hsp_plan_seen_before(const struct hsp_flusher *flusher,
                                 const struct hsp_draft_event *event) {
    int64_t fold_ms = flusher->settings->fold_ms;
    int64_t since_ms = hsp_now_ms(CLOCK_REALTIME) - fold_ms;
    if (hsp_recent_has_id(flusher->recent, event->record.id))
        return "an event of this id was taken in before";
    if (fold_ms > 0 && hsp_recent_has_fold(flusher->recent, hsp_draft_fold(event),
                                           event->object, since_ms))
        return "the same notification was taken in before";
    return NULL;
}

/* One event: folded, filtered, or placed with every endpoint that wants it. */
static enum hs_status decide_event(struct hsp_flusher *flusher,
                                   struct hsp_placing *placing,
                                   const struct hsp_draft *draft, size_t file,
                                   const struct hsp_draft_event *event, uint64_t sequence,
                                   struct hs_error *err) {
    const char *reason = hsp_plan_seen_before(flusher, event);
    if (reason != NULL) {
        explain(placing, draft, event, "folded", reason);
        return HS_OK;
    }
    enum hs_status status = remember(flusher, placing, event, sequence, err);
    const char *names = addressees(flusher, placing, draft, event);
    size_t before = placing->placement_count;
    for (struct hsp_endpoint *endpoint = flusher->endpoints;
         status == HS_OK && endpoint != NULL; endpoint = endpoint->next)
        if (hsp_endpoint_wants(endpoint, event->facts.kind, names))
            status = add_placement(placing, file, endpoint, event, sequence, err);
    if (status == HS_OK && placing->placement_count == before)
        explain(placing, draft, event, "filtered",
                event->facts.kind == HS_KIND_UNCHANGED ? "the state did not change"
                                                       : "no endpoint wants it");
    return status;
}

static size_t configured(const struct hsp_flusher *flusher) {
    size_t count = 0;
    for (const struct hsp_endpoint *e = flusher->endpoints; e != NULL; e = e->next)
        count += e->settings != NULL;
    return count;
}

/* Copies need space, and the adapters were refused long before: this is the last half of
 * what is to be kept free. */
static bool may_copy(struct hsp_flusher *flusher) {
    struct hsp_share half = flusher->settings->min_free;
    if (half.percent > 0)
        half.percent /= 2;
    if (half.bytes > 0)
        half.bytes /= 2;
    return !hsp_space_is_short(flusher->dir.root, &half);
}

/* Said once, when it begins and when it ends. */
static void note_space(struct hsp_flusher *flusher, bool is_short) {
    if (is_short == flusher->short_of_space)
        return;
    flusher->short_of_space = is_short;
    flusher->changed = true;
    hsp_log(is_short ? HSP_LOG_ERROR : HSP_LOG_NOTICE, "%s",
            is_short ? "less than half of min_free is left: new events stay in incoming/"
                     : "there is space again: events are taken in");
}

/* Decide a whole file. HS_E_FULL, HS_E_IO: not now, and nothing was decided. */
enum hs_status hsp_plan_decide(struct hsp_flusher *flusher, struct hsp_placing *placing,
                               struct hsp_draft *draft, struct hs_error *err) {
    if (draft->file.fate != HSP_FILE_QUARANTINE) {
        bool copies = draft->count > 1 || configured(flusher) > 1;
        note_space(flusher, copies && !draft->file.staged && !may_copy(flusher));
        if (flusher->short_of_space)
            return hsp_fail(err, HS_E_FULL, "no space to take events in");
        enum hs_status status = draft->file.staged
                                    ? HS_OK
                                    : hsp_sequence_take(&flusher->sequence, draft->count,
                                                        &draft->file.first, err);
        if (status != HS_OK)
            return status;
    }
    struct hsp_file *file =
        hsp_plan_one_more((void **)&placing->files, &placing->file_count,
                          &placing->file_capacity, sizeof *file);
    if (file == NULL)
        return hsp_fail(err, HS_E_NOMEM, "plan a file: out of memory");
    size_t index = placing->file_count - 1, before = placing->placement_count;
    enum hs_status status = HS_OK;
    *file = draft->file;
    draft->file.bytes = NULL; /* the plan's from now on */
    if (file->fate == HSP_FILE_QUARANTINE) {
        char reason[HSP_NOTICE_NAME_MAX + sizeof draft->reason + 16];
        snprintf(reason, sizeof reason, "incoming/%s: %s", file->name, draft->reason);
        explain(placing, draft, NULL, "corrupt", reason);
        hsp_log(HSP_LOG_WARNING, "%s: moved to corrupt/", reason);
        return HS_OK;
    }
    for (size_t i = 0; status == HS_OK && i < draft->count; i++)
        status = decide_event(flusher, placing, draft, index, &draft->events[i],
                              file->first + i, err);
    size_t placed = placing->placement_count - before;
    if (placed == 0)
        file->fate = HSP_FILE_DROP;
    else if (placed == 1 && draft->count == 1 && !file->staged)
        file->fate = HSP_FILE_MOVE;
    else
        file->fate = HSP_FILE_COPY;
    return status;
}
