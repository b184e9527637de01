/* SPDX-License-Identifier: Apache-2.0 */
/*
 * card_filter_rules.h - what is let through between a tap and its interface (used by card_filter.c)
 *
 * The filters are written into chains that no frame reaches yet, those of one of two generations.
 * Each way through them ends with a verdict.
 */
#pragma once

#include "vmm/network/card_filter.h"
#include "vmm/network/tc_message.h"

/* Of each generation, 1 and 2. */
enum card_chain {
	CARD_CHAIN_ENTRY = 1,
	CARD_CHAIN_SOURCES, /* tap: IPv6 that tells nothing of others: from its own addresses? */
	CARD_CHAIN_LINK,    /* tap: neighbour discovery, to this link? */
	CARD_CHAIN_NEXT,    /* tap: to where? Interface: how much? */
	CARD_CHAINS_END,
};

static inline uint32_t card_chain(uint32_t generation, enum card_chain chain)
{
	return generation * 16 + (uint32_t)chain;
}

static inline uint32_t card_chain_generation(uint32_t chain)
{
	return chain / 16;
}

struct card_rules {
	const struct network_interface *interface;
	const struct network_policy *policy;
	uint32_t tap_ifindex;
	bool passes_resolver;
	uint32_t generation;
};

/* A zone of connections for each card: what one was allowed says nothing of another. */
static inline uint16_t card_zone(const struct card_rules *rules)
{
	return (uint16_t)(rules->tap_ifindex % UINT16_MAX + 1);
}

/* What comes out of the VM, and what goes to it. */
void card_rules_write_tap(struct tc_batch *batch, const struct card_rules *rules);
void card_rules_write_interface(struct tc_batch *batch, const struct card_rules *rules);
