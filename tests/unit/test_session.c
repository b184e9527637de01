/* SPDX-License-Identifier: Apache-2.0 */
/* test_session.c - a container's life by the table in session.h, and what does not belong there */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/session_guest.h"
#include "tests/unit/tap.h"
#include "vmm/session/session.h"

#define PLAN "{\"type\":\"create\",\"args\":[\"true\"]}"

static struct session_guest box;
static int stdin_end, stdout_end, stderr_end; /* the engine's, non-blocking */

static void open_pipe(int *ret_read, int *ret_write, int ours)
{
	int fds[2];

	ok(pipe2(fds, O_CLOEXEC) == 0);
	*ret_read = fds[0];
	*ret_write = fds[1];
	ok(fcntl(fds[ours], F_SETFL, O_NONBLOCK) == 0);
}

static void set_up(void)
{
	int stream_fds[PROTOCOL_NR_STREAMS] = { -1, -1, -1, -1 };

	open_pipe(&stream_fds[PROTOCOL_STDIN], &stdin_end, 1);
	open_pipe(&stdout_end, &stream_fds[PROTOCOL_STDOUT], 0);
	open_pipe(&stderr_end, &stream_fds[PROTOCOL_STDERR], 0);
	session_guest_init(&box, stream_fds, PLAN);
}

static void tear_down(void)
{
	session_guest_fini(&box);
	(void)close(stdin_end);
	(void)close(stdout_end);
	(void)close(stderr_end);
}

static bool is_stopped(void)
{
	return box.guest.driver.loop.is_stopping;
}

static void check_message(unsigned int index, const char *want)
{
	char *message = session_guest_message(&box, index);

	is_str(message, want);
	free(message);
}

static void test_whole_life(void)
{
	struct control_reply reply;
	int client;

	set_up();
	is_int(box.session.state, SESSION_BOOTING);
	ok(session_guest_connect(&box, SESSION_GUEST_CONTROL));
	session_guest_frame(&box, PROTOCOL_HELLO, PROTOCOL_VERSION, false, NULL);
	is_int(box.session.state, SESSION_CREATING);
	ok(session_guest_has_plan(&box, 0, PLAN));
	for (unsigned int i = PROTOCOL_STDIN; i <= PROTOCOL_STDERR; i++)
		ok(session_guest_connect(&box, i));
	is_int(box.nr_created, 0);
	session_guest_frame(&box, PROTOCOL_CREATED, 0, false, NULL);
	is_int(box.session.state, SESSION_CREATED);
	is_int(box.nr_created, 1);
	/* Input waits at the host until the container is started. */
	is_int(write(stdin_end, "input", 5), 5);
	session_guest_run(&box);
	is_int(box.sockets[PROTOCOL_STDIN].nr_received, 0);
	client = session_guest_ask(&box, CONTROL_START, 0);
	session_guest_run(&box);
	is_int(box.session.state, SESSION_STARTING);
	is_int(box.sockets[PROTOCOL_STDIN].nr_received, 5);
	check_message(1, "{\"type\":\"start\"}");
	is_int(session_guest_reply(client, &reply), -EAGAIN);
	session_guest_frame(&box, PROTOCOL_STARTED, 0, false, NULL);
	is_int(box.session.state, SESSION_RUNNING);
	is_int(session_guest_reply(client, &reply), 0);
	is_int(session_guest_reply(client, &reply), -EPIPE); /* once */
	ok(!is_stopped());
	session_guest_frame(&box, PROTOCOL_EXITED, 7, false, NULL);
	is_int(box.session.state, SESSION_EXITED);
	ok(is_stopped());
	ok(!box.session.has_failed);
	is_int(box.session.exit_code, 7);
	(void)close(client);
	tear_down();
}

