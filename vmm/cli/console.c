/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/cli/descriptor_socket.h"

int console_pty_open(struct console_pty *ret_pty, uint16_t rows, uint16_t columns,
		     struct error *err)
{
	AUTO_CLOSE int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	AUTO_CLOSE int slave = -1;
	const struct winsize size = { .ws_row = rows, .ws_col = columns };
	struct termios attributes;

	if (master < 0 || unlockpt(master) < 0)
		return error_set(err, errno, "open a pseudo-terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || tcgetattr(slave, &attributes) < 0)
		return error_set(err, errno, "open a pseudo-terminal");
	cfmakeraw(&attributes);
	if (tcsetattr(slave, TCSANOW, &attributes) < 0)
		return error_set(err, errno, "set up a pseudo-terminal");
	if (rows && columns)
		(void)ioctl(slave, TIOCSWINSZ, &size);
	ret_pty->master_fd = fd_take(&master);
	ret_pty->slave_fd = fd_take(&slave);
	return 0;
}

void console_pty_close(struct console_pty *pty)
{
	fd_close(&pty->master_fd);
	fd_close(&pty->slave_fd);
}

int console_pty_send(const struct console_pty *pty, const char *socket_path, struct error *err)
{
	AUTO_CLOSE int fd = descriptor_socket_connect("--console-socket", socket_path, err);
	char name[64];

	if (fd < 0)
		return fd;
	if (ptsname_r(pty->master_fd, name, sizeof(name)))
		return error_set(err, errno, "name the pseudo-terminal");
	return descriptor_socket_send("--console-socket", fd, pty->master_fd, name, err);
}

static void copy_window_size(int from_fd, int to_fd)
{
	struct winsize size;

	if (ioctl(from_fd, TIOCGWINSZ, &size) == 0)
		(void)ioctl(to_fd, TIOCSWINSZ, &size);
}

/* Copy what is there now. Returns false at the end of @from_fd. */
static bool copy_some(int from_fd, int to_fd)
{
	char buffer[4096];
	ssize_t n = read(from_fd, buffer, sizeof(buffer));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	return n > 0 && file_write_full(to_fd, buffer, (size_t)n) == 0;
}

/* Returns true and the wait status when the signal was the news of @pid's end. */
static bool handle_signal(const struct console_pty *pty, pid_t pid, int signal_fd, int *ret_status)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return false;
	if (info.ssi_signo == SIGCHLD)
		return waitpid(pid, ret_status, WNOHANG) == pid;
	if (info.ssi_signo == SIGWINCH && pty->master_fd >= 0)
		copy_window_size(STDIN_FILENO, pty->master_fd);
	else
		(void)kill(pid, (int)info.ssi_signo);
	return false;
}

static int relay(const struct console_pty *pty, pid_t pid, int signal_fd)
{
	struct pollfd pollfds[] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = pty->master_fd, .events = POLLIN },
		{ .fd = pty->master_fd >= 0 ? STDIN_FILENO : -1, .events = POLLIN },
	};
	int status;

	for (;;) {
		if (poll(pollfds, ARRAY_SIZE(pollfds), -1) < 0 && errno != EINTR)
			return -1;
		if (pollfds[0].revents && handle_signal(pty, pid, signal_fd, &status))
			break;
		if (pollfds[1].revents && !copy_some(pty->master_fd, STDOUT_FILENO))
			pollfds[1].fd = -1;
		if (pollfds[2].revents && !copy_some(STDIN_FILENO, pty->master_fd))
			pollfds[2].fd = -1;
	}
	/* What the workload wrote before its end is in the pty by now. */
	while (poll(&pollfds[1], 1, 0) > 0 && copy_some(pty->master_fd, STDOUT_FILENO))
		;
	return status;
}

int console_proxy(const struct console_pty *pty, pid_t pid, int signal_fd)
{
	struct termios saved = { 0 }, raw;
	bool is_terminal = pty->master_fd >= 0 && tcgetattr(STDIN_FILENO, &saved) == 0;
	int status;

	/* A reader of ours that goes away must not leave the terminal as it is now. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (is_terminal) {
		copy_window_size(STDIN_FILENO, pty->master_fd);
		raw = saved;
		cfmakeraw(&raw);
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	status = relay(pty, pid, signal_fd);
	if (is_terminal)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	return status;
}
