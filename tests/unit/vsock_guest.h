/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock_guest.h - both ends of the virtio socket device, for its tests: a guest's driver with
 * sockets that keep to the rules unless told otherwise, and a service that records what it is told
 *
 * The bytes of every stream follow a pattern of port and offset, so that each end notices a byte
 * lost, doubled or misplaced. The guest rings a doorbell only when the device asks for it.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/unit/fake_driver.h"
#include "vmm/virtio/vsock.h"
#include "vmm/virtio/vsock_packet.h"

#define GUEST_QUEUE_SIZE 64
#define GUEST_RX_ROOM 4096 /* what Linux offers */
#define GUEST_BUF_ALLOC (256u * 1024)
#define GUEST_MAX_ENDPOINTS (VSOCK_MAX_CONNECTIONS * 2 + 32)

/* The service's end of a connection. */
struct endpoint {
	struct vsock_connection *connection; /* NULL once closed */
	uint32_t port;
	uint64_t nr_received; /* bytes consumed */
	uint64_t nr_mismatches;
	uint64_t nr_to_write; /* bytes still to be written, as there is room */
	uint64_t nr_written;
	unsigned int nr_readable_calls;
	unsigned int nr_writable_calls;
	unsigned int nr_closed_calls;
	bool is_ended;
	bool is_paused;		 /* leaves bytes where they are */
	struct endpoint *victim; /* if not NULL, closed when this one is readable */
};

struct recorder {
	bool refuses;
	bool pauses;				       /* new endpoints start paused */
	void (*on_connect)(struct recorder *recorder); /* if not NULL */
	struct endpoint endpoints[GUEST_MAX_ENDPOINTS];
	unsigned int nr_endpoints;
	pthread_t thread; /* of the last callback */
	void *context;
};

/* The guest's end of a connection. */
struct guest_socket {
	uint32_t port;
	uint32_t host_port;
	uint64_t nr_sent;
	uint64_t nr_received;
	uint64_t nr_mismatches;
	uint32_t buf_alloc; /* our credit, in every packet we send */
	uint32_t fwd_cnt;
	uint32_t host_buf_alloc; /* the host's, from the last packet */
	uint32_t host_fwd_cnt;
	unsigned int nr_packets[8]; /* received, by operation */
};

struct vsock_guest {
	struct fake_driver driver;
	struct vsock *vsock;
	struct recorder recorder;
	bool keeps_buffers; /* receive buffers are not offered again */
	uint64_t tx_buffer; /* guest-physical */
	uint64_t rx_buffers;
};

/* A live device with the recorder as its service, and a full queue of receive buffers. */
void vsock_guest_init(struct vsock_guest *guest);
void vsock_guest_fini(struct vsock_guest *guest);

/* A new device, which knows nothing, in the place of the old one. */
void vsock_guest_replace_device(struct vsock_guest *guest);

/* Bring the device up (again), without any receive buffers. */
void vsock_guest_start(struct vsock_guest *guest);

/* Offer @nr more receive buffers; all that are not offered yet must be at least as many. */
void vsock_guest_offer(struct vsock_guest *guest, unsigned int nr);

/* Deliver events until there are none. Returns how many there were, which is an error at 1000. */
unsigned int vsock_guest_run(struct vsock_guest *guest);

struct vsock_header vsock_guest_header(const struct guest_socket *socket, uint16_t op);

/* Send a packet with @len bytes of @payload, whatever the header says, and let the device work. */
void vsock_guest_send(struct vsock_guest *guest, const struct vsock_header *header,
		      const void *payload, uint32_t len);

/* Queue a packet without payload, for a batch; kick the transmit queue when it is complete. */
void vsock_guest_queue_op(struct vsock_guest *guest, const struct guest_socket *socket,
			  uint16_t op);

/* Take one packet from the device. @payload has room for VSOCK_PAYLOAD_MAX bytes. */
bool vsock_guest_take(struct vsock_guest *guest, struct vsock_header *ret_header, uint8_t *payload);

/*
 * Take all packets and let the sockets know of theirs. Returns how many packets came for none
 * of them, or with a header that is not what a device says.
 */
unsigned int vsock_guest_pump(struct vsock_guest *guest, struct guest_socket *sockets,
			      unsigned int nr_sockets);

/* A socket that asks for a connection; the answer is taken as well. */
struct guest_socket vsock_guest_connect(struct vsock_guest *guest, uint32_t port,
					uint32_t host_port);

/* Send a packet without payload. */
void guest_socket_send_op(struct vsock_guest *guest, const struct guest_socket *socket, uint16_t op,
			  uint32_t flags);

/* Send the next @len bytes of the stream, without regard to credit. */
void guest_socket_send(struct vsock_guest *guest, struct guest_socket *socket, uint32_t len);

/* How much the host lets the socket send. */
uint32_t guest_socket_credit(const struct guest_socket *socket);

/* The endpoint accepted last. */
struct endpoint *recorder_last(struct recorder *recorder);

/* Consume up to @max bytes, and what is there. */
void endpoint_consume(struct endpoint *endpoint, size_t max);

/* Write as much of what is to be written as there is room for. */
void endpoint_write(struct endpoint *endpoint);

/* The same two inside a locked section, followed by what they cause in the loop. */
void vsock_guest_consume(struct vsock_guest *guest, struct endpoint *endpoint, size_t max);
void vsock_guest_write(struct vsock_guest *guest, struct endpoint *endpoint, uint64_t len);
