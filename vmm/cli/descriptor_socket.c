/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/descriptor_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/base/fd.h"

int descriptor_socket_connect(const char *option, const char *path, struct error *err)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ENAMETOOLONG, "%s '%s'", option, path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(err, errno, "%s: connect to '%s'", option, path);
	return fd_take(&fd);
}

int descriptor_socket_send(const char *option, int connection_fd, int fd, const char *text,
			   struct error *err)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char payload[64];
	struct iovec iovec = { .iov_base = payload, .iov_len = strlen(text) };
	struct msghdr message = {
		.msg_iov = &iovec,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.space),
	};

	if (iovec.iov_len > sizeof(payload))
		return error_set(err, EMSGSIZE, "%s: send a descriptor", option);
	memcpy(payload, text, iovec.iov_len);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	if (sendmsg(connection_fd, &message, MSG_NOSIGNAL) < 0)
		return error_set(err, errno, "%s: send a descriptor", option);
	return 0;
}

int descriptor_socket_send_pidfd(int connection_fd, pid_t pid, const char *text, struct error *err)
{
	AUTO_CLOSE int fd = pidfd_open(pid, 0);

	if (fd < 0)
		return error_set(err, errno, "--pidfd-socket: open process %d", (int)pid);
	return descriptor_socket_send("--pidfd-socket", connection_fd, fd, text, err);
}
