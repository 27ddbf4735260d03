/* SPDX-License-Identifier: MIT */
/* The state of one endpoint: each verdict has one function that says what becomes of the
 * event and of the state. The whole table stands in docs/outcomes.md. Values in, values
 * out; no clock, no disk. */
#include "config.h"

#include "breaker.h"

#include "backoff.h"

#include <stddef.h>
#include <string.h>

enum { FAILURES_TO_BACKOFF = 3 };

/* One answer on its way to a ruling. */
struct judgement {
    struct hsp_breaker *breaker;
    const struct hsp_endpoint_settings *settings;
    const struct hsp_answer *answer;
    int64_t now_ms;
    uint32_t random;
};

static const char *const state_texts[] = {
    [HSP_STATE_OK] = "ok",
    [HSP_STATE_BACKOFF] = "backoff",
    [HSP_STATE_MISCONFIGURED] = "misconfigured",
    [HSP_STATE_GONE] = "gone",
    [HSP_STATE_PAUSED] = "paused",
    [HSP_STATE_ORPHANED] = "orphaned",
};
#define STATE_COUNT (sizeof(state_texts) / sizeof(state_texts[0]))

/* Nothing is sent and no answer changes it. */
static bool is_shut(const struct hsp_breaker *breaker) {
    return breaker->state == HSP_STATE_GONE || breaker->state == HSP_STATE_PAUSED ||
           breaker->state == HSP_STATE_ORPHANED;
}

static bool counts_all(const struct judgement *j) {
    return j->settings->outage == HSP_OUTAGE_COUNT;
}

static int64_t probe_pause(const struct judgement *j) {
    return hsp_backoff_ms(j->breaker->probes + 1, j->settings->backoff_ms,
                          j->settings->probe_max_ms, j->random);
}

static int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }

/* Go to BACKOFF or MISCONFIGURED, or stay there: the pauses between probes go on growing
 * over both. Where every attempt counts there is no pause, for the events have their own.
 */
static void shy_away(const struct judgement *j, enum hsp_endpoint_state state) {
    struct hsp_breaker *breaker = j->breaker;
    const bool was_away = hsp_breaker_is_probing(breaker);
    if (!was_away)
        breaker->probes = 0;
    else if (j->answer->probe)
        breaker->probes++;
    breaker->state = state;
    if (!counts_all(j) && (!was_away || j->answer->probe))
        breaker->until_ms = later(breaker->busy_ms, j->now_ms + probe_pause(j));
}

/* It answers as it should. */
static void approve(const struct judgement *j) {
    struct hsp_breaker *breaker = j->breaker;
    if (is_shut(breaker))
        return;
    breaker->state = HSP_STATE_OK;
    breaker->failures = 0;
    breaker->probes = 0;
    breaker->until_ms = breaker->busy_ms;
    breaker->unproved = false;
}

static struct hsp_ruling rule(const struct judgement *j, enum hsp_fate fate,
                              int64_t wait_ms) {
    return (struct hsp_ruling){.fate = fate,
                               .attempts = j->answer->attempts,
                               .suspect = j->answer->suspect,
                               .wait_ms = wait_ms};
}

/* An event that failed is due again with the next probe at the latest: else an endpoint
 * whose only event has a long pause of its own would not be probed. */
static int64_t until_probe(const struct judgement *j, int64_t wait_ms) {
    const int64_t pause_ms = later(j->breaker->until_ms - j->now_ms, 0);
    return hsp_breaker_is_probing(j->breaker) && !counts_all(j) && pause_ms < wait_ms
               ? pause_ms
               : wait_ms;
}

static struct hsp_ruling charge(const struct judgement *j, int cost) {
    struct hsp_ruling ruling = rule(j, HSP_FATE_CHARGED, 0);
    ruling.attempts += cost;
    if (ruling.attempts > j->settings->retries) {
        ruling.fate = HSP_FATE_DEAD;
        return ruling;
    }
    ruling.wait_ms =
        until_probe(j, hsp_backoff_ms(ruling.attempts, j->settings->backoff_ms,
                                      j->settings->backoff_max_ms, j->random));
    return ruling;
}

/* Not charged: due with the next probe, or in OK after the first pause. */
static struct hsp_ruling keep(const struct judgement *j) {
    if (is_shut(j->breaker))
        return rule(j, HSP_FATE_KEPT, 0);
    return rule(j, HSP_FATE_KEPT,
                until_probe(j, hsp_backoff_ms(1, j->settings->backoff_ms,
                                              j->settings->backoff_max_ms, j->random)));
}

static struct hsp_ruling on_delivered(const struct judgement *j) {
    approve(j);
    return rule(j, HSP_FATE_DONE, 0);
}

static struct hsp_ruling on_rejected(const struct judgement *j) {
    approve(j);
    return j->answer->probe && !counts_all(j) ? keep(j) : charge(j, 1);
}

