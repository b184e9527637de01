/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_pairs.h - guest-init's connections to the host, in its place: a socket pair for each
 *
 * For one source file of a test program, which then has no connections of vsock's.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "guest-init/host_connection.h"

#define NR_CONNECTIONS 200

static int host_fds[NR_CONNECTIONS]; /* the host's ends, in the order of connections */
static unsigned int nr_hosts;
static uint32_t last_port;
static bool is_host_away;

int host_connection_open(uint32_t port, struct failure *err)
{
	return failure_set(err, ECONNREFUSED, "port %u", port);
}

int host_connection_begin(uint32_t port)
{
	int pair[2];

	last_port = port;
	if (is_host_away || nr_hosts == NR_CONNECTIONS ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -ECONNREFUSED;
	host_fds[nr_hosts++] = pair[0];
	return pair[1];
}
