/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/session/session.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "vmm/base/fd.h"

#define SIGNAL_EXIT_BASE 128

static void answer_start(struct session *session, int code, const char *text)
{
	if (session->start_client)
		control_reply(session->start_client, code, text);
	session->start_client = NULL;
}

static void answer_pause(struct session *session, int code, const char *text)
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
	answer_pause(session, ESRCH, "container not running");
	session->exit_code = SESSION_EXIT_CRASHED;
}

static void fail(struct session *session, int code, const char *text)
{
	record_failure(session, code, text);
	event_loop_stop(session->loop);
}

static void resume(struct session *session)
{
	if (session->is_paused)
		session->config.resume(session->config.context);
	session->is_paused = false;
	answer_pause(session, ECANCELED, "the container was resumed before it stood still");
}

/* The workload has ended: go as soon as the host has taken all of its output. */
static void stop_when_drained(void *context)
{
	struct session *session = context;

	if (session->state != SESSION_EXITED)
		return;
	for (unsigned int i = 0; i < PROTOCOL_NR_STREAMS; i++)
		if (session->relays[i].is_from_guest)
			return;
	event_loop_stop(session->loop);
}

static void enter_exited(struct session *session)
{
	session->state = SESSION_EXITED;
	answer_pause(session, ESRCH, "container not running");
	resume(session);
	for (unsigned int i = 0; i < PROTOCOL_NR_STREAMS; i++)
		relay_finish(&session->relays[i]);
	stop_when_drained(session);
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

static void on_hello(struct session *session, const struct protocol_frame *frame)
{
	if (frame->code != PROTOCOL_VERSION) {
		fail(session, EPROTO,
		     "guest-init speaks another version of the protocol; "
		     "the initramfs belongs to another version of bulkhead");
		return;
	}
	session->state = SESSION_CREATING;
	guest_channel_send_large(&session->channel, session->config.guest_plan,
				 strlen(session->config.guest_plan));
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
		return session->state != SESSION_EXITED;
	case PROTOCOL_EXITED:
		return session->state >= SESSION_CREATED && session->state != SESSION_EXITED;
	default:
		return false;
	}
}

static void on_frame(void *context, const struct protocol_frame *frame)
{
	struct session *session = context;

	if (session->has_failed)
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
	}
}

static void on_channel_closed(void *context)
{
	session_guest_ended(context, "guest-init closed its connection");
}

/* --- connections from the guest ------------------------------------------------------------ */

