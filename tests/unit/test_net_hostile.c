/* SPDX-License-Identifier: Apache-2.0 */
/* The network card and a driver that breaks rules: headers, lengths, buffers, bytes that change. */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <sys/socket.h>

#include "tests/unit/net_driver.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"

#define QUEUE_SIZE 64
#define PAGE 4096u
#define REST 1000
#define NEEDS_CSUM VIRTIO_NET_HDR_F_NEEDS_CSUM
#define TCP4 VIRTIO_NET_HDR_GSO_TCPV4
#define TCP6 VIRTIO_NET_HDR_GSO_TCPV6
#define ECN VIRTIO_NET_HDR_GSO_ECN
#define HOST_FEATURES (1u << 0 | 1u << 11 | 1u << 12 | 1u << 13)

static struct net_driver driver;

static void set_up(void)
{
	net_driver_init(&driver, QUEUE_SIZE);
	is_int(net_driver_attach(&driver), 0);
	ok(net_driver_start(&driver));
	(void)fake_driver_run(&driver.fake, REST);
}

static void tear_down(void)
{
	net_driver_fini(&driver);
}

static bool has_failed(void)
{
	return fake_driver_read(&driver.fake, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* Send a frame of @len bytes. Returns whether it arrived; it is given back to the driver anyway. */
static bool passes(const struct virtio_net_hdr_v1 *header, size_t len,
		   struct virtio_net_hdr_v1 *ret_header)
{
	net_driver_send(&driver, header, len, 1);
	fake_driver_kick(&driver.fake, NET_QUEUE_TRANSMIT);
	(void)fake_driver_run(&driver.fake, REST);
	if (net_driver_count_sent(&driver) != 1 || has_failed())
		printf("# not given back\n");
	return net_driver_was_sent(&driver, len, 1, ret_header);
}

static const struct {
	struct virtio_net_hdr_v1 header;
	size_t len;
	bool passes;
} headers[] = {
	{ { 0 }, 13, false },
	{ { 0 }, 14, true },
	{ { 0 }, NET_FRAME_MAX, true },
	{ { 0 }, NET_FRAME_MAX + 1, false },
	/* Checksums. */
	{ { NEEDS_CSUM, .csum_start = 34, .csum_offset = 16 }, 52, true },
	{ { NEEDS_CSUM, .csum_start = 34, .csum_offset = 16 }, 51, false },
	{ { NEEDS_CSUM, .csum_start = 14, .csum_offset = 0 }, 16, true },
	{ { NEEDS_CSUM, .csum_start = 13, .csum_offset = 16 }, 100, false },
	{ { NEEDS_CSUM, .csum_start = 0xffff, .csum_offset = 0xffff }, NET_FRAME_MAX, false },
	{ { NEEDS_CSUM, .csum_start = 0xffff, .csum_offset = 1 }, 100, false },
	{ { NEEDS_CSUM, .csum_start = 34, .csum_offset = 0xffff }, 100, false },
	/* Without the flag these mean nothing. */
	{ { .csum_start = 0xffff, .csum_offset = 0xffff }, 60, true },
	{ { .gso_size = 1, .hdr_len = 0xffff }, 60, true },
	/* Flags that nobody knows are ignored (section 5.1.6.2.2). */
	{ { .flags = 0xfe }, 60, true },
	/* Segmentation. */
	{ { NEEDS_CSUM, TCP4, 54, 1460, .csum_start = 34, .csum_offset = 16 }, 60000, true },
	{ { NEEDS_CSUM, TCP6, 74, 1440, .csum_start = 54, .csum_offset = 16 }, 60000, true },
	{ { NEEDS_CSUM, TCP4 | ECN, 54, 1460, .csum_start = 34, .csum_offset = 16 }, 60000, true },
	{ { NEEDS_CSUM, TCP4, 54, 8, .csum_start = 34, .csum_offset = 16 }, 60000, true },
	{ { NEEDS_CSUM, TCP4, 54, 7, .csum_start = 34, .csum_offset = 16 }, 60000, false },
	{ { NEEDS_CSUM, TCP4, 54, 0, .csum_start = 34, .csum_offset = 16 }, 60000, false },
	{ { NEEDS_CSUM, TCP4, 1001, 500, .csum_start = 34, .csum_offset = 16 }, 1000, false },
	{ { NEEDS_CSUM, TCP4, 1000, 500, .csum_start = 34, .csum_offset = 16 }, 1000, true },
	{ { .gso_type = TCP4,
	    .hdr_len = 54,
	    .gso_size = 1460,
	    .csum_start = 34,
	    .csum_offset = 16 },
	  60000,
	  false },
	{ { NEEDS_CSUM, ECN, 54, 1460, .csum_start = 34, .csum_offset = 16 }, 60000, false },
	{ { NEEDS_CSUM, VIRTIO_NET_HDR_GSO_UDP, 42, 1460, .csum_start = 34, .csum_offset = 6 },
	  60000,
	  false },
	{ { NEEDS_CSUM, 5, 42, 1460, .csum_start = 34, .csum_offset = 6 }, 60000, false },
	{ { NEEDS_CSUM, TCP4 | TCP6, 54, 1460, .csum_start = 34, .csum_offset = 16 },
	  60000,
	  false },
	{ { NEEDS_CSUM, 0x7f, 54, 1460, .csum_start = 34, .csum_offset = 16 }, 60000, false },
};

static void test_headers(void)
{
	struct virtio_net_hdr_v1 sent;

	set_up();
	for (unsigned int i = 0; i < ARRAY_SIZE(headers); i++) {
		const struct virtio_net_hdr_v1 *header = &headers[i].header;
		bool is_cut = header->gso_type != 0;

		if (!is_int(passes(header, headers[i].len, &sent), headers[i].passes))
			printf("# header %u\n", i);
		if (!headers[i].passes)
			continue;
		/* What it says, and nothing that it does not. */
		is_int(sent.flags, header->flags & NEEDS_CSUM);
		is_int(sent.csum_start, header->flags & NEEDS_CSUM ? header->csum_start : 0);
		is_int(sent.csum_offset, header->flags & NEEDS_CSUM ? header->csum_offset : 0);
		is_int(sent.gso_type, header->gso_type);
		is_int(sent.gso_size, is_cut ? header->gso_size : 0);
		is_int(sent.hdr_len, is_cut ? header->hdr_len : 0);
		is_int(sent.num_buffers, 0);
	}
	tear_down();
}

/* Class: what was not negotiated is done all the same. */
static void test_headers_that_were_not_negotiated(void)
{
	struct virtio_net_hdr_v1 sent;

	set_up();
	driver.fake.device->driver_features &= ~(uint64_t)HOST_FEATURES;
	for (unsigned int i = 0; i < ARRAY_SIZE(headers); i++) {
		const struct virtio_net_hdr_v1 *header = &headers[i].header;
		bool is_plain = !(header->flags & NEEDS_CSUM) && !header->gso_type;

		is_int(passes(header, headers[i].len, &sent), headers[i].passes && is_plain);
	}
	/* Each for itself. */
	for (unsigned int i = 0; i < ARRAY_SIZE(headers); i++) {
		const struct virtio_net_hdr_v1 *header = &headers[i].header;

		driver.fake.device->driver_features |= HOST_FEATURES;
		driver.fake.device->driver_features &= ~(UINT64_C(1) << 11);
		is_int(passes(header, headers[i].len, &sent),
		       headers[i].passes && (header->gso_type & ~ECN) != TCP4);
		driver.fake.device->driver_features |= HOST_FEATURES;
		driver.fake.device->driver_features &= ~(UINT64_C(1) << 13);
		is_int(passes(header, headers[i].len, &sent),
		       headers[i].passes && !(header->gso_type & ECN));
	}
	tear_down();
}

static void test_chain_without_whole_header(void)
{
	for (uint32_t len = 1; len < NET_HEADER_SIZE; len++) {
		set_up();
		(void)fake_driver_request(&driver.fake, NET_QUEUE_TRANSMIT, "eleven bytes", len, 64,
					  NULL);
		fake_driver_kick(&driver.fake, NET_QUEUE_TRANSMIT);
		(void)fake_driver_run(&driver.fake, REST);
		ok(has_failed());
		ok(net_driver_start(&driver));
		tear_down();
	}
}

/* A header and nothing else is a frame that is too short, not a broken rule. */
static void test_header_alone(void)
{
	struct virtio_net_hdr_v1 sent;

	set_up();
	ok(!passes(NULL, 0, &sent));
	ok(!has_failed());
	ok(passes(NULL, 60, &sent));
	tear_down();
}

/* Class: the same buffer over and over adds up to more than a frame, or than memory. */
static void test_endless_frame(void)
{
	struct fake_buffer buffers[QUEUE_SIZE];

	set_up();
	for (unsigned int i = 0; i < QUEUE_SIZE; i++)
		buffers[i] = (struct fake_buffer){ FAKE_BUFFERS, FAKE_LOW_SIZE - FAKE_BUFFERS };
	(void)fake_driver_add(&driver.fake, NET_QUEUE_TRANSMIT, buffers, QUEUE_SIZE, NULL, 0);
	fake_driver_kick(&driver.fake, NET_QUEUE_TRANSMIT);
	(void)fake_driver_run(&driver.fake, REST);
	is_int(net_driver_count_sent(&driver), 1);
	ok(!has_failed());
	is_int(recv(driver.wire_fd, buffers, sizeof(buffers), 0), -1);
	tear_down();
}

/* Class: frames into buffers that do not even hold a header. */
static void test_buffer_smaller_than_a_header(void)
{
	for (uint32_t len = NET_HEADER_SIZE - 1; len <= NET_HEADER_SIZE; len++) {
		set_up();
		net_driver_offer(&driver, 1, len);
		(void)fake_driver_run(&driver.fake, REST);
		is_int(has_failed(), len < NET_HEADER_SIZE);
		tear_down();
	}
	/* Without anything to write to. */
	set_up();
	(void)fake_driver_request(&driver.fake, NET_QUEUE_RECEIVE, "thirteen bytes", 13, 0, NULL);
	fake_driver_kick(&driver.fake, NET_QUEUE_RECEIVE);
	(void)fake_driver_run(&driver.fake, REST);
	ok(has_failed());
	tear_down();
}

/* Many small buffers: no frame fits, and the device does not work itself to death over it. */
static void test_tiny_buffers(void)
{
	set_up();
	ok(net_driver_put(&driver, NULL, 1000, 1));
	net_driver_offer(&driver, QUEUE_SIZE, NET_HEADER_SIZE);
	is_int(fake_driver_run(&driver.fake, REST), 1);
	ok(!has_failed());
	/* All heads are the device's: one more is a head that is in flight. */
	net_driver_offer(&driver, 1, NET_HEADER_SIZE);
	(void)fake_driver_run(&driver.fake, REST);
	ok(has_failed());
	tear_down();
}

/* Class: chains that end in the same descriptors have more segments than there are. */
static void test_buffers_share_descriptors(void)
{
	set_up();
	ok(net_driver_put(&driver, NULL, 60, 1));
	/* 1 -> 2 -> ... -> 39, of which each descriptor is made a head. */
	for (uint16_t i = 0; i < 40; i++) {
		uint16_t flags = VRING_DESC_F_WRITE | (i < 39 ? VRING_DESC_F_NEXT : 0);

		fake_driver_set_descriptor(&driver.fake, NET_QUEUE_RECEIVE, i, 0x80000 + i * 64u,
					   NET_HEADER_SIZE, flags, (uint16_t)(i + 1));
	}
	for (uint16_t i = 0; i < 40; i++)
		fake_driver_make_available(&driver.fake, NET_QUEUE_RECEIVE, i);
	fake_driver_kick(&driver.fake, NET_QUEUE_RECEIVE);
	(void)fake_driver_run(&driver.fake, REST);
	ok(has_failed());
	ok(net_driver_start(&driver));
	tear_down();
}

/* Class: a buffer outside of memory, or one flush with its end. */
static void test_buffers_at_the_end_of_ram(void)
{
	struct fake_buffer inside = { FAKE_LOW_SIZE - 0x11000, 0x11000 };
	struct fake_buffer outside = { FAKE_LOW_SIZE - 0x11000 + 1, 0x11000 };
	uint32_t id;
	uint32_t len;

	set_up();
	(void)fake_driver_add(&driver.fake, NET_QUEUE_RECEIVE, NULL, 0, &inside, 1);
	fake_driver_kick(&driver.fake, NET_QUEUE_RECEIVE);
	ok(net_driver_put(&driver, NULL, NET_FRAME_MAX, 1));
	(void)fake_driver_run(&driver.fake, REST);
	ok(fake_driver_take_used(&driver.fake, NET_QUEUE_RECEIVE, &id, &len));
	is_int(len, NET_WIRE_MAX);
	(void)fake_driver_add(&driver.fake, NET_QUEUE_RECEIVE, NULL, 0, &outside, 1);
	fake_driver_kick(&driver.fake, NET_QUEUE_RECEIVE);
	ok(net_driver_put(&driver, NULL, 60, 1));
	(void)fake_driver_run(&driver.fake, REST);
	ok(has_failed());
	tear_down();
}

/* A device that has failed takes no frame from the tap any more, and costs no turn of the loop. */
static void test_failed_device_is_quiet(void)
{
	set_up();
	ok(net_driver_put(&driver, NULL, 60, 1));
	net_driver_offer(&driver, 40, PAGE);
	fake_driver_set_available_index(&driver.fake, NET_QUEUE_TRANSMIT, 1000);
	fake_driver_kick(&driver.fake, NET_QUEUE_TRANSMIT);
	ok(fake_driver_run(&driver.fake, REST) < 10);
	ok(has_failed());
	ok(net_driver_put(&driver, NULL, 60, 2));
	ok(fake_driver_run(&driver.fake, REST) < 10);
	is_int(fake_driver_run(&driver.fake, REST), 0);
	tear_down();
}

int main(void)
{
	test_headers();
	test_headers_that_were_not_negotiated();
	test_chain_without_whole_header();
	test_header_alone();
	test_endless_frame();
	test_buffer_smaller_than_a_header();
	test_tiny_buffers();
	test_buffers_share_descriptors();
	test_buffers_at_the_end_of_ram();
	test_failed_device_is_quiet();
	return tap_done();
}
