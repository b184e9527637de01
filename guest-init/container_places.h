/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_places.h - what guest-init gets ready for the process that builds the container
 *
 * Directories of guest-init's own file system, of which the process has a copy to mount over.
 */
#pragma once

#include "guest-init/container_plan.h"

struct container_places {
	const char *tree;    /* the shared tree is mounted here */
	const char *root;    /* empty: becomes the container's root */
	const char *devices; /* nodes of the plan's devices, see container_devices.h */
	/*
	 * -1, or for a user namespace a detached copy of the shared tree: the mounts that such a
	 * process finds are locked, their attributes cannot be changed.
	 */
	int tree_fd;
};

/* Get everything ready. @places can be released after a failure, too. */
int container_places_make(struct container_places *places, const struct container_plan *plan,
			  struct failure *err);

/* Release what is there for the first process alone. */
void container_places_release(struct container_places *places);
