/* SPDX-License-Identifier: MIT */
/* The keys: a table with one row each. A key about endpoints is of the one that its
 * parameter names, which has to be one of the status, or of all together. */
#include "config.h"

#include "queue_items.h"

#include "buffer.h"
#include "error.h"
#include "status.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WITHOUT_ASKING (-1)
#define MESSAGE_SIZE 1024

enum scope {
    SPOOL,    /* no parameter */
    ENDPOINT, /* [endpoint], or of all */
    ONE,      /* [endpoint], which has to be given */
    COUNT,    /* [name of a count] */
    DAEMON,   /* no parameter, and no status is needed */
};

struct request {
    const struct hsp_status *status;
    const struct hsp_endpoint_status *endpoint; /* NULL: all */
    struct hsp_zabbix_result *result;
};

/* Results
 * ------------------------------------------------------------------------------------ */

static int give_number(struct hsp_zabbix_result *result, int64_t number) {
    result->number = number > 0 ? (uint64_t)number : 0;
    result->type |= HSP_ZABBIX_UNSIGNED;
    return HSP_ZABBIX_OK;
}

static int give_fraction(struct hsp_zabbix_result *result, double fraction) {
    result->fraction = fraction;
    result->type |= HSP_ZABBIX_FLOAT;
    return HSP_ZABBIX_OK;
}

/* Zabbix frees the copy; it takes a message that is NULL, too. */
static int give_text(struct hsp_zabbix_result *result, const char *text) {
    result->text = strdup(text);
    if (result->text == NULL)
        return HSP_ZABBIX_FAIL;
    result->type |= HSP_ZABBIX_TEXT;
    return HSP_ZABBIX_OK;
}

static int give_string(struct hsp_zabbix_result *result, const char *text) {
    result->string = strdup(text);
    if (result->string == NULL)
        return HSP_ZABBIX_FAIL;
    result->type |= HSP_ZABBIX_STRING;
    return HSP_ZABBIX_OK;
}

static int refuse(struct hsp_zabbix_result *result, const char *message) {
    result->message = strdup(message);
    if (result->message != NULL)
        result->type |= HSP_ZABBIX_MESSAGE;
    return HSP_ZABBIX_FAIL;
}

/* Values
 * ------------------------------------------------------------------------------------ */

static int64_t age_s(const struct hsp_status *status, int64_t at) {
    return at == HSP_NO_TIME ? 0 : (status->read_at - at) / 1000;
}

/* The sum over all endpoints, or one. */
static int64_t sum(const struct request *request, size_t member) {
    int64_t total = 0;
    for (size_t i = 0; i < request->status->endpoint_count; i++) {
        const struct hsp_endpoint_status *one = &request->status->endpoints[i];
        if (request->endpoint == NULL || request->endpoint == one)
            total += *(const int64_t *)(const void *)((const char *)one + member);
    }
    return total;
}
#define SUM(request, member) sum(request, offsetof(struct hsp_endpoint_status, member))

static int64_t incoming(const struct hsp_status *status) {
    return status->incoming > 0 ? status->incoming : 0;
}

static int get_pending(const struct request *request) {
    const int64_t more = request->endpoint == NULL ? incoming(request->status) : 0;
    return give_number(request->result, SUM(request, pending) + more);
}

static int get_dead(const struct request *request) {
    return give_number(request->result, SUM(request, dead));
}

static int get_sent(const struct request *request) {
    return give_number(request->result, SUM(request, sent));
}

static int get_failed(const struct request *request) {
    return give_number(request->result, SUM(request, failed));
}

static int get_oldest(const struct request *request) {
    const struct hsp_status *status = request->status;
    int64_t oldest_s = request->endpoint == NULL && incoming(status) > 0
                           ? age_s(status, status->incoming_oldest_at)
                           : 0;
    for (size_t i = 0; i < status->endpoint_count; i++) {
        const struct hsp_endpoint_status *one = &status->endpoints[i];
        const int64_t age = age_s(status, one->oldest_at);
        if ((request->endpoint == NULL || request->endpoint == one) && age > oldest_s)
            oldest_s = age;
    }
    return give_number(request->result, oldest_s);
}

