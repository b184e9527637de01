/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways through the chains:
 *
 *   tap        ENTRY    rate ► ARP, IPv4 of its own? ► out, or to NEXT with an allow-list
 *                       IPv6: claims no other's address? ► SOURCES ► out, or to NEXT
 *              NEXT     neighbour discovery, known connections, new ones of a rule ► out
 *   interface  ENTRY    what the namespace needs, too ► up; to the card, to all ► in, or to NEXT
 *              NEXT     rate ► IP: known from now on, with an allow-list ► in
 *
 * Fragments: addresses are in each, so the source is checked. With an allow-list the connection's
 * tracking puts them together first, and they leave in the size in which they came; one whose other
 * parts do not come goes nowhere. Of an answer to the namespace's own ports only the first part can
 * be told: it comes whole, or by TCP.
 *
 * IPv6 extension headers: flower looks through them, up to 15, and not into a fragment. What it
 * cannot look through could hide an advertisement, so it is denied: a header chain belongs into the
 * first fragment whole (RFC 7112), and hosts ignore neighbour discovery in fragments (RFC 6980).
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/network/card_filter_rules.h"
#include "vmm/network/card_rates.h"

#define MLD2_REPORT 143
#define ARP_SIZE_IPV4 4

/* Filters of a chain, in this order. */
enum priority {
	PRIORITY_RATE = 1,
	PRIORITY_ARP,
	PRIORITY_PLAIN_IPV4,
	PRIORITY_IPV4,
	PRIORITY_ADVERTISEMENT,
	PRIORITY_HIDDEN,
	PRIORITY_CLAIM,
	PRIORITY_UNKNOWN,
	PRIORITY_IPV6,
	PRIORITY_UNSPECIFIED,
	PRIORITY_ALL,
	PRIORITY_ESTABLISHED,
	PRIORITY_RULES_IPV4,
	PRIORITY_RULES_IPV6,
	PRIORITY_DENY_IPV4,
	PRIORITY_DENY_IPV6,
	PRIORITY_DENY_ARP,
	PRIORITY_DROP,
};

static const uint8_t ones[16] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
				  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static struct tc_place place_of(const struct card_rules *rules, uint32_t ifindex,
				enum card_chain chain, enum priority priority, uint16_t protocol)
{
	return (struct tc_place){
		.ifindex = ifindex,
		.chain = card_chain(rules->generation, chain),
		.priority = (uint16_t)priority,
		.protocol = protocol,
	};
}

static void begin_tap(struct tc_batch *batch, const struct card_rules *rules, enum card_chain chain,
		      enum priority priority, uint16_t protocol)
{
	const struct tc_place place =
		place_of(rules, rules->tap_ifindex, chain, priority, protocol);

	tc_flower_begin(batch, &place);
}

static void match_source_mac(struct tc_batch *batch, const struct card_rules *rules)
{
	tc_match(batch, TCA_FLOWER_KEY_ETH_SRC, rules->interface->mac, TCA_FLOWER_KEY_ETH_SRC_MASK,
		 ones, ETH_ALEN);
}

static void match_icmp6(struct tc_batch *batch, uint8_t type)
{
	tc_match_u8(batch, TCA_FLOWER_KEY_IP_PROTO, IPPROTO_ICMPV6);
	tc_match(batch, TCA_FLOWER_KEY_ICMPV6_TYPE, &type, TCA_FLOWER_KEY_ICMPV6_TYPE_MASK, ones,
		 sizeof(type));
}

/* The frame's source is in order. */
static void act_accept(struct tc_batch *batch, const struct card_rules *rules)
{
	if (!rules->policy->has_allow_list) {
		tc_act_redirect(batch, rules->interface->ifindex);
		return;
	}
	tc_act_track(batch, card_zone(rules), false);
	tc_act_goto(batch, card_chain(rules->generation, CARD_CHAIN_NEXT));
}

/* The end of a chain: what is denied is told of (card_denials.h) when it is IP or ARP. */
static void write_denials(struct tc_batch *batch, const struct card_rules *rules,
			  enum card_chain chain)
{
	static const struct {
		enum priority priority;
		uint16_t protocol;
	} told[] = { { PRIORITY_DENY_IPV4, ETH_P_IP },
		     { PRIORITY_DENY_IPV6, ETH_P_IPV6 },
		     { PRIORITY_DENY_ARP, ETH_P_ARP } };

