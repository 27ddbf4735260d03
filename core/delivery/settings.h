/* SPDX-License-Identifier: MIT */
/* The daemon's view of hookspool.conf: everything checked, in units, with secrets not yet
 * read. Endpoints stand in the file itself and in endpoints.d/ beside it (files named
 * *.conf, in the order of their names, which hold endpoint blocks only). */
#ifndef HSP_SETTINGS_H
#define HSP_SETTINGS_H

#include "../conf.h"
#include <stdbool.h>

#define HSP_ENDPOINT_NAME_MAX 64
#define HSP_SECRETS_MAX 4

enum hsp_outage { HSP_OUTAGE_WAIT, HSP_OUTAGE_COUNT };

struct hsp_endpoint_settings {
    char *name;
    char *url;          /* as configured; from url_file after hsp_settings_load */
    bool url_is_secret; /* came from url_file */
    char *shown_url;    /* masked: safe for logs, status and journal */
    char *secret_files[HSP_SECRETS_MAX]; /* NULL-filled; the first signs StatusPageOne,
                                            all sign Standard Webhooks */
    unsigned events;                     /* bit 1 << enum hs_kind */
    int retries;                         /* 0 to 100 */
    int64_t backoff_ms, backoff_max_ms;  /* first pause and longest; 1 ms to 7 d */
    int64_t
        probe_max_ms; /* longest pause between two probes of an endpoint that is away */
    int64_t timeout_ms, connect_timeout_ms;
    int64_t max_age_ms;
    int connections; /* 1 to 256 */
    struct hsp_rate rate;
    enum hsp_outage outage;
    int64_t max_queued, max_queued_bytes, max_dead, max_dead_bytes;
    bool standard_webhooks, allow_http;
    char *ca_file, *cert_file, *key_file, *proxy,
        *source_address; /* NULL where not set */
};

struct hsp_settings {
    char *path; /* the file that was read */
    char *spool_dir;
    char *journal; /* default: DEFAULT_JOURNAL (compiled in) */
    int64_t journal_max_bytes;
    char *log;       /* "stderr", "syslog" or a path: see hsp_log_open */
    int64_t fold_ms; /* 0: no folding */
    struct hsp_share min_free;
    struct hsp_endpoint_settings *endpoints;
    size_t endpoint_count;
};

/* Read and check everything; "FILE:LINE: key 'x': … allowed …" in `err` (HS_E_CONFIG) for
 * the first mistake, HS_E_IO where a file cannot be read. Looks at url_file but not at
 * secrets. hsp_settings_free ends the result. One thread at a time. */
enum hs_status hsp_settings_load(struct hsp_settings **settings, const char *path,
                                 struct hs_error *err) HS_MUST_CHECK;
void hsp_settings_free(struct hsp_settings *settings);

/* The journal that `path` (may be NULL, as above) names, as far as that can be told where
 * hsp_settings_load finds a mistake: a line that begins with the key `journal` and is
 * right by itself counts, else the default. free(); NULL: out of memory. */
char *hsp_settings_guess_journal(const char *path);

/* [A-Za-z0-9][A-Za-z0-9._-]{0,63}. Pure. */
bool hsp_endpoint_name_ok(const char *name);

/* A URL to show: userinfo, query, fragment and, with `hide_path`, the path replaced by
 * "***". free(); NULL: out of memory. */
char *hsp_mask_url(const char *url, bool hide_path);

/* 127.0.0.0/8, [::1] or localhost? Pure. */
bool hsp_url_is_loopback(const char *url);

#endif
