/* SPDX-License-Identifier: MIT */
/* The daemon's lines: to stderr for systemd's journal or a terminal, to syslog, or to a
 * file, which may be renamed or removed at any time.
 *
 * Limits: syslog(3) waits for a log daemon that has stopped reading, and says nothing of
 * one that is gone. */
#include "config.h"

#include "log.h"

#include "../units.h"

#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define IDENT "hookspoold"
#define TEXT_MAX 1024
#define LINE_MAX_BYTES (TEXT_MAX + 128)

static enum { TO_STDERR, TO_SYSLOG, TO_FILE } kind;
static char *path;        /* of the file */
static int file_fd = -1;  /* -1: not open */
static bool is_torn;      /* the last line in the file is not whole */
static bool is_failing;   /* the file could not be written, which has been said */
static bool only = false; /* the start is over: stderr gets nothing beside it */
static enum hsp_severity limit = HSP_LOG_INFO;

static void write_stderr(int severity, const char *text) {
    if (getenv("JOURNAL_STREAM") != NULL)
        fprintf(stderr, "<%d>" IDENT ": %s\n", severity, text);
    else
        fprintf(stderr, IDENT ": %s\n", text);
}

/* The file
 * ------------------------------------------------------------------------------------ */

static void close_file(void) {
    if (file_fd >= 0)
        close(file_fd);
    file_fd = -1;
}

/* Never one that could keep us waiting: a pipe, a terminal. */
static bool open_file(void) {
    const int flags =
        O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    struct stat info;
    file_fd = open(path, flags);
    if (file_fd < 0 && errno == ENOENT) {
        file_fd = open(path, flags | O_CREAT | O_EXCL, 0640);
        if (file_fd >= 0)
            (void)!fchmod(file_fd, 0640); /* whatever the umask */
    }
    is_torn = false;
    if (file_fd >= 0 && fstat(file_fd, &info) == 0 && S_ISREG(info.st_mode))
        return true;
    if (file_fd >= 0)
        errno = EINVAL;
    int saved = errno;
    close_file();
    errno = saved;
    return false;
}

/* Is what we write to what the name stands for? Not after a rotation. */
static bool is_current(void) {
    struct stat by_name, by_fd;
    return file_fd >= 0 && stat(path, &by_name) == 0 && fstat(file_fd, &by_fd) == 0 &&
           by_name.st_ino == by_fd.st_ino && by_name.st_dev == by_fd.st_dev;
}

static bool append(const char *line, size_t length) {
    if (is_torn && write(file_fd, "\n", 1) == 1)
        is_torn = false;
    ssize_t written = write(file_fd, line, length);
    if (written == (ssize_t)length)
        return true;
    if (written >= 0) {
        is_torn = is_torn || written > 0;
        errno = ENOSPC;
    }
    return false;
}

static bool write_file(int severity, const char *text) {
    static const char *const words[] = {"error", "warning", "notice", "info"};
    char line[LINE_MAX_BYTES], time[HSP_TIME_LENGTH + 1];
    hsp_format_time_ms(hsp_now_ms(CLOCK_REALTIME), time);
    int length = snprintf(line, sizeof line, "%s " IDENT "[%d]: %s: %s\n", time,
                          (int)getpid(), words[severity - HSP_LOG_ERROR], text);
    if (!is_current()) {
        close_file();
        if (!open_file())
            return false;
    }
    return append(line, (size_t)length);
}

static void write_file_or_stderr(int severity, const char *text) {
    char reason[TEXT_MAX];
    if (write_file(severity, text)) {
        is_failing = false;
        if (only)
            return;
    } else if (!is_failing) {
        snprintf(reason, sizeof reason,
                 "log %s: %s; until it can be written lines come here", path,
                 strerror(errno));
        is_failing = true;
        write_stderr(HSP_LOG_WARNING, reason);
    }
    write_stderr(severity, text);
}

/* Public
 * ------------------------------------------------------------------------------------ */

void hsp_log_limit(enum hsp_severity severity) { limit = severity; }

void hsp_log(enum hsp_severity severity, const char *format, ...) {
    char text[TEXT_MAX];
    if (severity > limit)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    if (kind == TO_SYSLOG)
        syslog((int)severity, "%s", text);
    if (kind == TO_FILE)
        write_file_or_stderr((int)severity, text);
    else if (kind == TO_STDERR || !only)
        write_stderr((int)severity, text);
}

void hsp_log_close(void) {
    if (kind == TO_SYSLOG)
        closelog();
    close_file();
    free(path);
    path = NULL;
    kind = TO_STDERR;
    only = is_failing = false;
}

void hsp_log_open(const char *target) {
    if (kind == TO_FILE && strcmp(path, target) == 0)
        return; /* opened anew when it has to be */
    bool was_only = only;
    hsp_log_close();
    only = was_only;
    if (strcmp(target, "syslog") == 0) {
        kind = TO_SYSLOG;
        openlog(IDENT, LOG_PID | LOG_NDELAY, LOG_DAEMON);
        if (access(_PATH_LOG, W_OK) != 0)
            write_stderr(HSP_LOG_WARNING, "log: nothing takes syslog at " _PATH_LOG);
    } else if (*target == '/') {
        path = strdup(target);
        kind = path != NULL ? TO_FILE : TO_STDERR;
    }
}

void hsp_log_leave_stderr(void) { only = true; }
