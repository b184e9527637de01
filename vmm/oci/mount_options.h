/* SPDX-License-Identifier: Apache-2.0 */
/* mount_options.h - the words of "options" in a mount (config.md, "Mounts", Linux options) */
#pragma once

#include <stddef.h>

enum mount_option_effect {
	MOUNT_OPTION_SET,	  /* bits: MS_… attributes to set */
	MOUNT_OPTION_CLEAR,	  /* bits: MS_… attributes to clear */
	MOUNT_OPTION_SET_ALL,	  /* as SET, on what is mounted below as well */
	MOUNT_OPTION_CLEAR_ALL,	  /* as CLEAR, likewise */
	MOUNT_OPTION_PROPAGATION, /* bits: MS_PRIVATE, …, with MS_REC */
	MOUNT_OPTION_BIND,	  /* bits: MS_REC or 0 */
	MOUNT_OPTION_COPY_UP,
};

struct mount_option {
	const char *name;
	enum mount_option_effect effect;
	unsigned long bits;
};

/* The option called @name; NULL for one that only the file system may know. */
const struct mount_option *mount_option_find(const char *name);

/* All options in alphabetical order. */
const struct mount_option *mount_options(size_t *ret_count);
