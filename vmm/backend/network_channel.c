/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/backend/network_channel.h"

#include <errno.h>
#include <sys/socket.h>

#include "vmm/backend/packet.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"

/* A packet with the longest text, the kernel's own part included, and some small ones. */
#define BUFFER_SIZE (2 * (int)NETWORK_STATE_MAX)

int network_channel_create(int *ret_monitor_fd, int *ret_process_fd, struct error *err)
{
	const int size = BUFFER_SIZE;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return error_set(err, errno, "create the socket pair for the network");
	if (setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0) {
		int code = errno;

		(void)close(fds[0]);
		(void)close(fds[1]);
		return error_set(err, code, "give the socket pair for the network its size");
	}
	*ret_monitor_fd = fds[0];
	*ret_process_fd = fds[1];
	return 0;
}

int network_channel_send(int fd, const struct network_message *message, const char *text,
			 int passed_fd)
{
	struct network_message copy = *message;
	/* sendmsg(2) only reads; the structure is not made for that. */
	union {
		const char *given;
		void *wanted;
	} start = { .given = text };
	struct iovec parts[] = {
		{ .iov_base = &copy, .iov_len = sizeof(copy) },
		{ .iov_base = start.wanted, .iov_len = copy.size },
	};

	if (copy.size > NETWORK_STATE_MAX)
		return -EMSGSIZE;
	return packet_send(fd, parts, copy.size ? 2 : 1, passed_fd);
}

/* Whether @message of @len bytes, text included, is one; @has_fd: a descriptor came along. */
static bool is_message(const struct network_message *message, size_t len, bool has_fd)
{
	bool wants_fd = message->type == NETWORK_ATTACH || message->type == NETWORK_INCOMING;

	return len >= sizeof(*message) && message->size == len - sizeof(*message) &&
	       message->size <= NETWORK_STATE_MAX && message->type >= NETWORK_ATTACH &&
	       message->type <= NETWORK_SCAN &&
	       (message->type == NETWORK_STATE || message->size == 0) &&
	       message->slot < NETWORK_SLOTS && wants_fd == has_fd;
}

int network_channel_receive(int fd, struct network_message *ret_message, char *text,
			    int *ret_passed_fd)
{
	struct network_message message = { .type = 0 };
	struct iovec parts[] = {
		{ .iov_base = &message, .iov_len = sizeof(message) },
		{ .iov_base = text, .iov_len = NETWORK_STATE_MAX },
	};
	AUTO_CLOSE int passed_fd = -1;
	ssize_t n = packet_receive(fd, parts, ARRAY_SIZE(parts), &passed_fd);

	if (n <= 0)
		return (int)n;
	if (!is_message(&message, (size_t)n, passed_fd >= 0))
		return -EPROTO;
	text[message.size] = '\0';
	*ret_message = message;
	*ret_passed_fd = fd_take(&passed_fd);
	return 1;
}
