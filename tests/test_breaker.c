/* SPDX-License-Identifier: MIT */
/* Endpoint states: every verdict in every state, then the stories that the policy is
 * for, told by a small model of the queue in front of one endpoint. */
#include "config.h"

#include "delivery/breaker.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NOW INT64_C(1000000)

static const struct hsp_endpoint_settings wait_settings = {.retries = 5,
                                                           .backoff_ms = 10000,
                                                           .backoff_max_ms = 3600000,
                                                           .probe_max_ms = 60000,
                                                           .outage = HSP_OUTAGE_WAIT};
static const struct hsp_endpoint_settings count_settings = {.retries = 5,
                                                            .backoff_ms = 10000,
                                                            .backoff_max_ms = 3600000,
                                                            .probe_max_ms = 60000,
                                                            .outage = HSP_OUTAGE_COUNT};

/* The table
 * ------------------------------------------------------------------------------------ */

enum { OK = HSP_STATE_OK, BACK = HSP_STATE_BACKOFF, MISC = HSP_STATE_MISCONFIGURED };
enum { GONE = HSP_STATE_GONE, PAUS = HSP_STATE_PAUSED, ORPH = HSP_STATE_ORPHANED };
enum { DONE = HSP_FATE_DONE, CHARGED = HSP_FATE_CHARGED, KEPT = HSP_FATE_KEPT };

