/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_routes.h - the part of network_scan.c that knows what a route is
 *
 * Thread: the network process's only one.
 */
#pragma once

#include <libmnl/libmnl.h>

#include "vmm/network/network_state.h"

/* Take the address of @family that is @attribute into *@ret_ip; one that is none leaves it. */
void network_routes_ip(int family, const struct nlattr *attribute, struct network_ip *ret_ip);

/* Add @route, or note that there was no room for it. */
void network_routes_add(struct network_state *state, const struct network_route *route);

/*
 * Add the route that @message (RTM_NEWROUTE) tells of, if it is one of @state's interfaces, whose
 * addresses are known; one that the kernel made is noted at its address.
 */
void network_routes_take(struct network_state *state, const struct nlmsghdr *message);
