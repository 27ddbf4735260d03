/* SPDX-License-Identifier: MIT */
/* Telling the service manager that started us, in the protocol of sd_notify(3). */
#ifndef HSP_READY_H
#define HSP_READY_H

/* "READY=1", "STOPPING=1" or "STATUS=…" to $NOTIFY_SOCKET, where that is set; without
 * waiting. */
void hsp_ready_tell(const char *state);

#endif
