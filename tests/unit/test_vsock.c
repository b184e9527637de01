/* SPDX-License-Identifier: Apache-2.0 */
/* test_vsock.c - what a well-behaved guest and a service get from the virtio socket device */
#include <linux/virtio_mmio.h>
#include <stdlib.h>

#include "tests/unit/tap.h"
#include "tests/unit/vsock_guest.h"
#include "vmm/base/checked_math.h"
#include "vmm/virtio/vsock_host.h"

#define LONG_STREAM (3u << 20)

static struct vsock_guest guest;

static void test_identity(void)
{
	vsock_guest_init(&guest);
	is_int(fake_driver_read(&guest.driver, VIRTIO_MMIO_DEVICE_ID), 19);
	is_int(fake_driver_read(&guest.driver, VIRTIO_MMIO_CONFIG), VSOCK_GUEST_CID);
	is_int(fake_driver_read(&guest.driver, VIRTIO_MMIO_CONFIG + 4), 0);
	fake_driver_write(&guest.driver, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	is_int(fake_driver_read(&guest.driver, VIRTIO_MMIO_DEVICE_FEATURES) & 3, 1);
	vsock_guest_fini(&guest);
}

static void test_connect_accepted(void)
{
	struct guest_socket socket;

	vsock_guest_init(&guest);
	socket = vsock_guest_connect(&guest, 1000, 42);
	is_int(socket.nr_packets[VSOCK_OP_RESPONSE], 1);
	is_int(socket.host_buf_alloc, VSOCK_BUFFER_SIZE);
	is_int(socket.host_fwd_cnt, 0);
	is_int(guest.recorder.nr_endpoints, 1);
	is_int(recorder_last(&guest.recorder)->port, 42);
	vsock_guest_fini(&guest);
}

static void test_connect_refused(void)
{
	struct guest_socket socket;

	vsock_guest_init(&guest);
	guest.recorder.refuses = true;
	socket = vsock_guest_connect(&guest, 1000, 42);
	is_int(socket.nr_packets[VSOCK_OP_RST], 1);
	is_int(socket.nr_packets[VSOCK_OP_RESPONSE], 0);
	vsock_guest_fini(&guest);
}

static void test_stream_to_host(void)
{
	struct guest_socket socket;
	struct endpoint *endpoint;
	unsigned int nr_rounds = 0;

	vsock_guest_init(&guest);
	socket = vsock_guest_connect(&guest, 1000, 42);
	endpoint = recorder_last(&guest.recorder);
	while (socket.nr_sent < LONG_STREAM && nr_rounds++ < 100000) {
		uint32_t len = (uint32_t)rand() % (VSOCK_PAYLOAD_MAX + 1);

		guest_socket_send(&guest, &socket,
				  (uint32_t)min_u64(len, guest_socket_credit(&socket)));
		is_int(vsock_guest_pump(&guest, &socket, 1), 0);
	}
	ok(socket.nr_sent >= LONG_STREAM);
	is_int(endpoint->nr_received, socket.nr_sent);
	is_int(endpoint->nr_mismatches, 0);
	is_int(socket.nr_packets[VSOCK_OP_RST], 0);
	vsock_guest_fini(&guest);
}

/* Short messages do not wander through all of the buffer's pages. */
static void test_short_messages_use_the_same_bytes(void)
{
	struct guest_socket socket;
	struct endpoint *endpoint;
	const uint8_t *first;
	const uint8_t *second;

	vsock_guest_init(&guest);
	guest.recorder.pauses = true;
	socket = vsock_guest_connect(&guest, 1000, 42);
	endpoint = recorder_last(&guest.recorder);
	guest_socket_send(&guest, &socket, 10);
	is_int(vsock_peek(endpoint->connection, &first), 10);
	vsock_guest_consume(&guest, endpoint, 10);
	guest_socket_send(&guest, &socket, 10);
	is_int(vsock_peek(endpoint->connection, &second), 10);
	ok(first == second);
	vsock_guest_fini(&guest);
}

static void test_stream_to_guest(void)
{
	struct guest_socket socket;
	struct endpoint *endpoint;
	unsigned int nr_rounds = 0;

	vsock_guest_init(&guest);
	socket = vsock_guest_connect(&guest, 1000, 42);
	endpoint = recorder_last(&guest.recorder);
	vsock_guest_write(&guest, endpoint, LONG_STREAM);
	while (socket.nr_received < LONG_STREAM && nr_rounds++ < 100000) {
		uint32_t unread = (uint32_t)socket.nr_received - socket.fwd_cnt;

		(void)vsock_guest_pump(&guest, &socket, 1);
		/* The reader takes some of what there is; the last bit before it sleeps, all. */
		socket.fwd_cnt += unread < 5000 ? unread : (uint32_t)rand() % unread;
		guest_socket_send_op(&guest, &socket, VSOCK_OP_CREDIT_UPDATE, 0);
	}
	is_int(socket.nr_received, LONG_STREAM);
	is_int(endpoint->nr_written, LONG_STREAM);
	is_int(socket.nr_mismatches, 0);
	ok(endpoint->nr_writable_calls > 0);
	ok(socket.nr_packets[VSOCK_OP_RW] < LONG_STREAM / 2048); /* buffers are used well */
	vsock_guest_fini(&guest);
}

static void test_many_streams_both_ways(void)
{
	struct guest_socket sockets[8];

	vsock_guest_init(&guest);
	for (uint32_t i = 0; i < ARRAY_SIZE(sockets); i++)
		sockets[i] = vsock_guest_connect(&guest, 1000 + i, 42 + i % 3);
	for (unsigned int i = 0; i < ARRAY_SIZE(sockets); i++)
		vsock_guest_write(&guest, &guest.recorder.endpoints[i], 200000);
	for (unsigned int round = 0; round < 400; round++) {
		struct guest_socket *socket = &sockets[(unsigned int)rand() % ARRAY_SIZE(sockets)];

		is_int(vsock_guest_pump(&guest, sockets, ARRAY_SIZE(sockets)), 0);
		socket->fwd_cnt = (uint32_t)socket->nr_received;
		guest_socket_send(
			&guest, socket,
			(uint32_t)min_u64((uint32_t)rand() % 10000, guest_socket_credit(socket)));
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(sockets); i++) {
		struct endpoint *endpoint = &guest.recorder.endpoints[i];

		ok(sockets[i].nr_sent > 0);
		is_int(endpoint->nr_received, sockets[i].nr_sent);
		is_int(endpoint->nr_mismatches, 0);
		is_int(sockets[i].nr_received, 200000);
		is_int(sockets[i].nr_mismatches, 0);
	}
	vsock_guest_fini(&guest);
}

/* A service that stops reading is felt by the guest's writer, at the size of the buffer. */
static void test_back_pressure(void)
{
	struct guest_socket socket;
	struct endpoint *endpoint;

	vsock_guest_init(&guest);
	guest.recorder.pauses = true;
	socket = vsock_guest_connect(&guest, 1000, 42);
	endpoint = recorder_last(&guest.recorder);
	while (guest_socket_credit(&socket)) {
		guest_socket_send(&guest, &socket,
				  (uint32_t)min_u64(10000, guest_socket_credit(&socket)));
		(void)vsock_guest_pump(&guest, &socket, 1);
	}
	is_int(socket.nr_sent, VSOCK_BUFFER_SIZE);
	is_int(socket.nr_packets[VSOCK_OP_CREDIT_UPDATE], 0);

	vsock_guest_consume(&guest, endpoint, VSOCK_CREDIT_STEP - 1);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_packets[VSOCK_OP_CREDIT_UPDATE], 0);
	vsock_guest_consume(&guest, endpoint, 1);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_packets[VSOCK_OP_CREDIT_UPDATE], 1);
	is_int(guest_socket_credit(&socket), VSOCK_CREDIT_STEP);

	/* The ring's end lies inside what follows. */
	guest_socket_send(&guest, &socket, VSOCK_CREDIT_STEP);
	vsock_guest_consume(&guest, endpoint, SIZE_MAX);
	is_int(endpoint->nr_received, socket.nr_sent);
	is_int(endpoint->nr_mismatches, 0);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_packets[VSOCK_OP_CREDIT_UPDATE], 2);
	is_int(guest_socket_credit(&socket), VSOCK_BUFFER_SIZE);

	/* What the guest knows already does not count again. */
	guest_socket_send(&guest, &socket, 10);
	vsock_guest_consume(&guest, endpoint, SIZE_MAX);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_packets[VSOCK_OP_CREDIT_UPDATE], 2);
	vsock_guest_fini(&guest);
}

