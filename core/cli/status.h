/* SPDX-License-Identifier: MIT */
/* The forms in which `hookspool status` shows a status. Both write to `out` and leave it
 * to the caller to see whether that worked. */
#ifndef HSP_CLI_STATUS_H
#define HSP_CLI_STATUS_H

#include "../status.h"
#include <stdio.h>

struct hsp_status_page {
    const struct hsp_status *status;
    const char *spool;
    const char *config; /* -c, for the commands that hints name; or NULL */
    int columns;        /* of the terminal; 0: as wide as it gets */
    bool colour;
};

/* For a person: what is the matter, a line an endpoint, and what to do about it. */
void hsp_status_table(const struct hsp_status_page *page, FILE *out);

/* For the text file folder of Prometheus's node exporter. */
void hsp_status_prometheus(const struct hsp_status_page *page, FILE *out);

#endif
