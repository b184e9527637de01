/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock_buffer.h - a ring of bytes, filled and emptied in contiguous pieces
 *
 * Thread: whoever owns the buffer.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct vsock_buffer {
	uint8_t *memory; /* the owner's */
	size_t size;	 /* bytes */
	size_t head;	 /* offset of the first byte held */
	size_t len;	 /* bytes held */
};

/* The first bytes held, as one piece. Returns its length, 0 when the buffer is empty. */
size_t vsock_buffer_filled(const struct vsock_buffer *buffer, const uint8_t **ret_piece);

/* Where the next bytes go, as one piece. Returns its length, 0 when the buffer is full. */
size_t vsock_buffer_space(const struct vsock_buffer *buffer, uint8_t **ret_piece);

/* The caller filled @len bytes of what vsock_buffer_space() gave. */
void vsock_buffer_add(struct vsock_buffer *buffer, size_t len);

/* Forget the first @len bytes held. */
void vsock_buffer_remove(struct vsock_buffer *buffer, size_t len);