static void test_credit_request_is_answered(void)
{
	struct guest_socket socket;

	vsock_guest_init(&guest);
	socket = vsock_guest_connect(&guest, 1000, 42);
	guest_socket_send(&guest, &socket, 10);
	guest_socket_send_op(&guest, &socket, VSOCK_OP_CREDIT_REQUEST, 0);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_packets[VSOCK_OP_CREDIT_UPDATE], 1);
	is_int(socket.host_fwd_cnt, 10);
	vsock_guest_fini(&guest);
}

static void test_guest_credit_limits_writes(void)
{
	struct guest_socket socket;
	struct endpoint *endpoint;

	vsock_guest_init(&guest);
	socket = vsock_guest_connect(&guest, 1000, 42);
	endpoint = recorder_last(&guest.recorder);
	socket.buf_alloc = 1000;
	guest_socket_send_op(&guest, &socket, VSOCK_OP_CREDIT_UPDATE, 0);
	vsock_guest_write(&guest, endpoint, LONG_STREAM);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_received, 1000);
	is_int(endpoint->nr_written, VSOCK_OUTGOING_SIZE + 1000);
	is_int(vsock_writable(endpoint->connection), 0);

	socket.fwd_cnt = 700;
	guest_socket_send_op(&guest, &socket, VSOCK_OP_CREDIT_UPDATE, 0);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_received, 1700);
	is_int(endpoint->nr_written, VSOCK_OUTGOING_SIZE + 1700);
	is_int(socket.nr_mismatches, 0);
	vsock_guest_fini(&guest);
}

