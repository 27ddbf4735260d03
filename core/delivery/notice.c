/* SPDX-License-Identifier: MIT */
/* Names of new files. Two sorted lists, of the last scan and of inotify since then, are
 * merged as they are handed out; names held back wait in a third, with the time at which
 * they come back. */
#include "config.h"

#include "notice.h"

#include "../error.h"
#include "../spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID_BYTES 16

struct name {
    uint8_t id[ID_BYTES];
};

struct names {
    struct name *all;
    size_t count, capacity, next;
    bool dirty; /* unsorted from `next` on */
};

struct held {
    struct name name;
    uint64_t object;
    int64_t until_ms;
};

struct hsp_notice {
    int incoming_fd, inotify_fd;
    bool scan_wanted;
    bool is_gone; /* the folder is no longer incoming/ */
    int64_t next_poll_ms;
    struct names scanned, arrived;
    char **strangers;
    size_t stranger_count, stranger_capacity;
    struct held *held;
    size_t held_count, held_capacity;
};

/* Make room for one more element of `size`; doubles. */
static void *grown(void *array, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity)
        return array;
    size_t wanted = *capacity == 0 ? 64 : *capacity * 2;
    void *more = realloc(array, wanted * size);
    if (more != NULL)
        *capacity = wanted;
    return more;
}

/* Names to 16 bytes and back
 * --------------------------------------------------------------- */

static unsigned digit(char c) {
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

static void pack(const char *text, struct name *name) {
    for (size_t i = 0; i < ID_BYTES; i++) {
        if (*text == '-')
            text++;
        name->id[i] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
        text += 2;
    }
}

static void unpack(const struct name *name, char text[HSP_NOTICE_NAME_MAX]) {
    const uint8_t *b = name->id;
    snprintf(
        text, HSP_NOTICE_NAME_MAX,
        "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x" HSP_SUFFIX,
        b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
        b[13], b[14], b[15]);
}

static int by_id(const void *a, const void *b) { return memcmp(a, b, ID_BYTES); }

static bool add_name(struct names *names, const struct name *name) {
    if (names->next == names->count)
        names->next = names->count = 0;
    struct name *all =
        grown(names->all, names->count, &names->capacity, sizeof *names->all);
    if (all == NULL)
        return false;
    names->all = all;
    names->all[names->count++] = *name;
    names->dirty = true;
    return true;
}

static const struct name *first_name(struct names *names) {
    if (names->next == names->count)
        return NULL;
    if (names->dirty)
        qsort(names->all + names->next, names->count - names->next, sizeof *names->all,
              by_id);
    names->dirty = false;
    return &names->all[names->next];
}

static bool add_stranger(struct hsp_notice *notice, const char *text) {
    char **strangers = grown(notice->strangers, notice->stranger_count,
                             &notice->stranger_capacity, sizeof *strangers);
    if (strangers == NULL)
        return false;
    notice->strangers = strangers;
    char *copy = strdup(text);
    if (copy == NULL)
        return false;
    notice->strangers[notice->stranger_count++] = copy;
    return true;
}

static void note(struct hsp_notice *notice, struct names *names, const char *text) {
    struct name name;
    bool ok;
    if (hsp_spool_name_ok(text)) {
        pack(text, &name);
        ok = add_name(names, &name);
    } else {
        ok = add_stranger(notice, text);
    }
    if (!ok)
        notice->scan_wanted = true;
}

/* Scan and watch
 * --------------------------------------------------------------------------- */

static void forget_all(struct hsp_notice *notice) {
    notice->scanned.next = notice->scanned.count = 0;
    notice->arrived.next = notice->arrived.count = 0;
    while (notice->stranger_count > 0)
        free(notice->strangers[--notice->stranger_count]);
}

static enum hs_status scan(struct hsp_notice *notice, struct hs_error *err) {
    int fd = openat(notice->incoming_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        enum hs_status status = hsp_fail_errno(err, HS_E_IO, "read incoming/");
        if (fd >= 0)
            close(fd);
        return status;
    }
    forget_all(notice);
    notice->scan_wanted = false;
    for (struct dirent *item; (item = readdir(folder)) != NULL;)
        if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0)
            note(notice, &notice->scanned, item->d_name);
    closedir(folder);
    return HS_OK;
}

/* A regular file that is only being made is not yet to be looked at: its IN_CLOSE_WRITE
 * will come. Anything else says no more. */
static bool is_complete(struct hsp_notice *notice, const struct inotify_event *event) {
    if ((event->mask & IN_CREATE) == 0)
        return true;
    struct stat info;
    return fstatat(notice->incoming_fd, event->name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
           !S_ISREG(info.st_mode);
}

static void read_watch(struct hsp_notice *notice) {
    _Alignas(struct inotify_event) char room[16384];
    for (;;) {
        ssize_t got = read(notice->inotify_fd, room, sizeof room);
        if (got <= 0)
            return;
        for (char *at = room; at < room + got;) {
            const struct inotify_event *event = (const struct inotify_event *)at;
            if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))
                notice->is_gone = true;
            else if (event->mask & IN_Q_OVERFLOW)
                notice->scan_wanted = true;
            else if (event->len > 0 && is_complete(notice, event))
                note(notice, &notice->arrived, event->name);
            at += sizeof *event + event->len;
        }
    }
}

