/* SPDX-License-Identifier: MIT */
/* When a value of an item is good: rules such as ">0", "200..399", "=OK" or "!~error".
 * Format: docs/hookspool-zabbix-map.5 */
#ifndef HSP_RULE_H
#define HSP_RULE_H

#include "hookspool.h"
#include <regex.h>
#include <stdbool.h>

enum hsp_relation {
    HSP_EQUAL,
    HSP_NOT_EQUAL,
    HSP_BELOW,
    HSP_AT_MOST,
    HSP_ABOVE,
    HSP_AT_LEAST,
    HSP_FROM_TO,
    HSP_TEXT_EQUAL,
    HSP_TEXT_NOT_EQUAL,
    HSP_MATCHES,
    HSP_MATCHES_NOT,
};

/* Zero-initialize. */
struct hsp_rule {
    enum hsp_relation relation;
    double number, to; /* `to` of a range */
    char *text;        /* what follows the operator */
    regex_t *regex;
};

/* A value: a number, or a text (borrowed) where that is not NULL. */
struct hsp_worth {
    double number;
    const char *text;
};

/* Read a rule. HS_E_DATA: what is wrong with it; HS_E_NOMEM. */
enum hs_status hsp_rule_parse(struct hsp_rule *rule, const char *text,
                              struct hs_error *err) HS_MUST_CHECK;
void hsp_rule_free(struct hsp_rule *rule); /* of zeros: fine */

/* Is the value good? Any number of threads at once. */
bool hsp_rule_holds(const struct hsp_rule *rule, const struct hsp_worth *worth);

/* "503 is above 399": why a value is bad. It is cut to fit, at a code point. */
void hsp_rule_explain(const struct hsp_rule *rule, const struct hsp_worth *worth,
                      char *text, size_t size);

/* All of `text` as a decimal number, with blanks around it. */
bool hsp_parse_decimal(const char *text, double *number);

#endif
