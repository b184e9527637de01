/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink.h - requests to the kernel about interfaces, addresses and routes: rtnetlink(7)
 *
 * A request is built in place, sent, and answered before the function returns. What does not fit
 * into a request is found when it is sent.
 */
#pragma once

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-init/failure.h"

#define NETLINK_REQUEST_SIZE 512u
#define NETLINK_ANSWER_SIZE 32768u /* the kernel's own limit for a message */

struct netlink {
	int fd;
	uint32_t sequence; /* of the last request */
};

struct netlink_request {
	union {
		struct nlmsghdr head;
		uint8_t bytes[NETLINK_REQUEST_SIZE];
	};
	size_t len;
	int is_too_long; /* something did not fit */
};

/* Talk about the network namespace that the caller is in now. */
int netlink_open(struct netlink *netlink, struct failure *err);

void netlink_close(struct netlink *netlink);

/* Begin a request @type (RTM_…) with @flags beside NLM_F_REQUEST, and the struct of that type. */
void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, const void *body,
		   size_t size);

/* Append an attribute. */
void netlink_add(struct netlink_request *request, uint16_t type, const void *data, size_t size);
void netlink_add_u32(struct netlink_request *request, uint16_t type, uint32_t value);
void netlink_add_string(struct netlink_request *request, uint16_t type, const char *string);

/* Attributes added between the two are inside of attribute @type. Returns what the end takes. */
size_t netlink_nest(struct netlink_request *request, uint16_t type);
void netlink_nest_end(struct netlink_request *request, size_t nest);

/* Send it. Returns 0, or a negative errno value: the kernel's answer. */
int netlink_send(struct netlink *netlink, struct netlink_request *request);

/*
 * Send it and receive the one message that answers it into @answer (NETLINK_ANSWER_SIZE bytes).
 * Returns 0 or a negative errno value.
 */
int netlink_ask(struct netlink *netlink, struct netlink_request *request, struct nlmsghdr *answer);

/*
 * The attribute @type of @message, which begins with a struct of @body_size bytes. Returns its
 * data, of at least @min_size bytes, or NULL.
 */
const void *netlink_find(const struct nlmsghdr *message, size_t body_size, uint16_t type,
			 size_t min_size);
