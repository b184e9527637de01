/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock_host.h - the host's end of all connections: what each packet of the guest means, and
 * whose packet the guest gets next (virtio 1.2, section 5.10.6)
 *
 * Private to the virtio socket device, whose queues and thread this knows nothing of.
 *
 * Thread: the device's lock is held. Callbacks are made by vsock_host_receive() (on_connect, and
 *         any other if all slots are taken) and vsock_host_call_service() only.
 * Trust:  every packet is the guest's. Memory and work are bounded by the tables below.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/virtio/virtqueue.h"
#include "vmm/virtio/vsock.h"
#include "vmm/virtio/vsock_connection.h"
#include "vmm/virtio/vsock_packet.h"

#define VSOCK_QUEUE_SIZE 128

/* One for every packet of a full queue, and one for every connection a service may close. */
#define VSOCK_RESETS_MAX (VSOCK_QUEUE_SIZE + VSOCK_MAX_CONNECTIONS)

struct vsock_host {
	const struct vsock_service *service;
	void *service_context;
	uint8_t *memory; /* of all buffers of all connections */
	struct vsock_connection connections[VSOCK_MAX_CONNECTIONS];
	unsigned int nr_slots;	  /* no slot from here on was used since the last was free */
	unsigned int next_sender; /* whose turn it is, index modulo the above */
	struct vsock_header resets[VSOCK_RESETS_MAX]; /* RSTs owed outside any connection */
	unsigned int nr_resets;
	uint32_t hold_port; /* requests for a connection to it wait; 0: none do */
	bool has_request;   /* one that waits to be received, or held */
	struct vsock_header request;
};

/* Map the buffers of all connections, for a zeroed @host. */
int vsock_host_init(struct vsock_host *host, const struct vsock_service *service, void *context,
		    struct error *err);

/* Accepts a zeroed struct. */
void vsock_host_fini(struct vsock_host *host);

/* A packet of the guest's, with at least a header to read. */
void vsock_host_receive(struct vsock_host *host, const struct virtqueue_chain *chain);

/* Receive the request that waits, unless it is held. */
void vsock_host_receive_waiting(struct vsock_host *host);

/* True if there is a packet that the guest would accept now. */
bool vsock_host_has_packet(const struct vsock_host *host);

/*
 * Write a packet into @chain, which has room for a header and at least one byte of payload:
 * RSTs first, then connections in turn. There is one (vsock_host_has_packet). Returns the bytes
 * written.
 */
uint32_t vsock_host_send(struct vsock_host *host, const struct virtqueue_chain *chain);

/* The guest knows of no connection and expects no RST any more. */
void vsock_host_lose_all(struct vsock_host *host);

/* True if the service has yet to be told of something. */
bool vsock_host_is_call_due(const struct vsock_host *host);

/* Make the callbacks that are due. */
void vsock_host_call_service(struct vsock_host *host);
