/* SPDX-License-Identifier: Apache-2.0 */
/* test_relay.c - bytes between the guest and streams of every kind that an engine hands over */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/session_guest.h"
#include "tests/unit/tap.h"
#include "vmm/session/relay.h"

#define LONG_STREAM ((size_t)1 << 20)
#define PATIENCE_MS 10000

static struct session_guest box;
static uint8_t sent[LONG_STREAM], taken[LONG_STREAM];

/* A running container whose stream @stream is @fd, taken; it has no others. */
static void set_up(enum protocol_stream stream, int fd)
{
	int stream_fds[PROTOCOL_NR_STREAMS] = { -1, -1, -1, -1 };

	stream_fds[stream] = fd;
	session_guest_init(&box, stream_fds, "{}");
	session_guest_reach(&box, SESSION_RUNNING);
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i + (i >> 8) * 3 + (i >> 16) * 7);
	memset(taken, 0, sizeof(taken));
}

/* Both ends of a pipe or socket; the end [1] is the one that is written to. */
static void open_pair(int pair[2], bool is_socket, int ours)
{
	int r = is_socket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)
			  : pipe2(pair, O_CLOEXEC);

	ok(r == 0);
	ok(fcntl(pair[ours], F_SETFL, O_NONBLOCK) == 0);
}

/* The guest writes a long stream, a slow reader takes it. */
static void check_output(enum protocol_stream stream, bool is_socket)
{
	size_t nr_sent = 0, nr_taken = 0;
	int pair[2];

	open_pair(pair, is_socket, 0);
	set_up(stream, pair[1]);
	while (nr_taken < LONG_STREAM) {
		ssize_t n;

		nr_sent += session_guest_write(&box, stream, sent + nr_sent, LONG_STREAM - nr_sent);
		n = read(pair[0], taken + nr_taken, 30000);
		if (n <= 0)
			break;
		nr_taken += (size_t)n;
		session_guest_run(&box);
	}
	is_int(nr_taken, LONG_STREAM);
	ok(memcmp(sent, taken, LONG_STREAM) == 0);
	session_guest_end_write(&box, stream);
	session_guest_fini(&box);
	(void)close(pair[0]);
}

/* The engine writes a long stream, the guest takes it, then sees the end. */
static void check_input(enum protocol_stream stream, bool is_socket)
{
	struct session_guest_socket *socket = &box.sockets[stream];
	size_t nr_sent = 0;
	int pair[2];

	open_pair(pair, is_socket, 1);
	set_up(stream, pair[0]);
	while (nr_sent < LONG_STREAM) {
		ssize_t n = write(pair[1], sent + nr_sent, LONG_STREAM - nr_sent);

		if (n <= 0)
			break;
		nr_sent += (size_t)n;
		session_guest_run(&box);
	}
	is_int(socket->nr_received, LONG_STREAM);
	ok(socket->received && memcmp(sent, socket->received, LONG_STREAM) == 0);
	is_int(socket->socket.nr_packets[VSOCK_OP_SHUTDOWN], 0);
	(void)close(pair[1]);
	session_guest_run(&box);
	is_int(socket->socket.nr_packets[VSOCK_OP_SHUTDOWN], 1);
	ok(!box.session.has_failed);
	session_guest_fini(&box);
}

