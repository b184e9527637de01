/* SPDX-License-Identifier: Apache-2.0 */
/* file_io.h - whole reads, whole writes and files replaced in one step */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "vmm/base/error.h"

/* Read @len bytes unless the end comes first. Returns the bytes read, or a negative errno value. */
ssize_t file_read_full(int fd, void *buffer, size_t len);

/* Write all @len bytes. Returns 0 or a negative errno value. */
int file_write_full(int fd, const void *buffer, size_t len);

/*
 * Load the regular file @name below @dir_fd (AT_FDCWD for the working directory), at most
 * @max_size bytes; a larger file is an error. On success *@ret_data is heap memory of the
 * caller's with a NUL after the last byte, and *@ret_size its size without that NUL.
 */
int file_load(int dir_fd, const char *name, size_t max_size, char **ret_data, size_t *ret_size,
	      struct error *err);

/*
 * Replace @name below @dir_fd by a file of the given content, through a temporary file and a
 * rename: whoever reads @name finds either the old content or the new, whole.
 */
int file_replace(int dir_fd, const char *name, const void *data, size_t len, struct error *err);
