/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_file.h - the files of one control group
 *
 * Thread: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Write a value in one go, as the kernel wants it. Returns 0 or a negative errno value. */
int cgroup_file_write(const char *directory, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Read at most @size - 1 bytes and terminate them. Returns 0 or a negative errno value. */
int cgroup_file_read(const char *directory, const char *name, char *buffer, size_t size);

/* Read the number that a file consists of; "max" is UINT64_MAX. -EPROTO if there is none. */
int cgroup_file_read_number(const char *directory, const char *name, uint64_t *ret);

/* Read the number behind "KEY " in a file with a key on each line. -ENODATA without that key. */
int cgroup_file_read_key(const char *directory, const char *name, const char *key, uint64_t *ret);