/* All counters pass 2^32 in both directions. */
static void test_credit_wraps(void)
{
	struct guest_socket socket;
	struct endpoint *endpoint;

	vsock_guest_init(&guest);
	guest.recorder.pauses = true;
	socket = vsock_guest_connect(&guest, 1000, 42);
	endpoint = recorder_last(&guest.recorder);
	endpoint->connection->fwd_cnt = UINT32_MAX - 1000;
	endpoint->connection->fwd_cnt_known = UINT32_MAX - 1000;
	endpoint->connection->tx_cnt = UINT32_MAX - 500;
	socket.fwd_cnt = UINT32_MAX - 500;
	socket.buf_alloc = 2000;
	guest_socket_send(&guest, &socket, VSOCK_PAYLOAD_MAX);
	vsock_guest_consume(&guest, endpoint, SIZE_MAX);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_packets[VSOCK_OP_CREDIT_UPDATE], 1);
	is_int(socket.host_fwd_cnt, VSOCK_PAYLOAD_MAX - 1001);

	vsock_guest_write(&guest, endpoint, 5000);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_received, 2000);
	socket.fwd_cnt += 2000;
	guest_socket_send_op(&guest, &socket, VSOCK_OP_CREDIT_UPDATE, 0);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_received, 4000);
	vsock_guest_fini(&guest);
}

