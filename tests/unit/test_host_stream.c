/* SPDX-License-Identifier: Apache-2.0 */
/* test_host_stream.c - streams that other processes share: never blocked on, never changed */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "vmm/backend/host_stream.h"

#define NOBODY 65534
#define MAX_PIECES 100000
#define PATIENCE_MS 10000

static struct event_loop loop;
static char bytes[1 << 20];

static unsigned int nr_events;

static void on_event(void *context, uint32_t events)
{
	(void)context;
	(void)events;
	nr_events++;
}

/* Whether an event comes at once; what the stream keeps to itself comes no more than once. */
static bool has_event(void)
{
	struct epoll_event event;

	nr_events = 0;
	for (unsigned int i = 0; i < 2 && epoll_wait(loop.epoll_fd, &event, 1, 0) == 1; i++) {
		const struct event_source *source = event.data.ptr;

		source->on_event(source->context, event.events);
		if (nr_events)
			return true;
	}
	is_int(epoll_wait(loop.epoll_fd, &event, 1, 0), 0);
	return false;
}

static void init(struct host_stream *stream, int fd)
{
	struct error err;
	int again = host_stream_duplicate(fd, &err);

	ok(again > STDERR_FILENO);
	(void)close(fd);
	is_int(host_stream_init(stream, again, &loop, on_event, NULL, &err), 0);
}

/* Write until it would block. Returns the bytes, or the error that came instead. */
static ssize_t fill(struct host_stream *stream)
{
	ssize_t total = 0, n = 0;

	for (unsigned int i = 0; i < MAX_PIECES; i++) {
		n = host_stream_write(stream, bytes, sizeof(bytes));
		if (n <= 0)
			break;
		total += n;
	}
	return n == -EAGAIN ? total : n;
}

/* What is true of every stream that can be full; @pair[1] is ours. */
static void check_full(int pair[2])
{
	int flags = fcntl(pair[0], F_GETFL);
	struct host_stream stream;
	ssize_t filled;
	int kept = dup(pair[1]);

	init(&stream, pair[1]);
	filled = fill(&stream);
	ok(filled >= 4096);
	is_int(host_stream_write(&stream, bytes, 1), -EAGAIN);
	ok(!host_stream_watch(&stream, EPOLLOUT));
	ok(!has_event());
	ok(read(pair[0], bytes, sizeof(bytes)) > 0);
	/* A socket says that it is writable when more of it was taken. */
	while (fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0 && read(pair[0], bytes, 65536) > 0)
		continue;
	ok(has_event());
	ok(host_stream_write(&stream, bytes, 1) == 1);
	/* The description that others share has not become non-blocking. */
	is_int(fcntl(kept, F_GETFL) & O_NONBLOCK, 0);
	is_int(flags & O_NONBLOCK, 0);
	host_stream_close(&stream);
	is_int(stream.fd, -1);
	host_stream_close(&stream);
	(void)close(kept);
	(void)close(pair[0]);
}

