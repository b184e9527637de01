/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/supervisor.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest-init/scope.h"
#include "guest-init/shared_tree.h"
#include "guest-init/supervisor_messages.h"
#include "guest-init/supervisor_network.h"

#define EVENTS_MAX 16
#define KILL_TIMEOUT_MS 10000	/* for processes that do not die, which is the kernel's fault */
#define TERMINAL_TIMEOUT_MS 200 /* for a terminal that others still use to show its last bytes */
#define POLL_MS 100		/* for what no event tells */

static int64_t supervisor_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int supervisor_send(const struct supervisor *supervisor, enum protocol_frame_type type,
			   uint32_t process)
{
	return control_channel_send(&supervisor->channel, type, process, 0, false, NULL);
}

int supervisor_send_error(const struct supervisor *supervisor, uint32_t process,
			  const struct failure *reason)
{
	return control_channel_send(&supervisor->channel, PROTOCOL_ERROR, process,
				    (uint32_t)reason->code, false, reason);
}

uint64_t supervisor_event_base(const struct container_process *process)
{
	return (uint64_t)process->serial << 32 |
	       (EVENT_PROCESSES + process->number * CONTAINER_PROCESS_EVENTS);
}

int supervisor_watch(const struct supervisor *supervisor, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data = { .u64 = data } };

	return epoll_ctl(supervisor->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* Tell the monitor when the OOM killer was here. */
static int supervisor_on_memory(struct supervisor *supervisor)
{
	uint32_t nr_kills = container_cgroup_oom_kills(&supervisor->cgroup);

	if (nr_kills <= supervisor->nr_oom_kills)
		return 0;
	supervisor->nr_oom_kills = nr_kills;
	return control_channel_send(&supervisor->channel, PROTOCOL_OOM, 0, nr_kills, false, NULL);
}

/*
 * The report pipe of a process has news. Process 0 then waits for "start", or runs; any other goes
 * on by itself.
 */
static int supervisor_on_report(struct supervisor *supervisor, struct container_process *process)
{
	bool is_first = process->number == 0;
	struct failure reason;
	int r;

	if (process->report_fd < 0 || process->state == PROCESS_READY)
		return 0;
	r = container_process_on_report(process, supervisor->epoll_fd,
					supervisor_event_base(process), &reason);
	if (!r && process->state == PROCESS_READY && !is_first)
		r = container_process_let_go(process, &reason);
	if (!r && process->state == PROCESS_READY && is_first)
		r = container_cgroup_filter_devices(&supervisor->cgroup, &supervisor->resources,
						    &reason);
	if (!r && process->state == PROCESS_READY && is_first)
		r = supervisor_begin_network(supervisor, &reason);
	if (r) {
		process->is_reported = !is_first; /* an error is the last that is said of it */
		return supervisor_send_error(supervisor, process->number, &reason);
	}
	if (process->state == PROCESS_RUNNING) {
		supervisor->state = is_first ? RUNNING : supervisor->state;
		return supervisor_send(supervisor, PROTOCOL_STARTED, process->number);
	}
	if (is_first) {
		supervisor->state = CREATED;
		return supervisor_send(supervisor, PROTOCOL_CREATED, 0);
	}
	return 0;
}

static void supervisor_end_container(struct supervisor *supervisor, struct container_process *first)
{
	supervisor->state = ENDING;
	supervisor->deadline_ms = supervisor_now_ms() + KILL_TIMEOUT_MS;
	/* A pid namespace ends with its first process; without one that takes a signal. */
	if (!(supervisor->plan.namespaces & CLONE_NEWPID))
		(void)kill(-1, SIGKILL);
	process_streams_end_input(&first->streams);
	socket_listeners_end(supervisor->sockets);
	supervisor_end_network(supervisor);
}

static int supervisor_on_end(struct supervisor *supervisor, struct container_process *process,
			     int status)
{
	/* Its last words may wait behind the news of its end. */
	int r = supervisor_on_report(supervisor, process);

	container_process_end(process, status);
	process->deadline_ms = supervisor_now_ms() + TERMINAL_TIMEOUT_MS;
	process_streams_end(&process->streams);
	if (process->number == 0 && supervisor->state >= CREATED)
		supervisor_end_container(supervisor, process);
	return r;
}

/* Reap every child that ended: those of the container that lost their parent included. */
static int supervisor_on_child(struct supervisor *supervisor)
{
	struct signalfd_siginfo info;
	int r = 0;
	int status;
	pid_t pid = 0;

	while (read(supervisor->signal_fd, &info, sizeof(info)) > 0)
		;
	while (!r && (pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct container_process *process = process_table_find(&supervisor->processes, pid);

		if (process)
			r = supervisor_on_end(supervisor, process, status);
	}
	supervisor->has_children = pid == 0;
	return r;
}

static int supervisor_report_end(const struct supervisor *supervisor,
				 struct container_process *process)
{
	int status = process->status;
	bool is_signal = WIFSIGNALED(status);

	process->is_reported = true;
	return control_channel_send(&supervisor->channel, PROTOCOL_EXITED, process->number,
				    (uint32_t)(is_signal ? WTERMSIG(status) : WEXITSTATUS(status)),
				    is_signal, NULL);
}

/* Report the end of a process other than 0, and forget it when its streams have ended, too. */
static int supervisor_finish_process(struct supervisor *supervisor,
				     struct container_process *process)
{
	bool is_draining = process_streams_are_draining(&process->streams);
	int r = 0;

	if (process->state != PROCESS_ENDED)
		return 0;
	if (!process->is_reported &&
	    process_streams_have_passed_on(&process->streams,
					   supervisor_now_ms() >= process->deadline_ms))
		r = supervisor_report_end(supervisor, process);
	if (process->is_reported && !is_draining)
		process_table_remove(&supervisor->processes, process->number);
	return r;
}

static int supervisor_finish_processes(struct supervisor *supervisor)
{
	int r = 0;

	for (uint32_t i = 1; i < supervisor->processes.end && !r; i++)
		if (supervisor->processes.slots[i])
			r = supervisor_finish_process(supervisor, supervisor->processes.slots[i]);
	return r;
}

/* Whether bytes of the container are still on their way through sockets other than its streams. */
static bool supervisor_is_draining(const struct supervisor *supervisor)
{
	return socket_listeners_are_draining(supervisor->sockets) ||
	       supervisor_network_is_draining(supervisor);
}

/* Report the end of the container once nothing of it is left. */
static int supervisor_finish(struct supervisor *supervisor)
{
	struct container_process *first = process_table_get(&supervisor->processes, 0);
	int r;

	if (supervisor->has_children) {
		if (supervisor_now_ms() < supervisor->deadline_ms)
			return 0;
		process_table_stop(&supervisor->processes);
	}
	if (process_table_is_draining(&supervisor->processes) || supervisor_is_draining(supervisor))
		return 0;
	shared_tree_unmount();
	supervisor->state = ENDED;
	r = supervisor_on_memory(supervisor); /* the news may be as late as the end */
	return r ? r : supervisor_report_end(supervisor, first);
}

static int supervisor_on_process(struct supervisor *supervisor, uint64_t data, uint32_t events)
{
	uint32_t event = (uint32_t)data - EVENT_PROCESSES;
	struct container_process *process =
		process_table_get(&supervisor->processes, event / CONTAINER_PROCESS_EVENTS);

	/* Descriptors that a child still holds can speak of a process that is gone. */
	if (!process || process->serial != data >> 32)
		return 0;
	event %= CONTAINER_PROCESS_EVENTS;
	if (event == 0)
		return supervisor_on_report(supervisor, process);
	process_streams_on_event(&process->streams, event - 1, events);
	return 0;
}

static int supervisor_handle_event(struct supervisor *supervisor, const struct epoll_event *event,
				   struct failure *err)
{
	int r;

	switch (event->data.u64) {
	case EVENT_SIGNAL:
		r = supervisor_on_child(supervisor);
		break;
	case EVENT_CONTROL:
		return supervisor_on_control(supervisor, err);
	case EVENT_MEMORY:
		r = supervisor_on_memory(supervisor);
		break;
	case EVENT_SOCKETS: /* they are run in every round */
	case EVENT_NETWORK:
		return 0;
	default:
		r = supervisor_on_process(supervisor, event->data.u64, event->events);
		break;
	}
	return r ? failure_set(err, -r, "send to the monitor") : 0;
}

/* How long the loop may sleep. */
static int supervisor_timeout_ms(const struct supervisor *supervisor, bool is_pump_ready)
{
	if (is_pump_ready)
		return 0;
	if (supervisor->state == ENDING &&
	    (supervisor->has_children || supervisor_is_draining(supervisor)))
		return POLL_MS;
	return process_table_has_unreported(&supervisor->processes) ? POLL_MS : -1;
}

static int supervisor_loop(struct supervisor *supervisor, struct failure *err)
{
	for (;;) {
		bool is_pump_ready = process_table_run(&supervisor->processes);
		bool is_socket_ready = socket_listeners_run(supervisor->sockets);
		bool is_network_ready = supervisor_run_network(supervisor);
		struct epoll_event events[EVENTS_MAX];
		int r = supervisor_finish_processes(supervisor);
		int nr_events;

		if (!r && supervisor->state == ENDING)
			r = supervisor_finish(supervisor);
		if (r)
			return r == -EPIPE ? 0 : failure_set(err, -r, "send to the monitor");
		nr_events = epoll_wait(supervisor->epoll_fd, events, EVENTS_MAX,
				       supervisor_timeout_ms(supervisor, is_pump_ready ||
										 is_socket_ready ||
										 is_network_ready));
		for (int i = 0; i < nr_events && !r; i++)
			r = supervisor_handle_event(supervisor, &events[i], err);
		if (r)
			return r == -EPIPE ? 0 : r;
	}
}

static int supervisor_init(struct supervisor *supervisor, int control_fd, struct failure *err)
{
	sigset_t signals;

	control_channel_init(&supervisor->channel, control_fd);
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGCHLD);
	supervisor->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	supervisor->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	supervisor->sockets = socket_listeners_new(err);
	if (!supervisor->sockets)
		return -err->code;
	if (supervisor->signal_fd < 0 || supervisor->epoll_fd < 0 ||
	    supervisor_watch(supervisor, supervisor->signal_fd, EPOLLIN, EVENT_SIGNAL) ||
	    supervisor_watch(supervisor, control_fd, EPOLLIN, EVENT_CONTROL) ||
	    supervisor_watch(supervisor, socket_listeners_epoll_fd(supervisor->sockets), EPOLLIN,
			     EVENT_SOCKETS))
		return failure_set(err, errno, "set up the event loop");
	return 0;
}

int supervisor_run(int control_fd, struct failure *err)
{
	AUTO_FREE struct supervisor *supervisor = calloc(1, sizeof(*supervisor));
	int r;

	if (!supervisor)
		return failure_set(err, ENOMEM, "set up the event loop");
	r = supervisor_init(supervisor, control_fd, err);
	if (r)
		return r;
	r = control_channel_send(&supervisor->channel, PROTOCOL_HELLO, 0, PROTOCOL_VERSION, false,
				 NULL);
	return r ? failure_set(err, -r, "send to the monitor") : supervisor_loop(supervisor, err);
}
