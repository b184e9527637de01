/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of every wrong kind (virtio 1.2, section 5.10.6). */
#include <linux/virtio_mmio.h>

#include "guest-init/protocol.h"
#include "tests/guests/attack.h"
#include "tests/guests/runtime.h"
#include "tests/guests/vsock.h"

#define BUFFER_SIZE 4096
#define LITTLE 44 /* a header, and no byte of payload */
#define NR_HALF_OPEN 3000
#define NR_RESETS 500
#define PRIVILEGED_PORT 700u
#define ANY_PORT 1234u
#define STDOUT_PORT (PROTOCOL_PORT_STREAMS + PROTOCOL_STDOUT)
#define BATCH 64

static struct {
	struct vsock_header header;
	uint8_t payload[VSOCK_PAYLOAD_MAX + PAGE_SIZE];
} packet;

/* --- headers ---------------------------------------------------------------------------------- */

/* Each changes one member of a sound request. */
static void bad_source_cid(struct vsock_header *header)
{
	header->src_cid = 77;
}

static void host_as_source(struct vsock_header *header)
{
	header->src_cid = VSOCK_HOST_CID;
}

static void bad_cid(struct vsock_header *header)
{
	header->dst_cid = VSOCK_CID;
}

static void high_cid(struct vsock_header *header)
{
	header->dst_cid |= UINT64_C(1) << 32;
}

static void bad_type(struct vsock_header *header)
{
	header->type = 2;
}

static void type_zero(struct vsock_header *header)
{
	header->type = 0;
}

static void length_beyond(struct vsock_header *header)
{
	header->len = 1;
}

static void length_huge(struct vsock_header *header)
{
	header->len = UINT32_MAX;
}

static void no_credit(struct vsock_header *header)
{
	header->buf_alloc = 0;
}

static void endless_credit(struct vsock_header *header)
{
	header->buf_alloc = UINT32_MAX;
	header->fwd_cnt = UINT32_MAX / 2;
}

static void all_flags(struct vsock_header *header)
{
	header->flags = UINT32_MAX;
}

static void port_zero(struct vsock_header *header)
{
	header->src_port = 0;
	header->dst_port = 0;
}

static void last_port(struct vsock_header *header)
{
	header->src_port = UINT32_MAX;
	header->dst_port = UINT32_MAX;
}

static void send_ops(void (*change)(struct vsock_header *header))
{
	for (unsigned int op = 0; op < 10; op++) {
		packet.header = vsock_header_to(PRIVILEGED_PORT, ANY_PORT, (enum vsock_op)op);
		change(&packet.header);
		(void)vsock_send(&packet, sizeof(packet.header));
	}
}

static void attack_headers(struct device *device)
{
	static const struct {
		const char *name;
		void (*change)(struct vsock_header *header);
	} changes[] = {
		{ "source CID of another", bad_source_cid },
		{ "source CID of the host", host_as_source },
		{ "destination CID of ours", bad_cid },
		{ "destination CID above 2^32", high_cid },
		{ "datagram", bad_type },
		{ "type 0", type_zero },
		{ "length beyond the buffer", length_beyond },
		{ "length 2^32 - 1", length_huge },
		{ "no credit", no_credit },
		{ "endless credit", endless_credit },
		{ "all flags", all_flags },
		{ "ports 0", port_zero },
		{ "ports 2^32 - 1", last_port },
	};

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		vsock_offer_buffers(BATCH, BUFFER_SIZE);
		send_ops(changes[i].change);
		conclude(device, GOES_ON, changes[i].name);
	}
}

/* --- connections ------------------------------------------------------------------------------ */

static void send_header(uint32_t source, uint32_t port, enum vsock_op op, uint32_t len)
{
	packet.header = vsock_header_to(source, port, op);
	packet.header.len = len;
	(void)vsock_send(&packet, (uint32_t)sizeof(packet.header) + len);
}

/* A socket of the host that was never offered: the answer to that is known only later. */
static bool is_refused(uint32_t port, bool is_privileged)
{
	struct vsock_header answer;

	if (!vsock_receive(&answer))
		return false;
	if (is_privileged && protocol_is_socket_port(port) && answer.op == VSOCK_OP_RESPONSE &&
	    !vsock_receive(&answer))
		return false;
	return answer.op == VSOCK_OP_RST && answer.src_port == port;
}

