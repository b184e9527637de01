/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/vsock_guest.h"

#include <string.h>

#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"

static uint8_t pattern(uint32_t port, uint64_t offset)
{
	return (uint8_t)(port * 31 + offset + (offset >> 8) * 7 + (offset >> 16) * 13);
}

static void fill_pattern(uint32_t port, uint64_t offset, uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = pattern(port, offset + i);
}

static uint64_t count_mismatches(uint32_t port, uint64_t offset, const uint8_t *data, size_t len)
{
	uint64_t nr = 0;

	for (size_t i = 0; i < len; i++)
		nr += data[i] != pattern(port, offset + i);
	return nr;
}

struct endpoint *recorder_last(struct recorder *recorder)
{
	BUG_ON(!recorder->nr_endpoints);
	return &recorder->endpoints[recorder->nr_endpoints - 1];
}

void endpoint_consume(struct endpoint *endpoint, size_t max)
{
	const uint8_t *piece;
	size_t len;

	while (max && (len = min_u64(vsock_peek(endpoint->connection, &piece), max))) {
		endpoint->nr_mismatches +=
			count_mismatches(endpoint->port, endpoint->nr_received, piece, len);
		endpoint->nr_received += len;
		max -= len;
		vsock_consume(endpoint->connection, len);
	}
	endpoint->is_ended = vsock_is_ended(endpoint->connection);
}

void endpoint_write(struct endpoint *endpoint)
{
	while (endpoint->nr_to_write) {
		uint8_t data[3000];
		size_t offered = min_u64(endpoint->nr_to_write, sizeof(data));
		size_t writable = vsock_writable(endpoint->connection);
		size_t taken;

		fill_pattern(endpoint->port, endpoint->nr_written, data, offered);
		taken = vsock_write(endpoint->connection, data, offered);
		BUG_ON(taken != min_u64(offered, writable));
		endpoint->nr_written += taken;
		endpoint->nr_to_write -= taken;
		if (taken < offered)
			return;
	}
}

static bool on_connect(void *service, struct vsock_connection *connection, uint32_t port)
{
	struct recorder *recorder = service;
	struct endpoint *endpoint;

	recorder->thread = pthread_self();
	if (recorder->on_connect)
		recorder->on_connect(recorder);
	if (recorder->refuses)
		return false;
	BUG_ON(recorder->nr_endpoints == GUEST_MAX_ENDPOINTS);
	endpoint = &recorder->endpoints[recorder->nr_endpoints++];
	*endpoint = (struct endpoint){
		.connection = connection,
		.port = port,
		.is_paused = recorder->pauses,
	};
	vsock_set_context(connection, endpoint);
	return true;
}

static void on_readable(void *context)
{
	struct endpoint *endpoint = context;

	endpoint->nr_readable_calls++;
	if (endpoint->victim)
		vsock_close(endpoint->victim->connection);
	if (!endpoint->is_paused)
		endpoint_consume(endpoint, SIZE_MAX);
}

static void on_writable(void *context)
{
	struct endpoint *endpoint = context;

	endpoint->nr_writable_calls++;
	BUG_ON(!vsock_writable(endpoint->connection));
	endpoint_write(endpoint);
}

static void on_closed(void *context)
{
	struct endpoint *endpoint = context;

	endpoint->nr_closed_calls++;
	endpoint->connection = NULL;
}

static void add_device(struct vsock_guest *guest)
{
	static const struct vsock_service service = {
		.on_connect = on_connect,
		.on_readable = on_readable,
		.on_writable = on_writable,
		.on_closed = on_closed,
	};
	struct error err;

	BUG_ON(vsock_new(&guest->vsock, &service, &guest->recorder, &guest->driver.memory,
			 &guest->driver.loop, guest->driver.transport, &err) < 0);
	guest->driver.device = vsock_device(guest->vsock);
}

void vsock_guest_replace_device(struct vsock_guest *guest)
{
	vsock_free(guest->vsock);
	add_device(guest);
}