static void test_guest_ends_sending(void)
{
	struct guest_socket socket;
	struct endpoint *endpoint;

	vsock_guest_init(&guest);
	guest.recorder.pauses = true;
	socket = vsock_guest_connect(&guest, 1000, 42);
	endpoint = recorder_last(&guest.recorder);
	guest_socket_send(&guest, &socket, 100);
	guest_socket_send_op(&guest, &socket, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_SEND);
	guest_socket_send_op(&guest, &socket, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_SEND);
	is_int(endpoint->nr_readable_calls, 2);
	vsock_guest_consume(&guest, endpoint, 99);
	ok(!endpoint->is_ended);
	vsock_guest_consume(&guest, endpoint, 1);
	ok(endpoint->is_ended);
	is_int(endpoint->nr_closed_calls, 0);

	vsock_guest_write(&guest, endpoint, 10000);
	is_int(vsock_guest_pump(&guest, &socket, 1), 0);
	is_int(socket.nr_received, 10000);
	vsock_guest_fini(&guest);
}

static void test_guest_ends_receiving(void)
{
	struct guest_socket socket;
	struct endpoint *endpoint;

	vsock_guest_init(&guest);
	socket = vsock_guest_connect(&guest, 1000, 42);
	endpoint = recorder_last(&guest.recorder);
	socket.buf_alloc = 0;
	guest_socket_send_op(&guest, &socket, VSOCK_OP_CREDIT_UPDATE, 0);
	vsock_guest_write(&guest, endpoint, 10000);
	socket.buf_alloc = GUEST_BUF_ALLOC;
	guest_socket_send_op(&guest, &socket, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_RECEIVE);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_received, 0);
	is_int(vsock_writable(endpoint->connection), 0);
	is_int(vsock_write(endpoint->connection, "x", 1), 0);
	guest_socket_send(&guest, &socket, 100);
	is_int(endpoint->nr_received, 100);
	is_int(endpoint->nr_closed_calls, 0);
	vsock_guest_fini(&guest);
}

static void test_service_ends_writing(void)
{
	struct guest_socket socket;
	struct endpoint *endpoint;

	vsock_guest_init(&guest);
	socket = vsock_guest_connect(&guest, 1000, 42);
	endpoint = recorder_last(&guest.recorder);
	socket.buf_alloc = 1000;
	guest_socket_send_op(&guest, &socket, VSOCK_OP_CREDIT_UPDATE, 0);
	vsock_guest_write(&guest, endpoint, 1001);
	vsock_lock(guest.vsock);
	vsock_end_write(endpoint->connection);
	vsock_end_write(endpoint->connection);
	is_int(vsock_writable(endpoint->connection), 0);
	vsock_unlock(guest.vsock);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_packets[VSOCK_OP_SHUTDOWN], 0);

	socket.fwd_cnt = 1;
	guest_socket_send_op(&guest, &socket, VSOCK_OP_CREDIT_UPDATE, 0);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_received, 1001);
	is_int(socket.nr_packets[VSOCK_OP_SHUTDOWN], 1);
	vsock_lock(guest.vsock);
	vsock_end_write(endpoint->connection);
	vsock_unlock(guest.vsock);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_packets[VSOCK_OP_SHUTDOWN], 1);
	guest_socket_send(&guest, &socket, 100);
	is_int(endpoint->nr_received, 100);
	vsock_guest_fini(&guest);
}

/* close() in the guest: it gets its RST at once, the service still gets the bytes. */
static void test_guest_closes_with_bytes_unread(void)
{
	struct guest_socket socket;
	struct endpoint *endpoint;

	vsock_guest_init(&guest);
	guest.recorder.pauses = true;
	socket = vsock_guest_connect(&guest, 1000, 42);
	endpoint = recorder_last(&guest.recorder);
	guest_socket_send(&guest, &socket, 5000);
	guest_socket_send_op(&guest, &socket, VSOCK_OP_SHUTDOWN,
			     VSOCK_SHUTDOWN_RECEIVE | VSOCK_SHUTDOWN_SEND);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_packets[VSOCK_OP_RST], 1);
	is_int(endpoint->nr_closed_calls, 0);
	is_int(vsock_writable(endpoint->connection), 0);

	vsock_guest_consume(&guest, endpoint, 4999);
	ok(!endpoint->is_ended);
	is_int(endpoint->nr_closed_calls, 0);
	vsock_guest_consume(&guest, endpoint, 1);
	ok(endpoint->is_ended);
	is_int(endpoint->nr_closed_calls, 1);
	is_int(endpoint->nr_mismatches, 0);
	vsock_guest_fini(&guest);
}

