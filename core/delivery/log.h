/* SPDX-License-Identifier: MIT */
/* What the daemon says of itself: one line on stderr a notable thing. Main loop only. */
#ifndef HSP_LOG_H
#define HSP_LOG_H

#include "../hookspool.h"

enum hsp_severity {
    HSP_LOG_ERROR = 3,
    HSP_LOG_WARNING = 4,
    HSP_LOG_NOTICE = 5,
    HSP_LOG_INFO = 6
};

/* A line "hookspoold: …"; with a "<N>" of syslog's severities in front where stderr is
 * the journal's ($JOURNAL_STREAM is set). */
void hsp_log(enum hsp_severity severity, const char *format, ...) HS_PRINTF(2, 3);

#endif
