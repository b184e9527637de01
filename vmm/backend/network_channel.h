/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_channel.h - what monitor and network process say to each other (a SOCK_SEQPACKET socket
 * pair, one message a packet)
 *
 *   network process -> monitor  ATTACH   slot @slot has a card with address @mac; its tap comes
 *                                        along
 *                               DETACH   slot @slot has none
 *                               STATE    @size bytes of JSON follow in the packet: the members of
 *                                        a "network" message (guest-init/protocol.h), for the guest
 *                               SCANNED  answers SCAN: what there was to say has been said
 *                               INCOMING a connection to port @port of the namespace's loopback
 *                                        comes along, for the guest's
 *   monitor -> network process  SCAN     look at the network namespace once more, now
 *
 * Connections to the resolver of the namespace are asked for on another channel
 * (socket_channel.h), as socket NETWORK_RESOLVER.
 *
 * Trust: the network process believes nothing of the monitor; the monitor checks what it is sent
 *        just as well: size, slot, that a descriptor came where one has to.
 */
#pragma once

#include <stdint.h>

#include "vmm/base/error.h"

#define NETWORK_SLOTS 4u
#define NETWORK_STATE_MAX 65536u /* bytes of JSON */
#define NETWORK_RESOLVER 1u	 /* the socket of socket_channel.h that is 127.0.0.11:53 */

enum network_message_type {
	NETWORK_ATTACH = 1,
	NETWORK_DETACH,
	NETWORK_STATE,
	NETWORK_SCANNED,
	NETWORK_INCOMING,
	NETWORK_SCAN,
};

struct network_message {
	uint32_t type; /* enum network_message_type */
	uint32_t slot; /* below NETWORK_SLOTS */
	uint8_t mac[6];
	uint16_t port;
	uint32_t size; /* of the text that follows */
};

/* Make both ends, neither of which blocks. A packet with the longest text fits in at once. */
int network_channel_create(int *ret_monitor_fd, int *ret_process_fd, struct error *err);

/*
 * Send @message with @message->size bytes of @text, and the descriptor @passed_fd (which stays the
 * caller's) unless it is -1. Returns 0 or a negative errno value: -EAGAIN when the other side
 * leaves too much unread.
 */
int network_channel_send(int fd, const struct network_message *message, const char *text,
			 int passed_fd);

/*
 * Receive a message, its text into @text (NETWORK_STATE_MAX + 1 bytes, NUL-terminated), and the
 * descriptor that came with it, else -1 in *@ret_passed_fd; it is the caller's. Returns 1, 0 when
 * the other side is gone, -EAGAIN when there is nothing now, or -EPROTO for a message that is none.
 */
int network_channel_receive(int fd, struct network_message *ret_message, char *text,
			    int *ret_passed_fd);
