/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/session_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/backend/host_stream.h"
#include "vmm/backend/socket_channel.h"
#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"

/*
 * Take @fd as the session gets it: opened again if that is possible. A pipe of another user's
 * (@is_foreign) stays as it is, and blocks.
 */
static int pass_on(int fd, bool is_foreign)
{
	struct error err;
	int again;

	if (is_foreign)
		return fd;
	again = host_stream_duplicate(fd, &err);
	BUG_ON(again < 0);
	(void)close(fd);
	return again;
}

void session_engine_open(struct session_engine *engine, struct fake_program *program,
			 int stream_fds[PROTOCOL_NR_STREAMS])
{
	uint8_t kind = fake_program_byte(program) % 4;
	int pair[2];

	memset(engine->clients, -1, sizeof(engine->clients));
	memset(engine->peers, -1, sizeof(engine->peers));
	for (int i = 0; i < PROTOCOL_NR_STREAMS; i++) {
		stream_fds[i] = -1;
		engine->streams[i] = -1;
		if ((kind == 0) != (i == PROTOCOL_TERMINAL))
			continue;
		if (kind == 0)
			BUG_ON(openpty(&pair[0], &pair[1], NULL, NULL, NULL) < 0);
		else if (kind == 1)
			BUG_ON(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0);
		else
			BUG_ON(pipe(pair) < 0);
		engine->streams[i] = pair[i == PROTOCOL_STDIN];
		stream_fds[i] = pass_on(pair[i != PROTOCOL_STDIN], kind == 3);
		BUG_ON(fcntl(engine->streams[i], F_SETFL, O_NONBLOCK) < 0);
	}
}

void session_engine_close(struct session_engine *engine)
{
	for (unsigned int i = 0; i < SESSION_ENGINE_CLIENTS; i++)
		fd_close(&engine->clients[i]);
	for (unsigned int i = 0; i < SESSION_ENGINE_PEERS; i++)
		fd_close(&engine->peers[i]);
	for (unsigned int i = 0; i < PROTOCOL_NR_STREAMS; i++)
		fd_close(&engine->streams[i]);
}

/*
 * A request with a file, and streams or a terminal as far as there are any: mostly as many as it
 * should have. Their far ends become peers.
 */
static void send_with_files(struct session_engine *engine, int client,
			    const struct control_request *request, struct fake_program *program)
{
	static const char *const texts[] = { "{}", "", "{\"terminal\":true}" };
	uint8_t choice = fake_program_byte(program);
	unsigned int nr = request->verb == CONTROL_UPDATE ? 1 : choice % 2 ? 4 : 2;
	int fds[CONTROL_FDS_MAX];
	struct error err;

	if (choice % 16 == 0)
		nr = choice / 16 % (CONTROL_FDS_MAX + 1);
	for (unsigned int i = 0; i < nr; i++) {
		int *peer = &engine->peers[i % SESSION_ENGINE_PEERS];
		int pair[2];

		if (i == 0 && choice < 240) {
			fds[0] = control_text_open(texts[choice % ARRAY_SIZE(texts)], &err);
			BUG_ON(fds[0] < 0);
			continue;
		}
		BUG_ON(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) <
		       0);
		fd_close(peer);
		*peer = pair[0];
		fds[i] = pair[1];
	}
	(void)control_send(client, request->verb, request->value, fds, nr, &err);
	for (unsigned int i = 0; i < nr; i++)
		(void)close(fds[i]);
}

static void ask(struct session_engine *engine, const struct session_guest *box,
		struct fake_program *program)
{
	int *client = &engine->clients[fake_program_byte(program) % SESSION_ENGINE_CLIENTS];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct control_request request[2] = {
		{ .verb = 1 + fake_program_byte(program) % (CONTROL_WATCH + 1),
		  .value = fake_program_byte(program) },
	};
	size_t len = sizeof(request[0]);