void vsock_guest_init(struct vsock_guest *guest)
{
	memset(guest, 0, sizeof(*guest));
	fake_driver_init(&guest->driver);
	for (unsigned int i = 0; i < VSOCK_NR_QUEUES; i++)
		guest->driver.queues[i].size = GUEST_QUEUE_SIZE;
	guest->tx_buffer = fake_driver_alloc(&guest->driver,
					     sizeof(struct vsock_header) + 2 * VSOCK_PAYLOAD_MAX);
	/* Twice what is offered, for tests with a larger queue. */
	guest->rx_buffers = fake_driver_alloc(&guest->driver, 2 * GUEST_QUEUE_SIZE * GUEST_RX_ROOM);
	add_device(guest);
	vsock_guest_start(guest);
	vsock_guest_offer(guest, GUEST_QUEUE_SIZE);
	vsock_guest_run(guest);
}

void vsock_guest_fini(struct vsock_guest *guest)
{
	vsock_free(guest->vsock);
	fake_driver_fini(&guest->driver);
}

void vsock_guest_start(struct vsock_guest *guest)
{
	fake_driver_reset(&guest->driver);
	BUG_ON(!fake_driver_start(&guest->driver));
}

/* Section 2.7.10: the doorbell rings only if the device's event index was passed. */
static void kick_if_wanted(struct vsock_guest *guest, unsigned int queue, uint16_t old_index)
{
	uint16_t new_index = guest->driver.queues[queue].available_index;
	uint16_t event = fake_driver_available_event(&guest->driver, queue);

	if ((uint16_t)(new_index - event - 1) < (uint16_t)(new_index - old_index))
		fake_driver_kick(&guest->driver, queue);
}

void vsock_guest_offer(struct vsock_guest *guest, unsigned int nr)
{
	struct fake_queue *queue = &guest->driver.queues[VSOCK_QUEUE_RX];
	uint16_t old_index = queue->available_index;

	/* Each buffer belongs to the descriptor with its number. */
	for (unsigned int i = 0; i < nr; i++) {
		struct fake_buffer buffer = {
			.gpa = guest->rx_buffers + queue->next_descriptor * GUEST_RX_ROOM,
			.len = GUEST_RX_ROOM,
		};

		(void)fake_driver_add(&guest->driver, VSOCK_QUEUE_RX, NULL, 0, &buffer, 1);
	}
	kick_if_wanted(guest, VSOCK_QUEUE_RX, old_index);
}

unsigned int vsock_guest_run(struct vsock_guest *guest)
{
	return fake_driver_run(&guest->driver, 1000);
}

struct vsock_header vsock_guest_header(const struct guest_socket *socket, uint16_t op)
{
	return (struct vsock_header){
		.src_cid = VSOCK_GUEST_CID,
		.dst_cid = VSOCK_HOST_CID,
		.src_port = socket->port,
		.dst_port = socket->host_port,
		.type = VSOCK_TYPE_STREAM,
		.op = op,
		.buf_alloc = socket->buf_alloc,
		.fwd_cnt = socket->fwd_cnt,
	};
}

void vsock_guest_send(struct vsock_guest *guest, const struct vsock_header *header,
		      const void *payload, uint32_t len)
{
	struct fake_driver *driver = &guest->driver;
	uint16_t old_index = driver->queues[VSOCK_QUEUE_TX].available_index;
	struct fake_buffer parts[2] = {
		{ .gpa = guest->tx_buffer, .len = sizeof(*header) },
		{ .gpa = guest->tx_buffer + sizeof(*header), .len = len },
	};
	uint32_t id;
	uint32_t written;

	memcpy(fake_driver_bytes(driver, parts[0].gpa, sizeof(*header)), header, sizeof(*header));
	if (len)
		memcpy(fake_driver_bytes(driver, parts[1].gpa, len), payload, len);
	(void)fake_driver_add(driver, VSOCK_QUEUE_TX, parts, len ? 2 : 1, NULL, 0);
	kick_if_wanted(guest, VSOCK_QUEUE_TX, old_index);
	vsock_guest_run(guest);
	(void)fake_driver_take_used(driver, VSOCK_QUEUE_TX, &id, &written);
}

void vsock_guest_queue_op(struct vsock_guest *guest, const struct guest_socket *socket, uint16_t op)
{
	struct vsock_header header = vsock_guest_header(socket, op);

	(void)fake_driver_request(&guest->driver, VSOCK_QUEUE_TX, &header, sizeof(header), 0, NULL);
}

