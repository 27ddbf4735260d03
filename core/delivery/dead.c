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

#define LETTER_MAX (HSP_FILE_MAX + 2 * HSP_PAYLOAD_MAX)

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

/* By hand
 * -------------------------------------------------------------------------------------
 */

/* Could the letter be sent? Its size as a waiting event. */
static enum hs_status check_letter(const char *bytes, size_t length, uint32_t *size,
                                   struct hs_error *err) {
    struct hsp_record_reader reader;
    struct hsp_record_event event;
    struct hsp_payload_facts facts;
    enum hs_status status = hsp_record_open(&reader, bytes, length, err);
    if (status == HS_OK && (reader.count != 1 || !hsp_record_next(&reader, &event)))
        status = hsp_fail(err, HS_E_DATA, "not one event in the file");
    if (status == HS_OK)
        status = hsp_payload_check(event.body, event.body_length, &facts, err);
    if (status == HS_OK)
        *size = (uint32_t)(event.body_length + event.details_length);
    return status;
}

/* Gone: to where it was to go, by an earlier run, or by somebody else's hand. */
static enum hsp_find find_revived(const struct hsp_endpoint *target,
                                  const struct hsp_entry *entry) {
    char path[HSP_ENTRY_PATH_MAX];
    hsp_entry_path(entry, path);
    return faccessat(target->queue_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0
               ? HSP_FOUND
               : HSP_FOUND_MISSING;
}

static enum hs_status rename_letter(const struct hsp_endpoint *endpoint, const char *name,
                                    const struct hsp_endpoint *target,
                                    const struct hsp_entry *entry, struct hs_error *err) {
    char path[HSP_ENTRY_PATH_MAX];
    hsp_entry_path(entry, path);
    /* max_age counts from now on: who asks for a letter wants it sent. */
    (void)!utimensat(endpoint->dead_fd, name, NULL, AT_SYMLINK_NOFOLLOW);
    if (renameat(endpoint->dead_fd, name, target->queue_fd, path) == 0)
        return HS_OK;
    enum hs_status status =
        errno == ENOENT ? hsp_endpoint_make_shard(target, entry->sequence, err) : HS_OK;
    if (status == HS_OK && renameat(endpoint->dead_fd, name, target->queue_fd, path) != 0)
        status = hsp_fail_errno(err, HS_E_IO, "move dead/%s/%s to queue/%s",
                                endpoint->name, name, target->name);
    return status;
}

enum hs_status hsp_dead_revive(const struct hsp_endpoint *endpoint, const char *name,
                               const struct hsp_endpoint *target, struct hsp_entry *entry,
                               enum hsp_find *found, int64_t *bytes,
                               struct hs_error *err) {
    struct stat info;
    size_t length = 0;
    char *text = hsp_read_file(endpoint->dead_fd, name, LETTER_MAX, &length, &info);
    if (text == NULL && errno == ENOENT) {
        *found = find_revived(target, entry);
        return HS_OK;
    }
    if (text == NULL && (errno == ENOMEM || errno == EMFILE || errno == EIO))
        return hsp_fail_errno(err, HS_E_IO, "read dead/%s/%s", endpoint->name, name);
    enum hs_status status =
        text != NULL ? check_letter(text, length, &entry->size, NULL) : HS_E_DATA;
    free(text);
    *found = status == HS_OK ? HSP_FOUND : HSP_FOUND_CORRUPT;
    if (status == HS_E_DATA)
        return HS_OK;
    if (status == HS_OK)
        status = rename_letter(endpoint, name, target, entry, err);
    if (status == HS_OK)
        *bytes = info.st_size;
    hsp_crash_point("letter-revived");
    return status;
}

enum hs_status hsp_dead_shred(const struct hsp_endpoint *endpoint, const char *name,
                              enum hsp_find *found, int64_t *bytes,
                              struct hs_error *err) {
    struct stat info;
    if (fstatat(endpoint->dead_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        unlinkat(endpoint->dead_fd, name, 0) != 0) {
        if (errno != ENOENT)
            return hsp_fail_errno(err, HS_E_IO, "remove dead/%s/%s", endpoint->name,
                                  name);
        *found = HSP_FOUND_MISSING;
        return HS_OK;
    }
    *found = HSP_FOUND;
    *bytes = info.st_size;
    return HS_OK;
}
