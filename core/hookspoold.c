/* SPDX-License-Identifier: MIT */
/* hookspoold: the flusher daemon. Options in, exit status out; everything else is
 * delivery/. */
#include "config.h"

#include "delivery/flusher.h"

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

static const char usage[] =
    "usage: hookspoold [-c FILE] [--drain]\n"
    "Deliver the events of a spool directory as signed webhooks. Stays in the "
    "foreground.\n"
    "\n"
    "  -c, --config FILE   configuration (default: $HOOKSPOOL_CONFIG, else\n"
    "                      " HSP_DEFAULT_CONFIG ")\n"
    "      --drain         deliver what is due, then end: 0 nothing waits, 1 something "
    "does\n"
    "  -h, --help          this text\n"
    "  -V, --version       the version\n"
    "\n"
    "SIGHUP reads the configuration again, SIGTERM ends after what is in flight.\n";

enum { OPTION_DRAIN = 256 };

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"drain", no_argument, NULL, OPTION_DRAIN},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

int main(int argc, char **argv) {
    struct hsp_flusher_options chosen = {0};
    for (int option; (option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1;) {
        switch (option) {
        case 'c':
            chosen.config = optarg;
            break;
        case OPTION_DRAIN:
            chosen.drain = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        case 'V':
            puts(PACKAGE_STRING);
            return 0;
        default:
            fputs(usage, stderr);
            return EX_USAGE;
        }
    }
    if (optind < argc) {
        fputs(usage, stderr);
        return EX_USAGE;
    }
    return hsp_flusher_run(&chosen);
}
