/* SPDX-License-Identifier: MIT */
/* A heap of the smallest names beyond the last one handed over; the largest of them is on
 * top and goes when a smaller one comes. */
#include "config.h"

#include "names.h"

#include "../error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_AT_ONCE 65536
#define SHARDS 256
#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct name {
    char text[HSP_NAME_MAX + 1];
};

struct heap {
    struct name *names;
    size_t count, capacity;
    struct name last; /* handed over already, "" at first */
    bool more;        /* there was no room for some */
};

static int compare(const void *a, const void *b) {
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

/* Is it the last one, perhaps renamed since? */
static bool is_last(const struct heap *heap, const char *name) {
    size_t stem = strcspn(heap->last.text, ".");
    return strncmp(heap->last.text, name, stem) == 0 &&
           (name[stem] == '.' || name[stem] == '\0');
}

static void swap(struct name *a, struct name *b) {
    struct name other = *a;
    *a = *b;
    *b = other;
}

static void sift_up(struct heap *heap, size_t at) {
    while (at > 0 && compare(&heap->names[at], &heap->names[(at - 1) / 2]) > 0) {
        swap(&heap->names[at], &heap->names[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void sift_down(struct heap *heap) {
    for (size_t at = 0;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < heap->count &&
            compare(&heap->names[child + 1], &heap->names[child]) > 0)
            child++;
        if (child >= heap->count || compare(&heap->names[child], &heap->names[at]) <= 0)
            return;
        swap(&heap->names[at], &heap->names[child]);
        at = child;
    }
}

static bool grow(struct heap *heap) {
    size_t wanted = heap->capacity == 0 ? 1024 : heap->capacity * 2;
    struct name *more = realloc(heap->names, wanted * sizeof *more);
    if (more == NULL)
        return false;
    heap->names = more;
    heap->capacity = wanted;
    return true;
}

/* False: out of memory. */
static bool offer(struct heap *heap, const char *name) {
    if (strcmp(name, heap->last.text) <= 0 || is_last(heap, name))
        return true;
    if (heap->count == NAMES_AT_ONCE) {
        heap->more = true;
        if (strcmp(name, heap->names[0].text) >= 0)
            return true;
        snprintf(heap->names[0].text, sizeof heap->names[0].text, "%s", name);
        sift_down(heap);
        return true;
    }
    if (heap->count == heap->capacity && !grow(heap))
        return false;
    snprintf(heap->names[heap->count].text, sizeof heap->names[0].text, "%s", name);
    sift_up(heap, heap->count++);
    return true;
}

/* Folders
 * ---------------------------------------------------------------------------------- */

typedef bool take(void *context, const char *name);

static enum hs_status read_folder(int dirfd, const char *name, take *one, void *context,
                                  struct hs_error *err) {
    int fd = openat(dirfd, name, FOLDER_FLAGS);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return HS_OK;
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        enum hs_status status = hsp_fail_errno(err, HS_E_IO, "read a folder");
        if (fd >= 0)
            close(fd);
        return status;
    }
    enum hs_status status = HS_OK;
    for (struct dirent *item; status == HS_OK && (item = readdir(folder)) != NULL;)
        if (item->d_name[0] != '.' && strlen(item->d_name) <= HSP_NAME_MAX &&
            !one(context, item->d_name))
            status = hsp_fail(err, HS_E_NOMEM, "read a folder: out of memory");
    closedir(folder);
    return status;
}

static enum hs_status read_all(int dirfd, bool sharded, take *one, void *context,
                               struct hs_error *err) {
    if (!sharded)
        return read_folder(dirfd, ".", one, context, err);
    enum hs_status status = HS_OK;
    for (unsigned i = 0; status == HS_OK && i < SHARDS; i++) {
        char shard[3];
        snprintf(shard, sizeof shard, "%02x", i);
        status = read_folder(dirfd, shard, one, context, err);
    }
    return status;
}

static bool take_into_heap(void *context, const char *name) {
    return offer(context, name);
}

static bool take_count(void *context, const char *name) {
    (void)name;
    ++*(size_t *)context;
    return true;
}

enum hs_status hsp_names_count(int dirfd, bool sharded, size_t *count,
                               struct hs_error *err) {
    *count = 0;
    return read_all(dirfd, sharded, take_count, count, err);
}

enum hs_status hsp_names_walk(int dirfd, bool sharded, hsp_name_visit *visit,
                              void *context, struct hs_error *err) {
    struct heap heap = {.more = true};
    enum hs_status status = HS_OK;
    while (status == HS_OK && heap.more) {
        heap.count = 0;
        heap.more = false;
        status = read_all(dirfd, sharded, take_into_heap, &heap, err);
        if (heap.count > 0)
            qsort(heap.names, heap.count, sizeof *heap.names, compare);
        for (size_t i = 0; status == HS_OK && i < heap.count; i++)
            status = visit(context, heap.names[i].text, err);
        if (heap.count > 0)
            heap.last = heap.names[heap.count - 1];
    }
    free(heap.names);
    return status;
}
