/* SPDX-License-Identifier: MIT */
/* The pairs that a notification command is given. Order in the array is strength: a later
 * pair overrules an earlier one of the same key. Pure but for memory. */
#include "config.h"

#include "input.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const prefixes[] = {"NOTIFY_", "ICINGA_", "NAGIOS_"};

/* Inherited keys that are left out of the details, as patterns. A command line or a
 * plug-in's parameter may hold a password, custom variables often do (SNMP communities),
 * and members fill pages. */
static const char *const kept_back[] = {
    "ARG[0-9]*", "*CHECKCOMMAND", "PARAMETER*", "_*", "*GROUPMEMBERS",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static enum hs_status out_of_memory(struct hs_error *err) {
    if (err && err->status == HS_OK) {
        err->status = HS_E_NOMEM;
        err->sys_errno = ENOMEM;
        snprintf(err->text, sizeof(err->text), "read the arguments: out of memory");
    }
    return HS_E_NOMEM;
}

static bool is_macro_letter(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':';
}

bool hsp_value_is_absent(const char *value) {
    size_t length = strlen(value);
    if (length == 0)
        return true;
    if (length < 3 || value[0] != '$' || value[length - 1] != '$')
        return false;
    if ((value[1] >= '0' && value[1] <= '9') || value[1] == ':')
        return false;
    for (size_t i = 1; i < length - 1; i++) {
        if (!is_macro_letter(value[i]))
            return false;
    }
    return true;
}

static bool make_room(struct hsp_input *input) {
    if (input->count < input->capacity)
        return true;
    size_t capacity = input->capacity ? input->capacity * 2 : 64;
    struct hsp_pair *pairs = realloc(input->pairs, capacity * sizeof(*pairs));
    if (!pairs)
        return false;
    input->pairs = pairs;
    input->capacity = capacity;
    return true;
}

static enum hs_status add(struct hsp_input *input, const char *key, size_t key_length,
                          const char *value, bool inherited, struct hs_error *err) {
    char *copy = strndup(key, key_length);
    if (!copy || !make_room(input)) {
        free(copy);
        return out_of_memory(err);
    }
    input->pairs[input->count++] = (struct hsp_pair){copy, value, inherited};
    return HS_OK;
}

enum hs_status hsp_input_add(struct hsp_input *input, const char *key, const char *value,
                             struct hs_error *err) {
    return add(input, key, strlen(key), value, false, err);
}

enum hs_status hsp_input_add_argument(struct hsp_input *input, const char *argument,
                                      struct hs_error *err) {
    const char *equals = strchr(argument, '=');
    if (equals && equals != argument)
        return add(input, argument, (size_t)(equals - argument), equals + 1, false, err);
    if (err && err->status == HS_OK) {
        err->status = HS_E_DATA;
        err->sys_errno = 0;
        snprintf(err->text, sizeof(err->text), "argument '%.80s' is not KEY=VALUE",
                 argument);
    }
    return HS_E_DATA;
}

static enum hs_status add_prefixed(struct hsp_input *input, char *const *environment,
                                   const char *prefix, struct hs_error *err) {
    size_t skip = strlen(prefix);
    for (; *environment; environment++) {
        const char *entry = *environment;
        const char *equals = strchr(entry, '=');
        if (strncmp(entry, prefix, skip) != 0 || !equals || equals <= entry + skip)
            continue;
        enum hs_status status = add(input, entry + skip, (size_t)(equals - entry) - skip,
                                    equals + 1, true, err);
        if (status != HS_OK)
            return status;
    }
    return HS_OK;
}

static bool has_variable(char *const *environment, const char *name) {
    size_t length = strlen(name);
    for (; *environment; environment++) {
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return true;
    }
    return false;
}

enum hs_status hsp_input_add_environment(struct hsp_input *input,
                                         char *const *environment, struct hs_error *err) {
    size_t first = has_variable(environment, "NOTIFY_WHAT") ? 0 : 1;
    for (size_t i = first; i < COUNT(prefixes); i++) {
        enum hs_status status = add_prefixed(input, environment, prefixes[i], err);
        if (status != HS_OK)
            return status;
    }
    return HS_OK;
}

void hsp_input_free(struct hsp_input *input) {
    for (size_t i = 0; i < input->count; i++)
        free(input->pairs[i].key);
    free(input->pairs);
    *input = (struct hsp_input){0};
}

const char *hsp_input_get(const struct hsp_input *input, const char *key) {
    for (size_t i = input->count; i > 0; i--) {
        const struct hsp_pair *pair = &input->pairs[i - 1];
        if (strcmp(pair->key, key) == 0 && !hsp_value_is_absent(pair->value))
            return pair->value;
    }
    return NULL;
}

bool hsp_input_is_detail(const struct hsp_input *input, size_t i) {
    const struct hsp_pair *pair = &input->pairs[i];
    if (hsp_input_get(input, pair->key) != pair->value)
        return false;
    for (size_t k = 0; pair->inherited && k < COUNT(kept_back); k++) {
        if (fnmatch(kept_back[k], pair->key, 0) == 0)
            return false;
    }
    return true;
}
