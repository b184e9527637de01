/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/process_streams.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "guest-init/host_connection.h"
#include "guest-init/scope.h"

#define STREAMS_INPUT 0 /* the pump towards the process */

void process_streams_init(struct process_streams *streams)
{
	for (size_t i = 0; i < ARRAY_SIZE(streams->host_fds); i++)
		streams->host_fds[i] = -1;
	for (size_t i = 0; i < 3; i++) {
		streams->pipe_fds[i] = -1;
		streams->child_fds[i] = -1;
	}
	streams->terminal_fd = -1;
	streams->slave_fd = -1;
	for (size_t i = 0; i < PROCESS_STREAMS_PUMPS; i++)
		stream_pump_init_stopped(&streams->pumps[i]);
}

static int streams_connect(struct process_streams *streams, uint32_t id,
			   enum protocol_stream stream, struct failure *err)
{
	int fd = host_connection_open(protocol_stream_port(id, stream), err);

	if (fd < 0)
		return fd;
	streams->host_fds[stream] = fd;
	return 0;
}

/* The pipe belongs to the process's user, who may then open it again through /proc/self/fd. */
static int streams_open_pipe(struct process_streams *streams, enum protocol_stream stream,
			     uint32_t uid, struct failure *err)
{
	unsigned int child_end = stream == PROTOCOL_STDIN ? 0 : 1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return failure_set(err, errno, "create the pipe of a standard stream");
	streams->child_fds[stream] = ends[child_end];
	streams->pipe_fds[stream] = ends[!child_end];
	if (fchown(ends[0], uid, (gid_t)-1))
		return failure_set(err, errno, "change the owner of a standard stream");
	return 0;
}

int process_streams_open(struct process_streams *streams, uint32_t id,
			 const struct plan_process *process, struct failure *err)
{
	int r = 0;

	if (process->has_terminal)
		return streams_connect(streams, id, PROTOCOL_TERMINAL, err);
	for (enum protocol_stream stream = PROTOCOL_STDIN; stream <= PROTOCOL_STDERR && !r;
	     stream++) {
		r = streams_connect(streams, id, stream, err);
		if (!r)
			r = streams_open_pipe(streams, stream, process->outer_uid, err);
	}
	return r;
}

static int streams_watch(int epoll_fd, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events | EPOLLET, .data = { .u64 = data } };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void streams_start_pipes(struct process_streams *streams)
{
	stream_pump_init(&streams->pumps[STREAMS_INPUT],
			 fd_take(&streams->host_fds[PROTOCOL_STDIN]),
			 fd_take(&streams->pipe_fds[PROTOCOL_STDIN]));
	for (size_t i = PROTOCOL_STDOUT; i <= PROTOCOL_STDERR; i++) {
		stream_pump_init(&streams->pumps[i], fd_take(&streams->pipe_fds[i]),
				 fd_take(&streams->host_fds[i]));
		fd_close(&streams->child_fds[i]);
	}
	fd_close(&streams->child_fds[PROTOCOL_STDIN]);
}