/* As above, but the service has had enough. */
static void test_both_close(void)
{
	struct guest_socket socket;
	struct endpoint *endpoint;

	vsock_guest_init(&guest);
	guest.recorder.pauses = true;
	socket = vsock_guest_connect(&guest, 1000, 42);
	endpoint = recorder_last(&guest.recorder);
	guest_socket_send(&guest, &socket, 5000);
	guest_socket_send_op(&guest, &socket, VSOCK_OP_SHUTDOWN,
			     VSOCK_SHUTDOWN_RECEIVE | VSOCK_SHUTDOWN_SEND);
	(void)vsock_guest_pump(&guest, &socket, 1);
	vsock_lock(guest.vsock);
	vsock_close(endpoint->connection);
	vsock_unlock(guest.vsock);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_packets[VSOCK_OP_RST], 1);
	is_int(endpoint->nr_closed_calls, 0);
	vsock_guest_fini(&guest);
}

/* The flags of a SHUTDOWN add up, and the service learns of the end before it is closed. */
static void test_guest_closes_in_two_steps(void)
{
	struct guest_socket socket;
	struct endpoint *endpoint;

	vsock_guest_init(&guest);
	socket = vsock_guest_connect(&guest, 1000, 42);
	endpoint = recorder_last(&guest.recorder);
	guest_socket_send_op(&guest, &socket, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_RECEIVE);
	is_int(endpoint->nr_readable_calls, 0);
	guest_socket_send_op(&guest, &socket, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_SEND);
	is_int(endpoint->nr_readable_calls, 1);
	ok(endpoint->is_ended);
	is_int(endpoint->nr_closed_calls, 1);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_packets[VSOCK_OP_RST], 1);
	vsock_guest_fini(&guest);
}

static void test_service_closes(void)
{
	struct guest_socket socket;
	struct endpoint *endpoint;

	vsock_guest_init(&guest);
	socket = vsock_guest_connect(&guest, 1000, 42);
	endpoint = recorder_last(&guest.recorder);
	vsock_lock(guest.vsock);
	vsock_close(endpoint->connection);
	vsock_unlock(guest.vsock);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_packets[VSOCK_OP_RST], 1);
	is_int(endpoint->nr_closed_calls, 0);
	guest_socket_send(&guest, &socket, 100);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_packets[VSOCK_OP_RST], 2);
	is_int(endpoint->nr_readable_calls, 0);
	vsock_guest_fini(&guest);
}

/* What is written in one locked section reaches the guest before it ends, with one interrupt. */
static void test_write_outside_callbacks(void)
{
	struct guest_socket socket;
	struct endpoint *endpoint;
	uint16_t used_index;

	vsock_guest_init(&guest);
	socket = vsock_guest_connect(&guest, 1000, 42);
	endpoint = recorder_last(&guest.recorder);
	used_index = guest.driver.queues[VSOCK_QUEUE_RX].used_index;
	fake_driver_set_used_event(&guest.driver, VSOCK_QUEUE_RX, used_index);
	(void)fake_driver_take_interrupts(&guest.driver);
	vsock_lock(guest.vsock);
	endpoint->nr_to_write = 20000;
	endpoint_write(endpoint);
	vsock_unlock(guest.vsock);
	is_int(fake_driver_take_interrupts(&guest.driver), 1);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_received, 20000);
	vsock_guest_fini(&guest);
}

