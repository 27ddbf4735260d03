/* SPDX-License-Identifier: MIT */
/* A plugin for collectd that measures how fast collectd dispatches values: it hands over
 * HOOKSPOOL_BENCH_VALUES of them as fast as it can, waits until as many have come by its
 * own write callback, which is called after those of plugins loaded before, and writes
 * the seconds to the file HOOKSPOOL_BENCH_RESULT. Built for `make bench` alone. */
#include "collectd.h"

#include "plugin.h"

#include <stdatomic.h>

#define NAME "dispatch"
#define SERIES 1000

static atomic_long written;

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static int count(const data_set_t *ds, const value_list_t *vl, user_data_t *unused) {
    (void)ds;
    (void)vl;
    (void)unused;
    atomic_fetch_add(&written, 1);
    return 0;
}

static void dispatch(long number) {
    value_t value = {.gauge = 200};
    value_list_t vl = VALUE_LIST_INIT;
    vl.values = &value;
    vl.values_len = 1;
    vl.time = TIME_T_TO_CDTIME_T(1000000000 + number / SERIES);
    snprintf(vl.host, sizeof(vl.host), "web1");
    snprintf(vl.plugin, sizeof(vl.plugin), "curl");
    snprintf(vl.plugin_instance, sizeof(vl.plugin_instance), "other-%ld",
             number % SERIES);
    snprintf(vl.type, sizeof(vl.type), "response_code");
    plugin_dispatch_values(&vl);
}

static int run(user_data_t *unused) {
    static bool done;
    const char *values = getenv("HOOKSPOOL_BENCH_VALUES");
    const char *result = getenv("HOOKSPOOL_BENCH_RESULT");
    (void)unused;
    if (done || values == NULL || result == NULL)
        return 0;
    done = true;
    const long wanted = atol(values);
    const double began = now();
    for (long i = 0; i < wanted; i++)
        dispatch(i);
    while (atomic_load(&written) < wanted)
        usleep(1000);
    const double took = now() - began;
    FILE *file = fopen(result, "w");
    if (file == NULL)
        return 0;
    fprintf(file, "%.6f\n", took);
    fclose(file);
    return 0;
}

__attribute__((visibility("default"))) void module_register(void) {
    plugin_register_write(NAME, count, NULL);
    plugin_register_complex_read(NULL, NAME, run, 0, NULL);
}
