/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/network_plan.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "guest-init/plan_members.h"
#include "guest-init/scope.h"

/* The members as they come, before they are checked and made comparable. */
struct raw_interface {
	uint32_t card, mtu;
	const char *name, *mac;
	bool is_up;
};

struct raw_address {
	const char *address, *broadcast;
	uint32_t prefix, scope;
	bool has_no_prefix_route;
};

struct raw_route {
	uint32_t family, prefix, metric, scope, type, flags, mtu;
	const char *destination, *gateway, *source;
};

struct raw_neighbour {
	const char *address, *mac;
};

static const struct member interface_members[] = {
	MEMBER(struct raw_interface, card, "card", MEMBER_U32),
	MEMBER(struct raw_interface, name, "name", MEMBER_STRING),
	MEMBER(struct raw_interface, mac, "mac", MEMBER_STRING),
	MEMBER(struct raw_interface, mtu, "mtu", MEMBER_U32),
	MEMBER(struct raw_interface, is_up, "up", MEMBER_BOOL),
};

static const struct member address_members[] = {
	MEMBER(struct raw_address, address, "address", MEMBER_STRING),
	MEMBER(struct raw_address, prefix, "prefix", MEMBER_U32),
	OPTIONAL(struct raw_address, broadcast, "broadcast", MEMBER_STRING),
	MEMBER(struct raw_address, scope, "scope", MEMBER_U32),
	OPTIONAL(struct raw_address, has_no_prefix_route, "noPrefixRoute", MEMBER_BOOL),
};

static const struct member route_members[] = {
	MEMBER(struct raw_route, family, "family", MEMBER_U32),
	OPTIONAL(struct raw_route, destination, "destination", MEMBER_STRING),
	MEMBER(struct raw_route, prefix, "prefix", MEMBER_U32),
	OPTIONAL(struct raw_route, gateway, "gateway", MEMBER_STRING),
	OPTIONAL(struct raw_route, source, "source", MEMBER_STRING),
	OPTIONAL(struct raw_route, metric, "metric", MEMBER_U32),
	MEMBER(struct raw_route, scope, "scope", MEMBER_U32),
	MEMBER(struct raw_route, type, "type", MEMBER_U32),
	MEMBER(struct raw_route, flags, "flags", MEMBER_U32),
	OPTIONAL(struct raw_route, mtu, "mtu", MEMBER_U32),
};

static const struct member neighbour_members[] = {
	MEMBER(struct raw_neighbour, address, "address", MEMBER_STRING),
	MEMBER(struct raw_neighbour, mac, "mac", MEMBER_STRING),
};

static int plan_read_ip(const char *text, const char *name, struct plan_ip *ret_ip,
			struct failure *err)
{
	memset(ret_ip, 0, sizeof(*ret_ip));
	if (!text)
		return 0;
	if (inet_pton(AF_INET, text, ret_ip->bytes) == 1)
		ret_ip->family = AF_INET;
	else if (inet_pton(AF_INET6, text, ret_ip->bytes) == 1)
		ret_ip->family = AF_INET6;
	else
		return failure_invalid(err, "%s \"%s\" is not an IP address", name, text);
	return 0;
}

