/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/session/guest_channel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_HEADER_SIZE sizeof(uint32_t)

struct guest_message {
	struct guest_message *next;
	size_t size; /* header included */
	size_t sent;
	char *bytes; /* heap */
};

static void drop_first(struct guest_channel *channel)
{
	struct guest_message *message = channel->first;

	channel->nr_queued--;
	channel->queued -= message->size;
	channel->first = message->next;
	if (!channel->first)
		channel->end = &channel->first;
	free(message->bytes);
	free(message);
}

/* Send as much as the guest has room for; on_writable() brings us back. */
static void flush(struct guest_channel *channel)
{
	while (channel->connection && channel->first) {
		struct guest_message *message = channel->first;

		message->sent += vsock_write(channel->connection, message->bytes + message->sent,
					     message->size - message->sent);
		if (message->sent < message->size)
			return;
		drop_first(channel);
	}
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
	};
	channel->end = &channel->first;
}

void guest_channel_fini(struct guest_channel *channel)
{
	while (channel->first)
		drop_first(channel);
}

void guest_channel_connect(struct guest_channel *channel, struct vsock_connection *connection)
{
	channel->connection = connection;
	vsock_set_context(connection, &channel->handler);
}

/* Takes @bytes (heap), on failure too. */
static int enqueue(struct guest_channel *channel, char *bytes, size_t size)
{
	struct guest_message *message = malloc(sizeof(*message));

	if (!message) {
		free(bytes);
		return -ENOMEM;
	}
	*message = (struct guest_message){ .size = size, .bytes = bytes };
	if (channel->nr_queued == GUEST_CHANNEL_MESSAGES_MAX ||
	    channel->queued + size > GUEST_CHANNEL_QUEUE_MAX) {
		free(bytes);
		free(message);
		return -ENOBUFS;
	}
	channel->nr_queued++;
	channel->queued += size;
	*channel->end = message;
	channel->end = &message->next;
	flush(channel);
	return 0;
}

int guest_channel_send(struct guest_channel *channel, const char *format, ...)
{
	uint32_t header = 0;
	char *bytes = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&bytes, &size);
	va_list args;
	bool is_complete;

	if (!stream)
		return -ENOMEM;
	va_start(args, format);
	is_complete = fwrite(&header, sizeof(header), 1, stream) == 1 &&
		      vfprintf(stream, format, args) >= 0;
	va_end(args);
	if (fclose(stream) || !is_complete) {
		free(bytes);
		return -ENOMEM;
	}
	header = (uint32_t)(size - MESSAGE_HEADER_SIZE);
	memcpy(bytes, &header, sizeof(header));
	return enqueue(channel, bytes, size);
}
