/* SPDX-License-Identifier: MIT */
/* Names of waiting events and dead letters, to and from text. */
#include "config.h"

#include "entry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void hsp_entry_shard(uint64_t sequence, char shard[3]) {
    snprintf(shard, 3, "%02x", (unsigned)(sequence >> 10) & 0xff);
}

void hsp_entry_path(const struct hsp_entry *entry, char path[HSP_ENTRY_PATH_MAX]) {
    char shard[3];
    hsp_entry_shard(entry->sequence, shard);
    snprintf(path, HSP_ENTRY_PATH_MAX,
             "%s/%016" PRIx64 ".%016" PRIx64 ".%u.%" PRId64 ".%u.%" PRIu32 ".%" PRIu32,
             shard, entry->sequence, entry->object, entry->attempts, entry->due_s,
             entry->code, entry->size, entry->offset);
}

/* Read `digits` (or, with 0, any number of) digits of `base` up to `end`. */
static bool number(const char **text, int base, int digits, char end, uint64_t *value) {
    const char *set = base == 16 ? "0123456789abcdef" : "0123456789";
    size_t length = strspn(*text, set);
    if (length == 0 || length > 19 || (digits != 0 && length != (size_t)digits) ||
        (*text)[length] != end)
        return false;
    /* A leading zero is never written: the file could not be found by this name again. */
    if (base == 10 && length > 1 && **text == '0')
        return false;
    uint64_t sum = 0;
    for (size_t i = 0; i < length; i++)
        sum = sum * (uint64_t)base + (uint64_t)(strchr(set, (*text)[i]) - set);
    *value = sum;
    *text += length + (end != '\0');
    return true;
}

bool hsp_entry_parse(const char *name, struct hsp_entry *entry) {
    uint64_t sequence, object, attempts, due, code, size, offset;
    if (!number(&name, 16, 16, '.', &sequence) || !number(&name, 16, 16, '.', &object) ||
        !number(&name, 10, 0, '.', &attempts) || !number(&name, 10, 0, '.', &due) ||
        !number(&name, 10, 0, '.', &code) || !number(&name, 10, 0, '.', &size) ||
        !number(&name, 10, 0, '\0', &offset))
        return false;
    if (attempts > 255 || code > 999 || size > UINT32_MAX || offset > UINT32_MAX ||
        due > INT64_MAX)
        return false;
    *entry = (struct hsp_entry){
        .sequence = sequence,
        .object = object,
        .attempts = (unsigned)attempts,
        .due_s = (int64_t)due,
        .code = (unsigned)code,
        .size = (uint32_t)size,
        .offset = (uint32_t)offset,
    };
    return true;
}

void hsp_dead_name(const struct hsp_entry *entry, const char *id,
                   char name[HSP_DEAD_NAME_MAX]) {
    snprintf(name, HSP_DEAD_NAME_MAX, "%016" PRIx64 ".%016" PRIx64 ".%s", entry->sequence,
             entry->object, id);
}

bool hsp_dead_parse(const char *name, struct hsp_entry *entry,
                    char id[HSP_ID_LENGTH + 1]) {
    uint64_t sequence, object;
    if (!number(&name, 16, 16, '.', &sequence) || !number(&name, 16, 16, '.', &object) ||
        !hsp_id_is_valid(name))
        return false;
    *entry = (struct hsp_entry){.sequence = sequence, .object = object};
    memcpy(id, name, HSP_ID_LENGTH + 1);
    return true;
}

struct hsp_entry hsp_entry_plain(const struct hsp_entry *entry) {
    struct hsp_entry plain = *entry;
    plain.attempts = plain.code = 0;
    plain.due_s = 0;
    return plain;
}
