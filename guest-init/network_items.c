/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/network_items.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "guest-init/network_interface.h"
#include "guest-init/scope.h"

#define ITEM_TEXT_SIZE 128

struct items {
	uint8_t *first;
	size_t nr;
};

static struct items addresses_of(const struct plan_interface *interface)
{
	return (struct items){ (uint8_t *)interface->addresses, interface->nr_addresses };
}

static struct items routes_of(const struct plan_interface *interface)
{
	return (struct items){ (uint8_t *)interface->routes, interface->nr_routes };
}

static struct items neighbours_of(const struct plan_interface *interface)
{
	return (struct items){ (uint8_t *)interface->neighbours, interface->nr_neighbours };
}

static int address_set(struct netlink *netlink, uint32_t index, const void *item, bool is_there)
{
	return network_interface_set_address(netlink, index, item, is_there);
}

static int route_set(struct netlink *netlink, uint32_t index, const void *item, bool is_there)
{
	return network_interface_set_route(netlink, index, item, is_there);
}

static int neighbour_set(struct netlink *netlink, uint32_t index, const void *item, bool is_there)
{
	return network_interface_set_neighbour(netlink, index, item, is_there);
}

static void address_print(const void *item, char *text)
{
	const struct plan_address *address = item;
	char ip[INET6_ADDRSTRLEN];

	(void)snprintf(text, ITEM_TEXT_SIZE, "address %s/%u", plan_ip_print(&address->ip, ip),
		       address->prefix);
}

static void route_print(const void *item, char *text)
{
	const struct plan_route *route = item;
	char destination[INET6_ADDRSTRLEN];
	char gateway[INET6_ADDRSTRLEN] = "";

	if (route->gateway.family)
		(void)plan_ip_print(&route->gateway, gateway);
	(void)snprintf(text, ITEM_TEXT_SIZE, "route to %s/%u%s%s",
		       plan_ip_print(&route->destination, destination), route->prefix,
		       gateway[0] ? " via " : "", gateway);
}

static void neighbour_print(const void *item, char *text)
{
	const struct plan_neighbour *neighbour = item;
	char ip[INET6_ADDRSTRLEN];

	(void)snprintf(text, ITEM_TEXT_SIZE, "neighbour %s", plan_ip_print(&neighbour->ip, ip));
}

/* A gateway is looked up among the routes there are. */
static bool route_comes_later(const void *item)
{
	return ((const struct plan_route *)item)->gateway.family;
}

static const struct kind {
	size_t size;	      /* of an item, whose last byte is is_applied */
	size_t family_offset; /* of the byte that is its family */
	struct items (*of)(const struct plan_interface *interface);
	int (*set)(struct netlink *netlink, uint32_t index, const void *item, bool is_there);
	void (*print)(const void *item, char *text);
	bool (*comes_later)(const void *item); /* NULL: none does */
} kinds[] = {
	[NETWORK_ADDRESSES] = { sizeof(struct plan_address), offsetof(struct plan_address, ip),
				addresses_of, address_set, address_print, NULL },
	[NETWORK_ROUTES] = { sizeof(struct plan_route), offsetof(struct plan_route, destination),
			     routes_of, route_set, route_print, route_comes_later },
	[NETWORK_NEIGHBOURS] = { sizeof(struct plan_neighbour), offsetof(struct plan_neighbour, ip),
				 neighbours_of, neighbour_set, neighbour_print, NULL },
};
_Static_assert(offsetof(struct plan_ip, family) == 0, "the family comes first");
_Static_assert(offsetof(struct plan_address, is_applied) == sizeof(struct plan_address) - 1,
	       "the mark comes last");
_Static_assert(offsetof(struct plan_route, is_applied) == sizeof(struct plan_route) - 1,
	       "the mark comes last");
_Static_assert(offsetof(struct plan_neighbour, is_applied) == sizeof(struct plan_neighbour) - 1,
	       "the mark comes last");

static uint8_t *item_at(const struct kind *kind, struct items items, size_t i)
{
	return items.first + i * kind->size;
}

static uint8_t *item_mark(const struct kind *kind, uint8_t *item)
{
	return item + kind->size - 1;
}

/* The equal of @item, or NULL. */
static uint8_t *items_find(const struct kind *kind, struct items items, const uint8_t *item)
{
	for (size_t i = 0; i < items.nr; i++)
		if (!memcmp(item_at(kind, items, i), item, kind->size - 1))
			return item_at(kind, items, i);
	return NULL;
}

/* Keep the first failure. Returns what stands now. */
static int items_fail(const struct kind *kind, const uint8_t *item, int r, int first,
		      struct failure *err)
{
	char text[ITEM_TEXT_SIZE];

	if (first)
		return first;
	kind->print(item, text);
	return failure_set(err, -r, "%s", text);
}

void network_items_carry(enum network_item_kind kind, const struct plan_interface *from,
			 struct plan_interface *to)
{
	const struct kind *k = &kinds[kind];
	struct items items = k->of(to);

	for (size_t i = 0; i < items.nr; i++) {
		uint8_t *item = item_at(k, items, i);
		uint8_t *old = items_find(k, k->of(from), item);

		if (old)
			*item_mark(k, item) = *item_mark(k, old);
	}
}

void network_items_forget(enum network_item_kind kind, struct plan_interface *interface,
			  uint8_t family)
{
	const struct kind *k = &kinds[kind];
	struct items items = k->of(interface);

	for (size_t i = 0; i < items.nr; i++) {
		uint8_t *item = item_at(k, items, i);

		if (!family || item[k->family_offset] == family)
			*item_mark(k, item) = 0;
	}
}

int network_items_remove(enum network_item_kind kind, struct netlink *netlink, uint32_t index,
			 const struct plan_interface *from, const struct plan_interface *to,
			 size_t *ret_nr_removed, struct failure *err)
{
	const struct kind *k = &kinds[kind];
	struct items items = k->of(from);
	int first = 0;

	*ret_nr_removed = 0;
	for (size_t i = 0; i < items.nr; i++) {
		uint8_t *item = item_at(k, items, i);
		int r;

		if (!*item_mark(k, item) || items_find(k, k->of(to), item))
			continue;
		r = k->set(netlink, index, item, false);
		if (r)
			first = items_fail(k, item, r, first, err);
		++*ret_nr_removed;
	}
	return first;
}

static int items_add_pass(const struct kind *kind, struct netlink *netlink, uint32_t index,
			  struct items items, bool has_ipv6, bool is_later, int first,
			  struct failure *err)
{
	for (size_t i = 0; i < items.nr; i++) {
		uint8_t *item = item_at(kind, items, i);
		int r;

		if (*item_mark(kind, item) ||
		    (item[kind->family_offset] == AF_INET6 && !has_ipv6) ||
		    (kind->comes_later && kind->comes_later(item)) != is_later)
			continue;
		r = kind->set(netlink, index, item, true);
		*item_mark(kind, item) = !r;
		if (r)
			first = items_fail(kind, item, r, first, err);
	}
	return first;
}

int network_items_add(enum network_item_kind kind, struct netlink *netlink, uint32_t index,
		      struct plan_interface *interface, bool has_ipv6, struct failure *err)
{
	const struct kind *k = &kinds[kind];
	int r = items_add_pass(k, netlink, index, k->of(interface), has_ipv6, false, 0, err);

	return items_add_pass(k, netlink, index, k->of(interface), has_ipv6, true, r, err);
}