/* One failure before, an event with one attempt. */
static const struct {
    enum hsp_verdict verdict;
    int before;
    /* sent as a probe; or in OK, and late where the state is another one */
    struct {
        int state, fate, attempts;
    } probe, late, count; /* count: late with outage = "count" */
} table[] = {
    {HSP_DELIVERED, OK, {OK, DONE, 1}, {OK, DONE, 1}, {OK, DONE, 1}},
    {HSP_DELIVERED, BACK, {OK, DONE, 1}, {OK, DONE, 1}, {OK, DONE, 1}},
    {HSP_DELIVERED, MISC, {OK, DONE, 1}, {OK, DONE, 1}, {OK, DONE, 1}},
    {HSP_DELIVERED, GONE, {GONE, DONE, 1}, {GONE, DONE, 1}, {GONE, DONE, 1}},
    {HSP_DELIVERED, PAUS, {PAUS, DONE, 1}, {PAUS, DONE, 1}, {PAUS, DONE, 1}},
    {HSP_DELIVERED, ORPH, {ORPH, DONE, 1}, {ORPH, DONE, 1}, {ORPH, DONE, 1}},
    {HSP_RETRY, OK, {OK, KEPT, 1}, {OK, CHARGED, 2}, {OK, CHARGED, 2}},
    {HSP_RETRY, BACK, {BACK, KEPT, 1}, {BACK, KEPT, 1}, {BACK, CHARGED, 2}},
    {HSP_RETRY, MISC, {MISC, KEPT, 1}, {MISC, KEPT, 1}, {MISC, CHARGED, 2}},
    {HSP_RETRY, GONE, {GONE, KEPT, 1}, {GONE, KEPT, 1}, {GONE, CHARGED, 2}},
    {HSP_RETRY, PAUS, {PAUS, KEPT, 1}, {PAUS, KEPT, 1}, {PAUS, CHARGED, 2}},
    {HSP_RETRY, ORPH, {ORPH, KEPT, 1}, {ORPH, KEPT, 1}, {ORPH, CHARGED, 2}},
    {HSP_BUSY, OK, {OK, KEPT, 1}, {OK, KEPT, 1}, {OK, KEPT, 1}},
    {HSP_BUSY, BACK, {BACK, KEPT, 1}, {BACK, KEPT, 1}, {BACK, KEPT, 1}},
    {HSP_BUSY, MISC, {MISC, KEPT, 1}, {MISC, KEPT, 1}, {MISC, KEPT, 1}},
    {HSP_BUSY, GONE, {GONE, KEPT, 1}, {GONE, KEPT, 1}, {GONE, KEPT, 1}},
    {HSP_BUSY, PAUS, {PAUS, KEPT, 1}, {PAUS, KEPT, 1}, {PAUS, KEPT, 1}},
    {HSP_BUSY, ORPH, {ORPH, KEPT, 1}, {ORPH, KEPT, 1}, {ORPH, KEPT, 1}},
    {HSP_MISCONFIGURED, OK, {MISC, KEPT, 1}, {MISC, KEPT, 1}, {MISC, CHARGED, 2}},
    {HSP_MISCONFIGURED, BACK, {MISC, KEPT, 1}, {MISC, KEPT, 1}, {MISC, CHARGED, 2}},
    {HSP_MISCONFIGURED, MISC, {MISC, KEPT, 1}, {MISC, KEPT, 1}, {MISC, CHARGED, 2}},
    {HSP_MISCONFIGURED, GONE, {GONE, KEPT, 1}, {GONE, KEPT, 1}, {GONE, CHARGED, 2}},
    {HSP_MISCONFIGURED, PAUS, {PAUS, KEPT, 1}, {PAUS, KEPT, 1}, {PAUS, CHARGED, 2}},
    {HSP_MISCONFIGURED, ORPH, {ORPH, KEPT, 1}, {ORPH, KEPT, 1}, {ORPH, CHARGED, 2}},
    {HSP_GONE, OK, {GONE, KEPT, 1}, {GONE, KEPT, 1}, {GONE, KEPT, 1}},
    {HSP_GONE, BACK, {GONE, KEPT, 1}, {GONE, KEPT, 1}, {GONE, KEPT, 1}},
    {HSP_GONE, MISC, {GONE, KEPT, 1}, {GONE, KEPT, 1}, {GONE, KEPT, 1}},
    {HSP_GONE, GONE, {GONE, KEPT, 1}, {GONE, KEPT, 1}, {GONE, KEPT, 1}},
    {HSP_GONE, PAUS, {PAUS, KEPT, 1}, {PAUS, KEPT, 1}, {PAUS, KEPT, 1}},
    {HSP_GONE, ORPH, {ORPH, KEPT, 1}, {ORPH, KEPT, 1}, {ORPH, KEPT, 1}},
    {HSP_REJECTED, OK, {OK, KEPT, 1}, {OK, CHARGED, 2}, {OK, CHARGED, 2}},
    {HSP_REJECTED, BACK, {OK, KEPT, 1}, {OK, CHARGED, 2}, {OK, CHARGED, 2}},
    {HSP_REJECTED, MISC, {OK, KEPT, 1}, {OK, CHARGED, 2}, {OK, CHARGED, 2}},
    {HSP_REJECTED, GONE, {GONE, KEPT, 1}, {GONE, CHARGED, 2}, {GONE, CHARGED, 2}},
    {HSP_REJECTED, PAUS, {PAUS, KEPT, 1}, {PAUS, CHARGED, 2}, {PAUS, CHARGED, 2}},
    {HSP_REJECTED, ORPH, {ORPH, KEPT, 1}, {ORPH, CHARGED, 2}, {ORPH, CHARGED, 2}},
};

static void check_row(size_t row, const struct hsp_endpoint_settings *settings,
                      bool probe, int state, int fate, int attempts) {
    struct hsp_breaker breaker = {.state = table[row].before, .failures = 1};
    const struct hsp_answer answer = {
        .verdict = table[row].verdict, .retry_after_s = 7, .probe = probe, .attempts = 1};
    const struct hsp_ruling ruling =
        hsp_breaker_judge(&breaker, settings, &answer, NOW, 0);
    if ((int)breaker.state != state || (int)ruling.fate != fate ||
        ruling.attempts != attempts)
        fail_msg("row %zu (%s in %s, probe %d): state %s, fate %d, attempts %d", row,
                 hsp_verdict_text(table[row].verdict),
                 hsp_endpoint_state_text(table[row].before), probe,
                 hsp_endpoint_state_text(breaker.state), ruling.fate, ruling.attempts);
    assert_int_equal(ruling.changed, table[row].before != state);
    assert_true(ruling.wait_ms >= 0);
    const bool is_shut = state == GONE || state == PAUS || state == ORPH;
    assert_int_equal(hsp_breaker_next(&breaker, NOW) == INT64_MAX, is_shut);
    assert_int_equal(hsp_breaker_is_probing(&breaker), state == BACK || state == MISC);
}

