/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/backend/socket_channel.h"

#include <errno.h>
#include <sys/socket.h>

#include "vmm/backend/packet.h"
#include "vmm/base/fd.h"

int socket_channel_create(int *ret_monitor_fd, int *ret_server_fd, struct error *err)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return error_set(err, errno, "create the socket pair for sockets of the host");
	*ret_monitor_fd = fds[0];
	*ret_server_fd = fds[1];
	return 0;
}

int socket_channel_send(int fd, const struct socket_message *message, int passed_fd)
{
	struct socket_message copy = *message;
	struct iovec part = { .iov_base = &copy, .iov_len = sizeof(copy) };

	return packet_send(fd, &part, 1, passed_fd);
}

int socket_channel_receive(int fd, struct socket_message *ret_message, int *ret_passed_fd)
{
	struct socket_message message;
	struct iovec part = { .iov_base = &message, .iov_len = sizeof(message) };
	AUTO_CLOSE int passed_fd = -1;
	ssize_t n = packet_receive(fd, &part, 1, &passed_fd);

	if (n <= 0)
		return (int)n;
	if (n != (ssize_t)sizeof(message))
		return -EPROTO;
	*ret_message = message;
	*ret_passed_fd = fd_take(&passed_fd);
	return 1;
}
