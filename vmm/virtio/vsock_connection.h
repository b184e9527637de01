/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock_connection.h - one stream connection of the virtio socket device: its two buffers, the
 * credit in both directions, and what it owes the guest (virtio 1.2, section 5.10.6)
 *
 * Private to the device; services see vsock.h.
 *
 *   state    means                                        may
 *   FREE     the slot is unused                           be opened
 *   OPEN     guest and service both know the connection   receive, send, be lost or forgotten
 *   LOST     the guest no longer knows it; what it sent   be read by the service; when empty,
 *            before an orderly end can still be read      on_closed is called and it is FREE
 *
 * Thread: the event loop, or a vCPU thread that resets the device; the device's lock is held.
 * Trust:  headers and payload are the guest's. The counters it sends are used only to compute
 *         how much it lets us send, so a lie harms nobody but the guest.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/virtio/virtqueue.h"
#include "vmm/virtio/vsock.h"
#include "vmm/virtio/vsock_buffer.h"
#include "vmm/virtio/vsock_packet.h"

/* Bytes a service can write ahead of the guest. */
#define VSOCK_OUTGOING_SIZE (VSOCK_BUFFER_SIZE / 2)

/* The guest learns of room in the receive buffer in steps of at least this many bytes. */
#define VSOCK_CREDIT_STEP (VSOCK_BUFFER_SIZE / 4)

struct vsock_host;

enum vsock_connection_state {
	VSOCK_CONNECTION_FREE,
	VSOCK_CONNECTION_OPEN,
	VSOCK_CONNECTION_LOST,
};

struct vsock_connection {
	enum vsock_connection_state state;
	struct vsock_host *host; /* set once */
	void *context;		 /* the service's */
	uint32_t guest_port;
	uint32_t host_port;

	struct vsock_buffer received;
	uint32_t fwd_cnt;	/* bytes the service consumed, modulo 2^32 */
	uint32_t fwd_cnt_known; /* what of it the guest was told */

	struct vsock_buffer outgoing;
	uint32_t tx_cnt; /* bytes given to the guest, modulo 2^32 */
	uint32_t peer_buf_alloc;
	uint32_t peer_fwd_cnt;

	bool guest_ended_sending;
	bool guest_ended_receiving;
	bool service_ended_writing;

	/* Packets owed to the guest. */
	bool owes_response;
	bool owes_shutdown; /* after the outgoing bytes */
	bool owes_credit;

	/* Callbacks owed to the service. */
	bool is_news;  /* bytes arrived, or the guest ended sending */
	bool was_full; /* the outgoing buffer had no room since on_writable was last called */
};

/* The guest asks for the connection with @request; the RESPONSE is now owed. */
void vsock_connection_open(struct vsock_connection *connection, const struct vsock_header *request);

/* Take over the guest's credit, which every packet of a connection carries. */
void vsock_connection_update_credit(struct vsock_connection *connection,
				    const struct vsock_header *header);

/*
 * Take the @len bytes of payload behind the header in @chain, which has that many.
 *
 * Returns false, without taking any, if the guest sends more than its credit or after it said
 * that it would not.
 */
bool vsock_connection_receive(struct vsock_connection *connection,
			      const struct virtqueue_chain *chain, uint32_t len);

/* The guest will not send, not receive any more, according to the @flags of its SHUTDOWN. */
void vsock_connection_shut_down(struct vsock_connection *connection, uint32_t flags);

/* Neither side of the guest's end is open: the connection has no purpose left for the guest. */
bool vsock_connection_is_shut_down(const struct vsock_connection *connection);

/*
 * The guest is gone from an OPEN connection. Bytes it sent stay readable if it had ended its
 * sending direction in order; otherwise they are dropped.
 */
void vsock_connection_lose(struct vsock_connection *connection);

/* The service is gone as well: the slot is FREE. */
void vsock_connection_forget(struct vsock_connection *connection);

/* True if there is a packet that the guest would accept now. */
bool vsock_connection_has_packet(const struct vsock_connection *connection);

/*
 * Write that packet into @chain, which has room for a header and at least one byte of payload.
 * Returns the bytes written.
 */
uint32_t vsock_connection_send(struct vsock_connection *connection,
			       const struct virtqueue_chain *chain);

/* True if on_writable is due. */
bool vsock_connection_has_room_again(const struct vsock_connection *connection);

/* True if on_closed is due. */
bool vsock_connection_is_over(const struct vsock_connection *connection);