static void test_every_verdict_in_every_state(void **state) {
    (void)state;
    assert_int_equal(sizeof(table) / sizeof(table[0]), 36);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        check_row(i, &wait_settings, true, table[i].probe.state, table[i].probe.fate,
                  table[i].probe.attempts);
        check_row(i, &wait_settings, false, table[i].late.state, table[i].late.fate,
                  table[i].late.attempts);
        check_row(i, &count_settings, false, table[i].count.state, table[i].count.fate,
                  table[i].count.attempts);
    }
}

/* Details
 * ------------------------------------------------------------------------------------ */

static struct hsp_ruling judge(struct hsp_breaker *breaker, enum hsp_verdict verdict,
                               bool probe, int attempts, int64_t now_ms) {
    const struct hsp_answer answer = {
        .verdict = verdict, .retry_after_s = -1, .probe = probe, .attempts = attempts};
    return hsp_breaker_judge(breaker, &wait_settings, &answer, now_ms, 0);
}

static void test_three_failures_in_a_row(void **state) {
    struct hsp_breaker breaker = {0};
    (void)state;
    judge(&breaker, HSP_RETRY, false, 0, NOW);
    judge(&breaker, HSP_RETRY, false, 0, NOW);
    judge(&breaker, HSP_DELIVERED, false, 0, NOW);
    judge(&breaker, HSP_RETRY, false, 0, NOW);
    judge(&breaker, HSP_REJECTED, false, 0, NOW); /* it works */
    judge(&breaker, HSP_RETRY, false, 0, NOW);
    judge(&breaker, HSP_RETRY, false, 0, NOW);
    judge(&breaker, HSP_BUSY, false, 0, NOW); /* neither of both */
    assert_int_equal(breaker.state, HSP_STATE_OK);
    const struct hsp_ruling third = judge(&breaker, HSP_RETRY, false, 0, NOW);
    assert_int_equal(breaker.state, HSP_STATE_BACKOFF);
    assert_int_equal(third.fate, HSP_FATE_CHARGED);
    assert_true(third.changed);
}

static void test_attempts_and_pauses(void **state) {
    (void)state;
    for (int attempts = 0; attempts <= 5; attempts++) {
        struct hsp_breaker breaker = {0};
        const struct hsp_ruling ruling =
            judge(&breaker, HSP_REJECTED, false, attempts, NOW);
        static const int64_t pauses_ms[] = {10000, 30000, 90000, 270000, 810000, 0};
        assert_int_equal(ruling.fate, attempts < 5 ? HSP_FATE_CHARGED : HSP_FATE_DEAD);
        assert_int_equal(ruling.attempts, attempts + 1);
        assert_int_equal(ruling.wait_ms, pauses_ms[attempts]);
    }
}

/* 10 s, 30 s, then a minute each; the event is due again no later than the probe. */
static void test_pauses_between_probes(void **state) {
    static const int64_t pauses_ms[] = {30000, 60000, 60000, 60000};
    struct hsp_breaker breaker = {.failures = 2};
    int64_t now_ms = NOW;
    (void)state;
    const struct hsp_ruling first = judge(&breaker, HSP_RETRY, false, 3, now_ms);
    assert_int_equal(hsp_breaker_next(&breaker, now_ms), now_ms + 10000);
    assert_int_equal(first.wait_ms, 10000); /* not 270 s: else nothing could be probed */
    for (size_t i = 0; i < 4; i++) {
        now_ms = hsp_breaker_next(&breaker, now_ms);
        const struct hsp_ruling ruling = judge(&breaker, HSP_RETRY, true, 4, now_ms);
        assert_int_equal(hsp_breaker_next(&breaker, now_ms), now_ms + pauses_ms[i]);
        assert_in_range(ruling.wait_ms, 1, pauses_ms[i]);
        assert_int_equal(ruling.attempts, 4);
    }
    /* Late answers of requests sent in OK do not put the probe off. */
    const int64_t next_ms = hsp_breaker_next(&breaker, now_ms);
    judge(&breaker, HSP_RETRY, false, 0, now_ms + 59000);
    judge(&breaker, HSP_MISCONFIGURED, false, 0, now_ms + 59000);
    assert_int_equal(breaker.state, HSP_STATE_MISCONFIGURED);
    assert_int_equal(hsp_breaker_next(&breaker, now_ms), next_ms);
    /* The pauses go on growing when the reason changes, and begin anew after a success.
     */
    judge(&breaker, HSP_MISCONFIGURED, true, 0, next_ms);
    assert_int_equal(hsp_breaker_next(&breaker, next_ms), next_ms + 60000);
    judge(&breaker, HSP_DELIVERED, true, 0, next_ms);
    assert_int_equal(hsp_breaker_next(&breaker, next_ms), next_ms);
    judge(&breaker, HSP_MISCONFIGURED, false, 0, next_ms);
    assert_int_equal(hsp_breaker_next(&breaker, next_ms), next_ms + 10000);
}

