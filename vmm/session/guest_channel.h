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

/* What waits for a guest that does not read: messages, and bytes of them. */
#define GUEST_CHANNEL_MESSAGES_MAX 512u
#define GUEST_CHANNEL_QUEUE_MAX ((size_t)2 * PROTOCOL_JSON_MAX)

struct guest_message; /* one that waits to be sent */

struct guest_channel {
	struct stream_handler handler;
	struct vsock_connection *connection;
	struct protocol_frame frame; /* being received */
	size_t frame_len;

	struct guest_message *first, **end; /* in order */
	unsigned int nr_queued;
	size_t queued; /* bytes of them */

	void (*on_frame)(void *context, const struct protocol_frame *frame);
	void (*on_closed)(void *context);
	void *context;
};

void guest_channel_init(struct guest_channel *channel,
			void (*on_frame)(void *context, const struct protocol_frame *frame),
			void (*on_channel_closed)(void *context), void *context);

/* Forget what was not sent. Accepts a zeroed struct. */
void guest_channel_fini(struct guest_channel *channel);

/* guest-init connected. */
void guest_channel_connect(struct guest_channel *channel, struct vsock_connection *connection);

/*
 * Send a JSON message, printf-style. Returns 0, -ENOBUFS when the guest leaves too many messages
 * unread, or -ENOMEM.
 */
int guest_channel_send(struct guest_channel *channel, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
