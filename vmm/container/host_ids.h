/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_ids.h - a user and group id of the host that no other container has
 *
 * An id is taken by an open-file-description lock on the one byte of a file whose offset is the id.
 * The file is the host's, not that of a --root: whoever takes ids, with whatever ranges, takes them
 * from all. The kernel drops the lock with its last descriptor, however the holder ends, so there
 * is nothing to give back and nothing to clean up; the file stays empty.
 *
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmm/base/error.h"

#define HOST_IDS_DIRECTORY "/run/bulkhead"

/*
 * True when this process may become another user and the ids are the host's: it has CAP_SETUID and
 * CAP_SETGID in the initial user namespace (or in one with all of its ids). Else containers run
 * with the caller's id, since ids of a user namespace say nothing about who else has them.
 */
bool host_ids_are_available(void);

/*
 * Take the first free one of the @count ids from @first up. @directory holds the locks
 * (HOST_IDS_DIRECTORY) and is made when missing; it must be the caller's, and nobody else may
 * write there. first + count is at most UINT32_MAX, so that (uid_t)-1 is not among them.
 *
 * Returns 0 and stores the id, for both user and group, and the descriptor that holds it: it is
 * close-on-exec, and belongs into a process that lives as long as the container. A child that is
 * forked and lives longer holds it, too. When none is free, the error names "ids.count".
 */
int host_id_take(const char *directory, uint32_t first, uint32_t count, int *ret_lock_fd,
		 uid_t *ret_id, struct error *err);
