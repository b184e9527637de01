/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/container/socket_connect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/backend/socket_channel.h"
#include "vmm/base/fd.h"

#define MESSAGES_MAX 32 /* before signals and the rest of the process have their turn */

int socket_connect_init(struct socket_connect *connect, int channel_fd, struct error *err)
{
	*connect = (struct socket_connect){
		.channel_fd = channel_fd,
		.proc_fd = -1,
		.root_fd = -1,
		.table = host_sockets_new(channel_fd),
	};
	return connect->table ? 0 : error_set(err, ENOMEM, "list the sockets of the host");
}

int socket_connect_start(struct socket_connect *connect, int proc_fd, struct error *err)
{
	connect->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (connect->root_fd < 0)
		return error_set(err, errno, "open the container's root");
	connect->proc_fd = proc_fd;
	return 0;
}

/*
 * Connect to the socket node @fd (O_PATH): its number in /proc/self/fd, where we are, leads to the
 * node itself. A listener whose backlog is full gives -EAGAIN.
 */
static int connect_to_node(int fd)
{
	AUTO_CLOSE int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (socket_fd < 0)
		return -errno;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%d", fd);
	if (connect(socket_fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return fd_take(&socket_fd);
}

static int connect_to(struct socket_connect *connect, uint32_t id)
{
	AUTO_CLOSE int node_fd = host_sockets_open(connect->table, id);
	int fd;

	if (node_fd < 0)
		return node_fd;
	fd = connect_to_node(node_fd);
	/* It may just not listen yet; or it never will again. */
	if (fd == -ECONNREFUSED && !host_sockets_is_alive(node_fd))
		host_sockets_withdraw(connect->table, id);
	return fd;
}

static void serve_connect(struct socket_connect *connect, const struct socket_message *request)
{
	AUTO_CLOSE int fd = connect_to(connect, request->socket);
	const struct socket_message answer = {
		.type = SOCKET_CONNECTED,
		.socket = request->socket,
		.request = request->request,
		.code = fd < 0 ? -fd : 0,
	};

	/* A monitor that does not read its answers does not get any. */
	(void)socket_channel_send(connect->channel_fd, &answer, fd < 0 ? -1 : fd);
}

/* Returns false when there is nothing more to do now. */
static bool serve_one(struct socket_connect *connect)
{
	struct socket_message message;
	AUTO_CLOSE int passed_fd = -1;
	int r = socket_channel_receive(connect->channel_fd, &message, &passed_fd);

	if (r == -EAGAIN)
		return false;
	if (r == 1 && message.type == SOCKET_ENABLE && passed_fd < 0) {
		host_sockets_enable(connect->table);
		return true;
	}
	if (r == 1 && message.type == SOCKET_CONNECT && passed_fd < 0) {
		serve_connect(connect, &message);
		return true;
	}
	/* The descriptor stays open: the file server's thread may be about to use its number. */
	(void)shutdown(connect->channel_fd, SHUT_RDWR);
	connect->channel_fd = -1;
	return false;
}

void socket_connect_serve(struct socket_connect *connect)
{
	bool is_in_proc = fchdir(connect->proc_fd) == 0;

	/* Elsewhere a number would be the name of some file. */
	for (unsigned int i = 0; i < MESSAGES_MAX && is_in_proc && connect->channel_fd >= 0; i++)
		if (!serve_one(connect))
			break;
	if (fchdir(connect->root_fd) < 0 || !is_in_proc)
		connect->channel_fd = -1;
}