/* A misconfigured endpoint that stops answering is in backoff after three failures. */
static void test_misconfigured_then_away(void **state) {
    struct hsp_breaker breaker = {.failures = 2};
    (void)state;
    judge(&breaker, HSP_MISCONFIGURED, false, 0, NOW);
    judge(&breaker, HSP_RETRY, true, 0, NOW);
    judge(&breaker, HSP_RETRY, true, 0, NOW);
    assert_int_equal(breaker.state, HSP_STATE_MISCONFIGURED);
    judge(&breaker, HSP_RETRY, true, 0, NOW);
    assert_int_equal(breaker.state, HSP_STATE_BACKOFF);
    judge(&breaker, HSP_MISCONFIGURED, true, 0, NOW);
    assert_int_equal(breaker.state, HSP_STATE_MISCONFIGURED);
}

/* Where every attempt counts there is no backoff: it is ok again, that is not known to be
 * set up wrongly. */
static void test_misconfigured_then_away_with_outage_count(void **state) {
    struct hsp_breaker breaker = {0};
    struct hsp_answer answer = {.verdict = HSP_MISCONFIGURED, .retry_after_s = -1};
    (void)state;
    hsp_breaker_judge(&breaker, &count_settings, &answer, NOW, 0);
    assert_int_equal(breaker.state, HSP_STATE_MISCONFIGURED);
    assert_int_equal(hsp_breaker_next(&breaker, NOW), NOW);
    answer.verdict = HSP_RETRY;
    answer.probe = true;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(breaker.state, HSP_STATE_MISCONFIGURED);
        const struct hsp_ruling ruling =
            hsp_breaker_judge(&breaker, &count_settings, &answer, NOW, 0);
        assert_int_equal(ruling.attempts, 1);
    }
    assert_int_equal(breaker.state, HSP_STATE_OK);
}

static void test_busy(void **state) {
    struct hsp_breaker breaker = {0};
    struct hsp_answer answer = {.verdict = HSP_BUSY, .retry_after_s = 120, .attempts = 5};
    (void)state;
    struct hsp_ruling ruling =
        hsp_breaker_judge(&breaker, &wait_settings, &answer, NOW, 0);
    assert_int_equal(ruling.fate, HSP_FATE_KEPT);
    assert_int_equal(ruling.attempts, 5);
    assert_int_equal(ruling.wait_ms, 120000);
    assert_int_equal(hsp_breaker_next(&breaker, NOW), NOW + 120000);
    /* A shorter word after it does not shorten it, nor does a late delivery … */
    answer.retry_after_s = 1;
    hsp_breaker_judge(&breaker, &wait_settings, &answer, NOW, 0);
    judge(&breaker, HSP_DELIVERED, false, 0, NOW);
    assert_int_equal(hsp_breaker_next(&breaker, NOW), NOW + 120000);
    /* … nor the way over misconfigured back to ok. */
    judge(&breaker, HSP_MISCONFIGURED, false, 0, NOW);
    assert_int_equal(hsp_breaker_next(&breaker, NOW), NOW + 120000);
    judge(&breaker, HSP_DELIVERED, false, 0, NOW);
    assert_int_equal(breaker.state, HSP_STATE_OK);
    assert_int_equal(hsp_breaker_next(&breaker, NOW), NOW + 120000);
    assert_int_equal(hsp_breaker_next(&breaker, NOW + 120000), NOW + 120000);
    assert_int_equal(hsp_breaker_next(&breaker, NOW + 130000), NOW + 130000);
    /* Without the header, the first pause; a day is an hour. */
    ruling = judge(&breaker, HSP_BUSY, false, 0, NOW + 200000);
    assert_int_equal(ruling.wait_ms, 10000);
    answer.retry_after_s = 86400;
    ruling = hsp_breaker_judge(&breaker, &wait_settings, &answer, NOW, 0);
    assert_int_equal(ruling.wait_ms, 3600000);
    hsp_breaker_reset(&breaker);
    assert_int_equal(hsp_breaker_next(&breaker, NOW), NOW);
}

