/* SPDX-License-Identifier: MIT */
/* Reading the values of options, each kind by a function that says what it takes. */
#include "config.h"

#include "error.h"
#include "option.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COUNT_MAX 1000000000.0
#define SECONDS_MAX 31536000.0 /* a year */

enum hs_status hsp_option_need(const struct hsp_option *option, enum hsp_option_type type,
                               struct hs_error *err) {
    static const char *const words[] = {"one text", "one number", "true or false"};
    if (option->value_count == 1 && option->values[0].type == type &&
        option->child_count == 0)
        return HS_OK;
    return hsp_fail(err, HS_E_DATA, "takes %s", words[type]);
}

enum hs_status hsp_option_text(void *place, const struct hsp_option *option,
                               struct hs_error *err) {
    char **text = place;
    enum hs_status status = hsp_option_need(option, HSP_OPTION_TEXT, err);
    if (status != HS_OK)
        return status;
    char *copy = strdup(option->values[0].text);
    if (copy == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read configuration: out of memory");
    free(*text);
    *text = copy;
    return HS_OK;
}

/* collectd changes its working directory: a path must not depend on when it is used. */
enum hs_status hsp_option_path(void *place, const struct hsp_option *option,
                               struct hs_error *err) {
    const enum hs_status status = hsp_option_need(option, HSP_OPTION_TEXT, err);
    if (status != HS_OK)
        return status;
    if (option->values[0].text[0] != '/')
        return hsp_fail(err, HS_E_DATA, "'%s' is not an absolute path",
                        option->values[0].text);
    return hsp_option_text(place, option, err);
}

enum hs_status hsp_option_flag(void *place, const struct hsp_option *option,
                               struct hs_error *err) {
    const enum hs_status status = hsp_option_need(option, HSP_OPTION_FLAG, err);
    if (status == HS_OK)
        *(bool *)place = option->values[0].flag;
    return status;
}

static enum hs_status check_range(double number, double least, double most,
                                  struct hs_error *err) {
    if (number >= least && number <= most)
        return HS_OK;
    return hsp_fail(err, HS_E_DATA, "%.15g is not from %.15g to %.15g", number, least,
                    most);
}

enum hs_status hsp_option_check_count(double number, struct hs_error *err) {
    if (number != floor(number))
        return hsp_fail(err, HS_E_DATA, "%.15g is not a whole number", number);
    return check_range(number, 1, COUNT_MAX, err);
}

enum hs_status hsp_option_count(void *place, const struct hsp_option *option,
                                struct hs_error *err) {
    enum hs_status status = hsp_option_need(option, HSP_OPTION_NUMBER, err);
    if (status == HS_OK)
        status = hsp_option_check_count(option->values[0].number, err);
    if (status == HS_OK)
        *(int64_t *)place = (int64_t)option->values[0].number;
    return status;
}

enum hs_status hsp_option_seconds(void *place, const struct hsp_option *option,
                                  struct hs_error *err) {
    enum hs_status status = hsp_option_need(option, HSP_OPTION_NUMBER, err);
    if (status == HS_OK)
        status = check_range(option->values[0].number, 0, SECONDS_MAX, err);
    if (status == HS_OK)
        *(int64_t *)place = (int64_t)(option->values[0].number * 1e6);
    return status;
}

enum hs_status hsp_option_number(void *place, const struct hsp_option *option,
                                 struct hs_error *err) {
    const enum hs_status status = hsp_option_need(option, HSP_OPTION_NUMBER, err);
    if (status == HS_OK)
        *(double *)place = option->values[0].number;
    return status;
}

enum hs_status hsp_option_factor(void *place, const struct hsp_option *option,
                                 struct hs_error *err) {
    enum hs_status status = hsp_option_need(option, HSP_OPTION_NUMBER, err);
    if (status == HS_OK && !(option->values[0].number > 0))
        status =
            hsp_fail(err, HS_E_DATA, "%.15g is not above 0", option->values[0].number);
    if (status == HS_OK)
        *(double *)place = option->values[0].number;
    return status;
}

enum hs_status hsp_option_word(int *value, const struct hsp_option *option,
                               const struct hsp_word *words, const char *allowed,
                               struct hs_error *err) {
    const enum hs_status status = hsp_option_need(option, HSP_OPTION_TEXT, err);
    if (status != HS_OK)
        return status;
    for (; words->word != NULL; words++)
        if (strcasecmp(words->word, option->values[0].text) == 0) {
            *value = words->value;
            return HS_OK;
        }
    return hsp_fail(err, HS_E_DATA, "'%s' is not %s", option->values[0].text, allowed);
}
