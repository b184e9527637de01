/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_watch.h - memory that a hostile guest changes between two looks at it
 *
 * In the fuzzers' objects of the folders that look at shared memory (SHARED_READERS in the
 * Makefile) the compiler calls __sanitizer_cov_load…() before every load, atomic ones included, and
 * all copies go through a wrapper of memcpy(). So every fetch is seen, the program needs no hook,
 * and each run is the same again.
 *
 * Changed is what was fetched before: the first fetch could have found any value anyway. What
 * becomes of it is the input's choice. A value that is checked, and then fetched again for use,
 * breaks what the check was for; sanitizers and the target's own checks see that.
 */
#pragma once

#include <stddef.h>

#include "tests/unit/fake_driver.h"
#include "tests/unit/fake_program.h"

/*
 * Begin a run that watches nothing yet. The last byte of @program says how many of those before it
 * are taken from its end, to decide about changes; without any, nothing is changed.
 */
void fetch_watch_begin(struct fake_program *program);

/* Watch @len bytes from @start on, which others may write to. Up to 4 such areas a run. */
void fetch_watch_add(void *start, size_t len);

/* Watch the guest memory of @driver. */
void fetch_watch_add_driver(const struct fake_driver *driver);

/* Watch these bytes and nothing else, none of which was fetched yet. NULL: nothing. */
void fetch_watch_only(uint8_t *start, size_t len);

/* Nothing is watched any more: to be called before watched memory is released. */
void fetch_watch_end(void);

/* Abort unless a second load and a second copy of the same bytes are noticed. */
void fetch_watch_check(void);
