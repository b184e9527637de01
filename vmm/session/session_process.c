/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/session/session_process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/session/session.h"
#include "vmm/session/session_requests.h"

#define SIGNAL_EXIT_BASE 128
#define NR_FDS_WITH_TERMINAL 2 /* of CONTROL_EXEC: the process, the terminal */
#define NR_FDS_WITH_PIPES 4    /* the process, three streams */

/* Nothing is waited for any more of what the process wrote. */
static bool is_flushed(const struct session_process *process)
{
	for (unsigned int i = 0; i < PROTOCOL_NR_STREAMS; i++) {
		const struct relay *relay = &process->relays[i];

		if (relay->is_flushing || (relay->is_finishing && relay->is_from_guest))
			return false;
	}
	return true;
}

bool session_process_is_draining(const struct session_process *process)
{
	for (unsigned int i = 0; i < PROTOCOL_NR_STREAMS; i++)
		if (process->relays[i].is_from_guest)
			return true;
	return false;
}

static void answer(struct session_process *process, int code, const char *text)
{
	struct control_client *client = process->client;

	process->client = NULL;
	if (client)
		control_reply(client, code, text);
}

/* Go on with a process that has ended: tell its client, then give up its number. */
static void advance(struct session_process *process)
{
	if (process->state == SESSION_PROCESS_EXITED && is_flushed(process)) {
		process->state = SESSION_PROCESS_LEFT;
		answer(process, process->exit_code, "");
	}
	if (process->state == SESSION_PROCESS_LEFT && !session_process_is_draining(process))
		session_process_fini(process);
}

static void on_relay_done(void *context)
{
	struct session_process *process = context;

	advance(process);
	session_stop_when_drained(process->session);
}

static int add_relay(struct session_process *process, enum protocol_stream stream, int fd,
		     struct error *err)
{
	bool is_from_guest = stream != PROTOCOL_STDIN;
	bool is_to_guest = stream == PROTOCOL_STDIN || stream == PROTOCOL_TERMINAL;

	if (fd < 0)
		return 0;
	return relay_init(&process->relays[stream], fd, is_from_guest, is_to_guest,
			  process->session->vsock, process->session->loop, on_relay_done, process,
			  err);
}

int session_process_init(struct session_process *process, struct session *session, uint32_t number,
			 int stream_fds[PROTOCOL_NR_STREAMS], struct error *err)
{
	int r = 0;

	*process = (struct session_process){ .state = SESSION_PROCESS_STARTING,
					     .session = session,
					     .number = number };
	for (unsigned int i = 0; i < PROTOCOL_NR_STREAMS; i++) {
		process->relays[i].host.fd = -1;
		process->relays[i].vsock = session->vsock;
	}
	for (unsigned int i = 0; i < PROTOCOL_NR_STREAMS && !r; i++)
		r = add_relay(process, (enum protocol_stream)i, fd_take(&stream_fds[i]), err);
	if (r < 0)
		session_process_fini(process);
	for (unsigned int i = 0; i < PROTOCOL_NR_STREAMS; i++)
		fd_close(&stream_fds[i]);
	return r;
}

void session_process_fini(struct session_process *process)
{
	process->state = SESSION_PROCESS_FREE;
	for (unsigned int i = 0; i < PROTOCOL_NR_STREAMS; i++)
		relay_fini(&process->relays[i]);
}

bool session_process_connect(struct session_process *process, enum protocol_stream stream,
			     struct vsock_connection *connection)
{
	struct relay *relay = &process->relays[stream];

	if (process->state == SESSION_PROCESS_FREE || relay->connection || relay->host.fd < 0)
		return false;
	relay_connect(relay, connection);
	return true;
}

/* --- requests ------------------------------------------------------------------------------ */

/* In turn, so that the guest has forgotten whoever had a number before. */
static struct session_process *find_free(struct session *session)
{
	for (uint32_t i = 1; i < PROTOCOL_PROCESSES_MAX; i++) {
		uint32_t number = 1 + (session->last_number + i - 1) % (PROTOCOL_PROCESSES_MAX - 1);

		if (session->processes[number].state != SESSION_PROCESS_FREE)
			continue;
		session->last_number = number;
		session->processes[number].number = number;
		return &session->processes[number];
	}
	return NULL;
}

/* Sort the descriptors of @client by what they are for. Takes them. */
static int take_streams(struct control_client *client, int ret_fds[PROTOCOL_NR_STREAMS],
			struct error *err)
{
	for (unsigned int i = 0; i < PROTOCOL_NR_STREAMS; i++)
		ret_fds[i] = -1;
	if (client->nr_fds == NR_FDS_WITH_TERMINAL) {
		ret_fds[PROTOCOL_TERMINAL] = fd_take(&client->fds[1]);
		return 0;
	}
	if (client->nr_fds != NR_FDS_WITH_PIPES)
		return error_invalid(err, "a process needs its streams");
	for (unsigned int i = PROTOCOL_STDIN; i <= PROTOCOL_STDERR; i++)
		ret_fds[i] = fd_take(&client->fds[1 + i]);
	return 0;
}

