/* SPDX-License-Identifier: Apache-2.0 */
/* test_vsock_lifetime.c - virtio socket connections that begin and end at odd moments */
#include "tests/unit/tap.h"
#include "tests/unit/vsock_guest.h"
#include "vmm/base/checked_math.h"

static struct vsock_guest guest;

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

static void test_too_many_connections(void)
{
	struct guest_socket first = start_connected();
	struct endpoint *endpoint = recorder_last(&guest.recorder);

	is_int(nr_free_slots(), VSOCK_MAX_CONNECTIONS - 1);
	is_int(endpoint->nr_closed_calls, 0);
	guest_socket_send_op(&guest, &first, VSOCK_OP_RST, 0);
	first = vsock_guest_connect(&guest, 999, 42);
	is_int(first.nr_packets[VSOCK_OP_RESPONSE], 1);
	vsock_guest_fini(&guest);
}

static void test_shutdown_before_response(void)
{
	struct guest_socket socket = { .port = 1000, .host_port = 42 };

	vsock_guest_init(&guest);
	vsock_guest_start(&guest); /* no receive buffers now */
	guest_socket_send_op(&guest, &socket, VSOCK_OP_REQUEST, 0);
	guest_socket_send_op(&guest, &socket, VSOCK_OP_SHUTDOWN,
			     VSOCK_SHUTDOWN_RECEIVE | VSOCK_SHUTDOWN_SEND);
	is_int(recorder_last(&guest.recorder)->nr_closed_calls, 1);
	vsock_guest_offer(&guest, GUEST_QUEUE_SIZE);
	vsock_guest_run(&guest);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_packets[VSOCK_OP_RST], 1);
	is_int(socket.nr_packets[VSOCK_OP_RESPONSE], 0);
	vsock_guest_fini(&guest);
}

/* A second REQUEST between the same ports: the old connection ends, without an RST for the new. */
static void test_ports_used_again(void)
{
	struct guest_socket socket = start_connected();

	guest_socket_send(&guest, &socket, 10);
	socket = vsock_guest_connect(&guest, 1000, 42);
	is_int(socket.nr_packets[VSOCK_OP_RESPONSE], 1);
	is_int(socket.nr_packets[VSOCK_OP_RST], 0);
	is_int(guest.recorder.nr_endpoints, 2);
	is_int(guest.recorder.endpoints[0].nr_closed_calls, 1);
	is_int(guest.recorder.endpoints[1].nr_closed_calls, 0);
	guest_socket_send(&guest, &socket, 10);
	is_int(guest.recorder.endpoints[1].nr_received, 10);
	vsock_guest_fini(&guest);
}

/* The same while bytes of the old connection are unread and its RST has not been delivered. */
static void test_ports_used_again_while_lingering(void)
{
	struct guest_socket socket = { .port = 1000, .host_port = 42, .buf_alloc = 1000 };
	struct endpoint *old;

	vsock_guest_init(&guest);
	guest.recorder.pauses = true;
	vsock_guest_start(&guest); /* no receive buffers now */
	guest_socket_send_op(&guest, &socket, VSOCK_OP_REQUEST, 0);
	guest_socket_send(&guest, &socket, 10);
	guest_socket_send_op(&guest, &socket, VSOCK_OP_SHUTDOWN,
			     VSOCK_SHUTDOWN_RECEIVE | VSOCK_SHUTDOWN_SEND);
	guest_socket_send_op(&guest, &socket, VSOCK_OP_REQUEST, 0);
	vsock_guest_offer(&guest, GUEST_QUEUE_SIZE);
	vsock_guest_run(&guest);
	(void)vsock_guest_pump(&guest, &socket, 1);
	is_int(socket.nr_packets[VSOCK_OP_RESPONSE], 1);
	is_int(socket.nr_packets[VSOCK_OP_RST], 0);

	old = &guest.recorder.endpoints[0];
	vsock_guest_consume(&guest, old, SIZE_MAX);
	is_int(old->nr_received, 10);
	is_int(old->nr_closed_calls, 1);
	is_int(guest.recorder.endpoints[1].nr_closed_calls, 0);
	vsock_guest_fini(&guest);
}

