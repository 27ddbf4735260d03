/* SPDX-License-Identifier: MIT */
/* A test: slot, incident, slot, recovery, answer. What blocks (requests, waiting for a
 * slot, the journal) is done by jobs of the test's own worker, one after the other; the
 * main loop takes the slots and decides between them. */
#include "config.h"

#include "trials.h"

#include "../error.h"
#include "settings_endpoint.h"
#include "trial.h"
#include "worker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLICE_MS 100
#define WAIT_MAX_MS (2 * 60 * 1000) /* for a slot for the recovery */

struct hsp_test {
    struct hsp_job job; /* the present one */
    struct hsp_test *next;
    struct hsp_flusher *flusher;
    struct hsp_errand *errand;
    struct hsp_worker *worker;
    struct hsp_endpoint *endpoint;
    unsigned generation; /* of the endpoint: a slot of an older one is forgotten */
    enum hsp_endpoint_state state; /* of the endpoint, at the beginning */
    struct hsp_endpoint_settings settings;
    struct hsp_signer *signer;
    atomic_bool cancelled;
    int slot;
    int64_t wait_until_ms, give_up_ms; /* boot clock */
    struct hsp_trial trial;
    struct hsp_trial_result result; /* of the request under way */
    json_object *requests;          /* their reports so far */
    int delivered;
    bool is_over;
};

/* The end
 * ------------------------------------------------------------------------------------ */

static void free_test(struct hsp_test *test) {
    if (test == NULL)
        return;
    hsp_worker_close(test->worker);
    hsp_signer_free(test->signer);
    hsp_endpoint_clear(&test->settings);
    json_object_put(test->requests);
    json_object_put(test->result.report);
    free(test);
}

static void add_text(json_object *object, const char *key, const char *text) {
    json_object_object_add(object, key, json_object_new_string(text));
}

/* What a person has to know of the endpoint's state, whatever the test says. */
static void add_advice(const struct hsp_test *test, json_object *report) {
    static const char *const advice[] = {
        [HSP_STATE_BACKOFF] = "is in backoff: it is probed by itself, and 'hookspool "
                              "resume %s' sends at once",
        [HSP_STATE_MISCONFIGURED] = "counts as misconfigured: it is probed by itself, "
                                    "and 'hookspool resume %s' sends at once",
        [HSP_STATE_GONE] = "counts as gone: nothing is sent until 'hookspool resume %s'",
        [HSP_STATE_PAUSED] = "is paused: nothing is sent until 'hookspool resume %s'",
        [HSP_STATE_ORPHANED] = NULL,
    };
    const char *name = test->settings.name, *words = advice[test->state];
    struct hsp_buffer text = {0};
    if (words == NULL)
        return;
    const char *place = strstr(words, "%s");
    hsp_buffer_print(&text, "the endpoint %.*s%s%s", (int)(place - words), words, name,
                     place + 2);
    if (!text.failed)
        add_text(report, "advice", text.data);
    hsp_buffer_free(&text);
}

static void answer(struct hsp_test *test) {
    const int wanted = (int)json_object_array_length(test->requests);
    json_object *report = json_object_new_object();
    size_t length = 0;
    add_text(report, "endpoint", test->settings.name);
    add_text(report, "url", test->settings.shown_url);
    add_text(report, "state", hsp_endpoint_state_text(test->state));
    add_text(report, "result",
             test->delivered == wanted ? "delivered"
             : test->delivered > 0     ? "partly"
                                       : "failed");
    add_advice(test, report);
    json_object_object_add(report, "requests", json_object_get(test->requests));
    const char *text = hsp_json_text(report, &length);
    if (text != NULL)
        hsp_errand_answer(test->errand, "test", text);
    else
        hsp_errand_refuse(test->errand, "report a test: out of memory");
    json_object_put(report);
    test->errand = NULL;
    test->is_over = true;
}

static void refuse(struct hsp_test *test, const char *text) {
    hsp_errand_refuse(test->errand, "%s", text);
    test->errand = NULL;
    test->is_over = true;
}

/* In the test's thread
 * ----------------------------------------------------------------------- */

/* A line that cannot be written is said in the report: the request is out. */
static void write_journal(struct hsp_test *test) {
    const struct hsp_trial_result *result = &test->result;
    struct hsp_journal_line line = HSP_JOURNAL_LINE(hsp_now_ms(CLOCK_REALTIME), "test");
    struct hsp_buffer text = {0};
    struct hs_error err = {0};
    line.endpoint = test->settings.name;
    line.id = result->id;
    line.monitor = HSP_TRIAL_MONITOR;
    line.kind = hs_kind_text(test->trial.kind);
    line.status = result->http_status != 0 ? result->http_status : -1;
    line.took_ms = result->took_ms;
    line.uid = test->errand->uid;
    line.reason = *result->reason ? result->reason : NULL;
    hsp_journal_compose(&text, &line);
    if (text.failed)
        hsp_fail(&err, HS_E_NOMEM, "journal: out of memory");
    else
        (void)!hsp_journal_write(test->flusher->journal, text.data, text.length, &err);
    if (err.status != HS_OK)
        add_text(result->report, "not_journaled", err.text);
    hsp_buffer_free(&text);
}