/* Every frame in every state: only those of the table are taken. */
static void test_frames_in_states(void)
{
	enum { ALWAYS = 1u << PROTOCOL_ERROR | 1u << PROTOCOL_OOM | 1u << PROTOCOL_WARNING };
	static const uint32_t wanted[] = {
		[SESSION_BOOTING] = 1u << PROTOCOL_HELLO | 1u << PROTOCOL_ERROR,
		[SESSION_CREATING] = 1u << PROTOCOL_CREATED | ALWAYS,
		[SESSION_CREATED] = 1u << PROTOCOL_EXITED | ALWAYS,
		[SESSION_STARTING] = 1u << PROTOCOL_STARTED | 1u << PROTOCOL_EXITED | ALWAYS,
		[SESSION_RUNNING] = 1u << PROTOCOL_EXITED | ALWAYS,
	};
	static const char refusal[] = "guest-init sent a message that does not belong here";

	for (unsigned int state = SESSION_BOOTING; state <= SESSION_RUNNING; state++)
		for (uint32_t type = 0; type <= PROTOCOL_WARNING + 1; type++) {
			set_up();
			session_guest_reach(&box, (enum session_state)state);
			is_int(box.session.state, state);
			session_guest_frame(&box, type, PROTOCOL_VERSION, false, "text");
			if (wanted[state] & 1u << type) {
				is_int(box.session.has_failed, type == PROTOCOL_ERROR);
				is_int(box.nr_ooms, type == PROTOCOL_OOM);
			} else {
				ok(box.session.has_failed && is_stopped());
				is_str(box.session.failure.text, refusal);
				is_int(box.session.failure.code, EPROTO);
				is_int(box.session.exit_code, SESSION_EXIT_CRASHED);
			}
			tear_down();
		}
}

static void test_foreign_process_and_version(void)
{
	struct protocol_frame frame = { .type = PROTOCOL_EXITED, .process = 1 };

	set_up();
	session_guest_reach(&box, SESSION_RUNNING);
	is_int(session_guest_write(&box, SESSION_GUEST_CONTROL, &frame, sizeof(frame)),
	       sizeof(frame));
	is_int(box.session.failure.code, EPROTO);
	tear_down();

	set_up();
	session_guest_reach(&box, SESSION_BOOTING);
	session_guest_frame(&box, PROTOCOL_HELLO, PROTOCOL_VERSION + 1, false, NULL);
	ok(box.session.has_failed && is_stopped());
	is_int(box.session.failure.code, EPROTO);
	tear_down();
}

static void check_exit(uint32_t code, bool is_signal, int want)
{
	set_up();
	session_guest_reach(&box, SESSION_RUNNING);
	session_guest_frame(&box, PROTOCOL_EXITED, code, is_signal, NULL);
	ok(is_stopped() && !box.session.has_failed);
	is_int(box.session.exit_code, want);
	tear_down();
}

static void test_exit_codes(void)
{
	for (uint32_t code = 0; code <= 255; code += 15)
		check_exit(code, false, (int)code);
	for (int number = 1; number <= SIGRTMAX; number += 7)
		check_exit((uint32_t)number, true, 128 + number);
	/* What no process can end with is still an exit code. */
	check_exit(256 + 3, false, 3);
	check_exit(UINT32_MAX, false, 255);
	check_exit(UINT32_MAX, true, 127);
}

static void check_error(uint32_t code, const char *text, int want_code, const char *want_text)
{
	set_up();
	session_guest_reach(&box, SESSION_CREATING);
	session_guest_frame(&box, PROTOCOL_ERROR, code, false, text);
	ok(box.session.has_failed && is_stopped());
	ok(!box.session.has_guest_ended);
	is_int(box.session.failure.code, want_code);
	is_str(box.session.failure.text, want_text);
	tear_down();
}

static void test_errors_of_the_guest(void)
{
	char full[PROTOCOL_TEXT_SIZE + 1], cut[PROTOCOL_TEXT_SIZE];

	check_error(ENOENT, "exec 'x': no such file", ENOENT, "exec 'x': no such file");
	check_error(0, "why", EIO, "why");
	check_error(4095, "why", 4095, "why");
	check_error(4096, "why", EIO, "why");
	check_error(UINT32_MAX, "why", EIO, "why");
	check_error(EPERM, NULL, EPERM, "guest-init failed without a reason");
	check_error(EPERM, "\033[2Ja\nb\tc\177\001%s%n", EPERM, " [2Ja b c? %s%n");
	/* A text without an end ends where the frame does. */
	memset(full, 'x', sizeof(full) - 1);
	full[sizeof(full) - 1] = 0;
	memset(cut, 'x', sizeof(cut) - 1);
	cut[sizeof(cut) - 1] = 0;
	check_error(EPERM, full, EPERM, cut);
}

static void test_guest_goes_away(void)
{
	for (unsigned int state = SESSION_BOOTING; state <= SESSION_RUNNING; state++) {
		set_up();
		session_guest_reach(&box, (enum session_state)state);
		if (state % 2)
			session_guest_reset(&box, SESSION_GUEST_CONTROL);
		else
			session_guest_end_write(&box, SESSION_GUEST_CONTROL);
		ok(box.session.has_failed && box.session.has_guest_ended && is_stopped());
		is_str(box.session.failure.text, "guest-init closed its connection");
		is_int(box.session.exit_code, SESSION_EXIT_CRASHED);
		tear_down();
	}
	set_up();
	session_guest_ended(&box.session, "the machine stopped");
	session_guest_ended(&box.session, "again");
	ok(is_stopped());
	is_str(box.session.failure.text, "the machine stopped");
	tear_down();
}

