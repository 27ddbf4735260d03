/* SPDX-License-Identifier: MIT */
/* Zabbix's log function: __zbx_zabbix_log in 6.0, zbx_log_handle in 7.0. */
#include "config.h"

#include "hostlog.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>

#define PREFIX "hookspool: "
#define LINE_SIZE 1024

typedef void log_function(int level, const char *format, ...);

static log_function *host_log;

void hsp_hostlog_find(void) {
    static const char *const names[] = {"zbx_log_handle", "__zbx_zabbix_log"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && host_log == NULL; i++)
        host_log = (log_function *)dlsym(RTLD_DEFAULT, names[i]);
}

void hsp_hostlog(enum hsp_hostlog_level level, const char *format, ...) {
    /* Their numbers: error, warning, and what is always logged. */
    static const int levels[] = {2, 3, 127};
    char line[LINE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    for (char *at = line; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7F)
            *at = '?';
    if (host_log != NULL)
        host_log(levels[level], PREFIX "%s", line);
    else
        fprintf(stderr, PREFIX "%s\n", line);
}
