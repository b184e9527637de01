/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/vsock_connection.h"

#include <string.h>

#include "vmm/base/checked_math.h"

void vsock_connection_open(struct vsock_connection *connection, const struct vsock_header *request)
{
	*connection = (struct vsock_connection){
		.state = VSOCK_CONNECTION_OPEN,
		.host = connection->host,
		.guest_port = request->src_port,
		.host_port = request->dst_port,
		.received = { .memory = connection->received.memory, .size = VSOCK_BUFFER_SIZE },
		.outgoing = { .memory = connection->outgoing.memory, .size = VSOCK_OUTGOING_SIZE },
		.owes_response = true,
	};
	vsock_connection_update_credit(connection, request);
}

void vsock_connection_update_credit(struct vsock_connection *connection,
				    const struct vsock_header *header)
{
	connection->peer_buf_alloc = header->buf_alloc;
	connection->peer_fwd_cnt = header->fwd_cnt;
}

bool vsock_connection_receive(struct vsock_connection *connection,
			      const struct virtqueue_chain *chain, uint32_t len)
{
	struct vsock_buffer *received = &connection->received;
	uint64_t offset = sizeof(struct vsock_header);

	if (connection->guest_ended_sending || len > received->size - received->len)
		return false;
	while (len) {
		uint8_t *piece;
		uint32_t n = (uint32_t)min_u64(vsock_buffer_space(received, &piece), len);

		(void)virtqueue_chain_read(chain, offset, piece, n);
		vsock_buffer_add(received, n);
		connection->is_news = true;
		offset += n;
		len -= n;
	}
	return true;
}

void vsock_connection_shut_down(struct vsock_connection *connection, uint32_t flags)
{
	if ((flags & VSOCK_SHUTDOWN_SEND) && !connection->guest_ended_sending) {
		connection->guest_ended_sending = true;
		connection->is_news = true;
	}
	if (flags & VSOCK_SHUTDOWN_RECEIVE) {
		connection->guest_ended_receiving = true;
		vsock_buffer_remove(&connection->outgoing, connection->outgoing.len);
	}
}

bool vsock_connection_is_shut_down(const struct vsock_connection *connection)
{
	return connection->guest_ended_sending && connection->guest_ended_receiving;
}

void vsock_connection_lose(struct vsock_connection *connection)
{
	connection->state = VSOCK_CONNECTION_LOST;
	vsock_buffer_remove(&connection->outgoing, connection->outgoing.len);
	if (!connection->guest_ended_sending) {
		vsock_buffer_remove(&connection->received, connection->received.len);
		connection->is_news = false;
	}
}

void vsock_connection_forget(struct vsock_connection *connection)
{
	connection->state = VSOCK_CONNECTION_FREE;
	connection->is_news = false;
}

/* The counters are modulo 2^32, and the guest may have sent any (section 5.10.6.3). */
static uint32_t connection_credit(const struct vsock_connection *connection)
{
	uint32_t in_flight = connection->tx_cnt - connection->peer_fwd_cnt;

	return in_flight < connection->peer_buf_alloc ? connection->peer_buf_alloc - in_flight : 0;
}

static enum vsock_op connection_next_op(const struct vsock_connection *connection)
{
	if (connection->owes_response)
		return VSOCK_OP_RESPONSE;
	if (connection->outgoing.len && connection_credit(connection))
		return VSOCK_OP_RW;
	if (connection->owes_shutdown && !connection->outgoing.len)
		return VSOCK_OP_SHUTDOWN;
	if (connection->owes_credit)
		return VSOCK_OP_CREDIT_UPDATE;
	return VSOCK_OP_INVALID;
}

bool vsock_connection_has_packet(const struct vsock_connection *connection)
{
	return connection->state == VSOCK_CONNECTION_OPEN &&
	       connection_next_op(connection) != VSOCK_OP_INVALID;
}

