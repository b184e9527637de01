/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_engine.h - the host of a session on which anything may happen: a container engine at the
 * other end of the streams, clients of the control socket, signals, a container process with
 * sockets to connect to; a fuzzer's program decides
 */
#pragma once

#include <stdbool.h>

#include "tests/unit/fake_program.h"
#include "tests/unit/session_guest.h"

#define SESSION_ENGINE_CLIENTS 12
#define SESSION_ENGINE_PEERS 4

struct session_engine {
	int streams[PROTOCOL_NR_STREAMS]; /* the engine's ends; -1 when there is none */
	int clients[SESSION_ENGINE_CLIENTS];
	int peers[SESSION_ENGINE_PEERS]; /* the far ends of sockets of the host */
};

/* Open streams of one of the kinds that engines hand over. @stream_fds are for the session. */
void session_engine_open(struct session_engine *engine, struct fake_program *program,
			 int stream_fds[PROTOCOL_NR_STREAMS]);
void session_engine_close(struct session_engine *engine);

/* Do one thing: say something on the control socket, read, write or close, raise a signal. */
void session_engine_act(struct session_engine *engine, const struct session_guest *box,
			struct fake_program *program);

/* Take output from every stream. Returns whether there was any. */
bool session_engine_read(const struct session_engine *engine);
