/* SPDX-License-Identifier: MIT */
/* Opening, configuring and loading an endpoint; its kept state is a small text file of
 * KEY=VALUE lines. */
#include "config.h"

#include "endpoint.h"

#include "../buffer.h"
#include "../error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Kept state ----------------------------------------------------------------------------
 */

static void state_name(const char *name, char file[HSP_ENDPOINT_NAME_MAX + 16]) {
    snprintf(file, HSP_ENDPOINT_NAME_MAX + 16, "%s.endpoint", name);
}

enum hs_status hsp_endpoint_save(const struct hsp_endpoint *endpoint,
                                 struct hs_error *err) {
    struct hsp_buffer text = {0};
    hsp_buffer_print(&text, "state=%s\nfailures=%d\nlast_success=%" PRId64 "\n",
                     hsp_endpoint_state_text(endpoint->breaker.state),
                     endpoint->breaker.failures, endpoint->last_success_ms);
    hsp_buffer_print(&text, "last_error=%s\n", endpoint->last_error);
    char file[HSP_ENDPOINT_NAME_MAX + 16];
    state_name(endpoint->name, file);
    enum hs_status status =
        text.failed ? hsp_fail(err, HS_E_NOMEM, "write state/%s: out of memory", file)
                    : hsp_replace_file(endpoint->state_fd, file, 0600, text.data,
                                       text.length, true, err);
    hsp_buffer_free(&text);
    return status;
}

/* Orphaned is no state to come back to: it follows from the configuration. */
static void restore_state(struct hsp_endpoint *endpoint, const char *word) {
    enum hsp_endpoint_state state;
    if (hsp_endpoint_state_parse(word, &state) && state != HSP_STATE_ORPHANED)
        endpoint->breaker.state = state;
}

static void restore_line(struct hsp_endpoint *endpoint, const char *line) {
    if (strncmp(line, "state=", 6) == 0)
        restore_state(endpoint, line + 6);
    else if (strncmp(line, "failures=", 9) == 0)
        endpoint->breaker.failures = atoi(line + 9);
    else if (strncmp(line, "last_success=", 13) == 0)
        endpoint->last_success_ms = strtoll(line + 13, NULL, 10);
    else if (strncmp(line, "last_error=", 11) == 0)
        snprintf(endpoint->last_error, sizeof endpoint->last_error, "%s", line + 11);
}

/* A state that cannot be read is no state: the endpoint starts out as ok. */
static void restore(struct hsp_endpoint *endpoint) {
    char file[HSP_ENDPOINT_NAME_MAX + 16];
    state_name(endpoint->name, file);
    size_t length = 0;
    char *text = hsp_read_file(endpoint->state_fd, file, 4096, &length, NULL);
    if (text == NULL)
        return;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest))
        restore_line(endpoint, line);
    free(text);
}

/* Opening and configuring
 * ----------------------------------------------------------------- */

