/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_plan.h - the "network" message as a struct
 *
 * Pure: no system calls. Trust: the message is the monitor's, who is trusted by the guest; it is
 * checked nevertheless, so that a mistake is a sentence and not a crash. Contract: protocol.h.
 *
 * Addresses, routes and neighbours have no padding: equal ones are equal byte for byte. Each ends
 * with is_applied, which network.c keeps and which is not part of that.
 */
#pragma once

#include <jansson.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "guest-init/failure.h"
#include "guest-init/protocol.h"

#define NETWORK_PLAN_MAC_SIZE 6u

struct plan_ip {
	uint8_t family;	   /* AF_INET, AF_INET6; AF_UNSPEC: none */
	uint8_t bytes[16]; /* the first 4 or all 16 */
};

struct plan_address {
	struct plan_ip ip;
	struct plan_ip broadcast;
	uint8_t prefix;
	uint8_t scope; /* RT_SCOPE_… */
	uint8_t has_no_prefix_route;
	uint8_t is_applied;
};

struct plan_route {
	uint32_t metric;	    /* 0: the kernel's choice */
	uint32_t mtu;		    /* 0: the interface's */
	struct plan_ip destination; /* the family is the route's; prefix 0: the default route */
	struct plan_ip gateway;
	struct plan_ip source;
	uint8_t prefix;
	uint8_t scope; /* RT_SCOPE_… */
	uint8_t type;  /* RTN_… */
	uint8_t flags; /* RTNH_F_ONLINK or 0 */
	uint8_t is_applied;
};

struct plan_neighbour {
	struct plan_ip ip;
	uint8_t mac[NETWORK_PLAN_MAC_SIZE];
	uint8_t is_applied;
};

struct plan_interface {
	uint32_t card; /* below PROTOCOL_CARDS */
	char name[IF_NAMESIZE];
	uint8_t mac[NETWORK_PLAN_MAC_SIZE];
	uint32_t mtu;
	bool is_up;
	struct plan_address *addresses; /* owned, as those below */
	size_t nr_addresses;
	struct plan_route *routes;
	size_t nr_routes;
	struct plan_neighbour *neighbours;
	size_t nr_neighbours;
};

struct network_plan {
	struct plan_interface *interfaces; /* owned; each with a card and a name of its own */
	size_t nr_interfaces;		   /* at most PROTOCOL_CARDS */
	bool has_resolver;
};

/*
 * Fill @plan from a "network" message, of which nothing is kept. On failure nothing needs to be
 * released; the sentence names the member that is wrong.
 */
int network_plan_init(struct network_plan *plan, const json_t *message, struct failure *err);

void network_plan_fini(struct network_plan *plan);

/* Write @ip as text into @text (INET6_ADDRSTRLEN bytes). Returns @text. */
const char *plan_ip_print(const struct plan_ip *ip, char *text);

/* Bytes of an address of @ip's family. */
static inline size_t plan_ip_size(const struct plan_ip *ip)
{
	return ip->family == AF_INET ? 4 : 16;
}
