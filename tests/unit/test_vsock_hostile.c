/* SPDX-License-Identifier: Apache-2.0 */
/* test_vsock_hostile.c - guests that break the rules of the virtio socket device, and resets */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "tests/unit/tap.h"
#include "tests/unit/vsock_guest.h"
#include "vmm/base/checked_math.h"
#include "vmm/virtio/vsock_host.h"

static struct vsock_guest guest;
static const uint8_t zeroes[2 * VSOCK_PAYLOAD_MAX];

static bool is_failed(void)
{
	return fake_driver_read(&guest.driver, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* A guest with one connection, between ports 1000 and 42. */
static struct guest_socket start_connected(void)
{
	vsock_guest_init(&guest);
	return vsock_guest_connect(&guest, 1000, 42);
}

static unsigned int nr_free_slots(void)
{
	unsigned int nr = 0;

	while (nr <= VSOCK_MAX_CONNECTIONS) {
		struct guest_socket socket = vsock_guest_connect(&guest, 5000 + nr, 43);

		if (!socket.nr_packets[VSOCK_OP_RESPONSE])
			break;
		nr++;
	}
	return nr;
}

static void test_credit_overflow(void)
{
	struct guest_socket socket;
	struct endpoint *endpoint;

	vsock_guest_init(&guest);
	guest.recorder.pauses = true;
	socket = vsock_guest_connect(&guest, 1000, 42);
	endpoint = recorder_last(&guest.recorder);
	guest_socket_send(&guest, &socket, VSOCK_PAYLOAD_MAX);
	guest_socket_send(&guest, &socket, VSOCK_PAYLOAD_MAX);
	is_int(endpoint->nr_closed_calls, 0);
	guest_socket_send(&guest, &socket, 1);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_packets[VSOCK_OP_RST], 1);
	is_int(endpoint->nr_closed_calls, 1);
	is_int(nr_free_slots(), VSOCK_MAX_CONNECTIONS);
	vsock_guest_fini(&guest);
}

static void test_impossible_peer_credit(void)
{
	struct guest_socket socket = start_connected();
	struct endpoint *endpoint = recorder_last(&guest.recorder);

	socket.fwd_cnt = 1; /* more than was ever sent */
	guest_socket_send_op(&guest, &socket, VSOCK_OP_CREDIT_UPDATE, 0);
	vsock_guest_write(&guest, endpoint, 100);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_received, 0);
	socket.fwd_cnt = 0;
	guest_socket_send_op(&guest, &socket, VSOCK_OP_CREDIT_UPDATE, 0);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_received, 100);
	socket.buf_alloc = 50; /* less than is on its way already */
	guest_socket_send_op(&guest, &socket, VSOCK_OP_CREDIT_UPDATE, 0);
	vsock_guest_write(&guest, endpoint, 100);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_received, 100);
	vsock_guest_fini(&guest);
}

static void test_sending_after_the_end(void)
{
	struct guest_socket socket = start_connected();
	struct endpoint *endpoint = recorder_last(&guest.recorder);

	guest_socket_send_op(&guest, &socket, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_SEND);
	guest_socket_send(&guest, &socket, 1);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_packets[VSOCK_OP_RST], 1);
	is_int(endpoint->nr_closed_calls, 1);
	is_int(endpoint->nr_received, 0);
	vsock_guest_fini(&guest);
}

static void test_reset_by_guest(void)
{
	struct guest_socket socket;
	struct endpoint *endpoint;

	vsock_guest_init(&guest);
	guest.recorder.pauses = true;
	socket = vsock_guest_connect(&guest, 1000, 42);
	endpoint = recorder_last(&guest.recorder);
	guest_socket_send(&guest, &socket, 100);
	guest_socket_send_op(&guest, &socket, VSOCK_OP_RST, 0);
	is_int(vsock_guest_pump(&guest, &socket, 1), 0);
	is_int(socket.nr_packets[VSOCK_OP_RST], 0); /* never an answer to a RST */
	is_int(endpoint->nr_closed_calls, 1);
	vsock_guest_fini(&guest);
}