	if (fake_program_byte(program) % 8 == 0)
		len = fake_program_byte(program) % (sizeof(request) + 1);
	if (*client < 0) {
		*client = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", box->directory,
			       CONTROL_SOCKET_NAME);
		(void)connect(*client, (struct sockaddr *)&address, sizeof(address));
	}
	if (request[0].verb == CONTROL_EXEC || request[0].verb == CONTROL_UPDATE)
		send_with_files(engine, *client, &request[0], program);
	else
		(void)send(*client, request, len, MSG_NOSIGNAL);
}

static bool read_stream(const struct session_engine *engine, unsigned int index)
{
	static uint8_t bytes[65536];

	return engine->streams[index] >= 0 &&
	       read(engine->streams[index], bytes, sizeof(bytes)) > 0;
}

bool session_engine_read(const struct session_engine *engine)
{
	bool has_read = false;

	for (unsigned int i = PROTOCOL_STDOUT; i < PROTOCOL_NR_STREAMS; i++)
		has_read |= read_stream(engine, i);
	return has_read;
}

/* Answer a question of the monitor's, as the rules are or not; or say something unasked. */
static void act_as_container_process(struct session_engine *engine, const struct session_guest *box,
				     struct fake_program *program)
{
	int *peer = &engine->peers[fake_program_byte(program) % SESSION_ENGINE_PEERS];
	struct socket_message message = { 0 };
	int pair[2] = { -1, -1 };
	int fd;

	if (socket_channel_receive(box->sockets_fd, &message, &fd) == 1 &&
	    message.type == SOCKET_CONNECT)
		message.type = SOCKET_CONNECTED;
	else
		message.type = 1 + fake_program_byte(program) % SOCKET_WITHDRAW;
	if (fake_program_byte(program) % 16 == 0) {
		message.type = fake_program_byte(program) % (SOCKET_CONNECT + 2);
		message.request = fake_program_byte(program);
	}
	if (fake_program_byte(program) % 4 == 0)
		message.code = fake_program_byte(program);
	else if (message.type == SOCKET_CONNECTED)
		BUG_ON(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) <
		       0);
	(void)socket_channel_send(box->sockets_fd, &message, pair[1]);
	if (pair[0] >= 0) {
		fd_close(peer);
		*peer = fd_take(&pair[0]);
	}
	fd_close(&pair[1]);
}

/* A peer on the host reads, writes, ends its direction or goes. */
static void act_as_peer(struct session_engine *engine, struct fake_program *program)
{
	static uint8_t bytes[30000];
	int *peer = &engine->peers[fake_program_byte(program) % SESSION_ENGINE_PEERS];

	switch (fake_program_byte(program) % 4) {
	case 0:
		(void)!read(*peer, bytes, sizeof(bytes));
		return;
	case 1:
		(void)send(*peer, bytes, fake_program_word(program) % sizeof(bytes), MSG_NOSIGNAL);
		return;
	case 2:
		(void)shutdown(*peer, SHUT_WR);
		return;
	default:
		fd_close(peer);
		return;
	}
}

void session_engine_act(struct session_engine *engine, const struct session_guest *box,
			struct fake_program *program)
{
	static const uint8_t bytes[20000];
	static const int signals[] = { SIGUSR1, SIGUSR2, SIGWINCH };
	unsigned int index = fake_program_byte(program) % PROTOCOL_NR_STREAMS;

	switch (fake_program_byte(program) % 16) {
	case 0:
		fd_close(&engine->streams[index]);
		return;
	case 1:
	case 2:
		fd_close(&engine->clients[fake_program_byte(program) % SESSION_ENGINE_CLIENTS]);
		return;
	case 3:
	case 4:
		(void)pthread_kill(pthread_self(),
				   signals[fake_program_byte(program) % ARRAY_SIZE(signals)]);
		return;
	case 5:
	case 6:
	case 7:
		(void)read_stream(engine, index);
		return;
	case 8:
	case 9:
	case 10:
		(void)!write(engine->streams[index], bytes,
			     fake_program_word(program) % sizeof(bytes));
		return;
	case 11:
		act_as_container_process(engine, box, program);
		return;
	case 12:
		act_as_peer(engine, program);
		return;
	default:
		ask(engine, box, program);
		return;
	}
}
