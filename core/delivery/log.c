/* SPDX-License-Identifier: MIT */
/* Lines on stderr, for systemd's journal or a terminal. */
#include "config.h"

#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void hsp_log(enum hsp_severity severity, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    if (getenv("JOURNAL_STREAM") != NULL)
        fprintf(stderr, "<%d>hookspoold: %s\n", severity, text);
    else
        fprintf(stderr, "hookspoold: %s\n", text);
}
