/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket_connect.h - the container process connects to sockets of the host on the guest's behalf,
 * and hands the connections to the monitor (backend/socket_channel.h)
 *
 * Reachable is what the file server has offered, and that is below the container's root: sockets in
 * bind mounts. The peer sees this process's credentials.
 *
 * Thread: the container process's main one; the table is shared with the file server's.
 * Trust:  the monitor's messages are as good as the guest's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/file_server/host_sockets.h"

struct socket_connect {
	int channel_fd;		    /* -1 when the monitor broke the rules or is gone; owned */
	int proc_fd;		    /* this process's own /proc/self/fd, borrowed */
	int root_fd;		    /* the container's root; owned */
	struct host_sockets *table; /* owned */
};

/* Take @channel_fd. */
int socket_connect_init(struct socket_connect *connect, int channel_fd, struct error *err);

/*
 * From now on connections can be made: this process's root is the container's. @proc_fd is an
 * O_PATH descriptor of its /proc/self/fd.
 */
int socket_connect_start(struct socket_connect *connect, int proc_fd, struct error *err);

/*
 * Serve the messages that have come, a bounded number of them; never blocks. The working directory
 * is "/" afterwards.
 */
void socket_connect_serve(struct socket_connect *connect);
