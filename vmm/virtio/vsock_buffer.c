/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/vsock_buffer.h"

#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"

size_t vsock_buffer_filled(const struct vsock_buffer *buffer, const uint8_t **ret_piece)
{
	*ret_piece = buffer->memory + buffer->head;
	return min_u64(buffer->len, buffer->size - buffer->head);
}

size_t vsock_buffer_space(const struct vsock_buffer *buffer, uint8_t **ret_piece)
{
	size_t to_end = buffer->size - buffer->head;
	size_t tail = buffer->len < to_end ? buffer->head + buffer->len : buffer->len - to_end;

	*ret_piece = buffer->memory + tail;
	return min_u64(buffer->size - buffer->len, buffer->size - tail);
}

void vsock_buffer_add(struct vsock_buffer *buffer, size_t len)
{
	BUG_ON(len > buffer->size - buffer->len);
	buffer->len += len;
}

void vsock_buffer_remove(struct vsock_buffer *buffer, size_t len)
{
	size_t to_end = buffer->size - buffer->head;

	BUG_ON(len > buffer->len);
	buffer->len -= len;
	/* An empty buffer starts over: light use then touches only its first pages. */
	if (!buffer->len)
		buffer->head = 0;
	else
		buffer->head = len < to_end ? buffer->head + len : len - to_end;
}
