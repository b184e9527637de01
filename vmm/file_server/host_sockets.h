/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_sockets.h - the unix sockets of the host that the guest may connect to
 *
 * A socket on offer has a number, and an O_PATH descriptor of its own: what is connected to is the
 * very node that the guest looked at, whatever its names lead to by now.
 *
 *   state      means                                        becomes
 *   OFFERED    guest-init was told                          BOUND when it binds to the node
 *   BOUND      it has done so                               LISTENING when it listens
 *   LISTENING  who connects in the guest finds guest-init
 *
 * From every state a socket is withdrawn, and its number void, when nobody listens on the host any
 * more: a socket that its process closed cannot be brought back to life.
 *
 * Thread: any; a lock is inside. host_sockets_is_alive() and host_sockets_offer() need
 *         /proc/self/fd as the working directory.
 * Trust:  numbers are the guest's, by way of the monitor.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest-init/protocol.h"

enum host_socket_state {
	HOST_SOCKET_NONE, /* no such number */
	HOST_SOCKET_OFFERED,
	HOST_SOCKET_BOUND,
	HOST_SOCKET_LISTENING,
};

struct host_sockets;

/*
 * A table without an offer. @channel_fd (backend/socket_channel.h) stays the caller's. Returns NULL
 * when out of memory.
 */
struct host_sockets *host_sockets_new(int channel_fd);
void host_sockets_free(struct host_sockets *sockets); /* accepts NULL */

void host_sockets_enable(struct host_sockets *sockets);
bool host_sockets_are_enabled(struct host_sockets *sockets);

/*
 * Whether a process has the socket @fd (O_PATH) open that connections can be made to. It is not
 * disturbed.
 */
bool host_sockets_is_alive(int fd);

/*
 * Offer the socket @fd (O_PATH, borrowed), which is node @nodeid of the guest. Returns its number,
 * or 0 when it cannot be offered now.
 */
uint32_t host_sockets_offer(struct host_sockets *sockets, int fd, uint64_t nodeid);

/* The state of socket @id; *@ret_offered_ms and *@ret_nodeid are set unless it is NONE. */
enum host_socket_state host_sockets_state(struct host_sockets *sockets, uint32_t id,
					  int64_t *ret_offered_ms, uint64_t *ret_nodeid);

/* Note that socket @id has come to @state. */
void host_sockets_advance(struct host_sockets *sockets, uint32_t id, enum host_socket_state state);

/* An O_PATH descriptor of socket @id, the caller's, or -ENOENT. */
int host_sockets_open(struct host_sockets *sockets, uint32_t id);

/* Nobody listens at @id any more. Does nothing for a number that is void. */
void host_sockets_withdraw(struct host_sockets *sockets, uint32_t id);
