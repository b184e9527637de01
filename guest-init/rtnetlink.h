/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink.h - requests to the kernel about interfaces, addresses and routes: rtnetlink(7)
 *
 * A request is built in place, sent, and answered before the function returns. What does not fit
 * into a request is found when it is sent.
 */
#pragma once

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-init/failure.h"

#define RTNETLINK_REQUEST_SIZE 512u
#define RTNETLINK_ANSWER_SIZE 32768u /* the kernel's own limit for a message */

struct rtnetlink {
	int fd;
	uint32_t sequence; /* of the last request */
};

struct rtnetlink_request {
	union {
		struct nlmsghdr head;
		uint8_t bytes[RTNETLINK_REQUEST_SIZE];
	};
	size_t len;
	int is_too_long; /* something did not fit */
};

/* Talk about the network namespace that the caller is in now. */
int rtnetlink_open(struct rtnetlink *netlink, struct failure *err);

void rtnetlink_close(struct rtnetlink *netlink);

/* Begin a request @type (RTM_…) with @flags beside NLM_F_REQUEST, and the struct of that type. */
void rtnetlink_begin(struct rtnetlink_request *request, uint16_t type, uint16_t flags,
		     const void *body, size_t size);

/* Append an attribute. */
void rtnetlink_add(struct rtnetlink_request *request, uint16_t type, const void *data, size_t size);
void rtnetlink_add_u32(struct rtnetlink_request *request, uint16_t type, uint32_t value);
void rtnetlink_add_string(struct rtnetlink_request *request, uint16_t type, const char *string);

/* Attributes added between the two are inside of attribute @type. Returns what the end takes. */
size_t rtnetlink_nest(struct rtnetlink_request *request, uint16_t type);
void rtnetlink_nest_end(struct rtnetlink_request *request, size_t nest);

/* Send it. Returns 0, or a negative errno value: the kernel's answer. */
int rtnetlink_send(struct rtnetlink *netlink, struct rtnetlink_request *request);

/*
 * Send it and receive the one message that answers it into @answer (RTNETLINK_ANSWER_SIZE bytes).
 * Returns 0 or a negative errno value.
 */
int rtnetlink_ask(struct rtnetlink *netlink, struct rtnetlink_request *request,
		  struct nlmsghdr *answer);

/*
 * The attribute @type of @message, which begins with a struct of @body_size bytes. Returns its
 * data, of at least @min_size bytes, or NULL.
 */
const void *rtnetlink_find(const struct nlmsghdr *message, size_t body_size, uint16_t type,
			   size_t min_size);
