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

#include "guest-init/container_plan.h"
#include "guest-init/container_process.h"
#include "guest-init/control_channel.h"
#include "guest-init/early.h"
#include "guest-init/process_streams.h"
#include "guest-init/pseudo_terminal.h"
#include "guest-init/scope.h"
#include "guest-init/shared_tree.h"

/*
 * Theory of operation: the life of the one container is a line.
 *
 *   state              leaves when                                      by
 *   WAITING            "create" succeeded                               CREATED frame
 *   CREATED            "start" succeeded                                STARTED frame
 *   RUNNING            process 0 ended (from CREATED too)
 *   ENDING             no process is left, and the streams are drained  EXITED frame
 *   ENDED              the monitor closes the connection
 *
 * Until the process runs, what fails is reported and the monitor ends the machine. From then on
 * nothing is fatal but the loss of the monitor: what cannot be done is left undone.
 */
enum supervisor_state { WAITING, CREATED, RUNNING, ENDING, ENDED };

#define EVENTS_MAX 16
#define KILL_TIMEOUT_MS 10000 /* for processes that do not die, which is the kernel's fault */

enum { EVENT_SIGNAL, EVENT_CONTROL, EVENT_STREAMS };

struct supervisor {
	enum supervisor_state state;
	int epoll_fd;
	int signal_fd;
	struct control_channel channel;
	struct container_process process;
	struct process_streams streams;
	bool has_pid_namespace; /* the kernel then ends all processes with the first */
	bool has_children;	/* when ENDING */
	int64_t deadline_ms;	/* when ENDING: not to wait for children any longer */
	int status;		/* of process 0, as waitpid(2) gives it */
};

static int64_t supervisor_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int supervisor_create_container(struct supervisor *supervisor,
				       const struct container_plan *plan, struct failure *err)
{
	const struct container_places places = { SHARED_TREE_PATH, SHARED_TREE_ROOT };
	struct process_streams *streams = &supervisor->streams;
	int terminal_fd = -1;
	int r = early_mix_entropy(plan->entropy, err);

	if (!r)
		r = shared_tree_mount(err);
	if (!r)
		r = process_streams_open(streams, 0, &plan->process, err);
	if (!r)
		r = container_process_create(&supervisor->process, plan, &places,
					     streams->child_fds, &terminal_fd, err);
	if (!r)
		r = process_streams_start(streams, terminal_fd, supervisor->epoll_fd, EVENT_STREAMS,
					  err);
	return r;
}

static int supervisor_on_create(struct supervisor *supervisor, json_t *message, struct failure *err)
{
	struct container_plan plan;
	int r;

	if (supervisor->state != WAITING)
		return failure_invalid(err, "a container exists already");
	r = container_plan_init(&plan, message, err);
	if (r)
		return r;
	r = supervisor_create_container(supervisor, &plan, err);
	supervisor->has_pid_namespace = plan.namespaces & CLONE_NEWPID;
	container_plan_fini(&plan);
	if (r)
		return r;
	supervisor->state = CREATED;
	return control_channel_send(&supervisor->channel, PROTOCOL_CREATED, 0, false, NULL);
}

static int supervisor_on_start(struct supervisor *supervisor, json_t *message, struct failure *err)
{
	int r;

	(void)message;
	if (supervisor->state != CREATED)
		return failure_invalid(err, "the container is not waiting to be started");
	r = container_process_start(&supervisor->process, err);
	if (r)
		return r;
	supervisor->state = RUNNING;
	return control_channel_send(&supervisor->channel, PROTOCOL_STARTED, 0, false, NULL);
}

static int supervisor_on_signal(struct supervisor *supervisor, json_t *message, struct failure *err)
{
	json_int_t signal = json_integer_value(json_object_get(message, "signal"));

	(void)err;
	if (signal > 0 && signal < NSIG)
		container_process_signal(&supervisor->process, (int)signal);
	return 0;
}

static int supervisor_on_resize(struct supervisor *supervisor, json_t *message, struct failure *err)
{
	json_int_t rows = json_integer_value(json_object_get(message, "rows"));
	json_int_t columns = json_integer_value(json_object_get(message, "columns"));

	(void)err;
	if (rows > 0 && columns > 0 && supervisor->streams.terminal_fd >= 0)
		(void)pseudo_terminal_resize(supervisor->streams.terminal_fd, (uint32_t)rows,
					     (uint32_t)columns);
	return 0;
}

static const struct {
	const char *type;
	int (*handle)(struct supervisor *supervisor, json_t *message, struct failure *err);
} message_types[] = {
	{ "create", supervisor_on_create },
	{ "start", supervisor_on_start },
	{ "signal", supervisor_on_signal },
	{ "resize", supervisor_on_resize },
};

