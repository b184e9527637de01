/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/session/session.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "vmm/backend/network_channel.h"
#include "vmm/base/fd.h"
#include "vmm/base/log.h"
#include "vmm/base/signals.h"
#include "vmm/session/session_requests.h"

#define SIGNAL_EXIT_BASE 128
#define WARNINGS_MAX 64 /* lines in the log */

static void answer_start(struct session *session, int code, const char *text)
{
	if (session->start_client)
		control_reply(session->start_client, code, text);
	session->start_client = NULL;
}

void session_answer_pause(struct session *session, int code, const char *text)
{
	if (session->pause_client)
		control_reply(session->pause_client, code, text);
	session->pause_client = NULL;
}

static void record_failure(struct session *session, int code, const char *text)
{
	if (!session->has_failed) {
		session->has_failed = true;
		(void)error_invalid(&session->failure, "%s", text);
		session->failure.code = code ? code : EIO;
	}
	answer_start(session, session->failure.code, session->failure.text);
	session_answer_pause(session, ESRCH, "container not running");
	session_queries_end(&session->queries);
	session->exit_code = SESSION_EXIT_CRASHED;
}

static void fail(struct session *session, int code, const char *text)
{
	record_failure(session, code, text);
	event_loop_stop(session->loop);
}

void session_resume(struct session *session)
{
	if (session->is_paused)
		session->config.resume(session->config.context);
	session->is_paused = false;
	session_answer_pause(session, ECANCELED, "the container was resumed before it stood still");
}

/* The streams of the container's first process. */
static struct relay *first_relays(struct session *session)
{
	return session->processes[0].relays;
}

int session_send_signal(struct session *session, int process, uint32_t signal_number)
{
	return guest_channel_send(&session->channel,
				  "{\"type\":\"signal\",\"process\":%d,\"signal\":%u}", process,
				  signal_number);
}

void session_guest_paused(struct session *session)
{
	session_answer_pause(session, 0, "");
}

void session_stop_when_drained(struct session *session)
{
	if (session->state != SESSION_EXITED)
		return;
	for (unsigned int i = 0; i < PROTOCOL_PROCESSES_MAX; i++) {
		const struct session_process *process = &session->processes[i];

		if (process->state != SESSION_PROCESS_FREE &&
		    (process->client || session_process_is_draining(process)))
			return;
	}
	event_loop_stop(session->loop);
}

/* The workload has ended: go as soon as the host has taken all of its output. */
static void enter_exited(struct session *session)
{
	session_answer_pause(session, ESRCH, "container not running");
	session_queries_end(&session->queries);
	session_resume(session);
	for (unsigned int i = 0; i < PROTOCOL_NR_STREAMS; i++)
		relay_finish(&first_relays(session)[i]);
	for (unsigned int i = 1; i < PROTOCOL_PROCESSES_MAX; i++)
		session_process_on_guest_end(&session->processes[i], SESSION_EXIT_CRASHED);
	socket_relays_finish(&session->sockets);
	network_link_finish(&session->network);
	session->state = SESSION_EXITED;
	session_stop_when_drained(session);
}

void session_guest_ended(struct session *session, const char *text)
{
	if (session->state == SESSION_EXITED || session->has_failed)
		return;
	session->has_guest_ended = true;
	record_failure(session, EIO, text);
	/* Its last output may say why. */
	enter_exited(session);
}

/* --- frames from guest-init ---------------------------------------------------------------- */

/* As late as can be: the guest sets its clock by it. */
static int send_plan(struct session *session)
{
	/* Its own brace is in the format. */
	const char *members = session->config.guest_plan + 1;
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return guest_channel_send(&session->channel, "{\"time\":%" PRId64 "%09ld,%s",
				  (int64_t)now.tv_sec, now.tv_nsec, members);
}

static void on_hello(struct session *session, const struct protocol_frame *frame)
{
	if (frame->code != PROTOCOL_VERSION) {
		fail(session, EPROTO,
		     "guest-init speaks another version of the protocol; "
		     "the initramfs belongs to another version of bulkhead");
		return;
	}
	session->state = SESSION_CREATING;
	if (send_plan(session) < 0)
		fail(session, ENOMEM, "no memory to describe the container to the guest");
	else
		network_link_enable(&session->network);
}

static void on_error(struct session *session, const struct protocol_frame *frame)
{
	int code = frame->code < 4096 ? (int)frame->code : EIO;

	fail(session, code, frame->text[0] ? frame->text : "guest-init failed without a reason");
}

static void on_exited(struct session *session, const struct protocol_frame *frame)
{
	int code = (int)(frame->code & 0xff);

	if (frame->is_signal)
		code = (SIGNAL_EXIT_BASE + code) & 0xff;
	session->exit_code = code;
	answer_start(session, ESRCH, "the container ended before it started");
	enter_exited(session);
}

