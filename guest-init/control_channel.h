/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_channel.h - the connection over which the monitor gives orders, see protocol.h
 *
 * Trust: the monitor is trusted by its guest. What it sends is bounded nevertheless.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-init/failure.h"
#include "guest-init/protocol.h"

struct control_channel {
	int fd;
	uint32_t header;   /* length of the message that is arriving */
	size_t nr_header;  /* bytes of it that have arrived */
	char *message;	   /* NULL until the header is complete */
	size_t nr_message; /* bytes of it that have arrived */
};

/* Use the connected stream socket @fd, which stays the caller's. */
void control_channel_init(struct control_channel *channel, int fd);

/*
 * Take what has arrived, without blocking. Returns 1 with a message, which the caller releases;
 * 0 if none is complete yet; -EPIPE when the monitor closed the connection; or another negative
 * errno value when the connection is unusable.
 */
int control_channel_receive(struct control_channel *channel, json_t **ret_message,
			    struct failure *err);

/*
 * Send a frame about process number @process; the text is that of @err, and empty without
 * one.
 */
int control_channel_send(const struct control_channel *channel, enum protocol_frame_type type,
			 uint32_t process, uint32_t code, bool is_signal,
			 const struct failure *err);

/* Send a part of an answer; what is longer than a frame's text is cut. */
int control_channel_send_part(const struct control_channel *channel, const char *text);
