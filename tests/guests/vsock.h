/* SPDX-License-Identifier: Apache-2.0 */
/* vsock.h - packets of the virtio socket device, as wrong as the caller makes them */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/virtio/vsock_packet.h"

#define VSOCK_CID 3u /* ours */

/* A sound header of operation @op from our @source port to @port of the host. */
struct vsock_header vsock_header_to(uint32_t source, uint32_t port, enum vsock_op op);

/* Give the device @count buffers to answer into, of @len bytes each (at most 4096). */
void vsock_offer_buffers(unsigned int count, uint32_t len);

/*
 * Send @header and what follows it in memory, @len bytes in all. Returns false when the device
 * does not take it.
 */
bool vsock_send(const void *header, uint32_t len);

/* Wait for a packet of the host's, into one of the buffers. */
bool vsock_receive(struct vsock_header *ret_header);

/* Whether a request for a port that nobody serves is refused, with the device in use. */
bool vsock_answers(void);
