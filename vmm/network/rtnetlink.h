/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink.h - one question to the kernel's rtnetlink, and all of its answer
 *
 * Thread: the network process's only one.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <stdint.h>

#include "vmm/base/error.h"

#define RTNETLINK_REQUEST_SIZE 1024u /* what a request of this folder's may need */

typedef void (*rtnetlink_fn)(void *context, const struct nlmsghdr *message);

/*
 * Open a socket for requests, or, with @groups (a mask of RTMGRP_…) other than 0, one that never
 * blocks for news of these groups. Returns NULL on failure.
 */
struct mnl_socket *rtnetlink_open(unsigned int groups, struct error *err);

/*
 * Send @request and wait for the answer's end. @request has its type and NLM_F_DUMP, or what goes
 * with its type (NLM_F_CREATE…), or nothing in its flags: the others are set here. Each message of
 * the answer goes to @on_message, unless that is NULL. Returns 0, -EINTR when what was dumped has
 * changed meanwhile, or the kernel's negative errno value.
 */
int rtnetlink_ask(struct mnl_socket *netlink, struct nlmsghdr *request, rtnetlink_fn on_message,
		  void *context);

/* The attributes of a message, or of another attribute, one after the other. */
struct rtnetlink_attributes {
	const struct nlattr *next;
	size_t left; /* bytes */
};

/* Of @message, whose family has a header of @header_size bytes. */
struct rtnetlink_attributes rtnetlink_attributes(const struct nlmsghdr *message,
						 size_t header_size);

/* Of @len bytes at @start. */
struct rtnetlink_attributes rtnetlink_attributes_at(const void *start, size_t len);

/* Returns the next attribute, which is whole, or NULL at the end. */
const struct nlattr *rtnetlink_next(struct rtnetlink_attributes *attributes);
