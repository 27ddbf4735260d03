/* SPDX-License-Identifier: MIT */
/* Letting the n-th allocation of the code under test fail. Programs that use it are
 * linked with $(ALLOC_FAIL_WRAPS), which leads malloc and its like through here;
 * allocations inside shared libraries are not touched. One thread. */
#ifndef ALLOC_FAIL_H
#define ALLOC_FAIL_H

#include "hookspool.h"
#include <stdbool.h>

/* From now on the n-th allocation fails, 1 being the next; the others are made. */
void alloc_fail_at(unsigned n);
/* Back to normal; true when an allocation did fail. */
bool alloc_fail_stop(void);

/* Run `call` with its first allocation failing, then its second and so on until none
 * fails any more. Asserts that it returns HS_E_NOMEM with a text each time, HS_OK at
 * last, and that at least one allocation failed. `call` frees what it got on success, and
 * looks after its outputs on failure. */
void alloc_fail_each(enum hs_status (*call)(void *context, struct hs_error *err),
                     void *context);

#endif
