/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/exec_proxy.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/backend/host_stream.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/close_descriptors.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/base/signals.h"
#include "vmm/cli/container_cgroup.h"
#include "vmm/container/launch_message.h"
#include "vmm/container/stop_signal.h"
#include "vmm/session/control_socket.h"

#define EXIT_LOST 137 /* the container is gone: as if killed */
#define EXIT_NOT_STARTED 255

struct proxy {
	int connection_fd;
	int terminal_fd; /* -1: none */
	int sync_fd;	 /* -1 once the parent lets go */
	int signal_fd;
};

static int ask(const struct exec_request *request, int connection_fd, struct error *err)
{
	AUTO_CLOSE int text_fd = control_text_open(request->process, err);
	bool has_terminal = request->terminal_fd >= 0;
	int streams[] = {
		has_terminal ? request->terminal_fd : request->stdio_fds[0],
		request->stdio_fds[1],
		request->stdio_fds[2],
	};
	int fds[1 + ARRAY_SIZE(streams)] = { text_fd };
	unsigned int nr_streams = has_terminal ? 1 : ARRAY_SIZE(streams), nr = 1;
	static struct control_reply reply; /* large */
	int r = text_fd;

	while (r >= 0 && nr <= nr_streams) {
		r = host_stream_duplicate(streams[nr - 1], err);
		if (r >= 0)
			fds[nr++] = r;
	}
	if (r >= 0)
		r = control_send(connection_fd, CONTROL_EXEC, (uint32_t)getpid(), fds, nr, err);
	while (nr > 1)
		fd_close(&fds[--nr]);
	if (!r)
		r = control_receive(connection_fd, &reply, -1, err);
	if (r < 0 || !reply.code)
		return r;
	(void)error_invalid(err, "%s", reply.text);
	err->code = reply.code;
	return -reply.code;
}

