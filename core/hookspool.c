/* SPDX-License-Identifier: MIT */
/* hookspool: see a spool, test, replay. One verb a row of `verbs`; each is a file of
 * cli/. */
#include "config.h"

#include "cli/cli.h"
#include "file.h"

#include <fcntl.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* In the order of the manual: set up, see, put right, try. */
static const struct hsp_verb *const verbs[] = {
    &hsp_verb_init, &hsp_verb_check_config, &hsp_verb_status, &hsp_verb_list,
    &hsp_verb_show, &hsp_verb_log,          &hsp_verb_retry,  &hsp_verb_drop,
    &hsp_verb_move, &hsp_verb_pause,        &hsp_verb_resume, &hsp_verb_reload,
    &hsp_verb_test, &hsp_verb_enqueue,      &hsp_verb_verify, &hsp_verb_listen,
};
#define VERB_COUNT (sizeof verbs / sizeof *verbs)

static const char *config;
static bool want_help, want_version;

static const struct hsp_option options[] = {
    {'c', "config", "FILE",
     "configuration (default: $HOOKSPOOL_CONFIG, else\n" HSP_DEFAULT_CONFIG ")",
     HSP_OPTION_TEXT, &config},
    {'h', "help", NULL, "this text; after a verb: its options", HSP_OPTION_FLAG,
     &want_help},
    {'V', "version", NULL, "the version", HSP_OPTION_FLAG, &want_version},
    {.name = NULL},
};

static int print_usage(FILE *stream) {
    fputs("usage: hookspool [-c FILE] VERB [OPTION…]\n\n", stream);
    for (size_t i = 0; i < VERB_COUNT; i++) {
        const struct hsp_verb *verb = verbs[i];
        int width = fprintf(stream, "  %s %s", verb->name, verb->operands);
        for (const char *c = verb->operands; *c != '\0'; c++)
            width -= (*c & 0xc0) == 0x80; /* "…" is three bytes, and one column */
        fprintf(stream, "%*s %s\n", width < 26 ? 26 - width : 0, "", verb->help);
    }
    fputc('\n', stream);
    hsp_options_print(options, stream);
    fputs(
        "\nExit status: 0 done, 1 nothing matched or only in part, 2 failed, 64 usage,\n"
        "78 configuration.\n",
        stream);
    return stream == stdout ? 0 : EX_USAGE;
}

static int print_verb_usage(const struct hsp_verb *verb, FILE *stream) {
    fprintf(stream, "usage: hookspool [-c FILE] %s%s%s%s\n%s\n", verb->name,
            verb->options != NULL ? " [OPTION…]" : "", *verb->operands != '\0' ? " " : "",
            verb->operands, verb->help);
    if (verb->options != NULL) {
        fputc('\n', stream);
        hsp_options_print(verb->options, stream);
    }
    return stream == stdout ? 0 : EX_USAGE;
}

static int print_version(void) {
    puts(PACKAGE_STRING);
    return 0;
}

static int run_verb(const struct hsp_verb *verb, int argc, char **argv) {
    struct hs_error err = {0};
    struct hsp_cli cli = {.verb = verb->name};
    int first = hsp_options_read(options, verb->options, argc, argv, true, &err);
    if (first < 0)
        return hsp_cli_misuse(&cli, "%s", err.text);
    if (want_help)
        return print_verb_usage(verb, stdout);
    if (want_version)
        return print_version();
    cli.config = config;
    cli.operands = argv + first;
    cli.operand_count = argc - first;
    if (cli.operand_count >= verb->least &&
        (cli.operand_count <= verb->most || verb->most < 0))
        return verb->run(&cli);
    hsp_cli_misuse(&cli, "wrong number of operands");
    return print_verb_usage(verb, stderr);
}

int main(int argc, char **argv) {
    struct hs_error err = {0};
    hsp_secure_descriptors();
    int first = hsp_options_read(options, NULL, argc, argv, false, &err);
    if (first < 0) {
        fprintf(stderr, "hookspool: %s\n", err.text);
        return print_usage(stderr);
    }
    if (want_version)
        return print_version();
    if (want_help || first == argc)
        return print_usage(want_help ? stdout : stderr);
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(verbs[i]->name, argv[first]) == 0)
            return run_verb(verbs[i], argc - first, argv + first);
    fprintf(stderr, "hookspool: unknown verb '%s'\n", argv[first]);
    return print_usage(stderr);
}
