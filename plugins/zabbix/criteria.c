/* SPDX-License-Identifier: MIT */
/* Words to rules. `rules.notify_at` leads into the struct itself: it is not copied. */
#include "config.h"

#include "criteria.h"
#include "cursor.h"
#include "error.h"
#include "units.h"

#include <string.h>

static enum hs_status set_count(int64_t *count, const char *word, const char *value,
                                struct hs_error *err) {
    struct hsp_cursor cursor = {value, value + strlen(value)};
    uint64_t number = 0;
    if (!hsp_take_number(&cursor, HSP_CRITERIA_COUNT_MAX, &number) || number == 0 ||
        cursor.at != cursor.end)
        return hsp_fail(err, HS_E_DATA, "%s: '%.60s' is no number from 1 to %d", word,
                        value, HSP_CRITERIA_COUNT_MAX);
    *count = (int64_t)number;
    return HS_OK;
}

static enum hs_status set_up(struct hsp_criteria *criteria, const char *word,
                             const char *value, struct hs_error *err) {
    struct hs_error own = {0};
    struct hsp_rule rule = {0};
    const enum hs_status status = hsp_rule_parse(&rule, value, &own);
    if (status != HS_OK)
        return hsp_fail(err, status, "%s: %s", word, own.text);
    hsp_rule_free(&criteria->up);
    criteria->up = rule;
    criteria->has_up = true;
    return HS_OK;
}

static enum hs_status set_failures(struct hsp_criteria *criteria, const char *word,
                                   const char *value, struct hs_error *err) {
    return set_count(&criteria->rules.failures, word, value, err);
}

static enum hs_status set_successes(struct hsp_criteria *criteria, const char *word,
                                    const char *value, struct hs_error *err) {
    return set_count(&criteria->rules.successes, word, value, err);
}

static enum hs_status set_notify_at(struct hsp_criteria *criteria, const char *word,
                                    const char *value, struct hs_error *err) {
    struct hsp_cursor cursor = {value, value + strlen(value)};
    size_t count = 0;
    uint64_t last = 0, number = 0;
    for (;; last = number) {
        while (hsp_take(&cursor, " "))
            ;
        if (cursor.at == cursor.end)
            break;
        if (!hsp_take_number(&cursor, HSP_CRITERIA_COUNT_MAX, &number) ||
            number <= last || count == HSP_CRITERIA_MARKS_MAX)
            return hsp_fail(err, HS_E_DATA,
                            "%s: '%.60s' are no ascending numbers from 1 to %d, %d at "
                            "most",
                            word, value, HSP_CRITERIA_COUNT_MAX, HSP_CRITERIA_MARKS_MAX);
        criteria->marks[count++] = (int64_t)number;
    }
    criteria->rules.notify_at = criteria->marks;
    criteria->rules.notify_at_count = count;
    return HS_OK;
}

static enum hs_status set_repeat(struct hsp_criteria *criteria, const char *word,
                                 const char *value, struct hs_error *err) {
    int64_t milliseconds = 0;
    if (!hsp_parse_duration(value, &milliseconds) ||
        (milliseconds < 1000 && milliseconds != 0))
        return hsp_fail(err, HS_E_DATA,
                        "%s: '%.60s' is no number and s, m, h or d, at least 1s", word,
                        value);
    criteria->rules.repeat_us = milliseconds * 1000;
    return HS_OK;
}

static const struct row {
    const char *word;
    enum hs_status (*set)(struct hsp_criteria *, const char *, const char *,
                          struct hs_error *);
} rows[] = {
    {"up", set_up},
    {"failures", set_failures},
    {"successes", set_successes},
    {"notify_at", set_notify_at},
    {"repeat", set_repeat},
};

static const struct row *find(const char *word) {
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i].word, word) == 0)
            return &rows[i];
    return NULL;
}

void hsp_criteria_init(struct hsp_criteria *criteria) {
    *criteria = (struct hsp_criteria){.rules = {.failures = 1, .successes = 1}};
}

void hsp_criteria_free(struct hsp_criteria *criteria) {
    hsp_rule_free(&criteria->up);
    hsp_criteria_init(criteria);
}

bool hsp_criteria_has(const char *word) { return find(word) != NULL; }

enum hs_status hsp_criteria_set(struct hsp_criteria *criteria, const char *word,
                                const char *value, struct hs_error *err) {
    const struct row *row = find(word);
    if (row == NULL)
        return hsp_fail(err, HS_E_DATA, "'%.60s' is no word for a rule", word);
    return row->set(criteria, word, value, err);
}
