/* SPDX-License-Identifier: Apache-2.0 */
/* test_session_process.c - processes beside the first: asked for, connected, ended, given up */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/session_guest.h"
#include "tests/unit/tap.h"
#include "vmm/session/session.h"

#define FIRST_PORT 700u

static const int no_streams[PROTOCOL_NR_STREAMS] = { -1, -1, -1, -1 };
static struct session_guest box;
static struct error err;

/* The engine's side of a process. */
struct executed {
	int client_fd;
	int streams[3]; /* ends of a socket pair each */
	struct guest_socket sockets[3];
};

static void set_up(void)
{
	session_guest_init(&box, no_streams, "{}");
	session_guest_reach(&box, SESSION_RUNNING);
}

static void tear_down(void)
{
	session_guest_fini(&box);
}

static void ask(struct executed *executed, const char *text, unsigned int nr_streams)
{
	int fds[CONTROL_FDS_MAX];
	int pair[2];

	fds[0] = memfd_create("process", MFD_CLOEXEC);
	ok(write(fds[0], text, strlen(text)) == (ssize_t)strlen(text));
	for (unsigned int i = 0; i < nr_streams; i++) {
		ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
		/* So that little of what the guest wrote is on its way at a time. */
		ok(setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &(int){ 4096 }, sizeof(int)) == 0);
		executed->streams[i] = pair[0];
		fds[1 + i] = pair[1];
	}
	executed->client_fd = session_guest_client(&box);
	is_int(control_send(executed->client_fd, CONTROL_EXEC, 4711, fds, 1 + nr_streams, &err), 0);
	for (unsigned int i = 0; i <= nr_streams; i++)
		(void)close(fds[i]);
	session_guest_run(&box);
}

static void release(struct executed *executed)
{
	(void)close(executed->client_fd);
	for (unsigned int i = 0; i < 3; i++)
		(void)close(executed->streams[i]);
	session_guest_run(&box);
}

static void connect_streams(struct executed *executed, uint32_t number)
{
	for (unsigned int i = 0; i < 3; i++) {
		executed->sockets[i] =
			vsock_guest_connect(&box.guest, FIRST_PORT + number * 4 + i,
					    protocol_stream_port(number, (enum protocol_stream)i));
		is_int(executed->sockets[i].nr_packets[VSOCK_OP_RESPONSE], 1);
	}
}

static void send_bytes(struct guest_socket *socket, const char *text)
{
	struct vsock_header header = vsock_guest_header(socket, VSOCK_OP_RW);

	header.len = (uint32_t)strlen(text);
	vsock_guest_send(&box.guest, &header, text, header.len);
	session_guest_run(&box);
}

static void send_frame(uint32_t type, uint32_t process, uint32_t code, bool is_signal)
{
	struct protocol_frame frame = {
		.type = type, .process = process, .code = code, .is_signal = is_signal
	};

	is_int(session_guest_write(&box, SESSION_GUEST_CONTROL, &frame, sizeof(frame)),
	       sizeof(frame));
}

static void check_message(unsigned int index, const char *want)
{
	char *message = session_guest_message(&box, index);

	is_str(message, want);
	free(message);
}

static void is_output(int fd, const char *want)
{
	char text[64] = "";

	(void)!read(fd, text, sizeof(text) - 1);
	is_str(text, want);
}