	for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
		begin_tap(batch, rules, chain, told[i].priority, told[i].protocol);
		tc_act_other_host(batch);
		tc_filter_end(batch);
	}
	begin_tap(batch, rules, chain, PRIORITY_DROP, ETH_P_ALL);
	tc_act_verdict(batch, TC_ACT_SHOT);
	tc_filter_end(batch);
}

/* An address may be there twice, with different prefixes; a filter may not. */
static bool is_repeated(const struct network_interface *interface, size_t index)
{
	const struct network_ip *ip = &interface->addresses[index].ip;

	for (size_t i = 0; i < index; i++)
		if (interface->addresses[i].ip.family == ip->family &&
		    memcmp(interface->addresses[i].ip.bytes, ip->bytes,
			   ip->family == AF_INET ? 4 : 16) == 0)
			return true;
	return false;
}

static uint32_t word_at(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static void match_source_mac_word(struct tc_batch *batch, const struct card_rules *rules)
{
	const uint8_t *mac = rules->interface->mac;

	tc_match_word(batch, -8, word_at(mac), UINT32_MAX);
	tc_match_word(batch, -4, (uint32_t)mac[4] << 24 | (uint32_t)mac[5] << 16, 0xffff0000);
}

static void write_ipv4_source(struct tc_batch *batch, const struct card_rules *rules,
			      const uint8_t *ip)
{
	const struct tc_place plain = place_of(rules, rules->tap_ifindex, CARD_CHAIN_ENTRY,
					       PRIORITY_PLAIN_IPV4, ETH_P_IP);

	begin_tap(batch, rules, CARD_CHAIN_ENTRY, PRIORITY_ARP, ETH_P_ARP);
	match_source_mac(batch, rules);
	tc_match(batch, TCA_FLOWER_KEY_ARP_SIP, ip, TCA_FLOWER_KEY_ARP_SIP_MASK, ones,
		 ARP_SIZE_IPV4);
	tc_match(batch, TCA_FLOWER_KEY_ARP_SHA, rules->interface->mac, TCA_FLOWER_KEY_ARP_SHA_MASK,
		 ones, ETH_ALEN);
	tc_act_redirect(batch, rules->interface->ifindex);
	tc_filter_end(batch);

	/* Nearly all: version 4, no options. Flower would take the whole frame apart first. */
	tc_u32_begin(batch, &plain);
	match_source_mac_word(batch, rules);
	tc_match_word(batch, 0, 0x45000000, 0xff000000);
	tc_match_word(batch, 12, word_at(ip), UINT32_MAX);
	act_accept(batch, rules);
	tc_filter_end(batch);

	begin_tap(batch, rules, CARD_CHAIN_ENTRY, PRIORITY_IPV4, ETH_P_IP);
	match_source_mac(batch, rules);
	tc_match(batch, TCA_FLOWER_KEY_IPV4_SRC, ip, TCA_FLOWER_KEY_IPV4_SRC_MASK, ones, 4);
	act_accept(batch, rules);
	tc_filter_end(batch);
}

/*
 * A message of neighbour discovery of that type, about the address @target: flower does not know
 * where that stands, so by offsets, for messages without extension headers. @is_unspecified: from
 * "::", else the source is looked at later.
 */
static void begin_target(struct tc_batch *batch, const struct card_rules *rules, uint8_t type,
			 const uint8_t *target, bool is_unspecified)
{
	const struct tc_place place = place_of(rules, rules->tap_ifindex, CARD_CHAIN_ENTRY,
					       PRIORITY_ADVERTISEMENT, ETH_P_IPV6);

	tc_u32_begin(batch, &place);
	match_source_mac_word(batch, rules);
	tc_match_word(batch, 4, IPPROTO_ICMPV6 << 8, 0xff00);
	for (int i = 0; is_unspecified && i < 16; i += 4)
		tc_match_word(batch, 8 + i, 0, UINT32_MAX);
	tc_match_word(batch, 40, (uint32_t)type << 24, 0xff000000);
	for (int i = 0; i < 16; i += 4)
		tc_match_word(batch, 48 + i, word_at(target + i), UINT32_MAX);
}

static void write_ipv6_source(struct tc_batch *batch, const struct card_rules *rules,
			      const uint8_t *ip)
{
	begin_target(batch, rules, ND_NEIGHBOR_ADVERT, ip, false);
	tc_act_goto(batch, card_chain(rules->generation, CARD_CHAIN_SOURCES));
	tc_filter_end(batch);

	/* Is somebody else here whose address this is? */
	begin_target(batch, rules, ND_NEIGHBOR_SOLICIT, ip, true);
	tc_act_redirect(batch, rules->interface->ifindex);
	tc_filter_end(batch);

	begin_tap(batch, rules, CARD_CHAIN_SOURCES, PRIORITY_IPV6, ETH_P_IPV6);
	match_source_mac(batch, rules);
	tc_match(batch, TCA_FLOWER_KEY_IPV6_SRC, ip, TCA_FLOWER_KEY_IPV6_SRC_MASK, ones, 16);
	act_accept(batch, rules);
	tc_filter_end(batch);
}

/* What all IPv6 of the card passes through. */
static void write_ipv6(struct tc_batch *batch, const struct card_rules *rules)
{
	static const uint8_t hidden[] = { IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT,
					  IPPROTO_DSTOPTS };
	/* A card is not a router, and has not the address of another. */
	static const uint8_t claims[] = { ND_ROUTER_ADVERT, ND_NEIGHBOR_ADVERT, ND_REDIRECT };
	const uint32_t no_flags = 0, is_fragment = htonl(TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT);
	static const uint8_t unspecified[16];
	static const uint8_t reports_to[16] = { 0xff, 0x02, [15] = 0x16 };

	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++) {
		begin_tap(batch, rules, CARD_CHAIN_ENTRY, PRIORITY_HIDDEN, ETH_P_IPV6);
		tc_match_u8(batch, TCA_FLOWER_KEY_IP_PROTO, hidden[i]);
		tc_act_other_host(batch);
		tc_filter_end(batch);
	}
	for (size_t i = 0; i < ARRAY_SIZE(claims); i++) {
		begin_tap(batch, rules, CARD_CHAIN_ENTRY, PRIORITY_CLAIM, ETH_P_IPV6);
		match_icmp6(batch, claims[i]);
		tc_act_other_host(batch);
		tc_filter_end(batch);
	}
	/* The last header was the 16th: it is known, but not what is in it. */
	begin_tap(batch, rules, CARD_CHAIN_ENTRY, PRIORITY_UNKNOWN, ETH_P_IPV6);
	match_icmp6(batch, 0);
	tc_match(batch, TCA_FLOWER_KEY_FLAGS, &no_flags, TCA_FLOWER_KEY_FLAGS_MASK, &is_fragment,
		 sizeof(no_flags));
	tc_act_other_host(batch);
	tc_filter_end(batch);

	begin_tap(batch, rules, CARD_CHAIN_ENTRY, PRIORITY_IPV6, ETH_P_IPV6);
	tc_act_goto(batch, card_chain(rules->generation, CARD_CHAIN_SOURCES));
	tc_filter_end(batch);

	/* Groups are joined before there is an address to do it from (RFC 3810, section 5.2.13). */
	begin_tap(batch, rules, CARD_CHAIN_SOURCES, PRIORITY_UNSPECIFIED, ETH_P_IPV6);
	match_source_mac(batch, rules);
	match_icmp6(batch, MLD2_REPORT);
	tc_match(batch, TCA_FLOWER_KEY_IPV6_SRC, unspecified, TCA_FLOWER_KEY_IPV6_SRC_MASK, ones,
		 16);
	tc_match(batch, TCA_FLOWER_KEY_IPV6_DST, reports_to, TCA_FLOWER_KEY_IPV6_DST_MASK, ones,
		 16);
	tc_act_redirect(batch, rules->interface->ifindex);
	tc_filter_end(batch);
	write_denials(batch, rules, CARD_CHAIN_SOURCES);
}