static int start(struct session *session, struct control_client *client,
		 struct session_process **ret, struct error *err)
{
	struct session_process *process = find_free(session);
	AUTO_FREE char *text = NULL;
	int stream_fds[PROTOCOL_NR_STREAMS];
	int r;

	if (!process)
		return error_set(err, EAGAIN, "run more than %u processes at a time",
				 PROTOCOL_PROCESSES_MAX - 1);
	r = take_streams(client, stream_fds, err);
	if (r < 0)
		return r;
	r = session_request_text(client->fds[0], &text, err);
	if (r < 0) {
		for (unsigned int i = 0; i < PROTOCOL_NR_STREAMS; i++)
			fd_close(&stream_fds[i]);
		return r;
	}
	r = session_process_init(process, session, process->number, stream_fds, err);
	if (r < 0)
		return r;
	r = guest_channel_send(&session->channel,
			       "{\"type\":\"exec\",\"number\":%u,\"process\":%s}", process->number,
			       text);
	if (r < 0) {
		session_process_fini(process);
		return error_set(err, -r, "ask the guest for a process");
	}
	*ret = process;
	return 0;
}

void session_process_exec(struct session *session, struct control_client *client,
			  const struct control_request *request)
{
	struct session_process *process = NULL;
	struct error err;

	if (session->state < SESSION_CREATED || session->state == SESSION_EXITED) {
		control_reply(client, ESRCH, "container not running");
		return;
	}
	if (start(session, client, &process, &err) < 0) {
		control_reply(client, err.code, err.text);
		return;
	}
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): error_set() never returns 0 */
	process->client = client;
	process->host_pid = (pid_t)request->value;
	client->owner = process;
}

static void send_signal(const struct session_process *process, uint32_t signal_number)
{
	/* Without room in the channel the guest is stuck, and its processes with it. */
	(void)guest_channel_send(&process->session->channel,
				 "{\"type\":\"signal\",\"process\":%u,\"signal\":%u}",
				 process->number, signal_number);
}

void session_process_on_request(struct session_process *process,
				const struct control_request *request)
{
	switch (request->verb) {
	case CONTROL_SIGNAL:
		if (request->value > 0 && request->value <= (uint32_t)SIGRTMAX)
			send_signal(process, request->value);
		break;
	case CONTROL_RESIZE:
		(void)guest_channel_send(
			&process->session->channel,
			"{\"type\":\"resize\",\"process\":%u,\"rows\":%u,\"columns\":%u}",
			process->number, request->value >> 16, request->value & 0xffff);
		break;
	default:
		break;
	}
}

void session_process_on_client_gone(struct session_process *process)
{
	process->client = NULL;
	if (process->state == SESSION_PROCESS_STARTING || process->state == SESSION_PROCESS_RUNNING)
		send_signal(process, SIGKILL);
}

/* --- what the guest says --------------------------------------------------------------------- */

static void on_error(struct session_process *process, const struct protocol_frame *frame)
{
	int code = frame->code > 0 && frame->code < 4096 ? (int)frame->code : EIO;

	answer(process, code, frame->text[0] ? frame->text : "guest-init failed without a reason");
	session_process_fini(process);
}

static void on_exited(struct session_process *process, const struct protocol_frame *frame)
{
	int code = (int)(frame->code & 0xff);

	process->exit_code = frame->is_signal ? (SIGNAL_EXIT_BASE + code) & 0xff : code;
	/* Not yet EXITED: all streams are asked before any answers. */
	for (unsigned int i = 0; i < PROTOCOL_NR_STREAMS; i++)
		relay_flush(&process->relays[i]);
	process->state = SESSION_PROCESS_EXITED;
	advance(process);
}

bool session_process_on_frame(struct session_process *process, const struct protocol_frame *frame)
{
	bool is_starting = process->state == SESSION_PROCESS_STARTING;

	if (frame->type == PROTOCOL_STARTED && is_starting) {
		process->state = SESSION_PROCESS_RUNNING;
		if (process->client)
			control_notify(process->client, 0, "");
		return true;
	}
	if (frame->type == PROTOCOL_ERROR && is_starting) {
		on_error(process, frame);
		return true;
	}
	if (frame->type == PROTOCOL_EXITED && process->state == SESSION_PROCESS_RUNNING) {
		on_exited(process, frame);
		return true;
	}
	return false;
}

void session_process_on_guest_end(struct session_process *process, int exit_code)
{
	if (process->state == SESSION_PROCESS_FREE)
		return;
	if (process->state == SESSION_PROCESS_STARTING)
		answer(process, ESRCH, "the container ended");
	if (process->state < SESSION_PROCESS_EXITED) {
		process->exit_code = exit_code;
		process->state = SESSION_PROCESS_EXITED;
	}
	for (unsigned int i = 0; i < PROTOCOL_NR_STREAMS; i++)
		process->relays[i].is_finishing = true;
	for (unsigned int i = 0; i < PROTOCOL_NR_STREAMS; i++)
		relay_finish(&process->relays[i]);
	advance(process);
}
