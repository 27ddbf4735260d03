/* SPDX-License-Identifier: MIT */
/* An exported file by one of its names, opened to be read: only what is a plain file
 * counts as one, and one that is there but may not be opened is told apart from none. */
#ifndef HSP_NAMED_H
#define HSP_NAMED_H

#include "hookspool.h"
#include <stdbool.h>
#include <sys/stat.h>

struct hsp_named {
    bool there;          /* a plain file has this name */
    int fd;              /* -1: there is none, or it may not be opened */
    struct stat info;    /* zeros: not even that is known */
    struct hs_error err; /* why it may not be opened; status HS_OK: nothing is wrong */
};

/* Open BASE.ndjson and SUFFIX in the folder `dirfd`. Fills `named`; links, folders and
 * the like count as nothing. Ended by hsp_named_drop, unless its descriptor is taken. */
void hsp_named_open(struct hsp_named *named, int dirfd, const char *base,
                    const char *suffix);
void hsp_named_drop(struct hsp_named *named);

/* Are these one file? */
bool hsp_named_is_same(const struct stat *a, const struct stat *b);

#endif