/* Move @len bytes of payload from the outgoing buffer to behind the header in @chain. */
static void connection_send_payload(struct vsock_connection *connection,
				    const struct virtqueue_chain *chain, uint32_t len)
{
	uint64_t offset = sizeof(struct vsock_header);

	connection->tx_cnt += len;
	while (len) {
		const uint8_t *piece;
		uint32_t n =
			(uint32_t)min_u64(vsock_buffer_filled(&connection->outgoing, &piece), len);

		(void)virtqueue_chain_write(chain, offset, piece, n);
		vsock_buffer_remove(&connection->outgoing, n);
		offset += n;
		len -= n;
	}
}

uint32_t vsock_connection_send(struct vsock_connection *connection,
			       const struct virtqueue_chain *chain)
{
	struct vsock_header header = {
		.src_cid = VSOCK_HOST_CID,
		.dst_cid = VSOCK_GUEST_CID,
		.src_port = connection->host_port,
		.dst_port = connection->guest_port,
		.type = VSOCK_TYPE_STREAM,
		.op = (uint16_t)connection_next_op(connection),
		.buf_alloc = VSOCK_BUFFER_SIZE,
		.fwd_cnt = connection->fwd_cnt,
	};

	if (header.op == VSOCK_OP_RESPONSE) {
		connection->owes_response = false;
	} else if (header.op == VSOCK_OP_RW) {
		uint64_t room = min_u64(chain->writable_len - sizeof(header),
					connection_credit(connection));

		header.len = (uint32_t)min_u64(room, connection->outgoing.len);
	} else if (header.op == VSOCK_OP_SHUTDOWN) {
		header.flags = VSOCK_SHUTDOWN_SEND;
		connection->owes_shutdown = false;
	}
	(void)virtqueue_chain_write(chain, 0, &header, sizeof(header));
	connection_send_payload(connection, chain, header.len);

	/* Whatever the packet is, it told the guest our credit. */
	connection->owes_credit = false;
	connection->fwd_cnt_known = connection->fwd_cnt;
	return (uint32_t)sizeof(header) + header.len;
}

bool vsock_connection_has_room_again(const struct vsock_connection *connection)
{
	return connection->was_full && vsock_writable(connection);
}

bool vsock_connection_is_over(const struct vsock_connection *connection)
{
	return connection->state == VSOCK_CONNECTION_LOST && !connection->received.len;
}

void vsock_set_context(struct vsock_connection *connection, void *context)
{
	connection->context = context;
}

uint32_t vsock_guest_port(const struct vsock_connection *connection)
{
	return connection->guest_port;
}

size_t vsock_peek(struct vsock_connection *connection, const uint8_t **ret_data)
{
	return vsock_buffer_filled(&connection->received, ret_data);
}

void vsock_consume(struct vsock_connection *connection, size_t len)
{
	vsock_buffer_remove(&connection->received, len);
	connection->fwd_cnt += (uint32_t)len;
	if (connection->fwd_cnt - connection->fwd_cnt_known >= VSOCK_CREDIT_STEP)
		connection->owes_credit = true;
}

bool vsock_is_ended(const struct vsock_connection *connection)
{
	return connection->guest_ended_sending && !connection->received.len;
}

size_t vsock_write(struct vsock_connection *connection, const void *data, size_t len)
{
	struct vsock_buffer *outgoing = &connection->outgoing;
	const uint8_t *bytes = data;
	size_t taken = min_u64(len, vsock_writable(connection));

	for (size_t done = 0; done < taken;) {
		uint8_t *piece;
		size_t n = min_u64(vsock_buffer_space(outgoing, &piece), taken - done);

		memcpy(piece, bytes + done, n);
		vsock_buffer_add(outgoing, n);
		done += n;
	}
	if (outgoing->len == outgoing->size)
		connection->was_full = true;
	return taken;
}

size_t vsock_writable(const struct vsock_connection *connection)
{
	if (connection->state != VSOCK_CONNECTION_OPEN || connection->guest_ended_receiving ||
	    connection->service_ended_writing)
		return 0;
	return connection->outgoing.size - connection->outgoing.len;
}

void vsock_end_write(struct vsock_connection *connection)
{
	if (connection->service_ended_writing)
		return;
	connection->service_ended_writing = true;
	connection->owes_shutdown = true;
}