/* Of all the worst. */
static int get_state(const struct request *request) {
    static const char *const states[] = {"ok",       "paused",        "backoff",
                                         "orphaned", "misconfigured", "gone"};
    const size_t known = sizeof(states) / sizeof(states[0]);
    const char *worst = "ok";
    size_t badness = 0;
    if (request->endpoint != NULL)
        return give_string(request->result, request->endpoint->state);
    for (size_t i = 0; i < request->status->endpoint_count; i++) {
        const char *state = request->status->endpoints[i].state;
        size_t at = 0;
        while (at < known && strcmp(states[at], state) != 0)
            at++;
        if (at > badness) {
            badness = at;
            worst = state;
        }
    }
    return give_string(request->result, worst);
}

static int get_error(const struct request *request) {
    return give_text(request->result, request->endpoint->last_error);
}

static int get_last_success(const struct request *request) {
    const int64_t at = request->endpoint->last_success_at;
    return give_number(request->result, at == HSP_NO_TIME ? 0 : at / 1000);
}

static int get_incoming(const struct request *request) {
    if (request->status->incoming < 0)
        return refuse(request->result, "incoming/ may not be listed");
    return give_number(request->result, request->status->incoming);
}

static int get_corrupt(const struct request *request) {
    return give_number(request->result, request->status->corrupt);
}

static int get_space(const struct request *request) {
    const struct hsp_status *status = request->status;
    double free_percent = status->space_free;
    if (status->inodes_free >= 0 && status->inodes_free < free_percent)
        free_percent = status->inodes_free;
    if (free_percent < 0)
        return refuse(request->result, "the file system does not say");
    return give_fraction(request->result, free_percent);
}

static int get_discovery(const struct request *request) {
    struct hsp_buffer out = {0};
    hsp_buffer_append(&out, "[", 1);
    for (size_t i = 0; i < request->status->endpoint_count; i++) {
        const char *name = request->status->endpoints[i].name;
        hsp_buffer_print(&out, "%s{\"{#ENDPOINT}\":", i > 0 ? "," : "");
        hsp_json_string(&out, name, strlen(name));
        hsp_buffer_append(&out, "}", 1);
    }
    hsp_buffer_append(&out, "]", 1);
    const int given = out.failed ? refuse(request->result, "out of memory")
                                 : give_text(request->result, out.data);
    hsp_buffer_free(&out);
    return given;
}

static int get_daemon(const struct request *request) {
    return give_number(request->result, request->status->service == HSP_SERVED);
}

/* Keys
 * ------------------------------------------------------------------------------------ */

