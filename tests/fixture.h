/* SPDX-License-Identifier: MIT */
/* A spool with one endpoint, and events that wait for it, as the daemon would have placed
 * them. Every function asserts that it worked. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include "delivery/endpoint.h"
#include "record.h"

#define FIXTURE_ID "018d0c7c-8b00-7000-8000-000000000001"
#define FIXTURE_OTHER_ID "018d0c7c-8b00-7000-8000-000000000002"
/* Bodies as adapters write them: DOWN, and the UP after it. */
extern const char fixture_down[], fixture_up[];
#define FIXTURE_DETAILS "{\"host\":\"h\"}"

struct fixture {
    struct hsp_spooldir dir;
    struct hsp_endpoint *endpoint; /* "one" */
};

/* The spool is made in the folder `path`. */
void fixture_open(struct fixture *fixture, const char *path);
void fixture_close(struct fixture *fixture);

/* A spool file with one event of `id` and `body`; ends with hsp_buffer_free. */
struct hsp_buffer fixture_record(const char *id, const char *body);
/* Bytes as the waiting file of `entry`, its folder made where missing. */
void fixture_write(const struct fixture *fixture, const struct hsp_entry *entry,
                   const char *bytes, size_t length);
/* The same of a DOWN with FIXTURE_ID, which was one file of an adapter's. */
void fixture_wait(const struct fixture *fixture, const struct hsp_entry *entry);
/* Is the waiting file of `entry` there? */
bool fixture_waits(const struct fixture *fixture, const struct hsp_entry *entry);

#endif