static void test_suspects(void **state) {
    struct hsp_breaker breaker = {0};
    struct hsp_answer answer = {.verdict = HSP_MISCONFIGURED, .retry_after_s = -1};
    (void)state;
    /* First in OK: marked, not charged; as a probe nothing is added. */
    struct hsp_ruling ruling =
        hsp_breaker_judge(&breaker, &wait_settings, &answer, NOW, 0);
    assert_true(ruling.suspect);
    assert_int_equal(ruling.attempts, 0);
    answer.suspect = true;
    answer.probe = true;
    ruling = hsp_breaker_judge(&breaker, &wait_settings, &answer, NOW, 0);
    assert_int_equal(ruling.fate, HSP_FATE_KEPT);
    assert_int_equal(ruling.attempts, 0);
    /* Another one passes; the suspect fails again in OK: both count, then each. */
    judge(&breaker, HSP_DELIVERED, true, 0, NOW);
    answer.probe = false;
    for (int attempts = 2; attempts <= 6; attempts++) {
        ruling = hsp_breaker_judge(&breaker, &wait_settings, &answer, NOW, 0);
        assert_int_equal(ruling.attempts, attempts);
        assert_int_equal(ruling.fate, attempts <= 5 ? HSP_FATE_CHARGED : HSP_FATE_DEAD);
        answer.attempts = ruling.attempts;
        judge(&breaker, HSP_DELIVERED, true, 0, NOW);
    }
    /* A probe never marks an event. */
    ruling = judge(&breaker, HSP_MISCONFIGURED, true, 0, NOW);
    assert_false(ruling.suspect);
}

/* Resuming or reloading again and again costs no event an attempt. */
static void test_reset(void **state) {
    struct hsp_answer answer = {.retry_after_s = -1, .attempts = 4, .suspect = true};
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct hsp_breaker breaker = {.state = (enum hsp_endpoint_state)(i % 6),
                                      .until_ms = INT64_MAX,
                                      .busy_ms = INT64_MAX};
        hsp_breaker_reset(&breaker);
        assert_int_equal(breaker.state, HSP_STATE_OK);
        assert_int_equal(hsp_breaker_next(&breaker, NOW), NOW);
        answer.verdict = i < 10 ? HSP_RETRY : HSP_MISCONFIGURED;
        const struct hsp_ruling ruling =
            hsp_breaker_judge(&breaker, &wait_settings, &answer, NOW, 0);
        assert_int_equal(ruling.fate, HSP_FATE_KEPT);
        assert_int_equal(ruling.attempts, 4);
    }
    /* But three in a row are backoff, and after a success all is as usual. */
    struct hsp_breaker breaker = {0};
    hsp_breaker_reset(&breaker);
    for (int i = 0; i < 3; i++)
        judge(&breaker, HSP_RETRY, false, 0, NOW);
    assert_int_equal(breaker.state, HSP_STATE_BACKOFF);
    judge(&breaker, HSP_DELIVERED, true, 0, NOW);
    assert_int_equal(judge(&breaker, HSP_RETRY, false, 0, NOW).fate, HSP_FATE_CHARGED);
}

