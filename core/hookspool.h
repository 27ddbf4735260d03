/* SPDX-License-Identifier: MIT */
/* libhookspool: turn an alert into an event and keep it in a spool directory until
 * hookspoold has delivered it.
 *
 * An adapter loads the configuration, opens the spool, fills an event and puts it. No
 * function here prints, exits, opens a socket, reads a secret or changes a signal. Every
 * function may be called from any thread; one handle (config, spool, event) may be used
 * by one thread at a time, except that hs_spool_put and hs_spool_put_batch may be called
 * on one spool by several threads at once. Everything is borrowed for the call unless it
 * says otherwise. */
#ifndef HOOKSPOOL_H
#define HOOKSPOOL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#define HS_MUST_CHECK __attribute__((warn_unused_result))
#define HS_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define HS_MUST_CHECK
#define HS_PRINTF(fmt, first)
#endif

/* What a call came to. The numbers are part of the ABI: new ones are added at the end. */
enum hs_status {
    HS_OK = 0,
    HS_E_NOMEM,  /* out of memory */
    HS_E_DATA,   /* the event or the text given is not acceptable */
    HS_E_CONFIG, /* the configuration is wrong, or the spool cannot be determined */
    HS_E_SPOOL,  /* the spool cannot be used: missing, not a folder, wrong owner, no
                    permission */
    HS_E_IO,     /* reading or writing failed; what was put is perhaps queued */
    HS_E_FULL,   /* no space: nothing was queued */
};

/* Where and why a call failed. The caller's, may be NULL wherever it is asked for. The
 * first failure writes it, later ones leave it: set `status` to HS_OK (or zero the
 * struct) before using one again. `text` names the step and the thing, in one line
 * without a newline, for example "open /var/spool/hookspool/tmp: Permission denied". */
struct hs_error {
    enum hs_status status;
    int sys_errno; /* errno of the failed step, 0 where there is none */
    char text[512];
};

/* The general text of a status, for example "no space". Static, never NULL. */
const char *hs_status_text(enum hs_status status);

/* Configuration: the adapters' part of hookspool.conf
 * --------------------------------------------------------------- */

struct hs_config;

/* Load what adapters need. `path` NULL means $HOOKSPOOL_CONFIG, else the compiled-in
 * place; a missing file there is not even worth a warning. Never fails because of what a
 * file says: wrong keys, an unreadable file or a broken block leave the defaults in place
 * and one line in hs_config_warning(). The result is the caller's, ended by
 * hs_config_free. HS_E_NOMEM is the only failure. Reads one file. */
enum hs_status hs_config_load(struct hs_config **config, const char *path,
                              struct hs_error *err) HS_MUST_CHECK;
void hs_config_free(struct hs_config *config); /* NULL is fine */

/* Use another spool directory than the file names: an absolute path, else HS_E_CONFIG. */
enum hs_status hs_config_set_spool_dir(struct hs_config *config, const char *dir,
                                       struct hs_error *err) HS_MUST_CHECK;

/* Borrowed texts, valid until hs_config_free or hs_config_set_spool_dir; never NULL but
 * for the warning. */
const char *hs_config_spool_dir(const struct hs_config *config);
const char *hs_config_region(
    const struct hs_config *config); /* configured, else the short host name */
const char *
hs_config_site(const struct hs_config *config); /* "" where none is configured */
const char *
hs_config_monitor_name(const struct hs_config *config); /* default "{host}/{service}" */
const char *
hs_config_warning(const struct hs_config *config); /* one line, NULL where all is well */

/* Events
 * -------------------------------------------------------------------------------------------------------------
 */

enum hs_state { HS_STATE_NONE = 0, HS_STATE_UP, HS_STATE_DOWN };

/* How a WARNING of the host counts: HS_STATE_DOWN (default) or HS_STATE_UP. */
enum hs_state hs_config_warning_is(const struct hs_config *config);

/* The payload's notification_type. UNCHANGED (an UP after an UP) is recorded in the
 * delivery journal, never sent. */
enum hs_kind {
    HS_KIND_INCIDENT = 0,
    HS_KIND_RECOVERY,
    HS_KIND_ACKNOWLEDGEMENT,
    HS_KIND_DOWNTIME,
    HS_KIND_FLAPPING,
    HS_KIND_CUSTOM,
    HS_KIND_TEST,
    HS_KIND_OTHER,
    HS_KIND_UNCHANGED,
};

/* "incident", "recovery" …; static, never NULL. */
const char *hs_kind_text(enum hs_kind kind);
/* The reverse; -1 for an unknown word. */
int hs_kind_parse(const char *word);

/* Texts of an event. All are optional but HS_TEXT_MONITOR_NAME or HS_TEXT_HOST. "" takes
 * a text away. Any bytes are taken: ill-formed UTF-8 is replaced by U+FFFD, one for each
 * maximal ill-formed part (WHATWG Encoding, "decode UTF-8"), and so is a NUL byte. */
enum hs_text {
    HS_TEXT_MONITOR_NAME, /* default: host, or "host/service" by the configured pattern */
    HS_TEXT_MONITOR_ID,   /* default: made from site, system, host and service;
                             one beyond 256 bytes becomes a hash; docs/payload.md */
    HS_TEXT_MONITOR_URL,  /* default: null */
    HS_TEXT_REGION,       /* default: the configuration's */
    HS_TEXT_ERROR_MESSAGE, /* incident and the like only; default: empty for DOWN */
    HS_TEXT_SYSTEM,        /* "nagios", "icinga2", "collectd", "zabbix", … */
    HS_TEXT_HOST,
    HS_TEXT_SERVICE,
    HS_TEXT_FOLD_KEY,  /* equal keys within the daemon's `fold` time are one event;
                          default: none */
    HS_TEXT_ENDPOINTS, /* "a,b" narrows the fan-out; "" or "all" is all */
    HS_TEXT_COUNT      /* not a text: their number */
};