bool vsock_guest_take(struct vsock_guest *guest, struct vsock_header *ret_header, uint8_t *payload)
{
	uint32_t head;
	uint32_t written;
	uint64_t gpa;

	if (!fake_driver_take_used(&guest->driver, VSOCK_QUEUE_RX, &head, &written))
		return false;
	gpa = guest->rx_buffers + (uint64_t)head * GUEST_RX_ROOM;
	BUG_ON(written < sizeof(*ret_header) || written > GUEST_RX_ROOM);
	memcpy(ret_header, fake_driver_bytes(&guest->driver, gpa, written), sizeof(*ret_header));
	BUG_ON(written != sizeof(*ret_header) + ret_header->len);
	memcpy(payload,
	       fake_driver_bytes(&guest->driver, gpa + sizeof(*ret_header), ret_header->len),
	       ret_header->len);
	if (!guest->keeps_buffers)
		vsock_guest_offer(guest, 1);
	return true;
}

static bool is_for_socket(const struct vsock_header *header, const struct guest_socket *socket)
{
	return header->src_cid == VSOCK_HOST_CID && header->dst_cid == VSOCK_GUEST_CID &&
	       header->src_port == socket->host_port && header->dst_port == socket->port &&
	       header->type == VSOCK_TYPE_STREAM && header->op < 8;
}

static void socket_receive(struct guest_socket *socket, const struct vsock_header *header,
			   const uint8_t *payload)
{
	socket->nr_packets[header->op]++;
	if (header->op == VSOCK_OP_RST)
		return;
	socket->host_buf_alloc = header->buf_alloc;
	socket->host_fwd_cnt = header->fwd_cnt;
	socket->nr_mismatches +=
		count_mismatches(socket->host_port, socket->nr_received, payload, header->len);
	socket->nr_received += header->len;
}

unsigned int vsock_guest_pump(struct vsock_guest *guest, struct guest_socket *sockets,
			      unsigned int nr_sockets)
{
	static uint8_t payload[VSOCK_PAYLOAD_MAX];
	struct vsock_header header;
	unsigned int nr_lost = 0;

	do {
		while (vsock_guest_take(guest, &header, payload)) {
			unsigned int i = 0;

			while (i < nr_sockets && !is_for_socket(&header, &sockets[i]))
				i++;
			if (i < nr_sockets)
				socket_receive(&sockets[i], &header, payload);
			else
				nr_lost++;
		}
	} while (vsock_guest_run(guest));
	return nr_lost;
}

struct guest_socket vsock_guest_connect(struct vsock_guest *guest, uint32_t port,
					uint32_t host_port)
{
	struct guest_socket socket = {
		.port = port,
		.host_port = host_port,
		.buf_alloc = GUEST_BUF_ALLOC,
	};

	guest_socket_send_op(guest, &socket, VSOCK_OP_REQUEST, 0);
	(void)vsock_guest_pump(guest, &socket, 1);
	return socket;
}

void guest_socket_send_op(struct vsock_guest *guest, const struct guest_socket *socket, uint16_t op,
			  uint32_t flags)
{
	struct vsock_header header = vsock_guest_header(socket, op);

	header.flags = flags;
	vsock_guest_send(guest, &header, NULL, 0);
}

void guest_socket_send(struct vsock_guest *guest, struct guest_socket *socket, uint32_t len)
{
	static uint8_t payload[VSOCK_PAYLOAD_MAX];
	struct vsock_header header = vsock_guest_header(socket, VSOCK_OP_RW);

	BUG_ON(len > sizeof(payload));
	header.len = len;
	fill_pattern(socket->host_port, socket->nr_sent, payload, len);
	socket->nr_sent += len;
	vsock_guest_send(guest, &header, payload, len);
}

uint32_t guest_socket_credit(const struct guest_socket *socket)
{
	return socket->host_buf_alloc - ((uint32_t)socket->nr_sent - socket->host_fwd_cnt);
}

void vsock_guest_consume(struct vsock_guest *guest, struct endpoint *endpoint, size_t max)
{
	vsock_lock(guest->vsock);
	endpoint_consume(endpoint, max);
	vsock_unlock(guest->vsock);
	vsock_guest_run(guest);
}

void vsock_guest_write(struct vsock_guest *guest, struct endpoint *endpoint, uint64_t len)
{
	vsock_lock(guest->vsock);
	endpoint->nr_to_write += len;
	endpoint_write(endpoint);
	vsock_unlock(guest->vsock);
	vsock_guest_run(guest);
}
