/* SPDX-License-Identifier: Apache-2.0 */
/* network_policy.h - what a container may send and how much, enforced outside of its VM */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETWORK_RULES_MAX 256u
#define NETWORK_BURST_MIN 131072u /* bytes: what the largest frames need */

/* 0: no limit */
struct network_rate {
	uint64_t bytes_per_second, packets_per_second;
	uint64_t burst_bytes; /* at once, from NETWORK_BURST_MIN; 0: a tenth of a second's bytes */
};

/* New connections to here are allowed; what belongs to an existing one is anyway. */
struct network_rule {
	int family;	     /* AF_INET, AF_INET6 */
	uint8_t protocol;    /* IPPROTO_TCP, _UDP, _ICMP, _ICMPV6; 0: any */
	uint8_t prefix;	     /* bits of the address that matter */
	uint8_t address[16]; /* the first 4 or all 16 bytes, network order; the other bits are 0 */
	uint16_t first_port; /* TCP and UDP: this one to last_port; 0 to 65535: any */
	uint16_t last_port;
};

struct network_policy {
	bool allows_spoofing;	    /* else only its own MAC and IP addresses as the source */
	bool has_allow_list;	    /* else the container may connect to anything */
	struct network_rule *rules; /* owned */
	size_t nr_rules;	    /* at most NETWORK_RULES_MAX */
	struct network_rate receive, transmit; /* as the container sees it */
};
