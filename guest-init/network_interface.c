/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/network_interface.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "guest-init/scope.h"

#define ADD_FLAGS (NLM_F_CREATE | NLM_F_EXCL)

static void link_begin(struct netlink_request *request, uint16_t type, uint32_t index)
{
	const struct ifinfomsg body = { .ifi_family = AF_UNSPEC, .ifi_index = (int)index };

	netlink_begin(request, type, 0, &body, sizeof(body));
}

static void request_add_ip(struct netlink_request *request, uint16_t type, const struct plan_ip *ip)
{
	netlink_add(request, type, ip->bytes, plan_ip_size(ip));
}

int network_interface_find(struct netlink *netlink, const char *name, uint32_t index,
			   struct interface_status *ret_status)
{
	AUTO_FREE struct nlmsghdr *answer = malloc(NETLINK_ANSWER_SIZE);
	struct netlink_request request;
	const struct ifinfomsg *body;
	const void *mac;
	int r;

	if (!answer)
		return -ENOMEM;
	link_begin(&request, RTM_GETLINK, index);
	if (name)
		netlink_add_string(&request, IFLA_IFNAME, name);
	r = netlink_ask(netlink, &request, answer);
	if (r)
		return r;
	if (answer->nlmsg_type != RTM_NEWLINK || answer->nlmsg_len < NLMSG_LENGTH(sizeof(*body)))
		return -EPROTO;
	body = NLMSG_DATA(answer);
	mac = netlink_find(answer, sizeof(*body), IFLA_ADDRESS, sizeof(ret_status->mac));
	if (!mac)
		return -EADDRNOTAVAIL;
	ret_status->index = (uint32_t)body->ifi_index;
	memcpy(ret_status->mac, mac, sizeof(ret_status->mac));
	ret_status->is_running = body->ifi_flags & IFF_RUNNING;
	return 0;
}

int network_interface_rename(struct netlink *netlink, uint32_t index, const char *name)
{
	struct netlink_request request;

	link_begin(&request, RTM_SETLINK, index);
	netlink_add_string(&request, IFLA_IFNAME, name);
	return netlink_send(netlink, &request);
}

int network_interface_move(struct netlink *netlink, uint32_t index, int namespace_fd)
{
	struct netlink_request request;

	link_begin(&request, RTM_SETLINK, index);
	netlink_add_u32(&request, IFLA_NET_NS_FD, (uint32_t)namespace_fd);
	return netlink_send(netlink, &request);
}

int network_interface_set_up(struct netlink *netlink, uint32_t index, bool is_up)
{
	const struct ifinfomsg body = {
		.ifi_index = (int)index,
		.ifi_flags = is_up ? IFF_UP : 0,
		.ifi_change = IFF_UP,
	};
	struct netlink_request request;

	netlink_begin(&request, RTM_SETLINK, 0, &body, sizeof(body));
	return netlink_send(netlink, &request);
}

