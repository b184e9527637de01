/* SPDX-License-Identifier: Apache-2.0 */
/*
 * descriptor_socket.h - the sockets on which engines get a descriptor: of a terminal, of a process
 *
 * Thread: the command line's only one.
 */
#pragma once

#include <sys/types.h>

#include "vmm/base/error.h"

/*
 * Connect to the stream socket at @path, which @option (for errors) named. Returns the connection,
 * which is the caller's, or a negative errno value.
 */
int descriptor_socket_connect(const char *option, const char *path, struct error *err);

/* Send @fd in one message whose payload is @text, not empty. */
int descriptor_socket_send(const char *option, int connection_fd, int fd, const char *text,
			   struct error *err);

/* Names of processes, as runc gives them to whoever gets a pidfd. */
#define PIDFD_OF_CONTAINER "standard"
#define PIDFD_OF_EXEC "setns"

/*
 * Send a pidfd of @pid, a child of ours that nobody has waited for, on the connection of
 * --pidfd-socket.
 */
int descriptor_socket_send_pidfd(int connection_fd, pid_t pid, const char *text, struct error *err);
