/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_tree.h - paths of the container, resolved from outside and never leaving it
 *
 * Trust: the image chooses what lies in the tree, symbolic links above all. Every path is resolved
 * by the kernel with the container's root as the only root there is (openat2(2),
 * RESOLVE_IN_ROOT), and links of /proc that jump elsewhere are refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Open @path below the directory @root_fd. @flags are those of open(2), O_CLOEXEC is added.
 * Returns the descriptor or a negative errno value.
 */
int container_tree_open(int root_fd, const char *path, int flags);

/*
 * Make @path below @root_fd a mount point: what exists is taken as it is, missing directories are
 * created with mode 0755, and the last component as an empty file if @is_file. A dangling symbolic
 * link on the way gets the target it lacks. Returns an O_PATH descriptor or a negative errno value.
 */
int container_tree_make(int root_fd, const char *path, bool is_file);

/*
 * Open the directory that holds @path, created if missing. *@ret_name points to the last component
 * inside @path. Returns an O_PATH descriptor or a negative errno value.
 */
int container_tree_make_parent(int root_fd, const char *path, const char **ret_name);

/*
 * Read at most @size bytes of the regular file @path below @root_fd. Returns the number of bytes
 * or a negative errno value.
 */
ssize_t container_tree_read(int root_fd, const char *path, char *buffer, size_t size);
