/* SPDX-License-Identifier: MIT */
/* What libcurl can do at most: post the same bodies from memory over and over, with eight
 * connections, nothing signed, nothing kept. Prints requests a second.
 *
 *     bare_loop URL COUNT BODIES        BODIES: a file with one body a line */
#include "config.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONNECTIONS 8

struct bodies {
    char **lines;
    size_t count;
};

static void die(const char *what) {
    fprintf(stderr, "bare_loop: %s\n", what);
    exit(1);
}

static struct bodies read_bodies(const char *path) {
    struct bodies bodies = {0};
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    if (!file)
        die(path);
    while (getline(&line, &size, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        bodies.lines = realloc(bodies.lines, (bodies.count + 1) * sizeof *bodies.lines);
        if (!bodies.lines || !(bodies.lines[bodies.count++] = strdup(line)))
            die("out of memory");
    }
    free(line);
    fclose(file);
    if (bodies.count == 0)
        die("no bodies");
    return bodies;
}

static size_t swallow(char *data, size_t size, size_t count, void *unused) {
    (void)data, (void)unused;
    return size * count;
}

static struct curl_slist *headers(void) {
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
    list = curl_slist_append(list, "X-Hookspool-Delivery: "
                                   "018d0e5c-0000-7000-8000-000000000001");
    return curl_slist_append(
        list, "X-StatusPageOne-Signature: sha256="
              "0000000000000000000000000000000000000000000000000000000000000000");
}

static void post(CURLM *multi, CURL *handle, const char *body) {
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body);
    if (curl_multi_add_handle(multi, handle) != CURLM_OK)
        die("curl_multi_add_handle");
}

/* Take finished handles, start the next ones; how many finished well. */
static long turn(CURLM *multi, const struct bodies *bodies, long *started, long count) {
    long finished = 0, status = 0;
    int left = 0;
    CURLMsg *message;
    while ((message = curl_multi_info_read(multi, &left))) {
        CURL *handle = message->easy_handle;
        curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
        if (message->data.result != CURLE_OK || status != 200)
            die("a request failed");
        curl_multi_remove_handle(multi, handle);
        finished++;
        if (*started < count)
            post(multi, handle, bodies->lines[(size_t)(*started)++ % bodies->count]);
    }
    return finished;
}

int main(int argc, char **argv) {
    if (argc != 4)
        die("usage: bare_loop URL COUNT BODIES");
    struct bodies bodies = read_bodies(argv[3]);
    long count = strtol(argv[2], NULL, 10), started = 0, done = 0;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM *multi = curl_multi_init();
    struct curl_slist *list = headers();
    CURL *handles[CONNECTIONS];
    struct timespec from, to;

    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < CONNECTIONS; i++) {
        handles[i] = curl_easy_init();
        curl_easy_setopt(handles[i], CURLOPT_URL, argv[1]);
        curl_easy_setopt(handles[i], CURLOPT_HTTPHEADER, list);
        curl_easy_setopt(handles[i], CURLOPT_WRITEFUNCTION, swallow);
        if (started < count)
            post(multi, handles[i], bodies.lines[(size_t)started++ % bodies.count]);
    }
    while (done < count) {
        int running = 0;
        curl_multi_perform(multi, &running);
        done += turn(multi, &bodies, &started, count);
        if (done < count)
            curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%.0f\n", (double)count / ((double)(to.tv_sec - from.tv_sec) +
                                      (double)(to.tv_nsec - from.tv_nsec) / 1e9));

    for (int i = 0; i < CONNECTIONS; i++)
        curl_easy_cleanup(handles[i]);
    curl_slist_free_all(list);
    curl_multi_cleanup(multi);
    curl_global_cleanup();
    for (size_t i = 0; i < bodies.count; i++)
        free(bodies.lines[i]);
    free(bodies.lines);
    return 0;
}