/* A RST in the same batch as bytes: the service hears only of the end. */
static void test_bytes_and_reset_at_once(void)
{
	struct guest_socket socket = start_connected();
	struct endpoint *endpoint = recorder_last(&guest.recorder);
	struct vsock_header header = vsock_guest_header(&socket, VSOCK_OP_RW);
	uint8_t packet[sizeof(header) + 10] = { 0 };

	header.len = 10;
	memcpy(packet, &header, sizeof(header));
	(void)fake_driver_request(&guest.driver, VSOCK_QUEUE_TX, packet, sizeof(packet), 0, NULL);
	vsock_guest_queue_op(&guest, &socket, VSOCK_OP_RST);
	fake_driver_kick(&guest.driver, VSOCK_QUEUE_TX);
	vsock_guest_run(&guest);
	is_int(endpoint->nr_readable_calls, 0);
	is_int(endpoint->nr_closed_calls, 1);
	vsock_guest_fini(&guest);
}

/* A callback closes another connection that a callback was due for. */
static void test_close_in_callback(void)
{
	struct guest_socket sockets[2];

	vsock_guest_init(&guest);
	for (uint32_t i = 0; i < ARRAY_SIZE(sockets); i++)
		sockets[i] = vsock_guest_connect(&guest, 1000 + i, 42);
	guest.recorder.endpoints[0].victim = &guest.recorder.endpoints[1];
	for (unsigned int i = 0; i < ARRAY_SIZE(sockets); i++) {
		struct vsock_header header = vsock_guest_header(&sockets[i], VSOCK_OP_SHUTDOWN);

		header.flags = VSOCK_SHUTDOWN_SEND;
		(void)fake_driver_request(&guest.driver, VSOCK_QUEUE_TX, &header, sizeof(header), 0,
					  NULL);
	}
	fake_driver_kick(&guest.driver, VSOCK_QUEUE_TX);
	vsock_guest_run(&guest);
	is_int(guest.recorder.endpoints[0].nr_readable_calls, 1);
	is_int(guest.recorder.endpoints[1].nr_readable_calls, 0);
	is_int(guest.recorder.endpoints[1].nr_closed_calls, 0);
	(void)vsock_guest_pump(&guest, sockets, ARRAY_SIZE(sockets));
	is_int(sockets[1].nr_packets[VSOCK_OP_RST], 1);
	vsock_guest_fini(&guest);
}

static void test_device_reset_is_told(void)
{
	struct guest_socket socket = start_connected();
	struct guest_socket unknown = { .port = 1, .host_port = 1 };

	vsock_guest_start(&guest); /* no receive buffers now */
	vsock_guest_run(&guest);
	is_int(recorder_last(&guest.recorder)->nr_closed_calls, 1);

	/* What the guest had coming before a reset does not come after it. */
	guest_socket_send_op(&guest, &unknown, VSOCK_OP_RW, 0);
	vsock_guest_start(&guest);
	vsock_guest_offer(&guest, GUEST_QUEUE_SIZE);
	guest_socket_send_op(&guest, &socket, VSOCK_OP_RST, 0);
	is_int(vsock_guest_pump(&guest, &unknown, 1), 0);
	is_int(unknown.nr_packets[VSOCK_OP_RST], 0);
	vsock_guest_fini(&guest);
}

static void *reset_device(void *unused)
{
	fake_driver_reset(&guest.driver);
	return unused;
}