static void test_state_texts(void **state) {
    static const char *const texts[] = {"ok",   "backoff", "misconfigured",
                                        "gone", "paused",  "orphaned"};
    enum hsp_endpoint_state parsed = HSP_STATE_PAUSED;
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(hsp_endpoint_state_text((enum hsp_endpoint_state)i),
                            texts[i]);
        assert_true(hsp_endpoint_state_parse(texts[i], &parsed));
        assert_int_equal(parsed, i);
    }
    assert_false(hsp_endpoint_state_parse("OK", &parsed));
    assert_false(hsp_endpoint_state_parse("", &parsed));
    assert_int_equal(parsed, HSP_STATE_ORPHANED);
}

/* Stories
 * ------------------------------------------------------------------------------------ */

#define EVENTS 40
#define CONNECTIONS 8

/* Events, each of a monitor of its own, in front of one endpoint. In each round, those
 * due are sent together, in probing one at a time; the one due for longest goes first. */
struct model {
    struct hsp_breaker breaker;
    const struct hsp_endpoint_settings *settings;
    struct model_event {
        enum { ABSENT, WAITING, DELIVERED, DEAD } is;
        enum hsp_verdict verdict; /* what the endpoint says to it while it is there */
        int attempts, requests, probes;
        bool suspect;
        int64_t due_ms;
    } events[EVENTS];
    int64_t now_ms;
    bool is_away;       /* no connection */
    bool is_wrong;      /* 401 for all */
    int requests_total; /* for the jitter */
};

static void put(struct model *model, size_t at, enum hsp_verdict verdict) {
    model->events[at] = (struct model_event){
        .is = WAITING, .verdict = verdict, .due_ms = model->now_ms + (int64_t)at};
}

static size_t count_in(const struct model *model, int is) {
    size_t count = 0;
    for (size_t i = 0; i < EVENTS; i++)
        count += (int)model->events[i].is == is;
    return count;
}

static struct model_event *first_due(struct model *model, const bool sent[EVENTS]) {
    struct model_event *first = NULL;
    for (size_t i = 0; i < EVENTS; i++) {
        struct model_event *event = &model->events[i];
        if (event->is == WAITING && !sent[i] && event->due_ms <= model->now_ms &&
            (first == NULL || event->due_ms < first->due_ms))
            first = event;
    }
    return first;
}

static void answer_event(struct model *model, struct model_event *event, bool probe) {
    const struct hsp_answer answer = {
        .verdict = model->is_away    ? HSP_RETRY
                   : model->is_wrong ? HSP_MISCONFIGURED
                                     : event->verdict,
        .retry_after_s = -1,
        .probe = probe,
        .attempts = event->attempts,
        .suspect = event->suspect,
    };
    const uint32_t random = (uint32_t)++model->requests_total * 2654435761u;
    const struct hsp_ruling ruling = hsp_breaker_judge(&model->breaker, model->settings,
                                                       &answer, model->now_ms, random);
    event->requests += !probe;
    event->probes += probe;
    event->attempts = ruling.attempts;
    event->suspect = ruling.suspect;
    event->due_ms = model->now_ms + ruling.wait_ms;
    if (ruling.fate == HSP_FATE_DONE)
        event->is = DELIVERED;
    else if (ruling.fate == HSP_FATE_DEAD)
        event->is = DEAD;
}

/* What is due now goes out together; the answers come after all have been sent. */
static void run_round(struct model *model) {
    struct model_event *under_way[CONNECTIONS];
    bool sent[EVENTS] = {false};
    size_t count = 0;
    const bool probing = hsp_breaker_is_probing(&model->breaker);
    if (hsp_breaker_next(&model->breaker, model->now_ms) > model->now_ms)
        return;
    while (count < (probing ? 1 : CONNECTIONS)) {
        struct model_event *event = first_due(model, sent);
        if (event == NULL)
            break;
        sent[event - model->events] = true;
        under_way[count++] = event;
    }
    for (size_t i = 0; i < count; i++)
        answer_event(model, under_way[i], probing);
}

static void run(struct model *model, int64_t for_ms) {
    for (int64_t end_ms = model->now_ms + for_ms; model->now_ms < end_ms;
         model->now_ms += 1000)
        run_round(model);
}

