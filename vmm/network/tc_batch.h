/* SPDX-License-Identifier: Apache-2.0 */
/* tc_batch.h - what tc_message.c and tc_question.c share of a batch; for nobody else */
#pragma once

#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>

#include "vmm/network/tc_message.h"

struct tc_batch {
	struct mnl_socket *netlink;
	int result; /* of the first message that failed */
	size_t used;
	uint32_t first_seq, seq; /* of the messages in the buffer */

	/* The message that is being written, from buffer + used. */
	struct nlmsghdr *last;
	struct nlattr *options, *actions;
	uint16_t actions_type, nr_actions;
	struct tc_u32_key words[TC_U32_KEYS_MAX];
	size_t nr_words;

	_Alignas(8) char buffer[65536];
	_Alignas(8) char reply[32768];
};

/* Begin a message. Its header is returned, with the rest of it 0. */
struct tcmsg *tc_batch_message(struct tc_batch *batch, uint16_t type, uint16_t flags,
			       uint32_t ifindex);
