/* SPDX-License-Identifier: MIT */
/* The wrapped allocators (ld --wrap) and the loop over all of a call's allocations. */
#include "config.h"

#include "alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned countdown; /* 0: nothing fails */
static bool failed;

void alloc_fail_at(unsigned n) {
    countdown = n;
    failed = false;
}

bool alloc_fail_stop(void) {
    countdown = 0;
    return failed;
}

static bool fails_now(void) {
    if (countdown == 0 || --countdown > 0)
        return false;
    failed = true;
    errno = ENOMEM; /* as the real ones do */
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);

void *__wrap_malloc(size_t size) { return fails_now() ? NULL : __real_malloc(size); }

void *__wrap_calloc(size_t count, size_t size) {
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) {
    return fails_now() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text) { return fails_now() ? NULL : __real_strdup(text); }

char *__wrap_strndup(const char *text, size_t length) {
    return fails_now() ? NULL : __real_strndup(text, length);
}

void alloc_fail_each(enum hs_status (*call)(void *context, struct hs_error *err),
                     void *context) {
    for (unsigned n = 1;; n++) {
        struct hs_error err = {0};
        alloc_fail_at(n);
        const enum hs_status status = call(context, &err);
        if (!alloc_fail_stop()) {
            assert_int_equal(status, HS_OK);
            assert_true(n > 1);
            break;
        }
        assert_int_equal(status, HS_E_NOMEM);
        assert_int_equal(err.status, HS_E_NOMEM);
        assert_true(err.text[0] != '\0');
    }
}
