/* SPDX-License-Identifier: MIT */
/* What comes in, from names to plans: reads files in groups, sorts them by their hosts'
 * order, lets early ones wait for those that should have come before them. plan.c decides
 * what becomes of each. */
#include "config.h"

#include "../error.h"
#include "draft.h"
#include "flusher.h"
#include "plan.h"
#include "waiting.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLAN_FILES 512
#define PLAN_BYTES (8 * 1024 * 1024)
#define HOLD_MS 2000 /* how long an event waits for the one before it */

/* The host may have run two notifications at once, and the later one was faster: a
 * recovery whose incident was not seen, an incident from UP though the recovery before
 * was not. Such a one waits a moment for the other. */
static bool is_early(struct hsp_flusher *flusher, const struct hsp_draft *draft) {
    const struct hsp_draft_event *event = &draft->events[0];
    int64_t age_ms = hsp_now_ms(CLOCK_REALTIME) - draft->file.put_utc_ms;
    if (age_ms < 0 || age_ms >= HOLD_MS || hsp_plan_seen_before(flusher, event) != NULL)
        return false;
    enum hs_state known = hsp_recent_state(flusher->recent, event->object);
    if (event->facts.kind == HS_KIND_RECOVERY)
        return known != HS_STATE_DOWN;
    return event->facts.kind == HS_KIND_INCIDENT &&
           event->facts.previous == HS_STATE_UP && known == HS_STATE_DOWN;
}

/* Objects of which an event waits: the later ones wait with it. */
struct waiting_objects {
    uint64_t objects[PLAN_FILES];
    size_t count;
};

static bool must_wait(struct hsp_flusher *flusher, struct waiting_objects *waiting,
                      const struct hsp_draft *draft) {
    if (draft->count != 1)
        return false;
    uint64_t object = draft->events[0].object;
    for (size_t i = 0; i < waiting->count; i++)
        if (waiting->objects[i] == object)
            return true;
    if (waiting->count == PLAN_FILES || !is_early(flusher, draft))
        return false;
    waiting->objects[waiting->count++] = object;
    return true;
}

static void hold(struct hsp_flusher *flusher, const struct hsp_draft *draft,
                 int64_t for_ms) {
    hsp_notice_hold(flusher->notice, draft->file.name,
                    draft->count > 0 ? draft->events[0].object : 0,
                    hsp_now_ms(CLOCK_BOOTTIME) + for_ms);
}

/* What is left of the moment that it may wait. */
static int64_t patience(const struct hsp_draft *draft) {
    int64_t left_ms = draft->file.put_utc_ms + HOLD_MS - hsp_now_ms(CLOCK_REALTIME);
    return left_ms < 1 ? 1 : left_ms > HOLD_MS ? HOLD_MS : left_ms;
}

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

/* What is read of incoming/ at one time. */
struct drafts {
    struct hsp_draft *all;
    size_t count, capacity, bytes;
};

/* Read one file into `drafts`; one that cannot be read just now comes back later. */
static enum hs_status add_draft(struct hsp_flusher *flusher, struct drafts *drafts,
                                const char *name, bool stranger, struct hs_error *err) {
    struct hsp_draft *draft = hsp_plan_one_more((void **)&drafts->all, &drafts->count,
                                                &drafts->capacity, sizeof *draft);
    if (draft == NULL)
        return hsp_fail(err, HS_E_NOMEM, "plan incoming files: out of memory");
    snprintf(draft->file.name, sizeof draft->file.name, "%s", name);
    enum hsp_reading reading = HSP_READING_DONE;
    enum hs_status status = HS_OK;
    if (stranger)
        hsp_draft_refuse(draft, "not the name of an event file");
    else
        status =
            hsp_draft_read(draft, flusher->dir.incoming, &reading, &drafts->bytes, err);
    if (status == HS_OK && reading == HSP_READING_DONE)
        return HS_OK;
    if (status == HS_OK && reading == HSP_READING_LATER)
        hold(flusher, draft, HSP_RETRY_MS);
    hsp_draft_free(draft);
    drafts->count--;
    return status;
}

