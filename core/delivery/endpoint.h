/* SPDX-License-Identifier: MIT */
/* One endpoint at work: its settings, what waits for it, its state and what the status
 * shows of it. One that has events but no settings is orphaned: kept, shown, not sent to.
 * Main loop only. */
#ifndef HSP_ENDPOINT_H
#define HSP_ENDPOINT_H

#include "breaker.h"
#include "overtaken.h"
#include "queue.h"
#include "rate.h"
#include "sign.h"
#include "spooldir.h"

struct hsp_endpoint {
    struct hsp_endpoint *next;
    char name[HSP_ENDPOINT_NAME_MAX + 1];
    const struct hsp_endpoint_settings *settings; /* borrowed; NULL: orphaned */
    unsigned generation; /* counts configure calls: open connections of older ones are not
                            used again */
    struct hsp_signer *signer;
    struct hsp_rate_window *rate;
    struct hsp_breaker breaker;
    struct hsp_queue *queue;
    struct hsp_overtaken *overtaken;
    int queue_fd, dead_fd;
    int state_fd; /* borrowed: state/ */

    int in_flight;
    bool probe_in_flight;
    bool trimming; /* a trim of its dead letters is under way */
    hsp_line last_probed;
    size_t dying; /* events on their way to dead/ */
    int64_t dying_bytes;
    int64_t look_for_old_ms; /* boot clock: when to look for events beyond max_age */

    int64_t sent, failed;     /* answers since the daemon started */
    int64_t dead, dead_bytes; /* dead letters */
    int64_t last_success_ms;  /* UTC, 0: none since the state was first kept */
    char last_error[256];     /* "" where none */
};

/* Make or open the endpoint's folders and read its kept state. It is orphaned until
 * configured. */
enum hs_status hsp_endpoint_open(struct hsp_endpoint **endpoint,
                                 const struct hsp_spooldir *dir, const char *name,
                                 struct hs_error *err) HS_MUST_CHECK;
void hsp_endpoint_close(struct hsp_endpoint *endpoint); /* NULL is fine */

/* Give it settings (borrowed until the next call), or NULL to orphan it. Loads secrets
 * and rate window first: on failure all is as before. A changed configuration ends
 * backoff and misconfigured, not gone or paused. */
enum hs_status hsp_endpoint_configure(struct hsp_endpoint *endpoint,
                                      const struct hsp_endpoint_settings *settings,
                                      struct hs_error *err) HS_MUST_CHECK;

/* Read the names of all waiting events and dead letters. `top` is raised to the highest
 * sequence number found. Names that are none of ours are reported in `strangers`. */
enum hs_status hsp_endpoint_load(struct hsp_endpoint *endpoint, uint64_t *top,
                                 size_t *strangers, struct hs_error *err) HS_MUST_CHECK;

/* Keep state and last error over a restart: state/NAME.endpoint. */
enum hs_status hsp_endpoint_save(const struct hsp_endpoint *endpoint,
                                 struct hs_error *err) HS_MUST_CHECK;

/* Make the folder of queue/NAME that holds the event of this number, durably. Any thread.
 * HS_E_IO, HS_E_FULL. */
enum hs_status hsp_endpoint_make_shard(const struct hsp_endpoint *endpoint,
                                       uint64_t sequence,
                                       struct hs_error *err) HS_MUST_CHECK;

/* What the status calls it. */
enum hsp_endpoint_state hsp_endpoint_state(const struct hsp_endpoint *endpoint);

/* When the waiting file was put: UTC ms; -1: it cannot be seen. One look at the disk. */
int64_t hsp_endpoint_put_time(const struct hsp_endpoint *endpoint,
                              const struct hsp_entry *entry);

/* Does it want an event of `kind` that is addressed to `names` ("a,b", "" is all)? */
bool hsp_endpoint_wants(const struct hsp_endpoint *endpoint, enum hs_kind kind,
                        const char *names);
/* Is `name` in the list "a,b"? */
bool hsp_names_contain(const char *names, const char *name);

#endif
