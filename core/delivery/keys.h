/* SPDX-License-Identifier: MIT */
/* Keys of the configuration as tables: one row a key, which says how its words become a
 * member of a struct. libConfuse gets every value as a string, so that each mistake is
 * found and worded here. */
#ifndef HSP_KEYS_H
#define HSP_KEYS_H

#include "../conf.h"
#include <stdbool.h>

enum hsp_key_result { HSP_KEY_OK, HSP_KEY_WRONG, HSP_KEY_NOMEM };

struct hsp_key {
    const char *name;
    const char *initial; /* NULL: none; of a list "{a, b}" */
    enum hsp_key_result (*set)(const struct hsp_key *key, const char *value,
                               void *target);
    size_t offset; /* of the member in the struct */
    const char *allowed;
    int64_t min, max; /* of numbers; max of a list: how many, 0: any */
    bool is_list;
    bool is_masked; /* a URL: its value is shown masked */
};

/* Setters: `target` is the member, NULL: look at the value only, which takes no memory.
 * Of a list each value is added. WRONG leaves the member alone. */
enum hsp_key_result hsp_set_duration(const struct hsp_key *key, const char *value,
                                     void *target); /* int64_t, ms */
enum hsp_key_result hsp_set_size(const struct hsp_key *key, const char *value,
                                 void *target); /* int64_t */
enum hsp_key_result hsp_set_count(const struct hsp_key *key, const char *value,
                                  void *target); /* int64_t */
enum hsp_key_result hsp_set_int(const struct hsp_key *key, const char *value,
                                void *target); /* int */
enum hsp_key_result hsp_set_flag(const struct hsp_key *key, const char *value,
                                 void *target); /* bool */
enum hsp_key_result hsp_set_rate(const struct hsp_key *key, const char *value,
                                 void *target); /* struct hsp_rate */
enum hsp_key_result hsp_set_share(const struct hsp_key *key, const char *value,
                                  void *target); /* struct hsp_share */
enum hsp_key_result hsp_set_word(const struct hsp_key *key, const char *value,
                                 void *target); /* char *, no blank in it */
enum hsp_key_result hsp_set_file(const struct hsp_key *key, const char *value,
                                 void *target); /* char *, absolute path */
enum hsp_key_result hsp_set_log(const struct hsp_key *key, const char *value,
                                void *target); /* char *, or stderr, syslog */
enum hsp_key_result hsp_set_url(const struct hsp_key *key, const char *value,
                                void *target); /* char *, see hsp_url_ok */
enum hsp_key_result hsp_set_proxy(const struct hsp_key *key, const char *value,
                                  void *target); /* char * */

/* The libConfuse option of a row. */
cfg_opt_t hsp_key_option(const struct hsp_key *key);

/* For validators: is the value that `opt` has just got allowed? -1 after reporting that
 * it is not. */
int hsp_key_check(const struct hsp_key *keys, size_t count, cfg_t *cfg, cfg_opt_t *opt);

/* Set every member from `cfg`, whose values have passed hsp_key_check. false: out of
 * memory. */
bool hsp_keys_fill(const struct hsp_key *keys, size_t count, cfg_t *cfg, void *base);

#endif