/* The answer to a packet with a spoiled header: packets taken, and which RST came. */
static unsigned int count_resets(const struct vsock_header *header, uint32_t len)
{
	static uint8_t payload[VSOCK_PAYLOAD_MAX];
	struct vsock_header answer;
	unsigned int nr = 0;

	vsock_guest_send(&guest, header, zeroes, len);
	while (vsock_guest_take(&guest, &answer, payload)) {
		is_int(answer.op, VSOCK_OP_RST);
		is_int(answer.src_cid, header->dst_cid);
		is_int(answer.dst_cid, header->src_cid);
		is_int(answer.src_port, header->dst_port);
		is_int(answer.dst_port, header->src_port);
		is_int(answer.type, header->type);
		is_int(answer.len, 0);
		nr++;
	}
	return nr;
}

static void test_wrong_addresses_and_types(void)
{
	struct guest_socket socket = start_connected();
	struct endpoint *endpoint = recorder_last(&guest.recorder);
	struct vsock_header good = vsock_guest_header(&socket, VSOCK_OP_RW);
	struct vsock_header header;

	good.len = 10;
	header = good;
	header.src_cid = VSOCK_GUEST_CID + 1;
	is_int(count_resets(&header, 10), 0);
	header = good;
	header.dst_cid = VSOCK_HOST_CID + (UINT64_C(1) << 32);
	is_int(count_resets(&header, 10), 1);
	header = good;
	header.type = 2;
	is_int(count_resets(&header, 10), 1);
	header = good;
	header.src_port++;
	is_int(count_resets(&header, 10), 1);
	header = good;
	header.dst_port++;
	is_int(count_resets(&header, 10), 1);
	header = good;
	header.dst_port++;
	header.op = VSOCK_OP_RST;
	is_int(count_resets(&header, 10), 0);

	/* None of that touched the connection. */
	is_int(endpoint->nr_received, 0);
	is_int(endpoint->nr_closed_calls, 0);
	guest_socket_send(&guest, &socket, 10);
	is_int(endpoint->nr_received, 10);
	is_int(guest.recorder.nr_endpoints, 1);
	vsock_guest_fini(&guest);
}

static void test_wrong_operations(void)
{
	static const uint16_t operations[] = { VSOCK_OP_INVALID, VSOCK_OP_RESPONSE, 8, UINT16_MAX };

	for (unsigned int i = 0; i < ARRAY_SIZE(operations); i++) {
		struct guest_socket socket = start_connected();
		struct vsock_header header = vsock_guest_header(&socket, operations[i]);

		is_int(count_resets(&header, 0), 1);
		is_int(recorder_last(&guest.recorder)->nr_closed_calls, 1);
		ok(!is_failed());
		vsock_guest_fini(&guest);
	}
}

