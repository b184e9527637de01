/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network card: whatever the driver does, and however frames and cards come and go, the wire
 * sees nothing but headers that make sense, and in the end frames pass both ways.
 */
#include <string.h>
#include <sys/socket.h>

#include "tests/fuzz/device_target.h"
#include "tests/unit/net_driver.h"
#include "vmm/base/bug.h"

#define SEGMENT_MIN 8
#define LAST_FRAME 70
#define MAX_EVENTS_TO_REST 10000

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct net_driver driver;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return device_target_init();
}

/* What the tap would get is well-formed, whatever the guest's memory says by now. */
static void check_sent(const struct virtio_net_hdr_v1 *header, size_t len)
{
	uint8_t type = header->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;

	BUG_ON(len < NET_FRAME_MIN || len > NET_FRAME_MAX);
	BUG_ON(header->flags & ~VIRTIO_NET_HDR_F_NEEDS_CSUM || header->num_buffers);
	if (header->flags)
		BUG_ON(header->csum_start < NET_FRAME_MIN ||
		       (size_t)header->csum_start + header->csum_offset + 2 > len);
	if (!header->gso_type)
		return;
	BUG_ON(type != VIRTIO_NET_HDR_GSO_TCPV4 && type != VIRTIO_NET_HDR_GSO_TCPV6);
	BUG_ON(!header->flags || header->gso_size < SEGMENT_MIN || header->hdr_len > len);
}

static void drain_wire(void)
{
	static struct {
		struct virtio_net_hdr_v1 header;
		uint8_t frame[NET_FRAME_MAX + 1];
	} sent;
	ssize_t len;

	if (driver.wire_fd < 0)
		return;
	while ((len = recv(driver.wire_fd, &sent, sizeof(sent), 0)) > 0)
		check_sent(&sent.header, (size_t)len - sizeof(sent.header));
}

/* The other side of the card. */
static void on_step(struct fake_program *program)
{
	size_t len;

	switch (fake_program_byte(program) % 16) {
	case 0:
		net_detach(driver.net);
		return;
	case 1:
		BUG_ON(net_driver_attach(&driver) < 0);
		return;
	case 2:
	case 3:
	case 4:
	case 5:
		len = fake_program_number(program, NET_FRAME_MAX);
		if (driver.wire_fd >= 0 && len <= NET_FRAME_MAX)
			(void)net_driver_put(&driver, NULL, len, 1);
		return;
	case 6: /* a tap that fills up */
		return;
	default:
		drain_wire();
		return;
	}
}

/* With the rings as they are, a frame passes each way. */
static void check_wire(void)
{
	struct virtio_net_hdr_v1 header;

	BUG_ON(net_driver_attach(&driver) < 0);
	net_driver_offer(&driver, 8, 0x4000);
	BUG_ON(!net_driver_put(&driver, NULL, LAST_FRAME, 2));
	net_driver_send(&driver, NULL, LAST_FRAME, 3);
	fake_driver_kick(&driver.fake, NET_QUEUE_TRANSMIT);
	BUG_ON(fake_driver_run(&driver.fake, MAX_EVENTS_TO_REST) == MAX_EVENTS_TO_REST);
	BUG_ON(net_driver_got(&driver, LAST_FRAME, 2) != 1);
	BUG_ON(!net_driver_was_sent(&driver, LAST_FRAME, 3, &header));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_program program = { data, size };

	net_driver_init(&driver, 16);
	memset(fake_driver_bytes(&driver.fake, FAKE_BUFFERS, 64), fake_program_byte(&program), 64);
	BUG_ON(net_driver_attach(&driver) < 0);
	device_target_run(&driver.fake, &program, NET_QUEUE_TRANSMIT, on_step);
	drain_wire();
	check_wire();
	net_driver_fini(&driver);
	return 0;
}
