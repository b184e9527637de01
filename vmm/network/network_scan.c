/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/network/network_scan.h"

#include <ctype.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/network/network_routes.h"
#include "vmm/network/rtnetlink.h"
#include "vmm/network/tap.h"

#define TRIES_MAX 10 /* of a dump during which things changed */

/* What there is of an interface before its addresses: the rest is too large for the stack. */
struct link {
	uint32_t ifindex, mtu;
	char name[IF_NAMESIZE];
	uint8_t mac[6];
	bool is_up;
};

struct scan {
	struct network_state *state;
	const uint32_t *kept;
};

/* --- interfaces ------------------------------------------------------------------------------- */

/* The name goes into JSON and logs. */
static bool is_plain(const char *name)
{
	for (; *name; name++)
		if (!isprint((unsigned char)*name))
			return false;
	return true;
}

static bool is_kept(const struct scan *scan, uint32_t ifindex)
{
	for (size_t i = 0; i < NETWORK_SLOTS; i++)
		if (scan->kept[i] == ifindex)
			return true;
	return false;
}

/* Whether @a has more right to a slot than @b. */
static bool comes_before(const struct scan *scan, uint32_t a, uint32_t b)
{
	bool a_is_kept = is_kept(scan, a), b_is_kept = is_kept(scan, b);

	return a_is_kept != b_is_kept ? a_is_kept : a < b;
}

static void set_interface(struct network_interface *interface, const struct link *link)
{
	*interface = (struct network_interface){ .ifindex = link->ifindex,
						 .mtu = link->mtu,
						 .is_up = link->is_up };
	memcpy(interface->name, link->name, sizeof(interface->name));
	memcpy(interface->mac, link->mac, sizeof(interface->mac));
}

static void add_interface(struct scan *scan, const struct link *link)
{
	struct network_state *state = scan->state;
	struct network_interface *last = &state->interfaces[0];

	if (state->nr_interfaces < ARRAY_SIZE(state->interfaces)) {
		set_interface(&state->interfaces[state->nr_interfaces++], link);
		return;
	}
	state->is_truncated = true;
	for (size_t i = 1; i < state->nr_interfaces; i++)
		if (comes_before(scan, last->ifindex, state->interfaces[i].ifindex))
			last = &state->interfaces[i];
	if (comes_before(scan, link->ifindex, last->ifindex))
		set_interface(last, link);
}

static void on_link(void *context, const struct nlmsghdr *message)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct scan *scan = context;
	struct link link = { .ifindex = (uint32_t)header->ifi_index,
			     .is_up = header->ifi_flags & IFF_UP };
	struct rtnetlink_attributes attributes = rtnetlink_attributes(message, sizeof(*header));
	const struct nlattr *attribute;
	bool has_mac = false;

	if (message->nlmsg_type != RTM_NEWLINK || header->ifi_type != ARPHRD_ETHER)
		return;
	while ((attribute = rtnetlink_next(&attributes))) {
		uint16_t len = mnl_attr_get_payload_len(attribute);

		switch (mnl_attr_get_type(attribute)) {
		case IFLA_IFNAME:
			if (len == 0 || len > sizeof(link.name))
				return;
			memcpy(link.name, mnl_attr_get_payload(attribute), len - 1u);
			break;
		case IFLA_MTU:
			link.mtu = mnl_attr_get_u32(attribute);
			break;
		case IFLA_ADDRESS:
			has_mac = len == sizeof(link.mac);
			if (has_mac)
				memcpy(link.mac, mnl_attr_get_payload(attribute), len);
			break;
		case IFLA_MASTER:
			return;
		default:
			break;
		}
	}
	if (has_mac && is_plain(link.name) && !tap_is_name(link.name))
		add_interface(scan, &link);
}

static struct network_interface *find_interface(struct network_state *state, uint32_t ifindex)
{
	for (size_t i = 0; i < state->nr_interfaces; i++)
		if (state->interfaces[i].ifindex == ifindex)
			return &state->interfaces[i];
	return NULL;
}

