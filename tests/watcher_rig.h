/* SPDX-License-Identifier: MIT */
/* A watcher of a unit test's own, with a spool and a state file in a scratch folder, and
 * what collectd would say to it. Every function asserts that it worked. */
#ifndef WATCHER_RIG_H
#define WATCHER_RIG_H

#include "watcher.h"

#define SECOND_US INT64_C(1000000)

/* Both are for cmocka; what was not stopped is, at the end. */
int setup(void **state);
int teardown(void **state);

extern struct hs_config *config;
extern struct hsp_settings settings;
extern struct hsp_watcher *watcher; /* NULL: none */
extern const char *state_path;      /* NULL: without */
extern char log_text[8192];         /* what was logged, and complained of */
size_t count_log(const char *text);
void complain(const char *line);

/* An option of one value: a text, or a number where that is NULL. */
struct option {
    const char *key, *text;
    double number;
};

/* Add a Monitor; the last of `options` has no key. */
void add_monitor(const char *label, const struct option *options);
/* One for which values of exec/gauge above 10 are bad, on any host. */
void add_plain(const char *label);
/* The same, named "fed", with exec/delay as its response time and its value as status
 * code. */
void add_with_feeds(void);

/* Running; stop also frees it. */
enum hs_status open_watcher(struct hs_error *err) HS_MUST_CHECK;
void start(void);
void stop(void);
void restart(void);

int64_t wall_us(void); /* another time with each call */
void send_value(const char *host, const char *type, double value, int64_t time_us);
void value(const char *host, double number); /* of exec/gauge, now */
uint64_t note(const char *host, const char *plugin, enum hsp_severity severity);

/* What is in the spool: all events by their ids, each as " KIND ID PREVIOUS FAILURES MS
 * CODE;", without "incident" and without nulls. Waits until all are there. */
const char *told(void);

#endif
