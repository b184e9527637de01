/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/network/tc_message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_ct.h>
#include <linux/tc_act/tc_gact.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/tc_act/tc_skbedit.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"
#include "vmm/network/tc_batch.h"

#define INGRESS_HANDLE TC_H_MAKE(TC_H_INGRESS, 0)
#define TICKS_PER_SECOND UINT64_C(15625000) /* psched: of 64 ns */

/* Room for the longest message: two rate tables of 1 KiB, a u32 selector, and small things. */
#define MESSAGE_SIZE_MAX 4096u

struct tc_batch *tc_batch_new(struct mnl_socket *netlink)
{
	struct tc_batch *batch = calloc(1, sizeof(*batch));

	struct timespec now;

	if (!batch)
		return NULL;
	batch->netlink = netlink;
	/* What an earlier failure may have left unread has another number. */
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	batch->seq = (uint32_t)(now.tv_sec * 1000000000 + now.tv_nsec);
	return batch;
}

void tc_batch_free(struct tc_batch *batch)
{
	free(batch);
}

/* Look at the answers in @size bytes. True when the last one is among them. */
static bool take_answers(struct tc_batch *batch, size_t size)
{
	const struct nlmsghdr *answer = (const void *)batch->reply;
	int left = (int)size;

	for (; mnl_nlmsg_ok(answer, left); answer = mnl_nlmsg_next(answer, &left)) {
		const struct nlmsgerr *error = mnl_nlmsg_get_payload(answer);

		/* Others are late answers to questions that failed. */
		if (answer->nlmsg_type != NLMSG_ERROR ||
		    mnl_nlmsg_get_payload_len(answer) < sizeof(*error) ||
		    answer->nlmsg_seq - batch->first_seq > batch->seq - batch->first_seq)
			continue;
		if (error->error && !batch->result)
			batch->result = error->error;
		if (answer->nlmsg_seq == batch->seq)
			return true;
	}
	return false;
}

/* The kernel has answered before the system call that sends is over: nothing here waits. */
static void flush(struct tc_batch *batch)
{
	ssize_t size;

	if (!batch->used)
		return;
	batch->last->nlmsg_flags |= NLM_F_ACK;
	size = mnl_socket_sendto(batch->netlink, batch->buffer, batch->used);
	batch->used = 0;
	if (size < 0) {
		batch->result = -errno;
		return;
	}
	do {
		size = mnl_socket_recvfrom(batch->netlink, batch->reply, sizeof(batch->reply));
	} while ((size < 0 && errno == EINTR) || (size >= 0 && !take_answers(batch, (size_t)size)));
	if (size < 0)
		batch->result = -errno;
}

int tc_batch_finish(struct tc_batch *batch)
{
	int r;

	if (!batch->result)
		flush(batch);
	r = batch->result;
	batch->result = 0;
	batch->used = 0;
	return r;
}

struct tcmsg *tc_batch_message(struct tc_batch *batch, uint16_t type, uint16_t flags,
			       uint32_t ifindex)
{
	struct tcmsg *tc;

	/* After a failure, messages are written to no purpose but to keep the callers simple. */
	if (batch->result)
		batch->used = 0;
	if (batch->used > sizeof(batch->buffer) - MESSAGE_SIZE_MAX)
		flush(batch);
	batch->last = mnl_nlmsg_put_header(batch->buffer + batch->used);
	batch->last->nlmsg_type = type;
	batch->last->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	if (!batch->used)
		batch->first_seq = batch->seq + 1;
	batch->last->nlmsg_seq = ++batch->seq;
	tc = mnl_nlmsg_put_extra_header(batch->last, sizeof(*tc));
	tc->tcm_family = AF_UNSPEC;
	tc->tcm_ifindex = (int)ifindex;
	batch->options = NULL;
	batch->actions = NULL;
	batch->nr_actions = 0;
	batch->nr_words = 0;
	return tc;
}

static void end_message(struct tc_batch *batch)
{
	BUG_ON(batch->last->nlmsg_len > MESSAGE_SIZE_MAX);
	batch->used += NLMSG_ALIGN(batch->last->nlmsg_len);
}

void tc_ingress_new(struct tc_batch *batch, uint32_t ifindex)
{
	struct tcmsg *tc =
		tc_batch_message(batch, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ifindex);

	tc->tcm_parent = TC_H_INGRESS;
	tc->tcm_handle = INGRESS_HANDLE;
	mnl_attr_put_strz(batch->last, TCA_KIND, "ingress");
	end_message(batch);
}