static void test_payload_longer_than_chain(void)
{
	static const struct {
		uint32_t said;
		uint32_t sent;
	} cases[] = {
		{ 1, 0 },
		{ 11, 10 },
		{ UINT32_MAX, 10 },
		{ VSOCK_PAYLOAD_MAX + 1, VSOCK_PAYLOAD_MAX + 1 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct guest_socket socket = start_connected();
		struct vsock_header header = vsock_guest_header(&socket, VSOCK_OP_RW);

		header.len = cases[i].said;
		is_int(count_resets(&header, cases[i].sent), 1);
		is_int(recorder_last(&guest.recorder)->nr_received, 0);
		is_int(recorder_last(&guest.recorder)->nr_closed_calls, 1);
		vsock_guest_fini(&guest);
	}
}

static void test_payload_shorter_than_chain(void)
{
	struct guest_socket socket = start_connected();
	struct vsock_header header = vsock_guest_header(&socket, VSOCK_OP_RW);

	header.len = 10;
	is_int(count_resets(&header, 2 * VSOCK_PAYLOAD_MAX), 0);
	is_int(recorder_last(&guest.recorder)->nr_received, 10);
	header.len = 0;
	is_int(count_resets(&header, 0), 0);
	is_int(recorder_last(&guest.recorder)->nr_received, 10);
	vsock_guest_fini(&guest);
}

static void test_packet_without_whole_header(void)
{
	struct fake_buffer part;

	(void)start_connected();
	part = (struct fake_buffer){ .gpa = guest.tx_buffer,
				     .len = sizeof(struct vsock_header) - 1 };
	(void)fake_driver_add(&guest.driver, VSOCK_QUEUE_TX, &part, 1, NULL, 0);
	fake_driver_kick(&guest.driver, VSOCK_QUEUE_TX);
	vsock_guest_run(&guest);
	ok(is_failed());
	is_int(recorder_last(&guest.recorder)->nr_closed_calls, 1);
	vsock_guest_fini(&guest);
}

static void test_receive_buffer_too_small(void)
{
	struct fake_buffer buffer;
	struct guest_socket socket = { .port = 1000, .host_port = 42 };

	vsock_guest_init(&guest);
	vsock_guest_start(&guest);
	buffer =
		(struct fake_buffer){ .gpa = guest.rx_buffers, .len = sizeof(struct vsock_header) };
	(void)fake_driver_add(&guest.driver, VSOCK_QUEUE_RX, NULL, 0, &buffer, 1);
	guest_socket_send_op(&guest, &socket, VSOCK_OP_REQUEST, 0);
	ok(is_failed());
	is_int(recorder_last(&guest.recorder)->nr_closed_calls, 1);
	vsock_guest_fini(&guest);
}

/* A descriptor outside RAM stops the device; the service hears of it and of nothing twice. */
static void test_broken_ring(void)
{
	struct fake_buffer outside = { .gpa = FAKE_MMIO_WINDOW, .len = 100 };

	(void)start_connected();
	(void)fake_driver_add(&guest.driver, VSOCK_QUEUE_TX, &outside, 1, NULL, 0);
	fake_driver_kick(&guest.driver, VSOCK_QUEUE_TX);
	vsock_guest_run(&guest);
	ok(is_failed());
	is_int(recorder_last(&guest.recorder)->nr_closed_calls, 1);
	vsock_guest_fini(&guest);
}

/* Header and payload may lie across descriptors as the driver likes (section 2.7.4.1). */
static void test_scattered_packets(void)
{
	struct guest_socket socket = start_connected();
	struct endpoint *endpoint = recorder_last(&guest.recorder);
	struct vsock_header header = vsock_guest_header(&socket, VSOCK_OP_RW);
	struct fake_buffer parts[6];
	struct fake_buffer whole;
	uint8_t *memory = fake_driver_bytes(&guest.driver, guest.tx_buffer, 1000);

	header.len = 20;
	memcpy(memory, &header, sizeof(header));
	for (unsigned int i = 0; i < 20; i++)
		memory[sizeof(header) + i] = (uint8_t)(42 * 31 + i); /* the pattern of port 42 */
	for (unsigned int i = 0; i < 6; i++)
		parts[i] = (struct fake_buffer){ .gpa = guest.tx_buffer + 11 * i,
						 .len = i < 5 ? 11 : sizeof(header) + 20 - 55 };
	(void)fake_driver_add(&guest.driver, VSOCK_QUEUE_TX, parts, 6, NULL, 0);
	fake_driver_kick(&guest.driver, VSOCK_QUEUE_TX);
	vsock_guest_run(&guest);
	is_int(endpoint->nr_received, 20);
	is_int(endpoint->nr_mismatches, 0);

	/* The other direction, with the same pieces as the only receive buffer. */
	vsock_guest_start(&guest);
	(void)fake_driver_add(&guest.driver, VSOCK_QUEUE_RX, NULL, 0, parts, 6);
	header = vsock_guest_header(&socket, VSOCK_OP_REQUEST);
	memcpy(memory + 200, &header, sizeof(header));
	whole = (struct fake_buffer){ .gpa = guest.tx_buffer + 200, .len = sizeof(header) };
	(void)fake_driver_add(&guest.driver, VSOCK_QUEUE_TX, &whole, 1, NULL, 0);
	fake_driver_kick(&guest.driver, VSOCK_QUEUE_TX);
	vsock_guest_run(&guest);
	memcpy(&header, memory, sizeof(header));
	is_int(header.op, VSOCK_OP_RESPONSE);
	is_int(header.dst_port, socket.port);
	is_int(header.buf_alloc, VSOCK_BUFFER_SIZE);
	vsock_guest_fini(&guest);
}

/* RSTs wait for buffers in a table that does not grow. */
static void test_reset_flood(void)
{
	static uint8_t payload[VSOCK_PAYLOAD_MAX];
	struct guest_socket socket = { .host_port = 42 };
	struct vsock_header answer;
	unsigned int nr = 0;

	vsock_guest_init(&guest);
	vsock_guest_start(&guest); /* no receive buffers now */
	for (socket.port = 0; socket.port < 3 * VSOCK_RESETS_MAX; socket.port++) {
		guest_socket_send_op(&guest, &socket, VSOCK_OP_RW, 0);
		guest_socket_send_op(&guest, &socket, VSOCK_OP_RW, 0);
	}
	vsock_guest_offer(&guest, GUEST_QUEUE_SIZE);
	do {
		vsock_guest_run(&guest);
		while (vsock_guest_take(&guest, &answer, payload))
			nr++;
	} while (vsock_guest_run(&guest));
	is_int(nr, VSOCK_RESETS_MAX); /* and one RST for two packets of the same socket */
	ok(!is_failed());
	vsock_guest_fini(&guest);
}

static void test_one_reset_per_socket(void)
{
	struct guest_socket socket = { .port = 1000, .host_port = 42 };

	vsock_guest_init(&guest);
	vsock_guest_start(&guest); /* no receive buffers now */
	guest_socket_send_op(&guest, &socket, VSOCK_OP_RW, 0);
	guest_socket_send_op(&guest, &socket, VSOCK_OP_RW, 0);
	vsock_guest_offer(&guest, GUEST_QUEUE_SIZE);
	vsock_guest_run(&guest);
	is_int(vsock_guest_pump(&guest, &socket, 1), 0);
	is_int(socket.nr_packets[VSOCK_OP_RST], 1);
	vsock_guest_fini(&guest);
}

static void add_request(struct recorder *recorder)
{
	struct vsock_guest *self = recorder->context;
	struct fake_buffer header = { .gpa = self->tx_buffer, .len = sizeof(struct vsock_header) };

	(void)fake_driver_add(&self->driver, VSOCK_QUEUE_TX, &header, 1, NULL, 0);
	recorder->nr_endpoints++;
}

/* A driver that adds packets as fast as the device takes them does not keep the loop. */
static void test_endless_packets(void)
{
	struct guest_socket socket = { .port = 1000, .host_port = 42 };
	struct vsock_header header = vsock_guest_header(&socket, VSOCK_OP_REQUEST);
	struct fake_buffer part;

	vsock_guest_init(&guest);
	guest.recorder.refuses = true;
	guest.recorder.context = &guest;
	guest.recorder.on_connect = add_request;
	part = (struct fake_buffer){ .gpa = guest.tx_buffer, .len = sizeof(header) };
	memcpy(fake_driver_bytes(&guest.driver, part.gpa, part.len), &header, sizeof(header));
	(void)fake_driver_add(&guest.driver, VSOCK_QUEUE_TX, &part, 1, NULL, 0);
	fake_driver_kick(&guest.driver, VSOCK_QUEUE_TX);
	is_int(fake_driver_run(&guest.driver, 1), 1);
	is_int(guest.recorder.nr_endpoints, VSOCK_QUEUE_SIZE);
	is_int(fake_driver_run(&guest.driver, 1), 1);
	is_int(guest.recorder.nr_endpoints, 2 * VSOCK_QUEUE_SIZE);
	vsock_guest_fini(&guest);
}

int main(void)
{
	test_credit_overflow();
	test_impossible_peer_credit();
	test_sending_after_the_end();
	test_reset_by_guest();
	test_wrong_addresses_and_types();
	test_wrong_operations();
	test_payload_longer_than_chain();
	test_payload_shorter_than_chain();
	test_packet_without_whole_header();
	test_receive_buffer_too_small();
	test_broken_ring();
	test_scattered_packets();
	test_reset_flood();
	test_one_reset_per_socket();
	test_endless_packets();
	return tap_done();
}
