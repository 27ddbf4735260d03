/* SPDX-License-Identifier: MIT */
/* Small files: read whole, replaced whole. Whoever reads one sees the old or the new. */
#ifndef HSP_FILE_H
#define HSP_FILE_H

#include "hookspool.h"
#include <stdbool.h>
#include <sys/stat.h>

/* Replace the file `name` in `dirfd` by `bytes`: temporary file, fsync (with `durable`),
 * rename, fsync of the folder (likewise). HS_E_IO, HS_E_FULL: the old one is still there,
 * unless the fsync of the folder failed.
 */
enum hs_status hsp_replace_file(int dirfd, const char *name, mode_t mode,
                                const char *bytes, size_t length, bool durable,
                                struct hs_error *err) HS_MUST_CHECK;

/* To be called first: started without stdin, stdout or stderr, a program must not print
 * into the file that gets the free number. */
void hsp_secure_descriptors(void);

/* Write it all, whatever the kernel takes at once. -1 and errno. */
int hsp_write_all(int fd, const char *bytes, size_t length);

/* Read a file of at most `max` bytes whole; free(). It must be a regular file: NULL and
 * ELOOP, ENXIO, EINVAL, EFBIG or what the step failed with in errno otherwise. `info`
 * (may be NULL) is what it was when it was read. Never blocks on a FIFO, never follows a
 * link. */
char *hsp_read_file(int dirfd, const char *name, size_t max, size_t *length,
                    struct stat *info);

#endif
