/* SPDX-License-Identifier: MIT */
/* daemon.lock, seen from outside: whether a daemon serves a spool. The daemon takes it in
 * delivery/spooldir.c: an open-file-description lock, so a killed daemon holds none. */
#ifndef HSP_LOCK_H
#define HSP_LOCK_H

#include <stdbool.h>

#define HSP_LOCK_NAME "daemon.lock"

enum hsp_service {
    HSP_NOT_SERVED,
    HSP_SERVED,
    HSP_SERVICE_UNKNOWN, /* the lock may not be asked: errno says why */
};

/* Does a daemon run on the spool at `path`? Asks the lock and takes nothing: a try would
 * be in the way of a daemon that starts. HSP_NOT_SERVED, too, where there is no spool or
 * no lock. Does not block. */
enum hsp_service hsp_lock_ask(const char *path);

/* The same, with what may not be asked counted as no daemon. */
bool hsp_spooldir_is_served(const char *path);

#endif
