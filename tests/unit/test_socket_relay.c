/* SPDX-License-Identifier: Apache-2.0 */
/* test_socket_relay.c - the monitor between a guest's connections and sockets of the host; the
 * container process is played */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "tests/unit/vsock_guest.h"
#include "vmm/backend/socket_channel.h"
#include "vmm/base/bug.h"
#include "vmm/base/fd.h"
#include "vmm/session/socket_relay.h"

#define SOCKET 77u
#define HOST_PORT (PROTOCOL_PORT_SOCKETS + SOCKET)
#define FIRST_PORT 10u

static struct vsock_guest guest;
static struct socket_relays sockets;
static struct guest_channel channel; /* without a connection: messages stay in it */
static int container_fd;	     /* the container process's end */

/* --- the device with the relays as its service ----------------------------------------------- */

static bool on_connect(void *context, struct vsock_connection *connection, uint32_t port)
{
	(void)context;
	return socket_relays_connect(&sockets, connection, port - PROTOCOL_PORT_SOCKETS);
}

static void on_readable(void *context)
{
	struct stream_handler *handler = context;

	handler->on_readable(handler);
}

static void on_writable(void *context)
{
	struct stream_handler *handler = context;

	handler->on_writable(handler);
}

static void on_closed(void *context)
{
	struct stream_handler *handler = context;

	handler->on_closed(handler);
}

static const struct vsock_service service = { on_connect, on_readable, on_writable, on_closed };

static void on_nothing(void *context)
{
	(void)context;
}

static void on_no_frame(void *context, const struct protocol_frame *frame)
{
	(void)context;
	(void)frame;
}

static void start(void)
{
	struct error err;
	int monitor_fd;

	guest = (struct vsock_guest){ .vsock = NULL };
	fake_driver_init(&guest.driver);
	for (unsigned int i = 0; i < 3; i++)
		guest.driver.queues[i].size = GUEST_QUEUE_SIZE;
	guest.tx_buffer = fake_driver_alloc(&guest.driver,
					    sizeof(struct vsock_header) + 2 * VSOCK_PAYLOAD_MAX);
	guest.rx_buffers = fake_driver_alloc(&guest.driver, GUEST_QUEUE_SIZE * GUEST_RX_ROOM);
	BUG_ON(vsock_new(&guest.vsock, &service, NULL, &guest.driver.memory, &guest.driver.loop,
			 guest.driver.transport, &err) < 0);
	guest.driver.device = vsock_device(guest.vsock);
	guest_channel_init(&channel, on_no_frame, on_nothing, NULL);
	BUG_ON(socket_channel_create(&monitor_fd, &container_fd, &err) < 0);
	BUG_ON(socket_relays_init(&sockets, monitor_fd, &channel, guest.vsock, &guest.driver.loop,
				  &err) < 0);
	vsock_guest_start(&guest);
	vsock_guest_offer(&guest, GUEST_QUEUE_SIZE);
}

static void stop(void)
{
	socket_relays_fini(&sockets);
	vsock_guest_fini(&guest);
	guest_channel_fini(&channel);
	fd_close(&container_fd);
}

/* What a message to guest-init that nobody takes adds to the queue. */
static size_t queued_size(const char *message)
{
	return sizeof(uint32_t) + strlen(message);
}

static void pump(struct guest_socket *socket)
{
	vsock_guest_run(&guest);
	(void)vsock_guest_pump(&guest, socket, 1);
	vsock_guest_run(&guest);
}

/* --- the container process ------------------------------------------------------------------- */

static void answer(uint32_t request, int32_t code, int fd)
{
	const struct socket_message message = {
		.type = SOCKET_CONNECTED, .socket = SOCKET, .request = request, .code = code
	};

	is_int(socket_channel_send(container_fd, &message, fd), 0);
	vsock_guest_run(&guest);
}

