/* SPDX-License-Identifier: MIT */
/* When an item is UP, and what is told of it: the words up, failures, successes,
 * notify_at and repeat of docs/hookspool-zabbix-map.5. */
#ifndef HSP_CRITERIA_H
#define HSP_CRITERIA_H

#include "monitor.h"
#include "rule.h"

#define HSP_CRITERIA_MARKS_MAX 100 /* numbers of notify_at */
#define HSP_CRITERIA_COUNT_MAX 1000000

struct hsp_criteria {
    struct hsp_rule up;
    bool has_up;
    struct hsp_monitor_rules rules; /* notify_at is the next */
    int64_t marks[HSP_CRITERIA_MARKS_MAX];
};

void hsp_criteria_init(struct hsp_criteria *criteria);
void hsp_criteria_free(struct hsp_criteria *criteria);

/* Is it one of these words? */
bool hsp_criteria_has(const char *word);
/* Set what such a word says. HS_E_DATA: what is wrong with the value; HS_E_NOMEM. */
enum hs_status hsp_criteria_set(struct hsp_criteria *criteria, const char *word,
                                const char *value, struct hs_error *err) HS_MUST_CHECK;

#endif
