/* SPDX-License-Identifier: MIT */
/* What is known of a spool from outside: its lock, the daemon's own words (by the control
 * socket, or in status.json where it cannot be asked), and what the disk says. For
 * `hookspool status` and check_hookspool. Format of the status: docs/status.md */
#ifndef HSP_STATUS_H
#define HSP_STATUS_H

#include "json.h"
#include "lock.h"
#include <stdbool.h>

#define HSP_STATUS_VERSION 1
#define HSP_NO_TIME INT64_C(-1)

enum hsp_status_source {
    HSP_STATUS_NONE,   /* no daemon has ever written one here */
    HSP_STATUS_FILE,   /* status.json */
    HSP_STATUS_SOCKET, /* the daemon, just now */
};

/* One endpoint. Texts are one line of UTF-8 without control characters, never NULL; times
 * are UTC in ms, or HSP_NO_TIME. */
struct hsp_endpoint_status {
    const char *name, *state;
    char *last_error; /* "": none */
    int64_t pending, pending_bytes, max_queued, max_queued_bytes, in_flight;
    int64_t sent, failed;
    int64_t dead, dead_bytes, max_dead, max_dead_bytes; /* limits: 0 for none */
    int64_t rate_limit, rate_window_ms, rate_used;      /* limit 0: none */
    int64_t oldest_at, next_attempt_at, last_success_at;
};

struct hsp_status {
    int64_t read_at; /* UTC ms */
    enum hsp_service service;
    enum hsp_status_source source;
    /* Why a daemon that holds the lock was not heard; status HS_OK where it was, or none
     * runs. sys_errno ETIMEDOUT: it hangs. */
    struct hs_error silence;

    /* Of the disk. */
    int64_t incoming; /* events' files in incoming/; -1: may not be listed */
    int64_t incoming_oldest_at;
    double space_free, inodes_free; /* percent; -1: the file system does not say */

    /* Of the daemon; with HSP_STATUS_NONE zero and empty. */
    json_object *json; /* as it came, or NULL */
    char *daemon;      /* its version */
    int64_t pid, started_at, updated_at;
    int64_t corrupt;
    bool is_short; /* of space */
    size_t endpoint_count;
    struct hsp_endpoint_status *endpoints; /* in the order of the status */
};

/* Find out all of it. With a daemon blocks for `patience_ms` at most; below 0 it is not
 * asked, and its file counts, which is a second old at most. HS_E_SPOOL: no
 * spool there, or no right to read it (sys_errno EACCES); HS_E_DATA: a damaged status, or
 * one of another version; HS_E_NOMEM. `err` may not be NULL, and is begun anew.
 * `status` is hsp_status_free's, also after a failure. */
enum hs_status hsp_status_get(struct hsp_status *status, const char *spool,
                              int patience_ms, struct hs_error *err) HS_MUST_CHECK;
void hsp_status_free(struct hsp_status *status); /* of zeros: fine */

/* The step of it that reads the daemon's words: `json` is kept. Pure. */
enum hs_status hsp_status_parse(struct hsp_status *status, json_object *json,
                                struct hs_error *err) HS_MUST_CHECK;

/* NULL: no such endpoint. */
const struct hsp_endpoint_status *hsp_status_find(const struct hsp_status *status,
                                                  const char *name);

/* "5s", "3m05s", "2h07m", "3d04h"; "0s" for less than nothing. Returns `text`. */
#define HSP_SPAN_LENGTH 48
const char *hsp_span_text(int64_t span_ms, char text[HSP_SPAN_LENGTH]);

#endif
