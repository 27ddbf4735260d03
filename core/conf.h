/* SPDX-License-Identifier: MIT */
/* Reading hookspool.conf with libConfuse: the one module (with delivery/settings.c on
 * top) that knows it. */
#ifndef HSP_CONF_H
#define HSP_CONF_H

#include "buffer.h"
#include "units.h"
#include <confuse.h>

/* The keys at the top of the file that adapters and daemon share: use it inside a
 * cfg_opt_t array. */
#define HSP_CONF_SHARED_OPTIONS                                                          \
    CFG_STR("spool_dir", HSP_DEFAULT_SPOOL_DIR, CFGF_NONE),                              \
        CFG_STR("site", "", CFGF_NONE), CFG_STR("region", "", CFGF_NONE),                \
        CFG_STR("monitor_name", "{host}/{service}", CFGF_NONE),                          \
        CFG_STR("warning_is", "down", CFGF_NONE),                                        \
        CFG_STR("max_payload", "102399", CFGF_NONE),                                     \
        CFG_STR("min_free", "5%", CFGF_NONE)

/* Set the validators of the shared keys on `cfg`, so that a wrong value is an error with
 * file and line. */
void hsp_conf_guard_shared(cfg_t *cfg);

/* The path to read: `path`, else $HOOKSPOOL_CONFIG, else the compiled-in one. Borrowed,
 * static or the argument. */
const char *hsp_conf_path(const char *path);

/* HS_E_IO where somebody named a file, by `path` or the environment, and it cannot be
 * read. For those who look at a spool or change it: with the defaults instead they would
 * do so with another spool than was meant. (An adapter had better put its event there.)
 */
enum hs_status hsp_conf_check_named(const char *path, struct hs_error *err) HS_MUST_CHECK;

/* Parse the file at `path` into `cfg` (from cfg_init). "${" is literal. The first mistake
 * is reported as "FILE:LINE: …" in `err` (HS_E_CONFIG; HS_E_IO when the file cannot be
 * read). libConfuse has global state: a lock lets one thread parse at a time. */
enum hs_status hsp_conf_parse(cfg_t *cfg, const char *path,
                              struct hs_error *err) HS_MUST_CHECK;

/* The steps of it. Read the bytes of the file, at most 1 MB. */
enum hs_status hsp_conf_slurp(const char *path, struct hsp_buffer *bytes,
                              struct hs_error *err) HS_MUST_CHECK;
/* Append them to `text` with comments as blanks and "${" made literal, line for line.
 * What libConfuse would take badly is refused (HS_E_CONFIG): an unterminated string or
 * comment, a brace without its partner, "${" outside quotes, bad escapes. `path` is for
 * messages. */
enum hs_status hsp_conf_clean(const char *path, const char *bytes, size_t length,
                              struct hsp_buffer *text,
                              struct hs_error *err) HS_MUST_CHECK;
/* Parse such a text. */
enum hs_status hsp_conf_parse_text(cfg_t *cfg, const char *path,
                                   const struct hsp_buffer *text,
                                   struct hs_error *err) HS_MUST_CHECK;

/* For validators: report "key: what is allowed" with file and line through cfg_error.
 * Returns -1. */
int hsp_conf_refuse(cfg_t *cfg, const cfg_opt_t *opt, const char *value,
                    const char *allowed);

/* Private accessors beside the public ones. */
size_t hsp_config_max_payload(const struct hs_config *config);
struct hsp_share hsp_config_min_free(const struct hs_config *config);

#endif