static enum hs_status send_sample(struct hsp_job *job, struct hs_error *err) {
    struct hsp_test *test = (struct hsp_test *)job;
    enum hs_status status = hsp_trial_run(&test->trial, &test->result, err);
    if (status == HS_OK)
        write_journal(test);
    return status;
}

static enum hs_status wait_for_slot(struct hsp_job *job, struct hs_error *err) {
    struct hsp_test *test = (struct hsp_test *)job;
    (void)err;
    while (!atomic_load(&test->cancelled) &&
           hsp_now_ms(CLOCK_BOOTTIME) < test->wait_until_ms)
        nanosleep(&(struct timespec){.tv_nsec = SLICE_MS * 1000000L}, NULL);
    return HS_OK;
}

/* In the main loop
 * ---------------------------------------------------------------------------- */

static void sent(struct hsp_job *job);
static void waited(struct hsp_job *job);

/* Without a slot to end where the endpoint was configured anew: its window is another
 * one, which took over what the file says. */
static void end_slot(struct hsp_test *test) {
    if (test->endpoint->generation == test->generation)
        (void)!hsp_rate_end(test->endpoint->rate, test->slot, hsp_now_ms(CLOCK_BOOTTIME),
                            hsp_now_ms(CLOCK_REALTIME), NULL);
    test->slot = -1;
}

/* False: none is free; `wait_until_ms` says when to ask again. */
static enum hs_status take_slot(struct hsp_test *test, bool *taken,
                                struct hs_error *err) {
    struct hsp_rate_window *rate = test->endpoint->rate;
    const int64_t now_ms = hsp_now_ms(CLOCK_BOOTTIME);
    const int64_t next_ms = hsp_rate_next(rate, now_ms);
    *taken = next_ms <= now_ms;
    if (!*taken) {
        test->wait_until_ms = next_ms == INT64_MAX ? now_ms + SLICE_MS : next_ms;
        return HS_OK;
    }
    test->generation = test->endpoint->generation;
    enum hs_status status =
        hsp_rate_take(rate, now_ms, hsp_now_ms(CLOCK_REALTIME), &test->slot, err);
    if (status == HS_OK)
        status = hsp_rate_sync(rate, err);
    return status;
}

static void submit(struct hsp_test *test,
                   enum hs_status (*work)(struct hsp_job *, struct hs_error *),
                   void (*done)(struct hsp_job *)) {
    test->job = (struct hsp_job){.work = work, .done = done};
    hsp_worker_submit(test->worker, &test->job);
}

/* The recovery is not sent: say why in its place. */
static void leave_out(struct hsp_test *test, const char *text, const char *hint) {
    json_object *report = json_object_new_object();
    add_text(report, "kind", hs_kind_text(HS_KIND_RECOVERY));
    json_object_object_add(report, "delivered", json_object_new_boolean(false));
    add_text(report, "fault", "not-sent");
    add_text(report, "text", text);
    add_text(report, "hint", hint);
    json_object_array_add(test->requests, report);
    answer(test);
}

static void send_recovery(struct hsp_test *test) {
    struct hs_error err = {0};
    bool taken = false;
    if (atomic_load(&test->cancelled) || test->endpoint->settings == NULL) {
        leave_out(test, "the test was ended before its time",
                  "test again, so that the incident does not stay open");
    } else if (take_slot(test, &taken, &err) != HS_OK) {
        leave_out(test, err.text, "test again, so that the incident does not stay open");
    } else if (taken) {
        test->trial.kind = HS_KIND_RECOVERY;
        submit(test, send_sample, sent);
    } else if (test->wait_until_ms > test->give_up_ms) {
        leave_out(test, "the rate limit has no room for it",
                  "test again later, so that the incident does not stay open");
    } else {
        submit(test, wait_for_slot, waited);
    }
}

static void waited(struct hsp_job *job) { send_recovery((struct hsp_test *)job); }

static void keep_report(struct hsp_test *test) {
    test->delivered += test->result.fault == HSP_FAULT_NONE;
    json_object_array_add(test->requests, test->result.report);
    test->result.report = NULL;
}

static void sent(struct hsp_job *job) {
    struct hsp_test *test = (struct hsp_test *)job;
    end_slot(test);
    test->flusher->changed = true; /* the rate's use */
    if (job->status != HS_OK && json_object_array_length(test->requests) == 0) {
        refuse(test, job->err.text);
        return;
    }
    if (job->status != HS_OK) {
        leave_out(test, job->err.text,
                  "test again, so that the incident does not stay open");
        return;
    }
    keep_report(test);
    if (test->trial.kind == HS_KIND_RECOVERY) {
        answer(test);
        return;
    }
    /* An incident that never left, or that a sound receiver refused, is open nowhere: a
     * recovery of it would only be another failure to read, and, where a receiver limits
     * or bars who fails, one more strike. After a 5xx or silence the receiver may have
     * taken it all the same. */
    if (!test->result.may_be_taken) {
        leave_out(test, "the incident did not reach the receiver, or was refused",
                  "nothing stays open there");
        return;
    }
    test->give_up_ms = hsp_now_ms(CLOCK_BOOTTIME) + WAIT_MAX_MS;
    send_recovery(test);
}

