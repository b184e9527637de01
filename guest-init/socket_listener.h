/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket_listener.h - guest-init in the place of unix sockets of the host, see protocol.h
 *
 * For each socket on offer there is a listener, and each of its clients is connected to the host.
 * It has an epoll descriptor of its own; when all connections are in use, further clients wait in
 * the listeners' backlogs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest-init/failure.h"

struct socket_listeners;

/* Make the struct. Returns NULL with a failure. */
struct socket_listeners *socket_listeners_new(struct failure *err);
void socket_listeners_free(struct socket_listeners *listeners);

/* Readable when there is something to do for socket_listeners_run(). */
int socket_listeners_epoll_fd(const struct socket_listeners *listeners);

/* Listen in the place of socket @id; what fails shows by nobody listening there. */
void socket_listeners_add(struct socket_listeners *listeners, uint32_t id);

/* Listen there no more. Connections go on. */
void socket_listeners_remove(struct socket_listeners *listeners, uint32_t id);

/* Do what can be done without waiting. Returns true if more could be done at once. */
bool socket_listeners_run(struct socket_listeners *listeners);

/* The last client is gone: accept no more, and let go of the shared tree. */
void socket_listeners_end(struct socket_listeners *listeners);

/* After the end: whether bytes of clients are still on their way to the host, which has some time
 * for them. */
bool socket_listeners_are_draining(const struct socket_listeners *listeners);