static void test_story_outage_for_hours(void **state) {
    struct model model = {.settings = &wait_settings, .now_ms = NOW};
    (void)state;
    for (size_t i = 0; i < EVENTS; i++)
        put(&model, i, HSP_DELIVERED);
    model.is_away = true;
    run(&model, 8 * 3600 * 1000);
    int charged = 0, probes = 0, probed = 0;
    for (size_t i = 0; i < EVENTS; i++) {
        charged += model.events[i].attempts;
        probes += model.events[i].probes;
        probed += model.events[i].probes > 0;
    }
    assert_int_equal(model.breaker.state, HSP_STATE_BACKOFF);
    assert_int_equal(charged, 3);
    assert_int_equal(count_in(&model, WAITING), EVENTS);
    assert_in_range(probes, 8 * 60 - 10, 8 * 75 + 10); /* about one a minute */
    assert_int_equal(probed, EVENTS);                  /* not always the same */
    model.is_away = false;
    run(&model, 120000);
    assert_int_equal(count_in(&model, DELIVERED), EVENTS);
}

static void test_story_wrong_secret_for_hours(void **state) {
    struct model model = {.settings = &wait_settings, .now_ms = NOW};
    (void)state;
    for (size_t i = 0; i < EVENTS; i++)
        put(&model, i, HSP_DELIVERED);
    model.is_wrong = true;
    for (int reload = 0; reload < 10; reload++) {
        run(&model, 3600 * 1000);
        hsp_breaker_reset(&model.breaker); /* tried again, still wrong */
    }
    run(&model, 3600 * 1000);
    assert_int_equal(model.breaker.state, HSP_STATE_MISCONFIGURED);
    for (size_t i = 0; i < EVENTS; i++)
        assert_int_equal(model.events[i].attempts, 0);
    model.is_wrong = false;
    run(&model, 120000);
    assert_int_equal(count_in(&model, DELIVERED), EVENTS);
}

/* New events keep coming; `poison` ones fail for themselves. */
static void run_with_poison(struct model *model, enum hsp_verdict verdict,
                            size_t poison) {
    for (size_t i = 0; i < poison; i++)
        put(model, i, verdict);
    for (int minute = 0; minute < 24 * 60; minute++) {
        for (size_t i = poison; i < EVENTS; i++)
            if (minute % 3 == 0 && model->events[i].is != WAITING)
                put(model, i, HSP_DELIVERED);
        run(model, 60000);
        for (size_t i = poison; i < EVENTS; i++)
            assert_int_not_equal(model->events[i].is, DEAD);
    }
}

static void test_story_poison_dies(void **state) {
    static const enum hsp_verdict verdicts[] = {HSP_RETRY, HSP_MISCONFIGURED,
                                                HSP_REJECTED};
    (void)state;
    for (size_t v = 0; v < 3; v++) {
        struct model model = {.settings = &wait_settings, .now_ms = NOW};
        run_with_poison(&model, verdicts[v], 1);
        assert_int_equal(model.events[0].is, DEAD);
        assert_int_equal(model.events[0].requests, 1 + 5);
        assert_int_equal(model.events[0].attempts, 6);
    }
}

/* Few retries do not make an outage out of reach of the breaker: no event dies before
 * another has passed. */
static void test_story_few_retries(void **state) {
    (void)state;
    for (int retries = 0; retries <= 2; retries++) {
        struct hsp_endpoint_settings settings = wait_settings;
        settings.retries = retries;
        settings.backoff_max_ms = 60000;
        struct model alone = {.settings = &settings, .now_ms = NOW};
        put(&alone, 0, HSP_RETRY);
        run(&alone, INT64_C(3) * 86400 * 1000);
        assert_int_equal(alone.events[0].is, WAITING);
        struct model model = {.settings = &settings, .now_ms = NOW};
        run_with_poison(&model, HSP_RETRY, 1);
        assert_int_equal(model.events[0].is, DEAD);
        assert_in_range(model.events[0].requests, 1 + retries, 2 + retries);
    }
}

