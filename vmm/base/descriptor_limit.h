/* SPDX-License-Identifier: Apache-2.0 */
/* descriptor_limit.h - how many descriptors this process may have open */
#pragma once

#include <stdint.h>

#include "vmm/base/error.h"

#define DESCRIPTOR_LIMIT_MAX 1048576

/* How many files all processes of the host may have open that are not root's; proc(5). */
#define DESCRIPTOR_FILE_MAX "/proc/sys/fs/file-max"

/*
 * How many of the host's open files one container may take: a small part of what the file
 * @file_max_path (DESCRIPTOR_FILE_MAX) says, and at most DESCRIPTOR_LIMIT_MAX. The kernel does not
 * hold root to its limit: without one of our own a guest would take them all, and leave none to the
 * host's other users.
 */
uint64_t descriptor_limit_share(const char *file_max_path);

/*
 * Set the limit on open descriptors of this process to @count, or as near as its hard limit lets
 * us, if that cannot be raised.
 */
int descriptor_limit_set(uint64_t count, struct error *err);
