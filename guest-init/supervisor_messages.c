/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/supervisor_messages.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

#include "guest-init/container_places.h"
#include "guest-init/early.h"
#include "guest-init/exec_plan.h"
#include "guest-init/guest_clock.h"
#include "guest-init/pseudo_terminal.h"
#include "guest-init/resource_requests.h"
#include "guest-init/scope.h"
#include "guest-init/supervisor_network.h"

#define ALL_PROCESSES (-1)

/* Start a process, whose number is free; its report will tell how that went. */
static int supervisor_spawn(struct supervisor *supervisor, uint32_t number,
			    struct container_start *start, int namespaces, struct failure *err)
{
	struct container_process *process = process_table_add(&supervisor->processes, number);
	int r;

	if (!process)
		return failure_set(err, EBUSY, "start process number %u", number);
	start->cgroup_fd = supervisor->cgroup.dir_fd;
	r = container_process_spawn(process, start, namespaces, supervisor->epoll_fd,
				    supervisor_event_base(process), err);
	if (r)
		process_table_remove(&supervisor->processes, number);
	return r;
}

/* Children are born into the pid namespace of process 0 from now on. */
static int supervisor_enter_pid_namespace(const struct supervisor *supervisor, struct failure *err)
{
	const struct container_process *first = process_table_get(&supervisor->processes, 0);

	if (!(supervisor->plan.namespaces & CLONE_NEWPID))
		return 0;
	/* A process that is gone already has a report, with a reason that is its own. */
	if (setns(first->pid_fd, CLONE_NEWPID) && errno != ESRCH)
		return failure_set(err, errno, "enter the pid namespace of the container");
	return 0;
}

static int supervisor_make_cgroup(struct supervisor *supervisor, struct failure *err)
{
	int r = container_cgroup_create(&supervisor->cgroup, &supervisor->resources, err);

	if (!r && container_plan_has_writable_cgroup(&supervisor->plan))
		r = container_cgroup_give(&supervisor->cgroup, supervisor->plan.process.outer_uid,
					  err);
	if (!r && supervisor_watch(supervisor, supervisor->cgroup.events_fd, EPOLLPRI | EPOLLET,
				   EVENT_MEMORY))
		r = failure_set(err, errno, "watch the control group");
	return r;
}

static int supervisor_on_create(struct supervisor *supervisor, json_t *message, struct failure *err)
{
	struct container_start start = {
		.process = &supervisor->plan.process,
		.plan = &supervisor->plan,
		.places = { .tree_fd = -1 },
	};
	int namespaces;
	int r;

	if (supervisor->state != WAITING)
		return failure_invalid(err, "a container exists already");
	r = resource_plan_init(&supervisor->resources, message, err);
	if (!r)
		r = container_plan_init(&supervisor->plan, message, err);
	if (r)
		return r;
	supervisor->state = CREATING;
	r = early_mix_entropy(supervisor->plan.entropy, err);
	if (!r)
		r = guest_clock_set(supervisor->plan.time_ns, err);
	if (!r)
		r = container_places_make(&start.places, &supervisor->plan, err);
	if (!r)
		r = supervisor_make_cgroup(supervisor, err);
	/*
	 * The root of a cgroup namespace is the group of whoever makes it, and a time namespace has
	 * its offsets before anybody is in it: both are made by the process itself.
	 */
	namespaces =
		(supervisor->plan.namespaces | CLONE_NEWNS) & ~(CLONE_NEWCGROUP | CLONE_NEWTIME);
	if (!r)
		r = supervisor_spawn(supervisor, 0, &start, namespaces, err);
	container_places_release(&start.places);
	return r ? r : supervisor_enter_pid_namespace(supervisor, err);
}

static int supervisor_on_start(struct supervisor *supervisor, json_t *message, struct failure *err)
{
	struct container_process *process = process_table_get(&supervisor->processes, 0);
	int r;

	(void)message;
	if (supervisor->state != CREATED || process->state != PROCESS_READY)
		return failure_invalid(err, "the container is not waiting to be started");
	r = supervisor_check_network(supervisor, err);
	return r ? r : container_process_let_go(process, err);
}

static int supervisor_exec(struct supervisor *supervisor, const struct exec_plan *plan,
			   struct failure *err)
{
	const struct container_process *first = process_table_get(&supervisor->processes, 0);
	struct container_start start = { .process = &plan->process };

	if (supervisor->state != CREATED && supervisor->state != RUNNING)
		return failure_invalid(err, "the container is not running");
	start.container_fd = first->pid_fd;
	start.namespaces =
		(supervisor->plan.namespaces | CLONE_NEWNS | CLONE_NEWCGROUP) & ~CLONE_NEWPID;
	return supervisor_spawn(supervisor, plan->number, &start, 0, err);
}

