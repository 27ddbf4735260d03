/* SPDX-License-Identifier: MIT */
/* What the settings want to know of a URL beside settings.h. Pure functions. */
#ifndef HSP_URL_H
#define HSP_URL_H

#include "../buffer.h"
#include <stdbool.h>

/* http:// or https:// and a host, and no byte that is a blank, a control character or a
 * backslash (which some read as a slash)? */
bool hsp_url_ok(const char *url);

/* Does it begin with https://, in whatever case? */
bool hsp_url_is_https(const char *url);

/* Append `text` with "***" in the place of whatever hsp_mask_url would hide of `url` and
 * the text may repeat: user, password, values of the query, parts of the path. Parts of
 * less than 4 bytes are let pass: they stand everywhere. */
void hsp_url_hide(struct hsp_buffer *out, const char *text, const char *url,
                  bool hide_path);

#endif