/* Both directions have descriptors of their own: each is watched for one thing only. */
static int streams_start_terminal(struct process_streams *streams)
{
	AUTO_CLOSE int host_fd = fcntl(streams->host_fds[PROTOCOL_TERMINAL], F_DUPFD_CLOEXEC, 0);
	AUTO_CLOSE int in_fd = fcntl(streams->terminal_fd, F_DUPFD_CLOEXEC, 0);
	AUTO_CLOSE int out_fd = fcntl(streams->terminal_fd, F_DUPFD_CLOEXEC, 0);

	streams->slave_fd = ioctl(streams->terminal_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (host_fd < 0 || in_fd < 0 || out_fd < 0 || streams->slave_fd < 0)
		return -errno;
	stream_pump_init(&streams->pumps[STREAMS_INPUT], fd_take(&host_fd), fd_take(&in_fd));
	stream_pump_init(&streams->pumps[PROTOCOL_STDOUT], fd_take(&out_fd),
			 fd_take(&streams->host_fds[PROTOCOL_TERMINAL]));
	return 0;
}

int process_streams_start(struct process_streams *streams, int terminal_fd, int epoll_fd,
			  uint64_t event_base, struct failure *err)
{
	streams->terminal_fd = terminal_fd;
	if (terminal_fd < 0)
		streams_start_pipes(streams);
	else if (streams_start_terminal(streams))
		return failure_set(err, errno, "start the terminal's streams");
	for (uint32_t i = 0; i < PROCESS_STREAMS_PUMPS; i++) {
		const struct stream_pump *pump = &streams->pumps[i];

		if (stream_pump_is_running(pump) &&
		    (streams_watch(epoll_fd, pump->from_fd, EPOLLIN,
				   event_base + UINT64_C(2) * i) ||
		     streams_watch(epoll_fd, pump->to_fd, EPOLLOUT,
				   event_base + UINT64_C(2) * i + 1)))
			return failure_set(err, errno, "watch the standard streams");
	}
	return 0;
}

void process_streams_on_event(struct process_streams *streams, uint32_t event, uint32_t events)
{
	struct stream_pump *pump = &streams->pumps[event / 2];
	bool is_destination = event % 2;

	/* A destination that hung up is noticed here: the next write to it may never come. */
	if (is_destination && events & (EPOLLERR | EPOLLHUP))
		stream_pump_stop(pump);
	else
		pump->is_ready = stream_pump_is_running(pump);
}

static void streams_close_terminal(struct process_streams *streams)
{
	fd_close(&streams->slave_fd);
	fd_close(&streams->terminal_fd);
}

bool process_streams_run(struct process_streams *streams)
{
	struct stream_pump *input = &streams->pumps[STREAMS_INPUT];
	bool had_input = stream_pump_is_running(input);
	bool is_ready = false;

	for (size_t i = 0; i < PROCESS_STREAMS_PUMPS; i++) {
		if (streams->pumps[i].is_ready)
			stream_pump_run(&streams->pumps[i]);
		is_ready = is_ready || streams->pumps[i].is_ready;
	}
	/* The end of a terminal's input is a hang-up; an idle connection tells only its reader. */
	if (streams->terminal_fd >= 0 && had_input && !stream_pump_is_running(input))
		stream_pump_stop(&streams->pumps[PROTOCOL_STDOUT]);
	/* Nobody reads the terminal any more: without this last master its users get SIGHUP. */
	if (!process_streams_are_draining(streams))
		streams_close_terminal(streams);
	return is_ready;
}

void process_streams_end(struct process_streams *streams)
{
	/* What it wrote last is in its pipes: the pumps find it without an event. */
	for (size_t i = PROTOCOL_STDOUT; i <= PROTOCOL_STDERR; i++)
		streams->pumps[i].is_ready = stream_pump_is_running(&streams->pumps[i]);
	/* Now the terminal ends when its last user does. */
	fd_close(&streams->slave_fd);
}

bool process_streams_have_passed_on(const struct process_streams *streams, bool is_late)
{
	bool is_open_end = streams->terminal_fd >= 0 && !is_late;

	for (size_t i = PROTOCOL_STDOUT; i <= PROTOCOL_STDERR; i++) {
		const struct stream_pump *pump = &streams->pumps[i];

		if (!stream_pump_is_running(pump))
			continue;
		if (is_open_end || pump->is_ready || pump->len)
			return false;
	}
	return true;
}

void process_streams_end_input(struct process_streams *streams)
{
	stream_pump_stop(&streams->pumps[STREAMS_INPUT]);
}

void process_streams_stop(struct process_streams *streams)
{
	for (size_t i = 0; i < PROCESS_STREAMS_PUMPS; i++)
		stream_pump_stop(&streams->pumps[i]);
	for (size_t i = 0; i < ARRAY_SIZE(streams->host_fds); i++)
		fd_close(&streams->host_fds[i]);
	for (size_t i = 0; i < ARRAY_SIZE(streams->pipe_fds); i++) {
		fd_close(&streams->pipe_fds[i]);
		fd_close(&streams->child_fds[i]);
	}
	streams_close_terminal(streams);
}

bool process_streams_are_draining(const struct process_streams *streams)
{
	return stream_pump_is_running(&streams->pumps[PROTOCOL_STDOUT]) ||
	       stream_pump_is_running(&streams->pumps[PROTOCOL_STDERR]);
}