/* None is served by anybody but a container that has processes. */
static void every_kind_of_port(struct device *device)
{
	static const uint32_t ports[] = {
		1,	    22,		1023,	    1025,	65535,	    65536 + 4 * 300,
		0x10000000, 0x3fffffff, 0x40000000, 0x40000001, 0x40000100, 0x7fffffff,
		0x80000000, UINT32_MAX,
	};

	(void)device;
	vsock_offer_buffers(BATCH, BUFFER_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		for (unsigned int j = 0; j < 2; j++) {
			/* One port of each kind: with and without a privilege inside. */
			send_header(j ? PRIVILEGED_PORT : 50000, ports[i], VSOCK_OP_REQUEST, 0);
			if (!is_refused(ports[i], j))
				device_ring(device, UINT32_MAX);
		}
}

/* Fill a queue with requests, ring once. */
static void send_many(struct device *device, enum vsock_op op, unsigned int count)
{
	static struct vsock_header headers[BATCH];
	const struct ring *ring = device_main_ring(device);

	for (unsigned int sent = 0; sent < count; sent += BATCH) {
		uint32_t written;

		for (unsigned int i = 0; i < BATCH; i++) {
			headers[i] = vsock_header_to(sent + i, STDOUT_PORT + (sent + i) % 5, op);
			ring_describe(ring, i, (uintptr_t)&headers[i], sizeof(headers[i]), 0, 0);
			ring_offer(ring, (uint16_t)i);
		}
		device_ring(device, device->main_queue);
		for (unsigned int i = 0; i < BATCH; i++)
			if (!ring_await(device_main_ring(device), &written))
				return;
	}
}

/* Nobody takes the answers: those that are owed are bounded. */
static void half_open(struct device *device)
{
	send_many(device, VSOCK_OP_REQUEST, NR_HALF_OPEN);
}

static void reset_storm(struct device *device)
{
	send_many(device, VSOCK_OP_RST, NR_RESETS);
	send_many(device, VSOCK_OP_SHUTDOWN, NR_RESETS);
	send_many(device, VSOCK_OP_RESPONSE, NR_RESETS);
	send_many(device, VSOCK_OP_CREDIT_REQUEST, NR_RESETS);
}

/* The container's standard output, before there is a container. */
static void stream_beyond_credit(struct device *device)
{
	(void)device;
	vsock_offer_buffers(BATCH, BUFFER_SIZE);
	send_header(PRIVILEGED_PORT, STDOUT_PORT, VSOCK_OP_REQUEST, 0);
	memset(packet.payload, 'o', sizeof(packet.payload));
	for (unsigned int i = 0; i < 8; i++)
		send_header(PRIVILEGED_PORT, STDOUT_PORT, VSOCK_OP_RW, VSOCK_PAYLOAD_MAX);
	send_header(PRIVILEGED_PORT, STDOUT_PORT, VSOCK_OP_RW, VSOCK_PAYLOAD_MAX + 1);
}

static void data_before_response(struct device *device)
{
	vsock_offer_buffers(1, BUFFER_SIZE);
	for (unsigned int i = 0; i < BATCH; i++) {
		send_header(PRIVILEGED_PORT + i, STDOUT_PORT + 1, VSOCK_OP_REQUEST, 0);
		send_header(PRIVILEGED_PORT + i, STDOUT_PORT + 1, VSOCK_OP_RW, 1);
		send_header(PRIVILEGED_PORT + i, STDOUT_PORT + 1, VSOCK_OP_RW, 0);
	}
	(void)device;
}

static void credit_lies(struct device *device)
{
	static const uint32_t allocs[] = { 0, 1, UINT32_MAX, 0x80000000, 65536 };

	(void)device;
	vsock_offer_buffers(BATCH, BUFFER_SIZE);
	send_header(PRIVILEGED_PORT, STDOUT_PORT - 1, VSOCK_OP_REQUEST, 0);
	for (unsigned int i = 0; i < BATCH; i++) {
		packet.header =
			vsock_header_to(PRIVILEGED_PORT, STDOUT_PORT - 1, VSOCK_OP_CREDIT_UPDATE);
		packet.header.buf_alloc = allocs[i % ARRAY_SIZE(allocs)];
		packet.header.fwd_cnt = 0 - i * 0x10000001u;
		(void)vsock_send(&packet, sizeof(packet.header));
	}
}

/* --- buffers ---------------------------------------------------------------------------------- */

static void short_packet(struct device *device)
{
	struct vsock_header header = vsock_header_to(PRIVILEGED_PORT, 9, VSOCK_OP_REQUEST);

	(void)device;
	ring_describe(device_main_ring(device), 0, (uintptr_t)&header, LITTLE - 1, 0, 0);
	ring_offer(device_main_ring(device), 0);
	device_ring(device, VSOCK_QUEUE_TX);
}

static void writable_packet(struct device *device)
{
	ring_describe(device_main_ring(device), 0, (uintptr_t)&packet, sizeof(packet),
		      VRING_DESC_F_WRITE, 0);
	ring_offer(device_main_ring(device), 0);
	device_ring(device, VSOCK_QUEUE_TX);
}

/* A header in 44 descriptors of one byte. */
static void header_in_pieces(struct device *device)
{
	const struct ring *ring = device_main_ring(device);

	packet.header = vsock_header_to(PRIVILEGED_PORT, 9, VSOCK_OP_REQUEST);
	for (unsigned int i = 0; i < LITTLE; i++)
		ring_describe(ring, i, (uintptr_t)&packet + i, 1,
			      i + 1 < LITTLE ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1));
	ring_offer(ring, 0);
	device_ring(device, VSOCK_QUEUE_TX);
}

