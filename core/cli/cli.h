/* SPDX-License-Identifier: MIT */
/* The verbs of hookspool, one file each (or one a family), and what they share. A verb
 * prints its results on stdout, complaints on stderr as "hookspool: VERB: …", and returns
 * the program's exit status. One thread, one verb a process: what options say is kept in
 * variables of the verb's file. */
#ifndef HSP_CLI_H
#define HSP_CLI_H

#include "../json.h"
#include "../options.h"

/* Exit statuses, with 0 for done; sysexits' 64 (usage) and 78 (configuration) beside. */
#define HSP_EXIT_PARTLY 1 /* nothing matched, or only in part */
#define HSP_EXIT_FAILED 2

struct hsp_cli {
    const char *verb;
    const char *config; /* -c, or NULL */
    char **operands;    /* `operand_count` of them */
    int operand_count;
};

struct hsp_verb {
    const char *name;
    const char *operands; /* for usage: "ENDPOINT", "[ID…]"; "" */
    int least, most;      /* how many operands; most -1: no limit */
    const char *help;     /* one line */
    int (*run)(const struct hsp_cli *cli);
    const struct hsp_option *options; /* of its own; NULL: none */
};

/* The verbs, each in the file of its name. */
extern const struct hsp_verb hsp_verb_init, hsp_verb_check_config, hsp_verb_status,
    hsp_verb_pause, hsp_verb_resume, hsp_verb_reload, hsp_verb_list, hsp_verb_show,
    hsp_verb_retry, hsp_verb_drop, hsp_verb_move, hsp_verb_enqueue, hsp_verb_test,
    hsp_verb_verify, hsp_verb_listen, hsp_verb_log;

/* Print "hookspool: VERB: text" and return the exit status that fits err->status. */
int hsp_cli_complain(const struct hsp_cli *cli, const struct hs_error *err);
/* The same for a wrong use: EX_USAGE. */
int hsp_cli_misuse(const struct hsp_cli *cli, const char *format, ...) HS_PRINTF(2, 3);

/* Is stdout a terminal that shows colours, and is NO_COLOR empty? */
bool hsp_cli_has_colour(void);

/* The spool that the configuration names, read the adapters' forgiving way (a warning
 * goes to stderr), so that what needs no endpoint works with a broken endpoint block,
 * too. free(). NULL: none can be determined, or the file that was named is not there. */
char *hsp_cli_find_spool(const struct hsp_cli *cli, struct hs_error *err);

/* Where errands are done (delivery/errand.h, docs/control.md): by the daemon that serves
 * the spool, or, where none runs, by this process under the spool's lock. */
struct hsp_desk;
/* Statuses of hsp_clerk_open. */
enum hs_status hsp_desk_open(struct hsp_desk **desk, const struct hsp_cli *cli,
                             struct hs_error *err) HS_MUST_CHECK;
void hsp_desk_close(struct hsp_desk *desk);           /* NULL is fine */
bool hsp_desk_is_served(const struct hsp_desk *desk); /* by a daemon */
const char *hsp_desk_spool(const struct hsp_desk *desk);
/* `request` stays the caller's; `answer` is the caller's, json_object_put. The daemon may
 * take `patience_ms`. HS_E_SPOOL: nobody answers; HS_E_DATA: the answer is no, with its
 * own words in `err`. */
enum hs_status hsp_desk_ask(struct hsp_desk *desk, json_object *request, int patience_ms,
                            json_object **answer, struct hs_error *err) HS_MUST_CHECK;

#endif
