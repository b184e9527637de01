/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In chain 0 of each ingress are two filters: ROOT leads to the chains of one generation, and END
 * drops what it does not know. To change the rules, those of the other generation are written and
 * ROOT is replaced, which the kernel does at once. The former chains stay until the next change:
 * a frame may still be on its way through them.
 *
 * END also names the device that the frames go to, in an action that nobody gets to: the kernel
 * forgets it there when the device is gone, and so tells that the filters are nobody's any more.
 */
#include "vmm/network/card_filter.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include "vmm/network/card_filter_rules.h"
#include "vmm/network/tc_message.h"

#define PRIORITY_ROOT 0xb401
#define PRIORITY_END 0xb402
#define HANDLE UINT32_C(0x62756c6b)

/* What is in chain 0. */
struct found {
	size_t nr_filters, nr_foreign;
	bool has_end;
	uint32_t target;     /* of END; 0: it is gone */
	uint32_t generation; /* 0: there is no ROOT */
};

static void batch_cleanup(struct tc_batch **batch)
{
	tc_batch_free(*batch);
}

#define AUTO_BATCH __attribute__((cleanup(batch_cleanup)))

static void on_filter(void *context, const struct tc_filter *filter)
{
	struct found *found = context;
	bool is_own = filter->is_flower && filter->handle == HANDLE;

	if (filter->is_head || filter->chain)
		return;
	found->nr_filters++;
	if (is_own && filter->priority == PRIORITY_ROOT && filter->goes_to) {
		found->generation = card_chain_generation(filter->goes_to);
	} else if (is_own && filter->priority == PRIORITY_END && filter->has_target) {
		found->has_end = true;
		found->target = filter->target;
	} else {
		found->nr_foreign++;
	}
}

static int look(struct tc_batch *batch, uint32_t ifindex, struct found *found)
{
	*found = (struct found){ 0 };
	return tc_filters_read(batch, ifindex, on_filter, found);
}

static int failed(struct error *err, int r, uint32_t ifindex)
{
	return error_set(err, -r, "traffic control of interface %u", ifindex);
}

static int without_memory(struct error *err)
{
	return error_set(err, ENOMEM, "traffic control");
}

int card_filter_claim(struct mnl_socket *netlink, uint32_t ifindex, struct error *err)
{
	AUTO_BATCH struct tc_batch *batch = tc_batch_new(netlink);
	struct found found;
	bool is_plain = false;
	int r;

	if (!batch)
		return without_memory(err);
	r = tc_ingress_exists(batch, ifindex, &is_plain);
	if (r <= 0)
		return r < 0 ? failed(err, r, ifindex) : 1;
	if (!is_plain)
		return 0;
	r = look(batch, ifindex, &found);
	if (r < 0)
		return failed(err, r, ifindex);
	/* One without filters does nothing: whoever made it did not live to go on. */
	if (found.nr_filters && (found.nr_foreign || !found.has_end || found.target))
		return 0;
	tc_ingress_delete(batch, ifindex);
	r = tc_batch_finish(batch);
	return r < 0 ? failed(err, r, ifindex) : 1;
}

static void write_root(struct tc_batch *batch, uint32_t ifindex, uint32_t generation)
{
	const struct tc_place place = { .ifindex = ifindex,
					.priority = PRIORITY_ROOT,
					.protocol = ETH_P_ALL,
					.handle = HANDLE,
					.replaces = true };

	tc_flower_begin(batch, &place);
	tc_act_goto(batch, card_chain(generation, CARD_CHAIN_ENTRY));
	tc_filter_end(batch);
}

static void write_end(struct tc_batch *batch, uint32_t ifindex, uint32_t target)
{
	const struct tc_place place = { .ifindex = ifindex,
					.priority = PRIORITY_END,
					.protocol = ETH_P_ALL,
					.handle = HANDLE };

	tc_flower_begin(batch, &place);
	tc_act_verdict(batch, TC_ACT_SHOT);
	tc_act_redirect(batch, target);
	tc_filter_end(batch);
}

typedef void (*rules_fn)(struct tc_batch *batch, const struct card_rules *rules);

/* One of the two devices, and where its frames go. */
struct side {
	uint32_t ifindex, target;
	rules_fn write;
};

/*
 * Make the ingress and END, each by itself: where two do this at the same time, one gets an error
 * and has changed nothing.
 */
static int begin_side(struct tc_batch *batch, const struct side *side)
{
	int r;

	tc_ingress_new(batch, side->ifindex);
	r = tc_batch_finish(batch);
	if (r < 0)
		return r;
	write_end(batch, side->ifindex, side->target);
	return tc_batch_finish(batch);
}

static int set_side(struct tc_batch *batch, const struct side *side, struct card_rules *rules,
		    struct error *err)
{
	struct found found;
	int r = look(batch, side->ifindex, &found);

	if (!r && found.nr_filters && (found.nr_foreign || found.target != side->target))
		r = -EEXIST;
	if (!r && !found.has_end)
		r = begin_side(batch, side);
	if (r < 0)
		return failed(err, r, side->ifindex);
	rules->generation = found.generation == 1 ? 2 : 1;
	if (found.generation)
		for (uint32_t chain = CARD_CHAIN_ENTRY; chain < CARD_CHAINS_END; chain++)
			tc_chain_flush(batch, side->ifindex,
				       card_chain(rules->generation, (enum card_chain)chain));
	side->write(batch, rules);
	write_root(batch, side->ifindex, rules->generation);
	r = tc_batch_finish(batch);
	return r < 0 ? failed(err, r, side->ifindex) : 0;
}

int card_filter_set(struct mnl_socket *netlink, const struct network_interface *interface,
		    uint32_t tap_ifindex, const struct network_policy *policy, bool passes_resolver,
		    struct error *err)
{
	AUTO_BATCH struct tc_batch *batch = tc_batch_new(netlink);
	struct card_rules rules = {
		.interface = interface,
		.policy = policy,
		.tap_ifindex = tap_ifindex,
		.passes_resolver = passes_resolver,
	};
	const struct side tap = { tap_ifindex, interface->ifindex, card_rules_write_tap };
	const struct side other = { interface->ifindex, tap_ifindex, card_rules_write_interface };
	int r;

	if (!batch)
		return without_memory(err);
	r = set_side(batch, &tap, &rules, err);
	return r < 0 ? r : set_side(batch, &other, &rules, err);
}

static int clear_side(struct tc_batch *batch, uint32_t ifindex, uint32_t target, struct error *err)
{
	struct found found;
	int r = look(batch, ifindex, &found);

	if (r < 0)
		return failed(err, r, ifindex);
	if (!found.has_end || (found.target && found.target != target))
		return 0;
	tc_ingress_delete(batch, ifindex);
	r = tc_batch_finish(batch);
	/* It may go at any time. */
	return r < 0 && r != -ENODEV && r != -ENOENT && r != -EINVAL ? failed(err, r, ifindex) : 0;
}

int card_filter_clear(struct mnl_socket *netlink, uint32_t ifindex, uint32_t tap_ifindex,
		      struct error *err)
{
	AUTO_BATCH struct tc_batch *batch = tc_batch_new(netlink);
	int r;

	if (!batch)
		return without_memory(err);
	/* The interface first: what it has still to say to the VM is of no use any more. */
	r = clear_side(batch, ifindex, tap_ifindex, err);
	return r < 0 ? r : clear_side(batch, tap_ifindex, ifindex, err);
}
