/* SPDX-License-Identifier: MIT */
/* The state of one endpoint and what an answer does to it and to the event: the pure half
 * of delivery policy. Values in, values out; no clock, no disk.
 *
 * In HSP_STATE_OK failures are charged to their events. Three endpoint failures in a row
 * without a success between lead to BACKOFF, a misconfigured answer to MISCONFIGURED, 410
 * to GONE. In BACKOFF and MISCONFIGURED one probe at a time is sent, with growing pauses
 * (first `backoff`, at most `probe_max`), and uses up no attempt; a delivered (or
 * rejected: the endpoint works) one leads to OK. Busy endpoints are left alone until
 * `until_ms`, in whatever state. With HSP_OUTAGE_COUNT every failed attempt counts, there
 * is no BACKOFF, and MISCONFIGURED sends one at a time but without pauses of its own. */
#ifndef HSP_BREAKER_H
#define HSP_BREAKER_H

#include "settings.h"
#include "verdict.h"

enum hsp_endpoint_state {
    HSP_STATE_OK,
    HSP_STATE_BACKOFF,
    HSP_STATE_MISCONFIGURED,
    HSP_STATE_GONE,
    HSP_STATE_PAUSED,
    HSP_STATE_ORPHANED,
};
const char *
hsp_endpoint_state_text(enum hsp_endpoint_state state); /* "ok", "backoff" … */
bool hsp_endpoint_state_parse(const char *word, enum hsp_endpoint_state *state);

struct hsp_breaker {
    enum hsp_endpoint_state state;
    int failures;     /* endpoint failures in a row */
    int probes;       /* probes failed in a row */
    int64_t until_ms; /* boot clock: nothing is sent before (busy, or the pause before the
                         next probe) */
    int64_t busy_ms;  /* boot clock: that part of until_ms which the endpoint asked for; 0
                         after a restart will do */
    bool unproved;    /* reset, and nothing has passed since: failures are not charged, so
                         that trying again and again costs no event its attempts */
};

/* What is to be done with the event. */
enum hsp_fate {
    HSP_FATE_DONE,    /* delivered: journal it, remove it */
    HSP_FATE_CHARGED, /* failed, one attempt used: wait `wait_ms` */
    HSP_FATE_KEPT,    /* failed, no attempt used: wait `wait_ms` */
    HSP_FATE_DEAD,    /* no attempt left: dead letter */
};

struct hsp_ruling {
    enum hsp_fate fate;
    int attempts;    /* the event's attempts from now on */
    bool suspect;    /* the event's mark from now on: see below */
    int64_t wait_ms; /* until the event itself is due again */
    bool changed;    /* the endpoint's state changed */
};

struct hsp_answer {
    enum hsp_verdict verdict;
    int64_t retry_after_s; /* -1: absent */
    bool probe;            /* it was sent as a probe */
    int attempts;          /* the event's attempts so far */
    bool suspect;          /* the event failed before in a misconfigured way, uncharged */
};

/* Judge an answer. A misconfigured answer to what was sent in OK is not charged the first
 * time but marks the event suspect; when a suspect event fails so again in OK (so another
 * one passed meanwhile) both failures are charged, and later ones singly: an event
 * refused alone is dead after 1 + retries requests outside probes (one more when it also
 * failed otherwise). An event is dead when attempts > retries. An answer may be late,
 * that is belong to a request sent before the state changed: it is judged by the state of
 * now, and GONE, PAUSED and ORPHANED stay what they are. Table: docs/outcomes.md. */
struct hsp_ruling hsp_breaker_judge(struct hsp_breaker *breaker,
                                    const struct hsp_endpoint_settings *settings,
                                    const struct hsp_answer *answer, int64_t now_boot_ms,
                                    uint32_t random);

/* May something be sent now? Boot-clock ms when, INT64_MAX: not until a person or a
 * reload changes it. */
int64_t hsp_breaker_next(const struct hsp_breaker *breaker, int64_t now_boot_ms);
/* Would what is sent now be a probe (at most one at a time)? */
bool hsp_breaker_is_probing(const struct hsp_breaker *breaker);
/* Back to OK, by hand or after a new configuration, from whatever state. */
void hsp_breaker_reset(struct hsp_breaker *breaker);

#endif