static int supervisor_on_exec(struct supervisor *supervisor, json_t *message, struct failure *err)
{
	struct exec_plan plan;
	int r = exec_plan_init(&plan, message, &supervisor->plan, err);

	if (r)
		return r;
	r = supervisor_exec(supervisor, &plan, err);
	exec_plan_fini(&plan);
	return r;
}

static int supervisor_on_signal(struct supervisor *supervisor, json_t *message, struct failure *err)
{
	json_int_t signal = json_integer_value(json_object_get(message, "signal"));
	json_int_t number = json_integer_value(json_object_get(message, "process"));
	const struct container_process *process;

	(void)err;
	if (signal <= 0 || signal >= NSIG)
		return 0;
	if (number == ALL_PROCESSES && supervisor->state == RUNNING) {
		(void)kill(-1, (int)signal);
		return 0;
	}
	process = process_table_get(&supervisor->processes, number == ALL_PROCESSES ? 0 : number);
	if (process)
		container_process_signal(process, (int)signal);
	return 0;
}

static int supervisor_on_resize(struct supervisor *supervisor, json_t *message, struct failure *err)
{
	json_int_t number = json_integer_value(json_object_get(message, "process"));
	json_int_t rows = json_integer_value(json_object_get(message, "rows"));
	json_int_t columns = json_integer_value(json_object_get(message, "columns"));
	const struct container_process *process = process_table_get(&supervisor->processes, number);

	(void)err;
	if (process && rows > 0 && columns > 0 && process->streams.terminal_fd >= 0)
		(void)pseudo_terminal_resize(process->streams.terminal_fd, (uint32_t)rows,
					     (uint32_t)columns);
	return 0;
}

static int supervisor_on_update(struct supervisor *supervisor, json_t *message, struct failure *err)
{
	int r;

	if (supervisor->state < CREATED)
		return failure_invalid(err, "the container is not there yet");
	r = resource_requests_update(&supervisor->cgroup, &supervisor->channel, message);
	return r ? failure_set(err, -r, "answer the monitor") : 0;
}

static int supervisor_on_statistics(struct supervisor *supervisor, json_t *message,
				    struct failure *err)
{
	int r;

	(void)message;
	if (supervisor->state < CREATED)
		return failure_invalid(err, "the container is not there yet");
	r = resource_requests_statistics(&supervisor->cgroup, &supervisor->channel);
	return r ? failure_set(err, -r, "answer the monitor") : 0;
}

static int supervisor_on_socket(struct supervisor *supervisor, json_t *message, struct failure *err)
{
	(void)err;
	socket_listeners_add(supervisor->sockets,
			     (uint32_t)json_integer_value(json_object_get(message, "id")));
	return 0;
}

static int supervisor_on_socket_gone(struct supervisor *supervisor, json_t *message,
				     struct failure *err)
{
	(void)err;
	socket_listeners_remove(supervisor->sockets,
				(uint32_t)json_integer_value(json_object_get(message, "id")));
	return 0;
}

static const struct {
	const char *type;
	int (*handle)(struct supervisor *supervisor, json_t *message, struct failure *err);
} message_types[] = {
	{ "create", supervisor_on_create },
	{ "start", supervisor_on_start },
	{ "exec", supervisor_on_exec },
	{ "signal", supervisor_on_signal },
	{ "resize", supervisor_on_resize },
	{ "update", supervisor_on_update },
	{ "statistics", supervisor_on_statistics },
	{ "socket", supervisor_on_socket },
	{ "socketGone", supervisor_on_socket_gone },
	{ "network", supervisor_on_network },
	{ "incoming", supervisor_on_incoming },
};

static int supervisor_dispatch(struct supervisor *supervisor, json_t *message, struct failure *err)
{
	const char *type = json_string_value(json_object_get(message, "type"));

	for (size_t i = 0; type && i < ARRAY_SIZE(message_types); i++)
		if (!strcmp(type, message_types[i].type))
			return message_types[i].handle(supervisor, message, err);
	return failure_invalid(err, "unknown message type \"%s\"", type ? type : "");
}

/* The process that a request is about, for its answer. */
static uint32_t supervisor_subject(const json_t *message)
{
	return (uint32_t)json_integer_value(json_object_get(message, "number"));
}

int supervisor_on_control(struct supervisor *supervisor, struct failure *err)
{
	for (;;) {
		struct failure reason = { .code = 0 };
		uint32_t subject;
		json_t *message;
		int r = control_channel_receive(&supervisor->channel, &message, err);

		if (r <= 0)
			return r;
		subject = supervisor_subject(message);
		r = supervisor_dispatch(supervisor, message, &reason);
		json_decref(message);
		if (r)
			r = supervisor_send_error(supervisor, subject, &reason);
		if (r)
			return failure_set(err, -r, "send to the monitor");
	}
}
