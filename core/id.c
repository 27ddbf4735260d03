/* SPDX-License-Identifier: MIT */
/* UUIDv7 (RFC 9562, section 5.7, with sub-millisecond bits by section 6.2 method 3) and
 * FNV-1a. The only state is the last time stamp used, atomic, so that every thread may
 * ask. */
#include "config.h"

#include "error.h"
#include "id.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define FNV_BASIS UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)

/* 48 bits of milliseconds and 12 bits of their fraction, above the last one given out:
 * a clock that stands still or goes back must not make ids descend. */
static uint64_t next_stamp(void) {
    static _Atomic uint64_t last;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const uint64_t ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    const uint64_t fraction = (uint64_t)(now.tv_nsec % 1000000) * 4096 / 1000000;
    const uint64_t clock = ms << 12 | fraction;
    uint64_t before = atomic_load(&last);
    uint64_t stamp;
    do
        stamp = clock > before ? clock : before + 1;
    while (!atomic_compare_exchange_weak(&last, &before, stamp));
    return stamp;
}

static void write_hex(char id[HSP_ID_LENGTH + 1], const unsigned char bytes[16]) {
    static const char digits[] = "0123456789abcdef";
    char *at = id;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[bytes[i] >> 4];
        *at++ = digits[bytes[i] & 15];
    }
    *at = '\0';
}

enum hs_status hsp_id_new(char id[HSP_ID_LENGTH + 1], struct hs_error *err) {
    unsigned char bytes[16];
    ssize_t got;
    do
        got = getrandom(bytes + 8, 8, 0);
    while (got < 0 && errno == EINTR);
    if (got != 8)
        return hsp_fail_errno(err, HS_E_IO, "get random bytes");

    const uint64_t stamp = next_stamp();
    for (int i = 0; i < 6; i++)
        bytes[i] = (unsigned char)(stamp >> (52 - 8 * i));
    bytes[6] = (unsigned char)(0x70 | (stamp >> 8 & 0x0F));
    bytes[7] = (unsigned char)stamp;
    bytes[8] = (unsigned char)(0x80 | (bytes[8] & 0x3F));
    write_hex(id, bytes);
    return HS_OK;
}

/* RFC 9562, section 5.8 would be the form for this; version 7 keeps such ids among the
 * others in the order of their time. The 74 bits that are random there are a hash. */
void hsp_id_derive(char id[HSP_ID_LENGTH + 1], int64_t time_ms, const char *seed) {
    const uint64_t hash = hsp_hash(seed, strlen(seed));
    const uint64_t more = hash * UINT64_C(0x9E3779B97F4A7C15) >> 52;
    const uint64_t ms = (uint64_t)time_ms & ((UINT64_C(1) << 48) - 1);
    snprintf(id, HSP_ID_LENGTH + 1,
             "%08" PRIx64 "-%04" PRIx64 "-7%03" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
             ms >> 16, ms & 0xFFFF, more, 0x8000 | (hash >> 48 & 0x3FFF),
             (hash & UINT64_C(0xFFFFFFFFFFFF)) ^ (hash >> 62 << 40));
}

static bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

bool hsp_id_is_valid(const char *text) {
    static const char form[] = "xxxxxxxx-xxxx-7xxx-Vxxx-xxxxxxxxxxxx";
    for (size_t i = 0; i < HSP_ID_LENGTH; i++) {
        const char c = text[i];
        const bool fits = form[i] == 'x'   ? is_hex(c)
                          : form[i] == 'V' ? c != '\0' && strchr("89ab", c) != NULL
                                           : c == form[i];
        if (!fits)
            return false;
    }
    return text[HSP_ID_LENGTH] == '\0';
}

static uint64_t hash_on(uint64_t hash, const void *bytes, size_t length) {
    const unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * FNV_PRIME;
    return hash;
}

uint64_t hsp_hash(const void *bytes, size_t length) {
    return hash_on(FNV_BASIS, bytes, length);
}

uint64_t hsp_object_hash(const char *site, const char *system, const char *host,
                         const char *service) {
    const char *const parts[] = {site, system, host, service};
    uint64_t hash = FNV_BASIS;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *part = parts[i] == NULL ? "" : parts[i];
        hash = hash_on(hash, part, strlen(part) + 1);
    }
    return hash;
}

void hsp_monitor_id(uint64_t object, char id[HSP_MONITOR_ID_LENGTH + 1]) {
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    memcpy(id, "mon_", 4);
    for (int i = HSP_MONITOR_ID_LENGTH - 1; i >= 4; i--) {
        id[i] = digits[object % 36];
        object /= 36;
    }
    id[HSP_MONITOR_ID_LENGTH] = '\0';
}
