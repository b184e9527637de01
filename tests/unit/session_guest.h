/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_guest.h - a container's session in a box: the monitor's side is the real one, from the
 * vsock device up; guest-init's side is played, by the rules unless told otherwise
 *
 * Shared by the tests of the session and their fuzzer.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/vsock_guest.h"
#include "vmm/backend/network_channel.h"
#include "vmm/session/session.h"

/* Sockets are numbered as the streams of the protocol, the control connection follows. */
#define SESSION_GUEST_CONTROL PROTOCOL_NR_STREAMS
#define SESSION_GUEST_NR_SOCKETS (PROTOCOL_NR_STREAMS + 1)
#define SESSION_GUEST_FIRST_PORT 200u /* a low one, as the host demands */

struct session_guest_socket {
	struct guest_socket socket;
	uint8_t *received; /* every byte so far, heap */
	size_t nr_received;
	uint32_t fwd_cnt_told;
	bool is_deaf; /* gives no credit for what it receives */
};

struct session_guest {
	struct vsock_guest guest;
	struct session session;
	struct session_guest_socket sockets[SESSION_GUEST_NR_SOCKETS];
	char directory[SCRATCH_DIR_SIZE];
	int state_fd; /* the directory, where the control socket is */
	int control_fd;
	int sockets_fd;		     /* the container process's end of backend/socket_channel.h */
	int network_fd;		     /* the network process's of backend/network_channel.h, or -1 */
	int resolver_fd;	     /* its other one, or -1 */
	int card_fds[NETWORK_SLOTS]; /* the taps that were attached, by slot; else -1 */
	uint8_t macs[NETWORK_SLOTS][6];
	bool refuses_cards;
	unsigned int nr_created; /* calls of on_created */
	unsigned int nr_ooms;	 /* of on_oom */
	bool is_paused;		 /* as the session wants it; the guest plays on all the same */
};

/*
 * A session whose guest is about to boot. @stream_fds are the host's ends, -1 for none, taken;
 * @plan stays the caller's. Of the signals only SIGPIPE, SIGUSR1, SIGUSR2 and SIGWINCH stay
 * blocked. Aborts when the host fails.
 */
void session_guest_init(struct session_guest *box, const int stream_fds[PROTOCOL_NR_STREAMS],
			const char *plan);
void session_guest_fini(struct session_guest *box);

/* The same with a network process, which is the caller, for a network that somebody made or not. */
void session_guest_init_network(struct session_guest *box,
				const int stream_fds[PROTOCOL_NR_STREAMS], const char *plan,
				bool is_needed);

/* Deliver events and take the guest's packets until nothing happens any more. */
void session_guest_run(struct session_guest *box);

/* Ask for the connection of socket @index. Returns whether it was accepted. */
bool session_guest_connect(struct session_guest *box, unsigned int index);
bool session_guest_connect_port(struct session_guest *box, unsigned int index, uint32_t port);

/* Send bytes as credit allows. Returns how many were sent. */
size_t session_guest_write(struct session_guest *box, unsigned int index, const void *data,
			   size_t len);

/* The end of the guest's sending direction, and an abrupt end of both. */
void session_guest_end_write(struct session_guest *box, unsigned int index);
void session_guest_reset(struct session_guest *box, unsigned int index);

/* Send a frame about process 0. @text may be NULL. */
void session_guest_frame(struct session_guest *box, uint32_t type, uint32_t code, bool is_signal,
			 const char *text);

/* What guest-init says until the container is in @state, which comes before SESSION_EXITED. */
void session_guest_reach(struct session_guest *box, enum session_state state);

/*
 * The message number @index of those that the host sent so far, as a string of the caller's
 * heap; NULL when there are not so many.
 */
char *session_guest_message(const struct session_guest *box, unsigned int index);

/* Whether message number @index is @plan with the time of now before its other members. */
bool session_guest_has_plan(const struct session_guest *box, unsigned int index, const char *plan);

/* A client of the control socket: its connection, without and with a request sent. */
int session_guest_client(const struct session_guest *box);
int session_guest_ask(const struct session_guest *box, uint32_t verb, uint32_t value);

/* The reply that came. Returns its code, -EAGAIN for none yet, -EPIPE for an end without one. */
int session_guest_reply(int client_fd, struct control_reply *ret_reply);
