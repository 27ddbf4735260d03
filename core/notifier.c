/* SPDX-License-Identifier: MIT */
/* The frame of a notification command; see notifier.h. No lock, no network. */
#include "config.h"

#include "notifier.h"

#include "error.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

void hsp_notifier_secure(void) {
    hsp_secure_descriptors();
    signal(SIGPIPE, SIG_IGN);
}

void hsp_notifier_complain(const char *name, const char *format, ...) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    for (char *c = line; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    }
    fprintf(stderr, "%s: %s\n", name, line);
}

int hsp_notifier_exit_status(enum hs_status status) {
    static const int codes[] = {
        [HS_OK] = EX_OK,           [HS_E_NOMEM] = EX_IOERR,     [HS_E_DATA] = EX_DATAERR,
        [HS_E_CONFIG] = EX_CONFIG, [HS_E_SPOOL] = EX_CANTCREAT, [HS_E_IO] = EX_IOERR,
        [HS_E_FULL] = EX_TEMPFAIL,
    };
    return (size_t)status < sizeof(codes) / sizeof(codes[0]) ? codes[status]
                                                             : EX_SOFTWARE;
}

void hsp_notifier_report(const char *name, enum hs_status status,
                         const struct hs_config *config, const struct hs_error *err) {
    const char *warning = config ? hs_config_warning(config) : NULL;
    if (status != HS_OK)
        hsp_notifier_complain(name, "%s%s%s%s",
                              *err->text ? err->text : hs_status_text(status),
                              warning ? " (configuration: " : "", warning ? warning : "",
                              warning ? ")" : "");
    else if (warning)
        hsp_notifier_complain(name, "warning: %s", warning);
}

void hsp_notifier_set_numbers(struct hs_event *event,
                              const int64_t numbers[HS_NUMBER_COUNT]) {
    for (int i = 0; i < HS_NUMBER_COUNT; i++) {
        if (numbers[i] < 0)
            continue;
        const enum hs_status status =
            hs_event_set_number(event, (enum hs_number)i, numbers[i], NULL);
        (void)status;
    }
}

static enum hs_status put(const struct hs_event *event, const struct hs_config *config,
                          struct hs_error *err) {
    struct hs_spool *spool = NULL;
    enum hs_status status = hs_spool_open(&spool, config, err);
    if (status == HS_OK)
        status = hs_spool_put(spool, event, err);
    hs_spool_close(spool);
    return status;
}

static enum hs_status print(const struct hs_event *event, const struct hs_config *config,
                            struct hs_error *err) {
    char *record = NULL;
    size_t length = 0;
    enum hs_status status = hs_event_record(event, config, &record, &length, err);
    if (status != HS_OK)
        return status;
    if (fwrite(record, 1, length, stdout) != length || fflush(stdout) != 0)
        status = hsp_fail(err, HS_E_IO, "print the record: %s", strerror(errno));
    free(record);
    return status;
}

enum hs_status hsp_notifier_put(const struct hs_event *event,
                                const struct hs_config *config, bool dry,
                                struct hs_error *err) {
    return dry ? print(event, config, err) : put(event, config, err);
}
