/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - one container's life as the monitor sees it: from "the guest boots" to its exit code
 *
 *   state      entered when                       and then
 *   BOOTING    the VM runs                        guest-init connects and says HELLO
 *   CREATING   the plan is sent                   CREATED: the launcher is told; ERROR: failed
 *   CREATED    the workload waits for its exec    `start` sends "start"
 *   STARTING   start was asked for                "start" is sent as soon as the guest has been told
 *                                                 of its network; STARTED or ERROR answers who
 *                                                 asked
 *   RUNNING    the workload runs                  EXITED
 *   EXITED     the guest reported the end         output is drained, the loop stops
 *
 * The guest's end (a reset, a lost control connection) ends the session in every state. That is the
 * life of process 0; other processes come and go from CREATED to RUNNING (session_process.h).
 *
 * From CREATED on the guest can be paused: then it does nothing, while streams and messages wait in
 * the connections as far as they have room. What it said before is still heard; its end lets it go
 * on, to the last of its output.
 *
 * Thread: the event loop's.
 * Trust:  the guest may send any frame in any state; one that does not fit ends the session.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "guest-init/protocol.h"
#include "vmm/event/event_loop.h"
#include "vmm/session/control_socket.h"
#include "vmm/session/guest_channel.h"
#include "vmm/session/network_link.h"
#include "vmm/session/session_process.h"
#include "vmm/session/session_queries.h"
#include "vmm/session/socket_relay.h"

struct session_config {
	const char *guest_plan; /* the "create" message but for "time", stays in place */
	int stdio_fds[3];	/* -1 each when there is a terminal; taken */
	int terminal_fd;	/* slave of a host pty, or -1; taken */
	int control_fd;		/* listening control socket; borrowed */
	int socket_fd;		/* backend/socket_channel.h, or -1; taken */
	int network_fd;		/* backend/network_channel.h, or -1; taken */
	int resolver_fd;	/* socket_channel.h of the network process, or -1; taken */
	struct network_cards cards;
	bool needs_network; /* somebody made one for the container: no start without */
	/* Tell the launcher that the container is created. */
	void (*on_created)(void *context);
	/* The guest says that its OOM killer ended a process: any number of times. */
	void (*on_oom)(void *context);
	/* Stop the guest, which ends in session_guest_paused(), and let it go on. */
	void (*pause)(void *context);
	void (*resume)(void *context);
	void *context;
};

enum session_state {
	SESSION_BOOTING,
	SESSION_CREATING,
	SESSION_CREATED,
	SESSION_STARTING,
	SESSION_RUNNING,
	SESSION_EXITED,
};

#define SESSION_EXIT_CRASHED 137 /* the VM ended without the workload: as if killed */

struct session {
	enum session_state state;
	struct event_loop *loop;
	struct vsock *vsock;
	struct session_config config;
	struct guest_channel channel;
	struct session_process processes[PROTOCOL_PROCESSES_MAX];
	uint32_t last_number; /* given to a process */
	struct socket_relays sockets;
	struct network_link network;
	struct socket_relays resolver; /* its only socket: NETWORK_RESOLVER */
	struct control_server control;
	struct control_client *start_client; /* waits for STARTED */
	bool is_paused;			     /* or about to be */
	struct control_client *pause_client; /* waits for session_guest_paused() */
	struct session_queries queries;
	struct event_source signals;
	unsigned int nr_warnings; /* of guest-init, logged so far */
	int exit_code;		  /* as a shell shows it: 128 + N for signal N */
	bool has_failed;
	bool has_guest_ended; /* the failure is that the guest went away without a word */
	struct error failure; /* valid when has_failed */
};

extern const struct vsock_service session_vsock_service; /* its context is the session */

/*
 * Take the streams of @config and serve the control socket. @session is zeroed; @vsock was made
 * with session_vsock_service and this session, and is live only once the guest runs.
 */
int session_init(struct session *session, const struct session_config *config, struct vsock *vsock,
		 struct event_loop *loop, struct error *err);
void session_fini(struct session *session);

/* Send a signal to a process, by number, or to all. As guest_channel_send(). */
#define SESSION_FIRST_PROCESS 0
#define SESSION_ALL_PROCESSES (-1)
int session_send_signal(struct session *session, int process, uint32_t signal_number);

/* Tell the first process of its terminal's size, if it has a terminal, and that a size. */
void session_send_window_size(struct session *session);

/* Answer who waits for the guest to stand still, if anybody does. */
void session_answer_pause(struct session *session, int code, const char *text);

/* Let a paused guest go on. */
void session_resume(struct session *session);

/* End the loop if the session is over and the host has taken all output. */
void session_stop_when_drained(struct session *session);

/*
 * The VM is over without a word from guest-init; @text says why. Stops the loop when the host has
 * taken the output. Called with the vsock device's lock held.
 */
void session_guest_ended(struct session *session, const char *text);

/* The guest stands still after config.pause(). Called without the vsock device's lock. */
void session_guest_paused(struct session *session);
