/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file system device between a guest and a file server, both of which this program plays,
 * honestly and otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/fake_driver.h"
#include "tests/unit/tap.h"
#include "vmm/virtio/fs.h"
#include "vmm/virtio/virtio_mmio.h"

#define HIPRIO 0
#define REQUESTS 1

static struct fake_driver driver;
static struct fs_channel monitor_end;
static struct fs_channel server_end;
static struct fs fs;
static unsigned int nr_server_gone;

static void on_server_gone(void *context)
{
	nr_server_gone += context == &driver;
}

static void set_up(void)
{
	struct error err;

	fake_driver_init(&driver);
	driver.queues[HIPRIO].size = 64;
	driver.queues[REQUESTS].size = 64;
	nr_server_gone = 0;
	is_int(fs_channel_create(&monitor_end, &server_end, &err), 0);
	is_int(fs_channel_map(&monitor_end, &err), 0);
	is_int(fs_channel_map(&server_end, &err), 0);
	/* This program is one thread: its server must not wait either. */
	is_int(fcntl(server_end.socket_fd, F_SETFL, O_NONBLOCK), 0);
	is_int(fs_init(&fs, "rootfs", &monitor_end, on_server_gone, &driver, &driver.memory,
		       &driver.loop, driver.transport, &err),
	       0);
	driver.device = &fs.device;
	ok(fake_driver_start(&driver));
}

static void tear_down(void)
{
	fs_fini(&fs, &driver.loop);
	fs_channel_close(&monitor_end);
	fs_channel_close(&server_end);
	fake_driver_fini(&driver);
}

static void run(void)
{
	(void)fake_driver_run(&driver, 1000);
}

/* A request of @len bytes in all, the header included, and @room for the answer. */
static uint64_t send_request(unsigned int queue, uint64_t unique, uint32_t len, uint32_t room)
{
	static uint8_t message[FS_CHANNEL_AREA_SIZE + 1];
	struct fuse_in_header header = { .len = len, .opcode = FUSE_LOOKUP, .unique = unique };
	uint64_t answer;

	memset(message, (int)unique, sizeof(message));
	memcpy(message, &header, sizeof(header));
	(void)fake_driver_request(&driver, queue, message, len, room, &answer);
	fake_driver_kick(&driver, queue);
	return answer;
}

/* The server takes a request. Returns its header; *@ret_message is zeroed when there is none. */
static struct fuse_in_header take_request(struct fs_channel_message *ret_message)
{
	struct fuse_in_header header = { 0 };

	if (fs_channel_receive(&server_end, ret_message) != 1)
		*ret_message = (struct fs_channel_message){ 0 };
	else
		memcpy(&header, fs_channel_request(&server_end, ret_message->slot), sizeof(header));
	return header;
}

/* The server answers with @len bytes, the header included. */
static void answer(uint32_t slot, uint64_t unique, uint32_t len)
{
	struct fuse_out_header header = { .len = len, .unique = unique };
	uint8_t *area = fs_channel_reply(&server_end, slot);

	memset(area, 0x5a, FS_CHANNEL_AREA_SIZE);
	memcpy(area, &header, sizeof(header));
	is_int(fs_channel_send(&server_end, slot, len), 0);
}

/* The server takes the next request and answers it at once. */
static void serve_one(uint32_t answer_len)
{
	struct fs_channel_message message;
	struct fuse_in_header header = take_request(&message);

	ok(message.len > 0);
	answer(message.slot, header.unique, answer_len);
	run();
}

static struct fuse_out_header answer_at(uint64_t gpa)
{
	struct fuse_out_header header;

	memcpy(&header, fake_driver_bytes(&driver, gpa, sizeof(header)), sizeof(header));
	return header;
}

/* One used entry with this length. */
static bool is_used(unsigned int queue, uint32_t want_len)
{
	uint32_t id;
	uint32_t len = UINT32_MAX;

	return fake_driver_take_used(&driver, queue, &id, &len) && len == want_len;
}

