/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/network/namespace_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/base/fd.h"
#include "vmm/network/host_ports.h"

/* Listeners come first in the file, a line each of 150 bytes: room for 436 of them. */
#define TCP_SIZE 65536u

/* 127.0.0.11 as the kernel prints it: a number in host order. */
#define RESOLVER " 0B00007F:"
#define PORT_LENGTH 4
#define LISTENS " 00000000:0000 0A "

void namespace_files_open(struct namespace_files *files)
{
	files->tcp_fd = open("/proc/self/net/tcp", O_RDONLY | O_CLOEXEC);
	files->port_range_fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY | O_CLOEXEC);
}

void namespace_files_close(struct namespace_files *files)
{
	fd_close(&files->tcp_fd);
	fd_close(&files->port_range_fd);
}

bool namespace_files_have_resolver(const struct namespace_files *files)
{
	AUTO_FREE char *text = malloc(TCP_SIZE);
	const char *found;
	size_t len = 0;

	if (!text || files->tcp_fd < 0)
		return false;
	while (len < TCP_SIZE - 1) {
		ssize_t n = pread(files->tcp_fd, text + len, TCP_SIZE - 1 - len, (off_t)len);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	text[len] = '\0';
	found = text;
	while ((found = strstr(found, RESOLVER))) {
		found += strlen(RESOLVER);
		if (strnlen(found, PORT_LENGTH) == PORT_LENGTH &&
		    !strncmp(found + PORT_LENGTH, LISTENS, strlen(LISTENS)))
			return true;
	}
	return false;
}

int namespace_files_limit_ports(const struct namespace_files *files, struct error *err)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%u %u", NETWORK_HOST_PORT_FIRST,
			   NETWORK_HOST_PORT_LAST);

	if (files->port_range_fd < 0)
		return error_set(err, EACCES, "set net.ipv4.ip_local_port_range");
	if (pwrite(files->port_range_fd, text, (size_t)len, 0) != len)
		return error_set(err, errno, "set net.ipv4.ip_local_port_range");
	return 0;
}
