/* SPDX-License-Identifier: MIT */
/* Named points at which a test kills the process: HOOKSPOOL_CRASH="name" or "name:N" (at
 * the N-th time) in the environment. Compiled in by --enable-crash-points only. */
#ifndef HSP_CRASH_H
#define HSP_CRASH_H

#ifdef HSP_CRASH_POINTS
void hsp_crash_point(const char *name);
#else
#define hsp_crash_point(name) ((void)0)
#endif

#endif
