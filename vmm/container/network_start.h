/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_start.h - the container's third process, which knows its network
 *
 * Thread: the container process's only one, before it is sealed.
 */
#pragma once

#include <sys/types.h>

#include "vmm/base/error.h"
#include "vmm/oci/container_config.h"

/* The monitor's ends of its channels to the network process. */
struct network_ends {
	int channel_fd;	 /* backend/network_channel.h */
	int resolver_fd; /* backend/socket_channel.h */
};

/*
 * Start the network process as our child, in the network namespace that we are in; sealed it is
 * user @id. The sandbox of a pod, which has no use for the network of its pod, gets none: then both
 * ends are -1.
 */
int network_start(const struct container_config *config, uid_t id, struct network_ends *ret,
		  struct error *err);