static void test_whole_life(void)
{
	struct control_reply reply;
	struct executed executed;
	int client;

	set_up();
	ask(&executed, "{\"args\":[]}", 3);
	check_message(2, "{\"type\":\"exec\",\"number\":1,\"process\":{\"args\":[]}}");
	is_int(session_guest_reply(executed.client_fd, &reply), -EAGAIN);
	connect_streams(&executed, 1);
	send_frame(PROTOCOL_STARTED, 1, 0, false);
	is_int(session_guest_reply(executed.client_fd, &reply), 0);
	client = session_guest_ask(&box, CONTROL_PROCESSES, 0);
	session_guest_run(&box);
	is_int(session_guest_reply(client, &reply), 0);
	is_str(reply.text, "4711 ");
	(void)close(client);
	is_int(control_send(executed.client_fd, CONTROL_SIGNAL, SIGTERM, NULL, 0, &err), 0);
	is_int(control_send(executed.client_fd, CONTROL_RESIZE, 24 << 16 | 80, NULL, 0, &err), 0);
	session_guest_run(&box);
	check_message(3, "{\"type\":\"signal\",\"process\":1,\"signal\":15}");
	check_message(4, "{\"type\":\"resize\",\"process\":1,\"rows\":24,\"columns\":80}");
	send_bytes(&executed.sockets[PROTOCOL_STDOUT], "out");
	send_frame(PROTOCOL_EXITED, 1, SIGTERM, true);
	is_int(session_guest_reply(executed.client_fd, &reply), 128 + SIGTERM);
	is_int(session_guest_reply(executed.client_fd, &reply), -EPIPE);
	is_output(executed.streams[PROTOCOL_STDOUT], "out");
	/* What is left of it in the guest keeps its streams. */
	is_int(box.session.processes[1].state, SESSION_PROCESS_LEFT);
	send_bytes(&executed.sockets[PROTOCOL_STDOUT], "later");
	is_output(executed.streams[PROTOCOL_STDOUT], "later");
	for (unsigned int i = 1; i < 3; i++)
		guest_socket_send_op(&box.guest, &executed.sockets[i], VSOCK_OP_RST, 0);
	session_guest_run(&box);
	is_int(box.session.processes[1].state, SESSION_PROCESS_FREE);
	ok(!box.session.has_failed && !box.guest.driver.loop.is_stopping);
	release(&executed);
	tear_down();
}

static void test_error(void)
{
	struct protocol_frame frame = {
		.type = PROTOCOL_ERROR, .process = 1, .code = ENOENT, .text = "no such program"
	};
	struct control_reply reply;
	struct executed executed;

	set_up();
	ask(&executed, "{}", 1);
	(void)session_guest_write(&box, SESSION_GUEST_CONTROL, &frame, sizeof(frame));
	is_int(session_guest_reply(executed.client_fd, &reply), ENOENT);
	is_str(reply.text, "no such program");
	is_int(box.session.processes[1].state, SESSION_PROCESS_FREE);
	ok(!box.session.has_failed);
	executed.streams[1] = executed.streams[2] = -1;
	release(&executed);
	/* The next one has another number. */
	ask(&executed, "{}", 3);
	check_message(3, "{\"type\":\"exec\",\"number\":2,\"process\":{}}");
	release(&executed);
	tear_down();
}

static void check_refused(unsigned int nr_streams, const char *text, int want)
{
	struct executed executed = { .streams = { -1, -1, -1 } };
	struct control_reply reply;

	ask(&executed, text, nr_streams);
	is_int(session_guest_reply(executed.client_fd, &reply), want);
	release(&executed);
}

static void test_refused_requests(void)
{
	char *large = malloc(PROTOCOL_JSON_MAX);

	memset(large, ' ', PROTOCOL_JSON_MAX - 1);
	large[PROTOCOL_JSON_MAX - 1] = 0;
	set_up();
	check_refused(0, "{}", EINVAL);
	check_refused(2, "{}", EINVAL);
	check_refused(3, large, EINVAL);
	ok(session_guest_message(&box, 2) == NULL);
	tear_down();
	free(large);

	session_guest_init(&box, no_streams, "{}");
	session_guest_reach(&box, SESSION_CREATING);
	check_refused(3, "{}", ESRCH);
	tear_down();
}

