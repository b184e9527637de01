/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_socket.h - how the command line talks to the monitor of a container that exists
 *
 * A SOCK_SEQPACKET Unix socket in the container's state directory; one request, one reply, one
 * connection each.
 *
 * Trust: whoever can open the state directory is the host's administrator; messages of a wrong
 *        size are dropped all the same.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/event/event_loop.h"

#define CONTROL_SOCKET_NAME "control.sock"
#define CONTROL_CLIENTS_MAX 8

enum control_verb {
	CONTROL_START = 1, /* let the workload go; answered when it was executed */
	CONTROL_SIGNAL,	   /* value: signal number */
	CONTROL_PAUSE,	   /* answered when the guest stands still */
	CONTROL_RESUME,	   /* let it go on */
};

struct control_request {
	uint32_t verb;
	uint32_t value;
};

struct control_reply {
	int32_t code; /* 0, or an errno value */
	char text[1024];
};

struct control_client;

struct control_server {
	struct event_loop *loop;
	struct event_source listener;
	struct control_client {
		struct control_server *server;
		struct event_source source;
		bool has_asked;
	} clients[CONTROL_CLIENTS_MAX];
	/* Answer, now or later, with control_reply(). */
	void (*on_request)(void *context, struct control_client *client,
			   const struct control_request *request);
	/* @client is gone before its answer: forget it. */
	void (*on_gone)(void *context, struct control_client *client);
	void *context;
};

/*
 * Create the socket below the state directory @state_fd. Returns the listening descriptor.
 */
int control_socket_listen(int state_fd, struct error *err);

/* Serve the listening socket @fd, which stays the caller's. The callbacks are set before. */
int control_server_init(struct control_server *server, int fd, struct event_loop *loop,
			struct error *err);

/* Stop serving; clients see their connections end. Accepts a zeroed struct. */
void control_server_fini(struct control_server *server);

/* Answer @client and end its connection. */
void control_reply(struct control_client *client, int code, const char *text);

/*
 * The other side: send one request to the container behind @state_fd and wait for the answer, at
 * most @timeout_ms (-1: for ever). Returns 0, -ESRCH when no monitor is there, -ETIMEDOUT, or what
 * the monitor answered, with its text in @err.
 */
int control_call(int state_fd, enum control_verb verb, uint32_t value, int timeout_ms,
		 struct error *err);