static void test_full(void)
{
	int pair[2];

	ok(pipe(pair) == 0);
	check_full(pair);
	ok(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	check_full(pair);
}

/* What is true of every stream that can be empty; @pair[0] is ours. */
static void check_empty(int pair[2])
{
	struct host_stream stream;
	char taken[8];

	init(&stream, pair[0]);
	is_int(host_stream_read(&stream, taken, sizeof(taken)), -EAGAIN);
	ok(!host_stream_watch(&stream, EPOLLIN));
	ok(!has_event());
	ok(write(pair[1], "abc", 3) == 3);
	ok(has_event());
	ok(!host_stream_watch(&stream, 0));
	ok(!has_event());
	is_int(host_stream_read(&stream, taken, sizeof(taken)), 3);
	/* Unwatched, not even the end is an event. */
	(void)close(pair[1]);
	ok(!has_event());
	is_int(host_stream_read(&stream, taken, sizeof(taken)), 0);
	ok(!host_stream_watch(&stream, EPOLLIN));
	ok(has_event());
	host_stream_close(&stream);
	ok(!has_event());
}

static void test_empty(void)
{
	int pair[2];

	ok(pipe(pair) == 0);
	check_empty(pair);
	ok(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	check_empty(pair);
}

static void test_reader_is_gone(void)
{
	struct host_stream stream;
	int pair[2];

	/* Before the stream is ours, when a pipe cannot be opened again, and after. */
	for (int is_socket = 0; is_socket < 2; is_socket++)
		for (int is_late = 0; is_late < 2; is_late++) {
			ok((is_socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, pair) : pipe(pair)) ==
			   0);
			if (!is_late)
				(void)close(pair[0]);
			init(&stream, pair[1]);
			if (is_late)
				(void)close(pair[0]);
			is_int(host_stream_write(&stream, bytes, 1), -EPIPE);
			host_stream_close(&stream);
		}
}

static void test_always_ready(void)
{
	struct host_stream stream;
	char taken[8];
	int fd = memfd_create("stream", 0);

	ok(write(fd, "abc", 3) == 3 && lseek(fd, 0, SEEK_SET) == 0);
	init(&stream, fd);
	ok(host_stream_watch(&stream, EPOLLIN));
	ok(!host_stream_watch(&stream, 0));
	is_int(host_stream_read(&stream, taken, sizeof(taken)), 3);
	is_int(host_stream_read(&stream, taken, sizeof(taken)), 0);
	host_stream_close(&stream);
	ok(!host_stream_watch(&stream, EPOLLIN));

	init(&stream, open("/dev/null", O_RDWR));
	ok(host_stream_watch(&stream, EPOLLOUT));
	is_int(host_stream_write(&stream, bytes, sizeof(bytes)), sizeof(bytes));
	is_int(host_stream_read(&stream, taken, sizeof(taken)), 0);
	host_stream_close(&stream);

	init(&stream, open("/dev/full", O_WRONLY));
	is_int(host_stream_write(&stream, bytes, 1), -ENOSPC);
	host_stream_close(&stream);
}

static void test_terminal(void)
{
	struct host_stream stream;
	int master, slave;
	char taken[8];

	ok(openpty(&master, &slave, NULL, NULL, NULL) == 0);
	init(&stream, slave);
	ok(!stream.is_blocking);
	is_int(host_stream_read(&stream, taken, sizeof(taken)), -EAGAIN);
	ok(write(master, "ab\n", 3) == 3);
	/* The kernel hands bytes through a pty in its own time. */
	ok(poll(&(struct pollfd){ .fd = stream.fd, .events = POLLIN }, 1, PATIENCE_MS) == 1);
	is_int(host_stream_read(&stream, taken, sizeof(taken)), 3);
	(void)close(master);
	is_int(host_stream_read(&stream, taken, sizeof(taken)), 0); /* as read(2) of a hang-up */
	host_stream_close(&stream);
}

/* The master of a pty, which is ours alone: to open it again would make another terminal. */
static void test_own(void)
{
	struct host_stream stream;
	struct termios raw;
	struct error err;
	int master, slave;
	char taken[8];

	ok(openpty(&master, &slave, NULL, NULL, NULL) == 0);
	ok(tcgetattr(slave, &raw) == 0);
	cfmakeraw(&raw); /* no echo of what is written */
	ok(tcsetattr(slave, TCSANOW, &raw) == 0);
	is_int(host_stream_init_own(&stream, master, &loop, on_event, NULL, &err), 0);
	is_int(stream.fd, master);
	is_int(host_stream_read(&stream, taken, sizeof(taken)), -EAGAIN);
	ok(!host_stream_watch(&stream, EPOLLIN));
	ok(!has_event());
	ok(write(slave, "ab", 2) == 2);
	ok(poll(&(struct pollfd){ .fd = stream.fd, .events = POLLIN }, 1, PATIENCE_MS) == 1);
	ok(has_event());
	is_int(host_stream_read(&stream, taken, sizeof(taken)), 2);
	ok(fill(&stream) >= 4096);
	ok(!host_stream_watch(&stream, 0));
	(void)close(slave);
	ok(!has_event());
	is_int(host_stream_read(&stream, taken, sizeof(taken)), -EIO);
	ok(!host_stream_watch(&stream, EPOLLIN));
	ok(has_event());
	host_stream_close(&stream);
	is_int(host_stream_init_own(&stream, 1 << 20, &loop, on_event, NULL, &err), -EBADF);
	is_int(stream.fd, -1);
}

/* From now on the kernel refuses to watch any descriptor more, as if its memory had run out. */
static bool exhaust_watches(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	bool is_done = filter &&
		       seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSPC), SCMP_SYS(epoll_ctl), 1,
					SCMP_A1(SCMP_CMP_EQ, EPOLL_CTL_ADD)) == 0 &&
		       seccomp_load(filter) == 0;

	seccomp_release(filter);
	return is_done;
}

