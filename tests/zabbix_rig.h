/* SPDX-License-Identifier: MIT */
/* Zabbix's history syncers without Zabbix, for unit tests: a folder with map and state
 * file, a spool, values that are fed, and the events that came of them. Every function
 * asserts that it worked. */
#ifndef ZABBIX_RIG_H
#define ZABBIX_RIG_H

#include "syncer.h"

#include <sys/types.h>

extern struct hsp_syncer rig_syncer;

/* A folder "dir" and a spool "spool" in the scratch folder; for setup and teardown. */
int rig_make(void **state);
int rig_remove(void **state);

/* A map of the items 1 to `count`, all with these lines. */
void rig_map(const char *lines, int count);
/* A server begins, and ends as by SIGTERM, or by SIGKILL. */
void rig_start(void);
void rig_stop(void);
void rig_kill(void);
/* Forget all that is on disk but the map. */
void rig_clear(void);
/* A line of this size; before rig_start. 0: as usual. */
void rig_set_line_bytes(size_t bytes);

/* One value in a batch of its own, or one for each of the items 1 to `count`. Each batch
 * is a millisecond after the last. */
void feed(uint64_t itemid, double number);
void feed_text(uint64_t itemid, const char *text);
void feed_all(int count, double number);
/* A value at a time of its own, in ns after the beginning; between begin and end. */
void feed_at(uint64_t itemid, int64_t after_ns, double number);
/* Come by as other processes do, until nothing waits for the disk. */
void rig_attend(void);

/* In a child that has begun; 0 in the child. */
pid_t rig_fork(void);
/* It ended by itself, or by `signal`. */
void rig_await(pid_t child, int signal);

/* Events of the spool, in the order in which hookspoold would take them; read anew by
 * rig_read, which returns how many there are. Each id is there once, or it fails. */
struct rig_event {
    char id[37];
    char host[32]; /* "h1" of item 1 */
    char *body, *details;
    int64_t order_time, order_sequence;
};
size_t rig_read(void);
const struct rig_event *rig_event(size_t index);
/* The events of one item as "DUDU". */
const char *rig_edges(uint64_t itemid);

/* What was logged since the start of the test. */
const char *rig_log(void);
size_t rig_logged(const char *text);

#endif
