/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount_point.h - find or make the place of a mount inside a hostile tree
 *
 * Trust: every component below the root may be a symbolic link that the image's author chose. Paths
 *        are resolved as if the root were "/", never through /proc links, and used as
 *        descriptors from then on.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "vmm/base/error.h"

struct mount_point {
	bool is_file; /* else a directory */
	uid_t uid;    /* the owner of what has to be made */
	gid_t gid;
};

/*
 * Open the absolute @path below @root_fd, making missing directories (and, for a file, an empty one
 * at the end) on the way. Returns an O_PATH descriptor, or a negative errno value; a directory
 * where a file is wanted, and the reverse, is an error.
 */
int mount_point_make(int root_fd, const char *path, const struct mount_point *point,
		     struct error *err);
