/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot_log.h - the last bytes that the guest wrote to its console, for error messages
 *
 * The guest may write without end: what is kept is a fixed ring, and what is copied to a
 * descriptor for debugging has a budget. Only printable ASCII, tabs and newlines get in; carriage
 * returns are dropped and every other byte becomes '?', so nothing here can steer a terminal.
 *
 * Thread: any. The lock inside is taken last, so it may be used under any other.
 * Trust:  every byte is the guest's.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define BOOT_LOG_SIZE ((size_t)64 * 1024)

struct boot_log {
	pthread_mutex_t lock;
	int mirror_fd;
	uint64_t mirror_budget; /* bytes that may still be mirrored */
	size_t next;		/* where in @bytes the next byte goes */
	size_t len;		/* bytes kept, which end before @next */
	char bytes[BOOT_LOG_SIZE];
};

/*
 * @mirror_fd gets a copy of the first @mirror_budget bytes, or is -1. It stays the caller's and
 * should be non-blocking or a file: what cannot be written is lost.
 */
void boot_log_init(struct boot_log *log, int mirror_fd, uint64_t mirror_budget);
void boot_log_fini(struct boot_log *log);

void boot_log_append(struct boot_log *log, const void *data, size_t len);

/*
 * Copy the last @nr_lines lines, as far as they fit, to @text of @size (> 0) bytes, with newlines
 * between them, none at the end, and a NUL. Returns the length without the NUL.
 */
size_t boot_log_tail(struct boot_log *log, unsigned int nr_lines, char *text, size_t size);