/* Numbers of an event; unset ones are null in the payload or take the default said here.
 */
enum hs_number {
    HS_NUMBER_TIME, /* check_result.timestamp, UTC seconds, 0 to 253402300799; default:
                       now */
    HS_NUMBER_RESPONSE_TIME_MS,     /* 0 to 2^53; default: null */
    HS_NUMBER_STATUS_CODE,          /* 0 to 999; default: null */
    HS_NUMBER_CONSECUTIVE_FAILURES, /* 0 to 2^53; default: 1 for DOWN, 0 for UP; a
                                       recovery always has 0 */
    HS_NUMBER_NOTIFICATION_LEVEL,   /* 1 to 2^53; default: 1 */
    HS_NUMBER_ORDER_TIME, /* when the host says it happened, UTC seconds; 0 or a day off
                             counts as absent */
    HS_NUMBER_ORDER_SEQUENCE, /* the host's own running number within that second;
                                 default: 0 */
    HS_NUMBER_COUNT
};

struct hs_event;

/* A new, empty event of `kind` in `state`, with an id of its own (UUIDv7, RFC 9562
 * section 5.7). The caller's, ended by hs_event_free. Reads the clock and random bytes;
 * no disk. HS_E_NOMEM, HS_E_IO (no random bytes). */
enum hs_status hs_event_new(struct hs_event **event, enum hs_kind kind,
                            enum hs_state state, struct hs_error *err) HS_MUST_CHECK;
void hs_event_free(struct hs_event *event); /* NULL is fine */

/* The id: 36 characters, lower case; borrowed, valid until hs_event_free. */
const char *hs_event_id(const struct hs_event *event);
/* Give an event that was put before its old id again. HS_E_DATA: not a UUIDv7 in lower
 * case. */
enum hs_status hs_event_set_id(struct hs_event *event, const char *id,
                               struct hs_error *err) HS_MUST_CHECK;

/* State before this event; HS_STATE_NONE (null) by default, DOWN for a recovery. */
void hs_event_set_previous(struct hs_event *event, enum hs_state previous);

/* Set a text of `length` bytes, copied. HS_E_NOMEM. */
enum hs_status hs_event_set_text(struct hs_event *event, enum hs_text which,
                                 const char *text, size_t length,
                                 struct hs_error *err) HS_MUST_CHECK;
/* Set a number. HS_E_DATA when it is out of its range; the event is as before then. */
enum hs_status hs_event_set_number(struct hs_event *event, enum hs_number which,
                                   int64_t value, struct hs_error *err) HS_MUST_CHECK;
/* Keep a detail of the host's own (macro, tag, state …) beside the payload, for whoever
 * reads the spool; copied, repaired as texts are. A second one of the same `key` replaces
 * the first. Beyond 256 KB in all the rest is left out and the record says so. */
enum hs_status hs_event_set_detail(struct hs_event *event, const char *key,
                                   const char *value, size_t length,
                                   struct hs_error *err) HS_MUST_CHECK;

/* The payload as it will be sent: canonical JSON, without a newline or trailing NUL in
 * `length`, NUL-terminated. The caller's, ended by free(). `config` gives region, site
 * and name pattern and the cap (`max_payload`): a longer error_message is cut at a code
 * point and marked with U+2026. HS_E_DATA: no name and no host, or beyond the cap without
 * a message. Format: docs/payload.md. */
enum hs_status hs_event_payload(const struct hs_event *event,
                                const struct hs_config *config, char **payload,
                                size_t *length, struct hs_error *err) HS_MUST_CHECK;

/* The spool record as it will be written: what `--dry-run` shows. Ownership as above.
 * Format: docs/spool-format.md. */
enum hs_status hs_event_record(const struct hs_event *event,
                               const struct hs_config *config, char **record,
                               size_t *length, struct hs_error *err) HS_MUST_CHECK;

/* Spool
 * --------------------------------------------------------------------------------------------------------------
 */

struct hs_spool;

/* Open the spool that `config` names. `config` is borrowed until hs_spool_close. Where
 * spool_dir belongs to the calling user missing folders are made; elsewhere a missing
 * folder, a file in its place, another owner than spool_dir's or a lack of permission is
 * HS_E_SPOOL, naming it and `hookspool init`. Disk, no lock. */
enum hs_status hs_spool_open(struct hs_spool **spool, const struct hs_config *config,
                             struct hs_error *err) HS_MUST_CHECK;
void hs_spool_close(struct hs_spool *spool); /* NULL is fine */

/* Queue one event so that it survives a crash. Two fsyncs, no network, no lock.
 * HS_OK: durable. HS_E_FULL (less than `min_free` left, quota, ENOSPC), HS_E_SPOOL,
 * HS_E_DATA, HS_E_NOMEM: nothing queued. HS_E_IO: perhaps queued, put it again under the
 * same id. */
enum hs_status hs_spool_put(struct hs_spool *spool, const struct hs_event *event,
                            struct hs_error *err) HS_MUST_CHECK;

/* The same for `count` events (0 is fine) in one file, so with two fsyncs; in more files
 * beyond 16 MB. On failure those of earlier files may be queued: put all again under the
 * same ids. */
enum hs_status hs_spool_put_batch(struct hs_spool *spool,
                                  const struct hs_event *const *events, size_t count,
                                  struct hs_error *err) HS_MUST_CHECK;

/* The version of the library that runs, for example "0.1.0". */
const char *hs_version(void);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif
#endif
