/* SPDX-License-Identifier: MIT */
/* getaddrinfo in a thread of its own: it knows neither a time limit nor an end. Whoever
 * of the two, thread and asker, is done last frees what they share. */
#include "config.h"

#include "lookup.h"

#include "../units.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#define SLICE_MS 100
#define NEVER ".invalid"

struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool done, given_up;
    struct hsp_lookup_answer answer;
    char host[];
};

static void free_shared(struct shared *shared) {
    pthread_cond_destroy(&shared->wake);
    pthread_mutex_destroy(&shared->mutex);
    free(shared);
}

static void list_addresses(const struct addrinfo *found, char *text, size_t size) {
    size_t used = 0;
    for (const struct addrinfo *one = found; one != NULL; one = one->ai_next) {
        char address[NI_MAXHOST];
        if (getnameinfo(one->ai_addr, one->ai_addrlen, address, sizeof address, NULL, 0,
                        NI_NUMERICHOST) != 0 ||
            used + strlen(address) + 3 > size)
            continue;
        used +=
            (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", address);
    }
}

static void ask(const char *host, struct hsp_lookup_answer *answer) {
    struct addrinfo *found = NULL, hints = {.ai_socktype = SOCK_STREAM};
    answer->error = getaddrinfo(host, NULL, &hints, &found);
    if (answer->error == 0) {
        list_addresses(found, answer->addresses, sizeof answer->addresses);
        freeaddrinfo(found);
    }
}

static void *run(void *argument) {
    struct shared *shared = argument;
    struct hsp_lookup_answer answer = {0};
    ask(shared->host, &answer);
    pthread_mutex_lock(&shared->mutex);
    shared->answer = answer;
    shared->done = true;
    const bool given_up = shared->given_up;
    pthread_cond_signal(&shared->wake);
    pthread_mutex_unlock(&shared->mutex);
    if (given_up)
        free_shared(shared);
    return NULL;
}

/* False: no thread could be had. */
static bool start(struct shared *shared) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    const bool started = pthread_create(&thread, &attributes, run, shared) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}

static struct shared *make_shared(const char *host) {
    struct shared *shared = calloc(1, sizeof *shared + strlen(host) + 1);
    if (shared == NULL)
        return NULL;
    pthread_condattr_t attributes;
    pthread_mutex_init(&shared->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&shared->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    strcpy(shared->host, host);
    return shared;
}

/* Wait in slices, so that nobody has to signal that it was cancelled. The mutex is held.
 */
static void wait_for(struct shared *shared, int64_t timeout_ms,
                     const atomic_bool *cancelled) {
    const int64_t end_ms = hsp_now_ms(CLOCK_MONOTONIC) + timeout_ms;
    while (!shared->done && !atomic_load(cancelled)) {
        int64_t left_ms = end_ms - hsp_now_ms(CLOCK_MONOTONIC);
        if (left_ms <= 0)
            return;
        int64_t until_ms =
            hsp_now_ms(CLOCK_MONOTONIC) + (left_ms < SLICE_MS ? left_ms : SLICE_MS);
        struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
        pthread_cond_timedwait(&shared->wake, &shared->mutex, &until);
    }
}

static bool is_never(const char *host) {
    size_t length = strlen(host), suffix = strlen(NEVER);
    if (length > 0 && host[length - 1] == '.')
        length--;
    return length > suffix && strncasecmp(host + length - suffix, NEVER, suffix) == 0;
}

void hsp_lookup(const char *host, int64_t timeout_ms, const atomic_bool *cancelled,
                struct hsp_lookup_answer *answer) {
    *answer = (struct hsp_lookup_answer){.error = EAI_NONAME};
    if (is_never(host))
        return;
    answer->error = EAI_MEMORY;
    struct shared *shared = make_shared(host);
    if (shared == NULL)
        return;
    if (!start(shared)) {
        free_shared(shared);
        return;
    }
    pthread_mutex_lock(&shared->mutex);
    wait_for(shared, timeout_ms, cancelled);
    const bool done = shared->done;
    if (done)
        *answer = shared->answer;
    else
        answer->error = EAI_AGAIN;
    shared->given_up = !done;
    pthread_mutex_unlock(&shared->mutex);
    if (done)
        free_shared(shared);
}