/* The question that the monitor asked: its number, or UINT32_MAX for none. */
static uint32_t question(void)
{
	struct socket_message message = { 0 };
	int fd;

	if (socket_channel_receive(container_fd, &message, &fd) != 1)
		return UINT32_MAX;
	is_int(message.type, SOCKET_CONNECT);
	is_int(message.socket, SOCKET);
	is_int(fd, -1);
	return message.request;
}

/* A connection of the guest and, in @pair[0], its end on the host; @pair[1] is the monitor's. */
static struct guest_socket connect_pair(uint32_t port, int pair[2])
{
	struct guest_socket socket = vsock_guest_connect(&guest, port, HOST_PORT);

	BUG_ON(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0);
	is_int(socket.nr_packets[VSOCK_OP_RESPONSE], 1);
	answer(question(), 0, pair[1]);
	fd_close(&pair[1]);
	return socket;
}

/* --- tests ----------------------------------------------------------------------------------- */

static void test_bytes_and_ends(void)
{
	struct guest_socket socket;
	char bytes[200];
	int pair[2];

	start();
	socket = connect_pair(FIRST_PORT, pair);
	guest_socket_send(&guest, &socket, 100);
	pump(&socket);
	is_int(read(pair[0], bytes, sizeof(bytes)), 100);
	is_int(read(pair[0], bytes, sizeof(bytes)), -1);
	/* The guest's end first: the host can still answer. */
	guest_socket_send_op(&guest, &socket, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_SEND);
	pump(&socket);
	is_int(read(pair[0], bytes, sizeof(bytes)), 0);
	is_int(write(pair[0], bytes, 50), 50);
	pump(&socket);
	is_int(socket.nr_received, 50);
	is_int(socket.nr_packets[VSOCK_OP_SHUTDOWN], 0);
	(void)close(pair[0]);
	pump(&socket);
	is_int(socket.nr_packets[VSOCK_OP_SHUTDOWN], 1);
	guest_socket_send_op(&guest, &socket, VSOCK_OP_RST, 0);
	pump(&socket);
	/* The host's end first: the guest can still answer. */
	socket = connect_pair(FIRST_PORT + 1, pair);
	is_int(shutdown(pair[0], SHUT_WR), 0);
	pump(&socket);
	is_int(socket.nr_packets[VSOCK_OP_SHUTDOWN], 1);
	guest_socket_send(&guest, &socket, 60);
	pump(&socket);
	is_int(read(pair[0], bytes, sizeof(bytes)), 60);
	guest_socket_send_op(&guest, &socket, VSOCK_OP_SHUTDOWN,
			     VSOCK_SHUTDOWN_SEND | VSOCK_SHUTDOWN_RECEIVE);
	pump(&socket);
	is_int(read(pair[0], bytes, sizeof(bytes)), 0);
	(void)close(pair[0]);
	stop();
}

/* What the guest sends before there is anybody to read it arrives once there is. */
static void test_early_bytes(void)
{
	struct guest_socket socket;
	char bytes[200];
	int pair[2];

	start();
	socket = vsock_guest_connect(&guest, FIRST_PORT, HOST_PORT);
	guest_socket_send(&guest, &socket, 100);
	guest_socket_send_op(&guest, &socket, VSOCK_OP_SHUTDOWN,
			     VSOCK_SHUTDOWN_SEND | VSOCK_SHUTDOWN_RECEIVE);
	vsock_guest_run(&guest);
	BUG_ON(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0);
	answer(question(), 0, pair[1]);
	(void)close(pair[1]);
	is_int(read(pair[0], bytes, sizeof(bytes)), 100);
	is_int(read(pair[0], bytes, sizeof(bytes)), 0);
	(void)close(pair[0]);
	stop();
}