static void on_warning(struct session *session, const struct protocol_frame *frame)
{
	if (session->nr_warnings >= WARNINGS_MAX)
		return;
	session->nr_warnings++;
	log_warning("guest-init: %s%s", frame->text,
		    session->nr_warnings == WARNINGS_MAX ? "; no more of its warnings are shown"
							 : "");
}

static bool is_expected(const struct session *session, uint32_t type)
{
	switch (type) {
	case PROTOCOL_HELLO:
		return session->state == SESSION_BOOTING;
	case PROTOCOL_CREATED:
		return session->state == SESSION_CREATING;
	case PROTOCOL_STARTED:
		return session->state == SESSION_STARTING;
	case PROTOCOL_ERROR:
		return true;
	case PROTOCOL_EXITED:
		return session->state >= SESSION_CREATED;
	case PROTOCOL_OOM:
	case PROTOCOL_WARNING:
		return session->state >= SESSION_CREATING;
	case PROTOCOL_PART:
	case PROTOCOL_DONE:
		return session->queries.count > 0;
	default:
		return false;
	}
}

/* Other processes than the first are there while it is. */
static bool is_expected_of(const struct session *session, uint32_t process)
{
	return process < PROTOCOL_PROCESSES_MAX && session->state >= SESSION_CREATED;
}

static void on_frame(void *context, const struct protocol_frame *frame)
{
	struct session *session = context;

	/* What was asked before the end may be answered after it. */
	if (session->has_failed || session->state == SESSION_EXITED)
		return;
	if (frame->process != 0 && is_expected_of(session, frame->process) &&
	    session_process_on_frame(&session->processes[frame->process], frame))
		return;
	if (frame->process != 0 || !is_expected(session, frame->type)) {
		fail(session, EPROTO, "guest-init sent a message that does not belong here");
		return;
	}
	switch ((enum protocol_frame_type)frame->type) {
	case PROTOCOL_HELLO:
		on_hello(session, frame);
		break;
	case PROTOCOL_CREATED:
		session->state = SESSION_CREATED;
		socket_relays_enable(&session->sockets);
		session->config.on_created(session->config.context);
		break;
	case PROTOCOL_STARTED:
		session->state = SESSION_RUNNING;
		answer_start(session, 0, "");
		break;
	case PROTOCOL_ERROR:
		on_error(session, frame);
		break;
	case PROTOCOL_EXITED:
		on_exited(session, frame);
		break;
	case PROTOCOL_OOM:
		session->config.on_oom(session->config.context);
		control_tell_watchers(&session->control, CONTROL_EVENT_OOM);
		break;
	case PROTOCOL_PART:
	case PROTOCOL_DONE:
		if (!session_queries_on_frame(&session->queries, frame))
			fail(session, EPROTO, "guest-init sent more than was asked for");
		break;
	case PROTOCOL_WARNING:
		on_warning(session, frame);
		break;
	}
}

static void on_channel_closed(void *context)
{
	session_guest_ended(context, "guest-init closed its connection");
}

/* --- connections from the guest ------------------------------------------------------------ */

/* One that leads to a socket of the host. */
static bool on_socket(struct session *session, struct vsock_connection *connection, uint32_t port)
{
	if (port == PROTOCOL_PORT_RESOLVER)
		return socket_relays_connect(&session->resolver, connection, NETWORK_RESOLVER);
	if (protocol_is_socket_port(port))
		return socket_relays_connect(&session->sockets, connection,
					     port - PROTOCOL_PORT_SOCKETS);
	return network_link_connect(&session->network, connection, port - PROTOCOL_PORT_INCOMING);
}

static bool on_connect(void *context, struct vsock_connection *connection, uint32_t port)
{
	struct session *session = context;
	uint32_t index = port - PROTOCOL_PORT_STREAMS;

	/* Only a privileged process of the guest has one: guest-init is not to be imitated. */
	if (vsock_guest_port(connection) >= PROTOCOL_SOURCE_PORTS)
		return false;
	if (port == PROTOCOL_PORT_CONTROL) {
		if (session->channel.connection || session->state != SESSION_BOOTING)
			return false;
		guest_channel_connect(&session->channel, connection);
		return true;
	}
	if (port >= PROTOCOL_PORT_INCOMING || port == PROTOCOL_PORT_RESOLVER)
		return session->state > SESSION_BOOTING && session->state < SESSION_EXITED &&
		       on_socket(session, connection, port);
	if (index >= PROTOCOL_PROCESSES_MAX * PROTOCOL_NR_STREAMS)
		return false;
	return session_process_connect(&session->processes[index / PROTOCOL_NR_STREAMS],
				       (enum protocol_stream)(index % PROTOCOL_NR_STREAMS),
				       connection);
}

