/* SPDX-License-Identifier: MIT */
/* Event ids (UUIDv7, RFC 9562) and the stable hash of a monitored object. */
#ifndef HSP_ID_H
#define HSP_ID_H

#include "hookspool.h"
#include <stdbool.h>

#define HSP_ID_LENGTH 36

/* Write a new id and its NUL to `id`. Ids of one process made one after the other ascend.
 * HS_E_IO: no random bytes. */
enum hs_status hsp_id_new(char id[HSP_ID_LENGTH + 1], struct hs_error *err) HS_MUST_CHECK;

/* An id that follows from a time (UTC ms) and a text: the same for the same, in the form
 * and the order of the others. Pure. */
void hsp_id_derive(char id[HSP_ID_LENGTH + 1], int64_t time_ms, const char *seed);

/* Is `text` (any length, NUL-terminated) a lower-case UUIDv7? */
bool hsp_id_is_valid(const char *text);

/* FNV-1a, 64 bits, over `site`, `system`, `host`, `service`, each followed by one NUL
 * byte. Fixed for ever: monitor ids and the names of waiting files come from it. NULL
 * counts as "". Vectors: docs/payload.md. */
uint64_t hsp_object_hash(const char *site, const char *system, const char *host,
                         const char *service);

/* FNV-1a, 64 bits, over any bytes. */
uint64_t hsp_hash(const void *bytes, size_t length);

#define HSP_MONITOR_ID_LENGTH 16 /* "mon_" and 12 characters [0-9a-z] */

/* "mon_" and the hash modulo 36^12 in base 36, most significant digit first, padded with
 * "0". */
void hsp_monitor_id(uint64_t object, char id[HSP_MONITOR_ID_LENGTH + 1]);

#endif
