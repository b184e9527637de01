/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/network/network_state_json.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define MAC_TEXT_SIZE 18

/* What is being told, and how much of it. */
struct message {
	const struct network_state *state;
	size_t nr_max; /* of routes of an interface, and of its neighbours */
	bool is_truncated;
};

void network_state_json_prepare(void)
{
	json_object_seed(0);
}

static json_t *ip_json(const struct network_ip *ip)
{
	char text[INET6_ADDRSTRLEN];

	return json_string(inet_ntop(ip->family, ip->bytes, text, sizeof(text)));
}

/* Absent when there is none. jansson takes NULL for a failure of before. */
static int set_ip(json_t *object, const char *name, const struct network_ip *ip)
{
	return ip->family ? json_object_set_new(object, name, ip_json(ip)) : 0;
}

static int set_number(json_t *object, const char *name, uint32_t number)
{
	return json_object_set_new(object, name, json_integer(number));
}

static int set_mac(json_t *object, const uint8_t mac[6])
{
	char text[MAC_TEXT_SIZE];

	(void)snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		       mac[3], mac[4], mac[5]);
	return json_object_set_new(object, "mac", json_string(text));
}

/* Down, or as long as its prefix may be, it would not have one anyway. */
static bool misses_prefix_route(const struct network_interface *interface,
				const struct network_address *address)
{
	return interface->is_up && !address->has_prefix_route &&
	       address->prefix < (address->ip.family == AF_INET ? 32 : 128);
}

static json_t *address_json(const struct network_interface *interface,
			    const struct network_address *address)
{
	json_t *object = json_object();
	int r = set_ip(object, "address", &address->ip);

	r |= set_number(object, "prefix", address->prefix);
	r |= set_ip(object, "broadcast", &address->broadcast);
	r |= set_number(object, "scope", address->scope);
	if (misses_prefix_route(interface, address))
		r |= json_object_set_new(object, "noPrefixRoute", json_true());
	if (r == 0)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *route_json(const struct network_route *route)
{
	json_t *object = json_object();
	int r = set_number(object, "family", (uint32_t)route->destination.family);

	if (route->prefix)
		r |= set_ip(object, "destination", &route->destination);
	r |= set_number(object, "prefix", route->prefix);
	r |= set_ip(object, "gateway", &route->gateway);
	r |= set_ip(object, "source", &route->source);
	if (route->metric)
		r |= set_number(object, "metric", route->metric);
	r |= set_number(object, "scope", route->scope);
	r |= set_number(object, "type", route->type);
	r |= set_number(object, "flags", route->flags);
	if (route->mtu)
		r |= set_number(object, "mtu", route->mtu);
	if (r == 0)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *neighbour_json(const struct network_neighbour *neighbour)
{
	json_t *object = json_object();

	if (set_ip(object, "address", &neighbour->ip) == 0 && set_mac(object, neighbour->mac) == 0)
		return object;
	json_decref(object);
	return NULL;
}

static int add_addresses(json_t *object, const struct network_interface *interface)
{
	json_t *array = json_array();
	int r = 0;

	for (size_t i = 0; i < interface->nr_addresses && !r; i++)
		r = json_array_append_new(array, address_json(interface, &interface->addresses[i]));
	return r | json_object_set_new(object, "addresses", array);
}

static int add_routes(struct message *message, json_t *object, uint32_t ifindex, bool is_first)
{
	const struct network_state *state = message->state;
	json_t *array = json_array();
	int r = 0;

	for (size_t i = 0; i < state->nr_routes && !r; i++) {
		const struct network_route *route = &state->routes[i];

		if (route->ifindex != ifindex && !(is_first && route->ifindex == 0))
			continue;
		if (json_array_size(array) == message->nr_max)
			message->is_truncated = true;
		else
			r = json_array_append_new(array, route_json(route));
	}
	return r | json_object_set_new(object, "routes", array);
}

static int add_neighbours(struct message *message, json_t *object,
			  const struct network_interface *interface)
{
	json_t *array = json_array();
	int r = 0;

	for (size_t i = 0; i < interface->nr_neighbours && !r; i++) {
		if (i == message->nr_max) {
			message->is_truncated = true;
			break;
		}
		r = json_array_append_new(array, neighbour_json(&interface->neighbours[i]));
	}
	return r | json_object_set_new(object, "neighbours", array);
}

static json_t *interface_json(struct message *message, const struct network_interface *interface,
			      int card, bool is_first)
{
	json_t *object = json_object();
	int r = set_number(object, "card", (uint32_t)card);

	r |= json_object_set_new(object, "name", json_string(interface->name));
	r |= set_mac(object, interface->mac);
	r |= set_number(object, "mtu", interface->mtu);
	r |= json_object_set_new(object, "up", json_boolean(interface->is_up));
	r |= add_addresses(object, interface);
	r |= add_routes(message, object, interface->ifindex, is_first);
	r |= add_neighbours(message, object, interface);
	if (r == 0)
		return object;
	json_decref(object);
	return NULL;
}

static char *message_text(struct message *message, const int cards[NETWORK_SLOTS])
{
	const struct network_state *state = message->state;
	json_t *interfaces = json_array();
	json_t *object = json_object();
	char *text = NULL;
	int r = 0;

	for (size_t i = 0; i < state->nr_interfaces && !r; i++)
		if (cards[i] >= 0)
			r = json_array_append_new(
				interfaces, interface_json(message, &state->interfaces[i], cards[i],
							   json_array_size(interfaces) == 0));
	r |= json_object_set_new(object, "interfaces", interfaces);
	r |= json_object_set_new(object, "resolver", json_boolean(state->has_resolver));
	if (r == 0)
		text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	return text;
}

char *network_state_json(const struct network_state *state, const int cards[NETWORK_SLOTS],
			 bool *ret_is_truncated)
{
	struct message message = { .state = state, .nr_max = NETWORK_ROUTES_MAX };
	char *text = message_text(&message, cards);

	/* With none of them it fits: there are few addresses. */
	while (text && strlen(text) > NETWORK_STATE_MAX) {
		free(text);
		message.nr_max /= 2;
		text = message_text(&message, cards);
	}
	*ret_is_truncated = message.is_truncated;
	return text;
}
