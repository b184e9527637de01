/* SPDX-License-Identifier: Apache-2.0 */
/* attempts.h - what code in a sealed process could try to get out of it */
#pragma once

struct attempt {
	const char *name;
	int (*make)(void); /* 0: it was done; else the errno value that kept it from being done */
};

/* The last has no name. */
extern const struct attempt attempts[];
