/* SPDX-License-Identifier: Apache-2.0 */
/* test_guest_stream_pump.c - one direction of a stream: order, back-pressure, both kinds of end */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest-init/stream_pump.h"
#include "tests/unit/tap.h"

static struct stream_pump pump;
static int source_fd; /* the test writes here */
static int sink_fd;   /* and reads there */

/* A pump from a pipe into a socket. */
static void set_up(void)
{
	int from[2];
	int to[2];

	ok(!pipe2(from, O_CLOEXEC | O_NONBLOCK));
	ok(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, to));
	source_fd = from[1];
	sink_fd = to[1];
	stream_pump_init(&pump, from[0], to[0]);
}

static void tear_down(void)
{
	stream_pump_stop(&pump);
	if (source_fd >= 0)
		(void)close(source_fd);
	if (sink_fd >= 0)
		(void)close(sink_fd);
}

static void test_bytes_and_end(void)
{
	char buffer[16] = "";

	set_up();
	ok(pump.is_ready);
	stream_pump_run(&pump);
	ok(!pump.is_ready);
	is_int(write(source_fd, "hello", 5), 5);
	stream_pump_run(&pump);
	is_int(read(sink_fd, buffer, sizeof(buffer)), 5);
	is_str(buffer, "hello");
	is_int(write(source_fd, "bye", 3), 3);
	(void)close(source_fd);
	source_fd = -1;
	stream_pump_run(&pump);
	ok(!stream_pump_is_running(&pump));
	is_int(read(sink_fd, buffer, sizeof(buffer)), 3);
	is_int(read(sink_fd, buffer, sizeof(buffer)), 0);
	/* Running what has stopped is harmless. */
	stream_pump_run(&pump);
	tear_down();
}

/* A socket whose other side is only closed for writing still takes bytes. */
static void test_half_closed_sink(void)
{
	char buffer[16];

	set_up();
	ok(!shutdown(sink_fd, SHUT_WR));
	is_int(write(source_fd, "on", 2), 2);
	stream_pump_run(&pump);
	ok(stream_pump_is_running(&pump));
	is_int(read(sink_fd, buffer, sizeof(buffer)), 2);
	tear_down();
}

static void test_back_pressure(void)
{
	static char block[4096], got[4096];
	size_t nr_written = 0;
	size_t nr_read = 0;
	bool is_intact = true;
	ssize_t n = 0;

	set_up();
	/* Until source, pump and sink are full. */
	for (unsigned int idle = 0; idle < 2;) {
		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = (char)((nr_written + i) % 251);
		n = write(source_fd, block, sizeof(block));
		if (n > 0)
			nr_written += (size_t)n;
		idle = n > 0 ? 0 : idle + 1;
		stream_pump_run(&pump);
	}
	ok(pump.len > 0);
	ok(!pump.is_ready);
	ok(nr_written < 4u << 20);
	(void)close(source_fd);
	source_fd = -1;
	while (nr_read < nr_written) {
		n = read(sink_fd, got, sizeof(got));
		for (ssize_t i = 0; i < n; i++)
			is_intact = is_intact && got[i] == (char)((nr_read + (size_t)i) % 251);
		if (n > 0)
			nr_read += (size_t)n;
		stream_pump_run(&pump);
		if (n == 0)
			break;
	}
	is_int(nr_read, nr_written);
	ok(is_intact);
	ok(!stream_pump_is_running(&pump));
	tear_down();
}

static void test_turns_are_bounded(void)
{
	int zero_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	stream_pump_init(&pump, zero_fd, null_fd);
	stream_pump_run(&pump);
	ok(pump.is_ready);
	ok(stream_pump_is_running(&pump));
	stream_pump_stop(&pump);
	ok(!pump.is_ready);
}

static void test_closed_sink_reaches_the_writer(void)
{
	set_up();
	(void)close(sink_fd);
	sink_fd = -1;
	is_int(write(source_fd, "x", 1), 1);
	stream_pump_run(&pump);
	ok(!stream_pump_is_running(&pump));
	is_int(write(source_fd, "x", 1), -1);
	is_int(errno, EPIPE);
	tear_down();
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	test_bytes_and_end();
	test_half_closed_sink();
	test_back_pressure();
	test_turns_are_bounded();
	test_closed_sink_reaches_the_writer();
	return tap_done();
}
