/* SPDX-License-Identifier: MIT */
/* All files of an export folder, as one stream of lines: each process of Zabbix that
 * exports has files of its own, and what belongs together may stand in several of them.
 *
 *     look (new files, marks) … head, next … until no line of before the look is left
 *
 * Lines come in the order of their time as far as the files go. Positions are kept in the
 * state file under "file NAME". One thread at a time. */
#ifndef HSP_SOURCES_H
#define HSP_SOURCES_H

#include "ndjson.h"
#include "statefile.h"

struct hsp_sources;

#define HSP_SOURCES_MAX 1000 /* files that are followed */
/* In the state file: this is not the very first start. Entered by the first look. */
#define HSP_SOURCES_STARTED "started"

struct hsp_sources_options {
    const char *folder;          /* borrowed */
    struct hsp_statefile *state; /* borrowed */
    bool problems, values;       /* which lines are wanted */
    bool from_start;             /* read what is there at the very first start, too */
    const char *needle;          /* values without it are passed over; NULL: none are */
    void (*say)(void *context, const char *line); /* what is wrong with a file */
    void *context;
};

/* HS_E_IO: the folder cannot be read. HS_E_NOMEM. */
enum hs_status hsp_sources_open(struct hsp_sources **sources,
                                const struct hsp_sources_options *options,
                                struct hs_error *err) HS_MUST_CHECK;
void hsp_sources_close(struct hsp_sources *sources); /* NULL is fine */

/* A descriptor that can be read when there may be something new; -1: there is none. */
int hsp_sources_fd(const struct hsp_sources *sources);

/* Look for new files and mark what all of them hold now. As open. */
enum hs_status hsp_sources_look(struct hsp_sources *sources,
                                struct hs_error *err) HS_MUST_CHECK;

/* A line and its text; valid until the next call. */
struct hsp_head {
    const struct hsp_line *line;
    const char *text;
    size_t length;
};
/* The next line; `head->line` NULL: none that was there at the last look is left. Lines
 * that are none are passed over and told. HS_E_NOMEM, HS_E_IO. */
enum hs_status hsp_sources_head(struct hsp_sources *sources, struct hsp_head *head,
                                struct hs_error *err) HS_MUST_CHECK;
/* Step over it. */
void hsp_sources_next(struct hsp_sources *sources);

/* Enter how far all were read into the state file; a commit makes it durable. HS_E_NOMEM.
 */
enum hs_status hsp_sources_keep(struct hsp_sources *sources,
                                struct hs_error *err) HS_MUST_CHECK;

/* How many files may not be opened, as of the last look and the heads since; `err`: the
 * first of them and why. They are tried again with each look. */
size_t hsp_sources_unread(const struct hsp_sources *sources, struct hs_error *err);

/* Lines that were no lines of an export, or too long, or cut. */
uint64_t hsp_sources_skipped(const struct hsp_sources *sources);

#endif
