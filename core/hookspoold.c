/* SPDX-License-Identifier: MIT */
/* hookspoold: the flusher daemon. Options in, exit status out; everything else is
 * delivery/. */
#include "config.h"

#include "delivery/flusher.h"
#include "options.h"

#include <stdio.h>
#include <sysexits.h>

static struct hsp_flusher_options chosen;
static bool want_help, want_version;

static const struct hsp_option options[] = {
    {'c', "config", "FILE",
     "configuration (default: $HOOKSPOOL_CONFIG, else\n" HSP_DEFAULT_CONFIG ")",
     HSP_OPTION_TEXT, &chosen.config},
    {'\0', "drain", NULL,
     "deliver what is due, then end: 0 nothing waits,\n1 something does", HSP_OPTION_FLAG,
     &chosen.drain},
    {'h', "help", NULL, "this text", HSP_OPTION_FLAG, &want_help},
    {'V', "version", NULL, "the version", HSP_OPTION_FLAG, &want_version},
    {.name = NULL},
};

static int print_usage(FILE *stream) {
    fputs("usage: hookspoold [OPTION…]\n"
          "Deliver the events of a spool directory as signed webhooks. Stays in the "
          "foreground.\n\n",
          stream);
    hsp_options_print(options, stream);
    fputs(
        "\nSIGHUP reads the configuration again, SIGTERM ends after what is in flight.\n",
        stream);
    return stream == stdout ? 0 : EX_USAGE;
}

int main(int argc, char **argv) {
    struct hs_error err = {0};
    int first = hsp_options_read(options, NULL, argc, argv, true, &err);
    if (first < 0 || first < argc) {
        fprintf(
            stderr, "hookspoold: %s%s\n",
            first < 0 ? err.text : "no operand is taken: ", first < 0 ? "" : argv[first]);
        return print_usage(stderr);
    }
    if (want_help)
        return print_usage(stdout);
    if (want_version) {
        puts(PACKAGE_STRING);
        return 0;
    }
    return hsp_flusher_run(&chosen);
}
