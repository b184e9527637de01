/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest-init/scope.h"

int netlink_open(struct netlink *netlink, struct failure *err)
{
	netlink->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	netlink->sequence = 0;
	return netlink->fd < 0 ? failure_set(err, errno, "open a netlink socket") : 0;
}

void netlink_close(struct netlink *netlink)
{
	fd_close(&netlink->fd);
}

/* Room for @size bytes at the end, aligned and cleared, or NULL. */
static void *request_extend(struct netlink_request *request, size_t size)
{
	size_t begin = NLMSG_ALIGN(request->len);

	if (begin > sizeof(request->bytes) || size > sizeof(request->bytes) - begin) {
		request->is_too_long = 1;
		return NULL;
	}
	request->len = begin + size;
	return request->bytes + begin;
}

void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, const void *body,
		   size_t size)
{
	void *room;

	memset(request, 0, sizeof(*request));
	request->len = NLMSG_HDRLEN;
	request->head.nlmsg_type = type;
	request->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	room = request_extend(request, size);
	if (room)
		memcpy(room, body, size);
}

void netlink_add(struct netlink_request *request, uint16_t type, const void *data, size_t size)
{
	struct rtattr *attribute = request_extend(request, RTA_LENGTH(size));

	if (!attribute)
		return;
	attribute->rta_type = type;
	attribute->rta_len = (uint16_t)RTA_LENGTH(size);
	if (size)
		memcpy(RTA_DATA(attribute), data, size);
}

void netlink_add_u32(struct netlink_request *request, uint16_t type, uint32_t value)
{
	netlink_add(request, type, &value, sizeof(value));
}

void netlink_add_string(struct netlink_request *request, uint16_t type, const char *string)
{
	netlink_add(request, type, string, strlen(string) + 1);
}

size_t netlink_nest(struct netlink_request *request, uint16_t type)
{
	size_t nest = NLMSG_ALIGN(request->len);

	netlink_add(request, type | NLA_F_NESTED, NULL, 0);
	return nest;
}

void netlink_nest_end(struct netlink_request *request, size_t nest)
{
	uint16_t len = (uint16_t)(request->len - nest);

	if (!request->is_too_long)
		memcpy(request->bytes + nest + offsetof(struct rtattr, rta_len), &len, sizeof(len));
}

static ssize_t netlink_receive(int fd, void *answer, size_t size)
{
	ssize_t n;

	do
		n = recv(fd, answer, size, MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	return n;
}

/* Answers are whole messages, one a packet; those of requests before, given up, are skipped. */
int netlink_ask(struct netlink *netlink, struct netlink_request *request, struct nlmsghdr *answer)
{
	if (request->is_too_long)
		return -E2BIG;
	request->head.nlmsg_len = (uint32_t)request->len;
	request->head.nlmsg_seq = ++netlink->sequence;
	if (send(netlink->fd, request->bytes, request->len, 0) != (ssize_t)request->len)
		return -errno;
	do {
		ssize_t n = netlink_receive(netlink->fd, answer, NETLINK_ANSWER_SIZE);

		if (n < 0)
			return -errno;
		if ((size_t)n < sizeof(*answer) || (size_t)n > NETLINK_ANSWER_SIZE ||
		    answer->nlmsg_len < sizeof(*answer) || answer->nlmsg_len > (size_t)n)
			return -EPROTO;
	} while (answer->nlmsg_seq != netlink->sequence);
	if (answer->nlmsg_type != NLMSG_ERROR)
		return 0;
	if (answer->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
		return -EPROTO;
	return ((const struct nlmsgerr *)NLMSG_DATA(answer))->error;
}

int netlink_send(struct netlink *netlink, struct netlink_request *request)
{
	AUTO_FREE struct nlmsghdr *answer = malloc(NETLINK_ANSWER_SIZE);

	request->head.nlmsg_flags |= NLM_F_ACK;
	return answer ? netlink_ask(netlink, request, answer) : -ENOMEM;
}

const void *netlink_find(const struct nlmsghdr *message, size_t body_size, uint16_t type,
			 size_t min_size)
{
	const char *bytes = (const char *)message;
	size_t offset = NLMSG_SPACE(body_size);

	while (offset < message->nlmsg_len && message->nlmsg_len - offset >= RTA_LENGTH(0)) {
		struct rtattr attribute;

		memcpy(&attribute, bytes + offset, sizeof(attribute));
		if (attribute.rta_len < RTA_LENGTH(0) ||
		    attribute.rta_len > message->nlmsg_len - offset)
			return NULL;
		if ((attribute.rta_type & NLA_TYPE_MASK) == type)
			return attribute.rta_len >= RTA_LENGTH(min_size)
				       ? bytes + offset + RTA_LENGTH(0)
				       : NULL;
		offset += RTA_ALIGN(attribute.rta_len);
	}
	return NULL;
}