static bool on_connect(void *context, struct vsock_connection *connection, uint32_t port)
{
	struct session *session = context;

	if (port == PROTOCOL_PORT_CONTROL) {
		if (session->channel.connection || session->state != SESSION_BOOTING)
			return false;
		guest_channel_connect(&session->channel, connection);
		return true;
	}
	for (unsigned int i = 0; i < PROTOCOL_NR_STREAMS; i++) {
		struct relay *relay = &session->relays[i];

		if (port != protocol_stream_port(0, (enum protocol_stream)i))
			continue;
		if (relay->connection || relay->host.fd < 0)
			return false;
		relay_connect(relay, connection);
		return true;
	}
	return false;
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

/* --- requests of the command line, signals ------------------------------------------------- */

static int send_signal(struct session *session, uint32_t signal_number)
{
	return guest_channel_send(&session->channel,
				  "{\"type\":\"signal\",\"process\":0,\"signal\":%u}",
				  signal_number);
}

static void start(struct session *session, struct control_client *client)
{
	if (session->state < SESSION_CREATED) {
		control_reply(client, EAGAIN, "the container is still being created");
		return;
	}
	if (session->state != SESSION_CREATED) {
		control_reply(client, EALREADY, "cannot start an already running container");
		return;
	}
	if (guest_channel_send(&session->channel, "{\"type\":\"start\"}") < 0) {
		control_reply(client, EBUSY, "the guest does not take messages");
		return;
	}
	session->state = SESSION_STARTING;
	session->start_client = client;
	relay_release(&session->relays[PROTOCOL_STDIN]);
}

static void pause_guest(struct session *session, struct control_client *client)
{
	if (session->pause_client) {
		control_reply(client, EBUSY, "the container is being paused");
		return;
	}
	/* Asked for again it is told again. */
	session->is_paused = true;
	session->pause_client = client;
	session->config.pause(session->config.context);
}

void session_guest_paused(struct session *session)
{
	answer_pause(session, 0, "");
}

static void signal_guest(struct session *session, struct control_client *client,
			 uint32_t signal_number)
{
	if (signal_number == 0 || signal_number > (uint32_t)SIGRTMAX) {
		control_reply(client, EINVAL, "unknown signal");
	} else if (send_signal(session, signal_number) < 0) {
		control_reply(client, EBUSY, "the guest does not take messages");
	} else {
		/* As the processes of a frozen control group: this one is not waited with. */
		if (signal_number == SIGKILL)
			resume(session);
		control_reply(client, 0, "");
	}
}

/* A request that needs a workload to be there. */
static void serve_container(struct session *session, struct control_client *client,
			    const struct control_request *request)
{
	if (session->state < SESSION_CREATED || session->state == SESSION_EXITED) {
		control_reply(client, ESRCH, "container not running");
	} else if (request->verb == CONTROL_PAUSE) {
		pause_guest(session, client);
	} else if (request->verb == CONTROL_SIGNAL) {
		signal_guest(session, client, request->value);
	} else {
		resume(session);
		control_reply(client, 0, "");
	}
}

static void on_request(void *context, struct control_client *client,
		       const struct control_request *request)
{
	struct session *session = context;

	vsock_lock(session->vsock);
	switch (request->verb) {
	case CONTROL_START:
		start(session, client);
		break;
	case CONTROL_SIGNAL:
	case CONTROL_PAUSE:
	case CONTROL_RESUME:
		serve_container(session, client, request);
		break;
	default:
		control_reply(client, EINVAL, "unknown request");
		break;
	}
	vsock_unlock(session->vsock);
}

/* cppcheck-suppress constParameter ; a callback: the server says what it is given */
static void on_client_gone(void *context, struct control_client *client)
{
	struct session *session = context;

	if (session->start_client == client)
		session->start_client = NULL;
	if (session->pause_client == client)
		session->pause_client = NULL;
}

static void send_window_size(struct session *session)
{
	struct winsize size;

	if (ioctl(session->relays[PROTOCOL_TERMINAL].host.fd, TIOCGWINSZ, &size) < 0)
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
		send_window_size(session);
	else if (session->state >= SESSION_CREATED)
		(void)send_signal(session, info.ssi_signo);
	vsock_unlock(session->vsock);
}

static int watch_signals(struct session *session, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	sigset_t set;
	int r;

	(void)sigfillset(&set);
	/* Faults of our own must not be swallowed, and a broken pipe is an error code here. */
	(void)sigdelset(&set, SIGSEGV);
	(void)sigdelset(&set, SIGBUS);
	(void)sigdelset(&set, SIGILL);
	(void)sigdelset(&set, SIGFPE);
	(void)sigdelset(&set, SIGABRT);
	r = pthread_sigmask(SIG_SETMASK, &set, NULL);
	if (r)
		return error_set(err, r, "block signals");
	(void)sigdelset(&set, SIGPIPE);
	(void)sigdelset(&set, SIGCHLD);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return error_set(err, errno, "create a signalfd");
	r = event_loop_add(session->loop, &session->signals, fd, EPOLLIN, on_signal, session, err);
	if (!r)
		(void)fd_take(&fd);
	return r;
}

/* --- set-up ---------------------------------------------------------------------------------- */

static int add_relay(struct session *session, enum protocol_stream stream, int fd,
		     struct error *err)
{
	bool is_from_guest = stream != PROTOCOL_STDIN;
	bool is_to_guest = stream == PROTOCOL_STDIN || stream == PROTOCOL_TERMINAL;

	if (fd < 0)
		return 0;
	return relay_init(&session->relays[stream], fd, is_from_guest, is_to_guest, session->vsock,
			  session->loop, stop_when_drained, session, err);
}

int session_init(struct session *session, const struct session_config *config, struct vsock *vsock,
		 struct event_loop *loop, struct error *err)
{
	int r = 0;

	*session = (struct session){
		.loop = loop, .vsock = vsock, .config = *config, .signals.fd = -1
	};
	for (unsigned int i = 0; i < PROTOCOL_NR_STREAMS; i++) {
		session->relays[i].host.fd = -1;
		session->relays[i].vsock = vsock;
	}
	guest_channel_init(&session->channel, on_frame, on_channel_closed, session);
	for (unsigned int i = 0; i < 3 && !r; i++)
		r = add_relay(session, (enum protocol_stream)i, config->stdio_fds[i], err);
	/* Until `start` the bytes are the caller's, who may type at the same terminal. */
	session->relays[PROTOCOL_STDIN].is_held = true;
	if (!r)
		r = add_relay(session, PROTOCOL_TERMINAL, config->terminal_fd, err);
	if (!r)
		r = watch_signals(session, err);
	session->control.on_request = on_request;
	session->control.on_gone = on_client_gone;
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
	for (unsigned int i = 0; i < PROTOCOL_NR_STREAMS; i++)
		relay_fini(&session->relays[i]);
}
