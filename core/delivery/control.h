/* SPDX-License-Identifier: MIT */
/* control.sock: JSON lines, one request and one answer a line, each an errand (errand.h).
 * Whoever may connect (the group) may ask for the status; root and the daemon's own user
 * (SO_PEERCRED) for anything. Main loop only. Format: docs/control.md */
#ifndef HSP_CONTROL_H
#define HSP_CONTROL_H

#include "../ask.h"
#include <poll.h>

#define HSP_CONTROL_CLIENTS 8

struct hsp_control;
struct hsp_flusher;

/* Listen in the folder `root_fd`, mode 0660, in the place of a socket that a dead daemon
 * left. HS_E_IO, HS_E_NOMEM. */
enum hs_status hsp_control_open(struct hsp_control **control, int root_fd,
                                struct hs_error *err) HS_MUST_CHECK;
/* Removes the socket. NULL is fine. */
void hsp_control_close(struct hsp_control *control);

/* Fill `fds` (HSP_CONTROL_CLIENTS + 1 of them) with what to wait for; their number. */
unsigned hsp_control_fds(const struct hsp_control *control, struct pollfd *fds);
/* Accept, read, answer; does not block. */
void hsp_control_serve(struct hsp_control *control, struct hsp_flusher *flusher);

#endif