/* The beginning
 * ------------------------------------------------------------------------------ */

static const char *find_obstacle(const struct hsp_flusher *flusher,
                                 const struct hsp_errand *errand) {
    int count = 0;
    if (flusher->stop_at_ms != 0)
        return "hookspoold is ending";
    if (!flusher->recordable)
        return "no room for the journal: nothing is sent until there is";
    for (const struct hsp_test *test = flusher->tests; test != NULL; test = test->next) {
        if (test->endpoint == errand->endpoint)
            return "a test of this endpoint is under way";
        count++;
    }
    return count >= HSP_TRIALS_MAX ? "other tests are under way: try again soon" : NULL;
}

static enum hs_status make_test(struct hsp_test **test, struct hsp_flusher *flusher,
                                struct hsp_errand *errand, struct hs_error *err) {
    struct hsp_endpoint *endpoint = errand->endpoint;
    struct hsp_test *made = calloc(1, sizeof *made);
    if (made == NULL)
        return hsp_fail(err, HS_E_NOMEM, "test: out of memory");
    made->flusher = flusher;
    made->errand = errand;
    made->endpoint = endpoint;
    made->state = hsp_endpoint_state(endpoint);
    made->slot = -1;
    made->signer = hsp_signer_hold(endpoint->signer);
    made->requests = json_object_new_array();
    made->trial = (struct hsp_trial){.settings = &made->settings,
                                     .signer = made->signer,
                                     .kind = HS_KIND_INCIDENT,
                                     .cancelled = &made->cancelled};
    enum hs_status status = hsp_endpoint_copy(&made->settings, endpoint->settings, err);
    if (status == HS_OK)
        status = hsp_worker_open(&made->worker, err);
    if (status == HS_OK)
        *test = made;
    else
        free_test(made);
    return status;
}

static void refuse_for_rate(struct hsp_errand *errand, int64_t next_ms) {
    const int64_t wait_ms = next_ms - hsp_now_ms(CLOCK_BOOTTIME);
    hsp_errand_refuse(errand,
                      "the rate limit of the endpoint has no room now: the next request "
                      "may go out in %" PRId64 " s",
                      wait_ms > 0 ? (wait_ms + 999) / 1000 : 0);
}

void hsp_trials_begin(struct hsp_flusher *flusher, struct hsp_errand *errand) {
    struct hs_error err = {0};
    struct hsp_test *test = NULL;
    bool taken = false;
    const char *obstacle = find_obstacle(flusher, errand);
    if (obstacle != NULL) {
        hsp_errand_refuse(errand, "%s", obstacle);
        return;
    }
    enum hs_status status = make_test(&test, flusher, errand, &err);
    if (status == HS_OK)
        status = take_slot(test, &taken, &err);
    if (status == HS_OK && taken) {
        hsp_log(HSP_LOG_NOTICE, "endpoint %s is tested by hand, uid %ld",
                test->settings.name, (long)errand->uid);
        test->next = flusher->tests;
        flusher->tests = test;
        submit(test, send_sample, sent);
        return;
    }
    if (status != HS_OK)
        hsp_errand_refuse(errand, "%s", err.text);
    else
        refuse_for_rate(errand, test->wait_until_ms);
    free_test(test);
}

/* All of them
 * -------------------------------------------------------------------------------- */

unsigned hsp_trials_fds(const struct hsp_flusher *flusher, struct pollfd *fds) {
    unsigned count = 0;
    for (const struct hsp_test *test = flusher->tests; test != NULL; test = test->next)
        fds[count++] =
            (struct pollfd){.fd = hsp_worker_fd(test->worker), .events = POLLIN};
    return count;
}

void hsp_trials_collect(struct hsp_flusher *flusher) {
    for (struct hsp_test **link = &flusher->tests; *link != NULL;) {
        struct hsp_test *test = *link;
        hsp_worker_collect(test->worker);
        if (!test->is_over) {
            link = &test->next;
            continue;
        }
        *link = test->next;
        free_test(test);
    }
}

void hsp_trials_cancel(struct hsp_flusher *flusher) {
    for (struct hsp_test *test = flusher->tests; test != NULL; test = test->next)
        atomic_store(&test->cancelled, true);
}

void hsp_trials_close(struct hsp_flusher *flusher) {
    hsp_trials_cancel(flusher);
    while (flusher->tests != NULL) {
        struct pollfd fds[HSP_TRIALS_MAX];
        (void)poll(fds, hsp_trials_fds(flusher, fds), -1);
        hsp_trials_collect(flusher);
    }
}
