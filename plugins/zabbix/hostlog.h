/* SPDX-License-Identifier: MIT */
/* Lines into Zabbix's log: by its own function, which is looked up when the module is
 * loaded and never linked, for its name differs from version to version; into stderr
 * where it has none. */
#ifndef HSP_HOSTLOG_H
#define HSP_HOSTLOG_H

#include "hookspool.h"

enum hsp_hostlog_level { HSP_HOSTLOG_ERROR, HSP_HOSTLOG_WARNING, HSP_HOSTLOG_NOTICE };

void hsp_hostlog_find(void);
/* One line, without a newline at its end. */
void hsp_hostlog(enum hsp_hostlog_level level, const char *format, ...) HS_PRINTF(2, 3);

#endif