static void come_back(struct hsp_notice *notice, int64_t now_boot_ms) {
    for (size_t i = 0; i < notice->held_count;) {
        if (notice->held[i].until_ms > now_boot_ms) {
            i++;
            continue;
        }
        if (!add_name(&notice->arrived, &notice->held[i].name))
            notice->scan_wanted = true;
        notice->held[i] = notice->held[--notice->held_count];
    }
}

enum hs_status hsp_notice_open(struct hsp_notice **notice, int incoming_fd,
                               struct hs_error *err) {
    struct hsp_notice *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return hsp_fail(err, HS_E_NOMEM, "watch incoming/: out of memory");
    fresh->incoming_fd = incoming_fd;
    fresh->scan_wanted = true;
    fresh->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", incoming_fd);
    if (fresh->inotify_fd >= 0 &&
        inotify_add_watch(fresh->inotify_fd, path,
                          IN_MOVED_TO | IN_CLOSE_WRITE | IN_CREATE | IN_ONLYDIR |
                              IN_DELETE_SELF | IN_MOVE_SELF) < 0) {
        close(fresh->inotify_fd);
        fresh->inotify_fd = -1;
    }
    *notice = fresh;
    return HS_OK;
}

void hsp_notice_close(struct hsp_notice *notice) {
    if (notice == NULL)
        return;
    forget_all(notice);
    if (notice->inotify_fd >= 0)
        close(notice->inotify_fd);
    free(notice->scanned.all);
    free(notice->arrived.all);
    free(notice->strangers);
    free(notice->held);
    free(notice);
}

int hsp_notice_fd(const struct hsp_notice *notice) { return notice->inotify_fd; }

enum hs_status hsp_notice_update(struct hsp_notice *notice, int64_t now_boot_ms,
                                 struct hs_error *err) {
    if (notice->inotify_fd >= 0)
        read_watch(notice);
    else if (notice->next_poll_ms <= now_boot_ms)
        notice->scan_wanted = true;
    come_back(notice, now_boot_ms);
    if (notice->is_gone)
        return hsp_fail(err, HS_E_SPOOL, "incoming/ was moved or removed");
    if (!notice->scan_wanted)
        return HS_OK;
    notice->next_poll_ms = now_boot_ms + HSP_NOTICE_POLL_MS;
    return scan(notice, err);
}

int64_t hsp_notice_due(const struct hsp_notice *notice) {
    int64_t due = INT64_MAX;
    if (notice->inotify_fd < 0 || notice->scan_wanted)
        due = notice->next_poll_ms;
    for (size_t i = 0; i < notice->held_count; i++)
        if (notice->held[i].until_ms < due)
            due = notice->held[i].until_ms;
    return due;
}

/* Handing out
 * -------------------------------------------------------------------------------- */

bool hsp_notice_next(struct hsp_notice *notice, char name[HSP_NOTICE_NAME_MAX],
                     bool *stranger) {
    *stranger = notice->stranger_count > 0;
    if (*stranger) {
        char *text = notice->strangers[--notice->stranger_count];
        snprintf(name, HSP_NOTICE_NAME_MAX, "%s", text);
        free(text);
        return true;
    }
    const struct name *a = first_name(&notice->scanned),
                      *b = first_name(&notice->arrived);
    if (a == NULL && b == NULL)
        return false;
    int order = a == NULL ? 1 : b == NULL ? -1 : by_id(a, b);
    unpack(order <= 0 ? a : b, name);
    /* The same name in both lists is one file. */
    notice->scanned.next += order <= 0;
    notice->arrived.next += order >= 0;
    return true;
}

bool hsp_notice_is_empty(const struct hsp_notice *notice) {
    return hsp_notice_count(notice) == 0 && notice->held_count == 0 &&
           !notice->scan_wanted;
}

size_t hsp_notice_count(const struct hsp_notice *notice) {
    return notice->stranger_count + notice->scanned.count - notice->scanned.next +
           notice->arrived.count - notice->arrived.next;
}

void hsp_notice_hold(struct hsp_notice *notice, const char *name, uint64_t object,
                     int64_t until_boot_ms) {
    struct name packed;
    pack(name, &packed);
    for (size_t i = 0; i < notice->held_count; i++)
        if (by_id(&notice->held[i].name, &packed) == 0) { /* a scan has found it again */
            notice->held[i].until_ms = until_boot_ms;
            return;
        }
    struct held *held =
        grown(notice->held, notice->held_count, &notice->held_capacity, sizeof *held);
    if (held == NULL) {
        notice->scan_wanted = true;
        return;
    }
    notice->held = held;
    struct held *one = &held[notice->held_count++];
    one->name = packed;
    one->object = object;
    one->until_ms = until_boot_ms;
}

bool hsp_notice_pull(struct hsp_notice *notice, uint64_t object,
                     char name[HSP_NOTICE_NAME_MAX]) {
    for (size_t i = 0; i < notice->held_count; i++) {
        if (notice->held[i].object != object)
            continue;
        unpack(&notice->held[i].name, name);
        notice->held[i] = notice->held[--notice->held_count];
        return true;
    }
    return false;
}

void hsp_notice_rescan(struct hsp_notice *notice) { notice->scan_wanted = true; }
