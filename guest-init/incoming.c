/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/incoming.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "guest-init/connection_table.h"
#include "guest-init/host_connection.h"
#include "guest-init/scope.h"

#define INCOMING_EVENTS_MAX 32
#define INCOMING_DRAIN_MS 1000 /* for clients on the host that do not read */

_Static_assert(CONNECTION_TABLE_MAX == PROTOCOL_INCOMING_MAX, "as many as the host sends");

/*
 * On its way to the container's port, by IPv4, then by IPv6; or, when nobody listens, to the host,
 * to tell so by its end.
 */
enum attempt_state { ATTEMPT_NONE, ATTEMPT_IPV4, ATTEMPT_IPV6, ATTEMPT_REFUSAL };

struct attempt {
	enum attempt_state state;
	int fd; /* connecting */
	uint16_t port;
};

/* Events have the numbers of the attempts, then those of the connections. */
struct incoming {
	int epoll_fd;
	int64_t deadline_ms;				/* after the end */
	struct attempt attempts[PROTOCOL_INCOMING_MAX]; /* by id */
	struct connection_table connections;
};

struct incoming *incoming_new(struct failure *err)
{
	struct incoming *incoming = calloc(1, sizeof(*incoming));
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	if (!incoming || epoll_fd < 0) {
		(void)failure_set(err, incoming ? errno : ENOMEM, "prepare for connections");
		fd_close(&epoll_fd);
		free(incoming);
		return NULL;
	}
	incoming->epoll_fd = epoll_fd;
	connection_table_init(&incoming->connections, epoll_fd, PROTOCOL_INCOMING_MAX);
	return incoming;
}

void incoming_free(struct incoming *incoming)
{
	if (!incoming)
		return;
	incoming_end(incoming);
	connection_table_fini(&incoming->connections);
	fd_close(&incoming->epoll_fd);
	free(incoming);
}

static int64_t incoming_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void incoming_end(struct incoming *incoming)
{
	for (size_t i = 0; i < PROTOCOL_INCOMING_MAX; i++)
		if (incoming->attempts[i].state != ATTEMPT_NONE) {
			fd_close(&incoming->attempts[i].fd);
			incoming->attempts[i].state = ATTEMPT_NONE;
		}
	incoming->deadline_ms = incoming_now_ms() + INCOMING_DRAIN_MS;
}

bool incoming_is_draining(const struct incoming *incoming)
{
	return incoming_now_ms() < incoming->deadline_ms &&
	       connection_table_is_draining(&incoming->connections);
}

int incoming_epoll_fd(const struct incoming *incoming)
{
	return incoming->epoll_fd;
}

/* Begin to connect. Returns the descriptor or a negative errno value. */
static int attempt_open(const struct attempt *attempt)
{
	const struct sockaddr_in ipv4 = {
		.sin_family = AF_INET,
		.sin_port = htons(attempt->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const struct sockaddr_in6 ipv6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(attempt->port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	bool is_ipv4 = attempt->state == ATTEMPT_IPV4;
	AUTO_CLOSE int fd =
		socket(is_ipv4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	if (is_ipv4)
		r = connect(fd, (const struct sockaddr *)&ipv4, sizeof(ipv4));
	else
		r = connect(fd, (const struct sockaddr *)&ipv6, sizeof(ipv6));
	return r && errno != EINPROGRESS ? -errno : fd_take(&fd);
}

/* Go on with @attempt, whose descriptor is closed, as @state says, or with what comes after it. */
static void incoming_try(struct incoming *incoming, uint32_t id, enum attempt_state state)
{
	struct attempt *attempt = &incoming->attempts[id];
	struct epoll_event event = { .events = EPOLLOUT, .data = { .u64 = id } };

	for (; state <= ATTEMPT_REFUSAL; state++) {
		attempt->state = state;
		attempt->fd = state == ATTEMPT_REFUSAL
				      ? host_connection_begin(PROTOCOL_PORT_INCOMING + id)
				      : attempt_open(attempt);
		if (attempt->fd >= 0 &&
		    !epoll_ctl(incoming->epoll_fd, EPOLL_CTL_ADD, attempt->fd, &event))
			return;
		fd_close(&attempt->fd);
	}
	attempt->state = ATTEMPT_NONE;
}

void incoming_connect(struct incoming *incoming, uint32_t id, uint16_t port)
{
	if (id >= PROTOCOL_INCOMING_MAX || incoming->attempts[id].state != ATTEMPT_NONE ||
	    incoming->deadline_ms)
		return;
	incoming->attempts[id].port = port;
	incoming_try(incoming, id, ATTEMPT_IPV4);
}

static void incoming_on_attempt(struct incoming *incoming, uint32_t id)
{
	struct attempt *attempt = &incoming->attempts[id];
	enum attempt_state state = attempt->state;
	int error = 0;
	socklen_t size = sizeof(error);

	if (state == ATTEMPT_NONE)
		return;
	if (state == ATTEMPT_REFUSAL) {
		fd_close(&attempt->fd);
		attempt->state = ATTEMPT_NONE;
		return;
	}
	if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &size) || error ||
	    connection_table_is_full(&incoming->connections)) {
		fd_close(&attempt->fd);
		incoming_try(incoming, id, state + 1);
		return;
	}
	attempt->state = ATTEMPT_NONE;
	(void)epoll_ctl(incoming->epoll_fd, EPOLL_CTL_DEL, attempt->fd, NULL);
	connection_table_add(&incoming->connections, fd_take(&attempt->fd),
			     PROTOCOL_PORT_INCOMING + id);
}

bool incoming_run(struct incoming *incoming)
{
	struct epoll_event events[INCOMING_EVENTS_MAX];
	int nr_events = epoll_wait(incoming->epoll_fd, events, INCOMING_EVENTS_MAX, 0);
	bool has_room;

	for (int i = 0; i < nr_events; i++) {
		uint64_t number = events[i].data.u64;

		if (number < PROTOCOL_INCOMING_MAX)
			incoming_on_attempt(incoming, (uint32_t)number);
		else
			connection_table_on_event(&incoming->connections,
						  number - PROTOCOL_INCOMING_MAX, events[i].events);
	}
	return connection_table_run(&incoming->connections, &has_room) ||
	       nr_events == INCOMING_EVENTS_MAX;
}
