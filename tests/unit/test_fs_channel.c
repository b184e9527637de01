/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "vmm/backend/fs_channel.h"

static struct fs_channel monitor;
static struct fs_channel server;

static void set_up(void)
{
	struct error err;

	is_int(fs_channel_create(&monitor, &server, &err), 0);
	is_int(fs_channel_map(&monitor, &err), 0);
	is_int(fs_channel_map(&server, &err), 0);
	is_int(monitor.memory_fd, -1);
}

static void tear_down(void)
{
	fs_channel_close(&monitor);
	fs_channel_close(&server);
}

static void test_areas_are_shared_and_apart(void)
{
	for (uint32_t slot = 0; slot < FS_CHANNEL_SLOTS; slot++) {
		memset(fs_channel_request(&monitor, slot), (int)slot, FS_CHANNEL_AREA_SIZE);
		memset(fs_channel_reply(&server, slot), (int)slot + 100, FS_CHANNEL_AREA_SIZE);
	}
	for (uint32_t slot = 0; slot < FS_CHANNEL_SLOTS; slot++) {
		const uint8_t *request = fs_channel_request(&server, slot);
		const uint8_t *reply = fs_channel_reply(&monitor, slot);

		ok(request[0] == slot && request[FS_CHANNEL_AREA_SIZE - 1] == slot);
		ok(reply[0] == slot + 100 && reply[FS_CHANNEL_AREA_SIZE - 1] == slot + 100);
	}
}

static void test_messages_go_both_ways_in_order(void)
{
	struct fs_channel_message message;

	is_int(fs_channel_receive(&monitor, &message), -EAGAIN);
	is_int(fs_channel_send(&monitor, 3, 48), 0);
	is_int(fs_channel_send(&monitor, FS_CHANNEL_SLOTS - 1, FS_CHANNEL_AREA_SIZE), 0);
	is_int(fs_channel_receive(&server, &message), 1);
	ok(message.slot == 3 && message.len == 48);
	is_int(fs_channel_receive(&server, &message), 1);
	ok(message.slot == FS_CHANNEL_SLOTS - 1 && message.len == FS_CHANNEL_AREA_SIZE);
	is_int(fs_channel_send(&server, 3, 0), 0);
	is_int(fs_channel_receive(&monitor, &message), 1);
	ok(message.slot == 3 && message.len == 0);
}

static void test_bad_messages_are_refused(void)
{
	const struct fs_channel_message bad_slot = { .slot = FS_CHANNEL_SLOTS };
	const struct fs_channel_message bad_len = { .len = FS_CHANNEL_AREA_SIZE + 1 };
	const struct fs_channel_message wild = { .slot = UINT32_MAX, .len = UINT32_MAX };
	const uint8_t bytes[64] = { 0 };
	struct fs_channel_message message = { .slot = 7, .len = 7 };

	(void)send(server.socket_fd, &bad_slot, sizeof(bad_slot), 0);
	is_int(fs_channel_receive(&monitor, &message), -EPROTO);
	(void)send(monitor.socket_fd, &bad_len, sizeof(bad_len), 0);
	is_int(fs_channel_receive(&server, &message), -EPROTO);
	(void)send(monitor.socket_fd, &wild, sizeof(wild), 0);
	is_int(fs_channel_receive(&server, &message), -EPROTO);
	(void)send(monitor.socket_fd, bytes, 7, 0);
	is_int(fs_channel_receive(&server, &message), -EPROTO);
	(void)send(monitor.socket_fd, bytes, sizeof(bytes), 0);
	is_int(fs_channel_receive(&server, &message), -EPROTO);
	ok(message.slot == 7 && message.len == 7);
}

static void test_memory_keeps_its_size(void)
{
	struct fs_channel one;
	struct fs_channel other;
	struct error err;

	is_int(fs_channel_create(&one, &other, &err), 0);
	is_int(ftruncate(one.memory_fd, 0), -1);
	is_int(errno, EPERM);
	is_int(ftruncate(other.memory_fd, INT32_MAX), -1);
	is_int(fcntl(other.memory_fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	fs_channel_close(&one);
	fs_channel_close(&other);
	is_int(one.socket_fd, -1);
}

static void test_news_of_the_other_side(void)
{
	struct fs_channel_message message;

	is_int(fs_channel_send(&monitor, 1, 40), 0);
	fs_channel_close(&monitor);
	is_int(fs_channel_receive(&server, &message), 1);
	is_int(fs_channel_receive(&server, &message), 0);
	is_int(fs_channel_send(&server, 1, 16), -EPIPE);
}

int main(void)
{
	set_up();
	test_areas_are_shared_and_apart();
	test_messages_go_both_ways_in_order();
	test_bad_messages_are_refused();
	test_memory_keeps_its_size();
	test_news_of_the_other_side();
	tear_down();
	return tap_done();
}
