/* SPDX-License-Identifier: MIT */
/* Crash points: where HOOKSPOOL_CRASH names this point the process ends at once, as by
 * kill -9, so that tests find on disk what a crash there leaves. Empty in a normal build.
 */
#include "config.h"

#include "crash.h"

#ifdef HSP_CRASH_POINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void hsp_crash_point(const char *name) {
    static atomic_long passed;
    const char *wanted = getenv("HOOKSPOOL_CRASH");
    const size_t length = strlen(name);
    if (wanted == NULL || strncmp(wanted, name, length) != 0)
        return;
    if (wanted[length] != '\0' && wanted[length] != ':')
        return;
    const long at = wanted[length] == ':' ? strtol(wanted + length + 1, NULL, 10) : 1;
    if (atomic_fetch_add(&passed, 1) + 1 >= at)
        kill(getpid(), SIGKILL);
}

#endif
