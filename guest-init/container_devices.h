/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_devices.h - /dev of the container: nodes, links and the console
 *
 * Spec: OCI runtime-spec, config-linux.md "devices" and "default devices", runtime-linux.md
 * "dev symbolic links".
 */
#pragma once

#include "guest-init/container_plan.h"

/*
 * Make a new @directory with a node for each of the devices that container_devices_make() will
 * make, to be bound where none can be made: by a process in a user namespace, or in a file system
 * of the host's that refuses them.
 */
int container_devices_prepare(const char *directory, const struct container_plan *plan,
			      struct failure *err);

/*
 * Make the devices of the plan, the default ones, and the links that programs expect, below
 * @root_fd, with the help of what is in @directory. A container that brings a /dev of the host's
 * gets nothing.
 */
int container_devices_make(int root_fd, const char *directory, const struct container_plan *plan,
			   struct failure *err);