static bool nothing_is_used(void)
{
	uint32_t id;
	uint32_t len;

	return !fake_driver_take_used(&driver, HIPRIO, &id, &len) &&
	       !fake_driver_take_used(&driver, REQUESTS, &id, &len);
}

static bool is_failed(void)
{
	return fake_driver_read(&driver, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void test_config(void)
{
	const char *tag;

	set_up();
	tag = (const char *)fake_driver_config(&driver);
	is_int(fake_driver_read(&driver, VIRTIO_MMIO_DEVICE_ID), 26);
	is_str(tag, "rootfs");
	is_int(tag[35], 0);
	is_int(fake_driver_read(&driver, VIRTIO_MMIO_CONFIG + 36), 1);
	tear_down();
}

static void test_request_and_answer(void)
{
	struct fs_channel_message message;
	struct fuse_in_header header;
	const uint8_t *area;
	uint64_t gpa;

	set_up();
	gpa = send_request(REQUESTS, 77, 100, 200);
	run();
	header = take_request(&message);
	is_int(message.len, 100);
	is_int(header.len, 100);
	is_int(header.unique, 77);
	area = fs_channel_request(&server_end, message.slot);
	is_int(area[40], 77);
	is_int(area[99], 77);
	ok(nothing_is_used());
	is_int(fake_driver_take_interrupts(&driver), 0);

	answer(message.slot, 77, 120);
	run();
	ok(is_used(REQUESTS, 120));
	is_int(answer_at(gpa).unique, 77);
	is_int(answer_at(gpa).len, 120);
	is_int(*(uint8_t *)fake_driver_bytes(&driver, gpa + 119, 1), 0x5a);
	is_int(*(uint8_t *)fake_driver_bytes(&driver, gpa + 120, 1), 0);
	is_int(fake_driver_take_interrupts(&driver), 1);
	is_int(nr_server_gone, 0);
	tear_down();
}

/* The largest messages that the channel has room for, both ways. */
static void test_largest_messages(void)
{
	set_up();
	(void)send_request(REQUESTS, 1, FS_CHANNEL_AREA_SIZE, FS_CHANNEL_AREA_SIZE);
	run();
	serve_one(FS_CHANNEL_AREA_SIZE);
	ok(is_used(REQUESTS, FS_CHANNEL_AREA_SIZE));
	tear_down();
}

static void test_request_too_large_for_the_channel(void)
{
	struct fs_channel_message message;
	uint64_t gpa;

	set_up();
	gpa = send_request(REQUESTS, 5, FS_CHANNEL_AREA_SIZE + 1, 64);
	run();
	ok(is_used(REQUESTS, sizeof(struct fuse_out_header)));
	is_int(answer_at(gpa).error, -EIO);
	is_int(answer_at(gpa).unique, 5);
	is_int(answer_at(gpa).len, sizeof(struct fuse_out_header));
	(void)take_request(&message);
	is_int(message.len, 0);
	ok(!is_failed());
	tear_down();
}

/* Class: lengths that do not match. Every length up to a header, and headers that lie. */
static void test_malformed_requests(void)
{
	struct fuse_in_header header = { .len = 40 };
	static const uint32_t lies[] = { 0, 39, 41, 100, UINT32_MAX };

	set_up();
	for (uint32_t len = 1; len < sizeof(header); len++) {
		header.len = len;
		(void)fake_driver_request(&driver, REQUESTS, &header, len, 64, NULL);
		fake_driver_kick(&driver, REQUESTS);
		run();
		ok(is_failed());
		fake_driver_reset(&driver);
		ok(fake_driver_start(&driver));
	}
	for (unsigned int i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		header.len = lies[i];
		(void)fake_driver_request(&driver, REQUESTS, &header, sizeof(header), 64, NULL);
		fake_driver_kick(&driver, REQUESTS);
		run();
		ok(is_failed());
		fake_driver_reset(&driver);
		ok(fake_driver_start(&driver));
	}
	/* A chain with nothing to read. */
	(void)fake_driver_request(&driver, REQUESTS, NULL, 0, 64, NULL);
	fake_driver_kick(&driver, REQUESTS);
	run();
	ok(is_failed());
	tear_down();
}

/* FUSE_FORGET: no room for an answer, and none comes; the slot and the chain come back. */
static void test_request_without_answer(void)
{
	set_up();
	for (unsigned int i = 0; i < 3 * FS_CHANNEL_SLOTS; i++) {
		struct fs_channel_message message;

		(void)send_request(HIPRIO, i, 48, 0);
		run();
		(void)take_request(&message);
		is_int(message.len, 48);
		is_int(fs_channel_send(&server_end, message.slot, 0), 0);
		run();
		ok(is_used(HIPRIO, 0));
	}
	tear_down();
}

/* Answers that do not fit what the guest or the rules expect become EIO. */
static void test_answers_that_do_not_fit(void)
{
	static const uint32_t wrong[] = { 65, 1000, FS_CHANNEL_AREA_SIZE, 0, 1, 15 };
	uint64_t gpa;

	set_up();
	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		gpa = send_request(REQUESTS, i, 40, 64);
		run();
		serve_one(wrong[i]);
		ok(is_used(REQUESTS, 16));
		is_int(answer_at(gpa).error, -EIO);
		is_int(answer_at(gpa).unique, i);
		is_int(*(uint8_t *)fake_driver_bytes(&driver, gpa + 16, 1), 0);
	}
	gpa = send_request(REQUESTS, 9, 40, 15); /* no room even for an error */
	run();
	serve_one(16);
	ok(is_used(REQUESTS, 0));
	is_int(*(uint8_t *)fake_driver_bytes(&driver, gpa, 1), 0);
	(void)send_request(REQUESTS, 9, 40, 0); /* an answer that nobody wants */
	run();
	serve_one(16);
	ok(is_used(REQUESTS, 0));
	is_int(nr_server_gone, 0);
	tear_down();
}

/* Class: requests without bound. They wait in the ring, and are taken in order as slots free. */
static void test_no_free_slot(void)
{
	struct fs_channel_message messages[FS_CHANNEL_SLOTS];
	struct fs_channel_message none;

	set_up();
	for (unsigned int i = 0; i < FS_CHANNEL_SLOTS + 3; i++)
		(void)send_request(REQUESTS, i, 40, 64);
	(void)send_request(HIPRIO, 100, 40, 64);
	run();
	for (unsigned int i = 0; i < FS_CHANNEL_SLOTS; i++)
		is_int(take_request(&messages[i]).unique, i);
	(void)take_request(&none);
	is_int(none.len, 0);

	answer(messages[4].slot, 4, 16); /* out of order */
	run();
	ok(is_used(REQUESTS, 16));
	is_int(take_request(&messages[4]).unique, 100); /* high priority comes first */
	answer(messages[0].slot, 0, 16);
	run();
	is_int(take_request(&messages[0]).unique, FS_CHANNEL_SLOTS);
	answer(messages[1].slot, 1, 16);
	answer(messages[2].slot, 2, 16);
	run();
	is_int(take_request(&messages[1]).unique, FS_CHANNEL_SLOTS + 1);
	is_int(take_request(&messages[2]).unique, FS_CHANNEL_SLOTS + 2);
	tear_down();
}

/* Class: device reset with requests in flight. Their answers must not reach the new driver. */
static void test_reset_with_requests_in_flight(void)
{
	struct fs_channel_message before;
	struct fs_channel_message after;
	uint64_t gpa;

	set_up();
	gpa = send_request(REQUESTS, 1, 40, 64);
	run();
	(void)take_request(&before);
	fake_driver_reset(&driver);
	ok(fake_driver_start(&driver));
	(void)send_request(REQUESTS, 2, 40, 64);
	run();
	is_int(take_request(&after).unique, 2);
	ok(after.slot != before.slot); /* the server still has that one */

	answer(before.slot, 1, 64);
	run();
	ok(nothing_is_used());
	is_int(answer_at(gpa).len, 0);
	answer(after.slot, 2, 64);
	run();
	ok(is_used(REQUESTS, 64));
	is_int(nr_server_gone, 0);
	tear_down();
}

/* The same with all slots abandoned, and with a device that failed instead. */
static void test_abandoned_slots_come_back(void)
{
	struct fs_channel_message messages[FS_CHANNEL_SLOTS];
	struct fs_channel_message message;

	set_up();
	for (unsigned int i = 0; i < FS_CHANNEL_SLOTS; i++)
		(void)send_request(REQUESTS, i, 40, 64);
	run();
	for (unsigned int i = 0; i < FS_CHANNEL_SLOTS; i++)
		(void)take_request(&messages[i]);
	fake_driver_make_available(&driver, REQUESTS, 1000);
	fake_driver_kick(&driver, REQUESTS);
	run();
	ok(!is_failed()); /* no slot is free, so nobody looked at it */
	answer(messages[0].slot, 0, 64);
	run();
	ok(is_failed());
	ok(is_used(REQUESTS, 64));
	answer(messages[1].slot, 1, 64);
	run();
	ok(nothing_is_used());
	fake_driver_reset(&driver);
	ok(fake_driver_start(&driver));
	for (unsigned int i = 0; i < FS_CHANNEL_SLOTS; i++)
		(void)send_request(REQUESTS, 100 + i, 40, 64);
	run();
	is_int(take_request(&message).unique, 100); /* the slots of the answered ones */
	is_int(take_request(&message).unique, 101);
	for (unsigned int i = 2; i < FS_CHANNEL_SLOTS; i++) {
		answer(messages[i].slot, i, 64);
		run();
		is_int(take_request(&message).unique, 100 + i);
	}
	ok(nothing_is_used());
	tear_down();
}

static void test_server_hangs_up(void)
{
	uint64_t gpas[2];

	set_up();
	gpas[0] = send_request(REQUESTS, 1, 40, 64);
	(void)send_request(HIPRIO, 2, 40, 0);
	run();
	(void)close(server_end.socket_fd);
	server_end.socket_fd = -1;
	run();
	is_int(nr_server_gone, 1);
	ok(is_used(REQUESTS, 16));
	is_int(answer_at(gpas[0]).error, -ENOTCONN);
	is_int(answer_at(gpas[0]).unique, 1);
	ok(is_used(HIPRIO, 0));
	is_int(fake_driver_take_interrupts(&driver), 2);

	gpas[1] = send_request(REQUESTS, 3, 40, 64); /* and from now on at once */
	run();
	ok(is_used(REQUESTS, 16));
	is_int(answer_at(gpas[1]).error, -ENOTCONN);
	is_int(nr_server_gone, 1);
	ok(!is_failed());
	tear_down();
}

/* It hangs up between two of our looks: the send finds out. */
static void test_server_is_gone_at_send(void)
{
	set_up();
	(void)send_request(REQUESTS, 1, 40, 64);
	(void)send_request(REQUESTS, 2, 40, 64);
	(void)close(server_end.socket_fd);
	server_end.socket_fd = -1;
	/* The doorbell's callback, before the event loop could tell of the hang-up. */
	fs.device.doorbells[REQUESTS].source.on_event(&fs.device.doorbells[REQUESTS], EPOLLIN);
	is_int(nr_server_gone, 1);
	ok(is_used(REQUESTS, 16));
	ok(is_used(REQUESTS, 16));
	run();
	is_int(nr_server_gone, 1);
	tear_down();
}

/* Class: the helper process is hostile. Answers nobody asked for, twice, or to no slot. */
static void test_server_breaks_the_rules(void)
{
	static const struct fs_channel_message wrong[] = {
		{ 3, 16 },		  /* a slot that is free */
		{ FS_CHANNEL_SLOTS, 16 }, /* one past the last */
		{ UINT32_MAX, 16 },
		{ 0, FS_CHANNEL_AREA_SIZE + 1 }, /* slot 0 is busy */
		{ 0, UINT32_MAX },
	};

	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		set_up();
		(void)send_request(REQUESTS, 1, 40, 64);
		run();
		is_int(send(server_end.socket_fd, &wrong[i], sizeof(wrong[i]), 0),
		       sizeof(wrong[i]));
		run();
		is_int(nr_server_gone, 1);
		ok(is_used(REQUESTS, 16)); /* the driver is not left waiting */
		ok(!is_failed());
		tear_down();
	}
	set_up();
	(void)send_request(REQUESTS, 1, 40, 64);
	run();
	serve_one(16);
	answer(0, 1, 16);
	run();
	is_int(nr_server_gone, 1);
	ok(is_used(REQUESTS, 16));
	ok(nothing_is_used());
	tear_down();
}

