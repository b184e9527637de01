/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/session/guest_channel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_HEADER_SIZE sizeof(uint32_t)
#define SMALL_MESSAGE_MAX 512

/* Send as much as the guest has room for; on_writable() brings us back. */
static void flush(struct guest_channel *channel)
{
	size_t n;

	if (!channel->connection)
		return;
	while (channel->large_sent < channel->large_len + MESSAGE_HEADER_SIZE) {
		size_t sent = channel->large_sent;

		if (sent < MESSAGE_HEADER_SIZE)
			n = vsock_write(channel->connection,
					(const uint8_t *)&channel->large_header + sent,
					MESSAGE_HEADER_SIZE - sent);
		else
			n = vsock_write(channel->connection,
					channel->large + sent - MESSAGE_HEADER_SIZE,
					channel->large_len + MESSAGE_HEADER_SIZE - sent);
		if (n == 0)
			return;
		channel->large_sent += n;
	}
	n = vsock_write(channel->connection, channel->pending, channel->pending_len);
	channel->pending_len -= n;
	memmove(channel->pending, channel->pending + n, channel->pending_len);
}

/*
 * Everything in a frame is the guest's choice: end its text, and keep it printable. Bytes above
 * ASCII can be control characters of a terminal, too.
 */
static void clean_frame(struct protocol_frame *frame)
{
	frame->text[PROTOCOL_TEXT_SIZE - 1] = 0;
	for (char *c = frame->text; *c; c++)
		if ((unsigned char)*c < 0x20)
			*c = ' ';
		else if ((unsigned char)*c > 0x7e)
			*c = '?';
}

static void on_readable(struct stream_handler *handler)
{
	struct guest_channel *channel = (struct guest_channel *)handler;
	const uint8_t *data;
	size_t len;

	while (channel->connection && (len = vsock_peek(channel->connection, &data)) > 0) {
		size_t missing = sizeof(channel->frame) - channel->frame_len;
		size_t n = len < missing ? len : missing;

		memcpy((uint8_t *)&channel->frame + channel->frame_len, data, n);
		vsock_consume(channel->connection, n);
		channel->frame_len += n;
		if (channel->frame_len < sizeof(channel->frame))
			continue;
		channel->frame_len = 0;
		clean_frame(&channel->frame);
		channel->on_frame(channel->context, &channel->frame);
	}
	if (channel->connection && vsock_is_ended(channel->connection))
		channel->on_closed(channel->context);
}

static void on_writable(struct stream_handler *handler)
{
	flush((struct guest_channel *)handler);
}

static void on_closed(struct stream_handler *handler)
{
	struct guest_channel *channel = (struct guest_channel *)handler;

	channel->connection = NULL;
	channel->on_closed(channel->context);
}

void guest_channel_init(struct guest_channel *channel,
			void (*on_frame)(void *context, const struct protocol_frame *frame),
			void (*on_channel_closed)(void *context), void *context)
{
	*channel = (struct guest_channel){
		.handler = { on_readable, on_writable, on_closed },
		.on_frame = on_frame,
		.on_closed = on_channel_closed,
		.context = context,
		.large_sent = MESSAGE_HEADER_SIZE, /* nothing to send */
	};
}

void guest_channel_connect(struct guest_channel *channel, struct vsock_connection *connection)
{
	channel->connection = connection;
	vsock_set_context(connection, &channel->handler);
}

void guest_channel_send_large(struct guest_channel *channel, const char *json, size_t len)
{
	channel->large = json;
	channel->large_len = len;
	channel->large_header = (uint32_t)len;
	channel->large_sent = 0;
	flush(channel);
}

static void append(struct guest_channel *channel, const void *data, size_t len)
{
	memcpy(channel->pending + channel->pending_len, data, len);
	channel->pending_len += len;
}

int guest_channel_send(struct guest_channel *channel, const char *format, ...)
{
	char message[SMALL_MESSAGE_MAX];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(message))
		return -EMSGSIZE;
	if (GUEST_CHANNEL_PENDING_MAX - channel->pending_len < MESSAGE_HEADER_SIZE + (size_t)len)
		return -ENOBUFS;
	append(channel, &(uint32_t){ (uint32_t)len }, MESSAGE_HEADER_SIZE);
	append(channel, message, (size_t)len);
	flush(channel);
	return 0;
}
