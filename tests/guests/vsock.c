/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/guests/vsock.h"

#include "tests/guests/device.h"
#include "tests/guests/runtime.h"

#define NR_BUFFERS 128
#define BUFFER_SIZE 4096
#define UNSERVED_PORT 9
#define SOURCE_PORT 500

static uint8_t buffers[NR_BUFFERS][BUFFER_SIZE] __attribute__((aligned(4096)));

struct vsock_header vsock_header_to(uint32_t source, uint32_t port, enum vsock_op op)
{
	return (struct vsock_header){
		.src_cid = VSOCK_CID,
		.dst_cid = VSOCK_HOST_CID,
		.src_port = source,
		.dst_port = port,
		.type = VSOCK_TYPE_STREAM,
		.op = (uint16_t)op,
		.buf_alloc = 65536,
	};
}

void vsock_offer_buffers(unsigned int count, uint32_t len)
{
	const struct device *device = &devices[DEVICE_VSOCK];
	const struct ring *ring = &device->rings[VSOCK_QUEUE_RX];

	for (unsigned int i = 0; i < count && i < NR_BUFFERS; i++) {
		ring_describe(ring, i, (uintptr_t)buffers[i], len, VRING_DESC_F_WRITE, 0);
		ring_offer(ring, (uint16_t)i);
	}
	device_ring(device, VSOCK_QUEUE_RX);
}

bool vsock_send(const void *header, uint32_t len)
{
	uint32_t written;

	return device_request(&devices[DEVICE_VSOCK], VSOCK_QUEUE_TX, header, len, NULL, 0,
			      &written);
}

bool vsock_receive(struct vsock_header *ret_header)
{
	struct ring *ring = &devices[DEVICE_VSOCK].rings[VSOCK_QUEUE_RX];
	uint16_t slot = ring->seen & (ring->size - 1);
	uint32_t written, index;

	if (!ring_await(ring, &written))
		return false;
	index = ring->used->ring[slot].id;
	if (index >= NR_BUFFERS)
		return false;
	memcpy(ret_header, buffers[index], sizeof(*ret_header));
	return written >= sizeof(*ret_header);
}

bool vsock_answers(void)
{
	struct vsock_header request = vsock_header_to(SOURCE_PORT, UNSERVED_PORT, VSOCK_OP_REQUEST);
	struct vsock_header answer;

	vsock_offer_buffers(1, BUFFER_SIZE);
	return vsock_send(&request, sizeof(request)) && vsock_receive(&answer) &&
	       answer.op == VSOCK_OP_RST && answer.src_port == UNSERVED_PORT &&
	       answer.dst_port == SOURCE_PORT && answer.src_cid == VSOCK_HOST_CID;
}