static void test_server_sends_odd_sizes(void)
{
	static const uint8_t bytes[64];
	static const size_t sizes[] = { 1, 7, 9, 64 };

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		set_up();
		(void)send_request(REQUESTS, 1, 40, 64);
		run();
		is_int(send(server_end.socket_fd, bytes, sizes[i], 0), sizes[i]);
		run();
		is_int(nr_server_gone, 1);
		tear_down();
	}
}

/* Class: one head in flight twice, with completions that come later. */
static void test_same_head_twice(void)
{
	struct fs_channel_message message;

	set_up();
	(void)send_request(REQUESTS, 1, 40, 64);
	run();
	(void)take_request(&message);
	fake_driver_make_available(&driver, REQUESTS, 0);
	fake_driver_kick(&driver, REQUESTS);
	run();
	ok(is_failed());
	answer(message.slot, 1, 64);
	run();
	ok(nothing_is_used());
	is_int(nr_server_gone, 0);
	tear_down();
}

/* Class: double fetch. The guest rewrites the length while the request is copied. */
static void *rewrite_length(void *context)
{
	uint32_t *len = fake_driver_bytes(&driver, FAKE_BUFFERS, sizeof(*len));
	bool *stop = context;

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		__atomic_store_n(len, 64, __ATOMIC_RELAXED);
		__atomic_store_n(len, 1U << 20, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_header_is_fetched_once(void)
{
	struct fake_buffer request = { FAKE_BUFFERS, 64 };
	struct fake_buffer room = { FAKE_BUFFERS + 64, 64 };
	pthread_t thread;
	bool stop = false;
	bool was_taken = false;
	unsigned int nr_changes = 0;
	unsigned int nr_wrong = 0;
	uint32_t id;
	uint32_t used_len;

	set_up();
	is_int(pthread_create(&thread, NULL, rewrite_length, &stop), 0);
	/* Until the outcome changed often: then both ran at the same time. */
	for (unsigned int i = 0; i < 1000000 && nr_changes < 50; i++) {
		struct fs_channel_message message;
		struct fuse_in_header header;

		(void)fake_driver_add(&driver, REQUESTS, &request, 1, &room, 1);
		fake_driver_kick(&driver, REQUESTS);
		run();
		header = take_request(&message);
		nr_changes += was_taken != (message.len > 0);
		was_taken = message.len > 0;
		if (was_taken) {
			nr_wrong += header.len != message.len || message.len != 64;
			(void)fs_channel_send(&server_end, message.slot, 16);
			run();
			(void)fake_driver_take_used(&driver, REQUESTS, &id, &used_len);
		} else {
			fake_driver_reset(&driver);
			(void)fake_driver_start(&driver);
		}
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	is_int(nr_wrong, 0);
	is_int(nr_changes, 50);
	tear_down();
}

int main(void)
{
	test_config();
	test_request_and_answer();
	test_largest_messages();
	test_request_too_large_for_the_channel();
	test_malformed_requests();
	test_request_without_answer();
	test_answers_that_do_not_fit();
	test_no_free_slot();
	test_reset_with_requests_in_flight();
	test_abandoned_slots_come_back();
	test_server_hangs_up();
	test_server_is_gone_at_send();
	test_server_breaks_the_rules();
	test_server_sends_odd_sizes();
	test_same_head_twice();
	test_header_is_fetched_once();
	return tap_done();
}
