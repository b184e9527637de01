/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/backend/fs_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "vmm/base/bug.h"
#include "vmm/base/fd.h"

#define SLOT_SIZE ((size_t)2 * FS_CHANNEL_AREA_SIZE) /* request area, then reply area */
#define MEMORY_SIZE (FS_CHANNEL_SLOTS * SLOT_SIZE)

static int create_memory(struct error *err)
{
	AUTO_CLOSE int fd = memfd_create("bulkhead-fs", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return error_set(err, errno, "create the file server's shared memory");
	if (ftruncate(fd, (off_t)MEMORY_SIZE) < 0)
		return error_set(err, errno, "size the file server's shared memory");
	/* Whoever shrank it would kill the other side by SIGBUS. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return error_set(err, errno, "seal the file server's shared memory");
	return fd_take(&fd);
}

int fs_channel_create(struct fs_channel *ret_monitor, struct fs_channel *ret_server,
		      struct error *err)
{
	AUTO_CLOSE int monitor_memory = create_memory(err);
	AUTO_CLOSE int server_memory = -1;
	int sockets[2];

	if (monitor_memory < 0)
		return monitor_memory;
	server_memory = fcntl(monitor_memory, F_DUPFD_CLOEXEC, 0);
	if (server_memory < 0)
		return error_set(err, errno, "duplicate the file server's shared memory");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return error_set(err, errno, "create the file server's socket pair");
	if (fcntl(sockets[0], F_SETFL, O_NONBLOCK) < 0) {
		int code = errno;

		(void)close(sockets[0]);
		(void)close(sockets[1]);
		return error_set(err, code, "make the monitor's socket non-blocking");
	}
	*ret_monitor = (struct fs_channel){ .memory_fd = fd_take(&monitor_memory),
					    .socket_fd = sockets[0] };
	*ret_server = (struct fs_channel){ .memory_fd = fd_take(&server_memory),
					   .socket_fd = sockets[1] };
	return 0;
}

int fs_channel_map(struct fs_channel *channel, struct error *err)
{
	void *memory =
		mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, channel->memory_fd, 0);

	if (memory == MAP_FAILED)
		return error_set(err, errno, "map the file server's shared memory");
	channel->memory = memory;
	fd_close(&channel->memory_fd);
	return 0;
}

void fs_channel_close(struct fs_channel *channel)
{
	if (channel->memory)
		(void)munmap(channel->memory, MEMORY_SIZE);
	channel->memory = NULL;
	fd_close(&channel->memory_fd);
	fd_close(&channel->socket_fd);
}

uint8_t *fs_channel_request(const struct fs_channel *channel, uint32_t slot)
{
	BUG_ON(slot >= FS_CHANNEL_SLOTS);
	return channel->memory + slot * SLOT_SIZE;
}

uint8_t *fs_channel_reply(const struct fs_channel *channel, uint32_t slot)
{
	return fs_channel_request(channel, slot) + FS_CHANNEL_AREA_SIZE;
}

static bool is_gone(int code)
{
	return code == EPIPE || code == ECONNRESET;
}

int fs_channel_send(const struct fs_channel *channel, uint32_t slot, uint32_t len)
{
	struct fs_channel_message message = { .slot = slot, .len = len };
	ssize_t ret;

	do
		ret = send(channel->socket_fd, &message, sizeof(message), MSG_NOSIGNAL);
	while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return is_gone(errno) ? -EPIPE : -errno;
	return 0;
}

int fs_channel_receive(const struct fs_channel *channel, struct fs_channel_message *ret_message)
{
	struct fs_channel_message message;
	ssize_t len;

	/* MSG_TRUNC: the true length, so that a message too long is noticed. */
	do
		len = recv(channel->socket_fd, &message, sizeof(message), MSG_TRUNC);
	while (len < 0 && errno == EINTR);
	if (len < 0)
		return is_gone(errno) ? 0 : -errno;
	if (len == 0)
		return 0;
	if (len != sizeof(message) || message.slot >= FS_CHANNEL_SLOTS ||
	    message.len > FS_CHANNEL_AREA_SIZE)
		return -EPROTO;
	*ret_message = message;
	return 1;
}