static const struct row {
    const char *key;
    enum scope scope;
    int (*get)(const struct request *request);
} rows[] = {
    {"hookspool.daemon", DAEMON, get_daemon},
    {"hookspool.pending", ENDPOINT, get_pending},
    {"hookspool.oldest", ENDPOINT, get_oldest},
    {"hookspool.dead", ENDPOINT, get_dead},
    {"hookspool.sent", ENDPOINT, get_sent},
    {"hookspool.failed", ENDPOINT, get_failed},
    {"hookspool.state", ENDPOINT, get_state},
    {"hookspool.error", ONE, get_error},
    {"hookspool.last_success", ONE, get_last_success},
    {"hookspool.incoming", SPOOL, get_incoming},
    {"hookspool.corrupt", SPOOL, get_corrupt},
    {"hookspool.space", SPOOL, get_space},
    {"hookspool.endpoints.discovery", SPOOL, get_discovery},
    {"hookspool.module", COUNT, NULL},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

struct hsp_zabbix_key *hsp_queue_items(int (*get)(struct hsp_zabbix_request *,
                                                  struct hsp_zabbix_result *)) {
    static struct hsp_zabbix_key keys[ROWS + 1];
    for (size_t i = 0; i < ROWS; i++) {
        const bool is_plain = rows[i].scope == SPOOL || rows[i].scope == DAEMON;
        keys[i] = (struct hsp_zabbix_key){
            .name = (char *)rows[i].key,
            .flags = is_plain ? 0 : HSP_ZABBIX_HAS_PARAMETERS,
            .get = get,
        };
    }
    return keys;
}

static int get_count(const struct hsp_queue_count *counts, size_t count, const char *name,
                     struct hsp_zabbix_result *result) {
    char message[MESSAGE_SIZE];
    size_t length = 0;
    if (count == 0)
        return refuse(result, "this process watches no items: only a Zabbix server with "
                              "a map of items does");
    length = (size_t)snprintf(message, sizeof(message),
                              "'%.64s' is no count; these are:", name);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(counts[i].name, name) == 0)
            return give_number(result, (int64_t)counts[i].value);
        length += (size_t)snprintf(message + length, sizeof(message) - length, " %s",
                                   counts[i].name);
    }
    return refuse(result, message);
}

static int no_endpoint(const struct hsp_status *status, const char *name,
                       struct hsp_zabbix_result *result) {
    struct hsp_buffer message = {0};
    if (*name == '\0')
        hsp_buffer_print(&message, "name an endpoint; these are:");
    else
        hsp_buffer_print(&message, "no endpoint '%.64s'; these are:", name);
    for (size_t i = 0; i < status->endpoint_count && message.length < MESSAGE_SIZE; i++)
        hsp_buffer_print(&message, " %s", status->endpoints[i].name);
    const int given = refuse(result, message.failed ? "no such endpoint" : message.data);
    hsp_buffer_free(&message);
    return given;
}

static int get_by_status(const struct row *row, const char *spool,
                         const struct hsp_status *status, const char *name,
                         struct hsp_zabbix_result *result) {
    struct request request = {.status = status, .result = result};
    const bool is_of_endpoints = row->scope == ENDPOINT || row->scope == ONE;
    char message[MESSAGE_SIZE];
    if (row->scope != DAEMON && status->source == HSP_STATUS_NONE) {
        snprintf(message, sizeof(message), "hookspoold has never run on %.512s", spool);
        return refuse(result, message);
    }
    if (is_of_endpoints && *name != '\0')
        request.endpoint = hsp_status_find(status, name);
    if (request.endpoint == NULL && (row->scope == ONE || *name != '\0'))
        return no_endpoint(status, name, result);
    return row->get(&request);
}

int hsp_queue_items_get(const char *spool, const struct hsp_queue_count *counts,
                        size_t count, const struct hsp_zabbix_request *request,
                        struct hsp_zabbix_result *result) {
    const char *name = request->parameter_count > 0 ? request->parameters[0] : "";
    struct hsp_status status = {0};
    struct hs_error err = {0};
    int given;
    size_t i = 0;
    while (i < ROWS && strcmp(rows[i].key, request->key) != 0)
        i++;
    if (i == ROWS)
        return refuse(result, "no such key");
    if (request->parameter_count > 1)
        return refuse(result, "too many parameters: one at most");
    if (rows[i].scope == COUNT)
        return get_count(counts, count, name, result);
    const enum hs_status read = hsp_status_get(&status, spool, WITHOUT_ASKING, &err);
    /* Whether the daemon runs is known even where its status cannot be read. */
    const bool is_enough = rows[i].scope == DAEMON && err.sys_errno == 0 &&
                           status.service != HSP_SERVICE_UNKNOWN;
    given = read != HS_OK && !is_enough
                ? refuse(result, err.text)
                : get_by_status(&rows[i], spool, &status, name, result);
    hsp_status_free(&status);
    return given;
}
