/* SPDX-License-Identifier: MIT */
/* A tree of options, as collectd's parser makes one, in plain structs; and reading what
 * an option says into the place that it is for. */
#ifndef HSP_OPTION_H
#define HSP_OPTION_H

#include "hookspool.h"

#include <stdbool.h>

enum hsp_option_type { HSP_OPTION_TEXT, HSP_OPTION_NUMBER, HSP_OPTION_FLAG };

struct hsp_option_value {
    enum hsp_option_type type;
    const char *text;
    double number;
    bool flag;
};

/* One line of a block, or a block. Borrowed from whoever parsed it. */
struct hsp_option {
    const char *key;
    const struct hsp_option_value *values;
    size_t value_count;
    const struct hsp_option *children;
    size_t child_count;
};

/* Each reads the one value of `option` into `place`, and leaves that alone on failure.
 * HS_E_DATA: it is something else, told without the option's name. HS_E_NOMEM. */
#define HSP_OPTION_READER(name)                                                          \
    enum hs_status name(void *place, const struct hsp_option *option,                    \
                        struct hs_error *err) HS_MUST_CHECK
HSP_OPTION_READER(hsp_option_text);    /* char *, freed and replaced */
HSP_OPTION_READER(hsp_option_path);    /* likewise: absolute */
HSP_OPTION_READER(hsp_option_flag);    /* bool */
HSP_OPTION_READER(hsp_option_count);   /* int64_t, 1 to 10^9 */
HSP_OPTION_READER(hsp_option_seconds); /* int64_t, microseconds, up to a year */
HSP_OPTION_READER(hsp_option_number);  /* double */
HSP_OPTION_READER(hsp_option_factor);  /* double, above 0 */

/* Has it one value of this type and no block? */
enum hs_status hsp_option_need(const struct hsp_option *option, enum hsp_option_type type,
                               struct hs_error *err) HS_MUST_CHECK;
/* Is the number one that hsp_option_count takes? */
enum hs_status hsp_option_check_count(double number, struct hs_error *err) HS_MUST_CHECK;

/* One of a few words, whatever their case; the last of `words` has none. `allowed` is
 * said where it is another. */
struct hsp_word {
    const char *word;
    int value;
};
enum hs_status hsp_option_word(int *value, const struct hsp_option *option,
                               const struct hsp_word *words, const char *allowed,
                               struct hs_error *err) HS_MUST_CHECK;

#endif