/* Pairs of digits with colons between them. */
static int plan_read_mac(const char *text, uint8_t *ret_mac, struct failure *err)
{
	uint8_t mac[NETWORK_PLAN_MAC_SIZE];

	if (strlen(text) != 3 * sizeof(mac) - 1)
		return failure_invalid(err, "mac \"%s\" is not a hardware address", text);
	for (size_t i = 0; i < sizeof(mac); i++) {
		const char pair[] = { text[3 * i], text[3 * i + 1], 0 };
		char behind = text[3 * i + 2];

		if (!isxdigit((unsigned char)pair[0]) || !isxdigit((unsigned char)pair[1]) ||
		    (behind && behind != ':'))
			return failure_invalid(err, "mac \"%s\" is not a hardware address", text);
		mac[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	memcpy(ret_mac, mac, sizeof(mac));
	return 0;
}

static int plan_check_prefix(uint32_t prefix, const struct plan_ip *ip, struct failure *err)
{
	return prefix > 8 * plan_ip_size(ip)
		       ? failure_invalid(err, "prefix %u is too long for the address", prefix)
		       : 0;
}

static int plan_check_byte(uint32_t value, const char *name, struct failure *err)
{
	return value > UINT8_MAX ? failure_invalid(err, "%s %u is too large", name, value) : 0;
}

static int plan_read_address(const json_t *item, void *ret_item, struct failure *err)
{
	struct raw_address raw = { .broadcast = NULL };
	struct plan_address *address = ret_item;
	int r = plan_read_members(item, address_members, ARRAY_SIZE(address_members), &raw, err);

	if (!r)
		r = plan_read_ip(raw.address, "address", &address->ip, err);
	if (!r)
		r = plan_read_ip(raw.broadcast, "broadcast", &address->broadcast, err);
	if (!r)
		r = plan_check_prefix(raw.prefix, &address->ip, err);
	if (!r)
		r = plan_check_byte(raw.scope, "scope", err);
	if (r)
		return r;
	if (raw.broadcast &&
	    (address->ip.family != AF_INET || address->broadcast.family != AF_INET))
		return failure_invalid(err, "broadcast is for IPv4 only");
	address->prefix = (uint8_t)raw.prefix;
	address->scope = (uint8_t)raw.scope;
	address->has_no_prefix_route = raw.has_no_prefix_route;
	return 0;
}

static int plan_read_route_ips(const struct raw_route *raw, struct plan_route *route,
			       struct failure *err)
{
	int r = plan_read_ip(raw->destination, "destination", &route->destination, err);

	if (!r)
		r = plan_read_ip(raw->gateway, "gateway", &route->gateway, err);
	if (!r)
		r = plan_read_ip(raw->source, "source", &route->source, err);
	if (r)
		return r;
	if (raw->family != AF_INET && raw->family != AF_INET6)
		return failure_invalid(err, "family %u is not an IP family", raw->family);
	if ((raw->destination && route->destination.family != raw->family) ||
	    (raw->source && route->source.family != raw->family) ||
	    (raw->family == AF_INET6 && route->gateway.family == AF_INET))
		return failure_invalid(err, "its addresses are of different families");
	if (!raw->destination && raw->prefix)
		return failure_invalid(err, "prefix %u has no destination", raw->prefix);
	route->destination.family = (uint8_t)raw->family;
	return 0;
}

static int plan_read_route(const json_t *item, void *ret_item, struct failure *err)
{
	struct raw_route raw = { .destination = NULL };
	struct plan_route *route = ret_item;
	int r = plan_read_members(item, route_members, ARRAY_SIZE(route_members), &raw, err);

	if (!r)
		r = plan_read_route_ips(&raw, route, err);
	if (!r)
		r = plan_check_prefix(raw.prefix, &route->destination, err);
	if (!r)
		r = plan_check_byte(raw.scope, "scope", err);
	if (!r)
		r = plan_check_byte(raw.type, "type", err);
	if (r)
		return r;
	if (raw.flags & ~(uint32_t)RTNH_F_ONLINK)
		return failure_invalid(err, "flags %u are not known", raw.flags);
	route->metric = raw.metric;
	route->mtu = raw.mtu;
	route->prefix = (uint8_t)raw.prefix;
	route->scope = (uint8_t)raw.scope;
	route->type = (uint8_t)raw.type;
	route->flags = (uint8_t)raw.flags;
	return 0;
}

static int plan_read_neighbour(const json_t *item, void *ret_item, struct failure *err)
{
	struct raw_neighbour raw = { .address = NULL };
	struct plan_neighbour *neighbour = ret_item;
	int r = plan_read_members(item, neighbour_members, ARRAY_SIZE(neighbour_members), &raw,
				  err);

	if (!r)
		r = plan_read_ip(raw.address, "address", &neighbour->ip, err);
	return r ? r : plan_read_mac(raw.mac, neighbour->mac, err);
}

static int plan_read_interface_lists(const json_t *item, struct plan_interface *interface,
				     struct failure *err)
{
	int r = plan_read_list(item, "addresses", sizeof(*interface->addresses), plan_read_address,
			       &interface->addresses, &interface->nr_addresses, err);

	if (!r)
		r = plan_read_list(item, "routes", sizeof(*interface->routes), plan_read_route,
				   &interface->routes, &interface->nr_routes, err);
	if (!r)
		r = plan_read_list(item, "neighbours", sizeof(*interface->neighbours),
				   plan_read_neighbour, &interface->neighbours,
				   &interface->nr_neighbours, err);
	return r;
}

static int plan_read_interface(const json_t *item, void *ret_item, struct failure *err)
{
	struct raw_interface raw = { .name = NULL };
	struct plan_interface *interface = ret_item;
	int r = plan_read_members(item, interface_members, ARRAY_SIZE(interface_members), &raw,
				  err);

	if (r)
		return r;
	if (raw.card >= PROTOCOL_CARDS)
		return failure_invalid(err, "card %u does not exist", raw.card);
	if (!raw.name[0] || strlen(raw.name) >= sizeof(interface->name) || strchr(raw.name, '/') ||
	    !strcmp(raw.name, ".") || !strcmp(raw.name, ".."))
		return failure_invalid(err, "name \"%s\" is not an interface's", raw.name);
	interface->card = raw.card;
	memcpy(interface->name, raw.name, strlen(raw.name));
	interface->mtu = raw.mtu;
	interface->is_up = raw.is_up;
	r = plan_read_mac(raw.mac, interface->mac, err);
	if (!r)
		r = plan_read_interface_lists(item, interface, err);
	return r ? failure_prefix(err, "%s", raw.name) : 0;
}

static int plan_check_unique(const struct network_plan *plan, struct failure *err)
{
	for (size_t i = 0; i < plan->nr_interfaces; i++)
		for (size_t j = 0; j < i; j++) {
			const struct plan_interface *one = &plan->interfaces[i];
			const struct plan_interface *other = &plan->interfaces[j];

			if (one->card == other->card)
				return failure_invalid(err, "card %u is there twice", one->card);
			if (!strcmp(one->name, other->name))
				return failure_invalid(err, "name \"%s\" is there twice",
						       one->name);
		}
	return 0;
}

int network_plan_init(struct network_plan *plan, const json_t *message, struct failure *err)
{
	const json_t *resolver = json_object_get(message, "resolver");
	int r;

	memset(plan, 0, sizeof(*plan));
	r = plan_read_list(message, "interfaces", sizeof(*plan->interfaces), plan_read_interface,
			   &plan->interfaces, &plan->nr_interfaces, err);
	if (!r)
		r = plan_check_unique(plan, err);
	if (!r && !json_is_boolean(resolver))
		r = failure_invalid(err, "\"resolver\" is missing or not a boolean");
	plan->has_resolver = json_is_true(resolver);
	if (r)
		network_plan_fini(plan);
	return r ? failure_prefix(err, "network") : 0;
}

void network_plan_fini(struct network_plan *plan)
{
	for (size_t i = 0; i < plan->nr_interfaces; i++) {
		free(plan->interfaces[i].addresses);
		free(plan->interfaces[i].routes);
		free(plan->interfaces[i].neighbours);
	}
	free(plan->interfaces);
	memset(plan, 0, sizeof(*plan));
}

const char *plan_ip_print(const struct plan_ip *ip, char *text)
{
	if (!inet_ntop(ip->family, ip->bytes, text, INET6_ADDRSTRLEN))
		text[0] = 0;
	return text;
}
