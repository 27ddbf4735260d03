/* SPDX-License-Identifier: MIT */
/* Waiting until something happens to a file, or in its folder: by inotify, and by a look
 * every second for what that does not see (a folder that is made later, a network file
 * system). One thread. */
#ifndef HSP_JOURNAL_WATCH_H
#define HSP_JOURNAL_WATCH_H

#include "../hookspool.h"
#include <signal.h>
#include <stdbool.h>

struct hsp_journal_watch {
    int fd;    /* inotify; -1: there is none */
    int watch; /* of the folder; -1: none yet */
    char *folder;
};

/* Before the file is read for the first time, so that nothing is overlooked.
 * HS_E_NOMEM. */
enum hs_status hsp_journal_watch_open(struct hsp_journal_watch *watch, const char *path,
                                      struct hs_error *err) HS_MUST_CHECK;
/* Wait, a second at most, with the signals of `mask` blocked (NULL: as they are). False:
 * whoever reads from the descriptor `out` is gone. */
bool hsp_journal_watch_wait(struct hsp_journal_watch *watch, int out,
                            const sigset_t *mask);
void hsp_journal_watch_close(struct hsp_journal_watch *watch);

#endif
