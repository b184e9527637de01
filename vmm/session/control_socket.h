/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_socket.h - how the command line talks to the monitor of a container that exists
 *
 * A SOCK_SEQPACKET Unix socket in the container's state directory; one request, one reply, one
 * connection each. Three have more than that:
 *   CONTROL_EXEC is a conversation: a first reply says whether the process started; then the
 *   client may send CONTROL_SIGNAL and CONTROL_RESIZE about it, without a reply, until a second
 *   reply tells its exit code. A client that goes away before ends the process.
 *   CONTROL_STATISTICS has replies of code EINPROGRESS before the last one: the guest's own words.
 *   CONTROL_WATCH has a reply for each thing that happens, until the container ends.
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
#define CONTROL_CLIENTS_MAX 264 /* as many as there can be processes, and some */
#define CONTROL_FDS_MAX 4

enum control_verb {
	CONTROL_START = 1,  /* let the workload go; answered when it was executed */
	CONTROL_SIGNAL,	    /* value: signal number */
	CONTROL_SIGNAL_ALL, /* the same, for every process of the container */
	/*
	 * Run a process. value: the client's pid; descriptors: a file with the process object as
	 * guest-init/protocol.h has it, then the terminal, or standard input, output and error.
	 */
	CONTROL_EXEC,
	CONTROL_RESIZE,	   /* value: rows << 16 | columns */
	CONTROL_PROCESSES, /* the reply's text: pids of the clients of CONTROL_EXEC, in decimal */
	CONTROL_PAUSE,	   /* answered when the guest stands still */
	CONTROL_RESUME,	   /* let it go on */
	/*
	 * Change the container's limits in the guest. value: CONTROL_UPDATE_CHECK_MEMORY or 0;
	 * descriptor: a file with the object "resources" of guest-init/protocol.h. Answered when
	 * the guest has done so, or will when it is paused.
	 */
	CONTROL_UPDATE,
	CONTROL_STATISTICS, /* PARTs as in guest-init/protocol.h: text of the guest, in ASCII */
	CONTROL_WATCH,	    /* the text of a reply says what happened: CONTROL_EVENT_… */
};

#define CONTROL_UPDATE_CHECK_MEMORY 1u /* refuse a limit of memory below what is in use */
#define CONTROL_EVENT_OOM "oom"	       /* the guest's OOM killer ended a process */

struct control_request {
	uint32_t verb;
	uint32_t value;
};

struct control_reply {
	int32_t code; /* 0, or an errno value; the second one of CONTROL_EXEC: the exit code */
	char text[2048];
};

struct control_client;

struct control_server {
	struct event_loop *loop;
	struct event_source listener;
	struct control_client {
		struct control_server *server;
		struct event_source source;
		bool has_asked;
		bool is_watching;
		void *owner; /* set by on_request: whose conversation this is; it may go on */
		/* Of the first request. What on_request leaves is closed after it. */
		int fds[CONTROL_FDS_MAX];
		unsigned int nr_fds;
	} clients[CONTROL_CLIENTS_MAX];
	/* Answer, now or later, with control_reply(). */
	void (*on_request)(void *context, struct control_client *client,
			   const struct control_request *request);
	/* @client is gone before its (last) answer: forget it. */
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

/* Answer @client and go on. */
void control_notify(struct control_client *client, int code, const char *text);

/* Tell all who watch. */
void control_tell_watchers(struct control_server *server, const char *text);

/*
 * The other side: connect to the container behind @state_fd. Returns the connection, which is the
 * caller's, -ESRCH when no monitor is there, or -ETIMEDOUT after @timeout_ms (-1: for ever).
 */
int control_connect(int state_fd, int timeout_ms, struct error *err);

/* A file with @text, to send with a request: the caller's descriptor. */
int control_text_open(const char *text, struct error *err);

/* Send a request with @nr_fds descriptors, which stay the caller's. */
int control_send(int connection_fd, enum control_verb verb, uint32_t value, const int *fds,
		 unsigned int nr_fds, struct error *err);

/*
 * Wait for a reply. Returns 0 and fills *@ret, -ETIMEDOUT, or -ESRCH when the connection ended
 * without one.
 */
int control_receive(int connection_fd, struct control_reply *ret, int timeout_ms,
		    struct error *err);

/*
 * All of it: send one request to the container behind @state_fd and wait for the answer, at
 * most @timeout_ms (-1: for ever). Returns 0, -ESRCH when no monitor is there, -ETIMEDOUT, or what
 * the monitor answered, with its text in @err.
 */
int control_call(int state_fd, enum control_verb verb, uint32_t value, int timeout_ms,
		 struct error *err);
