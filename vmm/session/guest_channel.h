/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest_channel.h - the control connection to guest-init (guest-init/protocol.h)
 *
 * Thread: the event loop's, with the vsock device's lock held in every function and callback.
 * Trust:  frames are the guest's: only their size is believed. The text of a frame is cleaned of
 *         control characters before anyone sees it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "guest-init/protocol.h"
#include "vmm/session/stream_handler.h"
#include "vmm/virtio/vsock.h"

#define GUEST_CHANNEL_PENDING_MAX 8192

struct guest_channel {
	struct stream_handler handler;
	struct vsock_connection *connection;
	struct protocol_frame frame; /* being received */
	size_t frame_len;

	const char *large; /* a message sent straight from its owner's memory */
	size_t large_len;
	uint32_t large_header;			 /* its length, as sent before it */
	size_t large_sent;			 /* header included */
	char pending[GUEST_CHANNEL_PENDING_MAX]; /* small messages, after the large one */
	size_t pending_len;

	void (*on_frame)(void *context, const struct protocol_frame *frame);
	void (*on_closed)(void *context);
	void *context;
};

void guest_channel_init(struct guest_channel *channel,
			void (*on_frame)(void *context, const struct protocol_frame *frame),
			void (*on_channel_closed)(void *context), void *context);

/* guest-init connected. */
void guest_channel_connect(struct guest_channel *channel, struct vsock_connection *connection);

/* Send @json of @len bytes; both stay in place until it is sent. One at a time. */
void guest_channel_send_large(struct guest_channel *channel, const char *json, size_t len);

/*
 * Send a small JSON message, printf-style. Returns 0, or -ENOBUFS when the guest leaves too many
 * messages unread.
 */
int guest_channel_send(struct guest_channel *channel, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
