/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/socket_listener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "guest-init/connection_table.h"
#include "guest-init/protocol.h"
#include "guest-init/scope.h"
#include "guest-init/shared_tree.h"

#define LISTENERS_BACKLOG 128
#define LISTENERS_EVENTS_MAX 32
#define LISTENERS_DRAIN_MS 1000 /* for peers on the host that do not read */

/* Events have the numbers of the listeners, then those of the connections. */
_Static_assert(CONNECTION_TABLE_MAX == PROTOCOL_SOCKET_CONNECTIONS_MAX, "as the host has it");

struct socket_listener {
	uint32_t id; /* 0: unused */
	int fd;
};

struct socket_listeners {
	int epoll_fd;
	bool is_full;	     /* listeners with clients wait until a connection ends */
	int64_t deadline_ms; /* after the end */
	struct socket_listener listeners[PROTOCOL_SOCKETS_MAX];
	struct connection_table connections;
};

static int64_t listeners_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct socket_listeners *socket_listeners_new(struct failure *err)
{
	struct socket_listeners *listeners = calloc(1, sizeof(*listeners));

	if (!listeners) {
		(void)failure_set(err, ENOMEM, "prepare for sockets of the host");
		return NULL;
	}
	listeners->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (listeners->epoll_fd < 0) {
		(void)failure_set(err, errno, "prepare for sockets of the host");
		free(listeners);
		return NULL;
	}
	connection_table_init(&listeners->connections, listeners->epoll_fd, PROTOCOL_SOCKETS_MAX);
	return listeners;
}

void socket_listeners_free(struct socket_listeners *listeners)
{
	socket_listeners_end(listeners);
	connection_table_fini(&listeners->connections);
	fd_close(&listeners->epoll_fd);
	free(listeners);
}

int socket_listeners_epoll_fd(const struct socket_listeners *listeners)
{
	return listeners->epoll_fd;
}

static struct socket_listener *listeners_find(struct socket_listeners *listeners, uint32_t id)
{
	for (size_t i = 0; i < ARRAY_SIZE(listeners->listeners); i++)
		if (listeners->listeners[i].id == id)
			return &listeners->listeners[i];
	return NULL;
}

/* Wait for the next client of a listener: it is told of one at a time. */
static int listeners_watch(const struct socket_listeners *listeners,
			   const struct socket_listener *listener, int operation)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLONESHOT,
		.data = { .u64 = (uint64_t)(listener - listeners->listeners) },
	};

	return epoll_ctl(listeners->epoll_fd, operation, listener->fd, &event);
}

/* The steps of protocol.h. */
static int listener_open(uint32_t id)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(address.sun_path, sizeof(address.sun_path),
		       SHARED_TREE_PATH "/" PROTOCOL_SOCKET_NAME "%u", id);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, LISTENERS_BACKLOG))
		return -1;
	(void)access(address.sun_path, F_OK);
	return fd_take(&fd);
}

void socket_listeners_add(struct socket_listeners *listeners, uint32_t id)
{
	struct socket_listener *listener = listeners_find(listeners, 0);
	int fd;

	if (!listener || listeners->deadline_ms || listeners_find(listeners, id))
		return;
	fd = listener_open(id);
	if (fd < 0)
		return;
	*listener = (struct socket_listener){ .id = id, .fd = fd };
	if (listeners_watch(listeners, listener, EPOLL_CTL_ADD))
		socket_listeners_remove(listeners, id);
}

void socket_listeners_remove(struct socket_listeners *listeners, uint32_t id)
{
	struct socket_listener *listener = listeners_find(listeners, id);

	if (!id || !listener)
		return;
	fd_close(&listener->fd);
	listener->id = 0;
}

static void listeners_accept(struct socket_listeners *listeners, struct socket_listener *listener)
{
	int client_fd;

	if (!listener->id)
		return;
	if (connection_table_is_full(&listeners->connections)) {
		listeners->is_full = true;
		return;
	}
	client_fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
	if (client_fd < 0 && errno != EAGAIN && errno != ECONNABORTED) {
		listeners->is_full = true; /* out of something that a connection frees */
		return;
	}
	if (client_fd >= 0)
		connection_table_add(&listeners->connections, client_fd,
				     PROTOCOL_PORT_SOCKETS + listener->id);
	(void)listeners_watch(listeners, listener, EPOLL_CTL_MOD);
}

static void listeners_on_event(struct socket_listeners *listeners, const struct epoll_event *event)
{
	uint64_t number = event->data.u64;

	if (number < PROTOCOL_SOCKETS_MAX)
		listeners_accept(listeners, &listeners->listeners[number]);
	else
		connection_table_on_event(&listeners->connections, number - PROTOCOL_SOCKETS_MAX,
					  event->events);
}

/* There is room again: listeners that were left alone tell of their clients. */
static void listeners_resume(struct socket_listeners *listeners)
{
	listeners->is_full = false;
	for (size_t i = 0; i < ARRAY_SIZE(listeners->listeners); i++)
		if (listeners->listeners[i].id)
			(void)listeners_watch(listeners, &listeners->listeners[i], EPOLL_CTL_MOD);
}

bool socket_listeners_run(struct socket_listeners *listeners)
{
	struct epoll_event events[LISTENERS_EVENTS_MAX];
	int nr_events = epoll_wait(listeners->epoll_fd, events, LISTENERS_EVENTS_MAX, 0);
	bool is_ready = nr_events == LISTENERS_EVENTS_MAX;
	bool has_room;

	for (int i = 0; i < nr_events; i++)
		listeners_on_event(listeners, &events[i]);
	is_ready = connection_table_run(&listeners->connections, &has_room) || is_ready;
	if (has_room && listeners->is_full)
		listeners_resume(listeners);
	return is_ready;
}

void socket_listeners_end(struct socket_listeners *listeners)
{
	for (size_t i = 0; i < ARRAY_SIZE(listeners->listeners); i++)
		socket_listeners_remove(listeners, listeners->listeners[i].id);
	listeners->deadline_ms = listeners_now_ms() + LISTENERS_DRAIN_MS;
}

bool socket_listeners_are_draining(const struct socket_listeners *listeners)
{
	if (listeners_now_ms() >= listeners->deadline_ms)
		return false;
	return connection_table_is_draining(&listeners->connections);
}
