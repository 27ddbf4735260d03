/* SPDX-License-Identifier: MIT */
/* Writing dead letters. */
#include "config.h"

#include "dead.h"

#include "../crash.h"
#include "../error.h"
#include "../payload.h"
#include "../text.h"
#include "waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* False: out of memory. */
static bool add_text(json_object *object, const char *key, const char *text) {
    if (text == NULL)
        return true;
    struct hsp_buffer clean = {0};
    hsp_text_repair(&clean, text, strlen(text));
    bool ok = !clean.failed;
    if (ok)
        json_object_object_add(
            object, key, json_object_new_string(clean.length > 0 ? clean.data : ""));
    hsp_buffer_free(&clean);
    return ok;
}

char *hsp_death_note(const struct hsp_death *death) {
    json_object *note = json_object_new_object();
    if (note == NULL)
        return NULL;
    char at[HSP_TIME_LENGTH + 1];
    hsp_format_time_ms(death->at_ms, at);
    bool ok = add_text(note, "reason", death->reason) && add_text(note, "at", at);
    json_object_object_add(note, "attempts", json_object_new_int(death->attempts));
    json_object_object_add(
        note, "last_status",
        death->http_status != 0 ? json_object_new_int64(death->http_status) : NULL);
    ok = ok && add_text(note, "error", death->error) &&
         add_text(note, "answer", death->excerpt);
    size_t length = 0;
    const char *text = ok ? hsp_json_text(note, &length) : NULL;
    char *copy = text != NULL ? strdup(text) : NULL;
    json_object_put(note);
    return copy;
}

/* The letter: the waiting event again, with sender and note in front. */
static enum hs_status compose(const struct hsp_waiting *waiting, const char *note,
                              struct hsp_buffer *letter, struct hs_error *err) {
    hsp_record_begin(letter);
    if (waiting->uid >= 0)
        hsp_record_from(letter, (uint32_t)waiting->uid);
    hsp_record_dead(letter, note, strlen(note));
    hsp_record_event(letter, &waiting->event);
    hsp_record_end(letter, 1);
    return letter->failed
               ? hsp_fail(err, HS_E_NOMEM, "write a dead letter: out of memory")
               : HS_OK;
}

/* No room for a copy: the event's file itself moves, and the journal alone tells why. */
static enum hs_status move_whole(const struct hsp_endpoint *endpoint, const char *path,
                                 const char *name, struct hs_error *err) {
    if (renameat(endpoint->queue_fd, path, endpoint->dead_fd, name) == 0)
        return HS_OK;
    return hsp_fail_errno(err, HS_E_IO, "move %s to dead/%s", path, endpoint->name);
}

enum hs_status hsp_dead_bury(const struct hsp_endpoint *endpoint,
                             const struct hsp_entry *entry, const char *note,
                             int64_t *bytes, struct hs_error *err) {
    char path[HSP_ENTRY_PATH_MAX], name[HSP_DEAD_NAME_MAX];
    hsp_entry_path(entry, path);
    *bytes = 0;
    if (faccessat(endpoint->queue_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
        errno == ENOENT)
        return HS_OK;
    struct hsp_waiting waiting = {0};
    struct hsp_buffer letter = {0};
    struct hs_error failure = {0};
    enum hs_status status = hsp_waiting_read(&waiting, endpoint, entry, err);
    if (status == HS_OK)
        status = compose(&waiting, note, &letter, err);
    if (status != HS_OK)
        goto out;
    hsp_dead_name(entry, waiting.event.id, name);
    enum hs_status written = hsp_replace_file(endpoint->dead_fd, name, 0600, letter.data,
                                              letter.length, true, &failure);
    hsp_crash_point("dead-written");
    if (written == HS_E_FULL && entry->offset == 0)
        status = move_whole(endpoint, path, name, err);
    else if (written != HS_OK)
        status = hsp_fail(err, written, "%s in dead/%s", failure.text, endpoint->name);
    else if (unlinkat(endpoint->queue_fd, path, 0) != 0 && errno != ENOENT)
        status = hsp_fail_errno(err, HS_E_IO, "remove queue/%s/%s", endpoint->name, path);
    if (status == HS_OK)
        *bytes = (int64_t)letter.length;
out:
    hsp_buffer_free(&letter);
    hsp_waiting_free(&waiting);
    return status;
}
