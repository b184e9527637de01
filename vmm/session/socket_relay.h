/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket_relay.h - connections of the guest to unix sockets of the host, as the monitor sees them
 *
 * The container process says which sockets there are, connects to them when asked, and hands over
 * the connection (backend/socket_channel.h); guest-init makes a vsock connection for each of its
 * clients (guest-init/protocol.h). Here one is joined to the other.
 *
 *   state     means                                        becomes
 *   FREE      unused                                       ASKED when the guest connects
 *   ASKED     the container process is connecting          RELAYING, or FREE if it cannot
 *   ORPHANED  the same, but the guest is gone              FREE with the answer
 *   RELAYING  bytes flow                                   FREE when neither end is left
 *
 * Thread: the event loop's; the vsock device's lock is held except in init and fini.
 * Trust:  the guest may connect to any number at any time, and so often that all relays are taken:
 *         then no more are accepted. The container process is not believed either.
 */
#pragma once

#include "guest-init/protocol.h"
#include "vmm/event/event_loop.h"
#include "vmm/session/guest_channel.h"
#include "vmm/session/relay.h"

enum socket_relay_state {
	SOCKET_RELAY_FREE,
	SOCKET_RELAY_ASKED,
	SOCKET_RELAY_ORPHANED,
	SOCKET_RELAY_RELAYING,
};

struct socket_relay {
	struct stream_handler handler;	     /* until there is a relay */
	struct vsock_connection *connection; /* likewise */
	enum socket_relay_state state;
	uint32_t socket;
	struct relay relay;
};

struct socket_relays {
	struct event_source channel; /* fd -1: there are no sockets */
	struct event_loop *loop;
	struct vsock *vsock;
	struct guest_channel *guest;
	struct socket_relay relays[PROTOCOL_SOCKET_CONNECTIONS_MAX];
};

/* Make a struct that socket_relays_fini() accepts. */
void socket_relays_prepare(struct socket_relays *sockets);

/* Take @channel_fd, also on failure; -1: no socket can be reached. */
int socket_relays_init(struct socket_relays *sockets, int channel_fd, struct guest_channel *guest,
		       struct vsock *vsock, struct event_loop *loop, struct error *err);
void socket_relays_fini(struct socket_relays *sockets);

/* guest-init takes offers from now on. */
void socket_relays_enable(struct socket_relays *sockets);

/* The guest connects to socket number @socket. Returns whether that is accepted. */
bool socket_relays_connect(struct socket_relays *sockets, struct vsock_connection *connection,
			   uint32_t socket);

/* The container has ended: hand on what can be handed on without waiting. */
void socket_relays_finish(struct socket_relays *sockets);