/* Read the next names, and with each what is held back of the same object. */
static enum hs_status collect(struct hsp_flusher *flusher, struct drafts *drafts,
                              struct hs_error *err) {
    char name[HSP_NOTICE_NAME_MAX];
    bool stranger;
    enum hs_status status = HS_OK;
    while (status == HS_OK && drafts->count < PLAN_FILES && drafts->bytes < PLAN_BYTES &&
           hsp_notice_next(flusher->notice, name, &stranger))
        status = add_draft(flusher, drafts, name, stranger, err);
    for (size_t i = 0; status == HS_OK && i < drafts->count; i++)
        while (status == HS_OK && drafts->all[i].count == 1 &&
               hsp_notice_pull(flusher->notice, drafts->all[i].events[0].object, name))
            status = add_draft(flusher, drafts, name, false, err);
    if (status == HS_OK && drafts->count > 0)
        qsort(drafts->all, drafts->count, sizeof *drafts->all, by_time);
    return status;
}

/* Decide the drafts in their order, up to one that cannot be taken in now. */
static enum hs_status decide_all(struct hsp_flusher *flusher, struct hsp_placing *placing,
                                 const struct drafts *drafts, struct hs_error *err) {
    struct waiting_objects waiting = {.count = 0};
    bool stopped = false;
    for (size_t i = 0; i < drafts->count; i++) {
        struct hsp_draft *draft = &drafts->all[i];
        struct hs_error failure = {0};
        if (stopped && draft->file.fate != HSP_FILE_QUARANTINE) {
            hold(flusher, draft, HSP_RETRY_MS);
            continue;
        }
        if (must_wait(flusher, &waiting, draft)) {
            hold(flusher, draft, patience(draft));
            continue;
        }
        enum hs_status status = hsp_plan_decide(flusher, placing, draft, &failure);
        if (status == HS_E_NOMEM)
            return hsp_fail(err, status, "%s", failure.text);
        if (status == HS_OK)
            continue;
        stopped = true;
        if (!flusher->short_of_space)
            hsp_log(HSP_LOG_WARNING, "%s", failure.text);
        hold(flusher, draft, HSP_RETRY_MS);
    }
    return HS_OK;
}

enum hs_status hsp_intake_plan(struct hsp_flusher *flusher, struct hsp_placing **placing,
                               struct hs_error *err) {
    if (hsp_notice_count(flusher->notice) == 0)
        return HS_OK;
    struct drafts drafts = {0};
    struct hsp_placing *fresh = new_placing(flusher);
    enum hs_status status =
        fresh == NULL ? hsp_fail(err, HS_E_NOMEM, "plan incoming files: out of memory")
                      : collect(flusher, &drafts, err);
    if (status == HS_OK)
        status = decide_all(flusher, fresh, &drafts, err);
    for (size_t i = 0; i < drafts.count; i++)
        hsp_draft_free(&drafts.all[i]);
    free(drafts.all);
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
        status = hsp_plan_decide(flusher, placing, &draft, err);
    hsp_draft_free(&draft);
    return status;
}

struct staged_names {
    struct staged_name {
        char name[17];
    } * all;
    size_t count, capacity;
};

static enum hs_status add_staged(struct staged_names *names, const char *name,
                                 struct hs_error *err) {
    struct staged_name *one = hsp_plan_one_more((void **)&names->all, &names->count,
                                                &names->capacity, sizeof *one);
    if (one == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read queue/.staged: out of memory");
    memcpy(one->name, name, sizeof one->name);
    return HS_OK;
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

enum hs_status hsp_intake_plan_staged(struct hsp_flusher *flusher,
                                      struct hsp_placing **placing,
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
    struct staged_names names = {0};
    for (struct dirent *item; status == HS_OK && (item = readdir(folder)) != NULL;)
        if (strspn(item->d_name, "0123456789abcdef") == 16 && item->d_name[16] == '\0')
            status = add_staged(&names, item->d_name, err);
    if (names.count > 0) /* in their order: each is decided by what went before */
        qsort(names.all, names.count, sizeof *names.all, by_name);
    for (size_t i = 0; status == HS_OK && i < names.count; i++)
        status = plan_staged_file(flusher, fresh, names.all[i].name, err);
    free(names.all);
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

void hsp_intake_remember(void *context, const struct hsp_entry *entry) {
    struct hsp_flusher *flusher = ((struct hsp_intake_context *)context)->flusher;
    const struct hsp_endpoint *endpoint =
        ((struct hsp_intake_context *)context)->endpoint;
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
