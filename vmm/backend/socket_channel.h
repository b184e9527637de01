/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket_channel.h - what monitor and container process say to each other about unix sockets of
 * the host (a SOCK_SEQPACKET socket pair, one message a packet)
 *
 *   container process -> monitor   OFFER      the guest looks at @socket: a process of the host
 *                                             listens there, and guest-init may do so in the guest
 *                                  WITHDRAW   nobody listens at @socket any more, nor ever will
 *                                  CONNECTED  answers CONNECT @request: @code is 0 and a descriptor
 *                                             comes along, or it is an errno value
 *   monitor -> container process   ENABLE     guest-init takes offers from now on
 *                                  CONNECT    connect to @socket
 *
 * A socket is named by a number that the container process made up; there are no paths.
 *
 * Trust: each side treats the other as hostile: the size of a message and its descriptors are
 *        checked here, its numbers by the receiver.
 */
#pragma once

#include <stdint.h>

#include "vmm/base/error.h"

enum socket_message_type {
	SOCKET_OFFER = 1,
	SOCKET_WITHDRAW,
	SOCKET_CONNECTED,
	SOCKET_ENABLE,
	SOCKET_CONNECT,
};

struct socket_message {
	uint32_t type; /* enum socket_message_type */
	uint32_t socket;
	uint32_t request; /* the monitor's number for a CONNECT, given back */
	int32_t code;	  /* 0 or a positive errno value */
};

/* Make both ends, neither of which blocks. */
int socket_channel_create(int *ret_monitor_fd, int *ret_server_fd, struct error *err);

/*
 * Send @message, and the descriptor @passed_fd (which stays the caller's) unless it is -1. Returns
 * 0 or a negative errno value: -EAGAIN when the other side leaves too much unread.
 */
int socket_channel_send(int fd, const struct socket_message *message, int passed_fd);

/*
 * Receive a message and the descriptor that came with it, else -1 in *@ret_passed_fd; it is the
 * caller's. Returns 1, 0 when the other side is gone, -EAGAIN when there is nothing now, or -EPROTO
 * for a message that is none.
 */
int socket_channel_receive(int fd, struct socket_message *ret_message, int *ret_passed_fd);
