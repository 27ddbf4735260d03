/* SPDX-License-Identifier: MIT */
/* What the host said: KEY=VALUE pairs from the environment, the command line and the
 * options, the later ones winning. A value that is empty, or a macro that the host left
 * as the literal text $NAME$, counts as absent, so that a weaker source may fill in. */
#ifndef HSP_NOTIFY_INPUT_H
#define HSP_NOTIFY_INPUT_H

#include "hookspool.h"
#include <stdbool.h>

struct hsp_pair {
    char *key;
    const char *value; /* borrowed from argv or the environment */
    bool inherited;    /* from the environment: nobody chose it for us */
};

/* Zero-initialize; ended by hsp_input_free. */
struct hsp_input {
    struct hsp_pair *pairs;
    size_t count;
    size_t capacity;
};

/* Is `value` nothing at all, or an unexpanded macro (^\$[A-Z_][A-Z0-9_:]*\$$)? */
bool hsp_value_is_absent(const char *value);

/* Add what the environment holds: NOTIFY_* (only beside NOTIFY_WHAT, for systemd has a
 * variable of that prefix), ICINGA_*, NAGIOS_*, weakest first, without the prefix.
 * HS_E_NOMEM. */
enum hs_status hsp_input_add_environment(struct hsp_input *input,
                                         char *const *environment,
                                         struct hs_error *err) HS_MUST_CHECK;
/* Add "KEY=VALUE", split at the first "=". HS_E_DATA: no "=", or nothing before it. */
enum hs_status hsp_input_add_argument(struct hsp_input *input, const char *argument,
                                      struct hs_error *err) HS_MUST_CHECK;
/* Add one pair; `value` is borrowed until hsp_input_free. HS_E_NOMEM. */
enum hs_status hsp_input_add(struct hsp_input *input, const char *key, const char *value,
                             struct hs_error *err) HS_MUST_CHECK;
void hsp_input_free(struct hsp_input *input);

/* The strongest value of `key` that is not absent; NULL where there is none. Borrowed. */
const char *hsp_input_get(const struct hsp_input *input, const char *key);

/* Is pair `i` worth keeping beside the payload? Not what is absent or overruled by a
 * stronger source, nor, of the inherited ones, what may hold passwords (ARG1 …,
 * check command lines, custom variables) or the members of whole groups. */
bool hsp_input_is_detail(const struct hsp_input *input, size_t i);

#endif
