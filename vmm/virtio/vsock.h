/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock.h - virtio socket device (virtio 1.2, section 5.10), stream connections made by the
 * guest to services inside the monitor
 *
 * There is no host socket behind a connection: the service that accepted it reads and writes
 * through the functions below. Every connection has a receive buffer of VSOCK_BUFFER_SIZE bytes;
 * the guest gets credit again only as the service consumes, so a reader that stops is felt by the
 * guest's writer and costs the host no more memory.
 *
 * Thread: the event loop. Callbacks run with the device's lock held and may call the functions
 *         below; code that runs outside a callback brackets its calls with vsock_lock/unlock.
 * Trust:  every header field and payload byte is the guest's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/virtio/virtio_device.h"

#define VSOCK_GUEST_CID 3
#define VSOCK_MAX_CONNECTIONS 256
#define VSOCK_BUFFER_SIZE ((size_t)128 * 1024) /* bytes */

struct vsock_connection;

struct vsock_service {
	/*
	 * The guest asks for a connection to @port of the host. Returns true to accept, and may
	 * then give the connection a context (vsock_set_context).
	 */
	bool (*on_connect)(void *service, struct vsock_connection *connection, uint32_t port);
	/* Bytes arrived, or the guest ended its sending direction (vsock_is_ended). */
	void (*on_readable)(void *connection_context);
	/*
	 * There is room for bytes again after vsock_write() took fewer than offered, or
	 * vsock_writable() was 0 because earlier bytes had filled the buffer.
	 */
	void (*on_writable)(void *connection_context);
	/*
	 * The guest has closed or reset the connection, or the device was reset or failed, and
	 * what it had sent before an orderly end was consumed: forget the connection.
	 */
	void (*on_closed)(void *connection_context);
};

struct vsock;
struct vsock_header;

/* Allocates all that the device will ever need. @service and its @context outlive the device. */
int vsock_new(struct vsock **ret_vsock, const struct vsock_service *service, void *context,
	      const struct guest_memory *memory, struct event_loop *loop,
	      struct virtio_transport transport, struct error *err);
void vsock_free(struct vsock *vsock);
struct virtio_device *vsock_device(struct vsock *vsock);

/*
 * Keep the first request for a connection to @port (not 0), and any after it, from the service:
 * @on_held is called, on the event loop with the lock held, when it has come. To be called before
 * the guest runs.
 */
void vsock_hold(struct vsock *vsock, uint32_t port, void (*on_held)(void *context), void *context);

/* The request that is kept, or NULL. */
const struct vsock_header *vsock_held(const struct vsock *vsock);

/*
 * Treat @request, which another device of a live driver kept, as if it had just come; on the event
 * loop. Returns -EINVAL when it is not a request for a connection.
 */
int vsock_expect(struct vsock *vsock, const struct vsock_header *request);

void vsock_lock(struct vsock *vsock);

/* Sends what was queued in between before it unlocks; callbacks that are due come later. */
void vsock_unlock(struct vsock *vsock);

void vsock_set_context(struct vsock_connection *connection, void *context);

/* The port of the guest that the connection comes from. */
uint32_t vsock_guest_port(const struct vsock_connection *connection);

/*
 * The bytes received and not yet consumed, as one contiguous piece (more may follow after
 * vsock_consume()). Returns its length and sets *@ret_data; 0 when there are none now.
 */
size_t vsock_peek(struct vsock_connection *connection, const uint8_t **ret_data);
void vsock_consume(struct vsock_connection *connection, size_t len);

/* True when the guest will send no more and everything it sent was consumed. */
bool vsock_is_ended(const struct vsock_connection *connection);

/*
 * Queue bytes for the guest, as many as our buffer takes; they are sent as its credit allows.
 * Returns how many: none once the guest said that it will not receive, or vsock_end_write().
 */
size_t vsock_write(struct vsock_connection *connection, const void *data, size_t len);

/* How many bytes vsock_write() would take now. */
size_t vsock_writable(const struct vsock_connection *connection);

/* No more bytes for the guest after those queued: it sees EOF (section 5.10.6.5). */
void vsock_end_write(struct vsock_connection *connection);

/* Reset the connection and forget it; on_closed is not called. */
void vsock_close(struct vsock_connection *connection);