static void test_refusals(void)
{
	struct guest_socket socket;

	start();
	/* Nobody listens on the host: closed; a void number is told to guest-init as well. */
	socket = vsock_guest_connect(&guest, FIRST_PORT, HOST_PORT);
	answer(question(), ECONNREFUSED, -1);
	pump(&socket);
	is_int(socket.nr_packets[VSOCK_OP_RST], 1);
	is_int(channel.nr_queued, 0);
	socket = vsock_guest_connect(&guest, FIRST_PORT, HOST_PORT);
	answer(question(), ENOENT, -1);
	pump(&socket);
	is_int(socket.nr_packets[VSOCK_OP_RST], 1);
	is_int(channel.queued, queued_size("{\"type\":\"socketGone\",\"id\":77}"));
	stop();
}

static void test_guest_goes_first(void)
{
	struct guest_socket socket;
	uint32_t request;
	char byte;
	int pair[2];

	start();
	socket = vsock_guest_connect(&guest, FIRST_PORT, HOST_PORT);
	request = question();
	guest_socket_send_op(&guest, &socket, VSOCK_OP_RST, 0);
	vsock_guest_run(&guest);
	/* Its relay is not given to another before the answer has come. */
	(void)vsock_guest_connect(&guest, FIRST_PORT + 1, HOST_PORT);
	ok(question() != request);
	BUG_ON(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0);
	answer(request, 0, pair[1]);
	(void)close(pair[1]);
	is_int(read(pair[0], &byte, 1), 0);
	(void)close(pair[0]);
	(void)vsock_guest_connect(&guest, FIRST_PORT + 2, HOST_PORT);
	is_int(question(), request);
	stop();
}

static void test_too_many(void)
{
	unsigned int nr_accepted = 0;
	struct guest_socket socket;
	uint32_t port = FIRST_PORT;

	start();
	for (unsigned int i = 0; i < PROTOCOL_SOCKET_CONNECTIONS_MAX + 10; i++) {
		socket = vsock_guest_connect(&guest, port++, HOST_PORT);
		nr_accepted += socket.nr_packets[VSOCK_OP_RESPONSE];
	}
	is_int(nr_accepted, PROTOCOL_SOCKET_CONNECTIONS_MAX);
	/* There is room again when one could not be connected. */
	answer(question(), EAGAIN, -1);
	socket = vsock_guest_connect(&guest, port++, HOST_PORT);
	is_int(socket.nr_packets[VSOCK_OP_RESPONSE], 1);
	stop();
}

/* A guest that connects and closes in a loop costs nothing that stays. */
static void test_loop(void)
{
	int pair[2];

	start();
	for (unsigned int i = 0; i < 1000; i++) {
		struct guest_socket socket = connect_pair(FIRST_PORT + i % 4, pair);

		guest_socket_send_op(&guest, &socket, VSOCK_OP_RST, 0);
		vsock_guest_run(&guest);
		(void)close(pair[0]);
	}
	for (unsigned int i = 0; i < PROTOCOL_SOCKET_CONNECTIONS_MAX; i++)
		ok(sockets.relays[i].relay.host.fd <= 0);
	stop();
}

static void test_offers(void)
{
	struct socket_message message = { .type = SOCKET_OFFER, .socket = 12 };

	start();
	socket_relays_enable(&sockets);
	is_int(socket_channel_send(container_fd, &message, -1), 0);
	message.type = SOCKET_WITHDRAW;
	is_int(socket_channel_send(container_fd, &message, -1), 0);
	vsock_guest_run(&guest);
	is_int(channel.queued, queued_size("{\"type\":\"socket\",\"id\":12}") +
				       queued_size("{\"type\":\"socketGone\",\"id\":12}"));
	/* More than the guest takes are dropped. */
	for (unsigned int i = 0; i < 1000; i++) {
		is_int(socket_channel_send(container_fd, &message, -1), 0);
		vsock_guest_run(&guest);
	}
	is_int(channel.nr_queued, GUEST_CHANNEL_MESSAGES_MAX);
	ok(sockets.channel.fd >= 0);
	stop();
}

