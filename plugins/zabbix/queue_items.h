/* SPDX-License-Identifier: MIT */
/* Keys of items that show the spool: what waits, how long, what is dead, whether the
 * daemon runs. They read its status file and ask its lock; no daemon is talked to, and no
 * parameter names a file. The keys: zbx_hookspool(5). */
#ifndef HSP_QUEUE_ITEMS_H
#define HSP_QUEUE_ITEMS_H

#include "hookspool.h"
#include "host.h"

/* The list for Zabbix, whose keys all lead to `get`. */
struct hsp_zabbix_key *hsp_queue_items(int (*get)(struct hsp_zabbix_request *,
                                                  struct hsp_zabbix_result *));

/* What the module itself counts, by name; for hookspool.module. */
struct hsp_queue_count {
    const char *name;
    uint64_t value;
};

/* Answer a request about the spool. `counts` of `count`: 0 where the module watches no
 * items. HSP_ZABBIX_OK or HSP_ZABBIX_FAIL. */
int hsp_queue_items_get(const char *spool, const struct hsp_queue_count *counts,
                        size_t count, const struct hsp_zabbix_request *request,
                        struct hsp_zabbix_result *result);

#endif
