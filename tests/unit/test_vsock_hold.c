/* SPDX-License-Identifier: Apache-2.0 */
/* A request for a connection that is kept, and answered by another device. */
#include <errno.h>
#include <stdlib.h>

#include "tests/unit/tap.h"
#include "tests/unit/vsock_guest.h"
#include "vmm/virtio/device_state.h"

#define PORT 1024
#define GUEST_PORT 1000

static struct vsock_guest guest;
static unsigned int nr_held;

static void on_held(void *context)
{
	is_int(context == &guest, 1);
	nr_held++;
}

/* The guest has asked, and nobody has answered. */
static struct guest_socket hold(void)
{
	struct guest_socket socket;

	nr_held = 0;
	vsock_guest_init(&guest);
	vsock_hold(guest.vsock, PORT, on_held, &guest);
	ok(!vsock_held(guest.vsock));
	socket = vsock_guest_connect(&guest, GUEST_PORT, PORT);
	is_int(nr_held, 1);
	is_int(guest.recorder.nr_endpoints, 0);
	is_int(socket.nr_packets[VSOCK_OP_RESPONSE] + socket.nr_packets[VSOCK_OP_RST], 0);
	return socket;
}

static void test_is_kept(void)
{
	const struct vsock_header *request;
	struct guest_socket other;

	(void)hold();
	request = vsock_held(guest.vsock);
	ok(request);
	is_int(request->src_port, GUEST_PORT);
	is_int(request->dst_port, PORT);
	is_int(request->buf_alloc, GUEST_BUF_ALLOC);
	/* Others are answered, and what comes after it changes nothing. */
	other = vsock_guest_connect(&guest, GUEST_PORT + 1, PORT + 1);
	is_int(other.nr_packets[VSOCK_OP_RESPONSE], 1);
	other = vsock_guest_connect(&guest, GUEST_PORT, PORT);
	is_int(other.nr_packets[VSOCK_OP_RESPONSE], 0);
	is_int(nr_held, 1);
	is_int(guest.recorder.nr_endpoints, 1);
	vsock_guest_fini(&guest);
}

static void test_is_forgotten_at_reset(void)
{
	(void)hold();
	fake_driver_reset(&guest.driver);
	ok(!vsock_held(guest.vsock));
	vsock_guest_fini(&guest);
}

static void test_another_device_answers(void)
{
	struct guest_socket socket = hold();
	struct vsock_header request = *vsock_held(guest.vsock);
	struct byte_writer state = { 0 };
	struct byte_reader reader;
	struct endpoint *endpoint;
	struct error err;

	is_int(device_state_save(vsock_device(guest.vsock), &state, &err), 0);
	vsock_guest_replace_device(&guest);
	reader = (struct byte_reader){ .data = state.data, .left = state.len };
	is_int(vsock_expect(guest.vsock, &request), 0);
	is_int(device_state_restore(vsock_device(guest.vsock), &reader, &err), 0);
	is_int(guest.recorder.nr_endpoints, 0); /* not before the loop runs */
	is_int(vsock_guest_pump(&guest, &socket, 1), 0);
	is_int(socket.nr_packets[VSOCK_OP_RESPONSE], 1);
	is_int(guest.recorder.nr_endpoints, 1);
	endpoint = recorder_last(&guest.recorder);
	is_int(endpoint->port, PORT);

	guest_socket_send(&guest, &socket, 5000);
	is_int(endpoint->nr_received, 5000);
	vsock_guest_write(&guest, endpoint, 5000);
	is_int(vsock_guest_pump(&guest, &socket, 1), 0);
	is_int(socket.nr_received, 5000);
	is_int(endpoint->nr_mismatches + socket.nr_mismatches, 0);
	free(state.data);
	vsock_guest_fini(&guest);
}

/* A device that no driver has brought up has nobody to answer to. */
static void test_without_a_driver(void)
{
	struct guest_socket socket = hold();
	struct vsock_header request = *vsock_held(guest.vsock);

	vsock_guest_replace_device(&guest);
	is_int(vsock_expect(guest.vsock, &request), 0);
	(void)vsock_guest_run(&guest);
	is_int(socket.nr_packets[VSOCK_OP_RESPONSE], 0);
	is_int(guest.recorder.nr_endpoints, 0);
	vsock_guest_fini(&guest);
}

static void test_what_is_no_request(void)
{
	struct vsock_header request, wrong;

	(void)hold();
	request = *vsock_held(guest.vsock);
	wrong = request;
	wrong.src_cid++;
	is_int(vsock_expect(guest.vsock, &wrong), -EINVAL);
	wrong = request;
	wrong.dst_cid++;
	is_int(vsock_expect(guest.vsock, &wrong), -EINVAL);
	wrong = request;
	wrong.type++;
	is_int(vsock_expect(guest.vsock, &wrong), -EINVAL);
	wrong = request;
	wrong.op = VSOCK_OP_RW;
	is_int(vsock_expect(guest.vsock, &wrong), -EINVAL);
	wrong = request;
	wrong.len = 1;
	is_int(vsock_expect(guest.vsock, &wrong), -EINVAL);
	vsock_guest_fini(&guest);
}

int main(void)
{
	test_is_kept();
	test_is_forgotten_at_reset();
	test_another_device_answers();
	test_without_a_driver();
	test_what_is_no_request();
	return tap_done();
}
