/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/host_connection.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "guest-init/protocol.h"
#include "guest-init/scope.h"

#define CONNECT_TIMEOUT_S 120

/* Bind @fd to a source port that nobody uses. They are taken in turn, so that one rests a while. */
static int connection_bind_source(int fd)
{
	static uint32_t last_port;

	for (uint32_t i = 1; i < PROTOCOL_SOURCE_PORTS; i++) {
		struct sockaddr_vm address = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY };

		last_port = last_port % (PROTOCOL_SOURCE_PORTS - 1) + 1;
		address.svm_port = last_port;
		if (!bind(fd, (const struct sockaddr *)&address, sizeof(address)))
			return 0;
		if (errno != EADDRINUSE)
			return -errno;
	}
	return -EADDRINUSE;
}

int host_connection_open(uint32_t port, struct failure *err)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_HOST,
		.svm_port = port,
	};
	/* The default of 2 s is short for a host where many VMs start at once. */
	const struct timeval timeout = { .tv_sec = CONNECT_TIMEOUT_S };
	AUTO_CLOSE int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -errno : connection_bind_source(fd);

	if (r)
		return failure_set(err, -r, "prepare a connection to the host");
	if (setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, sizeof(timeout)) ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return failure_set(err, errno, "connect to port %u of the host", port);
	return fd_take(&fd);
}

int host_connection_begin(uint32_t port)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_HOST,
		.svm_port = port,
	};
	AUTO_CLOSE int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = connection_bind_source(fd);
	if (r)
		return r;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) && errno != EINPROGRESS)
		return -errno;
	return fd_take(&fd);
}
