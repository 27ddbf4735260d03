/* SPDX-License-Identifier: MIT */
/* What the settings want to know of a URL beside settings.h. Pure functions. */
#ifndef HSP_URL_H
#define HSP_URL_H

#include <stdbool.h>

/* http:// or https:// and a host, and no byte that is a blank, a control character or a
 * backslash (which some read as a slash)? */
bool hsp_url_ok(const char *url);

/* Does it begin with https://, in whatever case? */
bool hsp_url_is_https(const char *url);

#endif