static void sort_interfaces(struct network_state *state)
{
	AUTO_FREE struct network_interface *held = malloc(sizeof(*held));

	/* Without memory they stay as they are, which is no worse. */
	for (size_t i = 1; i < state->nr_interfaces && held; i++) {
		size_t j = i;

		*held = state->interfaces[i];
		for (; j > 0 && state->interfaces[j - 1].ifindex > held->ifindex; j--)
			state->interfaces[j] = state->interfaces[j - 1];
		state->interfaces[j] = *held;
	}
}

/* --- addresses -------------------------------------------------------------------------------- */

/* The kernel makes a route to the other end of a point-to-point address; here it is told. */
static void add_peer(struct network_state *state, const struct network_interface *interface,
		     struct network_address *address, const struct network_ip *peer)
{
	const struct network_route route = {
		.ifindex = interface->ifindex,
		.destination = *peer,
		.prefix = address->prefix,
		.source = address->ip,
		.scope = RT_SCOPE_LINK,
		.type = RTN_UNICAST,
	};

	network_routes_add(state, &route);
	address->prefix = address->ip.family == AF_INET ? 32 : 128;
}

static void on_address(void *context, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	struct scan *scan = context;
	struct network_interface *interface = find_interface(scan->state, header->ifa_index);
	struct network_address address = { .prefix = header->ifa_prefixlen,
					   .scope = header->ifa_scope };
	struct network_ip peer = { .family = 0 };
	uint32_t flags = header->ifa_flags;
	struct rtnetlink_attributes attributes = rtnetlink_attributes(message, sizeof(*header));
	const struct nlattr *attribute;

	if (message->nlmsg_type != RTM_NEWADDR || !interface)
		return;
	while ((attribute = rtnetlink_next(&attributes))) {
		switch (mnl_attr_get_type(attribute)) {
		case IFA_LOCAL:
			network_routes_ip(header->ifa_family, attribute, &address.ip);
			break;
		case IFA_ADDRESS:
			network_routes_ip(header->ifa_family, attribute, &peer);
			break;
		case IFA_BROADCAST:
			network_routes_ip(header->ifa_family, attribute, &address.broadcast);
			break;
		case IFA_FLAGS:
			flags = mnl_attr_get_u32(attribute);
			break;
		default:
			break;
		}
	}
	/* The same bit says of an IPv4 address that it is not the first of its subnet. */
	if (header->ifa_family == AF_INET)
		flags &= ~(uint32_t)IFA_F_SECONDARY;
	if (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_TEMPORARY))
		return;
	if (!address.ip.family)
		address.ip = peer;
	if (!address.ip.family)
		return;
	if (interface->nr_addresses == ARRAY_SIZE(interface->addresses)) {
		scan->state->is_truncated = true;
		return;
	}
	if (peer.family && memcmp(&peer, &address.ip, sizeof(peer)) != 0)
		add_peer(scan->state, interface, &address, &peer);
	interface->addresses[interface->nr_addresses++] = address;
}

/* --- neighbours ------------------------------------------------------------------------------- */

