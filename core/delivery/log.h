/* SPDX-License-Identifier: MIT */
/* What the daemon says of itself: one line a notable thing, to where the key `log` says.
 * Main loop only. */
#ifndef HSP_LOG_H
#define HSP_LOG_H

#include "../hookspool.h"

enum hsp_severity {
    HSP_LOG_ERROR = 3,
    HSP_LOG_WARNING = 4,
    HSP_LOG_NOTICE = 5,
    HSP_LOG_INFO = 6
};

/* A line, of 1 KB at most:
 *   stderr  "hookspoold: …", with a "<N>" of syslog's severities in front where stderr is
 *           the journal's ($JOURNAL_STREAM is set)
 *   syslog  facility daemon, ident hookspoold
 *   a file  "2026-01-15T10:30:15.123Z hookspoold[42]: warning: …"
 * A file is looked for by name before each line, and opened anew where it is another one
 * or gone; while it cannot be written lines go to stderr, the first with the reason. */
void hsp_log(enum hsp_severity severity, const char *format, ...) HS_PRINTF(2, 3);

/* Where lines go from now on: "stderr", as before the first call, "syslog", or the
 * absolute path of a regular file, which is made with mode 0640 where it is missing. May
 * be called again with the same or another target, which is copied. */
void hsp_log_open(const char *target);
/* The start is over: until now lines went to stderr as well, for who starts a daemon by
 * hand looks there. */
void hsp_log_leave_stderr(void);
/* Leave out what is less severe than this: for `hookspool`, which does the daemon's work
 * and says itself what came of it. */
void hsp_log_limit(enum hsp_severity severity);
/* Back to stderr. */
void hsp_log_close(void);

#endif