static void on_readable(void *context)
{
	struct stream_handler *handler = context;

	handler->on_readable(handler);
}

static void on_writable(void *context)
{
	struct stream_handler *handler = context;

	handler->on_writable(handler);
}

static void on_closed(void *context)
{
	struct stream_handler *handler = context;

	handler->on_closed(handler);
}

const struct vsock_service session_vsock_service = {
	.on_connect = on_connect,
	.on_readable = on_readable,
	.on_writable = on_writable,
	.on_closed = on_closed,
};

/* --- signals of this process ---------------------------------------------------------------- */

void session_send_window_size(struct session *session)
{
	struct winsize size;

	if (session->config.terminal_fd < 0 ||
	    ioctl(first_relays(session)[PROTOCOL_TERMINAL].host.fd, TIOCGWINSZ, &size) < 0 ||
	    !size.ws_row || !size.ws_col)
		return;
	(void)guest_channel_send(&session->channel,
				 "{\"type\":\"resize\",\"process\":0,\"rows\":%u,\"columns\":%u}",
				 size.ws_row, size.ws_col);
}

/* A signal that reached this process is meant for the workload. */
static void on_signal(void *context, uint32_t events)
{
	struct session *session = context;
	struct signalfd_siginfo info;

	(void)events;
	if (read(session->signals.fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	vsock_lock(session->vsock);
	if (info.ssi_signo == SIGWINCH && session->config.terminal_fd >= 0)
		session_send_window_size(session);
	else if (session->state >= SESSION_CREATED)
		(void)session_send_signal(session, SESSION_FIRST_PROCESS, info.ssi_signo);
	vsock_unlock(session->vsock);
}

static int watch_signals(struct session *session, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	int r = signals_block(err);

	if (r < 0)
		return r;
	fd = signals_open(false, err);
	if (fd < 0)
		return fd;
	r = event_loop_add(session->loop, &session->signals, fd, EPOLLIN, on_signal, session, err);
	if (!r)
		(void)fd_take(&fd);
	return r;
}

/* --- set-up ---------------------------------------------------------------------------------- */

static int init_network(struct session *session, const struct session_config *config,
			struct error *err)
{
	int r = network_link_init(&session->network, config->network_fd, &config->cards,
				  session_on_network_scanned, session, &session->channel,
				  session->vsock, session->loop, err);

	return r < 0 ? r
		     : socket_relays_init(&session->resolver, config->resolver_fd,
					  &session->channel, session->vsock, session->loop, err);
}

int session_init(struct session *session, const struct session_config *config, struct vsock *vsock,
		 struct event_loop *loop, struct error *err)
{
	int stream_fds[PROTOCOL_NR_STREAMS] = { config->stdio_fds[0], config->stdio_fds[1],
						config->stdio_fds[2], config->terminal_fd };
	int r;

	/* Member by member: it is large, and was zeroed by whoever made it. */
	session->state = SESSION_BOOTING;
	session->loop = loop;
	session->vsock = vsock;
	session->config = *config;
	session->signals.fd = -1;
	socket_relays_prepare(&session->sockets);
	socket_relays_prepare(&session->resolver);
	network_link_prepare(&session->network);
	guest_channel_init(&session->channel, on_frame, on_channel_closed, session);
	r = session_process_init(&session->processes[0], session, 0, stream_fds, err);
	/* Until `start` the bytes are the caller's, who may type at the same terminal. */
	first_relays(session)[PROTOCOL_STDIN].is_held = true;
	if (!r)
		r = socket_relays_init(&session->sockets, config->socket_fd, &session->channel,
				       vsock, loop, err);
	if (!r)
		r = init_network(session, config, err);
	if (!r)
		r = watch_signals(session, err);
	session->control.on_request = session_on_request;
	session->control.on_gone = session_on_client_gone;
	session->control.context = session;
	if (!r)
		r = control_server_init(&session->control, config->control_fd, loop, err);
	if (r < 0)
		session_fini(session);
	return r;
}

void session_fini(struct session *session)
{
	int signal_fd = session->signals.fd;

	event_loop_remove(session->loop, &session->signals);
	fd_close(&signal_fd);
	control_server_fini(&session->control);
	vsock_lock(session->vsock);
	for (unsigned int i = 0; i < PROTOCOL_PROCESSES_MAX; i++)
		if (session->processes[i].state != SESSION_PROCESS_FREE)
			session_process_fini(&session->processes[i]);
	socket_relays_fini(&session->sockets);
	socket_relays_fini(&session->resolver);
	network_link_fini(&session->network);
	vsock_unlock(session->vsock);
	guest_channel_fini(&session->channel);
}
