/* SPDX-License-Identifier: Apache-2.0 */
/*
 * administrator_policy.h - what the administrator's configuration has to say of one container
 *
 * Errors name the container's field, the limit, and the file in which that is set. Sources of
 * mounts are looked at when they are opened (container/mount_source.h).
 */
#pragma once

#include "vmm/oci/administrator_config.h"
#include "vmm/oci/container_config.h"

/* Check annotations and sizes of @config, which was made with the defaults of @administrator. */
int administrator_check_container(const struct administrator_config *administrator,
				  const struct container_config *config, struct error *err);

/*
 * Set the policy for the network of @config, which was checked: what its annotations say, and
 * otherwise @administrator; where neither says anything, other addresses than its own are filtered.
 */
int administrator_set_network(const struct administrator_config *administrator,
			      struct container_config *config, struct error *err);

/*
 * Check the limits @after an update, of which errors say that they come from @file, for a container
 * whose limits were @before and whose virtual machine has @nr_vcpus. What does not grow is not
 * refused: the administrator may have lowered a limit meanwhile.
 */
int administrator_check_update(const struct administrator_config *administrator, const char *file,
			       const struct container_resources *before,
			       const struct container_resources *after, unsigned int nr_vcpus,
			       struct error *err);

/* True when @name is among the permitted annotations. */
bool administrator_permits_annotation(const struct administrator_config *administrator,
				      const char *name);
