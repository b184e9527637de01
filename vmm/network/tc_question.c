/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/tc_act/tc_gact.h>
#include <linux/tc_act/tc_mirred.h>
#include <string.h>

#include "vmm/network/tc_batch.h"

struct reader {
	tc_filter_fn on_filter;
	void *context;
};

/* Ask the only message of the batch. @on_answer is called for each answer. */
static int ask(struct tc_batch *batch, mnl_cb_t on_answer, void *context)
{
	unsigned int portid = mnl_socket_get_portid(batch->netlink);
	int r = 1;

	if (mnl_socket_sendto(batch->netlink, batch->buffer, batch->last->nlmsg_len) < 0)
		return -errno;
	while (r > 0) {
		ssize_t size =
			mnl_socket_recvfrom(batch->netlink, batch->reply, sizeof(batch->reply));

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		r = mnl_cb_run(batch->reply, (size_t)size, batch->seq, portid, on_answer, context);
		/* ESRCH: a late answer to something else. */
		if (r < 0 && errno == ESRCH)
			r = 1;
		else if (r < 0)
			return -errno;
	}
	return 0;
}

static int on_ingress(const struct nlmsghdr *answer, void *context)
{
	const struct nlattr *attribute;
	bool *ret_is_plain = context;

	mnl_attr_for_each(
		attribute, answer,
		sizeof(struct tcmsg)) if (mnl_attr_get_type(attribute) == TCA_KIND &&
					  mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) ==
						  0) *ret_is_plain =
		strcmp(mnl_attr_get_str(attribute), "ingress") == 0;
	return MNL_CB_OK;
}

int tc_ingress_exists(struct tc_batch *batch, uint32_t ifindex, bool *ret_is_plain)
{
	struct tcmsg *tc = tc_batch_message(batch, RTM_GETQDISC, NLM_F_ACK, ifindex);
	int r;

	tc->tcm_parent = TC_H_INGRESS;
	*ret_is_plain = false;
	r = ask(batch, on_ingress, ret_is_plain);
	/* EINVAL: there was one once. */
	if (r == -ENOENT || r == -EINVAL)
		return 0;
	return r < 0 ? r : 1;
}

static void read_action(const struct nlattr *action, struct tc_filter *filter)
{
	const struct nlattr *attribute, *options = NULL;
	const char *kind = "";

	mnl_attr_for_each_nested(attribute, action)
	{
		if (mnl_attr_get_type(attribute) == TCA_ACT_OPTIONS)
			options = attribute;
		else if (mnl_attr_get_type(attribute) == TCA_ACT_KIND &&
			 mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
			kind = mnl_attr_get_str(attribute);
	}
	if (!options)
		return;
	mnl_attr_for_each_nested(attribute, options)
	{
		uint16_t type = mnl_attr_get_type(attribute);
		size_t size = mnl_attr_get_payload_len(attribute);

		if (strcmp(kind, "gact") == 0 && type == TCA_GACT_PARMS &&
		    size >= sizeof(struct tc_gact)) {
			const struct tc_gact *gact = mnl_attr_get_payload(attribute);
			uint32_t verdict = (uint32_t)gact->action;

			if (TC_ACT_EXT_CMP(verdict, TC_ACT_GOTO_CHAIN))
				filter->goes_to = verdict & TC_ACT_EXT_VAL_MASK;
		} else if (strcmp(kind, "mirred") == 0 && type == TCA_MIRRED_PARMS &&
			   size >= sizeof(struct tc_mirred)) {
			const struct tc_mirred *mirred = mnl_attr_get_payload(attribute);

			filter->has_target = true;
			filter->target = mirred->ifindex;
		}
	}
}

static void read_options(const struct nlattr *options, struct tc_filter *filter)
{
	const struct nlattr *attribute, *action;

	mnl_attr_for_each_nested(attribute,
				 options) if (mnl_attr_get_type(attribute) == TCA_FLOWER_ACT)
		mnl_attr_for_each_nested(action, attribute) read_action(action, filter);
}

static int on_filter_message(const struct nlmsghdr *answer, void *context)
{
	const struct reader *reader = context;
	const struct tcmsg *tc = mnl_nlmsg_get_payload(answer);
	const struct nlattr *attribute, *options = NULL;
	struct tc_filter filter = { 0 };

	if (answer->nlmsg_type != RTM_NEWTFILTER)
		return MNL_CB_OK;
	filter.handle = tc->tcm_handle;
	filter.is_head = !tc->tcm_handle;
	filter.priority = (uint16_t)(tc->tcm_info >> 16);
	mnl_attr_for_each(attribute, answer, sizeof(*tc))
	{
		uint16_t type = mnl_attr_get_type(attribute);

		if (type == TCA_CHAIN && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
			filter.chain = mnl_attr_get_u32(attribute);
		else if (type == TCA_KIND && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
			filter.is_flower = strcmp(mnl_attr_get_str(attribute), "flower") == 0;
		else if (type == TCA_OPTIONS)
			options = attribute;
	}
	/* The numbers of attributes are each classifier's own. */
	if (options && filter.is_flower)
		read_options(options, &filter);
	reader->on_filter(reader->context, &filter);
	return MNL_CB_OK;
}

int tc_filters_read(struct tc_batch *batch, uint32_t ifindex, tc_filter_fn on_filter, void *context)
{
	struct reader reader = { on_filter, context };
	struct tcmsg *tc = tc_batch_message(batch, RTM_GETTFILTER, NLM_F_DUMP, ifindex);

	tc->tcm_parent = TC_H_MAKE(TC_H_INGRESS, 0);
	/* Those of chain 0 say all there is to know, and there may be many others. */
	mnl_attr_put_u32(batch->last, TCA_CHAIN, 0);
	return ask(batch, on_filter_message, &reader);
}
