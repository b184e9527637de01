/* SPDX-License-Identifier: Apache-2.0 */
/*
 * incoming.h - connections from outside to ports of the container's loopback, see protocol.h
 *
 * It has an epoll descriptor of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest-init/failure.h"

struct incoming;

/* Make the struct. Returns NULL with a failure. */
struct incoming *incoming_new(struct failure *err);
void incoming_free(struct incoming *incoming);

/* Readable when there is something to do for incoming_run(). */
int incoming_epoll_fd(const struct incoming *incoming);

/*
 * Connect to @port of 127.0.0.1 or else ::1, in the network namespace that the caller is in, and
 * join the connection to that of the host with number @id (below PROTOCOL_INCOMING_MAX). When
 * nobody listens there the host's is closed at once. An @id that is in use is ignored.
 */
void incoming_connect(struct incoming *incoming, uint32_t id, uint16_t port);

/* Do what can be done without waiting. Returns true if more could be done at once. */
bool incoming_run(struct incoming *incoming);

/* The container has ended: nobody comes any more. */
void incoming_end(struct incoming *incoming);

/*
 * After the end: whether bytes of the container are still on their way to the host, which has some
 * time for them.
 */
bool incoming_is_draining(const struct incoming *incoming);