static void write_sources(struct tc_batch *batch, const struct card_rules *rules)
{
	const struct network_interface *interface = rules->interface;
	bool has_ipv6 = false;

	for (size_t i = 0; i < interface->nr_addresses; i++) {
		const struct network_ip *ip = &interface->addresses[i].ip;

		if (is_repeated(interface, i))
			continue;
		if (ip->family == AF_INET) {
			write_ipv4_source(batch, rules, ip->bytes);
		} else {
			write_ipv6_source(batch, rules, ip->bytes);
			has_ipv6 = true;
		}
	}
	if (has_ipv6)
		write_ipv6(batch, rules);
}

/* Any source; but an allow-list holds for what it can be applied to, and nothing else passes. */
static void write_any_source(struct tc_batch *batch, const struct card_rules *rules)
{
	static const uint16_t protocols[] = { ETH_P_IP, ETH_P_IPV6 };
	static const enum priority priorities[] = { PRIORITY_IPV4, PRIORITY_IPV6 };

	if (!rules->policy->has_allow_list) {
		begin_tap(batch, rules, CARD_CHAIN_ENTRY, PRIORITY_ALL, ETH_P_ALL);
		tc_act_redirect(batch, rules->interface->ifindex);
		tc_filter_end(batch);
		return;
	}
	begin_tap(batch, rules, CARD_CHAIN_ENTRY, PRIORITY_ARP, ETH_P_ARP);
	tc_act_redirect(batch, rules->interface->ifindex);
	tc_filter_end(batch);
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		begin_tap(batch, rules, CARD_CHAIN_ENTRY, priorities[i], protocols[i]);
		act_accept(batch, rules);
		tc_filter_end(batch);
	}
}

