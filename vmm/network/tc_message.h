/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tc_message.h - the messages of traffic control (rtnetlink(7), tc(8)), many in one system call
 *
 * A batch takes messages until it is finished. The kernel carries them out in order, goes on after
 * one that failed, and answers only those and the last; what is too much for one system call is
 * sent meanwhile. After a failure nothing more is sent.
 *
 * Filters are made of a beginning, what they match (nothing: every frame of their protocol), and
 * actions in order. All are in the ingress of an interface.
 *
 * Thread: any, one at a time. Needs CAP_NET_ADMIN over the network namespace of the socket.
 * Spec:   linux/pkt_cls.h, linux/pkt_sched.h, linux/tc_act/ of the kernel.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/base/error.h"

#define TC_U32_KEYS_MAX 16u

struct tc_batch;

/* @netlink is borrowed: a blocking NETLINK_ROUTE socket that listens to no groups. NULL: ENOMEM. */
struct tc_batch *tc_batch_new(struct mnl_socket *netlink);
void tc_batch_free(struct tc_batch *batch);

/*
 * Send what is left and wait for the answers. Returns 0, or the negative errno value of the first
 * message that failed; the batch is empty then and can be used again.
 */
int tc_batch_finish(struct tc_batch *batch);

/* Make the ingress of @ifindex, which fails with EEXIST when there is one, or delete it. */
void tc_ingress_new(struct tc_batch *batch, uint32_t ifindex);
void tc_ingress_delete(struct tc_batch *batch, uint32_t ifindex);

struct tc_place {
	uint32_t ifindex, chain;
	uint16_t priority;
	uint16_t protocol; /* ETH_P_…: those of one priority in a chain have the same */
	uint32_t handle;   /* 0: the kernel's choice */
	bool replaces;	   /* the one of that handle, atomically; else that is EEXIST */
};

/* Delete all filters of the chain. */
void tc_chain_flush(struct tc_batch *batch, uint32_t ifindex, uint32_t chain);

/* A filter begins; tc_filter_end() ends it. */
void tc_flower_begin(struct tc_batch *batch, const struct tc_place *place);
void tc_u32_begin(struct tc_batch *batch, const struct tc_place *place);
void tc_filter_end(struct tc_batch *batch);

/*
 * Flower: match @size bytes of @value for attribute @key (TCA_FLOWER_KEY_…), in those bits that
 * @mask has; without @mask, for attributes that have none, @mask_key is 0.
 */
void tc_match(struct tc_batch *batch, uint16_t key, const void *value, uint16_t mask_key,
	      const void *mask, size_t size);
void tc_match_u8(struct tc_batch *batch, uint16_t key, uint8_t value);
void tc_match_be16(struct tc_batch *batch, uint16_t key, uint16_t value);

/* u32: match the bits @mask of the four bytes @offset behind the start of the network header. */
void tc_match_word(struct tc_batch *batch, int offset, uint32_t value, uint32_t mask);

/* Actions: end the frame's way through the chains with @verdict (TC_ACT_…). */
void tc_act_verdict(struct tc_batch *batch, uint32_t verdict);
void tc_act_goto(struct tc_batch *batch, uint32_t chain);
void tc_act_redirect(struct tc_batch *batch, uint32_t ifindex);

/* Send a copy out on @ifindex, and let the frame itself pass up. */
void tc_act_copy(struct tc_batch *batch, uint32_t ifindex);

/* Let the frame pass up as one for another host, which protocols ignore and sockets see. */
void tc_act_other_host(struct tc_batch *batch);

/* Track the connection in @zone, which also puts fragments together, and go on; @commits: keep it.
 */
void tc_act_track(struct tc_batch *batch, uint16_t zone, bool commits);

/* Drop what is more than so much, and do with the others as @verdict says. */
void tc_act_police_bytes(struct tc_batch *batch, uint64_t per_second, uint64_t burst,
			 uint32_t verdict);
void tc_act_police_packets(struct tc_batch *batch, uint64_t per_second, uint64_t burst,
			   uint32_t verdict);

/* --- questions ---------------------------------------------------------------------------------*/

/* 1 when @ifindex has an ingress, 0 when not, or a negative errno value. */
int tc_ingress_exists(struct tc_batch *batch, uint32_t ifindex, bool *ret_is_plain);

struct tc_filter {
	uint32_t chain, handle;
	uint16_t priority;
	bool is_flower;
	bool is_head;	  /* of a priority, no filter: @handle is 0 */
	uint32_t goes_to; /* chain of a tc_act_goto(); 0: none */
	bool has_target;  /* of a tc_act_redirect(), which is @target, 0 when it is gone */
	uint32_t target;
};

typedef void (*tc_filter_fn)(void *context, const struct tc_filter *filter);

/* Have @on_filter called for each filter of @ifindex's ingress. Returns 0 or a negative errno. */
int tc_filters_read(struct tc_batch *batch, uint32_t ifindex, tc_filter_fn on_filter,
		    void *context);
