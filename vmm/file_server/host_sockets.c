/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/file_server/host_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "vmm/backend/socket_channel.h"
#include "vmm/base/clock.h"
#include "vmm/base/fd.h"

struct host_socket {
	enum host_socket_state state;
	uint32_t id;
	int fd; /* O_PATH */
	uint64_t nodeid;
	int64_t offered_ms; /* CLOCK_MONOTONIC */
};

struct host_sockets {
	pthread_mutex_t lock;
	int channel_fd;	 /* to the monitor, borrowed */
	bool is_enabled; /* guest-init takes offers */
	struct host_socket sockets[PROTOCOL_SOCKETS_MAX];
};

struct host_sockets *host_sockets_new(int channel_fd)
{
	struct host_sockets *sockets = calloc(1, sizeof(*sockets));

	if (sockets) {
		sockets->channel_fd = channel_fd;
		(void)pthread_mutex_init(&sockets->lock, NULL);
	}
	return sockets;
}

/* The functions below that begin with this name are called with the lock held. */
static void locked_free(struct host_socket *socket)
{
	fd_close(&socket->fd);
	socket->state = HOST_SOCKET_NONE;
}

static struct host_socket *locked_find(struct host_sockets *sockets, uint32_t id)
{
	for (uint32_t i = 0; i < PROTOCOL_SOCKETS_MAX; i++) {
		struct host_socket *socket = &sockets->sockets[i];

		if (socket->state != HOST_SOCKET_NONE && socket->id == id)
			return socket;
	}
	return NULL;
}

static void locked_withdraw(struct host_sockets *sockets, struct host_socket *socket)
{
	const struct socket_message message = { .type = SOCKET_WITHDRAW, .socket = socket->id };

	(void)socket_channel_send(sockets->channel_fd, &message, -1);
	locked_free(socket);
}

static struct host_socket *locked_find_free(struct host_sockets *sockets)
{
	for (uint32_t i = 0; i < PROTOCOL_SOCKETS_MAX; i++)
		if (sockets->sockets[i].state == HOST_SOCKET_NONE)
			return &sockets->sockets[i];
	return NULL;
}

void host_sockets_free(struct host_sockets *sockets)
{
	if (!sockets)
		return;
	for (uint32_t i = 0; i < PROTOCOL_SOCKETS_MAX; i++)
		if (sockets->sockets[i].state != HOST_SOCKET_NONE)
			locked_free(&sockets->sockets[i]);
	(void)pthread_mutex_destroy(&sockets->lock);
	free(sockets);
}

void host_sockets_enable(struct host_sockets *sockets)
{
	(void)pthread_mutex_lock(&sockets->lock);
	sockets->is_enabled = true;
	(void)pthread_mutex_unlock(&sockets->lock);
}

bool host_sockets_are_enabled(struct host_sockets *sockets)
{
	bool is_enabled;

	(void)pthread_mutex_lock(&sockets->lock);
	is_enabled = sockets->is_enabled;
	(void)pthread_mutex_unlock(&sockets->lock);
	return is_enabled;
}

/*
 * A datagram socket cannot be connected to one that takes connections: when there is such a socket
 * the kernel says that the type is wrong, otherwise that nobody is there. The owner notices
 * nothing.
 */
bool host_sockets_is_alive(int fd)
{
	AUTO_CLOSE int probe_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%d", fd);
	return probe_fd >= 0 &&
	       connect(probe_fd, (const struct sockaddr *)&address, sizeof(address)) < 0 &&
	       errno == EPROTOTYPE;
}

/* Make room by forgetting those where nobody listens any more. */
static void locked_sweep(struct host_sockets *sockets)
{
	for (uint32_t i = 0; i < PROTOCOL_SOCKETS_MAX; i++)
		if (!host_sockets_is_alive(sockets->sockets[i].fd))
			locked_withdraw(sockets, &sockets->sockets[i]);
}

/* A number that is not in use and cannot be guessed; 0 when the kernel has none. */
static uint32_t locked_new_id(struct host_sockets *sockets)
{
	uint32_t id;

	do {
		if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
			return 0;
		id &= PROTOCOL_SOCKET_ID_MAX;
	} while (id == 0 || locked_find(sockets, id));
	return id;
}

static uint32_t locked_offer(struct host_sockets *sockets, int fd, uint64_t nodeid)
{
	struct host_socket *socket = locked_find_free(sockets);
	struct socket_message message = { .type = SOCKET_OFFER };
	AUTO_CLOSE int own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (!socket) {
		locked_sweep(sockets);
		socket = locked_find_free(sockets);
	}
	message.socket = locked_new_id(sockets);
	if (!socket || own_fd < 0 || !message.socket ||
	    socket_channel_send(sockets->channel_fd, &message, -1) < 0)
		return 0;
	*socket = (struct host_socket){
		.state = HOST_SOCKET_OFFERED,
		.id = message.socket,
		.fd = fd_take(&own_fd),
		.nodeid = nodeid,
		.offered_ms = clock_now_ms(),
	};
	return socket->id;
}

uint32_t host_sockets_offer(struct host_sockets *sockets, int fd, uint64_t nodeid)
{
	uint32_t id;

	(void)pthread_mutex_lock(&sockets->lock);
	id = sockets->is_enabled ? locked_offer(sockets, fd, nodeid) : 0;
	(void)pthread_mutex_unlock(&sockets->lock);
	return id;
}

enum host_socket_state host_sockets_state(struct host_sockets *sockets, uint32_t id,
					  int64_t *ret_offered_ms, uint64_t *ret_nodeid)
{
	enum host_socket_state state = HOST_SOCKET_NONE;
	const struct host_socket *socket;

	(void)pthread_mutex_lock(&sockets->lock);
	socket = locked_find(sockets, id);
	if (socket) {
		state = socket->state;
		*ret_offered_ms = socket->offered_ms;
		*ret_nodeid = socket->nodeid;
	}
	(void)pthread_mutex_unlock(&sockets->lock);
	return state;
}

void host_sockets_advance(struct host_sockets *sockets, uint32_t id, enum host_socket_state state)
{
	struct host_socket *socket;

	(void)pthread_mutex_lock(&sockets->lock);
	socket = locked_find(sockets, id);
	if (socket)
		socket->state = state;
	(void)pthread_mutex_unlock(&sockets->lock);
}

int host_sockets_open(struct host_sockets *sockets, uint32_t id)
{
	const struct host_socket *socket;
	int fd = -ENOENT;

	(void)pthread_mutex_lock(&sockets->lock);
	socket = locked_find(sockets, id);
	if (socket) {
		fd = fcntl(socket->fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			fd = -errno;
	}
	(void)pthread_mutex_unlock(&sockets->lock);
	return fd;
}

void host_sockets_withdraw(struct host_sockets *sockets, uint32_t id)
{
	struct host_socket *socket;

	(void)pthread_mutex_lock(&sockets->lock);
	socket = locked_find(sockets, id);
	if (socket)
		locked_withdraw(sockets, socket);
	(void)pthread_mutex_unlock(&sockets->lock);
}