static void match_state(struct tc_batch *batch, uint16_t state)
{
	uint16_t wanted = TCA_FLOWER_KEY_CT_FLAGS_TRACKED | state;

	tc_match(batch, TCA_FLOWER_KEY_CT_STATE, &wanted, TCA_FLOWER_KEY_CT_STATE_MASK, &wanted,
		 sizeof(wanted));
}

static void match_ports(struct tc_batch *batch, const struct network_rule *rule)
{
	bool is_tcp = rule->protocol == IPPROTO_TCP;

	if ((!is_tcp && rule->protocol != IPPROTO_UDP) ||
	    (rule->first_port == 0 && rule->last_port == UINT16_MAX))
		return;
	/* Port 0 is also that of a packet whose ports could not be found. */
	if (rule->first_port == rule->last_port) {
		tc_match_be16(batch, is_tcp ? TCA_FLOWER_KEY_TCP_DST : TCA_FLOWER_KEY_UDP_DST,
			      rule->first_port);
		return;
	}
	tc_match_be16(batch, TCA_FLOWER_KEY_PORT_DST_MIN, rule->first_port ? rule->first_port : 1);
	tc_match_be16(batch, TCA_FLOWER_KEY_PORT_DST_MAX, rule->last_port);
}

static void match_destination(struct tc_batch *batch, int family, const uint8_t *address,
			      size_t prefix)
{
	uint8_t mask[16] = { 0 };

	for (size_t bit = 0; bit < prefix; bit++)
		mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	if (prefix && family == AF_INET)
		tc_match(batch, TCA_FLOWER_KEY_IPV4_DST, address, TCA_FLOWER_KEY_IPV4_DST_MASK,
			 mask, 4);
	else if (prefix)
		tc_match(batch, TCA_FLOWER_KEY_IPV6_DST, address, TCA_FLOWER_KEY_IPV6_DST_MASK,
			 mask, 16);
}

static void write_rule(struct tc_batch *batch, const struct card_rules *rules,
		       const struct network_rule *rule)
{
	bool is_ipv4 = rule->family == AF_INET;

	begin_tap(batch, rules, CARD_CHAIN_NEXT,
		  is_ipv4 ? PRIORITY_RULES_IPV4 : PRIORITY_RULES_IPV6,
		  is_ipv4 ? ETH_P_IP : ETH_P_IPV6);
	match_state(batch, TCA_FLOWER_KEY_CT_FLAGS_NEW);
	if (rule->protocol)
		tc_match_u8(batch, TCA_FLOWER_KEY_IP_PROTO, rule->protocol);
	match_destination(batch, rule->family, rule->address, rule->prefix);
	match_ports(batch, rule);
	tc_act_track(batch, card_zone(rules), true);
	tc_act_redirect(batch, rules->interface->ifindex);
	tc_filter_end(batch);
}