/* The first reason stays, and an exit code that was reported stays too. */
static void test_guest_ends_after_its_word(void)
{
	set_up();
	session_guest_reach(&box, SESSION_RUNNING);
	session_guest_frame(&box, PROTOCOL_ERROR, EIO, false, "first");
	session_guest_ended(&box.session, "second");
	is_str(box.session.failure.text, "first");
	ok(!box.session.has_guest_ended);
	tear_down();

	set_up();
	session_guest_reach(&box, SESSION_RUNNING);
	session_guest_frame(&box, PROTOCOL_EXITED, 3, false, NULL);
	session_guest_reset(&box, SESSION_GUEST_CONTROL);
	ok(!box.session.has_failed);
	is_int(box.session.exit_code, 3);
	tear_down();
}

static void test_connections(void)
{
	set_up();
	ok(session_guest_connect(&box, PROTOCOL_STDOUT));
	ok(!session_guest_connect(&box, PROTOCOL_TERMINAL)); /* there is none */
	ok(session_guest_connect(&box, SESSION_GUEST_CONTROL));
	/* Each is made once: a second one, from another port, is refused. */
	for (unsigned int i = 0; i < 2; i++) {
		struct guest_socket second = vsock_guest_connect(
			&box.guest, 500 + i,
			i ? PROTOCOL_PORT_CONTROL : protocol_stream_port(0, PROTOCOL_STDOUT));

		is_int(second.nr_packets[VSOCK_OP_RESPONSE], 0);
		is_int(second.nr_packets[VSOCK_OP_RST], 1);
	}
	/* Nor are there streams of another process, or other ports. */
	is_int(vsock_guest_connect(&box.guest, 502, protocol_stream_port(1, PROTOCOL_STDIN))
		       .nr_packets[VSOCK_OP_RST],
	       1);
	is_int(vsock_guest_connect(&box.guest, 503, 22).nr_packets[VSOCK_OP_RST], 1);
	ok(!box.session.has_failed);
	tear_down();
}

/* From a source port that any process of the guest may use nothing can be reached. */
static void test_unprivileged_guest(void)
{
	static const uint32_t ports[] = { PROTOCOL_PORT_CONTROL, PROTOCOL_PORT_SOCKETS + 1,
					  PROTOCOL_PORT_STREAMS + PROTOCOL_STDOUT };

	set_up();
	for (unsigned int i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		struct guest_socket socket =
			vsock_guest_connect(&box.guest, PROTOCOL_SOURCE_PORTS + i, ports[i]);

		is_int(socket.nr_packets[VSOCK_OP_RESPONSE], 0);
		is_int(socket.nr_packets[VSOCK_OP_RST], 1);
	}
	/* What was wanted is still there for guest-init. */
	ok(session_guest_connect(&box, SESSION_GUEST_CONTROL));
	ok(session_guest_connect(&box, PROTOCOL_STDOUT));
	tear_down();
}

/* The loop stops when the host has taken the output, not before; also when the VM died. */
static void test_output_is_drained(bool has_died)
{
	static char bytes[100 * 1024];
	size_t nr_read = 0;
	ssize_t n;

	set_up();
	session_guest_reach(&box, SESSION_RUNNING);
	is_int(session_guest_write(&box, PROTOCOL_STDOUT, bytes, sizeof(bytes)), sizeof(bytes));
	if (has_died)
		session_guest_ended(&box.session, "the machine stopped");
	else
		session_guest_frame(&box, PROTOCOL_EXITED, 0, false, NULL);
	ok(!is_stopped()); /* the pipe holds 64 KiB */
	while ((n = read(stdout_end, bytes, sizeof(bytes))) > 0) {
		nr_read += (size_t)n;
		session_guest_run(&box);
	}
	is_int(nr_read, sizeof(bytes));
	ok(is_stopped());
	is_int(box.session.has_failed, has_died);
	is_int(box.session.exit_code, has_died ? SESSION_EXIT_CRASHED : 0);
	tear_down();
}

int main(void)
{
	test_whole_life();
	test_frames_in_states();
	test_foreign_process_and_version();
	test_exit_codes();
	test_errors_of_the_guest();
	test_guest_goes_away();
	test_guest_ends_after_its_word();
	test_connections();
	test_unprivileged_guest();
	test_output_is_drained(false);
	test_output_is_drained(true);
	return tap_done();
}
