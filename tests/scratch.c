/* SPDX-License-Identifier: MIT */
/* The folder of a unit test. */
#include "config.h"

#include "scratch.h"

#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[256];

const char *scratch_make(void) {
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/hookspool-test-XXXXXX",
             base == NULL ? "/tmp" : base);
    assert_non_null(mkdtemp(folder));
    return folder;
}

static int remove_one(const char *path, const struct stat *found, int type,
                      struct FTW *place) {
    (void)found;
    (void)type;
    (void)place;
    return remove(path);
}

void scratch_remove(void) {
    assert_int_equal(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    folder[0] = '\0';
}

const char *scratch_path(const char *name) {
    static char paths[8][SCRATCH_PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, SCRATCH_PATH_MAX, "%s/%s", folder, name);
    return path;
}

const char *scratch_write(const char *name, const char *bytes, size_t length) {
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    return path;
}

char *scratch_read(const char *path, size_t *length) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    const size_t size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, size, file), size);
    bytes[size] = '\0';
    fclose(file);
    *length = size;
    return bytes;
}

size_t scratch_count(const char *path, char name[SCRATCH_PATH_MAX]) {
    size_t count = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        if (name != NULL)
            snprintf(name, SCRATCH_PATH_MAX, "%s/%s", path, entry->d_name);
        count++;
    }
    closedir(dir);
    return count;
}
