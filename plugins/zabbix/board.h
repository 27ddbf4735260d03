/* SPDX-License-Identifier: MIT */
/* What the processes of one Zabbix server have in common: the status of every item, and
 * a line of records (statuses and events) that are on their way to the disk. It lives in
 * memory that is shared by all forks of the process that made it, and is the truth while
 * the server runs; the state file follows it.
 *
 *     item -> change under the table lock -> record at `tail` … `logged` … `put`
 *
 * A process may be killed at any instruction: locks are robust, and a change is written
 * down whole before it is made, so that the next one who locks makes it again. Positions
 * of the line only grow, and each has one writer at a time.
 *
 * Two locks, always in this order: disk (for whoever writes files; held over fsync), then
 * table (for what is in memory; held for microseconds). */
#ifndef HSP_BOARD_H
#define HSP_BOARD_H

#include "complaint.h"
#include "track.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#define HSP_BOARD_ITEMS 100000
#define HSP_BOARD_LINE_BYTES (64 * 1024 * 1024)

struct hsp_board_item {
    uint64_t itemid;
    struct hsp_track track;
    double value; /* the last, for events of other items */
    int64_t value_ns;
};

/* A record of the line; borrowed from it until `put` is beyond. */
struct hsp_board_record {
    uint64_t itemid;
    const char *status;
    const char *event; /* NULL: a status alone */
    size_t event_length;
};

/* Counters for a person. */
enum hsp_board_count {
    HSP_BOARD_EDGES,   /* events that were made */
    HSP_BOARD_LATE,    /* values that came after a newer one */
    HSP_BOARD_IGNORED, /* values that were too old, or there before */
    HSP_BOARD_REFUSED, /* values that there was no room for */
    HSP_BOARD_WAITING, /* events in the line */
    HSP_BOARD_COUNTS,
};

/* The state file as it was left, and how the disk does; with the disk lock, but for what
 * is atomic: others may look at that. */
struct hsp_board_file {
    bool known; /* else it is written anew */
    bool is_foreign;
    dev_t device;
    ino_t inode;
    off_t size, live_size;
    _Atomic uint64_t done;   /* events that are in the spool and still in the file */
    _Atomic int64_t done_us; /* since when, by the running clock, like all of these */
    _Atomic int64_t keep_again_us, put_again_us; /* not before, after a failure; 0 */
    struct hsp_complaint log_fails, put_fails;
};

/* The map that is in use, for all: one process reads the file and finds it good, and the
 * others take it from here. So none of them is left with an older one where the file has
 * become unreadable meanwhile. */
struct hsp_board_map {
    _Atomic uint64_t version;  /* one more with each text; 0: there is none */
    _Atomic uint64_t stamp;    /* of the file that was read last, good or not */
    _Atomic int64_t looked_us; /* when the file was last looked at, running clock */
    /* With the table lock: */
    size_t length;
    char *text;
};

struct hsp_board {
    pthread_mutex_t table, disk;
    atomic_bool loaded; /* the state file has been read */
    _Atomic uint64_t tail, logged, put;
    _Atomic uint64_t counts[HSP_BOARD_COUNTS];
    _Atomic int64_t ticked_us;
    struct hsp_board_map map;
    struct hsp_board_file file;
    struct hsp_complaint refusals; /* with the table lock */
    /* The rest is board.c's. */
    uint32_t item_count;
    struct {
        _Atomic uint32_t pending;
        uint32_t index;
        uint64_t tail;
        struct hsp_board_item item;
    } redo;
    uint64_t next_tail;
    size_t items_max, line_size;
    uint32_t *slots; /* 1 + index into items; 0: free */
    size_t slot_count;
    struct hsp_board_item *items;
    char *line;
    size_t map_size; /* of its text */
    size_t mapped_bytes;
};

/* Make one, for this process and those that it forks. NULL and errno. Memory is taken
 * from the system as it is used. */
struct hsp_board *hsp_board_new(size_t items_max, size_t line_bytes, size_t map_bytes);
void hsp_board_free(struct hsp_board *board); /* NULL is fine */

/* false: not within `timeout_ms` (-1: wait for ever). */
bool hsp_board_lock_disk(struct hsp_board *board, int64_t timeout_ms);
void hsp_board_unlock_disk(struct hsp_board *board);
void hsp_board_lock(struct hsp_board *board);
void hsp_board_unlock(struct hsp_board *board);

/* All of these with the table lock. */

/* The item; NULL: not known. It is changed by hsp_board_commit only, but for its value.
 */
struct hsp_board_item *hsp_board_find(const struct hsp_board *board, uint64_t itemid);
/* A new one; NULL: there is no room. */
struct hsp_board_item *hsp_board_add(struct hsp_board *board, uint64_t itemid,
                                     const struct hsp_clock *now);
/* Prepare a record at the end of the line; false: no room. Nobody sees it before the
 * commit. `event_length` 0: a status alone. */
bool hsp_board_prepare(struct hsp_board *board, uint64_t itemid, const char *status,
                       const char *event, size_t event_length);
/* Change the item and let the line have what was prepared, both or none. */
void hsp_board_commit(struct hsp_board *board, struct hsp_board_item *item,
                      const struct hsp_board_item *changed);
/* Forget what was prepared. */
void hsp_board_forget(struct hsp_board *board);
/* Let the line have what was prepared, without a change. */
void hsp_board_publish(struct hsp_board *board);
/* Where all of the line is in state file and spool: let it begin anew, so that memory
 * which was never used needs not be. With the disk lock, too. */
void hsp_board_rewind(struct hsp_board *board);
/* Let all have this text as their map; the version that it has then. false: it is longer
 * than `map_bytes`. */
bool hsp_board_set_map(struct hsp_board *board, const char *text, size_t length,
                       uint64_t *version);
/* Items and line back to nothing. */
void hsp_board_reset(struct hsp_board *board);

/* The record at `*at`, which moves behind it; false: `*at` is `end`. */
bool hsp_board_next(const struct hsp_board *board, uint64_t *at, uint64_t end,
                    struct hsp_board_record *record);

#endif
