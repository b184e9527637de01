/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver_connect.h - connections to the resolver of the network namespace, 127.0.0.11:53, for the
 * monitor (backend/socket_channel.h, socket NETWORK_RESOLVER)
 *
 * Thread: the network process's only one. Nothing here blocks.
 * Trust:  the monitor's messages are as good as the guest's.
 */
#pragma once

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#define RESOLVER_CONNECTS_MAX 64u /* at a time; more are refused with EAGAIN */

struct resolver_connect {
	int channel_fd; /* -1 when the monitor broke the rules; owned */
	size_t nr_connects;
	int fds[RESOLVER_CONNECTS_MAX]; /* being connected; owned */
	uint32_t requests[RESOLVER_CONNECTS_MAX];
};

/* Take @channel_fd. */
void resolver_connect_init(struct resolver_connect *resolver, int channel_fd);
void resolver_connect_fini(struct resolver_connect *resolver);

/* Put what to wait for into @pollfds (RESOLVER_CONNECTS_MAX + 1). Returns how many there are. */
size_t resolver_connect_prepare(const struct resolver_connect *resolver, struct pollfd *pollfds);

/* Do what there is to do by now: a bounded number of messages, and connections that are made. */
void resolver_connect_serve(struct resolver_connect *resolver);
