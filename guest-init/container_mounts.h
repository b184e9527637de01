/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_mounts.h - the mounts of the container, from the shared tree to a root of its own
 *
 * All functions run in the container's mount namespace, before its process lost its privileges.
 * Spec: OCI runtime-spec, config.md "mounts", config-linux.md "maskedPaths", "readonlyPaths",
 * "rootfsPropagation".
 *
 * Theory of operation: the host shares one tree, the container's root file system with every bind
 * mount at its destination. A bind of that tree becomes the container's root, on which the mounts
 * of the plan are made in order. The tree itself stays mounted as it came until the end, since the
 * plan may bind something from it that another mount of the plan has covered by then (a volume
 * below /dev or /run).
 */
#pragma once

#include "guest-init/container_places.h"
#include "guest-init/container_plan.h"

struct container_mounts {
	int tree_fd; /* the shared tree as the host shows it */
	int root_fd; /* the container's root */
};

/* Start: nothing propagates anywhere, and the root is the shared tree. */
int container_mounts_init(struct container_mounts *mounts, const struct container_places *places,
			  struct failure *err);

/* Make the mounts of the plan, in order. */
int container_mounts_make(const struct container_mounts *mounts, const struct container_plan *plan,
			  struct failure *err);

/* Cover the masked paths, and make read-only what shall be. Nothing is created after this. */
int container_mounts_restrict(const struct container_mounts *mounts,
			      const struct container_plan *plan, struct failure *err);

/*
 * Make the container's root the root of the process and of its mount namespace; its working
 * directory is then "/". What guest-init had mounted is gone from the namespace.
 */
int container_mounts_enter(const struct container_mounts *mounts, uint64_t propagation,
			   struct failure *err);
