/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/tc_act/tc_gact.h>
#include <linux/tc_act/tc_mirred.h>
#include <string.h>

#include "vmm/network/tc_batch.h"

#define ATTRIBUTES_MAX 128u /* more than any object here has kinds of */

/* Attributes by type. */
struct attributes {
	const struct nlattr *all[ATTRIBUTES_MAX];
};

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

static int keep_attribute(const struct nlattr *attribute, void *context)
{
	struct attributes *attributes = context;
	uint16_t type = mnl_attr_get_type(attribute);

	if (type < ATTRIBUTES_MAX)
		attributes->all[type] = attribute;
	return MNL_CB_OK;
}

static void sort_message(const struct nlmsghdr *message, struct attributes *ret)
{
	*ret = (struct attributes){ 0 };
	(void)mnl_attr_parse(message, sizeof(struct tcmsg), keep_attribute, ret);
}

static void sort_nested(const struct nlattr *nest, struct attributes *ret)
{
	*ret = (struct attributes){ 0 };
	(void)mnl_attr_parse_nested(nest, keep_attribute, ret);
}

static bool is_text(const struct nlattr *attribute, const char *text)
{
	return attribute && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0 &&
	       strcmp(mnl_attr_get_str(attribute), text) == 0;
}

enum ingress { INGRESS_NONE, INGRESS_OTHER, INGRESS_PLAIN };

static int on_ingress(const struct nlmsghdr *answer, void *context)
{
	struct attributes attributes;
	enum ingress *ret = context;

	sort_message(answer, &attributes);
	*ret = is_text(attributes.all[TCA_KIND], "ingress") ? INGRESS_PLAIN : INGRESS_OTHER;
	return MNL_CB_OK;
}

int tc_ingress_exists(struct tc_batch *batch, uint32_t ifindex, bool *ret_is_plain)
{
	/* Without NLM_F_ECHO, kernels such as 6.1 tell everybody but who asks. */
	struct tcmsg *tc = tc_batch_message(batch, RTM_GETQDISC, NLM_F_ACK | NLM_F_ECHO, ifindex);
	enum ingress found = INGRESS_NONE;
	int r;

	tc->tcm_parent = TC_H_INGRESS;
	r = ask(batch, on_ingress, &found);
	*ret_is_plain = found == INGRESS_PLAIN;
	/* Where there was one once, the answer is a success and says nothing. */
	if (r < 0 && r != -ENOENT)
		return r;
	return found != INGRESS_NONE;
}

static void read_action(const struct nlattr *action, struct tc_filter *filter)
{
	struct attributes attributes, options;
	const struct nlattr *parameters;

	sort_nested(action, &attributes);
	if (!attributes.all[TCA_ACT_OPTIONS])
		return;
	sort_nested(attributes.all[TCA_ACT_OPTIONS], &options);
	parameters = options.all[TCA_GACT_PARMS];
	if (is_text(attributes.all[TCA_ACT_KIND], "gact") && parameters &&
	    mnl_attr_get_payload_len(parameters) >= sizeof(struct tc_gact)) {
		const struct tc_gact *gact = mnl_attr_get_payload(parameters);
		uint32_t verdict = (uint32_t)gact->action;

		if ((verdict & ~(uint32_t)TC_ACT_EXT_VAL_MASK) == TC_ACT_GOTO_CHAIN)
			filter->goes_to = verdict & TC_ACT_EXT_VAL_MASK;
	}
	parameters = options.all[TCA_MIRRED_PARMS];
	if (is_text(attributes.all[TCA_ACT_KIND], "mirred") && parameters &&
	    mnl_attr_get_payload_len(parameters) >= sizeof(struct tc_mirred)) {
		const struct tc_mirred *mirred = mnl_attr_get_payload(parameters);

		filter->has_target = true;
		filter->target = mirred->ifindex;
	}
}

/* The numbers of attributes are each classifier's own. */
static void read_flower(const struct nlattr *options, struct tc_filter *filter)
{
	struct attributes attributes, actions;

	filter->is_flower = true;
	if (!options)
		return;
	sort_nested(options, &attributes);
	if (!attributes.all[TCA_FLOWER_ACT])
		return;
	sort_nested(attributes.all[TCA_FLOWER_ACT], &actions);
	for (size_t i = 0; i < ATTRIBUTES_MAX; i++)
		if (actions.all[i])
			read_action(actions.all[i], filter);
}

static int on_filter_message(const struct nlmsghdr *answer, void *context)
{
	const struct reader *reader = context;
	const struct tcmsg *tc = mnl_nlmsg_get_payload(answer);
	struct tc_filter filter = { 0 };
	struct attributes attributes;

	if (answer->nlmsg_type != RTM_NEWTFILTER)
		return MNL_CB_OK;
	sort_message(answer, &attributes);
	filter.handle = tc->tcm_handle;
	filter.is_head = !tc->tcm_handle;
	filter.priority = (uint16_t)(tc->tcm_info >> 16);
	if (attributes.all[TCA_CHAIN] &&
	    mnl_attr_validate(attributes.all[TCA_CHAIN], MNL_TYPE_U32) == 0)
		filter.chain = mnl_attr_get_u32(attributes.all[TCA_CHAIN]);
	if (is_text(attributes.all[TCA_KIND], "flower"))
		read_flower(attributes.all[TCA_OPTIONS], &filter);
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
