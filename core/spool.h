/* SPDX-License-Identifier: MIT */
/* What the daemon and `hookspool init` share with the adapters' put: folder names, modes
 * and space. */
#ifndef HSP_SPOOL_H
#define HSP_SPOOL_H

#include "buffer.h"
#include "hookspool.h"
#include "units.h"
#include <stdbool.h>
#include <sys/types.h>

#define HSP_INCOMING "incoming"
#define HSP_TMP "tmp"
#define HSP_INCOMING_MODE                                                                \
    03770 /* setgid: files get the group; sticky: nobody removes another's */
#define HSP_PRIVATE_MODE 0700
#define HSP_EVENT_MODE 0640
#define HSP_SUFFIX ".evt"

/* An open spool; unchanged until it is closed. */
struct hs_spool {
    const struct hs_config *config;
    char *path; /* for messages */
    int incoming;
    int tmp;
};

/* Is `name` a file name that a put makes in incoming/ (an event id and ".evt")? Pure. */
bool hsp_spool_name_ok(const char *name);

/* Does the file system of `fd` have less than `min_free` left, in bytes or in inodes?
 * errno is kept on failure, which counts as enough: the write itself will tell. */
bool hsp_space_is_short(int fd, const struct hsp_share *min_free);

/* Put a whole spool file (core/record.h) of events that were made before, under the name
 * of `id`: that of its only event, or a new one for several. As hs_spool_put. */
enum hs_status hsp_spool_put_file(const struct hs_spool *spool, const char *id,
                                  const struct hsp_buffer *file,
                                  struct hs_error *err) HS_MUST_CHECK;

/* Make the folder `name` in the folder `dirfd` if it is not there, then set its mode with
 * fchmod and its owner with fchown (uid, gid -1: leave). An existing one must be a real
 * folder. `path` is the parent's, for the message. */
enum hs_status hsp_make_folder(int dirfd, const char *path, const char *name, mode_t mode,
                               uid_t uid, gid_t gid, struct hs_error *err) HS_MUST_CHECK;

#endif
