/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/console_proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/backend/host_stream.h"
#include "vmm/base/fd.h"
#include "vmm/cli/raw_terminal.h"
#include "vmm/event/event_loop.h"

#define PUMP_SIZE 4096
#define PUMP_TURN 16 /* buffers before the other direction has its turn */

/* No pty holds more: 8 KiB, the line discipline's 4 KiB, and what its pieces are rounded up by. */
#define PTY_HOLDS_MAX ((size_t)64 * 1024)

struct pump {
	struct host_stream *from, *to;
	size_t start, len; /* what of the buffer is to be written */
	bool is_idle;	   /* the last read found nothing */
	bool is_at_end;	   /* nothing more is read */
	bool is_broken;	   /* nobody takes its bytes any more */
	char buffer[PUMP_SIZE];
};

struct proxy {
	struct event_loop loop;
	struct event_source signals;
	struct host_stream input, output, master;
	struct pump to_master, from_master;
	struct raw_terminal terminal;
	struct console_pty *pty;
	pid_t pid;
	bool was_suspended;
	bool has_ended; /* @pid has, with @status */
	int status;
	size_t nr_read_since; /* bytes from the master since it ended */
};

/* --- bytes ----------------------------------------------------------------------------------- */

static void pump_init(struct pump *pump, struct host_stream *from, struct host_stream *to)
{
	*pump = (struct pump){ .from = from, .to = to };
}

static void pump_stop(struct pump *pump)
{
	pump->is_at_end = true;
	pump->is_broken = true;
	pump->len = 0;
}

/* Returns false when there is nothing to write, now or ever. */
static bool pump_fill(struct pump *pump)
{
	ssize_t n;

	if (pump->is_at_end)
		return false;
	n = host_stream_read(pump->from, pump->buffer, sizeof(pump->buffer));
	pump->is_idle = n == -EAGAIN;
	pump->is_at_end = n <= 0 && n != -EAGAIN;
	if (n <= 0)
		return false;
	pump->start = 0;
	pump->len = (size_t)n;
	return true;
}

/* Returns false when not all could be written. */
static bool pump_drain(struct pump *pump)
{
	while (pump->len > 0) {
		ssize_t n = host_stream_write(pump->to, pump->buffer + pump->start, pump->len);

		if (n < 0 && n != -EAGAIN)
			pump_stop(pump);
		if (n < 0)
			return false;
		pump->start += (size_t)n;
		pump->len -= (size_t)n;
	}
	return true;
}

/* Returns the number of bytes read. */
static size_t pump_run(struct pump *pump)
{
	size_t nr_read = 0;

	for (unsigned int i = 0; pump_drain(pump) && i < PUMP_TURN; i++) {
		if (!pump_fill(pump))
			break;
		nr_read += pump->len;
	}
	return nr_read;
}

/* The events of its source that this pump waits for, and of its destination. */
static uint32_t pump_wants_input(const struct pump *pump)
{
	return pump->len == 0 && !pump->is_at_end ? EPOLLIN : 0;
}

static uint32_t pump_wants_output(const struct pump *pump)
{
	return pump->len > 0 ? EPOLLOUT : 0;
}

/* --- the terminal ---------------------------------------------------------------------------- */

/* The master's last user leaves: the container's terminal hangs up. */
static void hang_up(struct proxy *proxy)
{
	pump_stop(&proxy->to_master);
	pump_stop(&proxy->from_master);
	host_stream_close(&proxy->master);
	fd_close(&proxy->pty->master_fd);
}

static bool has_terminal_hung_up(const struct proxy *proxy)
{
	struct pollfd pollfd = { .fd = proxy->input.fd, .events = 0 };

	return raw_terminal_exists(&proxy->terminal) && poll(&pollfd, 1, 0) > 0 &&
	       pollfd.revents & POLLHUP;
}

static void watch(struct proxy *proxy)
{
	uint32_t wants =
		pump_wants_output(&proxy->to_master) | pump_wants_input(&proxy->from_master);

	/* Input that is always there is read when the master has room for it. */
	if (host_stream_watch(&proxy->input, pump_wants_input(&proxy->to_master)))
		wants |= EPOLLOUT;
	(void)host_stream_watch(&proxy->output, pump_wants_output(&proxy->from_master));
	(void)host_stream_watch(&proxy->master, wants);
}

/* Whether what @pid wrote is passed on. Others, left behind by it, may write for ever. */
static bool is_drained(const struct proxy *proxy)
{
	const struct pump *pump = &proxy->from_master;

	return pump->len == 0 &&
	       (pump->is_at_end || pump->is_idle || proxy->nr_read_since > PTY_HOLDS_MAX);
}

static void pass_output_on(struct proxy *proxy)
{
	struct pump *pump = &proxy->from_master;

	(void)pump_run(pump);
	/* No event tells that nothing more is there. */
	while (proxy->has_ended && pump->len == 0 && !is_drained(proxy))
		proxy->nr_read_since += pump_run(pump);
}

