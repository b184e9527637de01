/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/control_channel.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void control_channel_init(struct control_channel *channel, int fd)
{
	memset(channel, 0, sizeof(*channel));
	channel->fd = fd;
}

/* Fill @buffer up to @len bytes, @done of which are there. Returns 1 when it is full. */
static int channel_fill(int fd, void *buffer, size_t len, size_t *done, struct failure *err)
{
	while (*done < len) {
		ssize_t n = recv(fd, (char *)buffer + *done, len - *done, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno != ECONNRESET)
			return failure_set(err, errno, "receive from the monitor");
		if (n <= 0)
			return failure_set(err, EPIPE, "receive from the monitor");
		*done += (size_t)n;
	}
	return 1;
}

static int channel_begin_message(struct control_channel *channel, struct failure *err)
{
	uint32_t len = le32toh(channel->header);

	if (len > PROTOCOL_JSON_MAX)
		return failure_invalid(err, "message of %u bytes from the monitor", len);
	channel->message = malloc(len ? len : 1);
	return channel->message ? 0 : failure_set(err, ENOMEM, "receive from the monitor");
}

int control_channel_receive(struct control_channel *channel, json_t **ret_message,
			    struct failure *err)
{
	json_error_t json_error;
	int r = channel_fill(channel->fd, &channel->header, sizeof(channel->header),
			     &channel->nr_header, err);

	if (r <= 0)
		return r;
	if (!channel->message) {
		r = channel_begin_message(channel, err);
		if (r)
			return r;
	}
	r = channel_fill(channel->fd, channel->message, le32toh(channel->header),
			 &channel->nr_message, err);
	if (r <= 0)
		return r;
	*ret_message = json_loadb(channel->message, channel->nr_message, 0, &json_error);
	free(channel->message);
	control_channel_init(channel, channel->fd);
	return *ret_message ? 1
			    : failure_invalid(err, "message from the monitor: %s", json_error.text);
}

static int channel_send_frame(const struct control_channel *channel,
			      const struct protocol_frame *frame)
{
	size_t done = 0;

	while (done < sizeof(*frame)) {
		ssize_t n = send(channel->fd, (const char *)frame + done, sizeof(*frame) - done,
				 MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

int control_channel_send(const struct control_channel *channel, enum protocol_frame_type type,
			 uint32_t process, uint32_t code, bool is_signal, const struct failure *err)
{
	struct protocol_frame frame = {
		.type = type, .process = process, .code = code, .is_signal = is_signal
	};

	if (err)
		memcpy(frame.text, err->text, sizeof(frame.text));
	return channel_send_frame(channel, &frame);
}

int control_channel_send_part(const struct control_channel *channel, const char *text)
{
	struct protocol_frame frame = { .type = PROTOCOL_PART };

	(void)snprintf(frame.text, sizeof(frame.text), "%s", text);
	return channel_send_frame(channel, &frame);
}