static enum hs_status open_own(int parent, const struct hsp_spooldir *dir,
                               const char *kind, const char *name, int *fd,
                               struct hs_error *err) {
    char path[HSP_ENDPOINT_NAME_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", kind, name);
    enum hs_status status =
        hsp_make_folder(dir->root, dir->path, path, HSP_PRIVATE_MODE, -1, -1, err);
    if (status != HS_OK)
        return status;
    *fd = openat(parent, name, FOLDER_FLAGS);
    if (*fd < 0)
        return hsp_fail_errno(err, HS_E_SPOOL, "open %s/%s", dir->path, path);
    /* What will be written into a new folder must not go with it in a crash. */
    return fsync(parent) == 0
               ? HS_OK
               : hsp_fail_errno(err, HS_E_IO, "sync %s/%s", dir->path, kind);
}

enum hs_status hsp_endpoint_open(struct hsp_endpoint **endpoint,
                                 const struct hsp_spooldir *dir, const char *name,
                                 struct hs_error *err) {
    struct hsp_endpoint *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return hsp_fail(err, HS_E_NOMEM, "open endpoint %s: out of memory", name);
    snprintf(fresh->name, sizeof fresh->name, "%s", name);
    fresh->queue_fd = fresh->dead_fd = -1;
    fresh->state_fd = dir->state;
    fresh->last_probed = HSP_NO_LINE;
    enum hs_status status = hsp_queue_new(&fresh->queue, err);
    if (status == HS_OK)
        status = hsp_overtaken_open(&fresh->overtaken, dir->state, name, err);
    if (status == HS_OK)
        status = open_own(dir->queue, dir, "queue", name, &fresh->queue_fd, err);
    if (status == HS_OK)
        status = open_own(dir->dead, dir, "dead", name, &fresh->dead_fd, err);
    if (status != HS_OK) {
        hsp_endpoint_close(fresh);
        return status;
    }
    restore(fresh);
    *endpoint = fresh;
    return HS_OK;
}

void hsp_endpoint_close(struct hsp_endpoint *endpoint) {
    if (endpoint == NULL)
        return;
    hsp_signer_free(endpoint->signer);
    hsp_rate_close(endpoint->rate);
    hsp_queue_free(endpoint->queue);
    hsp_overtaken_close(endpoint->overtaken);
    if (endpoint->queue_fd >= 0)
        close(endpoint->queue_fd);
    if (endpoint->dead_fd >= 0)
        close(endpoint->dead_fd);
    free(endpoint);
}

static enum hs_status load_secrets(const struct hsp_endpoint_settings *settings,
                                   struct hsp_signer **signer, struct hs_error *err) {
    size_t count = 0;
    while (count < HSP_SECRETS_MAX && settings->secret_files[count] != NULL)
        count++;
    return hsp_signer_load(signer, settings->secret_files, count,
                           settings->standard_webhooks, err);
}

/* The new window takes over what the file says, requests under way included; those then
 * end without a word to it (see `generation`). */
static enum hs_status open_rate(const struct hsp_endpoint *endpoint,
                                const struct hsp_endpoint_settings *settings,
                                struct hsp_rate_window **rate, struct hs_error *err) {
    char file[HSP_ENDPOINT_NAME_MAX + 16];
    snprintf(file, sizeof file, "%s.rate", endpoint->name);
    return hsp_rate_open(rate, endpoint->state_fd, file, &settings->rate,
                         hsp_now_ms(CLOCK_BOOTTIME), hsp_now_ms(CLOCK_REALTIME), err);
}

enum hs_status hsp_endpoint_configure(struct hsp_endpoint *endpoint,
                                      const struct hsp_endpoint_settings *settings,
                                      struct hs_error *err) {
    struct hsp_signer *signer = NULL;
    struct hsp_rate_window *rate = NULL;
    enum hs_status status = HS_OK;
    if (settings != NULL)
        status = load_secrets(settings, &signer, err);
    if (settings != NULL && status == HS_OK)
        status = open_rate(endpoint, settings, &rate, err);
    if (status != HS_OK) {
        hsp_signer_free(signer);
        return status;
    }
    hsp_signer_free(endpoint->signer);
    hsp_rate_close(endpoint->rate);
    endpoint->rate = rate;
    endpoint->signer = signer;
    endpoint->settings = settings;
    /* A start keeps the state, a reload asks anew. */
    if (endpoint->generation++ > 0 && hsp_breaker_is_probing(&endpoint->breaker)) {
        hsp_breaker_reset(&endpoint->breaker);
        hsp_queue_wake(endpoint->queue, false);
    }
    return HS_OK;
}

/* Loading -------------------------------------------------------------------------------
 */

struct found {
    struct hsp_entry *entries;
    size_t count, capacity;
    size_t strangers;
};

static bool keep(struct found *found, const struct hsp_entry *entry) {
    if (found->count == found->capacity) {
        size_t wanted = found->capacity == 0 ? 1024 : found->capacity * 2;
        struct hsp_entry *more = realloc(found->entries, wanted * sizeof *more);
        if (more == NULL)
            return false;
        found->entries = more;
        found->capacity = wanted;
    }
    found->entries[found->count++] = *entry;
    return true;
}

static enum hs_status scan_shard(struct hsp_endpoint *endpoint, const char *shard,
                                 struct found *found, struct hs_error *err) {
    int fd = openat(endpoint->queue_fd, shard, FOLDER_FLAGS);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
                   ? HS_OK
                   : hsp_fail_errno(err, HS_E_IO, "open queue/%s/%s", endpoint->name,
                                    shard);
    DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        close(fd);
        return hsp_fail_errno(err, HS_E_IO, "read queue/%s/%s", endpoint->name, shard);
    }
    enum hs_status status = HS_OK;
    size_t before = found->count;
    for (struct dirent *item; status == HS_OK && (item = readdir(folder)) != NULL;) {
        struct hsp_entry entry;
        if (item->d_name[0] == '.')
            continue;
        if (!hsp_entry_parse(item->d_name, &entry))
            found->strangers++;
        else if (!keep(found, &entry))
            status =
                hsp_fail(err, HS_E_NOMEM, "read queue/%s: out of memory", endpoint->name);
    }
    closedir(folder);
    /* A folder that once held many names stays large: begin anew. It fails where
     * strangers are left, and that is fine. */
    if (status == HS_OK && found->count == before)
        (void)unlinkat(endpoint->queue_fd, shard, AT_REMOVEDIR);
    return status;
}

