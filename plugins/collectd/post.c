/* SPDX-License-Identifier: MIT */
/* Finding the host that a value or a notification is about, and making it where it is
 * new. */
#include "config.h"

#include "error.h"
#include "post.h"

#include <stdlib.h>
#include <string.h>

static bool has_one_host(const struct hsp_watch *watch) {
    return watch->pattern.texts[HSP_HOST] != NULL;
}

void hsp_post_init(struct hsp_post *post, struct hsp_shared *shared,
                   const struct hsp_watch *watch) {
    *post = (struct hsp_post){.shared = shared, .watch = watch};
    pthread_mutex_init(&post->lock, NULL);
    for (int i = 0; i <= HSP_FEEDS; i++)
        post->roles[i] = (struct hsp_role){post, i - 1};
}

/* NULL: out of memory. */
static struct hsp_subject *add_subject(struct hsp_post *post, const char *host,
                                       const char *text) {
    struct hsp_subject *subject =
        hsp_subject_new(post->shared, post->watch, &post->lock, host, text);
    if (subject == NULL || hsp_table_put(&post->subjects, host, subject))
        return subject;
    hsp_subject_free(subject);
    return NULL;
}

/* One that counts; NULL: out of memory, or one too many. */
static struct hsp_subject *add_host(struct hsp_post *post, const char *host,
                                    const char *text) {
    struct hsp_subject *subject = NULL;
    if (atomic_fetch_add(&post->shared->hosts, 1) >= HSP_SUBJECTS_MAX)
        post->shared->crowded = true;
    else
        subject = add_subject(post, host, text);
    if (subject == NULL)
        atomic_fetch_sub(&post->shared->hosts, 1);
    return subject;
}

enum hs_status hsp_post_first(struct hsp_post *post, struct hs_error *err) {
    const char *host =
        has_one_host(post->watch) ? post->watch->pattern.texts[HSP_HOST] : "";
    char *key = hsp_subject_key(post->watch, host);
    const char *text = key == NULL ? NULL : hsp_outbox_state(post->shared->outbox, key);
    const bool made = key != NULL && add_subject(post, host, text) != NULL;
    free(key);
    return made ? HS_OK : hsp_fail(err, HS_E_NOMEM, "watch: out of memory");
}

bool hsp_post_load(struct hsp_post *post, const char *host, const char *text) {
    if (hsp_table_get(&post->subjects, host) != NULL)
        return true;
    const regex_t *regex = post->watch->pattern.regexes[HSP_HOST];
    if (has_one_host(post->watch) ||
        (regex != NULL && regexec(regex, host, 0, NULL, 0) != 0))
        return false;
    struct hsp_subject *stand_in = hsp_table_get(&post->subjects, "");
    if (stand_in != NULL && stand_in->monitor.state != HS_STATE_DOWN)
        stand_in->done = true;
    return add_host(post, host, text) != NULL;
}

/* With the lock held. NULL: out of memory, or one too many. */
static struct hsp_subject *subject_of(struct hsp_post *post,
                                      const struct hsp_series *series) {
    const char *host = series->parts[HSP_HOST];
    struct hsp_subject *subject = hsp_table_get(&post->subjects, host);
    return subject != NULL ? subject : add_host(post, host, NULL);
}

static void end_stand_in(struct hsp_post *post, const struct hsp_clock *now) {
    struct hsp_subject *stand_in =
        has_one_host(post->watch) ? NULL : hsp_table_get(&post->subjects, "");
    if (stand_in != NULL)
        hsp_subject_end(stand_in, now);
}

void hsp_post_value(const struct hsp_role *role, const struct hsp_reading *reading,
                    const struct hsp_clock *now) {
    struct hsp_post *post = role->post;
    pthread_mutex_lock(&post->lock);
    struct hsp_subject *subject = subject_of(post, &reading->series);
    if (subject != NULL && role->feed >= 0) {
        hsp_subject_feed(subject, (enum hsp_feed_kind)role->feed, reading, now);
    } else if (subject != NULL) {
        end_stand_in(post, now);
        if (!hsp_subject_value(subject, reading, now))
            post->lacks_source = true;
    }
    pthread_mutex_unlock(&post->lock);
}

/* The threshold plugin names the data source among the meta data. */
static bool is_of_source(const struct hsp_watch *watch, const struct hsp_note *note) {
    if (watch->data_source == NULL)
        return true;
    for (size_t i = 0; i < note->meta_count; i++)
        if (strcmp(note->meta[i].name, "DataSource") == 0)
            return strcmp(note->meta[i].value, watch->data_source) == 0;
    return true;
}

bool hsp_post_note(struct hsp_post *post, const struct hsp_note *note,
                   const struct hsp_clock *now, uint64_t *ticket) {
    uint64_t own = 0;
    if (!is_of_source(post->watch, note))
        return false;
    pthread_mutex_lock(&post->lock);
    struct hsp_subject *subject = subject_of(post, &note->series);
    if (subject != NULL) {
        end_stand_in(post, now);
        own = hsp_subject_note(subject, note, now);
    }
    pthread_mutex_unlock(&post->lock);
    *ticket = own > *ticket ? own : *ticket;
    return true;
}

struct tick {
    const struct hsp_clock *now;
    int64_t pause_us;
};

static void tick_subject(const char *host, void *subject, void *context) {
    const struct tick *tick = context;
    (void)host;
    hsp_subject_tick(subject, tick->now, tick->pause_us);
}

void hsp_post_tick(struct hsp_post *post, const struct hsp_clock *now, int64_t pause_us) {
    struct tick tick = {now, pause_us};
    pthread_mutex_lock(&post->lock);
    hsp_table_walk(&post->subjects, tick_subject, &tick);
    pthread_mutex_unlock(&post->lock);
}

bool hsp_post_lacks_source(struct hsp_post *post) {
    pthread_mutex_lock(&post->lock);
    const bool news = post->lacks_source && !post->told_so;
    post->told_so = post->lacks_source;
    pthread_mutex_unlock(&post->lock);
    return news;
}

void hsp_post_free(struct hsp_post *post) {
    hsp_table_free(&post->subjects, hsp_subject_free);
    pthread_mutex_destroy(&post->lock);
}