/* In a child, which exits with the number of checks that failed. */
static int check_exhausted(void)
{
	struct host_stream stream, late;
	struct error err;
	char taken[8];
	int pair[2];

	ok(pipe(pair) == 0);
	init(&stream, pair[0]);
	ok(!host_stream_watch(&stream, EPOLLIN));
	ok(!host_stream_watch(&stream, 0));
	ok(exhaust_watches());
	/* Class: a stream that was left unwatched for a while stalls for ever. */
	for (unsigned int i = 0; i < 3; i++) {
		ok(!host_stream_watch(&stream, EPOLLIN));
		ok(!has_event());
		ok(write(pair[1], "a", 1) == 1);
		ok(has_event());
		is_int(host_stream_read(&stream, taken, sizeof(taken)), 1);
		ok(!host_stream_watch(&stream, 0));
	}
	is_int(host_stream_init(&late, pair[1], &loop, on_event, NULL, &err), -ENOSPC);
	host_stream_close(&stream);
	return tap_failures > 0;
}

static void test_exhausted(void)
{
	int status = -1;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		tap_failures = 0;
		(void)dup2(STDERR_FILENO, STDOUT_FILENO); /* the plan is the parent's */
		status = check_exhausted();
		(void)fflush(stdout);
		_exit(status);
	}
	ok(pid > 0 && waitpid(pid, &status, 0) == pid);
	is_int(status, 0);
}

static void test_bad_descriptor(void)
{
	struct host_stream stream;
	struct error err;

	is_int(host_stream_duplicate(1 << 20, &err), -EBADF);
	is_int(host_stream_init(&stream, 1 << 20, &loop, on_event, NULL, &err), -EBADF);
	is_int(stream.fd, -1);
}

/* The rest runs as a user who may not open the pipes of others again. */
static int check_as_other_user(int readable[2], int writable[2])
{
	struct host_stream input, output;
	char taken[8];

	if (setuid(NOBODY) < 0)
		return 1;
	init(&input, readable[0]);
	ok(input.is_blocking);
	is_int(host_stream_read(&input, taken, sizeof(taken)), -EAGAIN);
	ok(write(readable[1], "abc", 3) == 3);
	is_int(host_stream_read(&input, taken, sizeof(taken)), 3);
	(void)close(readable[1]);
	is_int(host_stream_read(&input, taken, sizeof(taken)), 0);
	init(&output, writable[1]);
	ok(output.is_blocking);
	ok(fill(&output) >= 65536 - 4096);
	ok(!host_stream_watch(&output, EPOLLOUT));
	ok(!has_event());
	ok(read(writable[0], bytes, 65536) > 4096);
	ok(has_event());
	ok(host_stream_write(&output, bytes, sizeof(bytes)) > 0);
	(void)close(writable[0]);
	is_int(host_stream_write(&output, bytes, 1), -EPIPE);
	host_stream_close(&input);
	host_stream_close(&output);
	(void)fflush(stdout);
	return tap_failures > 0;
}

static void test_pipes_of_another_user(void)
{
	int readable[2], writable[2], ready[2];
	int status = -1;
	pid_t pid;

	if (geteuid() != 0) {
		printf("ok %u - pipes of another user # SKIP needs root\n", ++tap_checks);
		return;
	}
	ok(pipe(readable) == 0 && pipe(writable) == 0 && pipe(ready) == 0);
	ok(fchmod(readable[0], 0) == 0 && fchmod(writable[0], 0) == 0);
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		/* Until the parent's copies of the pipes are closed. */
		(void)close(ready[1]);
		(void)!read(ready[0], bytes, 1);
		/* The plan is the parent's: the child's checks are one of its. */
		(void)dup2(null, STDOUT_FILENO);
		(void)alarm(20);
		_exit(check_as_other_user(readable, writable));
	}
	for (int i = 0; i < 2; i++) {
		(void)close(readable[i]);
		(void)close(writable[i]);
	}
	(void)close(ready[0]);
	(void)close(ready[1]);
	ok(pid > 0 && waitpid(pid, &status, 0) == pid);
	is_int(status, 0);
}

int main(void)
{
	struct error err;

	/* As in the monitor: a broken pipe is an error code. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)alarm(60); /* a call that blocks is what must not happen */
	ok(event_loop_init(&loop, &err) == 0);
	test_full();
	test_empty();
	test_reader_is_gone();
	test_always_ready();
	test_terminal();
	test_own();
	test_exhausted();
	test_bad_descriptor();
	test_pipes_of_another_user();
	event_loop_fini(&loop);
	return tap_done();
}
