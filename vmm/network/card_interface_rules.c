/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>

#include "vmm/base/checked_math.h"
#include "vmm/network/card_filter_rules.h"
#include "vmm/network/card_rates.h"
#include "vmm/network/host_ports.h"

enum in_priority {
	IN_RATE = 1,
	IN_ARP,
	IN_DISCOVERY,
	IN_ANSWER_IPV4,
	IN_ANSWER_IPV6,
	IN_CARD,
	IN_IPV4,
	IN_IPV6,
	IN_ALL,
};

static void begin_in(struct tc_batch *batch, const struct card_rules *rules, enum card_chain chain,
		     enum in_priority priority, uint16_t protocol)
{
	const struct tc_place place = {
		.ifindex = rules->interface->ifindex,
		.chain = card_chain(rules->generation, chain),
		.priority = (uint16_t)priority,
		.protocol = protocol,
	};

	tc_flower_begin(batch, &place);
}

/* Begin a filter for what is for the card, or (@index 1) for all and for groups. */
static void begin_for_card(struct tc_batch *batch, const struct card_rules *rules,
			   enum in_priority priority, uint16_t protocol, int index)
{
	static const uint8_t whole[ETH_ALEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t group[ETH_ALEN] = { 1 };

	begin_in(batch, rules, CARD_CHAIN_ENTRY, priority, protocol);
	if (index == 0)
		tc_match(batch, TCA_FLOWER_KEY_ETH_DST, rules->interface->mac,
			 TCA_FLOWER_KEY_ETH_DST_MASK, whole, ETH_ALEN);
	else
		tc_match(batch, TCA_FLOWER_KEY_ETH_DST, group, TCA_FLOWER_KEY_ETH_DST_MASK, group,
			 ETH_ALEN);
}

/* The namespace has neighbours, and asks name servers from its own ports. */
static void write_for_namespace(struct tc_batch *batch, const struct card_rules *rules)
{
	static const uint8_t all_bits = 0xff;
	static const uint8_t discovery[] = { ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT };

	for (int index = 0; index < 2; index++) {
		begin_for_card(batch, rules, IN_ARP, ETH_P_ARP, index);
		tc_act_copy(batch, rules->tap_ifindex);
		tc_filter_end(batch);
		for (size_t i = 0; i < ARRAY_SIZE(discovery); i++) {
			begin_for_card(batch, rules, IN_DISCOVERY, ETH_P_IPV6, index);
			tc_match_u8(batch, TCA_FLOWER_KEY_IP_PROTO, IPPROTO_ICMPV6);
			tc_match(batch, TCA_FLOWER_KEY_ICMPV6_TYPE, &discovery[i],
				 TCA_FLOWER_KEY_ICMPV6_TYPE_MASK, &all_bits, 1);
			tc_act_copy(batch, rules->tap_ifindex);
			tc_filter_end(batch);
		}
	}
	for (int index = 0; index < 4; index++) {
		bool is_tcp = index & 1, is_ipv6 = index & 2;

		begin_for_card(batch, rules, is_ipv6 ? IN_ANSWER_IPV6 : IN_ANSWER_IPV4,
			       is_ipv6 ? ETH_P_IPV6 : ETH_P_IP, 0);
		tc_match_u8(batch, TCA_FLOWER_KEY_IP_PROTO, is_tcp ? IPPROTO_TCP : IPPROTO_UDP);
		tc_match_be16(batch, is_tcp ? TCA_FLOWER_KEY_TCP_SRC : TCA_FLOWER_KEY_UDP_SRC, 53);
		tc_match_be16(batch, TCA_FLOWER_KEY_PORT_DST_MIN, NETWORK_HOST_PORT_FIRST);
		tc_match_be16(batch, TCA_FLOWER_KEY_PORT_DST_MAX, NETWORK_HOST_PORT_LAST);
		tc_act_verdict(batch, TC_ACT_OK);
		tc_filter_end(batch);
	}
}

/* Connections from outside are known, too: what the container answers is allowed. */
static void write_tracking(struct tc_batch *batch, const struct card_rules *rules)
{
	for (int index = 0; index < 2; index++) {
		begin_in(batch, rules, CARD_CHAIN_NEXT, index ? IN_IPV6 : IN_IPV4,
			 index ? ETH_P_IPV6 : ETH_P_IP);
		tc_act_track(batch, card_zone(rules), true);
		tc_act_redirect(batch, rules->tap_ifindex);
		tc_filter_end(batch);
	}
}

void card_rules_write_interface(struct tc_batch *batch, const struct card_rules *rules)
{
	const struct network_policy *policy = rules->policy;
	bool has_next = policy->has_allow_list || card_rate_is_limited(&policy->receive);
	const struct tc_place rate = {
		.ifindex = rules->interface->ifindex,
		.chain = card_chain(rules->generation, CARD_CHAIN_NEXT),
		.priority = IN_RATE,
		.protocol = ETH_P_ALL,
	};

	if (has_next) {
		card_rate_write(batch, &rate, &policy->receive);
		if (policy->has_allow_list)
			write_tracking(batch, rules);
		begin_in(batch, rules, CARD_CHAIN_NEXT, IN_ALL, ETH_P_ALL);
		tc_act_redirect(batch, rules->tap_ifindex);
		tc_filter_end(batch);
	}
	if (rules->passes_resolver)
		write_for_namespace(batch, rules);
	for (int index = 0; index < 2; index++) {
		begin_for_card(batch, rules, IN_CARD, ETH_P_ALL, index);
		if (has_next)
			tc_act_goto(batch, card_chain(rules->generation, CARD_CHAIN_NEXT));
		else
			tc_act_redirect(batch, rules->tap_ifindex);
		tc_filter_end(batch);
	}
	/* A bridge floods what is for others. */
	begin_in(batch, rules, CARD_CHAIN_ENTRY, IN_ALL, ETH_P_ALL);
	tc_act_verdict(batch, TC_ACT_SHOT);
	tc_filter_end(batch);
}
