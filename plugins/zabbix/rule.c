/* SPDX-License-Identifier: MIT */
/* Rules: an operator and its operand. Numbers compare as numbers, also where an item has
 * them as text; a text that is no number is bad for a rule about numbers. */
#include "config.h"

#include "rule.h"

#include "error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t"
#define WHOLE_MAX 9007199254740992.0 /* 2^53: shown with all digits */
#define NUMBER_LENGTH 32

/* The longer operators first. */
static const struct sign {
    const char *text;
    enum hsp_relation relation;
    const char *fault; /* "503 IS FAULT 399" */
} signs[] = {
    {"!=", HSP_NOT_EQUAL, "is"},      {"!~", HSP_MATCHES_NOT, "matches"},
    {"<=", HSP_AT_MOST, "is above"},  {">=", HSP_AT_LEAST, "is below"},
    {"<", HSP_BELOW, "is not below"}, {">", HSP_ABOVE, "is not above"},
    {"=", HSP_EQUAL, "is not"},       {"~", HSP_MATCHES, "does not match"},
};
#define SIGNS (sizeof(signs) / sizeof(signs[0]))

/* strtod knows "inf", "nan" and hexadecimal, too. */
bool hsp_parse_decimal(const char *text, double *number) {
    char *end = NULL;
    text += strspn(text, BLANKS "\r\n");
    if (*text == '\0' || strspn(text, "+-.0123456789eE" BLANKS "\r\n") != strlen(text))
        return false;
    const double value = strtod(text, &end);
    if (end == text || end[strspn(end, BLANKS "\r\n")] != '\0' || !isfinite(value))
        return false;
    *number = value;
    return true;
}

static char *trimmed(const char *text) {
    text += strspn(text, BLANKS);
    size_t length = strlen(text);
    while (length > 0 && strchr(BLANKS, text[length - 1]) != NULL)
        length--;
    return strndup(text, length);
}

/* "200..399" */
static bool parse_range(struct hsp_rule *rule) {
    char *dots = strstr(rule->text, "..");
    if (dots == NULL)
        return false;
    *dots = '\0';
    const bool is_range = hsp_parse_decimal(rule->text, &rule->number) &&
                          hsp_parse_decimal(dots + 2, &rule->to);
    *dots = '.';
    rule->relation = HSP_FROM_TO;
    return is_range;
}

