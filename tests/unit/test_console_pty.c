/* SPDX-License-Identifier: Apache-2.0 */
/* test_console_pty.c - a container's pty: raw, sent to an engine, relayed in the foreground */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/cli/console.h"

static struct error err;

static void test_open(void)
{
	struct termios attributes;
	struct console_pty pty;
	struct winsize size;
	char bytes[8];

	is_int(console_pty_open(&pty, 33, 111, &err), 0);
	ok(ioctl(pty.slave_fd, TIOCGWINSZ, &size) == 0);
	is_int(size.ws_row, 33);
	is_int(size.ws_col, 111);
	ok(tcgetattr(pty.slave_fd, &attributes) == 0);
	is_int(attributes.c_lflag & (ECHO | ICANON | ISIG), 0);
	is_int(attributes.c_oflag & OPOST, 0);
	/* Bytes pass as they are. */
	ok(write(pty.slave_fd, "a\n", 2) == 2);
	is_int(read(pty.master_fd, bytes, sizeof(bytes)), 2);
	ok(write(pty.master_fd, "\003b", 2) == 2);
	is_int(read(pty.slave_fd, bytes, sizeof(bytes)), 2);
	ok(fcntl(pty.master_fd, F_GETFD) & FD_CLOEXEC);
	ok(fcntl(pty.slave_fd, F_GETFD) & FD_CLOEXEC);
	console_pty_close(&pty);
	ok(pty.master_fd == -1 && pty.slave_fd == -1);
	console_pty_close(&pty);
}

/* What an engine does: receive one descriptor. Returns it, or -1. */
static int receive_descriptor(int listener)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(4 * sizeof(int))];
	} control;
	char name[64];
	struct iovec payload = { name, sizeof(name) };
	struct msghdr message = { .msg_iov = &payload,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int connection = accept(listener, NULL, NULL), fd = -1;
	ssize_t n = recvmsg(connection, &message, 0);

	ok(n > 0 && strncmp(name, "/dev/pts/", 9) == 0);
	is_int(control.header.cmsg_type, SCM_RIGHTS);
	is_int(control.header.cmsg_len, CMSG_LEN(sizeof(int)));
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	is_int(recvmsg(connection, &message, 0), 0); /* the end */
	(void)close(connection);
	return fd;
}

static void test_send(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char directory[SCRATCH_DIR_SIZE], too_long[sizeof(address.sun_path) + 1], bytes[8];
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	struct console_pty pty;

	scratch_dir_make(directory);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/tty", directory);
	is_int(console_pty_open(&pty, 0, 0, &err), 0);
	is_int(console_pty_send(&pty, address.sun_path, &err), -ENOENT);
	ok(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
	is_int(console_pty_send(&pty, address.sun_path, &err), -ECONNREFUSED);
	ok(listen(listener, 1) == 0);
	is_int(console_pty_send(&pty, address.sun_path, &err), 0);
	fd = receive_descriptor(listener);
	ok(write(pty.slave_fd, "x", 1) == 1);
	is_int(read(fd, bytes, sizeof(bytes)), 1);
	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = 0;
	is_int(console_pty_send(&pty, too_long, &err), -ENAMETOOLONG);
	(void)close(fd);
	(void)close(listener);
	console_pty_close(&pty);
	scratch_dir_remove(directory);
}

/* --- the foreground -------------------------------------------------------------------------- */

/* The workload's side of the terminal: greet, take one line, answer, end. */
static void workload(int slave_fd)
{
	char line[16];
	ssize_t n;

	(void)!write(slave_fd, "hello\n", 6);
	n = read(slave_fd, line, sizeof(line));
	if (n > 0)
		(void)!write(slave_fd, line, (size_t)n);
	_exit(n == 4 && memcmp(line, "keys", 4) == 0 ? 42 : 1);
}

/* `run`: its standard streams are @input and @output. Ends with the workload's code or signal. */
static void foreground(int input, int output)
{
	struct console_pty pty;
	int signal_fd, status;
	sigset_t set;
	pid_t pid;

	(void)alarm(20);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGWINCH);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (console_pty_open(&pty, 24, 80, &err) < 0)
		_exit(99);
	pid = fork();
	if (pid == 0) {
		(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
		workload(pty.slave_fd);
	}
	(void)dup2(input, STDIN_FILENO);
	(void)dup2(output, STDOUT_FILENO);
	status = console_proxy(&pty, pid, signal_fd);
	_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static int read_exactly(int fd, char *bytes, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len && (n = read(fd, bytes + done, len - done)) > 0)
		done += (size_t)n;
	bytes[done] = 0;
	return (int)done;
}

static void check_foreground(bool is_killed, int want)
{
	int input[2], output[2], status = -1;
	char bytes[32];
	pid_t pid;

	ok(pipe2(input, O_CLOEXEC) == 0 && pipe2(output, O_CLOEXEC) == 0);
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		foreground(input[0], output[1]);
	(void)close(input[0]);
	(void)close(output[1]);
	is_int(read_exactly(output[0], bytes, 6), 6);
	is_str(bytes, "hello\n");
	if (is_killed)
		ok(kill(pid, SIGTERM) == 0); /* passed on */
	else
		ok(write(input[1], "keys", 4) == 4);
	/* What was written just before the end arrives, too. */
	(void)read_exactly(output[0], bytes, sizeof(bytes) - 1);
	is_str(bytes, is_killed ? "" : "keys");
	ok(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	is_int(WEXITSTATUS(status), want);
	(void)close(input[1]);
	(void)close(output[0]);
}

int main(void)
{
	(void)alarm(60);
	test_open();
	test_send();
	check_foreground(false, 42);
	check_foreground(true, 128 + SIGTERM);
	return tap_done();
}