int network_interface_set_mtu(struct netlink *netlink, uint32_t index, uint32_t mtu)
{
	const uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
	struct netlink_request request;
	size_t families, family;
	int r;

	link_begin(&request, RTM_SETLINK, index);
	netlink_add_u32(&request, IFLA_MTU, mtu);
	r = netlink_send(netlink, &request);
	if (r)
		return r;
	link_begin(&request, RTM_SETLINK, index);
	families = netlink_nest(&request, IFLA_AF_SPEC);
	family = netlink_nest(&request, AF_INET6);
	netlink_add(&request, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	netlink_nest_end(&request, family);
	netlink_nest_end(&request, families);
	r = netlink_send(netlink, &request);
	return r == -EAFNOSUPPORT ? 0 : r; /* an MTU too small for IPv6, or a kernel without */
}

/* What is there already needs no adding, what is not no removing. */
static int interface_judge(int r, bool is_there)
{
	if (is_there)
		return r == -EEXIST ? 0 : r;
	return r == -ESRCH || r == -ENOENT || r == -EADDRNOTAVAIL || r == -ENODEV ? 0 : r;
}

int network_interface_set_address(struct netlink *netlink, uint32_t index,
				  const struct plan_address *address, bool is_there)
{
	const struct ifaddrmsg body = {
		.ifa_family = address->ip.family,
		.ifa_prefixlen = address->prefix,
		.ifa_scope = address->scope,
		.ifa_index = index,
	};
	struct netlink_request request;

	netlink_begin(&request, is_there ? RTM_NEWADDR : RTM_DELADDR, is_there ? ADD_FLAGS : 0,
		      &body, sizeof(body));
	request_add_ip(&request, IFA_LOCAL, &address->ip);
	request_add_ip(&request, IFA_ADDRESS, &address->ip);
	if (address->broadcast.family)
		request_add_ip(&request, IFA_BROADCAST, &address->broadcast);
	netlink_add_u32(&request, IFA_FLAGS,
			(address->ip.family == AF_INET6 ? IFA_F_NODAD : 0u) |
				(address->has_no_prefix_route ? IFA_F_NOPREFIXROUTE : 0u));
	return interface_judge(netlink_send(netlink, &request), is_there);
}

/* A gateway of the other family has an attribute of its own: struct rtvia. */
static void route_add_gateway(struct netlink_request *request, const struct plan_route *route)
{
	struct {
		uint16_t family;
		uint8_t bytes[16];
	} via = { .family = route->gateway.family };

	if (route->gateway.family == route->destination.family) {
		request_add_ip(request, RTA_GATEWAY, &route->gateway);
		return;
	}
	memcpy(via.bytes, route->gateway.bytes, sizeof(via.bytes));
	netlink_add(request, RTA_VIA, &via, sizeof(via.family) + plan_ip_size(&route->gateway));
}

static bool route_is_unreachable(const struct plan_route *route)
{
	return route->type == RTN_BLACKHOLE || route->type == RTN_UNREACHABLE ||
	       route->type == RTN_PROHIBIT || route->type == RTN_THROW;
}

/* Two routes may differ in nothing but the gateway: appended, both stay. */
int network_interface_set_route(struct netlink *netlink, uint32_t index,
				const struct plan_route *route, bool is_there)
{
	const struct rtmsg body = {
		.rtm_family = route->destination.family,
		.rtm_dst_len = route->prefix,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = is_there ? RTPROT_STATIC : RTPROT_UNSPEC,
		.rtm_scope = route->scope,
		.rtm_type = route->type,
		.rtm_flags = route->flags,
	};
	struct netlink_request request;

	netlink_begin(&request, is_there ? RTM_NEWROUTE : RTM_DELROUTE,
		      is_there ? NLM_F_CREATE | NLM_F_APPEND : 0, &body, sizeof(body));
	if (route->prefix)
		request_add_ip(&request, RTA_DST, &route->destination);
	if (route->gateway.family)
		route_add_gateway(&request, route);
	/* The kernel ties no IPv4 route to nowhere to an interface. */
	if (!route_is_unreachable(route))
		netlink_add_u32(&request, RTA_OIF, index);
	if (route->source.family)
		request_add_ip(&request, RTA_PREFSRC, &route->source);
	if (route->metric)
		netlink_add_u32(&request, RTA_PRIORITY, route->metric);
	if (route->mtu && is_there) {
		size_t metrics = netlink_nest(&request, RTA_METRICS);

		netlink_add_u32(&request, RTAX_MTU, route->mtu);
		netlink_nest_end(&request, metrics);
	}
	return interface_judge(netlink_send(netlink, &request), is_there);
}

int network_interface_set_neighbour(struct netlink *netlink, uint32_t index,
				    const struct plan_neighbour *neighbour, bool is_there)
{
	const struct ndmsg body = {
		.ndm_family = neighbour->ip.family,
		.ndm_ifindex = (int)index,
		.ndm_state = NUD_PERMANENT,
	};
	struct netlink_request request;

	netlink_begin(&request, is_there ? RTM_NEWNEIGH : RTM_DELNEIGH,
		      is_there ? NLM_F_CREATE | NLM_F_REPLACE : 0, &body, sizeof(body));
	request_add_ip(&request, NDA_DST, &neighbour->ip);
	if (is_there)
		netlink_add(&request, NDA_LLADDR, neighbour->mac, sizeof(neighbour->mac));
	return interface_judge(netlink_send(netlink, &request), is_there);
}