/* Would the event die of this failure though nothing has passed since its first one? Then
 * it may as well be the endpoint: with few retries that comes before the third failure in
 * a row does. */
static bool dies_alone(const struct judgement *j) {
    return !counts_all(j) && !j->answer->suspect &&
           j->answer->attempts + 1 > j->settings->retries &&
           j->breaker->failures > j->answer->attempts;
}

static struct hsp_ruling on_retry(const struct judgement *j) {
    struct hsp_breaker *breaker = j->breaker;
    const bool is_ours =
        breaker->state == HSP_STATE_OK && !breaker->unproved && !j->answer->probe;
    if (!is_shut(breaker))
        breaker->failures++;
    const bool spared = is_ours && dies_alone(j);
    if (hsp_breaker_is_probing(breaker) && breaker->failures < FAILURES_TO_BACKOFF)
        shy_away(j, breaker->state);
    else if (!is_shut(breaker) && counts_all(j) &&
             breaker->failures >= FAILURES_TO_BACKOFF)
        breaker->state = HSP_STATE_OK;
    else if (!is_shut(breaker) && (spared || breaker->failures >= FAILURES_TO_BACKOFF))
        shy_away(j, HSP_STATE_BACKOFF);
    if (counts_all(j) || (is_ours && !spared))
        return charge(j, 1);
    struct hsp_ruling ruling = keep(j);
    ruling.suspect = ruling.suspect || spared;
    return ruling;
}

/* Charging begins when the event has failed so twice outside probes, both times while
 * others passed; then the first failure is made up for. */
static struct hsp_ruling on_misconfigured(const struct judgement *j) {
    const bool is_proof = !j->answer->probe && !is_shut(j->breaker);
    const bool charged = is_proof && j->answer->suspect && !j->breaker->unproved;
    if (!is_shut(j->breaker)) {
        shy_away(j, HSP_STATE_MISCONFIGURED);
        j->breaker->failures = 0; /* it answered */
    }
    if (counts_all(j))
        return charge(j, 1);
    if (charged)
        return charge(j, j->answer->attempts == 0 ? 2 : 1);
    struct hsp_ruling ruling = keep(j);
    ruling.suspect = ruling.suspect || is_proof;
    return ruling;
}

static struct hsp_ruling on_gone(const struct judgement *j) {
    if (!is_shut(j->breaker))
        j->breaker->state = HSP_STATE_GONE;
    return keep(j);
}

static struct hsp_ruling on_busy(const struct judgement *j) {
    struct hsp_breaker *breaker = j->breaker;
    const int64_t wait_ms =
        hsp_busy_ms(j->answer->retry_after_s, j->settings->backoff_ms);
    breaker->busy_ms = later(breaker->busy_ms, j->now_ms + wait_ms);
    breaker->until_ms = later(breaker->until_ms, breaker->busy_ms);
    return rule(j, HSP_FATE_KEPT, wait_ms);
}

struct hsp_ruling hsp_breaker_judge(struct hsp_breaker *breaker,
                                    const struct hsp_endpoint_settings *settings,
                                    const struct hsp_answer *answer, int64_t now_boot_ms,
                                    uint32_t random) {
    static struct hsp_ruling (*const judges[])(const struct judgement *) = {
        [HSP_DELIVERED] = on_delivered, [HSP_RETRY] = on_retry,
        [HSP_BUSY] = on_busy,           [HSP_MISCONFIGURED] = on_misconfigured,
        [HSP_GONE] = on_gone,           [HSP_REJECTED] = on_rejected,
    };
    const struct judgement j = {.breaker = breaker,
                                .settings = settings,
                                .answer = answer,
                                .now_ms = now_boot_ms,
                                .random = random};
    const enum hsp_endpoint_state before = breaker->state;
    struct hsp_ruling ruling = judges[answer->verdict](&j);
    ruling.changed = breaker->state != before;
    return ruling;
}

int64_t hsp_breaker_next(const struct hsp_breaker *breaker, int64_t now_boot_ms) {
    return is_shut(breaker) ? INT64_MAX : later(breaker->until_ms, now_boot_ms);
}

bool hsp_breaker_is_probing(const struct hsp_breaker *breaker) {
    return breaker->state == HSP_STATE_BACKOFF ||
           breaker->state == HSP_STATE_MISCONFIGURED;
}

void hsp_breaker_reset(struct hsp_breaker *breaker) {
    *breaker = (struct hsp_breaker){.state = HSP_STATE_OK, .unproved = true};
}

const char *hsp_endpoint_state_text(enum hsp_endpoint_state state) {
    return state_texts[state];
}

bool hsp_endpoint_state_parse(const char *word, enum hsp_endpoint_state *state) {
    for (size_t i = 0; i < STATE_COUNT; i++) {
        if (strcmp(word, state_texts[i]) == 0) {
            *state = (enum hsp_endpoint_state)i;
            return true;
        }
    }
    return false;
}
