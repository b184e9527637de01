/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount_tree.h - the container's file tree as the host sees it: rootfs as "/", binds in place
 *
 * What the guest mounts itself (proc, tmpfs, ...) is not mounted here, but its mount point is
 * made, and a tmpfs keeps what is bound below it out of the rootfs, as in any container.
 *
 * Trust: the rootfs is hostile: destinations are resolved inside it (openat2, RESOLVE_IN_ROOT, no
 *        magic links), and mounts are moved onto descriptors, never onto paths.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/oci/container_config.h"

/*
 * In a mount namespace of our own: make everything private, and build the tree on top of the
 * rootfs directory, while the host's tree stays the root. The ids (statx(2), stx_mnt_id) of the
 * binds go to @ret_binds, which has room for all mounts of @config, and their number to
 * *@ret_nr_binds. Returns the descriptor of the tree's root, or a negative errno value.
 */
int mount_tree_build(const struct container_config *config, uint64_t *ret_binds,
		     size_t *ret_nr_binds, struct error *err);

/*
 * Make the tree at @root_fd the root of this process, with nothing of the host's left below.
 * Returns 0 with the working directory at the new root. Whatever was mounted in the tree since it
 * was built is kept, with no more rights than the rest.
 */
int mount_tree_enter(int root_fd, const struct container_config *config, struct error *err);
