/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/socket_connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "guest-init/host_connection.h"
#include "guest-init/scope.h"

static int connection_watch(int epoll_fd, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events | EPOLLET, .data = { .u64 = data } };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

struct socket_connection *socket_connection_new(int client_fd, uint32_t port, int epoll_fd,
						uint64_t event_base)
{
	AUTO_CLOSE int client = client_fd;
	AUTO_CLOSE int host = host_connection_begin(port);
	struct socket_connection *connection;

	if (host < 0 ||
	    connection_watch(epoll_fd, host, EPOLLOUT, event_base + SOCKET_HOST_CONNECTED))
		return NULL;
	/* Not cleared: pages of the buffers that nobody uses are none. */
	connection = malloc(sizeof(*connection));
	if (!connection)
		return NULL;
	stream_pump_init_stopped(&connection->to_host);
	stream_pump_init_stopped(&connection->to_client);
	connection->client_fd = fd_take(&client);
	connection->host_fd = fd_take(&host);
	return connection;
}

static void connection_stop(struct socket_connection *connection)
{
	fd_close(&connection->client_fd);
	fd_close(&connection->host_fd);
	stream_pump_stop(&connection->to_host);
	stream_pump_stop(&connection->to_client);
}

/* Both directions have descriptors of their own: each is watched for one thing only. */
static int connection_start(struct socket_connection *connection, int epoll_fd, uint64_t event_base)
{
	AUTO_CLOSE int client_out = fcntl(connection->client_fd, F_DUPFD_CLOEXEC, 0);
	AUTO_CLOSE int host_in = fcntl(connection->host_fd, F_DUPFD_CLOEXEC, 0);
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(connection->host_fd, SOL_SOCKET, SO_ERROR, &error, &size) || error ||
	    client_out < 0 || host_in < 0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, connection->host_fd, NULL) ||
	    connection_watch(epoll_fd, connection->client_fd, EPOLLIN,
			     event_base + SOCKET_CLIENT_READABLE) ||
	    connection_watch(epoll_fd, connection->host_fd, EPOLLOUT,
			     event_base + SOCKET_HOST_WRITABLE) ||
	    connection_watch(epoll_fd, host_in, EPOLLIN, event_base + SOCKET_HOST_READABLE) ||
	    connection_watch(epoll_fd, client_out, EPOLLOUT, event_base + SOCKET_CLIENT_WRITABLE))
		return -1;
	stream_pump_init(&connection->to_host, fd_take(&connection->client_fd),
			 fd_take(&connection->host_fd));
	stream_pump_init(&connection->to_client, fd_take(&host_in), fd_take(&client_out));
	return 0;
}

/*
 * A destination that hung up takes no more bytes. For the client this is its end in both
 * directions, which the host would otherwise learn of with its next bytes only.
 */
static void connection_on_writable(struct stream_pump *pump, uint32_t events)
{
	if (events & (EPOLLERR | EPOLLHUP))
		stream_pump_stop(pump);
	else
		pump->is_ready = stream_pump_is_running(pump);
}

void socket_connection_on_event(struct socket_connection *connection,
				enum socket_connection_event event, uint32_t events, int epoll_fd,
				uint64_t event_base)
{
	switch (event) {
	case SOCKET_HOST_CONNECTED:
		if (connection->host_fd >= 0 && connection_start(connection, epoll_fd, event_base))
			connection_stop(connection);
		break;
	case SOCKET_CLIENT_READABLE:
		connection->to_host.is_ready = stream_pump_is_running(&connection->to_host);
		break;
	case SOCKET_HOST_READABLE:
		connection->to_client.is_ready = stream_pump_is_running(&connection->to_client);
		break;
	case SOCKET_CLIENT_WRITABLE:
		connection_on_writable(&connection->to_client, events);
		break;
	case SOCKET_HOST_WRITABLE:
		connection_on_writable(&connection->to_host, events);
		break;
	case SOCKET_NR_EVENTS:
		break;
	}
}

bool socket_connection_run(struct socket_connection *connection)
{
	if (connection->to_host.is_ready)
		stream_pump_run(&connection->to_host);
	if (connection->to_client.is_ready)
		stream_pump_run(&connection->to_client);
	return connection->to_host.is_ready || connection->to_client.is_ready;
}

bool socket_connection_is_draining(const struct socket_connection *connection)
{
	return connection->host_fd >= 0 || stream_pump_is_running(&connection->to_host);
}

bool socket_connection_is_over(const struct socket_connection *connection)
{
	return !socket_connection_is_draining(connection) &&
	       !stream_pump_is_running(&connection->to_client);
}

void socket_connection_free(struct socket_connection *connection)
{
	connection_stop(connection);
	free(connection);
}
