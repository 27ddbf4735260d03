/* SPDX-License-Identifier: MIT */
/* What the notification commands have in common: they are started once an event, by a
 * host that shows a person one line of theirs at most. For programs only. */
#ifndef HSP_NOTIFIER_H
#define HSP_NOTIFIER_H

#include "hookspool.h"
#include <stdbool.h>

/* To be called first. A host that starts us without stdin, stdout or stderr must not find
 * our complaint in the spool file that would get the free number; and one that closed the
 * pipe must not end us after the event is durable. */
void hsp_notifier_secure(void);

/* Print one line on stderr, "NAME: …", whatever bytes an argument or a path holds. */
void hsp_notifier_complain(const char *name, const char *format, ...) HS_PRINTF(2, 3);

/* The exit status (sysexits.h) of a status. */
int hsp_notifier_exit_status(enum hs_status status);

/* One line at most: a failure's, which carries the configuration's warning, or the
 * warning alone. `config` may be NULL. */
void hsp_notifier_report(const char *name, enum hs_status status,
                         const struct hs_config *config, const struct hs_error *err);

/* Set the event's numbers, those that are not below 0. One that is out of range stays
 * null or the library's default: the alert goes on. */
void hsp_notifier_set_numbers(struct hs_event *event,
                              const int64_t numbers[HS_NUMBER_COUNT]);

/* Put the event into the spool of `config`; or print its record, where it is `dry`. As
 * hs_spool_open and hs_spool_put; HS_E_IO also when it cannot be printed. */
enum hs_status hsp_notifier_put(const struct hs_event *event,
                                const struct hs_config *config, bool dry,
                                struct hs_error *err) HS_MUST_CHECK;

#endif
