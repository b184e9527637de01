/* SPDX-License-Identifier: Apache-2.0 */
/* socket_connection.h - one client and the host: bytes both ways, each with its end */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest-init/stream_pump.h"

/* What an event of a connection is about. */
enum socket_connection_event {
	SOCKET_HOST_CONNECTED,
	SOCKET_CLIENT_READABLE,
	SOCKET_CLIENT_WRITABLE,
	SOCKET_HOST_READABLE,
	SOCKET_HOST_WRITABLE,
	SOCKET_NR_EVENTS,
};

struct socket_connection {
	int client_fd, host_fd; /* while connecting to the host; then the pumps have them */
	struct stream_pump to_host, to_client;
};

/*
 * Take @client_fd (also on failure) and connect it to @port of the host, without waiting for
 * that. Events arrive at @epoll_fd with data.u64 = @event_base + enum socket_connection_event.
 * Returns NULL when it cannot be done.
 */
struct socket_connection *socket_connection_new(int client_fd, uint32_t port, int epoll_fd,
						uint64_t event_base);

/* Note an event. */
void socket_connection_on_event(struct socket_connection *connection,
				enum socket_connection_event event, uint32_t events, int epoll_fd,
				uint64_t event_base);

/* Move bytes. Returns true if more could be moved at once. */
bool socket_connection_run(struct socket_connection *connection);

/* Whether bytes of the client may still be on their way to the host. */
bool socket_connection_is_draining(const struct socket_connection *connection);

/* Whether nothing is left to do. */
bool socket_connection_is_over(const struct socket_connection *connection);

void socket_connection_free(struct socket_connection *connection);
