/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.h - the container's network as the last "network" message has it
 *
 * A card's interface appears in the guest's first network namespace; from there it moves into the
 * container's. What the workload itself adds or changes is left alone: each message is compared
 * with the one before, and only what differs is done. What could not be done is tried again with
 * the next message.
 */
#pragma once

#include "guest-init/container_plan.h"
#include "guest-init/network_plan.h"

struct network;

/*
 * Get ready. guest-init is in the network namespace of process @pid_fd from then on, unless @plan,
 * which outlives this, has none for the container. @sysfs_fd is that of card_driver_open(), taken
 * also on failure. Returns NULL with a failure.
 */
struct network *network_new(int sysfs_fd, int pid_fd, const struct container_plan *plan,
			    struct failure *err);

void network_free(struct network *network);

/*
 * Make the network what @plan says, which is taken; sysctls of the container that are about an
 * interface are set when it comes. All that can be done is, and the first failure is returned.
 */
int network_apply(struct network *network, struct network_plan *plan, struct failure *err);

/*
 * Refuse @plan when a sysctl of it is about an interface that has not come. @network may be NULL.
 */
int network_check_sysctls(const struct network *network, const struct container_plan *plan,
			  struct failure *err);