/* As on real hardware the reset comes on another thread than the loop's. */
static void test_device_reset_in_flight(void)
{
	struct guest_socket socket;
	struct endpoint *endpoint;
	pthread_t thread;

	vsock_guest_init(&guest);
	guest.recorder.pauses = true;
	socket = vsock_guest_connect(&guest, 1000, 42);
	endpoint = recorder_last(&guest.recorder);
	guest_socket_send(&guest, &socket, 100);
	vsock_guest_write(&guest, endpoint, 1000000);
	ok(!pthread_create(&thread, NULL, reset_device, NULL));
	ok(!pthread_join(thread, NULL));

	/* The service does not know yet. What it does now has no effect, and does no harm. */
	is_int(endpoint->nr_closed_calls, 0);
	vsock_lock(guest.vsock);
	is_int(vsock_write(endpoint->connection, "x", 1), 0);
	vsock_end_write(endpoint->connection);
	is_int(vsock_is_ended(endpoint->connection), false);
	endpoint_consume(endpoint, SIZE_MAX);
	vsock_unlock(guest.vsock);
	is_int(endpoint->nr_received, 0);
	is_int(endpoint->nr_closed_calls, 0);
	vsock_guest_run(&guest);
	is_int(endpoint->nr_closed_calls, 1);

	ok(fake_driver_start(&guest.driver));
	vsock_guest_offer(&guest, GUEST_QUEUE_SIZE);
	socket = vsock_guest_connect(&guest, 1000, 42);
	is_int(socket.nr_packets[VSOCK_OP_RESPONSE], 1);
	is_int(socket.nr_packets[VSOCK_OP_RST], 0);
	vsock_guest_fini(&guest);
}

/* Slots of connections that ended earlier in the same batch of packets are free. */
static void test_connect_in_the_batch_of_an_end(void)
{
	struct guest_socket socket = { .host_port = 43 };

	vsock_guest_init(&guest);
	guest.driver.queues[VSOCK_QUEUE_TX].size = 2 * GUEST_QUEUE_SIZE;
	vsock_guest_start(&guest);
	vsock_guest_offer(&guest, GUEST_QUEUE_SIZE);
	is_int(nr_free_slots(), VSOCK_MAX_CONNECTIONS);
	for (uint32_t i = VSOCK_MAX_CONNECTIONS - GUEST_QUEUE_SIZE; i <= VSOCK_MAX_CONNECTIONS;
	     i++) {
		bool is_last = i == VSOCK_MAX_CONNECTIONS;

		socket.port = 5000 + i;
		vsock_guest_queue_op(&guest, &socket, is_last ? VSOCK_OP_REQUEST : VSOCK_OP_RST);
	}
	fake_driver_kick(&guest.driver, VSOCK_QUEUE_TX);
	vsock_guest_run(&guest);
	is_int(vsock_guest_pump(&guest, &socket, 1), 0);
	is_int(socket.nr_packets[VSOCK_OP_RESPONSE], 1);
	vsock_guest_fini(&guest);
}

/* All slots are of the time before a reset, and the loop has not run since. */
static void test_connect_right_after_reset(void)
{
	struct guest_socket socket = { .port = 1000, .host_port = 42 };

	vsock_guest_init(&guest);
	is_int(nr_free_slots(), VSOCK_MAX_CONNECTIONS);
	vsock_guest_start(&guest);
	vsock_guest_queue_op(&guest, &socket, VSOCK_OP_REQUEST);
	fake_driver_kick(&guest.driver, VSOCK_QUEUE_TX);
	vsock_guest_run(&guest);
	is_int(guest.recorder.nr_endpoints, VSOCK_MAX_CONNECTIONS + 1);
	for (unsigned int i = 0; i < VSOCK_MAX_CONNECTIONS; i++)
		is_int(guest.recorder.endpoints[i].nr_closed_calls, 1);
	is_int(recorder_last(&guest.recorder)->nr_closed_calls, 0);
	vsock_guest_fini(&guest);
}

int main(void)
{
	test_too_many_connections();
	test_shutdown_before_response();
	test_ports_used_again();
	test_ports_used_again_while_lingering();
	test_bytes_and_reset_at_once();
	test_close_in_callback();
	test_device_reset_is_told();
	test_device_reset_in_flight();
	test_connect_in_the_batch_of_an_end();
	test_connect_right_after_reset();
	return tap_done();
}
