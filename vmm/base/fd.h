/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd.h - file descriptors and heap pointers that release themselves at the end of their scope
 *
 * A variable marked AUTO_CLOSE or AUTO_FREE is initialised where it is declared (-1, NULL), and
 * given away with fd_take() or pointer_take().
 */
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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

/*
 * Type and size of the file @fd: 0, or -1 with errno. By statx(2) whatever the C library makes of
 * fstat(3), so that a sealed thread needs one call for it.
 */
static inline int fd_stat(int fd, struct statx *ret)
{
	return statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, ret);
}

static inline void pointer_free(void *pointer)
{
	free(*(void **)pointer);
}

#define AUTO_CLOSE __attribute__((cleanup(fd_close)))
#define AUTO_FREE __attribute__((cleanup(pointer_free)))

/* Give a heap pointer away: the value of @pointer, leaving NULL behind. */
#define pointer_take(pointer)                                                                      \
	__extension__({                                                                            \
		__typeof__(pointer) taken_ = (pointer);                                            \
		(pointer) = NULL;                                                                  \
		taken_;                                                                            \
	})
