/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/network/network_routes.h"

#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/network/rtnetlink.h"

static size_t ip_size(int family)
{
	return family == AF_INET ? 4 : 16;
}

static void set_ip(int family, const void *bytes, size_t len, struct network_ip *ret_ip)
{
	if ((family != AF_INET && family != AF_INET6) || len != ip_size(family))
		return;
	*ret_ip = (struct network_ip){ .family = family };
	memcpy(ret_ip->bytes, bytes, len);
}

void network_routes_ip(int family, const struct nlattr *attribute, struct network_ip *ret_ip)
{
	set_ip(family, mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute),
	       ret_ip);
}

void network_routes_add(struct network_state *state, const struct network_route *route)
{
	if (state->nr_routes == ARRAY_SIZE(state->routes)) {
		state->is_truncated = true;
		return;
	}
	state->routes[state->nr_routes++] = *route;
}

/* A gateway of another family than the route's. */
static void take_via(const struct nlattr *attribute, struct network_ip *ret_gateway)
{
	const struct rtvia *via = mnl_attr_get_payload(attribute);
	uint16_t len = mnl_attr_get_payload_len(attribute);

	if (len > sizeof(*via))
		set_ip(via->rtvia_family, via->rtvia_addr, len - sizeof(*via), ret_gateway);
}

static void take_metrics(const struct nlattr *attribute, struct network_route *route)
{
	struct rtnetlink_attributes metrics = rtnetlink_attributes_at(
		mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute));
	const struct nlattr *metric;

	while ((metric = rtnetlink_next(&metrics))) {
		if (mnl_attr_get_type(metric) == RTAX_MTU)
			route->mtu = mnl_attr_get_u32(metric);
	}
}

static void take_next_hop(const struct nlattr *attribute, struct network_route *route)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(attribute);
	uint16_t size = mnl_attr_get_payload_len(attribute);
	struct rtnetlink_attributes attributes;

	if (size < sizeof(*hop) || hop->rtnh_len < sizeof(*hop) || hop->rtnh_len > size)
		return;
	route->ifindex = (uint32_t)hop->rtnh_ifindex;
	route->flags |= hop->rtnh_flags & RTNH_F_ONLINK;
	attributes = rtnetlink_attributes_at(hop + 1, hop->rtnh_len - sizeof(*hop));
	while ((attribute = rtnetlink_next(&attributes))) {
		if (mnl_attr_get_type(attribute) == RTA_GATEWAY)
			network_routes_ip(route->destination.family, attribute, &route->gateway);
		if (mnl_attr_get_type(attribute) == RTA_VIA)
			take_via(attribute, &route->gateway);
	}
}

static void take_attribute(const struct nlattr *attribute, struct network_route *route,
			   uint32_t *table)
{
	int family = route->destination.family;

	switch (mnl_attr_get_type(attribute)) {
	case RTA_TABLE:
		*table = mnl_attr_get_u32(attribute);
		break;
	case RTA_DST:
		network_routes_ip(family, attribute, &route->destination);
		break;
	case RTA_GATEWAY:
		network_routes_ip(family, attribute, &route->gateway);
		break;
	case RTA_VIA:
		take_via(attribute, &route->gateway);
		break;
	case RTA_PREFSRC:
		network_routes_ip(family, attribute, &route->source);
		break;
	case RTA_OIF:
		route->ifindex = mnl_attr_get_u32(attribute);
		break;
	case RTA_PRIORITY:
		route->metric = mnl_attr_get_u32(attribute);
		break;
	case RTA_METRICS:
		take_metrics(attribute, route);
		break;
	case RTA_MULTIPATH:
		take_next_hop(attribute, route);
		break;
	default:
		break;
	}
}

/* Whether the route is @state's to pass on; one that goes nowhere belongs to no interface. */
static bool is_ours(const struct network_state *state, struct network_route *route)
{
	switch (route->type) {
	case RTN_BLACKHOLE:
	case RTN_UNREACHABLE:
	case RTN_PROHIBIT:
		route->ifindex = 0;
		return true;
	case RTN_UNICAST:
		for (size_t i = 0; i < state->nr_interfaces; i++)
			if (state->interfaces[i].ifindex == route->ifindex)
				return true;
		return false;
	default:
		return false;
	}
}

static bool is_in_prefix(const struct network_ip *ip, const struct network_route *route)
{
	unsigned int whole = route->prefix / 8u;
	unsigned int rest = route->prefix % 8u;

	return ip->family == route->destination.family &&
	       memcmp(ip->bytes, route->destination.bytes, whole) == 0 &&
	       (!rest || (ip->bytes[whole] ^ route->destination.bytes[whole]) >> (8 - rest) == 0);
}

/* A route that the kernel made of an address is the guest's kernel's to make. */
static void take_prefix_route(struct network_state *state, const struct network_route *route)
{
	for (size_t i = 0; i < state->nr_interfaces; i++) {
		struct network_interface *interface = &state->interfaces[i];

		for (size_t j = 0; j < interface->nr_addresses; j++) {
			struct network_address *address = &interface->addresses[j];

			if (interface->ifindex == route->ifindex &&
			    address->prefix == route->prefix && is_in_prefix(&address->ip, route))
				address->has_prefix_route = true;
		}
	}
}

void network_routes_take(struct network_state *state, const struct nlmsghdr *message)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	struct network_route route = {
		.destination.family = header->rtm_family,
		.prefix = header->rtm_dst_len,
		.scope = header->rtm_scope,
		.type = header->rtm_type,
		.flags = header->rtm_flags & RTNH_F_ONLINK,
	};
	uint32_t table = header->rtm_table;
	struct rtnetlink_attributes attributes = rtnetlink_attributes(message, sizeof(*header));
	const struct nlattr *attribute;

	if (message->nlmsg_type != RTM_NEWROUTE || header->rtm_flags & RTM_F_CLONED ||
	    header->rtm_src_len || header->rtm_tos ||
	    (header->rtm_family != AF_INET && header->rtm_family != AF_INET6))
		return;
	while ((attribute = rtnetlink_next(&attributes)))
		take_attribute(attribute, &route, &table);
	if (table != RT_TABLE_MAIN)
		return;
	if (header->rtm_protocol == RTPROT_KERNEL)
		take_prefix_route(state, &route);
	else if (is_ours(state, &route))
		network_routes_add(state, &route);
}