/* Move what can be moved, and see what there is to wait for. */
static void advance(struct proxy *proxy)
{
	/* What is typed from now on is for who has the terminal after us. */
	if (proxy->has_ended)
		pump_stop(&proxy->to_master);
	(void)pump_run(&proxy->to_master);
	pass_output_on(proxy);
	if (proxy->from_master.is_broken || has_terminal_hung_up(proxy))
		hang_up(proxy);
	if (proxy->has_ended && is_drained(proxy))
		event_loop_stop(&proxy->loop);
	else
		watch(proxy);
}

static void on_stream(void *context, uint32_t events)
{
	(void)events;
	advance(context);
}

/* --- signals --------------------------------------------------------------------------------- */

static bool is_for_us(struct proxy *proxy, uint32_t signal)
{
	bool was_suspended = proxy->was_suspended;

	if (signal == SIGWINCH) {
		console_pty_resize(proxy->pty);
		return proxy->pty->master_fd >= 0;
	}
	if (!raw_terminal_exists(&proxy->terminal) || (signal != SIGTSTP && signal != SIGCONT))
		return false;
	proxy->was_suspended = signal == SIGTSTP;
	if (signal == SIGTSTP) {
		raw_terminal_suspend(&proxy->terminal);
		return true;
	}
	raw_terminal_enter(&proxy->terminal);
	console_pty_resize(proxy->pty);
	return was_suspended || proxy->has_ended;
}

static void on_signal(void *context, uint32_t events)
{
	struct proxy *proxy = context;
	struct signalfd_siginfo info;

	(void)events;
	if (read(proxy->signals.fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD) {
		proxy->has_ended = proxy->has_ended ||
				   waitpid(proxy->pid, &proxy->status, WNOHANG) == proxy->pid;
		advance(proxy);
	} else if (!is_for_us(proxy, info.ssi_signo)) {
		/* Only somebody who does not take our output can have kept us so long. */
		if (proxy->has_ended)
			event_loop_stop(&proxy->loop);
		else
			(void)kill(proxy->pid, (int)info.ssi_signo);
		advance(proxy); /* SIGHUP may be the news of our terminal's end */
	}
}

/* --- set-up ---------------------------------------------------------------------------------- */

static int open_stream(struct proxy *proxy, struct host_stream *stream, int shared_fd,
		       struct error *err)
{
	int fd = host_stream_duplicate(shared_fd, err);

	if (fd < 0)
		return fd;
	return host_stream_init(stream, fd, &proxy->loop, on_stream, proxy, err);
}

static int open_streams(struct proxy *proxy, struct error *err)
{
	int master_fd;
	int r;

	if (proxy->pty->master_fd < 0)
		return 0;
	master_fd = fcntl(proxy->pty->master_fd, F_DUPFD_CLOEXEC, 0);
	if (master_fd < 0)
		return error_set(err, errno, "duplicate the terminal");
	r = host_stream_init_own(&proxy->master, master_fd, &proxy->loop, on_stream, proxy, err);
	if (!r)
		r = open_stream(proxy, &proxy->input, STDIN_FILENO, err);
	if (!r)
		r = open_stream(proxy, &proxy->output, STDOUT_FILENO, err);
	if (r < 0)
		return r;
	pump_init(&proxy->to_master, &proxy->input, &proxy->master);
	pump_init(&proxy->from_master, &proxy->master, &proxy->output);
	return 0;
}

static int proxy_init(struct proxy *proxy, struct console_pty *pty, pid_t pid, int signal_fd,
		      struct error *err)
{
	int r;

	*proxy = (struct proxy){ .loop.epoll_fd = -1,
				 .signals.fd = -1,
				 .input.fd = -1,
				 .output.fd = -1,
				 .master.fd = -1,
				 .terminal.fd = -1,
				 .pty = pty,
				 .pid = pid };
	pump_stop(&proxy->to_master);
	pump_stop(&proxy->from_master);
	r = event_loop_init(&proxy->loop, err);
	if (!r)
		r = event_loop_add(&proxy->loop, &proxy->signals, signal_fd, EPOLLIN, on_signal,
				   proxy, err);
	return r < 0 ? r : open_streams(proxy, err);
}

static void proxy_fini(struct proxy *proxy)
{
	host_stream_close(&proxy->input);
	host_stream_close(&proxy->output);
	host_stream_close(&proxy->master);
	event_loop_remove(&proxy->loop, &proxy->signals);
	event_loop_fini(&proxy->loop);
}

int console_proxy(struct console_pty *pty, pid_t pid, int signal_fd, int *ret_status,
		  struct error *err)
{
	static struct proxy proxy; /* large */
	int r = proxy_init(&proxy, pty, pid, signal_fd, err);

	if (r < 0) {
		proxy_fini(&proxy);
		return r;
	}
	/* A reader of ours that goes away must not leave the terminal as it is now. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (pty->master_fd >= 0) {
		raw_terminal_init(&proxy.terminal, STDIN_FILENO);
		raw_terminal_enter(&proxy.terminal);
		console_pty_resize(pty);
	}
	/* Whoever read signals before us may have taken the news of the end. */
	proxy.has_ended = waitpid(pid, &proxy.status, WNOHANG) == pid;
	advance(&proxy);
	if (!proxy.loop.is_stopping)
		r = event_loop_run(&proxy.loop, err);
	raw_terminal_leave(&proxy.terminal);
	*ret_status = proxy.status;
	proxy_fini(&proxy);
	return r;
}
