/* SPDX-License-Identifier: MIT */
/* A second look at a port after a request that got no sense out of it. No request is
 * sent: a connection is made and, perhaps, a TLS handshake. Blocking, any thread. */
#ifndef HSP_SECOND_LOOK_H
#define HSP_SECOND_LOOK_H

#include "settings.h"
#include <stdatomic.h>

/* Would the host and port of the URL do TLS (whatever their certificate)? */
bool hsp_speaks_tls(const struct hsp_endpoint_settings *settings,
                    const atomic_bool *cancelled);

/* What the port says by itself, as mail, SSH and database servers do; `with_tls`: after a
 * handshake. Fit to be shown; "" where it says nothing within a second. */
void hsp_hear_greeting(const struct hsp_endpoint_settings *settings, bool with_tls,
                       const atomic_bool *cancelled, char *greeting, size_t size);

#endif