static enum hs_status compile(struct hsp_rule *rule, struct hs_error *err) {
    char reason[128];
    regex_t *regex = malloc(sizeof(*regex));
    if (regex == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read rule: out of memory");
    const int failed = regcomp(regex, rule->text, REG_EXTENDED | REG_NOSUB);
    if (failed == 0) {
        rule->regex = regex;
        return HS_OK;
    }
    regerror(failed, regex, reason, sizeof(reason));
    free(regex);
    if (failed == REG_ESPACE)
        return hsp_fail(err, HS_E_NOMEM, "read rule: out of memory");
    return hsp_fail(err, HS_E_DATA, "'%.100s': %s", rule->text, reason);
}

/* What follows the operator. */
static enum hs_status parse_operand(struct hsp_rule *rule, struct hs_error *err) {
    const bool is_number = hsp_parse_decimal(rule->text, &rule->number);
    switch (rule->relation) {
    case HSP_MATCHES:
    case HSP_MATCHES_NOT:
        return compile(rule, err);
    case HSP_EQUAL:
    case HSP_NOT_EQUAL:
        if (!is_number)
            rule->relation =
                rule->relation == HSP_EQUAL ? HSP_TEXT_EQUAL : HSP_TEXT_NOT_EQUAL;
        return HS_OK;
    default:
        return is_number ? HS_OK
                         : hsp_fail(err, HS_E_DATA, "'%.100s' is no number", rule->text);
    }
}

enum hs_status hsp_rule_parse(struct hsp_rule *rule, const char *text,
                              struct hs_error *err) {
    struct hsp_rule parsed = {0};
    enum hs_status status = HS_OK;
    size_t i = 0;
    text += strspn(text, BLANKS);
    while (i < SIGNS && strncmp(text, signs[i].text, strlen(signs[i].text)) != 0)
        i++;
    parsed.text = trimmed(text + (i < SIGNS ? strlen(signs[i].text) : 0));
    if (parsed.text == NULL) {
        status = hsp_fail(err, HS_E_NOMEM, "read rule: out of memory");
    } else if (i < SIGNS) {
        parsed.relation = signs[i].relation;
        status = parse_operand(&parsed, err);
    } else if (!parse_range(&parsed)) {
        status = hsp_fail(err, HS_E_DATA,
                          "'%.100s' is no rule; these are: =1, !=1, <5, <=5, >0, >=1, "
                          "200..399, =OK, !=OK, ~REGEX, !~REGEX",
                          text);
    } else if (parsed.number > parsed.to) {
        status = hsp_fail(err, HS_E_DATA, "'%.100s': begins above its end", text);
    }
    if (status == HS_OK)
        *rule = parsed;
    else
        hsp_rule_free(&parsed);
    return status;
}

void hsp_rule_free(struct hsp_rule *rule) {
    if (rule->regex != NULL)
        regfree(rule->regex);
    free(rule->regex);
    free(rule->text);
    *rule = (struct hsp_rule){0};
}

/* Judging */

/* As Zabbix shows it. */
static void print_number(double number, char text[NUMBER_LENGTH]) {
    const bool is_whole = fabs(number) <= WHOLE_MAX && number == floor(number);
    snprintf(text, NUMBER_LENGTH, is_whole ? "%.0f" : "%.15g", number);
}

static bool text_holds(const struct hsp_rule *rule, const char *text) {
    switch (rule->relation) {
    case HSP_TEXT_EQUAL:
        return strcmp(text, rule->text) == 0;
    case HSP_TEXT_NOT_EQUAL:
        return strcmp(text, rule->text) != 0;
    case HSP_MATCHES:
        return regexec(rule->regex, text, 0, NULL, 0) == 0;
    default:
        return regexec(rule->regex, text, 0, NULL, 0) == REG_NOMATCH;
    }
}

static bool number_holds(const struct hsp_rule *rule, double number) {
    switch (rule->relation) {
    case HSP_EQUAL:
        return number == rule->number;
    case HSP_NOT_EQUAL:
        return number != rule->number;
    case HSP_BELOW:
        return number < rule->number;
    case HSP_AT_MOST:
        return number <= rule->number;
    case HSP_ABOVE:
        return number > rule->number;
    case HSP_AT_LEAST:
        return number >= rule->number;
    default:
        return number >= rule->number && number <= rule->to;
    }
}

static bool is_about_text(const struct hsp_rule *rule) {
    return rule->relation >= HSP_TEXT_EQUAL;
}

bool hsp_rule_holds(const struct hsp_rule *rule, const struct hsp_worth *worth) {
    char shown[NUMBER_LENGTH];
    double number = worth->number;
    if (is_about_text(rule)) {
        if (worth->text == NULL)
            print_number(worth->number, shown);
        return text_holds(rule, worth->text == NULL ? shown : worth->text);
    }
    if (worth->text != NULL && !hsp_parse_decimal(worth->text, &number))
        return false;
    return !isnan(number) && number_holds(rule, number);
}

static const char *fault_of(const struct hsp_rule *rule) {
    enum hsp_relation relation = rule->relation;
    if (relation == HSP_TEXT_EQUAL)
        relation = HSP_EQUAL;
    else if (relation == HSP_TEXT_NOT_EQUAL)
        relation = HSP_NOT_EQUAL;
    size_t i = 0;
    while (i + 1 < SIGNS && signs[i].relation != relation)
        i++;
    return signs[i].fault;
}

/* Take the last code point, which may be torn, away if it is not ASCII. */
static void cut_code_point(char *text, size_t length) {
    while (length > 0 && ((unsigned char)text[length - 1] & 0xC0) == 0x80)
        length--;
    if (length > 0 && (unsigned char)text[length - 1] >= 0xC0)
        length--;
    text[length] = '\0';
}

void hsp_rule_explain(const struct hsp_rule *rule, const struct hsp_worth *worth,
                      char *text, size_t size) {
    char shown[NUMBER_LENGTH], limit[NUMBER_LENGTH];
    double number = worth->number;
    const char *value = worth->text == NULL ? shown : worth->text;
    print_number(worth->number, shown);
    const bool is_number = worth->text == NULL || hsp_parse_decimal(worth->text, &number);
    int length;
    if (worth->text == NULL && isnan(number)) {
        length = snprintf(text, size, "the value is not a number");
    } else if (is_about_text(rule) || (is_number && rule->relation != HSP_FROM_TO)) {
        length = snprintf(text, size, "%s %s %s", value, fault_of(rule), rule->text);
    } else if (!is_number) {
        length = snprintf(text, size, "%s is not a number", value);
    } else {
        const bool is_below = number < rule->number;
        print_number(is_below ? rule->number : rule->to, limit);
        length = snprintf(text, size, "%s is %s %s", value, is_below ? "below" : "above",
                          limit);
    }
    if (length > 0 && (size_t)length >= size)
        cut_code_point(text, size - 1);
}