static void on_neighbour(void *context, const struct nlmsghdr *message)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	struct scan *scan = context;
	struct network_interface *interface =
		find_interface(scan->state, (uint32_t)header->ndm_ifindex);
	struct network_neighbour neighbour = { .ip.family = 0 };
	struct rtnetlink_attributes attributes = rtnetlink_attributes(message, sizeof(*header));
	const struct nlattr *attribute;
	bool has_mac = false;

	if (message->nlmsg_type != RTM_NEWNEIGH || !interface ||
	    !(header->ndm_state & NUD_PERMANENT) || header->ndm_flags & NTF_PROXY)
		return;
	while ((attribute = rtnetlink_next(&attributes))) {
		uint16_t type = mnl_attr_get_type(attribute);

		if (type == NDA_DST)
			network_routes_ip(header->ndm_family, attribute, &neighbour.ip);
		if (type == NDA_LLADDR &&
		    mnl_attr_get_payload_len(attribute) == sizeof(neighbour.mac)) {
			memcpy(neighbour.mac, mnl_attr_get_payload(attribute),
			       sizeof(neighbour.mac));
			has_mac = true;
		}
	}
	if (!has_mac || !neighbour.ip.family)
		return;
	if (interface->nr_neighbours == ARRAY_SIZE(interface->neighbours)) {
		scan->state->is_truncated = true;
		return;
	}
	interface->neighbours[interface->nr_neighbours++] = neighbour;
}

static void on_route(void *context, const struct nlmsghdr *message)
{
	struct scan *scan = context;

	network_routes_take(scan->state, message);
}

/* --- all -------------------------------------------------------------------------------------- */

static int dump(struct scan *scan, struct mnl_socket *netlink, uint16_t type, size_t header_size,
		rtnetlink_fn on_message)
{
	char bytes[RTNETLINK_REQUEST_SIZE];
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_DUMP;
	/* All families. */
	mnl_nlmsg_put_extra_header(request, header_size);
	return rtnetlink_ask(netlink, request, on_message, scan);
}

static int scan_once(struct scan *scan, struct mnl_socket *netlink)
{
	int r;

	*scan->state = (struct network_state){ .nr_interfaces = 0 };
	r = dump(scan, netlink, RTM_GETLINK, sizeof(struct ifinfomsg), on_link);
	if (r < 0 || scan->state->nr_interfaces == 0)
		return r;
	sort_interfaces(scan->state);
	r = dump(scan, netlink, RTM_GETADDR, sizeof(struct ifaddrmsg), on_address);
	if (!r)
		r = dump(scan, netlink, RTM_GETROUTE, sizeof(struct rtmsg), on_route);
	if (!r)
		r = dump(scan, netlink, RTM_GETNEIGH, sizeof(struct ndmsg), on_neighbour);
	return r;
}

int network_scan(struct mnl_socket *netlink, const uint32_t kept[NETWORK_SLOTS],
		 struct network_state *ret_state, struct error *err)
{
	AUTO_FREE struct network_state *state = malloc(sizeof(*state));
	struct scan scan = { .state = state, .kept = kept };
	int r = -EINTR;

	if (!state)
		return error_set(err, ENOMEM, "look at the network namespace");
	for (unsigned int i = 0; i < TRIES_MAX && r == -EINTR; i++)
		r = scan_once(&scan, netlink);
	if (r < 0)
		return error_set(err, -r, "look at the network namespace");
	*ret_state = *state;
	return 0;
}

/* Those of our taps are our own doing. */
static bool is_link_news(const struct nlmsghdr *message)
{
	struct rtnetlink_attributes attributes =
		rtnetlink_attributes(message, sizeof(struct ifinfomsg));
	const struct nlattr *attribute;

	while ((attribute = rtnetlink_next(&attributes))) {
		if (mnl_attr_get_type(attribute) != IFLA_IFNAME)
			continue;
		if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0)
			return true;
		return message->nlmsg_type == RTM_DELLINK ||
		       !tap_is_name(mnl_attr_get_str(attribute));
	}
	return true;
}

bool network_scan_is_news(const struct nlmsghdr *message)
{
	const struct ndmsg *neighbour = mnl_nlmsg_get_payload(message);
	const unsigned int learnt =
		NUD_INCOMPLETE | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_NOARP;

	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return mnl_nlmsg_get_payload_len(message) < sizeof(struct ifinfomsg) ||
		       is_link_news(message);
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return mnl_nlmsg_get_payload_len(message) < sizeof(*neighbour) ||
		       !(neighbour->ndm_state & learnt);
	default:
		return true;
	}
}