/* Whoever asked is gone: so is the process, which nobody waits for. */
static void test_client_goes_away(void)
{
	struct executed executed;

	set_up();
	ask(&executed, "{}", 3);
	connect_streams(&executed, 1);
	send_frame(PROTOCOL_STARTED, 1, 0, false);
	release(&executed);
	check_message(3, "{\"type\":\"signal\",\"process\":1,\"signal\":9}");
	send_frame(PROTOCOL_EXITED, 1, SIGKILL, true);
	is_int(box.session.processes[1].state, SESSION_PROCESS_LEFT);
	ok(!box.session.has_failed);
	tear_down();
}

static void check_unfitting(uint32_t type, uint32_t process)
{
	struct executed executed;

	set_up();
	ask(&executed, "{}", 3);
	send_frame(type, process, 0, false);
	ok(box.session.has_failed);
	is_int(box.session.failure.code, EPROTO);
	release(&executed);
	tear_down();
}

static void test_unfitting_frames(void)
{
	check_unfitting(PROTOCOL_EXITED, 1); /* it did not start */
	check_unfitting(PROTOCOL_STARTED, 2);
	check_unfitting(PROTOCOL_ERROR, PROTOCOL_PROCESSES_MAX);
	check_unfitting(PROTOCOL_ERROR, UINT32_MAX);
	check_unfitting(PROTOCOL_CREATED, 1);
	check_unfitting(PROTOCOL_HELLO, 1);
}

/* The end of the container, and of the guest, answers everybody. */
static void test_end_of_all(bool has_died)
{
	struct executed running, starting;
	struct control_reply reply;

	set_up();
	ask(&running, "{}", 3);
	send_frame(PROTOCOL_STARTED, 1, 0, false);
	is_int(session_guest_reply(running.client_fd, &reply), 0);
	ask(&starting, "{}", 3);
	if (has_died)
		session_guest_reset(&box, SESSION_GUEST_CONTROL);
	else
		send_frame(PROTOCOL_EXITED, 0, 3, false);
	is_int(session_guest_reply(running.client_fd, &reply), SESSION_EXIT_CRASHED);
	is_int(session_guest_reply(starting.client_fd, &reply), ESRCH);
	ok(box.guest.driver.loop.is_stopping);
	is_int(box.session.exit_code, has_died ? SESSION_EXIT_CRASHED : 3);
	release(&running);
	release(&starting);
	tear_down();
}

/* The exit code waits for the output, for a reader that takes its time. */
static void test_slow_reader(void)
{
	static char bytes[8192];
	struct control_reply reply;
	struct executed executed;
	size_t nr_sent = 0, nr_read = 0;
	ssize_t n;

	set_up();
	ask(&executed, "{}", 3);
	connect_streams(&executed, 1);
	send_frame(PROTOCOL_STARTED, 1, 0, false);
	is_int(session_guest_reply(executed.client_fd, &reply), 0);
	memset(bytes, 'x', sizeof(bytes) - 1);
	while (!executed.sockets[1].nr_packets[VSOCK_OP_RST] && nr_sent < 300000) {
		if (guest_socket_credit(&executed.sockets[1]) < sizeof(bytes))
			break;
		send_bytes(&executed.sockets[1], bytes);
		executed.sockets[1].nr_sent += sizeof(bytes) - 1;
		nr_sent += sizeof(bytes) - 1;
	}
	ok(nr_sent > 100000);
	send_frame(PROTOCOL_EXITED, 1, 4, false);
	is_int(session_guest_reply(executed.client_fd, &reply), -EAGAIN);
	while ((n = read(executed.streams[1], bytes, sizeof(bytes))) > 0) {
		nr_read += (size_t)n;
		session_guest_run(&box);
	}
	is_int(nr_read, nr_sent);
	is_int(session_guest_reply(executed.client_fd, &reply), 4);
	release(&executed);
	tear_down();
}

int main(void)
{
	test_whole_life();
	test_error();
	test_refused_requests();
	test_client_goes_away();
	test_unfitting_frames();
	test_end_of_all(false);
	test_end_of_all(true);
	test_slow_reader();
	return tap_done();
}