static void answer_into(struct device *device, uint32_t len, uint16_t flags)
{
	const struct ring *ring = &device->rings[VSOCK_QUEUE_RX];

	for (unsigned int i = 0; i < 4; i++) {
		ring_describe(ring, i, (uintptr_t)packet.payload, len, flags, 0);
		ring_offer(ring, (uint16_t)i);
	}
	device_ring(device, VSOCK_QUEUE_RX);
	packet.header = vsock_header_to(PRIVILEGED_PORT, 9, VSOCK_OP_REQUEST);
	ring_describe(device_main_ring(device), 0, (uintptr_t)&packet, LITTLE, 0, 0);
	ring_offer(device_main_ring(device), 0);
	device_ring(device, VSOCK_QUEUE_TX);
}

static void little_buffer(struct device *device)
{
	answer_into(device, LITTLE, VRING_DESC_F_WRITE);
}

static void readable_buffer(struct device *device)
{
	answer_into(device, BUFFER_SIZE, 0);
}

/* The monitor's packets have been told to lie where it reads ours. */
static void answer_over_ring(struct device *device)
{
	const struct ring *ring = &device->rings[VSOCK_QUEUE_RX];

	ring_describe(ring, 0, (uintptr_t)device_main_ring(device)->descriptors, BUFFER_SIZE,
		      VRING_DESC_F_WRITE, 0);
	ring_offer(ring, 0);
	send_many(device, VSOCK_OP_REQUEST, BATCH);
}

static const struct attack attacks[] = {
	{ "requests to every kind of port", GOES_ON, every_kind_of_port },
	{ "thousands of half-open streams", GOES_ON, half_open },
	{ "RST storm", GOES_ON, reset_storm },
	{ "a stream beyond its credit", GOES_ON, stream_beyond_credit },
	{ "data before the response", GOES_ON, data_before_response },
	{ "credit that goes back", GOES_ON, credit_lies },
	{ "packet shorter than a header", FAILS, short_packet },
	{ "packet that is writable", FAILS, writable_packet },
	{ "header in 44 pieces", GOES_ON, header_in_pieces },
	{ "buffer without room for a byte", FAILS, little_buffer },
	{ "buffer that is not writable", FAILS, readable_buffer },
	{ "answers over the rings", EITHER, answer_over_ring },
};

void attack_vsock(void)
{
	struct device *device = &devices[DEVICE_VSOCK];

	device_start(device);
	attack_headers(device);
	attack_device(device, attacks, ARRAY_SIZE(attacks));
}
