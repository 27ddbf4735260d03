/* SPDX-License-Identifier: MIT */
/* Reading the files of a spool for a person. */
#include "config.h"

#include "sight.h"

#include "../delivery/waiting.h"
#include "../error.h"
#include "../file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (HSP_FILE_MAX + 2 * HSP_PAYLOAD_MAX)

const char *hsp_place_text(enum hsp_place place) {
    static const char *const texts[HSP_PLACE_COUNT] = {"incoming", "waiting", "dead",
                                                       "corrupt"};
    return texts[place];
}

static void free_contents(struct hsp_sight *sight) {
    json_object_put(sight->payload);
    json_object_put(sight->details);
    json_object_put(sight->note);
    sight->payload = sight->details = sight->note = NULL;
}

/* The event of the file that is now at hand. */
static void take_event(struct hsp_sight *sight, const struct hsp_record_event *event) {
    snprintf(sight->id, sizeof sight->id, "%s", event->id);
    sight->body = event->body;
    sight->body_length = event->body_length;
    sight->payload = hsp_json_parse(event->body, event->body_length, NULL);
    sight->details = hsp_json_parse(event->details, event->details_length, NULL);
}

static void take_note(struct hsp_sight *sight, const struct hsp_record_reader *reader) {
    if (reader->dead == NULL)
        return;
    sight->note = hsp_json_parse(reader->dead, reader->dead_length, NULL);
}

struct visit {
    enum hs_status (*each)(void *, const struct hsp_sight *, struct hs_error *);
    void *context;
};

static enum hs_status show_fault(struct hsp_sight *sight, const struct visit *visit,
                                 const char *fault, struct hs_error *err) {
    sight->fault = strdup(fault);
    enum hs_status status = sight->fault != NULL
                                ? visit->each(visit->context, sight, err)
                                : hsp_fail(err, HS_E_NOMEM, "read an event: no memory");
    free(sight->fault);
    sight->fault = NULL;
    return status;
}

/* A waiting event is read as the daemon reads it: it may be a part of a large file. */
static enum hs_status show_waiting(struct hsp_sight *sight, int dirfd,
                                   const struct visit *visit, struct hs_error *err) {
    const struct hsp_endpoint queue = {.queue_fd = dirfd};
    struct hsp_waiting waiting = {0};
    struct hs_error failure = {0};
    if (hsp_waiting_read(&waiting, &queue, &sight->entry, &failure) != HS_OK) {
        /* The file stands in front, and is shown beside. */
        const char *why = strstr(failure.text, ": ");
        return failure.sys_errno == ENOENT
                   ? HS_OK
                   : show_fault(sight, visit, why != NULL ? why + 2 : failure.text, err);
    }
    sight->since_ms = waiting.put_utc_ms;
    sight->uid = waiting.uid;
    take_event(sight, &waiting.event);
    enum hs_status status = visit->each(visit->context, sight, err);
    free_contents(sight);
    hsp_waiting_free(&waiting);
    return status;
}

static enum hs_status show_all(struct hsp_sight *sight, const struct visit *visit,
                               struct hs_error *err) {
    struct hsp_record_reader reader;
    struct hsp_record_event event;
    struct hs_error failure = {0};
    if (hsp_record_open(&reader, sight->bytes, sight->length, &failure) != HS_OK)
        return show_fault(sight, visit, failure.text, err);
    if (reader.from >= 0)
        sight->uid = reader.from;
    enum hs_status status = HS_OK;
    while (status == HS_OK && hsp_record_next(&reader, &event)) {
        take_event(sight, &event);
        take_note(sight, &reader);
        status = visit->each(visit->context, sight, err);
        free_contents(sight);
    }
    return status;
}

enum hs_status hsp_sight_read(const struct hsp_sight *seen, int dirfd,
                              enum hs_status (*each)(void *, const struct hsp_sight *,
                                                     struct hs_error *),
                              void *context, struct hs_error *err) {
    struct hsp_sight sight = *seen;
    const struct visit visit = {each, context};
    struct stat info = {0};
    sight.since_ms = sight.uid = -1;
    if (sight.place == HSP_PLACE_WAITING)
        return show_waiting(&sight, dirfd, &visit, err);
    sight.bytes = hsp_read_file(dirfd, sight.name, FILE_MAX, &sight.length, &info);
    if (sight.bytes == NULL && errno == ENOENT)
        return HS_OK;
    if (sight.bytes == NULL)
        return show_fault(&sight, &visit, strerror(errno), err);
    sight.since_ms = info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000;
    sight.uid = info.st_uid;
    enum hs_status status = sight.place == HSP_PLACE_CORRUPT
                                ? each(context, &sight, err)
                                : show_all(&sight, &visit, err);
    free(sight.bytes);
    return status;
}

const char *hsp_sight_text(json_object *object, const char *keys) {
    char key[64];
    while (object != NULL && *keys != '\0') {
        size_t length = strcspn(keys, ".");
        snprintf(key, sizeof key, "%.*s", (int)length, keys);
        json_object *value = NULL;
        if (!json_object_object_get_ex(object, key, &value))
            return "";
        object = value;
        keys += length + (keys[length] == '.');
    }
    return object != NULL ? json_object_get_string(object) : "";
}

const char *hsp_sight_cause(const struct hsp_sight *sight, char room[64]) {
    if (sight->fault != NULL)
        return sight->fault;
    if (sight->place == HSP_PLACE_DEAD && sight->note == NULL)
        return "no note";
    if (sight->place != HSP_PLACE_DEAD) {
        snprintf(room, 64, "HTTP %u", sight->entry.code);
        return sight->entry.code > 0       ? room
               : sight->entry.attempts > 0 ? "no answer"
                                           : "";
    }
    const char *reason = hsp_sight_text(sight->note, "reason");
    const char *status = hsp_sight_text(sight->note, "last_status");
    const char *error = hsp_sight_text(sight->note, "error");
    if (*status != '\0')
        snprintf(room, 64, "%s: HTTP %s", reason, status);
    else
        snprintf(room, 64, "%s%s%s", reason, *error != '\0' ? ": " : "", error);
    return room;
}
