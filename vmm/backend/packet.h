/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet.h - one packet of a SOCK_SEQPACKET socket, perhaps with a descriptor; without waiting
 *
 * Thread: any; a socket has one reader.
 * Trust:  who sends may be hostile: at most one descriptor is taken, and more are closed. Sizes and
 *         bytes are the caller's to check.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * Send @parts as one packet, and the descriptor @passed_fd (which stays the caller's) unless it is
 * -1. Returns 0 or a negative errno value: -EAGAIN when too much is unread.
 */
int packet_send(int fd, struct iovec *parts, size_t nr_parts, int passed_fd);

/*
 * Receive one into @parts, and the descriptor that came with it, else -1 in *@ret_passed_fd; it is
 * the caller's. Returns its size, which may be more than @parts take; 0 when the other side is
 * gone; or a negative errno value, -EAGAIN for none now, -EPROTO for more than one descriptor.
 */
ssize_t packet_receive(int fd, struct iovec *parts, size_t nr_parts, int *ret_passed_fd);
