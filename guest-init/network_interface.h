/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_interface.h - single changes to an interface, in the network namespace of @netlink
 *
 * All return 0 or a negative errno value and say nothing more: who calls them knows about what.
 * Addresses, routes and neighbours that are there already have been added, those that are not
 * there have been removed.
 */
#pragma once

#include "guest-init/netlink.h"
#include "guest-init/network_plan.h"

struct interface_status {
	uint32_t index;
	uint8_t mac[NETWORK_PLAN_MAC_SIZE];
	bool is_running; /* up, and the card has a link */
};

/* Find the interface @name, or that of @index when @name is NULL. */
int network_interface_find(struct netlink *netlink, const char *name, uint32_t index,
			   struct interface_status *ret_status);

/* Rename it; it must be down. */
int network_interface_rename(struct netlink *netlink, uint32_t index, const char *name);

/* Move it into the network namespace @namespace_fd; it may get another index there. */
int network_interface_move(struct netlink *netlink, uint32_t index, int namespace_fd);

int network_interface_set_up(struct netlink *netlink, uint32_t index, bool is_up);

/*
 * Set the MTU. The kernel makes no IPv6 addresses of its own for the interface from then on: they
 * are given.
 */
int network_interface_set_mtu(struct netlink *netlink, uint32_t index, uint32_t mtu);

/* Add, or remove. */
int network_interface_set_address(struct netlink *netlink, uint32_t index,
				  const struct plan_address *address, bool is_there);
int network_interface_set_route(struct netlink *netlink, uint32_t index,
				const struct plan_route *route, bool is_there);
int network_interface_set_neighbour(struct netlink *netlink, uint32_t index,
				    const struct plan_neighbour *neighbour, bool is_there);
