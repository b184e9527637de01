/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scope.h - file descriptors and heap pointers that release themselves at the end of their scope
 *
 * A variable marked AUTO_CLOSE or AUTO_FREE is initialised where it is declared (-1, NULL), and
 * a descriptor is given away with fd_take().
 */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Close *@fd unless it is -1, and forget it. */
static inline void fd_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* Give the descriptor away: returns *@fd and leaves -1 behind. */
static inline int fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static inline void pointer_free(void *pointer)
{
	free(*(void **)pointer);
}

#define AUTO_CLOSE __attribute__((cleanup(fd_close)))
#define AUTO_FREE __attribute__((cleanup(pointer_free)))
