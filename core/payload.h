/* SPDX-License-Identifier: MIT */
/* The StatusPageOne webhook body: writing it canonically and checking that bytes are one.
 * Format: docs/payload.md, docs/payload.schema.json. */
#ifndef HSP_PAYLOAD_H
#define HSP_PAYLOAD_H

#include "hookspool.h"
#include "json.h"

#define HSP_PAYLOAD_MAX (1024 * 1024) /* the documented maximum */
#define HSP_PAYLOAD_DEFAULT_MAX                                                          \
    (100 * 1024 - 1)           /* below what a stock express.json() accepts */
#define HSP_MONITOR_ID_MAX 256 /* bytes of monitor.id */

/* What goes into a body. Texts are well-formed UTF-8, NUL-terminated; -1 and NULL are
 * null. */
struct hsp_payload {
    const char *monitor_id;
    const char *monitor_name;
    const char *monitor_url; /* may be NULL */
    enum hs_state state;
    int64_t time;
    const char *region;
    const char *error_message; /* NULL: no such key */
    int64_t response_time_ms;
    int64_t status_code;
    int64_t consecutive_failures;
    enum hs_state previous;
    int64_t notification_level;
    enum hs_kind kind;
};

/* Write it, cutting the message so that the body has at most `max_bytes`. free().
 * HS_E_DATA: too long without message. */
enum hs_status hsp_payload_write(const struct hsp_payload *payload, size_t max_bytes,
                                 char **json, size_t *length,
                                 struct hs_error *err) HS_MUST_CHECK;

/* What the daemon wants to know of a body. */
struct hsp_payload_facts {
    enum hs_kind kind;
    enum hs_state state;
    enum hs_state previous; /* HS_STATE_NONE: null */
    char monitor_id[64];    /* cut where longer */
};

/* Are these bytes a canonical body of the right shape (keys, order, types, ranges, a
 * fixed point of JSON.stringify(JSON.parse(·)), at most HSP_PAYLOAD_MAX)? HS_E_DATA says
 * what is wrong. `facts` may be NULL. */
enum hs_status hsp_payload_check(const char *json, size_t length,
                                 struct hsp_payload_facts *facts,
                                 struct hs_error *err) HS_MUST_CHECK;

#endif