/* A container process that breaks the rules, and one that is gone: nobody waits for it. */
static void test_bad_container_process(void)
{
	struct socket_message messages[] = {
		{ .type = 0 },
		{ .type = SOCKET_CONNECT },
		{ .type = SOCKET_ENABLE },
		{ .type = SOCKET_CONNECTED, .request = 1 },
		{ .type = SOCKET_CONNECTED, .request = PROTOCOL_SOCKET_CONNECTIONS_MAX },
		{ .type = SOCKET_CONNECTED, .request = UINT32_MAX },
		{ .type = SOCKET_CONNECTED, .request = 0 }, /* without a descriptor */
		{ .type = SOCKET_CONNECTED, .request = 0 }, /* with one that is no socket */
	};
	size_t nr = sizeof(messages) / sizeof(*messages);

	for (size_t i = 0; i <= nr; i++) {
		struct guest_socket socket;
		int null_fd = i == nr - 1 ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;

		start();
		socket = vsock_guest_connect(&guest, FIRST_PORT, HOST_PORT);
		is_int(question(), 0);
		if (i < nr)
			is_int(socket_channel_send(container_fd, &messages[i], null_fd), 0);
		else
			fd_close(&container_fd);
		pump(&socket);
		is_int(sockets.channel.fd, -1);
		is_int(socket.nr_packets[VSOCK_OP_RST], 1);
		socket = vsock_guest_connect(&guest, FIRST_PORT, HOST_PORT);
		is_int(socket.nr_packets[VSOCK_OP_RESPONSE], 0);
		stop();
		fd_close(&null_fd);
	}
}

/* Messages that are too short or too long, and those with two descriptors. */
static void test_malformed_messages(void)
{
	char bytes[sizeof(struct socket_message) + 1] = { 0 };
	struct iovec part = { bytes, sizeof(struct socket_message) };
	char control[CMSG_SPACE(2 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct msghdr packet = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&packet);
	struct socket_message message;
	int ends[2], fd, next;
	struct error err;

	BUG_ON(socket_channel_create(&ends[0], &ends[1], &err) < 0);
	is_int(send(ends[0], bytes, sizeof(bytes), 0), (ssize_t)sizeof(bytes));
	is_int(socket_channel_receive(ends[1], &message, &fd), -EPROTO);
	is_int(send(ends[0], bytes, sizeof(bytes) - 2, 0), (ssize_t)sizeof(bytes) - 2);
	is_int(socket_channel_receive(ends[1], &message, &fd), -EPROTO);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(header), ends, sizeof(ends));
	next = dup(ends[0]);
	(void)close(next);
	is_int(sendmsg(ends[0], &packet, 0), (ssize_t)part.iov_len);
	is_int(socket_channel_receive(ends[1], &message, &fd), -EPROTO);
	/* Neither descriptor has stayed. */
	fd = dup(ends[0]);
	is_int(fd, next);
	(void)close(fd);
	(void)close(ends[0]);
	is_int(socket_channel_receive(ends[1], &message, &fd), 0);
	(void)close(ends[1]);
}

static void test_ports(void)
{
	ok(!protocol_is_socket_port(PROTOCOL_PORT_SOCKETS));
	ok(protocol_is_socket_port(PROTOCOL_PORT_SOCKETS + 1));
	ok(protocol_is_socket_port(PROTOCOL_PORT_SOCKETS + PROTOCOL_SOCKET_ID_MAX));
	ok(!protocol_is_socket_port(PROTOCOL_PORT_SOCKETS + PROTOCOL_SOCKET_ID_MAX + 1));
	ok(!protocol_is_socket_port(UINT32_MAX));
	ok(!protocol_is_socket_port(protocol_stream_port(PROTOCOL_PROCESSES_MAX, 0)));
}

int main(void)
{
	test_ports();
	test_malformed_messages();
	test_bytes_and_ends();
	test_early_bytes();
	test_refusals();
	test_guest_goes_first();
	test_too_many();
	test_loop();
	test_offers();
	test_bad_container_process();
	return tap_done();
}
