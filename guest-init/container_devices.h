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
 * Make the devices of the plan, the default ones, and the links that programs expect, below
 * @root_fd. A container that brings a /dev of the host's gets nothing.
 */
int container_devices_make(int root_fd, const struct container_plan *plan, struct failure *err);
