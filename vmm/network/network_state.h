/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_state.h - the interfaces that an engine made in a network namespace, as the kernel tells
 *
 * Thread: the network process's only one.
 * Trust:  the kernel's answers; who owns the namespace (the engine) may put any number of things
 *         into it: what is kept is bounded.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/backend/network_channel.h"
#include "vmm/base/error.h"

#define NETWORK_ADDRESSES_MAX 32u
#define NETWORK_ROUTES_MAX 256u
#define NETWORK_NEIGHBOURS_MAX 256u

struct network_ip {
	int family; /* AF_INET, AF_INET6 */
	uint8_t bytes[16];
};

struct network_address {
	struct network_ip ip, broadcast; /* broadcast.family 0: none */
	uint8_t prefix, scope;
	bool has_prefix_route; /* as the kernel makes it, unless an engine has removed it */
};

struct network_route {
	uint32_t ifindex;
	struct network_ip destination;	   /* .family is the route's; prefix 0: default */
	struct network_ip gateway, source; /* .family 0: none */
	uint32_t metric;		   /* 0: none given */
	uint32_t mtu;			   /* likewise */
	uint32_t flags;			   /* RTNH_F_ONLINK or 0 */
	uint8_t prefix, scope, type;
};

struct network_neighbour {
	struct network_ip ip;
	uint8_t mac[6];
};

struct network_interface {
	uint32_t ifindex;
	char name[IF_NAMESIZE];
	uint8_t mac[6];
	uint32_t mtu;
	bool is_up;
	struct network_address addresses[NETWORK_ADDRESSES_MAX];
	size_t nr_addresses;
	struct network_neighbour neighbours[NETWORK_NEIGHBOURS_MAX];
	size_t nr_neighbours;
};

struct network_state {
	struct network_interface interfaces[NETWORK_SLOTS]; /* by ifindex, ascending */
	size_t nr_interfaces;
	struct network_route routes[NETWORK_ROUTES_MAX]; /* of these interfaces */
	size_t nr_routes;
	bool has_resolver; /* somebody listens at 127.0.0.11 */
	bool is_truncated; /* there was more than fits */
};