static int by_sequence(const void *a, const void *b) {
    const struct hsp_entry *left = a, *right = b;
    return (left->sequence > right->sequence) - (left->sequence < right->sequence);
}

/* Boot-clock time of a due time kept as UTC; a wait is never longer than a day, whatever
 * became of the clock. */
static int64_t due_on_boot_clock(int64_t due_s, int64_t boot_ms, int64_t utc_ms) {
    int64_t wait_ms = due_s * 1000 - utc_ms;
    if (due_s == 0 || wait_ms <= 0)
        return 0;
    return boot_ms + (wait_ms < 86400000 ? wait_ms : 86400000);
}

/* Only the head of a line has attempts in its name. Another one that has was displaced by
 * a letter that came back, when the process died. */
static enum hs_status name_plainly(const struct hsp_endpoint *endpoint,
                                   struct hsp_entry *entry, struct hs_error *err) {
    struct hsp_entry plain = hsp_entry_plain(entry);
    char from[HSP_ENTRY_PATH_MAX], to[HSP_ENTRY_PATH_MAX];
    hsp_entry_path(entry, from);
    hsp_entry_path(&plain, to);
    *entry = plain;
    if (strcmp(from, to) == 0 ||
        renameat(endpoint->queue_fd, from, endpoint->queue_fd, to) == 0)
        return HS_OK;
    return hsp_fail_errno(err, HS_E_IO, "rename queue/%s/%s", endpoint->name, from);
}

static enum hs_status enqueue_found(struct hsp_endpoint *endpoint, struct found *found,
                                    uint64_t *top, struct hs_error *err) {
    int64_t boot_ms = hsp_now_ms(CLOCK_BOOTTIME), utc_ms = hsp_now_ms(CLOCK_REALTIME);
    enum hs_status status = HS_OK;
    if (found->count > 0)
        qsort(found->entries, found->count, sizeof *found->entries, by_sequence);
    for (size_t i = 0; status == HS_OK && i < found->count; i++) {
        struct hsp_entry *entry = &found->entries[i];
        if (hsp_queue_newest(endpoint->queue, entry->object) != 0)
            status = name_plainly(endpoint, entry, err);
        if (status != HS_OK)
            break;
        status = hsp_queue_add(endpoint->queue, entry,
                               due_on_boot_clock(entry->due_s, boot_ms, utc_ms), err);
        if (entry->sequence > *top && entry->sequence < HSP_SEQUENCE_LIMIT)
            *top = entry->sequence;
    }
    return status;
}

