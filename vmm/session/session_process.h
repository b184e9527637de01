/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_process.h - one process of the container as the monitor sees it: its streams, who waits
 * for it, its end
 *
 * Number 0 is the container's first process, whose life session.c leads. The others are asked for
 * over the control socket (CONTROL_EXEC) by a client that stays connected until it is told the
 * exit code, and whose end is the process's:
 *
 *   state      entered when                                and then
 *   FREE       the number is unused
 *   STARTING   a client asked, "exec" is sent              STARTED or ERROR answers the client
 *   RUNNING    the program runs                            EXITED
 *   EXITED     the guest reported the end                  what it wrote is passed on; the client
 *                                                          is told the exit code
 *   LEFT       the client knows                            FREE when nobody in the guest holds its
 *                                                          streams any more
 *
 * Thread: the event loop's, with the vsock device's lock held in every function.
 * Trust:  frames are the guest's. One that does not fit is returned as such.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "guest-init/protocol.h"
#include "vmm/session/control_socket.h"
#include "vmm/session/relay.h"

struct session;

enum session_process_state {
	SESSION_PROCESS_FREE,
	SESSION_PROCESS_STARTING,
	SESSION_PROCESS_RUNNING,
	SESSION_PROCESS_EXITED,
	SESSION_PROCESS_LEFT,
};

struct session_process {
	enum session_process_state state;
	struct session *session;
	uint32_t number;
	pid_t host_pid;		       /* of the client, as it says */
	struct control_client *client; /* NULL: nobody waits (any more) */
	int exit_code;
	struct relay relays[PROTOCOL_NR_STREAMS];
};

/*
 * Make a free process one that is STARTING, with these streams of the host (-1: none), taken on
 * failure too.
 */
int session_process_init(struct session_process *process, struct session *session, uint32_t number,
			 int stream_fds[PROTOCOL_NR_STREAMS], struct error *err);

/* Close its streams; the number is free. */
void session_process_fini(struct session_process *process);

/* True while bytes of the guest have yet to be written. */
bool session_process_is_draining(const struct session_process *process);

/* The guest wants the connection of @stream. Returns whether it gets it. */
bool session_process_connect(struct session_process *process, enum protocol_stream stream,
			     struct vsock_connection *connection);

/* A client asks for a process, CONTROL_EXEC. Answered now or later. */
void session_process_exec(struct session *session, struct control_client *client,
			  const struct control_request *request);

/* A later request of that client, or its end. */
void session_process_on_request(struct session_process *process,
				const struct control_request *request);
void session_process_on_client_gone(struct session_process *process);

/* A frame about a process other than 0. Returns false when it does not belong here. */
bool session_process_on_frame(struct session_process *process, const struct protocol_frame *frame);

/* The guest is gone: the process has ended with @exit_code. */
void session_process_on_guest_end(struct session_process *process, int exit_code);
