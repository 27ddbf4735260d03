/* SPDX-License-Identifier: MIT */
/* From files to a plan: fold, hold, number, choose endpoints. */
#include "config.h"

#include "../error.h"
#include "draft.h"
#include "flusher.h"
#include "waiting.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLAN_FILES 512
#define PLAN_BYTES (8 * 1024 * 1024)
#define HOLD_MS 2000 /* how long a recovery waits for its incident */

/* Deciding
 * -------------------------------------------------------------------------------------
 */

/* One more element of an array that doubles; NULL: out of memory. */
static void *one_more(void **array, size_t *count, size_t *capacity, size_t size) {
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
        one_more((void **)&placing->placements, &placing->placement_count,
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
    placing->saw_down |= event->facts.state == HS_STATE_DOWN;
    return HS_OK;
}

/* Why an event is not taken in again; NULL: it is new. */
static const char *seen_before(const struct hsp_flusher *flusher,
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
    const char *reason = seen_before(flusher, event);
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

/* A recovery whose incident was not seen: the host may have run both at once, and this
 * one was faster. */
static bool must_wait(struct hsp_flusher *flusher, const struct hsp_draft *draft) {
    if (draft->file.staged || draft->count != 1 ||
        draft->events[0].facts.kind != HS_KIND_RECOVERY ||
        seen_before(flusher, &draft->events[0]) != NULL)
        return false;
    int64_t age_ms = hsp_now_ms(CLOCK_REALTIME) - draft->file.put_utc_ms;
    return age_ms >= 0 && age_ms < HOLD_MS &&
           hsp_recent_state(flusher->recent, draft->events[0].object) != HS_STATE_DOWN;
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

/* Decide a whole file. HS_E_FULL, HS_E_IO: not now, and nothing was decided. */
static enum hs_status decide(struct hsp_flusher *flusher, struct hsp_placing *placing,
                             struct hsp_draft *draft, struct hs_error *err) {
    if (draft->file.fate != HSP_FILE_QUARANTINE) {
        bool copies = draft->count > 1 || configured(flusher) > 1;
        flusher->short_of_space = copies && !draft->file.staged && !may_copy(flusher);
        if (flusher->short_of_space)
            return hsp_fail(err, HS_E_FULL,
                            "take in incoming/%s: less than half of min_free is left",
                            draft->file.name);
        enum hs_status status = draft->file.staged
                                    ? HS_OK
                                    : hsp_sequence_take(&flusher->sequence, draft->count,
                                                        &draft->file.first, err);
        if (status != HS_OK)
            return status;
    }
    struct hsp_file *file = one_more((void **)&placing->files, &placing->file_count,
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
        flusher->corrupt++;
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

/* Plans
 * ------------------------------------------------------------------------------------------
 */

static int by_time(const void *a, const void *b) {
    const struct hsp_draft *left = a, *right = b;
    if (left->count == 0 || right->count == 0)
        return (left->count > 0) - (right->count > 0);
    const struct hsp_draft_event *l = &left->events[0], *r = &right->events[0];
    if (l->order_time != r->order_time)
        return l->order_time < r->order_time ? -1 : 1;
    if (l->order_sequence != r->order_sequence)
        return l->order_sequence < r->order_sequence ? -1 : 1;
    return memcmp(l->record.id, r->record.id, HSP_ID_LENGTH);
}

static struct hsp_placing *new_placing(struct hsp_flusher *flusher) {
    struct hsp_placing *placing = calloc(1, sizeof *placing);
    if (placing == NULL)
        return NULL;
    placing->job.work = hsp_placing_work;
    placing->dir = &flusher->dir;
    placing->journal = flusher->journal;
    placing->recent = flusher->recent;
    placing->owner = flusher;
    return placing;
}

/* Read the next names. Ones that cannot be read just now come back later. */
static enum hs_status collect(struct hsp_flusher *flusher, struct hsp_draft *drafts,
                              size_t room, size_t *count, struct hs_error *err) {
    int64_t later_ms = hsp_now_ms(CLOCK_BOOTTIME) + HSP_RETRY_MS;
    size_t bytes = 0;
    bool stranger;
    while (*count < room && bytes < PLAN_BYTES) {
        struct hsp_draft *draft = &drafts[*count];
        memset(draft, 0, sizeof *draft);
        if (!hsp_notice_next(flusher->notice, draft->file.name, &stranger))
            break;
        enum hsp_reading reading = HSP_READING_DONE;
        enum hs_status status = HS_OK;
        if (stranger)
            hsp_draft_refuse(draft, "not the name of an event file");
        else
            status = hsp_draft_read(draft, flusher->dir.incoming, &reading, &bytes, err);
        if (status == HS_OK && reading == HSP_READING_LATER)
            hsp_notice_hold(flusher->notice, draft->file.name, later_ms);
        if (status == HS_OK && reading == HSP_READING_DONE) {
            ++*count;
            continue;
        }
        hsp_draft_free(draft);
        if (status != HS_OK)
            return status;
    }
    qsort(drafts, *count, sizeof *drafts, by_time);
    return HS_OK;
}

/* Decide the drafts in their order, up to one that cannot be taken in now. */
static enum hs_status decide_all(struct hsp_flusher *flusher, struct hsp_placing *placing,
                                 struct hsp_draft *drafts, size_t count,
                                 struct hs_error *err) {
    int64_t now_ms = hsp_now_ms(CLOCK_BOOTTIME);
    bool stopped = false;
    for (size_t i = 0; i < count; i++) {
        struct hsp_draft *draft = &drafts[i];
        struct hs_error failure = {0};
        if (stopped) {
            hsp_notice_hold(flusher->notice, draft->file.name, now_ms + HSP_RETRY_MS);
            continue;
        }
        if (must_wait(flusher, draft)) {
            int64_t left_ms =
                draft->file.put_utc_ms + HOLD_MS - hsp_now_ms(CLOCK_REALTIME) + 1;
            hsp_notice_hold(flusher->notice, draft->file.name, now_ms + left_ms);
            continue;
        }
        enum hs_status status = decide(flusher, placing, draft, &failure);
        if (status == HS_E_NOMEM)
            return hsp_fail(err, status, "%s", failure.text);
        stopped = status != HS_OK;
        if (!stopped)
            continue;
        hsp_log(HSP_LOG_WARNING, "%s", failure.text);
        hsp_notice_hold(flusher->notice, draft->file.name, now_ms + HSP_RETRY_MS);
    }
    return HS_OK;
}

enum hs_status hsp_plan_incoming(struct hsp_flusher *flusher,
                                 struct hsp_placing **placing, struct hs_error *err) {
    size_t room = hsp_notice_count(flusher->notice), count = 0;
    if (room == 0)
        return HS_OK;
    room = room < PLAN_FILES ? room : PLAN_FILES;
    struct hsp_draft *drafts = calloc(room, sizeof *drafts);
    struct hsp_placing *fresh = new_placing(flusher);
    enum hs_status status =
        drafts == NULL || fresh == NULL
            ? hsp_fail(err, HS_E_NOMEM, "plan incoming files: out of memory")
            : collect(flusher, drafts, room, &count, err);
    if (status == HS_OK)
        status = decide_all(flusher, fresh, drafts, count, err);
    for (size_t i = 0; i < count; i++)
        hsp_draft_free(&drafts[i]);
    free(drafts);
    if (status != HS_OK || fresh->file_count == 0) {
        hsp_placing_free(fresh);
        return status;
    }
    *placing = fresh;
    return HS_OK;
}

static enum hs_status plan_staged_file(struct hsp_flusher *flusher,
                                       struct hsp_placing *placing, const char *name,
                                       struct hs_error *err) {
    struct hsp_draft draft = {.file.staged = true};
    snprintf(draft.file.name, sizeof draft.file.name, "%s", name);
    draft.file.first = strtoull(name, NULL, 16);
    size_t bytes = 0;
    enum hsp_reading reading = HSP_READING_DONE;
    enum hs_status status =
        hsp_draft_read(&draft, flusher->dir.staged, &reading, &bytes, err);
    if (status == HS_OK && reading == HSP_READING_LATER)
        status = hsp_fail(err, HS_E_IO, "read queue/.staged/%s", name);
    if (status == HS_OK && reading == HSP_READING_DONE)
        status = decide(flusher, placing, &draft, err);
    hsp_draft_free(&draft);
    return status;
}

enum hs_status hsp_plan_staged(struct hsp_flusher *flusher, struct hsp_placing **placing,
                               struct hs_error *err) {
    int fd = openat(flusher->dir.staged, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct hsp_placing *fresh = new_placing(flusher);
    enum hs_status status = HS_OK;
    if (folder == NULL) {
        status = hsp_fail_errno(err, HS_E_IO, "read queue/.staged");
        if (fd >= 0)
            close(fd);
    } else if (fresh == NULL) {
        status = hsp_fail(err, HS_E_NOMEM, "read queue/.staged: out of memory");
    }
    for (struct dirent *item; status == HS_OK && (item = readdir(folder)) != NULL;)
        if (strlen(item->d_name) == 16)
            status = plan_staged_file(flusher, fresh, item->d_name, err);
    if (folder != NULL)
        closedir(folder);
    if (status != HS_OK || fresh->file_count == 0) {
        hsp_placing_free(fresh);
        return status;
    }
    *placing = fresh;
    return HS_OK;
}

static void recall(struct hsp_flusher *flusher, const struct hsp_draft_event *event,
                   const struct hsp_entry *entry, int64_t at_ms) {
    struct hsp_recent_entry memory = {
        .fold = hsp_draft_fold(event),
        .object = event->object,
        .sequence = entry->sequence,
        .at_ms = at_ms,
        .state = event->facts.state,
    };
    memcpy(memory.id, event->record.id, sizeof memory.id);
    char line[HSP_RECENT_LINE + 1];
    hsp_recent_format(&memory, line);
    (void)!hsp_recent_write(flusher->recent, hsp_recent_add(flusher->recent, &memory),
                            line, 1, NULL);
}

void hsp_plan_remember_each(void *context, const struct hsp_entry *entry) {
    struct hsp_flusher *flusher = ((struct hsp_plan_context *)context)->flusher;
    const struct hsp_endpoint *endpoint = ((struct hsp_plan_context *)context)->endpoint;
    struct hsp_waiting waiting = {0};
    struct hsp_draft_event event = {0};
    if (hsp_waiting_read(&waiting, endpoint, entry, NULL) == HS_OK &&
        !hsp_recent_has_id(flusher->recent, waiting.event.id)) {
        event.record = waiting.event;
        if (hsp_draft_read_event(&event, waiting.put_utc_ms / 1000, NULL) == HS_OK)
            recall(flusher, &event, entry, waiting.put_utc_ms);
    }
    hsp_details_free(&event.details);
    hsp_waiting_free(&waiting);
}