static void send_window_size(const struct proxy *proxy, struct error *ignored)
{
	struct winsize size;

	if (ioctl(proxy->terminal_fd, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
		(void)control_send(proxy->connection_fd, CONTROL_RESIZE,
				   (uint32_t)size.ws_row << 16 | size.ws_col, NULL, 0, ignored);
}

static void on_signal(const struct proxy *proxy, struct error *ignored)
{
	struct signalfd_siginfo info;

	if (read(proxy->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH && proxy->terminal_fd >= 0)
		send_window_size(proxy, ignored);
	else
		(void)control_send(proxy->connection_fd, CONTROL_SIGNAL, info.ssi_signo, NULL, 0,
				   ignored);
}

/* The parent has written down our pid, or is gone before it did. */
static void on_parent(struct proxy *proxy)
{
	struct launch_message message;

	if (launch_message_receive(proxy->sync_fd, &message) != 1 || message.type != LAUNCH_COMMIT)
		_exit(EXIT_NOT_STARTED);
	(void)prctl(PR_SET_PDEATHSIG, 0);
	launch_message_send(proxy->sync_fd, LAUNCH_COMMITTED, NULL);
	fd_close(&proxy->sync_fd);
}

/*
 * The process has ended, and all it wrote is in the terminal. A session's leader that ends hangs
 * its terminal up, which throws away what was not read yet.
 */
static _Noreturn void end(const struct proxy *proxy, int code)
{
	if (proxy->terminal_fd >= 0)
		(void)ioctl(proxy->terminal_fd, TIOCNOTTY);
	_exit(code);
}

static _Noreturn void wait_for_end(struct proxy *proxy, struct error *ignored)
{
	for (;;) {
		struct pollfd pollfds[] = {
			{ .fd = proxy->connection_fd, .events = POLLIN },
			{ .fd = proxy->signal_fd, .events = POLLIN },
			{ .fd = proxy->sync_fd, .events = POLLIN },
		};
		static struct control_reply reply; /* large */

		if (poll(pollfds, ARRAY_SIZE(pollfds), -1) < 0 && errno != EINTR)
			_exit(EXIT_LOST);
		if (pollfds[2].revents)
			on_parent(proxy);
		if (pollfds[1].revents)
			on_signal(proxy, ignored);
		if (pollfds[0].revents)
			end(proxy, control_receive(proxy->connection_fd, &reply, -1, ignored) < 0
					   ? EXIT_LOST
					   : reply.code & 0xff);
	}
}

/* Window sizes are told to the session that the terminal controls. */
static int prepare(struct proxy *proxy, const struct exec_request *request, struct error *err)
{
	if (request->terminal_fd >= 0) {
		(void)setsid();
		(void)ioctl(request->terminal_fd, TIOCSCTTY, 0);
	}
	proxy->signal_fd = signals_open(false, err);
	if (proxy->signal_fd < 0)
		return proxy->signal_fd;
	proxy->connection_fd = control_connect(request->state->dir_fd, -1, err);
	return proxy->connection_fd < 0 ? proxy->connection_fd : 0;
}

static _Noreturn void run(const struct exec_request *request, int sync_fd)
{
	struct proxy proxy = {
		.connection_fd = -1,
		.terminal_fd = request->terminal_fd,
		.sync_fd = sync_fd,
		.signal_fd = -1,
	};
	struct error err;
	int r;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "exec");
	r = container_cgroup_join(request->state, &err);
	if (!r)
		r = prepare(&proxy, request, &err);
	if (!r)
		r = ask(request, proxy.connection_fd, &err);
	if (r < 0) {
		launch_message_send(sync_fd, LAUNCH_FAILED, &err);
		_exit(EXIT_NOT_STARTED);
	}
	/* An engine may have resized the terminal before it was ours, when nobody was told. */
	if (proxy.terminal_fd >= 0)
		send_window_size(&proxy, &err);
	launch_message_send(sync_fd, LAUNCH_CREATED, NULL);
	/* The engine waits for the end of its pipes: what the monitor has is all there is. */
	close_descriptors_except(
		(int[]){ proxy.connection_fd, proxy.terminal_fd, proxy.sync_fd, proxy.signal_fd },
		4);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		(void)close(fd);
	(void)!chdir("/");
	wait_for_end(&proxy, &err);
}

/* Returns -EPIPE when the proxy ended without a word. */
static int expect(int sync_fd, enum launch_message_type type, struct error *err)
{
	struct launch_message message;
	int r = launch_message_receive(sync_fd, &message);

	if (r != 1)
		return error_set(err, EPIPE, "hear from the host's process");
	if (message.type == LAUNCH_FAILED) {
		(void)error_invalid(err, "%s", message.text);
		err->code = message.code > 0 ? message.code : EIO;
		return -err->code;
	}
	return message.type == type ? 0
				    : error_invalid(err, "the host's process answers out of "
							 "turn");
}

/* Wait until the proxy says something, unless a signal on @signal_fd says to stop. */
static int await_news(int sync_fd, int signal_fd, struct error *err)
{
	for (;;) {
		struct pollfd pollfds[] = {
			{ .fd = sync_fd, .events = POLLIN },
			{ .fd = signal_fd, .events = POLLIN },
		};

		if (poll(pollfds, ARRAY_SIZE(pollfds), -1) < 0 && errno != EINTR)
			return error_set(err, errno, "wait for the host's process");
		if (pollfds[0].revents)
			return 0;
		/* A guest that hangs never answers. */
		if (pollfds[1].revents && stop_signal_read(signal_fd))
			return error_set(err, EINTR, "wait for the guest");
	}
}

int exec_proxy_start(const struct exec_request *request, int signal_fd, struct exec_proxy *ret,
		     struct error *err)
{
	int sync_fds[2];
	pid_t pid;
	int r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync_fds) < 0)
		return error_set(err, errno, "create a socket pair");
	pid = fork();
	if (pid == 0) {
		(void)close(sync_fds[0]);
		run(request, sync_fds[1]);
	}
	r = pid < 0 ? error_set(err, errno, "start the host's process") : 0;
	(void)close(sync_fds[1]);
	*ret = (struct exec_proxy){ .pid = pid, .sync_fd = sync_fds[0] };
	if (!r)
		r = await_news(ret->sync_fd, signal_fd, err);
	if (!r)
		r = expect(ret->sync_fd, LAUNCH_CREATED, err);
	if (r < 0)
		exec_proxy_abort(ret);
	return r;
}

void exec_proxy_release(struct exec_proxy *proxy)
{
	struct error ignored;

	launch_message_send(proxy->sync_fd, LAUNCH_COMMIT, NULL);
	/* It may have ended by now, with its process. */
	(void)expect(proxy->sync_fd, LAUNCH_COMMITTED, &ignored);
	fd_close(&proxy->sync_fd);
}

void exec_proxy_abort(struct exec_proxy *proxy)
{
	if (proxy->pid > 0) {
		(void)kill(proxy->pid, SIGKILL);
		while (waitpid(proxy->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	fd_close(&proxy->sync_fd);
}
