/* SPDX-License-Identifier: Apache-2.0 */
/* The network card: identity, frames both ways, buffers that are there or not, cards that go. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/net_driver.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/virtio/virtio_mmio.h"

#define QUEUE_SIZE 64
#define PAGE 4096u
#define FULL 17	  /* buffers of a page that the largest frame fits into */
#define REST 1000 /* events after which everything has come to rest */
#define LINK_UP 1u

static struct net_driver driver;

/* A card, and a driver that has started but offers no buffer. */
static void set_up(void)
{
	net_driver_init(&driver, QUEUE_SIZE);
	is_int(net_driver_attach(&driver), 0);
	ok(net_driver_start(&driver));
	(void)fake_driver_run(&driver.fake, REST);
	(void)fake_driver_take_interrupts(&driver.fake);
}

static void tear_down(void)
{
	net_driver_fini(&driver);
}

static uint32_t get(uint64_t offset)
{
	return fake_driver_read(&driver.fake, offset);
}

static uint32_t link_status(void)
{
	uint16_t status;

	memcpy(&status, fake_driver_config(&driver.fake) + NET_MAC_SIZE, sizeof(status));
	return status;
}

static void test_identity(void)
{
	uint32_t generation;

	net_driver_init(&driver, QUEUE_SIZE);
	is_int(get(VIRTIO_MMIO_DEVICE_ID), 0);
	is_int(link_status(), 0);
	generation = get(VIRTIO_MMIO_CONFIG_GENERATION);
	is_int(net_driver_attach(&driver), 0);
	ok(get(VIRTIO_MMIO_CONFIG_GENERATION) != generation);
	is_int(get(VIRTIO_MMIO_DEVICE_ID), 1);
	fake_driver_write(&driver.fake, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	/* Neither MTU nor control queue, multiple queues, fragmentation of UDP. */
	is_int(get(VIRTIO_MMIO_DEVICE_FEATURES), 1U << 0 | 1U << 1 | 1U << 5 | 1U << 7 | 1U << 8 |
							 1U << 9 | 1U << 11 | 1U << 12 | 1U << 13 |
							 1U << 15 | 1U << 16 | 1U << 29);
	ok(!memcmp(fake_driver_config(&driver.fake), net_driver_mac, NET_MAC_SIZE));
	is_int(link_status(), LINK_UP);
	is_int(fake_driver_take_interrupts(&driver.fake), 0); /* nobody is there to be told */
	tear_down();
}

/* Class: a driver gets frames that it has not said it understands. */
static void test_required_features(void)
{
	static const unsigned int required[] = { 1, 7, 8, 9, 15 };
	static const unsigned int others[] = { 0, 5, 11, 12, 13, 16, 29 };
	const uint64_t all = UINT64_C(1) << 32 | 0x2001bba3;

	net_driver_init(&driver, QUEUE_SIZE);
	for (unsigned int i = 0; i < ARRAY_SIZE(required) + ARRAY_SIZE(others); i++) {
		bool is_required = i < ARRAY_SIZE(required);
		unsigned int bit = is_required ? required[i] : others[i - ARRAY_SIZE(required)];
		uint32_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

		fake_driver_acknowledge(&driver.fake);
		fake_driver_write_features(&driver.fake, all & ~(UINT64_C(1) << bit));
		fake_driver_write(&driver.fake, VIRTIO_MMIO_STATUS,
				  status | VIRTIO_CONFIG_S_FEATURES_OK);
		status |= is_required ? 0 : VIRTIO_CONFIG_S_FEATURES_OK;
		if (!is_int(get(VIRTIO_MMIO_STATUS), status))
			printf("# without feature %u\n", bit);
	}
	tear_down();
}

/* --- receiving -------------------------------------------------------------------------------- */

static void test_receive(void)
{
	set_up();
	net_driver_offer(&driver, 32, PAGE);
	(void)fake_driver_run(&driver.fake, REST);
	ok(net_driver_put(&driver, NULL, 60, 1));
	ok(net_driver_put(&driver, NULL, 1514, 2));
	ok(net_driver_put(&driver, NULL, PAGE - NET_HEADER_SIZE, 3));
	ok(net_driver_put(&driver, NULL, PAGE - NET_HEADER_SIZE + 1, 4));
	(void)fake_driver_run(&driver.fake, REST);
	is_int(net_driver_got(&driver, 60, 1), 1);
	is_int(net_driver_got(&driver, 1514, 2), 1);
	is_int(net_driver_got(&driver, PAGE - NET_HEADER_SIZE, 3), 1);
	is_int(net_driver_got(&driver, PAGE - NET_HEADER_SIZE + 1, 4), 2);
	is_int(net_driver_got(&driver, 60, 1), 0);
	is_int(fake_driver_take_interrupts(&driver.fake), 1);
	tear_down();
}

static void test_receive_the_largest_frame(void)
{
	set_up();
	net_driver_offer(&driver, 2 * FULL, PAGE);
	ok(net_driver_put(&driver, NULL, NET_FRAME_MAX, 5));
	(void)fake_driver_run(&driver.fake, REST);
	is_int(net_driver_got(&driver, NET_FRAME_MAX, 5), FULL);
	tear_down();
}

/* The header itself may lie in several segments, and its last field in two of these. */
static void test_receive_into_small_segments(void)
{
	struct fake_buffer parts[3] = { { 0x80000, 3 }, { 0x80100, 8 }, { 0x80200, 2000 } };
	struct virtio_net_hdr_v1 header;
	uint32_t id;
	uint32_t len;

	set_up();
	(void)fake_driver_add(&driver.fake, NET_QUEUE_RECEIVE, NULL, 0, parts, 3);
	net_driver_offer(&driver, FULL, PAGE);
	ok(net_driver_put(&driver, NULL, 1000, 6));
	(void)fake_driver_run(&driver.fake, REST);
	ok(fake_driver_take_used(&driver.fake, NET_QUEUE_RECEIVE, &id, &len));
	is_int(len, NET_HEADER_SIZE + 1000);
	memcpy(&header, fake_driver_bytes(&driver.fake, parts[0].gpa, 3), 3);
	memcpy((uint8_t *)&header + 3, fake_driver_bytes(&driver.fake, parts[1].gpa, 8), 8);
	memcpy((uint8_t *)&header + 11, fake_driver_bytes(&driver.fake, parts[2].gpa, 1), 1);
	is_int(header.num_buffers, 1);
	is_int(*(uint8_t *)fake_driver_bytes(&driver.fake, parts[2].gpa + 1, 1), 6);
	tear_down();
}

/* Class: while there is no room, frames stay in the tap, and nobody asks for them in vain. */
static void test_no_room(void)
{
	set_up();
	ok(net_driver_put(&driver, NULL, 100, 7));
	is_int(fake_driver_run(&driver.fake, REST), 0);
	/* A small frame would fit; but nobody knows how long the next one is. */
	net_driver_offer(&driver, FULL - 1, PAGE);
	is_int(fake_driver_run(&driver.fake, REST), 1);
	is_int(net_driver_got(&driver, 100, 7), 0);
	net_driver_offer(&driver, 1, PAGE);
	(void)fake_driver_run(&driver.fake, REST);
	is_int(net_driver_got(&driver, 100, 7), 1);
	/* The buffers that are left are waited for again. */
	ok(net_driver_put(&driver, NULL, 200, 8));
	is_int(fake_driver_run(&driver.fake, REST), 0);
	net_driver_offer(&driver, 1, PAGE);
	(void)fake_driver_run(&driver.fake, REST);
	is_int(net_driver_got(&driver, 200, 8), 1);
	tear_down();
}

/* Class: a flood of frames leaves nothing of the loop to others. */
static void test_receive_is_bounded(void)
{
	unsigned int nr_put = 0;
	unsigned int nr_got = 0;

	net_driver_init(&driver, 256);
	is_int(net_driver_attach(&driver), 0);
	ok(net_driver_start(&driver));
	net_driver_offer(&driver, 150, PAGE);
	is_int(fake_driver_run(&driver.fake, 1), 1);
	while (nr_put < NET_FRAMES_PER_TURN + 10 && net_driver_put(&driver, NULL, 60, 9))
		nr_put++;
	is_int(nr_put, NET_FRAMES_PER_TURN + 10);
	is_int(fake_driver_run(&driver.fake, 1), 1);
	while (net_driver_got(&driver, 60, 9))
		nr_got++;
	is_int(nr_got, NET_FRAMES_PER_TURN);
	is_int(fake_driver_take_interrupts(&driver.fake), 1);
	(void)fake_driver_run(&driver.fake, REST);
	while (net_driver_got(&driver, 60, 9))
		nr_got++;
	is_int(nr_got, nr_put);
	tear_down();
}

static void test_runts_are_lost(void)
{
	set_up();
	net_driver_offer(&driver, 2 * FULL, PAGE);
	ok(net_driver_put(&driver, NULL, NET_FRAME_MIN - 1, 1));
	ok(net_driver_put(&driver, NULL, NET_FRAME_MIN, 2));
	(void)fake_driver_run(&driver.fake, REST);
	is_int(net_driver_got(&driver, NET_FRAME_MIN, 2), 1);
	tear_down();
}

/* --- sending ---------------------------------------------------------------------------------- */

static void test_send(void)
{
	struct virtio_net_hdr_v1 header;

	set_up();
	net_driver_send(&driver, NULL, 60, 1);
	net_driver_send(&driver, NULL, 1514, 2);
	net_driver_send(&driver, NULL, NET_FRAME_MAX, 3);
	fake_driver_kick(&driver.fake, NET_QUEUE_TRANSMIT);
	(void)fake_driver_run(&driver.fake, REST);
	ok(net_driver_was_sent(&driver, 60, 1, &header));
	is_int(header.flags | header.gso_type | header.num_buffers, 0);
	ok(net_driver_was_sent(&driver, 1514, 2, &header));
	ok(net_driver_was_sent(&driver, NET_FRAME_MAX, 3, &header));
	is_int(net_driver_count_sent(&driver), 3);
	is_int(fake_driver_take_interrupts(&driver.fake), 1);
	tear_down();
}

/* A chain may be cut anywhere (section 2.7.4.3), and may have room that is left alone. */
static void test_send_from_odd_segments(void)
{
	struct fake_buffer parts[5] = {
		{ 0x80000, 5 }, { 0x80100, 6 }, { 0x80200, 2 }, { 0x80300, 58 }, { 0x80400, 1 }
	};
	struct virtio_net_hdr_v1 header;
	uint8_t frame[60];
	uint8_t sent[NET_HEADER_SIZE + sizeof(frame) + 1];

	set_up();
	for (unsigned int i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i + 1);
	*(uint8_t *)fake_driver_bytes(&driver.fake, parts[2].gpa + 1, 1) = frame[0];
	memcpy(fake_driver_bytes(&driver.fake, parts[3].gpa, 58), frame + 1, 58);
	*(uint8_t *)fake_driver_bytes(&driver.fake, parts[4].gpa, 1) = frame[59];
	(void)fake_driver_add(&driver.fake, NET_QUEUE_TRANSMIT, parts, 5, &parts[4], 1);
	fake_driver_kick(&driver.fake, NET_QUEUE_TRANSMIT);
	(void)fake_driver_run(&driver.fake, REST);
	is_int(recv(driver.wire_fd, sent, sizeof(sent), 0), NET_HEADER_SIZE + sizeof(frame));
	memcpy(&header, sent, sizeof(header));
	is_int(header.flags | header.gso_type | header.num_buffers, 0);
	ok(!memcmp(sent + NET_HEADER_SIZE, frame, sizeof(frame)));
	is_int(net_driver_count_sent(&driver), 1);
	tear_down();
}

/* Class: one device starves the others. */
static void test_sending_is_bounded(void)
{
	struct virtio_net_hdr_v1 header;
	unsigned int nr = 0;

	net_driver_init(&driver, 256);
	is_int(net_driver_attach(&driver), 0);
	ok(net_driver_start(&driver));
	(void)fake_driver_run(&driver.fake, REST);
	for (unsigned int i = 0; i < NET_FRAMES_PER_TURN + 10; i++)
		net_driver_send(&driver, NULL, 60, 1);
	fake_driver_kick(&driver.fake, NET_QUEUE_TRANSMIT);
	is_int(fake_driver_run(&driver.fake, 1), 1);
	is_int(net_driver_count_sent(&driver), NET_FRAMES_PER_TURN);
	(void)fake_driver_run(&driver.fake, REST);
	is_int(net_driver_count_sent(&driver), 10);
	while (net_driver_was_sent(&driver, 60, 1, &header))
		nr++;
	is_int(nr, NET_FRAMES_PER_TURN + 10);
	tear_down();
}

/* A tap that takes no more is waited for, in order, without work meanwhile. */
static void test_full_tap(void)
{
	struct virtio_net_hdr_v1 header;
	unsigned int nr_sent = 0;
	unsigned int nr_seen = 0;

	set_up();
	for (uint8_t i = 0; i < 20; i++)
		net_driver_send(&driver, NULL, 30000, i);
	fake_driver_kick(&driver.fake, NET_QUEUE_TRANSMIT);
	ok(fake_driver_run(&driver.fake, REST) < 20);
	nr_sent = net_driver_count_sent(&driver);
	ok(nr_sent > 1 && nr_sent < 20);
	is_int(fake_driver_run(&driver.fake, REST), 0);
	while (nr_seen < 20 && net_driver_was_sent(&driver, 30000, (uint8_t)nr_seen, &header)) {
		nr_seen++;
		(void)fake_driver_run(&driver.fake, REST);
	}
	is_int(nr_seen, 20);
	is_int(nr_sent + net_driver_count_sent(&driver), 20);
	is_int(fake_driver_run(&driver.fake, REST), 0);
	tear_down();
}

/* --- cards that come and go ------------------------------------------------------------------- */

static void test_detach(void)
{
	uint32_t generation;

	set_up();
	for (uint8_t i = 0; i < 20; i++)
		net_driver_send(&driver, NULL, 30000, i);
	fake_driver_kick(&driver.fake, NET_QUEUE_TRANSMIT);
	(void)fake_driver_run(&driver.fake, REST);
	ok(net_driver_count_sent(&driver) < 20);
	(void)fake_driver_take_interrupts(&driver.fake);
	generation = get(VIRTIO_MMIO_CONFIG_GENERATION);
	net_detach(driver.net);
	is_int(get(VIRTIO_MMIO_DEVICE_ID), 0);
	is_int(link_status(), 0);
	ok(get(VIRTIO_MMIO_CONFIG_GENERATION) != generation);
	ok(get(VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG);
	/* The frame that waited, and those behind it. */
	(void)fake_driver_run(&driver.fake, REST);
	ok(fake_driver_take_interrupts(&driver.fake) > 0);
	net_driver_send(&driver, NULL, 60, 1);
	fake_driver_kick(&driver.fake, NET_QUEUE_TRANSMIT);
	(void)fake_driver_run(&driver.fake, REST);
	ok(net_driver_count_sent(&driver) > 1);
	is_int(fake_driver_run(&driver.fake, REST), 0);
	net_detach(driver.net); /* does nothing */
	tear_down();
}

/* The driver keeps its rings and buffers; the next card serves them. */
static void test_attach_again(void)
{
	struct virtio_net_hdr_v1 header;

	set_up();
	net_driver_offer(&driver, 2 * FULL, PAGE);
	(void)fake_driver_run(&driver.fake, REST);
	for (uint8_t i = 0; i < 10; i++) {
		net_detach(driver.net);
		(void)fake_driver_run(&driver.fake, REST);
		is_int(net_driver_attach(&driver), 0);
		ok(net_driver_put(&driver, NULL, 60, i));
		net_driver_send(&driver, NULL, 70, i);
		fake_driver_kick(&driver.fake, NET_QUEUE_TRANSMIT);
		(void)fake_driver_run(&driver.fake, REST);
		is_int(net_driver_got(&driver, 60, i), 1);
		ok(net_driver_was_sent(&driver, 70, i, &header));
	}
	is_int(link_status(), LINK_UP);
	tear_down();
}

static void test_tap_is_gone(void)
{
	set_up();
	net_driver_offer(&driver, 2 * FULL, PAGE);
	(void)fake_driver_run(&driver.fake, REST);
	(void)close(driver.wire_fd);
	driver.wire_fd = -1;
	ok(fake_driver_run(&driver.fake, REST) < REST);
	is_int(get(VIRTIO_MMIO_DEVICE_ID), 0);
	is_int(link_status(), 0);
	is_int(net_driver_attach(&driver), 0);
	ok(net_driver_put(&driver, NULL, 60, 1));
	(void)fake_driver_run(&driver.fake, REST);
	is_int(net_driver_got(&driver, 60, 1), 1);
	tear_down();
}

static void test_attach_takes_the_descriptor(void)
{
	int fd = memfd_create("no tap", MFD_CLOEXEC); /* a file that epoll does not know */
	struct error err;

	set_up();
	is_int(net_attach(driver.net, fd, net_driver_mac, &err), -EPERM);
	ok(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
	ok(!strncmp(err.text, "virtio net0 device: ", 20));
	is_int(get(VIRTIO_MMIO_DEVICE_ID), 0);
	tear_down();
}

/* Class: buffers of before a reset are written to. */
static void test_reset(void)
{
	struct virtio_net_hdr_v1 header;

	set_up();
	net_driver_offer(&driver, 2 * FULL, PAGE);
	for (uint8_t i = 0; i < 20; i++)
		net_driver_send(&driver, NULL, 30000, i);
	fake_driver_kick(&driver.fake, NET_QUEUE_TRANSMIT);
	(void)fake_driver_run(&driver.fake, REST);
	fake_driver_reset(&driver.fake);
	ok(net_driver_put(&driver, NULL, 60, 1));
	ok(fake_driver_run(&driver.fake, REST) < REST);
	is_int(get(VIRTIO_MMIO_STATUS), 0);
	while (recv(driver.wire_fd, &header, sizeof(header), 0) > 0)
		continue;
	is_int(fake_driver_run(&driver.fake, REST), 0);
	/* What came meanwhile is for the next driver. */
	ok(net_driver_start(&driver));
	net_driver_offer(&driver, 2 * FULL, PAGE);
	net_driver_send(&driver, NULL, 70, 2);
	fake_driver_kick(&driver.fake, NET_QUEUE_TRANSMIT);
	(void)fake_driver_run(&driver.fake, REST);
	is_int(net_driver_got(&driver, 60, 1), 1);
	ok(net_driver_was_sent(&driver, 70, 2, &header));
	is_int(net_driver_count_sent(&driver), 1);
	tear_down();
}

int main(void)
{
	test_identity();
	test_required_features();
	test_receive();
	test_receive_the_largest_frame();
	test_receive_into_small_segments();
	test_no_room();
	test_receive_is_bounded();
	test_runts_are_lost();
	test_send();
	test_send_from_odd_segments();
	test_sending_is_bounded();
	test_full_tap();
	test_detach();
	test_attach_again();
	test_tap_is_gone();
	test_attach_takes_the_descriptor();
	test_reset();
	return tap_done();
}
