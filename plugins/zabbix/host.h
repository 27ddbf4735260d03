/* SPDX-License-Identifier: MIT */
/* What Zabbix 6.0 to 7.0 and a loadable module know of each other: functions that a
 * module may have, and the structs that go to and fro. These are our own declarations of
 * what all of these versions have in common. Structs of Zabbix's own making may be longer
 * than here (7.0 adds members at the end), so none is made or copied by a module, but
 * for lists of keys and callbacks.
 *
 * Layouts are those of LP64 systems. */
#ifndef HSP_ZABBIX_HOST_H
#define HSP_ZABBIX_HOST_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define HSP_ZABBIX_API 2 /* version of this interface */
#define HSP_ZABBIX_OK 0
#define HSP_ZABBIX_FAIL 1

/* A request for the value of a key. */
struct hsp_zabbix_request {
    char *key;
    int parameter_count;
    char **parameters;
    uint64_t last_log_size;
    int modified;
    /* from 6.0 on: kinds of the parameters; in 7.0 a time limit */
};

/* Its result: set a member and add its type. Texts are from malloc; Zabbix frees them. */
enum hsp_zabbix_result_type {
    HSP_ZABBIX_UNSIGNED = 0x01,
    HSP_ZABBIX_FLOAT = 0x02,
    HSP_ZABBIX_STRING = 0x04,
    HSP_ZABBIX_TEXT = 0x08,
    HSP_ZABBIX_MESSAGE = 0x20, /* with HSP_ZABBIX_FAIL: why not */
};

struct hsp_zabbix_result {
    uint64_t last_log_size;
    uint64_t number;
    double fraction;
    char *string;
    char *text;
    char *message;
    void *log;
    int type;
    int modified;
};

/* A key. Lists end with one whose name is NULL. */
#define HSP_ZABBIX_HAS_PARAMETERS 0x01U
struct hsp_zabbix_key {
    char *name;
    unsigned flags;
    int (*get)(struct hsp_zabbix_request *, struct hsp_zabbix_result *);
    char *test_parameters; /* what `zabbix_agentd -p` asks with */
};

/* Values as history syncers hand them over; texts are borrowed for the call. */
#define HSP_ZABBIX_VALUE_HEAD                                                            \
    uint64_t itemid;                                                                     \
    int clock; /* UTC seconds */                                                         \
    int ns

struct hsp_zabbix_float {
    HSP_ZABBIX_VALUE_HEAD;
    double value;
};
struct hsp_zabbix_integer {
    HSP_ZABBIX_VALUE_HEAD;
    uint64_t value;
};
struct hsp_zabbix_string { /* texts, too */
    HSP_ZABBIX_VALUE_HEAD;
    const char *value;
};
struct hsp_zabbix_log {
    HSP_ZABBIX_VALUE_HEAD;
    const char *value;
    const char *source;
    int timestamp, event_id, severity;
};

/* NULL: not wanted. */
struct hsp_zabbix_callbacks {
    void (*floats)(const struct hsp_zabbix_float *, int);
    void (*integers)(const struct hsp_zabbix_integer *, int);
    void (*strings)(const struct hsp_zabbix_string *, int);
    void (*texts)(const struct hsp_zabbix_string *, int);
    void (*logs)(const struct hsp_zabbix_log *, int);
};

/* The functions that Zabbix looks for. */
#define HSP_ZABBIX_ENTRY __attribute__((visibility("default")))
HSP_ZABBIX_ENTRY int zbx_module_api_version(void);
HSP_ZABBIX_ENTRY int zbx_module_init(void);
HSP_ZABBIX_ENTRY int zbx_module_uninit(void);
HSP_ZABBIX_ENTRY struct hsp_zabbix_key *zbx_module_item_list(void);
HSP_ZABBIX_ENTRY void zbx_module_item_timeout(int seconds);
HSP_ZABBIX_ENTRY struct hsp_zabbix_callbacks zbx_module_history_write_cbs(void);

/* The layouts that were measured with 6.0.14 and 7.0.22, as (struct, member, offset). */
#if defined(__LP64__)
#define HSP_ZABBIX_AT(type, member, offset)                                              \
    static_assert(offsetof(struct hsp_zabbix_##type, member) == (offset),                \
                  #type "." #member)
#define HSP_ZABBIX_SIZE(type, size)                                                      \
    static_assert(sizeof(struct hsp_zabbix_##type) == (size), #type)

HSP_ZABBIX_AT(request, key, 0);
HSP_ZABBIX_AT(request, parameter_count, 8);
HSP_ZABBIX_AT(request, parameters, 16);
HSP_ZABBIX_AT(request, last_log_size, 24);
HSP_ZABBIX_AT(request, modified, 32);

HSP_ZABBIX_AT(result, last_log_size, 0);
HSP_ZABBIX_AT(result, number, 8);
HSP_ZABBIX_AT(result, fraction, 16);
HSP_ZABBIX_AT(result, string, 24);
HSP_ZABBIX_AT(result, text, 32);
HSP_ZABBIX_AT(result, message, 40);
HSP_ZABBIX_AT(result, log, 48);
HSP_ZABBIX_AT(result, type, 56);
HSP_ZABBIX_AT(result, modified, 60);
HSP_ZABBIX_SIZE(result, 64);

HSP_ZABBIX_AT(key, name, 0);
HSP_ZABBIX_AT(key, flags, 8);
HSP_ZABBIX_AT(key, get, 16);
HSP_ZABBIX_AT(key, test_parameters, 24);
HSP_ZABBIX_SIZE(key, 32);

HSP_ZABBIX_AT(float, clock, 8);
HSP_ZABBIX_AT(float, ns, 12);
HSP_ZABBIX_AT(float, value, 16);
HSP_ZABBIX_SIZE(float, 24);
HSP_ZABBIX_AT(integer, value, 16);
HSP_ZABBIX_SIZE(integer, 24);
HSP_ZABBIX_AT(string, value, 16);
HSP_ZABBIX_SIZE(string, 24);
HSP_ZABBIX_AT(log, value, 16);
HSP_ZABBIX_AT(log, source, 24);
HSP_ZABBIX_AT(log, timestamp, 32);
HSP_ZABBIX_AT(log, event_id, 36);
HSP_ZABBIX_AT(log, severity, 40);
HSP_ZABBIX_SIZE(log, 48);
HSP_ZABBIX_SIZE(callbacks, 40);
#endif

#endif