static int open_file(const void *content, size_t len)
{
	int fd = memfd_create("stream", MFD_CLOEXEC);

	ok(fd >= 0 && write(fd, content, len) == (ssize_t)len);
	ok(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static void test_regular_files(void)
{
	struct session_guest_socket *socket = &box.sockets[PROTOCOL_STDIN];
	int fd;

	set_up(PROTOCOL_STDIN, -1);
	session_guest_fini(&box); /* fills @sent */
	set_up(PROTOCOL_STDIN, open_file(sent, LONG_STREAM));
	is_int(socket->nr_received, LONG_STREAM);
	ok(memcmp(sent, socket->received, LONG_STREAM) == 0);
	is_int(socket->socket.nr_packets[VSOCK_OP_SHUTDOWN], 1);
	session_guest_fini(&box);

	fd = open_file("", 0);
	set_up(PROTOCOL_STDOUT, dup(fd));
	is_int(session_guest_write(&box, PROTOCOL_STDOUT, sent, LONG_STREAM), LONG_STREAM);
	is_int(pread(fd, taken, LONG_STREAM, 0), LONG_STREAM);
	ok(memcmp(sent, taken, LONG_STREAM) == 0);
	session_guest_fini(&box);
	(void)close(fd);
}

static void test_devices(void)
{
	struct session_guest_socket *socket = &box.sockets[PROTOCOL_STDIN];

	set_up(PROTOCOL_STDIN, open("/dev/null", O_RDONLY | O_CLOEXEC));
	is_int(socket->nr_received, 0);
	is_int(socket->socket.nr_packets[VSOCK_OP_SHUTDOWN], 1);
	session_guest_fini(&box);

	/* An endless input is read as far as the guest has room. */
	session_guest_init(&box, (const int[]){ open("/dev/zero", O_RDONLY), -1, -1, -1 }, "{}");
	socket->is_deaf = true;
	session_guest_reach(&box, SESSION_RUNNING);
	is_int(socket->nr_received, GUEST_BUF_ALLOC);
	session_guest_fini(&box);

	set_up(PROTOCOL_STDOUT, open("/dev/null", O_WRONLY | O_CLOEXEC));
	is_int(session_guest_write(&box, PROTOCOL_STDOUT, sent, LONG_STREAM), LONG_STREAM);
	session_guest_fini(&box);

	/* A disk that is full: the writer feels it, the container goes on. */
	set_up(PROTOCOL_STDOUT, open("/dev/full", O_WRONLY | O_CLOEXEC));
	(void)session_guest_write(&box, PROTOCOL_STDOUT, sent, 10);
	is_int(box.sockets[PROTOCOL_STDOUT].socket.nr_packets[VSOCK_OP_RST], 1);
	ok(!box.session.has_failed);
	session_guest_fini(&box);
}

/* A reader that stops is felt by the guest; it costs the host one buffer. */
static void test_back_pressure(void)
{
	size_t nr_sent, capacity;
	int pair[2];

	open_pair(pair, false, 0);
	capacity = (size_t)fcntl(pair[1], F_GETPIPE_SZ);
	set_up(PROTOCOL_STDOUT, pair[1]);
	nr_sent = session_guest_write(&box, PROTOCOL_STDOUT, sent, LONG_STREAM);
	is_int(nr_sent, capacity + VSOCK_BUFFER_SIZE);
	ok(!box.session.has_failed);
	session_guest_fini(&box);
	(void)close(pair[0]);
}

static void test_reader_goes_away(void)
{
	for (int is_socket = 0; is_socket < 2; is_socket++) {
		int pair[2];

		open_pair(pair, is_socket, 0);
		set_up(PROTOCOL_STDOUT, pair[1]);
		(void)close(pair[0]);
		(void)session_guest_write(&box, PROTOCOL_STDOUT, sent, 10);
		is_int(box.sockets[PROTOCOL_STDOUT].socket.nr_packets[VSOCK_OP_RST], 1);
		ok(!session_guest_connect(&box, PROTOCOL_STDOUT));
		ok(!box.session.has_failed);
		/* The end of the workload does not wait for this stream. */
		session_guest_frame(&box, PROTOCOL_EXITED, 0, false, NULL);
		ok(box.guest.driver.loop.is_stopping);
		session_guest_fini(&box);
	}
}

/* The workload closed the stream in order: its reader sees what was written, then the end. */
static void test_guest_ends(void)
{
	int pair[2];

	open_pair(pair, false, 0);
	set_up(PROTOCOL_STDOUT, pair[1]);
	is_int(session_guest_write(&box, PROTOCOL_STDOUT, "last", 4), 4);
	guest_socket_send_op(&box.guest, &box.sockets[PROTOCOL_STDOUT].socket, VSOCK_OP_SHUTDOWN,
			     VSOCK_SHUTDOWN_SEND | VSOCK_SHUTDOWN_RECEIVE);
	session_guest_run(&box);
	is_int(read(pair[0], taken, sizeof(taken)), 4);
	is_int(read(pair[0], taken, sizeof(taken)), 0);
	session_guest_fini(&box);
	(void)close(pair[0]);
}

static void test_terminal(void)
{
	struct session_guest_socket *socket = &box.sockets[PROTOCOL_TERMINAL];
	int master, slave;
	struct termios raw;

	ok(openpty(&master, &slave, NULL, NULL, NULL) == 0);
	ok(tcgetattr(slave, &raw) == 0);
	cfmakeraw(&raw);
	ok(tcsetattr(slave, TCSANOW, &raw) == 0);
	set_up(PROTOCOL_TERMINAL, slave);
	ok(write(master, "keys", 4) == 4);
	/* The kernel hands bytes through a pty in its own time. */
	for (unsigned int i = 0; i < PATIENCE_MS && socket->nr_received < 4; i++) {
		(void)usleep(1000);
		session_guest_run(&box);
	}
	is_int(socket->nr_received, 4);
	ok(socket->received && memcmp(socket->received, "keys", 4) == 0);
	is_int(session_guest_write(&box, PROTOCOL_TERMINAL, "screen", 6), 6);
	ok(poll(&(struct pollfd){ .fd = master, .events = POLLIN }, 1, PATIENCE_MS) == 1);
	is_int(read(master, taken, sizeof(taken)), 6);
	ok(memcmp(taken, "screen", 6) == 0);
	/* A terminal that hangs up is the end of both directions. */
	(void)close(master);
	session_guest_run(&box);
	is_int(socket->socket.nr_packets[VSOCK_OP_RST], 1);
	session_guest_fini(&box);
}

int main(void)
{
	for (int is_socket = 0; is_socket < 2; is_socket++) {
		check_output(PROTOCOL_STDOUT, is_socket);
		check_input(PROTOCOL_STDIN, is_socket);
	}
	check_output(PROTOCOL_TERMINAL, true);
	check_input(PROTOCOL_TERMINAL, true);
	test_regular_files();
	test_devices();
	test_back_pressure();
	test_reader_goes_away();
	test_guest_ends();
	test_terminal();
	return tap_done();
}