/* For other limits, too; with `retries = 0` a misconfigured answer needs a second one. */
static void test_story_poison_dies_after_retries(void **state) {
    (void)state;
    for (int retries = 0; retries <= 8; retries++) {
        struct hsp_endpoint_settings settings = wait_settings;
        settings.retries = retries;
        settings.backoff_max_ms = 60000;
        struct model model = {.settings = &settings, .now_ms = NOW};
        run_with_poison(&model, HSP_MISCONFIGURED, 1);
        assert_int_equal(model.events[0].is, DEAD);
        assert_int_equal(model.events[0].requests, retries == 0 ? 2 : 1 + retries);
    }
}

/* Two at a time, answered in the same moment, are both recognized. */
static void test_story_two_poisons_die(void **state) {
    struct model model = {.settings = &wait_settings, .now_ms = NOW};
    (void)state;
    run_with_poison(&model, HSP_MISCONFIGURED, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(model.events[i].is, DEAD);
        assert_int_equal(model.events[i].requests, 1 + 5);
    }
}

static void test_story_poison_alone_waits(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct model model = {.settings = &wait_settings, .now_ms = NOW};
        put(&model, 0, v == 0 ? HSP_RETRY : HSP_MISCONFIGURED);
        run(&model, INT64_C(3) * 86400 * 1000);
        assert_int_equal(model.events[0].is, WAITING);
        assert_int_equal(model.events[0].attempts, v == 0 ? 3 : 0);
        assert_true(model.events[0].probes > 3 * 24 * 55);
    }
}

static void test_story_outage_count(void **state) {
    static const enum hsp_verdict verdicts[] = {HSP_RETRY, HSP_MISCONFIGURED,
                                                HSP_REJECTED};
    (void)state;
    for (size_t v = 0; v < 3; v++) {
        struct model model = {.settings = &count_settings, .now_ms = NOW};
        for (size_t i = 0; i < EVENTS; i++)
            put(&model, i, verdicts[v]);
        run(&model, 3600 * 1000); /* 1210 s of pauses in all */
        assert_int_equal(count_in(&model, DEAD), EVENTS);
        for (size_t i = 0; i < EVENTS; i++)
            assert_int_equal(model.events[i].requests + model.events[i].probes, 6);
        put(&model, 0, HSP_DELIVERED);
        run(&model, 2000);
        assert_int_equal(model.events[0].is, DELIVERED);
        assert_int_equal(model.breaker.state, HSP_STATE_OK);
    }
}

static void test_story_gone_until_resumed(void **state) {
    struct model model = {.settings = &wait_settings, .now_ms = NOW};
    (void)state;
    for (size_t i = 0; i < EVENTS; i++)
        put(&model, i, HSP_GONE);
    run(&model, 86400 * 1000);
    assert_int_equal(model.breaker.state, HSP_STATE_GONE);
    assert_int_equal(hsp_breaker_next(&model.breaker, model.now_ms), INT64_MAX);
    assert_int_equal(count_in(&model, WAITING), EVENTS);
    assert_int_equal(model.requests_total, 1);
    for (size_t i = 0; i < EVENTS; i++)
        model.events[i].verdict = HSP_DELIVERED;
    hsp_breaker_reset(&model.breaker);
    run(&model, 10000);
    assert_int_equal(count_in(&model, DELIVERED), EVENTS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_verdict_in_every_state),
        cmocka_unit_test(test_three_failures_in_a_row),
        cmocka_unit_test(test_attempts_and_pauses),
        cmocka_unit_test(test_pauses_between_probes),
        cmocka_unit_test(test_misconfigured_then_away),
        cmocka_unit_test(test_misconfigured_then_away_with_outage_count),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_suspects),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_state_texts),
        cmocka_unit_test(test_story_outage_for_hours),
        cmocka_unit_test(test_story_wrong_secret_for_hours),
        cmocka_unit_test(test_story_poison_dies),
        cmocka_unit_test(test_story_poison_dies_after_retries),
        cmocka_unit_test(test_story_two_poisons_die),
        cmocka_unit_test(test_story_poison_alone_waits),
        cmocka_unit_test(test_story_few_retries),
        cmocka_unit_test(test_story_outage_count),
        cmocka_unit_test(test_story_gone_until_resumed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
