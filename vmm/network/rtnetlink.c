/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/network/rtnetlink.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>

#include "vmm/base/fd.h"

/* The kernel's messages of a dump are no longer than what was read before, this at most. */
#define ANSWER_SIZE 32768u

struct mnl_socket *rtnetlink_open(unsigned int groups, struct error *err)
{
	int flags = SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0);
	struct mnl_socket *netlink = mnl_socket_open2(NETLINK_ROUTE, flags);

	if (netlink && mnl_socket_bind(netlink, groups, MNL_SOCKET_AUTOPID) == 0)
		return netlink;
	error_set(err, errno, "open a netlink socket");
	if (netlink)
		mnl_socket_close(netlink);
	return NULL;
}

/* What an earlier failure may have left unread has another number. */
static uint32_t sequence(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)(now.tv_sec * 1000000000 + now.tv_nsec);
}

/* Returns 1 at the answer's end, 0 before it, or a negative errno value, which also ends it. */
static int take(const struct nlmsghdr *message, rtnetlink_fn on_message, void *context)
{
	const struct nlmsgerr *failure = mnl_nlmsg_get_payload(message);
	const int *code = mnl_nlmsg_get_payload(message);

	switch (message->nlmsg_type) {
	case NLMSG_NOOP:
		return 0;
	case NLMSG_DONE:
		if (mnl_nlmsg_get_payload_len(message) >= sizeof(*code) && *code < 0)
			return *code;
		return 1;
	case NLMSG_ERROR:
		if (mnl_nlmsg_get_payload_len(message) < sizeof(failure->error))
			return -EBADMSG;
		return failure->error < 0 ? failure->error : 1;
	default:
		if (on_message)
			on_message(context, message);
		return 0;
	}
}

int rtnetlink_ask(struct mnl_socket *netlink, struct nlmsghdr *request, rtnetlink_fn on_message,
		  void *context)
{
	AUTO_FREE char *answer = malloc(ANSWER_SIZE);
	bool is_interrupted = false;
	int r = 0;

	if (!answer)
		return -ENOMEM;
	request->nlmsg_flags |= NLM_F_REQUEST;
	if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		request->nlmsg_flags |= NLM_F_ACK;
	request->nlmsg_seq = sequence();
	if (mnl_socket_sendto(netlink, request, request->nlmsg_len) < 0)
		return -errno;
	while (!r) {
		ssize_t n = mnl_socket_recvfrom(netlink, answer, ANSWER_SIZE);
		const struct nlmsghdr *message = (const void *)answer;
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		for (; !r && mnl_nlmsg_ok(message, left);
		     message = mnl_nlmsg_next(message, &left)) {
			if (!mnl_nlmsg_seq_ok(message, request->nlmsg_seq))
				continue;
			is_interrupted |= !!(message->nlmsg_flags & NLM_F_DUMP_INTR);
			r = take(message, on_message, context);
		}
	}
	if (r < 0)
		return r;
	return is_interrupted ? -EINTR : 0;
}

struct rtnetlink_attributes rtnetlink_attributes_at(const void *start, size_t len)
{
	return (struct rtnetlink_attributes){ .next = start, .left = len };
}

struct rtnetlink_attributes rtnetlink_attributes(const struct nlmsghdr *message, size_t header_size)
{
	size_t len = mnl_nlmsg_get_payload_len(message);

	if (len < NLMSG_ALIGN(header_size))
		return (struct rtnetlink_attributes){ .left = 0 };
	return rtnetlink_attributes_at(mnl_nlmsg_get_payload_offset(message, header_size),
				       len - NLMSG_ALIGN(header_size));
}

const struct nlattr *rtnetlink_next(struct rtnetlink_attributes *attributes)
{
	const struct nlattr *attribute = attributes->next;
	size_t size;

	if (attributes->left < sizeof(*attribute) || attribute->nla_len < sizeof(*attribute) ||
	    attribute->nla_len > attributes->left)
		return NULL;
	size = NLMSG_ALIGN((size_t)attribute->nla_len);
	attributes->left -= size < attributes->left ? size : attributes->left;
	attributes->next = mnl_attr_next(attribute);
	return attribute;
}