static int supervisor_dispatch(struct supervisor *supervisor, json_t *message, struct failure *err)
{
	const char *type = json_string_value(json_object_get(message, "type"));

	for (size_t i = 0; type && i < ARRAY_SIZE(message_types); i++)
		if (!strcmp(type, message_types[i].type))
			return message_types[i].handle(supervisor, message, err);
	return failure_invalid(err, "unknown message type \"%s\"", type ? type : "");
}

/* Serve the messages that have arrived. A request that fails is answered; only the loss of the
 * connection is an error here. */
static int supervisor_on_control(struct supervisor *supervisor, struct failure *err)
{
	for (;;) {
		struct failure reason = { .code = 0 };
		json_t *message;
		int r = control_channel_receive(&supervisor->channel, &message, err);

		if (r <= 0)
			return r;
		r = supervisor_dispatch(supervisor, message, &reason);
		json_decref(message);
		if (r)
			r = control_channel_send(&supervisor->channel, PROTOCOL_ERROR,
						 (uint32_t)reason.code, false, &reason);
		if (r)
			return failure_set(err, -r, "send to the monitor");
	}
}

static void supervisor_end_container(struct supervisor *supervisor, int status)
{
	supervisor->state = ENDING;
	supervisor->status = status;
	supervisor->deadline_ms = supervisor_now_ms() + KILL_TIMEOUT_MS;
	supervisor->process.pid = 0;
	if (!supervisor->has_pid_namespace)
		(void)kill(-1, SIGKILL);
	process_streams_end_input(&supervisor->streams);
}

/* Reap every child that ended: those of the container that lost their parent included. */
static void supervisor_on_child(struct supervisor *supervisor)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(supervisor->signal_fd, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == supervisor->process.pid && supervisor->state >= CREATED)
			supervisor_end_container(supervisor, status);
	supervisor->has_children = pid == 0;
}

/* Report the end of the container once nothing of it is left. */
static void supervisor_finish(struct supervisor *supervisor)
{
	int status = supervisor->status;
	bool is_signal = WIFSIGNALED(status);

	if (supervisor->has_children) {
		if (supervisor_now_ms() < supervisor->deadline_ms)
			return;
		process_streams_stop(&supervisor->streams);
	}
	if (process_streams_are_draining(&supervisor->streams))
		return;
	shared_tree_unmount();
	(void)control_channel_send(&supervisor->channel, PROTOCOL_EXITED,
				   (uint32_t)(is_signal ? WTERMSIG(status) : WEXITSTATUS(status)),
				   is_signal, NULL);
	supervisor->state = ENDED;
}

static int supervisor_handle_event(struct supervisor *supervisor, const struct epoll_event *event,
				   struct failure *err)
{
	switch (event->data.u32) {
	case EVENT_SIGNAL:
		supervisor_on_child(supervisor);
		return 0;
	case EVENT_CONTROL:
		return supervisor_on_control(supervisor, err);
	default:
		process_streams_on_event(&supervisor->streams, event->data.u32 - EVENT_STREAMS,
					 event->events);
		return 0;
	}
}

/* How long the loop may sleep. */
static int supervisor_timeout_ms(const struct supervisor *supervisor, bool is_pump_ready)
{
	if (is_pump_ready)
		return 0;
	return supervisor->state == ENDING && supervisor->has_children ? 100 : -1;
}

static int supervisor_loop(struct supervisor *supervisor, struct failure *err)
{
	for (;;) {
		bool is_pump_ready = process_streams_run(&supervisor->streams);
		struct epoll_event events[EVENTS_MAX];
		int nr_events;

		if (supervisor->state == ENDING)
			supervisor_finish(supervisor);
		nr_events = epoll_wait(supervisor->epoll_fd, events, EVENTS_MAX,
				       supervisor_timeout_ms(supervisor, is_pump_ready));
		for (int i = 0; i < nr_events; i++) {
			int r = supervisor_handle_event(supervisor, &events[i], err);

			if (r)
				return r == -EPIPE ? 0 : r;
		}
	}
}

static int supervisor_watch(const struct supervisor *supervisor, int fd, uint32_t data)
{
	struct epoll_event event = { .events = EPOLLIN, .data = { .u32 = data } };

	return epoll_ctl(supervisor->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int supervisor_init(struct supervisor *supervisor, int control_fd, struct failure *err)
{
	sigset_t signals;

	supervisor->process.gate_fd = -1;
	supervisor->process.report_fd = -1;
	process_streams_init(&supervisor->streams);
	control_channel_init(&supervisor->channel, control_fd);
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGCHLD);
	supervisor->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	supervisor->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (supervisor->signal_fd < 0 || supervisor->epoll_fd < 0 ||
	    supervisor_watch(supervisor, supervisor->signal_fd, EVENT_SIGNAL) ||
	    supervisor_watch(supervisor, control_fd, EVENT_CONTROL))
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
	r = control_channel_send(&supervisor->channel, PROTOCOL_HELLO, PROTOCOL_VERSION, false,
				 NULL);
	return r ? failure_set(err, -r, "send to the monitor") : supervisor_loop(supervisor, err);
}