void tc_ingress_delete(struct tc_batch *batch, uint32_t ifindex)
{
	struct tcmsg *tc = tc_batch_message(batch, RTM_DELQDISC, 0, ifindex);

	tc->tcm_parent = TC_H_INGRESS;
	end_message(batch);
}

void tc_chain_flush(struct tc_batch *batch, uint32_t ifindex, uint32_t chain)
{
	struct tcmsg *tc = tc_batch_message(batch, RTM_DELTFILTER, 0, ifindex);

	tc->tcm_parent = INGRESS_HANDLE;
	mnl_attr_put_u32(batch->last, TCA_CHAIN, chain);
	end_message(batch);
}

static void begin_filter(struct tc_batch *batch, const struct tc_place *place, const char *kind,
			 uint16_t actions_type)
{
	uint16_t flags = place->replaces ? NLM_F_CREATE : NLM_F_CREATE | NLM_F_EXCL;
	struct tcmsg *tc = tc_batch_message(batch, RTM_NEWTFILTER, flags, place->ifindex);

	tc->tcm_parent = INGRESS_HANDLE;
	tc->tcm_handle = place->handle;
	tc->tcm_info = TC_H_MAKE((uint32_t)place->priority << 16, htons(place->protocol));
	mnl_attr_put_strz(batch->last, TCA_KIND, kind);
	mnl_attr_put_u32(batch->last, TCA_CHAIN, place->chain);
	batch->options = mnl_attr_nest_start(batch->last, TCA_OPTIONS);
	batch->actions_type = actions_type;
}

void tc_flower_begin(struct tc_batch *batch, const struct tc_place *place)
{
	begin_filter(batch, place, "flower", TCA_FLOWER_ACT);
	if (place->protocol != ETH_P_ALL)
		tc_match_be16(batch, TCA_FLOWER_KEY_ETH_TYPE, place->protocol);
}

void tc_u32_begin(struct tc_batch *batch, const struct tc_place *place)
{
	begin_filter(batch, place, "u32", TCA_U32_ACT);
}

static void put_words(struct tc_batch *batch)
{
	struct tc_u32_sel selector = { .flags = TC_U32_TERMINAL,
				       .nkeys = (unsigned char)batch->nr_words };
	char all[sizeof(selector) + sizeof(batch->words)];
	size_t size = batch->nr_words * sizeof(batch->words[0]);

	memcpy(all, &selector, sizeof(selector));
	memcpy(all + sizeof(selector), batch->words, size);
	mnl_attr_put(batch->last, TCA_U32_SEL, sizeof(selector) + size, all);
}

void tc_filter_end(struct tc_batch *batch)
{
	if (batch->actions)
		mnl_attr_nest_end(batch->last, batch->actions);
	if (batch->nr_words)
		put_words(batch);
	mnl_attr_nest_end(batch->last, batch->options);
	end_message(batch);
}

void tc_match(struct tc_batch *batch, uint16_t key, const void *value, uint16_t mask_key,
	      const void *mask, size_t size)
{
	mnl_attr_put(batch->last, key, size, value);
	if (mask_key)
		mnl_attr_put(batch->last, mask_key, size, mask);
}

void tc_match_u8(struct tc_batch *batch, uint16_t key, uint8_t value)
{
	mnl_attr_put_u8(batch->last, key, value);
}

void tc_match_be16(struct tc_batch *batch, uint16_t key, uint16_t value)
{
	mnl_attr_put_u16(batch->last, key, htons(value));
}

void tc_match_word(struct tc_batch *batch, int offset, uint32_t value, uint32_t mask)
{
	BUG_ON(batch->nr_words == TC_U32_KEYS_MAX);
	batch->words[batch->nr_words++] = (struct tc_u32_key){
		.mask = htonl(mask),
		.val = htonl(value & mask),
		.off = offset,
	};
}

static struct nlattr *begin_action(struct tc_batch *batch, const char *kind,
				   struct nlattr **ret_options)
{
	struct nlattr *action;

	if (!batch->actions)
		batch->actions = mnl_attr_nest_start(batch->last, batch->actions_type);
	action = mnl_attr_nest_start(batch->last, ++batch->nr_actions);
	mnl_attr_put_strz(batch->last, TCA_ACT_KIND, kind);
	*ret_options = mnl_attr_nest_start(batch->last, TCA_ACT_OPTIONS);
	return action;
}

static void end_action(struct tc_batch *batch, struct nlattr *action, struct nlattr *options)
{
	mnl_attr_nest_end(batch->last, options);
	mnl_attr_nest_end(batch->last, action);
}

