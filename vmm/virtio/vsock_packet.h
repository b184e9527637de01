/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock_packet.h - what travels through the queues of the virtio socket device: a header, then
 * the payload of an RW packet (virtio 1.2, section 5.10.6)
 */
#pragma once

#include <stdint.h>

#define VSOCK_HOST_CID 2
#define VSOCK_PAYLOAD_MAX (64u * 1024) /* bytes in one packet of the guest's */

enum vsock_queue { VSOCK_QUEUE_RX, VSOCK_QUEUE_TX, VSOCK_QUEUE_EVENT, VSOCK_NR_QUEUES };

enum vsock_type { VSOCK_TYPE_STREAM = 1 };

enum vsock_op {
	VSOCK_OP_INVALID,
	VSOCK_OP_REQUEST,
	VSOCK_OP_RESPONSE,
	VSOCK_OP_RST,
	VSOCK_OP_SHUTDOWN,
	VSOCK_OP_RW,
	VSOCK_OP_CREDIT_UPDATE,
	VSOCK_OP_CREDIT_REQUEST,
};

/* Flags of VSOCK_OP_SHUTDOWN: the sender of the packet will not receive, will not send. */
#define VSOCK_SHUTDOWN_RECEIVE 1u
#define VSOCK_SHUTDOWN_SEND 2u

/* Little-endian on the wire, as are the hosts we run on. */
struct vsock_header {
	uint64_t src_cid;
	uint64_t dst_cid;
	uint32_t src_port;
	uint32_t dst_port;
	uint32_t len; /* bytes of payload */
	uint16_t type;
	uint16_t op;
	uint32_t flags;
	uint32_t buf_alloc; /* the sender's receive buffer, bytes */
	uint32_t fwd_cnt;   /* bytes the sender took out of it so far, modulo 2^32 */
} __attribute__((packed));

_Static_assert(sizeof(struct vsock_header) == 44, "section 5.10.6");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "headers are used as they are");
