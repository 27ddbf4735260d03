/* SPDX-License-Identifier: MIT */
/* struct hs_error and the texts of statuses. The first failure of a chain is the one that
 * is told; its text is always one line, whatever stands in the names it quotes. */
#include "config.h"

#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_writable(const struct hs_error *err) {
    return err != NULL && err->status == HS_OK;
}

/* One line: control characters become "?", a code point cut by the size goes. */
static void tidy(char *text, size_t size) {
    size_t length = strlen(text);
    if (length == size - 1) {
        while (length > 0 && ((unsigned char)text[length - 1] & 0xC0) == 0x80)
            length--;
        if (length > 0 && (unsigned char)text[length - 1] >= 0xC0)
            length--;
        text[length] = '\0';
    }
    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7F)
            *at = '?';
}

static void fill(struct hs_error *err, enum hs_status status, const char *format,
                 va_list args) {
    err->status = status;
    err->sys_errno = 0;
    vsnprintf(err->text, sizeof err->text, format, args);
    tidy(err->text, sizeof err->text);
}

enum hs_status hsp_fail(struct hs_error *err, enum hs_status status, const char *format,
                        ...) {
    if (is_writable(err)) {
        va_list args;
        va_start(args, format);
        fill(err, status, format, args);
        va_end(args);
    }
    return status;
}

static enum hs_status status_of_errno(int cause, enum hs_status otherwise) {
    switch (cause) {
    case ENOSPC:
    case EDQUOT:
        return HS_E_FULL;
    case ENOMEM:
        return HS_E_NOMEM;
    default:
        return otherwise;
    }
}

enum hs_status hsp_fail_errno(struct hs_error *err, enum hs_status status,
                              const char *format, ...) {
    const int cause = errno;
    status = status_of_errno(cause, status);
    if (!is_writable(err))
        return status;
    va_list args;
    va_start(args, format);
    fill(err, status, format, args);
    va_end(args);
    err->sys_errno = cause;

    char reason[128];
    const size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s",
             strerror_r(cause, reason, sizeof reason));
    tidy(err->text, sizeof err->text);
    errno = cause;
    return status;
}

const char *hs_status_text(enum hs_status status) {
    static const char *const texts[] = {
        [HS_OK] = "success",
        [HS_E_NOMEM] = "out of memory",
        [HS_E_DATA] = "unacceptable data",
        [HS_E_CONFIG] = "wrong configuration",
        [HS_E_SPOOL] = "unusable spool",
        [HS_E_IO] = "input or output failed",
        [HS_E_FULL] = "no space",
    };
    if ((unsigned)status >= sizeof texts / sizeof texts[0])
        return "unknown status";
    return texts[status];
}

const char *hs_version(void) { return PACKAGE_VERSION; }

enum hs_status hsp_status_of_step(void) {
    switch (errno) {
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
        return HS_E_SPOOL;
    default:
        return HS_E_IO;
    }
}
