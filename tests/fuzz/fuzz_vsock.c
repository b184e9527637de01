/* SPDX-License-Identifier: Apache-2.0 */
/* A hostile driver of the virtio socket device, and a service that acts at random. */
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fetch_watch.h"
#include "tests/unit/fake_driver.h"
#include "tests/unit/fake_program.h"
#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/log.h"
#include "vmm/virtio/vsock.h"
#include "vmm/virtio/vsock_host.h"

#define QUEUE_SIZE 64
#define RX_ROOM 4096
#define TX_BUFFER FAKE_BUFFERS
#define RX_BUFFERS (TX_BUFFER + 0x20000)
#define MAX_STEPS 400
#define MAX_EVENTS_TO_REST 10000

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* On the heap, so that a callback for a connection that was given up is seen. */
struct client {
	struct vsock_connection *connection;
	unsigned int slot; /* in clients */
};

static struct fake_driver driver;
static struct vsock *vsock;
static struct fake_program program;
static struct client *clients[VSOCK_MAX_CONNECTIONS];

static void forget(struct client *client)
{
	clients[client->slot] = NULL;
	free(client);
}

/* Anything a service may do with its connection. */
static void act(struct client *client)
{
	static const uint8_t bytes[VSOCK_OUTGOING_SIZE + 1];
	struct vsock_connection *connection = client->connection;
	static uint8_t taken[VSOCK_BUFFER_SIZE];
	const uint8_t *piece;
	size_t len;

	BUG_ON(vsock_writable(connection) > VSOCK_OUTGOING_SIZE);
	len = vsock_peek(connection, &piece);
	BUG_ON(len > VSOCK_BUFFER_SIZE || (len && vsock_is_ended(connection)));
	switch (fake_program_byte(&program) % 16) {
	case 0:
		vsock_close(connection);
		forget(client);
		return;
	case 1:
		vsock_end_write(connection);
		BUG_ON(vsock_writable(connection));
		return;
	case 2: /* reads nothing */
		return;
	case 3:
	case 4:
	case 5:
	case 6: {
		size_t offered = fake_program_word(&program) % sizeof(bytes);
		size_t writable = vsock_writable(connection);

		BUG_ON(vsock_write(connection, bytes, offered) != min_u64(offered, writable));
		return;
	}
	default:
		memcpy(taken, piece, len);
		vsock_consume(connection, fake_program_byte(&program) % 2 ? len : len / 2);
		return;
	}
}

static bool on_connect(void *service, struct vsock_connection *connection, uint32_t port)
{
	struct client *client;

	BUG_ON(service != &driver);
	if (fake_program_byte(&program) % 8 == 0)
		return false;
	client = malloc(sizeof(*client));
	BUG_ON(!client);
	client->connection = connection;
	client->slot = 0;
	while (clients[client->slot])
		client->slot++;
	BUG_ON(client->slot >= VSOCK_MAX_CONNECTIONS);
	clients[client->slot] = client;
	vsock_set_context(connection, client);
	if (port == 2)
		act(client);
	return true;
}

static void on_event(void *context)
{
	act(context);
}

static void on_closed(void *context)
{
	struct client *client = context;
	const uint8_t *piece;

	BUG_ON(vsock_peek(client->connection, &piece));
	forget(client);
}

/* Mostly a packet that means something. */
static void send_packet(void)
{
	static const uint16_t operations[] = {
		VSOCK_OP_REQUEST,  VSOCK_OP_REQUEST,
		VSOCK_OP_RW,	   VSOCK_OP_RW,
		VSOCK_OP_RW,	   VSOCK_OP_RW,
		VSOCK_OP_SHUTDOWN, VSOCK_OP_CREDIT_REQUEST,
		VSOCK_OP_RST,	   VSOCK_OP_CREDIT_UPDATE,
		VSOCK_OP_RESPONSE, UINT16_MAX,
	};
	uint8_t who = fake_program_byte(&program);
	struct vsock_header header = {
		.src_cid = VSOCK_GUEST_CID,
		.dst_cid = VSOCK_HOST_CID,
		.dst_port = 1 + who % 2,
		.src_port = who < 192 ? who / 2 % 4 : fake_program_byte(&program),
		.type = VSOCK_TYPE_STREAM,
		.op = operations[fake_program_byte(&program) % ARRAY_SIZE(operations)],
		.flags = fake_program_byte(&program) % 4,
		.buf_alloc = (uint32_t)fake_program_number(&program, 0x40000),
		.fwd_cnt = (uint32_t)fake_program_number(&program, 0x1000),
	};
	uint32_t len = (uint32_t)fake_program_number(&program, VSOCK_PAYLOAD_MAX);
	uint32_t sent = (uint32_t)min_u64(len, VSOCK_PAYLOAD_MAX + 1) + sizeof(header);
	uint32_t cut = fake_program_byte(&program) % sizeof(header);
	uint8_t spoil = fake_program_byte(&program);
	struct fake_buffer parts[2];

	header.len = len;
	if (spoil == 1)
		header.src_cid = fake_program_word(&program);
	if (spoil == 2)
		header.dst_cid = fake_program_word(&program);
	if (spoil == 3)
		header.type = (uint16_t)fake_program_word(&program);
	if (spoil == 4)
		sent = (uint32_t)fake_program_number(&program, sent);
	memcpy(fake_driver_bytes(&driver, TX_BUFFER, sizeof(header)), &header, sizeof(header));
	parts[0] = (struct fake_buffer){ .gpa = TX_BUFFER, .len = cut };
	parts[1] = (struct fake_buffer){ .gpa = TX_BUFFER + cut, .len = sent - cut };
	(void)fake_driver_add(&driver, VSOCK_QUEUE_TX, parts + !cut, cut ? 2 : 1, NULL, 0);
}