static enum hs_status count_dead(struct hsp_endpoint *endpoint, uint64_t *top,
                                 struct hs_error *err) {
    int fd = openat(endpoint->dead_fd, ".", FOLDER_FLAGS);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        if (fd >= 0)
            close(fd);
        return hsp_fail_errno(err, HS_E_IO, "read dead/%s", endpoint->name);
    }
    enum hs_status status = HS_OK;
    for (struct dirent *item; status == HS_OK && (item = readdir(folder)) != NULL;) {
        struct hsp_entry entry;
        char id[HSP_ID_LENGTH + 1];
        struct stat info;
        if (!hsp_dead_parse(item->d_name, &entry, id) ||
            fstatat(endpoint->dead_fd, item->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        endpoint->dead++;
        endpoint->dead_bytes += info.st_size;
        status =
            hsp_overtaken_watch(endpoint->overtaken, entry.object, entry.sequence, err);
        if (entry.sequence > *top && entry.sequence < HSP_SEQUENCE_LIMIT)
            *top = entry.sequence;
    }
    closedir(folder);
    if (status == HS_OK)
        hsp_overtaken_tidy(endpoint->overtaken, endpoint->state_fd, endpoint->name);
    return status;
}

enum hs_status hsp_endpoint_load(struct hsp_endpoint *endpoint, uint64_t *top,
                                 size_t *strangers, struct hs_error *err) {
    struct found found = {0};
    enum hs_status status = HS_OK;
    for (unsigned i = 0; status == HS_OK && i < 256; i++) {
        char shard[3];
        hsp_entry_shard((uint64_t)i << 10, shard);
        status = scan_shard(endpoint, shard, &found, err);
    }
    if (status == HS_OK)
        status = enqueue_found(endpoint, &found, top, err);
    if (status == HS_OK)
        status = count_dead(endpoint, top, err);
    *strangers += found.strangers;
    free(found.entries);
    return status;
}

enum hs_status hsp_endpoint_make_shard(const struct hsp_endpoint *endpoint,
                                       uint64_t sequence, struct hs_error *err) {
    char shard[3];
    hsp_entry_shard(sequence, shard);
    if (mkdirat(endpoint->queue_fd, shard, HSP_PRIVATE_MODE) != 0 && errno != EEXIST)
        return hsp_fail_errno(err, HS_E_IO, "make folder queue/%s/%s", endpoint->name,
                              shard);
    return fsync(endpoint->queue_fd) == 0
               ? HS_OK
               : hsp_fail_errno(err, HS_E_IO, "sync queue/%s", endpoint->name);
}

/* Questions
 * ------------------------------------------------------------------------------ */

enum hsp_endpoint_state hsp_endpoint_state(const struct hsp_endpoint *endpoint) {
    return endpoint->settings == NULL ? HSP_STATE_ORPHANED : endpoint->breaker.state;
}

int64_t hsp_endpoint_put_time(const struct hsp_endpoint *endpoint,
                              const struct hsp_entry *entry) {
    char path[HSP_ENTRY_PATH_MAX];
    hsp_entry_path(entry, path);
    struct stat info;
    if (fstatat(endpoint->queue_fd, path, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    return info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000;
}

bool hsp_names_contain(const char *names, const char *name) {
    size_t wanted = strlen(name);
    while (*names != '\0') {
        size_t length = strcspn(names, ", ");
        if (length == wanted && memcmp(names, name, length) == 0)
            return true;
        names += length;
        names += strspn(names, ", ");
    }
    return false;
}

bool hsp_endpoint_wants(const struct hsp_endpoint *endpoint, enum hs_kind kind,
                        const char *names) {
    if (endpoint->settings == NULL || (endpoint->settings->events & (1u << kind)) == 0)
        return false;
    return names[0] == '\0' || hsp_names_contain(names, endpoint->name);
}
