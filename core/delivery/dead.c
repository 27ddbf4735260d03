/* SPDX-License-Identifier: MIT */
/* Writing dead letters. */
#include "config.h"

#include "dead.h"

#include "../crash.h"
#include "../error.h"
#include "../payload.h"
#include "../record.h"
#include "../text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_ROOM 65536 /* what a file may hold beyond its event */

static void add_text(json_object *object, const char *key, const char *text) {
    if (text == NULL)
        return;
    struct hsp_buffer clean = {0};
    hsp_text_repair(&clean, text, strlen(text));
    json_object_object_add(object, key,
                           json_object_new_string(clean.length > 0 ? clean.data : ""));
    hsp_buffer_free(&clean);
}

char *hsp_death_note(const struct hsp_death *death) {
    json_object *note = json_object_new_object();
    if (note == NULL)
        return NULL;
    char at[HSP_TIME_LENGTH + 1];
    hsp_format_time_ms(death->at_ms, at);
    add_text(note, "reason", death->reason);
    add_text(note, "at", at);
    json_object_object_add(note, "attempts", json_object_new_int(death->attempts));
    json_object_object_add(
        note, "last_status",
        death->http_status != 0 ? json_object_new_int64(death->http_status) : NULL);
    add_text(note, "error", death->error);
    add_text(note, "answer", death->excerpt);
    size_t length = 0;
    const char *text = hsp_json_text(note, &length);
    char *copy = text != NULL ? strdup(text) : NULL;
    json_object_put(note);
    return copy;
}

/* The letter: the waiting file's event again, with sender and note in front. */
static enum hs_status compose(const struct hsp_endpoint *endpoint, const char *path,
                              const char *note, struct hsp_buffer *letter,
                              char id[HSP_ID_LENGTH + 1], struct hs_error *err) {
    size_t length = 0;
    struct stat info = {0};
    char *bytes =
        hsp_read_file(endpoint->queue_fd, path, HSP_FILE_MAX + FILE_ROOM, &length, &info);
    if (bytes == NULL)
        return hsp_fail_errno(err, HS_E_IO, "read queue/%s/%s", endpoint->name, path);
    struct hsp_record_reader reader;
    struct hsp_record_event event;
    enum hs_status status = hsp_record_open(&reader, bytes, length, err);
    if (status == HS_OK && !hsp_record_next(&reader, &event))
        status =
            hsp_fail(err, HS_E_DATA, "queue/%s/%s holds no event", endpoint->name, path);
    if (status == HS_OK) {
        hsp_record_begin(letter);
        hsp_record_from(letter, reader.from >= 0 ? (uint32_t)reader.from : info.st_uid);
        hsp_record_dead(letter, note, strlen(note));
        hsp_record_event(letter, &event);
        hsp_record_end(letter, 1);
        memcpy(id, event.id, HSP_ID_LENGTH + 1);
        if (letter->failed)
            status = hsp_fail(err, HS_E_NOMEM, "write a dead letter: out of memory");
    }
    free(bytes);
    return status;
}

enum hs_status hsp_dead_bury(const struct hsp_endpoint *endpoint,
                             const struct hsp_entry *entry, const char *note,
                             int64_t *bytes, struct hs_error *err) {
    char path[HSP_ENTRY_PATH_MAX], name[HSP_DEAD_NAME_MAX], id[HSP_ID_LENGTH + 1];
    hsp_entry_path(entry, path);
    *bytes = 0;
    if (faccessat(endpoint->queue_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
        errno == ENOENT)
        return HS_OK;
    struct hsp_buffer letter = {0};
    enum hs_status status = compose(endpoint, path, note, &letter, id, err);
    if (status != HS_OK)
        goto out;
    hsp_dead_name(entry, id, name);
    struct hs_error full = {0};
    enum hs_status written = hsp_replace_file(endpoint->dead_fd, name, 0600, letter.data,
                                              letter.length, true, &full);
    hsp_crash_point("dead-written");
    if (written == HS_E_FULL) {
        /* No room for a copy: the event itself moves, and the journal alone tells why. */
        if (renameat(endpoint->queue_fd, path, endpoint->dead_fd, name) != 0)
            status =
                hsp_fail_errno(err, HS_E_IO, "move %s to dead/%s", path, endpoint->name);
    } else if (written != HS_OK) {
        status = hsp_fail(err, written, "%s in dead/%s", full.text, endpoint->name);
    } else if (unlinkat(endpoint->queue_fd, path, 0) != 0 && errno != ENOENT) {
        status = hsp_fail_errno(err, HS_E_IO, "remove queue/%s/%s", endpoint->name, path);
    }
    if (status == HS_OK)
        *bytes = written == HS_E_FULL ? (int64_t)entry->size : (int64_t)letter.length;
out:
    hsp_buffer_free(&letter);
    return status;
}