/* At most as many as there is room for: a driver that does more is stopped, and soon dull. */
static void offer_buffers(unsigned int nr)
{
	const struct fake_queue *queue = &driver.queues[VSOCK_QUEUE_RX];
	uint32_t id;
	uint32_t len;

	while (fake_driver_take_used(&driver, VSOCK_QUEUE_RX, &id, &len))
		continue;
	nr = (unsigned int)min_u64(
		nr, (uint16_t)(queue->used_index + queue->size - queue->available_index));
	for (unsigned int i = 0; i < nr; i++) {
		struct fake_buffer buffer = { .gpa = RX_BUFFERS + RX_ROOM * i, .len = RX_ROOM };

		(void)fake_driver_add(&driver, VSOCK_QUEUE_RX, NULL, 0, &buffer, 1);
	}
}

static void act_outside_callbacks(void)
{
	struct client *client = clients[fake_program_byte(&program) % VSOCK_MAX_CONNECTIONS];

	vsock_lock(vsock);
	if (client)
		act(client);
	vsock_unlock(vsock);
}

static void start_driver(void)
{
	for (unsigned int i = 0; i < VSOCK_NR_QUEUES; i++)
		driver.queues[i].size = QUEUE_SIZE;
	fake_driver_reset(&driver);
	(void)fake_driver_start(&driver);
	offer_buffers(fake_program_byte(&program) % QUEUE_SIZE);
}

static void take_step(void)
{
	if (!virtio_device_is_live(driver.device) && fake_program_byte(&program) % 4 == 0)
		start_driver();
	switch (fake_program_byte(&program) % 16) {
	case 0:
		fake_program_step(&program, &driver);
		return;
	case 1:
	case 2:
		offer_buffers(1 + fake_program_byte(&program) % 16);
		return;
	case 3:
	case 4:
		act_outside_callbacks();
		return;
	case 5:
		fake_driver_kick(&driver, VSOCK_QUEUE_RX);
		return;
	case 6:
	case 7:
		(void)fake_driver_run(&driver, 4);
		return;
	default:
		send_packet();
		fake_driver_kick(&driver, VSOCK_QUEUE_TX);
		(void)fake_driver_run(&driver, fake_program_byte(&program) % 3);
		return;
	}
}

static void start(void)
{
	static const struct vsock_service service = {
		.on_connect = on_connect,
		.on_readable = on_event,
		.on_writable = on_event,
		.on_closed = on_closed,
	};
	struct error err;

	fake_driver_init(&driver);
	fetch_watch_begin(&program);
	fetch_watch_add_driver(&driver);
	BUG_ON(vsock_new(&vsock, &service, &driver, &driver.memory, &driver.loop, driver.transport,
			 &err) < 0);
	driver.device = vsock_device(vsock);
	start_driver();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct error err;

	(void)argc;
	(void)argv;
	fetch_watch_check();
	return log_open("/dev/null", false, false, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	program = (struct fake_program){ data, size };
	start();
	for (unsigned int i = 0; i < MAX_STEPS && !fake_program_is_done(&program); i++)
		take_step();

	/* Left alone, the device comes to rest; after a reset nobody is left in the dark. */
	BUG_ON(fake_driver_run(&driver, MAX_EVENTS_TO_REST) == MAX_EVENTS_TO_REST);
	fake_driver_write(&driver, VIRTIO_MMIO_STATUS, 0);
	for (unsigned int i = 0; i < VSOCK_MAX_CONNECTIONS; i++) {
		const uint8_t *piece;
		size_t len;

		vsock_lock(vsock);
		while (clients[i] && (len = vsock_peek(clients[i]->connection, &piece)))
			vsock_consume(clients[i]->connection, len);
		vsock_unlock(vsock);
	}
	BUG_ON(fake_driver_run(&driver, MAX_EVENTS_TO_REST) == MAX_EVENTS_TO_REST);
	for (unsigned int i = 0; i < VSOCK_MAX_CONNECTIONS; i++)
		BUG_ON(clients[i]);
	fetch_watch_end();
	vsock_free(vsock);
	fake_driver_fini(&driver);
	return 0;
}
