/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/backend/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "vmm/base/fd.h"

/* One descriptor, suitably aligned. */
union passed {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int packet_send(int fd, struct iovec *parts, size_t nr_parts, int passed_fd)
{
	struct msghdr packet = { .msg_iov = parts, .msg_iovlen = nr_parts };
	union passed passed = { .bytes = { 0 } };
	ssize_t n;

	if (passed_fd >= 0) {
		packet.msg_control = passed.bytes;
		packet.msg_controllen = sizeof(passed.bytes);
		passed.header.cmsg_level = SOL_SOCKET;
		passed.header.cmsg_type = SCM_RIGHTS;
		passed.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&passed.header), &passed_fd, sizeof(int));
	}
	do
		n = sendmsg(fd, &packet, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/*
 * The descriptor that came with @packet, or -1. The kernel has room for one only, and closes those
 * there was no room for.
 */
static int passed_descriptor(struct msghdr *packet)
{
	const struct cmsghdr *header = CMSG_FIRSTHDR(packet);
	int fd;

	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

ssize_t packet_receive(int fd, struct iovec *parts, size_t nr_parts, int *ret_passed_fd)
{
	union passed passed = { .bytes = { 0 } };
	struct msghdr packet = { .msg_iov = parts,
				 .msg_iovlen = nr_parts,
				 .msg_control = passed.bytes,
				 /* Not the padding, where a second one would fit. */
				 .msg_controllen = CMSG_LEN(sizeof(int)) };
	AUTO_CLOSE int passed_fd = -1;
	ssize_t n;

	do
		n = recvmsg(fd, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET || errno == EPIPE ? 0 : -errno;
	passed_fd = passed_descriptor(&packet);
	if (n == 0)
		return 0;
	if (packet.msg_flags & MSG_CTRUNC)
		return -EPROTO;
	*ret_passed_fd = fd_take(&passed_fd);
	return n;
}
