/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bug.h - the third kind of failure: our own invariant does not hold
 *
 * Always compiled in. The condition has no side effects and never depends on a value that a
 * guest, an image or a configuration can choose.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define BUG_ON(condition)                                                                          \
	do {                                                                                       \
		if (__builtin_expect(!!(condition), 0)) {                                          \
			(void)fprintf(stderr, "bulkhead: bug at %s:%d: %s\n", __FILE__, __LINE__,  \
				      #condition);                                                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)