static bool is_same_rule(const struct network_rule *a, const struct network_rule *b)
{
	return a->family == b->family && a->protocol == b->protocol && a->prefix == b->prefix &&
	       a->first_port == b->first_port && a->last_port == b->last_port &&
	       memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

static void write_link_prefix(struct tc_batch *batch, const struct card_rules *rules,
			      const uint8_t *address, size_t prefix)
{
	begin_tap(batch, rules, CARD_CHAIN_LINK, PRIORITY_IPV6, ETH_P_IPV6);
	match_destination(batch, AF_INET6, address, prefix);
	tc_act_redirect(batch, rules->interface->ifindex);
	tc_filter_end(batch);
}

static bool is_same_prefix(const struct network_address *a, const struct network_address *b)
{
	if (a->ip.family != b->ip.family || a->prefix != b->prefix)
		return false;
	for (size_t bit = 0; bit < a->prefix; bit++)
		if ((a->ip.bytes[bit / 8] ^ b->ip.bytes[bit / 8]) & 0x80 >> bit % 8)
			return false;
	return true;
}

/*
 * Who is a neighbour, and which groups a bridge must know of: tracking leaves these messages out.
 * They are for the link alone; elsewhere they would be a way around the list.
 */
static void write_discovery(struct tc_batch *batch, const struct card_rules *rules)
{
	static const uint8_t always[] = { MLD_LISTENER_REPORT, MLD_LISTENER_REDUCTION,
					  MLD2_REPORT,	       ND_ROUTER_SOLICIT,
					  ND_ROUTER_ADVERT,    ND_NEIGHBOR_SOLICIT,
					  ND_NEIGHBOR_ADVERT };
	static const struct network_address link_local = {
		.ip = { AF_INET6, { 0xfe, 0x80 } },
		.prefix = 10,
	};
	static const uint8_t link_groups[16] = { 0xff, 0x02 };
	const struct network_address *own = rules->interface->addresses;

	write_link_prefix(batch, rules, link_groups, 16);
	write_link_prefix(batch, rules, link_local.ip.bytes, link_local.prefix);
	for (size_t i = 0; i < rules->interface->nr_addresses; i++) {
		bool is_new = own[i].ip.family == AF_INET6 && own[i].prefix &&
			      !is_same_prefix(&own[i], &link_local);

		for (size_t j = 0; is_new && j < i; j++)
			is_new = !is_same_prefix(&own[i], &own[j]);
		if (is_new)
			write_link_prefix(batch, rules, own[i].ip.bytes, own[i].prefix);
	}
	write_denials(batch, rules, CARD_CHAIN_LINK);
	for (size_t i = 0; i < ARRAY_SIZE(always); i++) {
		begin_tap(batch, rules, CARD_CHAIN_NEXT, PRIORITY_ADVERTISEMENT, ETH_P_IPV6);
		match_icmp6(batch, always[i]);
		tc_act_goto(batch, card_chain(rules->generation, CARD_CHAIN_LINK));
		tc_filter_end(batch);
	}
}

static void write_allow_list(struct tc_batch *batch, const struct card_rules *rules)
{
	static const uint16_t known[] = { TCA_FLOWER_KEY_CT_FLAGS_ESTABLISHED,
					  TCA_FLOWER_KEY_CT_FLAGS_RELATED };
	const struct network_policy *policy = rules->policy;

	write_discovery(batch, rules);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		begin_tap(batch, rules, CARD_CHAIN_NEXT, PRIORITY_ESTABLISHED, ETH_P_ALL);
		match_state(batch, known[i]);
		tc_act_redirect(batch, rules->interface->ifindex);
		tc_filter_end(batch);
	}
	for (size_t i = 0; i < policy->nr_rules; i++) {
		bool is_new = true;

		for (size_t j = 0; is_new && j < i; j++)
			is_new = !is_same_rule(&policy->rules[i], &policy->rules[j]);
		if (is_new)
			write_rule(batch, rules, &policy->rules[i]);
	}
	write_denials(batch, rules, CARD_CHAIN_NEXT);
}

void card_rules_write_tap(struct tc_batch *batch, const struct card_rules *rules)
{
	const struct tc_place rate =
		place_of(rules, rules->tap_ifindex, CARD_CHAIN_ENTRY, PRIORITY_RATE, ETH_P_ALL);

	/* From the end: what leads to a chain is there after what it holds. */
	if (rules->policy->has_allow_list)
		write_allow_list(batch, rules);
	if (rules->policy->allows_spoofing)
		write_any_source(batch, rules);
	else
		write_sources(batch, rules);
	write_denials(batch, rules, CARD_CHAIN_ENTRY);
	card_rate_write(batch, &rate, &rules->policy->transmit);
}