void tc_act_verdict(struct tc_batch *batch, uint32_t verdict)
{
	struct tc_gact parameters = { .action = (int)verdict };
	struct nlattr *options, *action = begin_action(batch, "gact", &options);

	mnl_attr_put(batch->last, TCA_GACT_PARMS, sizeof(parameters), &parameters);
	end_action(batch, action, options);
}

void tc_act_goto(struct tc_batch *batch, uint32_t chain)
{
	tc_act_verdict(batch, TC_ACT_GOTO_CHAIN | chain);
}

static void put_mirred(struct tc_batch *batch, int kind, uint32_t ifindex, int verdict)
{
	struct tc_mirred parameters = { .action = verdict, .eaction = kind, .ifindex = ifindex };
	struct nlattr *options, *action = begin_action(batch, "mirred", &options);

	mnl_attr_put(batch->last, TCA_MIRRED_PARMS, sizeof(parameters), &parameters);
	end_action(batch, action, options);
}

void tc_act_redirect(struct tc_batch *batch, uint32_t ifindex)
{
	put_mirred(batch, TCA_EGRESS_REDIR, ifindex, TC_ACT_STOLEN);
}

void tc_act_copy(struct tc_batch *batch, uint32_t ifindex)
{
	put_mirred(batch, TCA_EGRESS_MIRROR, ifindex, TC_ACT_OK);
}

void tc_act_other_host(struct tc_batch *batch)
{
	struct tc_skbedit parameters = { .action = TC_ACT_OK };
	struct nlattr *options, *action = begin_action(batch, "skbedit", &options);

	mnl_attr_put(batch->last, TCA_SKBEDIT_PARMS, sizeof(parameters), &parameters);
	mnl_attr_put_u16(batch->last, TCA_SKBEDIT_PTYPE, 3 /* PACKET_OTHERHOST */);
	end_action(batch, action, options);
}

void tc_act_track(struct tc_batch *batch, uint16_t zone, bool commits)
{
	struct tc_ct parameters = { .action = TC_ACT_PIPE };
	struct nlattr *options, *action = begin_action(batch, "ct", &options);

	mnl_attr_put(batch->last, TCA_CT_PARMS, sizeof(parameters), &parameters);
	mnl_attr_put_u16(batch->last, TCA_CT_ACTION, commits ? TCA_CT_ACT_COMMIT : 0);
	mnl_attr_put_u16(batch->last, TCA_CT_ZONE, zone);
	end_action(batch, action, options);
}

/* What passes at once is said as the time in which so much comes back. */
static uint32_t ticks(uint64_t amount, uint64_t per_second)
{
	return (uint32_t)min_u64(min_u64(amount, UINT32_MAX) * TICKS_PER_SECOND / per_second,
				 UINT32_MAX);
}

void tc_act_police_bytes(struct tc_batch *batch, uint64_t per_second, uint64_t burst,
			 uint32_t verdict)
{
	/* Nobody looks into the table, but it has to be there. */
	static const uint32_t table[256];
	struct tc_police parameters = {
		.action = TC_ACT_SHOT,
		.burst = ticks(burst, per_second),
		.mtu = UINT32_MAX,
		.rate = { .cell_log = 8,
			  .linklayer = TC_LINKLAYER_ETHERNET,
			  .rate = (uint32_t)min_u64(per_second, UINT32_MAX) },
	};
	struct nlattr *options, *action = begin_action(batch, "police", &options);

	mnl_attr_put(batch->last, TCA_POLICE_TBF, sizeof(parameters), &parameters);
	mnl_attr_put(batch->last, TCA_POLICE_RATE, sizeof(table), table);
	if (per_second > UINT32_MAX)
		mnl_attr_put_u64(batch->last, TCA_POLICE_RATE64, per_second);
	mnl_attr_put_u32(batch->last, TCA_POLICE_RESULT, verdict);
	end_action(batch, action, options);
}

void tc_act_police_packets(struct tc_batch *batch, uint64_t per_second, uint64_t burst,
			   uint32_t verdict)
{
	struct tc_police parameters = { .action = TC_ACT_SHOT, .mtu = UINT32_MAX };
	struct nlattr *options, *action = begin_action(batch, "police", &options);

	mnl_attr_put(batch->last, TCA_POLICE_TBF, sizeof(parameters), &parameters);
	mnl_attr_put_u64(batch->last, TCA_POLICE_PKTRATE64, per_second);
	mnl_attr_put_u64(batch->last, TCA_POLICE_PKTBURST64, ticks(burst, per_second));
	mnl_attr_put_u32(batch->last, TCA_POLICE_RESULT, verdict);
	end_action(batch, action, options);
}
