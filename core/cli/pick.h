/* SPDX-License-Identifier: MIT */
/* Which events a verb means: the options that list, retry, drop and move have in common,
 * and a walk over the spool that visits what they pick, in the order of the spool, in
 * bounded memory. Works while a daemon serves the spool: what has gone meanwhile is not
 * visited. One thread. */
#ifndef HSP_PICK_H
#define HSP_PICK_H

#include "cli.h"
#include "sight.h"

/* What the options say; one a process. */
struct hsp_pick {
    struct hsp_option_list endpoints;
    bool places[HSP_PLACE_COUNT]; /* none: all that the verb knows */
    bool stale;                   /* with `stale_too`: also; else: these alone */
    int64_t older_ms, newer_ms;   /* 0: whatever age */
    const char *cause, *monitor;
    bool all; /* said to mean every one */

    /* Not options. */
    bool stale_too;
    bool knows_endpoints; /* which are configured: hsp_pick_know_endpoints */
    char **ids;           /* operands: event ids or sequence numbers; none: all */
    int id_count;
};
extern struct hsp_pick hsp_pick;

/* Rows for the verbs' tables, to be followed by their own. */
#define HSP_PICK_ENDPOINT                                                                \
    {                                                                                    \
        'e', "endpoint", "NAME", "only this endpoint's (may be repeated)",               \
            HSP_OPTION_LIST, &hsp_pick.endpoints                                         \
    }
#define HSP_PICK_OPTIONS                                                                 \
    {'\0',                                                                               \
     "older",                                                                            \
     "DURATION",                                                                         \
     "waiting or dead for longer than that",                                             \
     HSP_OPTION_DURATION,                                                                \
     &hsp_pick.older_ms},                                                                \
        {'\0',                                                                           \
         "newer",                                                                        \
         "DURATION",                                                                     \
         "for less than that",                                                           \
         HSP_OPTION_DURATION,                                                            \
         &hsp_pick.newer_ms},                                                            \
        {'\0',                                                                           \
         "cause",                                                                        \
         "WORD",                                                                         \
         "why it waits or died: attempts, expired, \"queue full\",\n"                    \
         "a status (500, 4xx), or a part of the error",                                  \
         HSP_OPTION_TEXT,                                                                \
         &hsp_pick.cause},                                                               \
        {'m',                                                                            \
         "monitor",                                                                      \
         "ID|NAME",                                                                      \
         "of this monitor",                                                              \
         HSP_OPTION_TEXT,                                                                \
         &hsp_pick.monitor},                                                             \
    {                                                                                    \
        '\0', "all", NULL, "every one", HSP_OPTION_FLAG, &hsp_pick.all                   \
    }
#define HSP_PICK_WAITING                                                                 \
    {                                                                                    \
        '\0', "waiting", NULL, "those that wait", HSP_OPTION_FLAG,                       \
            &hsp_pick.places[HSP_PLACE_WAITING]                                          \
    }
#define HSP_PICK_DEAD                                                                    \
    {                                                                                    \
        '\0', "dead", NULL, "dead letters", HSP_OPTION_FLAG,                             \
            &hsp_pick.places[HSP_PLACE_DEAD]                                             \
    }

/* Take the operands; a wrong one is EX_USAGE, else 0. */
int hsp_pick_ids(const struct hsp_cli *cli);
/* Was anything said of which events are meant? */
bool hsp_pick_is_said(void);

/* Read from the configuration which endpoints there are, for `orphan` of a sight and to
 * tell names that are none; without the right to do so nothing is an orphan and every
 * name one. */
void hsp_pick_know_endpoints(const struct hsp_cli *cli);

/* Called for each; another status than HS_OK ends the walk with it. `at` of `of` names
 * were looked at, this one included (0 of 0 without `count`). */
typedef enum hs_status hsp_pick_visit(void *context, const struct hsp_sight *sight,
                                      size_t at, size_t of, struct hs_error *err);

/* Walk over the places of `places` in the spool. `count`: count the names first. With
 * `read` every file is read; without, only what the choice needs. A folder that the
 * caller may not read is told in `err` at the end (HS_E_SPOOL), after all others.
 * HS_E_DATA: a chosen endpoint is known neither to the configuration nor to the spool. */
enum hs_status hsp_pick_walk(const char *spool, const bool places[HSP_PLACE_COUNT],
                             bool count, bool read, hsp_pick_visit *visit, void *context,
                             struct hs_error *err) HS_MUST_CHECK;

#endif
