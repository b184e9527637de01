/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_update.h - new limits for a container that exists: in the guest, on the host, in the
 * record
 *
 * Thread: the command line's only one.
 */
#pragma once

#include <jansson.h>

#include "vmm/oci/administrator_config.h"
#include "vmm/oci/container_state.h"

/*
 * Change the limits that @changes, an object as "linux.resources", gives, as resources_update.h
 * says; errors name @file. What is beyond the limits of @administrator is refused. When something
 * cannot be set, what was set before is taken back as far as it had been given. A paused guest does
 * its part when it goes on. The lock must be held.
 */
int container_update(struct container_state *state,
		     const struct administrator_config *administrator, const char *file,
		     const json_t *changes, struct error *err);