/* Without buffers of the guest's the device waits, idle, and every connection gets its turn. */
static void test_waiting_for_buffers(void)
{
	struct guest_socket sockets[3];

	vsock_guest_init(&guest);
	for (uint32_t i = 0; i < ARRAY_SIZE(sockets); i++)
		sockets[i] = vsock_guest_connect(&guest, 1000 + i, 42);
	guest.keeps_buffers = true;
	vsock_guest_write(&guest, &guest.recorder.endpoints[0], GUEST_QUEUE_SIZE * GUEST_RX_ROOM);
	while (sockets[0].nr_packets[VSOCK_OP_RW] < GUEST_QUEUE_SIZE)
		(void)vsock_guest_pump(&guest, sockets, ARRAY_SIZE(sockets));
	for (unsigned int i = 0; i < ARRAY_SIZE(sockets); i++) {
		sockets[i].fwd_cnt = (uint32_t)sockets[i].nr_received;
		sockets[i].nr_packets[VSOCK_OP_RW] = 0;
		guest_socket_send_op(&guest, &sockets[i], VSOCK_OP_CREDIT_UPDATE, 0);
		vsock_guest_write(&guest, &guest.recorder.endpoints[i], 50000);
	}
	is_int(vsock_guest_run(&guest), 0);
	vsock_guest_offer(&guest, 6);
	is_int(vsock_guest_pump(&guest, sockets, ARRAY_SIZE(sockets)), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(sockets); i++)
		is_int(sockets[i].nr_packets[VSOCK_OP_RW], 2);
	vsock_guest_fini(&guest);
}

/* The device stops after a queue full of packets, and goes on without being rung. */
static void test_more_than_a_queue_full(void)
{
	struct guest_socket sockets[9];
	uint64_t nr_received = 0;

	vsock_guest_init(&guest);
	for (uint32_t i = 0; i < ARRAY_SIZE(sockets); i++)
		sockets[i] = vsock_guest_connect(&guest, 1000 + i, 42);
	guest.driver.queues[VSOCK_QUEUE_RX].size = VSOCK_QUEUE_SIZE;
	vsock_guest_start(&guest);
	vsock_guest_run(&guest);
	for (uint32_t i = 0; i < ARRAY_SIZE(sockets); i++)
		guest_socket_send_op(&guest, &sockets[i], VSOCK_OP_REQUEST, 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(sockets); i++)
		vsock_guest_write(&guest, &guest.recorder.endpoints[ARRAY_SIZE(sockets) + i],
				  VSOCK_OUTGOING_SIZE - 1); /* full would wake the device */
	vsock_guest_offer(&guest, VSOCK_QUEUE_SIZE);
	is_int(vsock_guest_pump(&guest, sockets, ARRAY_SIZE(sockets)), 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(sockets); i++)
		nr_received += sockets[i].nr_received;
	is_int(nr_received, ARRAY_SIZE(sockets) * (VSOCK_OUTGOING_SIZE - 1));
	vsock_guest_fini(&guest);
}

static void test_interrupt_for_packets_taken(void)
{
	struct guest_socket socket;
	uint16_t used_index;

	vsock_guest_init(&guest);
	socket = vsock_guest_connect(&guest, 1000, 42);
	used_index = guest.driver.queues[VSOCK_QUEUE_TX].used_index;
	fake_driver_set_used_event(&guest.driver, VSOCK_QUEUE_TX, used_index);
	(void)fake_driver_take_interrupts(&guest.driver);
	guest_socket_send_op(&guest, &socket, VSOCK_OP_CREDIT_UPDATE, 0);
	is_int(fake_driver_take_interrupts(&guest.driver), 1);
	vsock_guest_fini(&guest);
}

int main(void)
{
	srand(1);
	test_identity();
	test_connect_accepted();
	test_connect_refused();
	test_stream_to_host();
	test_short_messages_use_the_same_bytes();
	test_stream_to_guest();
	test_many_streams_both_ways();
	test_back_pressure();
	test_credit_request_is_answered();
	test_guest_credit_limits_writes();
	test_credit_wraps();
	test_guest_ends_sending();
	test_guest_ends_receiving();
	test_service_ends_writing();
	test_guest_closes_with_bytes_unread();
	test_both_close();
	test_guest_closes_in_two_steps();
	test_service_closes();
	test_write_outside_callbacks();
	test_waiting_for_buffers();
	test_more_than_a_queue_full();
	test_interrupt_for_packets_taken();
	return tap_done();
}
