/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/vsock_host.h"

#include <errno.h>
#include <sys/mman.h>

#include "vmm/base/bug.h"

#define VSOCK_CONNECTION_MEMORY (VSOCK_BUFFER_SIZE + VSOCK_OUTGOING_SIZE)
#define VSOCK_MEMORY (VSOCK_MAX_CONNECTIONS * VSOCK_CONNECTION_MEMORY)

int vsock_host_init(struct vsock_host *host, const struct vsock_service *service, void *context,
		    struct error *err)
{
	/* Untouched buffers cost address space only. */
	uint8_t *memory = mmap(NULL, VSOCK_MEMORY, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return error_set(err, errno, "map the buffers of the vsock device");
	/* A connection touches a page or two of its own. */
	(void)madvise(memory, VSOCK_MEMORY, MADV_NOHUGEPAGE);
	host->memory = memory;
	host->service = service;
	host->service_context = context;
	for (unsigned int i = 0; i < VSOCK_MAX_CONNECTIONS; i++) {
		struct vsock_connection *connection = &host->connections[i];

		connection->host = host;
		connection->received.memory = memory;
		connection->outgoing.memory = memory + VSOCK_BUFFER_SIZE;
		memory += VSOCK_CONNECTION_MEMORY;
	}
	return 0;
}

void vsock_host_fini(struct vsock_host *host)
{
	if (host->memory)
		(void)munmap(host->memory, VSOCK_MEMORY);
	host->memory = NULL;
}

static struct vsock_connection *find_connection(struct vsock_host *host, uint32_t guest_port,
						uint32_t host_port)
{
	for (unsigned int i = 0; i < host->nr_slots; i++) {
		struct vsock_connection *connection = &host->connections[i];

		if (connection->state == VSOCK_CONNECTION_OPEN &&
		    connection->guest_port == guest_port && connection->host_port == host_port)
			return connection;
	}
	return NULL;
}

/* The lowest free slot, so that the loops over all of them stay short. */
static struct vsock_connection *find_free_slot(struct vsock_host *host)
{
	for (unsigned int i = 0; i < VSOCK_MAX_CONNECTIONS; i++) {
		if (host->connections[i].state != VSOCK_CONNECTION_FREE)
			continue;
		if (i >= host->nr_slots)
			host->nr_slots = i + 1;
		return &host->connections[i];
	}
	return NULL;
}

static void trim_slots(struct vsock_host *host)
{
	while (host->nr_slots &&
	       host->connections[host->nr_slots - 1].state == VSOCK_CONNECTION_FREE)
		host->nr_slots--;
}

void vsock_host_lose_all(struct vsock_host *host)
{
	for (unsigned int i = 0; i < host->nr_slots; i++)
		if (host->connections[i].state == VSOCK_CONNECTION_OPEN)
			vsock_connection_lose(&host->connections[i]);
	host->nr_resets = 0;
	host->has_request = false;
}

/* Do not send the RST that waits for the same two ports as @reset, if any. */
static void cancel_reset(struct vsock_host *host, const struct vsock_header *reset)
{
	for (unsigned int i = 0; i < host->nr_resets; i++) {
		const struct vsock_header *other = &host->resets[i];

		if (other->src_port == reset->src_port && other->dst_port == reset->dst_port &&
		    other->src_cid == reset->src_cid && other->type == reset->type) {
			host->resets[i] = host->resets[--host->nr_resets];
			return;
		}
	}
}

/*
 * A guest that offers no buffers and goes on causing RSTs loses some of them, which it makes up
 * for with its own time-outs.
 */
static void queue_reset(struct vsock_host *host, const struct vsock_header *reset)
{
	cancel_reset(host, reset);
	if (host->nr_resets < VSOCK_RESETS_MAX)
		host->resets[host->nr_resets++] = *reset;
}

/* The RST that answers @header: same two ends, other direction. */
static struct vsock_header reset_for(const struct vsock_header *header)
{
	return (struct vsock_header){
		.src_cid = header->dst_cid,
		.dst_cid = header->src_cid,
		.src_port = header->dst_port,
		.dst_port = header->src_port,
		.type = header->type,
		.op = VSOCK_OP_RST,
	};
}

/* Refuse a packet, and with it its connection if it has one (NULL otherwise). */
static void reject(struct vsock_host *host, struct vsock_connection *connection,
		   const struct vsock_header *header)
{
	struct vsock_header reset = reset_for(header);

	if (connection)
		vsock_connection_lose(connection);
	if (header->op != VSOCK_OP_RST)
		queue_reset(host, &reset);
}

void vsock_host_call_service(struct vsock_host *host)
{
	const struct vsock_service *service = host->service;

	for (unsigned int i = 0; i < host->nr_slots; i++) {
		struct vsock_connection *connection = &host->connections[i];

		/* Each callback may close any connection, so the state is looked at anew. */
		if (connection->is_news) {
			connection->is_news = false;
			service->on_readable(connection->context);
		}
		if (vsock_connection_has_room_again(connection)) {
			connection->was_full = false;
			service->on_writable(connection->context);
		}
		if (vsock_connection_is_over(connection)) {
			vsock_connection_forget(connection);
			service->on_closed(connection->context);
		}
	}
	trim_slots(host);
}

bool vsock_host_is_call_due(const struct vsock_host *host)
{
	for (unsigned int i = 0; i < host->nr_slots; i++) {
		const struct vsock_connection *connection = &host->connections[i];

		if (connection->is_news || vsock_connection_has_room_again(connection) ||
		    vsock_connection_is_over(connection))
			return true;
	}
	return false;
}

/* @old is the connection between the same ports, NULL if there is none. */
static void receive_request(struct vsock_host *host, struct vsock_connection *old,
			    const struct vsock_header *header)
{
	struct vsock_header reset = reset_for(header);
	struct vsock_connection *connection;

	/* Who asks again has forgotten the old connection; an RST now would hit the new one. */
	if (old)
		vsock_connection_lose(old);
	cancel_reset(host, &reset);

	connection = find_free_slot(host);
	if (!connection) {
		vsock_host_call_service(host); /* frees the slots of lost connections */
		connection = find_free_slot(host);
	}
	if (!connection) {
		queue_reset(host, &reset);
		return;
	}
	vsock_connection_open(connection, header);
	if (!host->service->on_connect(host->service_context, connection, header->dst_port)) {
		vsock_connection_forget(connection);
		queue_reset(host, &reset);
	}
}

static void receive_shutdown(struct vsock_host *host, struct vsock_connection *connection,
			     const struct vsock_header *header)
{
	vsock_connection_shut_down(connection, header->flags);
	/* The RST confirms that the guest may use the port again (section 5.10.6.5). */
	if (vsock_connection_is_shut_down(connection))
		reject(host, connection, header);
}

/* A packet with a sound header, for an existing connection. */
static void receive_for_connection(struct vsock_host *host, struct vsock_connection *connection,
				   const struct vsock_header *header,
				   const struct virtqueue_chain *chain)
{
	vsock_connection_update_credit(connection, header);
	switch (header->op) {
	case VSOCK_OP_SHUTDOWN:
		receive_shutdown(host, connection, header);
		return;
	case VSOCK_OP_RW:
		if (!vsock_connection_receive(connection, chain, header->len))
			reject(host, connection, header);
		return;
	case VSOCK_OP_CREDIT_UPDATE:
		return;
	case VSOCK_OP_CREDIT_REQUEST:
		connection->owes_credit = true;
		return;
	default: /* RST, and what only we send or nobody knows */
		reject(host, connection, header);
		return;
	}
}

/* The guest does not ask twice for one that it waits for. */
static void hold_request(struct vsock_host *host, const struct vsock_header *header)
{
	host->request = *header;
	host->has_request = true;
}

void vsock_host_receive_waiting(struct vsock_host *host)
{
	const struct vsock_header *request = &host->request;

	if (!host->has_request || host->hold_port)
		return;
	host->has_request = false;
	receive_request(host, find_connection(host, request->src_port, request->dst_port), request);
}

void vsock_host_receive(struct vsock_host *host, const struct virtqueue_chain *chain)
{
	uint64_t payload_len = chain->readable_len - sizeof(struct vsock_header);
	struct vsock_connection *connection;
	struct vsock_header header;

	(void)virtqueue_chain_read(chain, 0, &header, sizeof(header));
	if (header.src_cid != VSOCK_GUEST_CID)
		return; /* there is nobody to answer to */
	if (header.dst_cid != VSOCK_HOST_CID || header.type != VSOCK_TYPE_STREAM) {
		reject(host, NULL, &header);
		return;
	}
	connection = find_connection(host, header.src_port, header.dst_port);
	if (header.len > payload_len || header.len > VSOCK_PAYLOAD_MAX)
		reject(host, connection, &header);
	else if (header.op == VSOCK_OP_REQUEST && host->hold_port &&
		 header.dst_port == host->hold_port)
		hold_request(host, &header);
	else if (header.op == VSOCK_OP_REQUEST)
		receive_request(host, connection, &header);
	else if (connection)
		receive_for_connection(host, connection, &header, chain);
	else
		reject(host, NULL, &header);
}

/* The index of the next connection, in turn, that has a packet; the table's size if none has. */
static unsigned int find_sender(const struct vsock_host *host)
{
	for (unsigned int i = 0; i < host->nr_slots; i++) {
		unsigned int index = (host->next_sender + i) % host->nr_slots;

		if (vsock_connection_has_packet(&host->connections[index]))
			return index;
	}
	return VSOCK_MAX_CONNECTIONS;
}

bool vsock_host_has_packet(const struct vsock_host *host)
{
	return host->nr_resets || find_sender(host) < VSOCK_MAX_CONNECTIONS;
}

uint32_t vsock_host_send(struct vsock_host *host, const struct virtqueue_chain *chain)
{
	unsigned int sender;

	if (host->nr_resets) {
		const struct vsock_header *reset = &host->resets[--host->nr_resets];

		return (uint32_t)virtqueue_chain_write(chain, 0, reset, sizeof(*reset));
	}
	sender = find_sender(host);
	BUG_ON(sender >= VSOCK_MAX_CONNECTIONS);
	host->next_sender = sender + 1;
	return vsock_connection_send(&host->connections[sender], chain);
}

void vsock_close(struct vsock_connection *connection)
{
	struct vsock_header reset = {
		.src_cid = VSOCK_HOST_CID,
		.dst_cid = VSOCK_GUEST_CID,
		.src_port = connection->host_port,
		.dst_port = connection->guest_port,
		.type = VSOCK_TYPE_STREAM,
		.op = VSOCK_OP_RST,
	};

	if (connection->state == VSOCK_CONNECTION_OPEN)
		queue_reset(connection->host, &reset);
	vsock_connection_forget(connection);
}
