/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_file_server_run.c - answers that wait while others are given: a guest that looks at sockets
 * of the host, on a real channel
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/fuse_client.h"
#include "tests/unit/tap.h"
#include "vmm/backend/socket_channel.h"
#include "vmm/file_server/host_sockets.h"

#define PATIENCE_MS 60000

static struct fs_channel monitor_end, server_end;
static struct fuse_client *client;
static struct host_sockets *sockets;
static int offers_fd; /* the monitor's end of what the file server says of sockets */
static uint64_t bind_mount;
static uint32_t next_slot;

/* Send a request in the next slot, which is returned. */
static uint32_t send_request(uint32_t opcode, uint64_t nodeid, const void *arguments, size_t size,
			     const char *name)
{
	uint32_t slot = next_slot++ % FS_CHANNEL_SLOTS;
	size_t name_size = name ? strlen(name) + 1 : 0;
	struct fuse_in_header header = { .opcode = opcode, .nodeid = nodeid, .unique = slot };
	uint8_t *request = fs_channel_request(&monitor_end, slot);

	header.len = (uint32_t)(sizeof(header) + size + name_size);
	memcpy(request, &header, sizeof(header));
	if (size)
		memcpy(request + sizeof(header), arguments, size);
	if (name)
		memcpy(request + sizeof(header) + size, name, name_size);
	is_int(fs_channel_send(&monitor_end, slot, header.len), 0);
	return slot;
}

static uint32_t send_getattr(uint64_t nodeid)
{
	const struct fuse_getattr_in in = { 0 };

	return send_request(FUSE_GETATTR, nodeid, &in, sizeof(in), NULL);
}

/* The next reply has to be that of @slot, and no error. Returns its payload. */
static const void *receive_reply(uint32_t slot)
{
	struct pollfd pollfd = { .fd = monitor_end.socket_fd, .events = POLLIN };
	struct fs_channel_message message = { .slot = UINT32_MAX };
	const struct fuse_out_header *header;

	is_int(poll(&pollfd, 1, PATIENCE_MS), 1);
	is_int(fs_channel_receive(&monitor_end, &message), 1);
	is_int(message.slot, slot);
	header = (const struct fuse_out_header *)(const void *)fs_channel_reply(&monitor_end, slot);
	is_int(header->unique, slot);
	is_int(header->error, 0);
	return header + 1;
}

static bool has_reply(int timeout_ms)
{
	struct pollfd pollfd = { .fd = monitor_end.socket_fd, .events = POLLIN };

	return poll(&pollfd, 1, timeout_ms) > 0;
}

/* A socket of the host that the guest has found. Returns its node. */
static uint64_t find_socket(const char *name, int *ret_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct fuse_entry_out entry;

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/export/%s",
		       client->directory, name);
	*ret_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ok(bind(*ret_fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
	ok(listen(*ret_fd, 1) == 0);
	memcpy(&entry, receive_reply(send_request(FUSE_LOOKUP, FUSE_ROOT_ID, NULL, 0, name)),
	       sizeof(entry));
	return entry.nodeid;
}

/* The number of the socket that is offered next. */
static uint32_t next_offer(void)
{
	struct pollfd pollfd = { .fd = offers_fd, .events = POLLIN };
	struct socket_message message = { 0 };
	int fd;

	is_int(poll(&pollfd, 1, PATIENCE_MS), 1);
	is_int(socket_channel_receive(offers_fd, &message, &fd), 1);
	is_int(message.type, SOCKET_OFFER);
	return message.socket;
}

static void test_waits_for_guest_init(void)
{
	const struct fuse_mknod_in in = { .mode = S_IFSOCK | 0755 };
	uint32_t slot, other;
	uint64_t nodeid;
	char name[64];
	int fd;

	nodeid = find_socket("one", &fd);
	slot = send_getattr(nodeid);
	(void)snprintf(name, sizeof(name), "%s%u", PROTOCOL_SOCKET_NAME, next_offer());
	ok(!has_reply(300));
	/* Requests that come later are answered meanwhile. */
	(void)receive_reply(send_getattr(FUSE_ROOT_ID));
	(void)receive_reply(send_request(FUSE_MKNOD, FUSE_ROOT_ID, &in, sizeof(in), name));
	ok(!has_reply(300));
	other = send_request(FUSE_LOOKUP, FUSE_ROOT_ID, NULL, 0, name);
	(void)receive_reply(other);
	(void)receive_reply(slot);
	(void)receive_reply(send_getattr(nodeid));
	(void)close(fd);
}

/* guest-init never listens: no more than some answers wait, and not for ever. */
static void test_bounds(void)
{
	uint32_t slots[8];
	uint64_t nodeid;
	int fd;

	nodeid = find_socket("two", &fd);
	for (unsigned int i = 0; i < 8; i++)
		slots[i] = send_getattr(nodeid);
	(void)next_offer();
	for (unsigned int i = 4; i < 8; i++)
		(void)receive_reply(slots[i]);
	for (unsigned int i = 0; i < 4; i++)
		(void)receive_reply(slots[i]);
	(void)receive_reply(send_getattr(nodeid));
	(void)close(fd);
}

/* The monitor's part, while the server runs on the main thread. */
static void *run_tests(void *argument)
{
	(void)argument;
	host_sockets_enable(sockets);
	test_waits_for_guest_init();
	test_bounds();
	/* Its end is the server's, also with an answer that waits. */
	fs_channel_close(&monitor_end);
	return NULL;
}

int main(void)
{
	struct file_server_options options = { .cache_timeout_ms = 1000,
					       .bind_mounts = &bind_mount,
					       .nr_bind_mounts = 1 };
	struct statx stat;
	pthread_t thread;
	struct error err;
	int server_fd;

	if (!ok(statx(AT_FDCWD, "/tmp", 0, STATX_MNT_ID, &stat) == 0 &&
		socket_channel_create(&offers_fd, &server_fd, &err) == 0 &&
		fs_channel_create(&monitor_end, &server_end, &err) == 0 &&
		fs_channel_map(&monitor_end, &err) == 0 && fs_channel_map(&server_end, &err) == 0))
		return tap_done();
	bind_mount = stat.stx_mnt_id;
	sockets = host_sockets_new(server_fd);
	options.sockets = sockets;
	client = fuse_client_new_with("/tmp", &options);
	if (!ok(client && fuse_client_init(client, UINT32_MAX) == 0 &&
		pthread_create(&thread, NULL, run_tests, NULL) == 0))
		return tap_done();
	is_int(file_server_run(client->server, &server_end), 0);
	ok(pthread_join(thread, NULL) == 0);
	fs_channel_close(&server_end);
	fuse_client_free(client);
	host_sockets_free(sockets);
	return tap_done();
}
