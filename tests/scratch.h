/* SPDX-License-Identifier: MIT */
/* A folder of a unit test's own, and what tests do with files in it. Every function
 * asserts that it worked. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <stddef.h>

#define SCRATCH_PATH_MAX 512

/* Make a folder below $TMPDIR or /tmp; its path stays valid until scratch_remove. */
const char *scratch_make(void);
/* Remove it with all that is in it. */
void scratch_remove(void);
/* The path of `name` in it; one of a few buffers in turn. */
const char *scratch_path(const char *name);
/* Write a file in it; its path. */
const char *scratch_write(const char *name, const char *bytes, size_t length);
/* Read a whole file; free(). */
char *scratch_read(const char *path, size_t *length);
/* The number of files in a folder; `name` gets the last one's path where it is not NULL.
 */
size_t scratch_count(const char *folder, char name[SCRATCH_PATH_MAX]);

#endif
