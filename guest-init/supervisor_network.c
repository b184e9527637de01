/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/supervisor_network.h"

#include <errno.h>
#include <sys/epoll.h>

#include "guest-init/card_driver.h"
#include "guest-init/scope.h"

/* Done when it is needed first: a container without a network costs nothing. */
static int supervisor_open_network(struct supervisor *supervisor, struct failure *err)
{
	const struct container_process *first = process_table_get(&supervisor->processes, 0);
	int sysfs_fd;

	if (supervisor->network)
		return 0;
	sysfs_fd = card_driver_open(err);
	if (sysfs_fd < 0)
		return failure_prefix(err, "network");
	supervisor->network = network_new(sysfs_fd, first->pid_fd, &supervisor->plan, err);
	return supervisor->network ? 0 : -err->code;
}

/* Start or end the container's name server. */
static int supervisor_set_resolver(struct supervisor *supervisor, bool is_wanted,
				   struct failure *err)
{
	if (!is_wanted) {
		resolver_free(supervisor->resolver);
		supervisor->resolver = NULL;
		return 0;
	}
	if (supervisor->resolver)
		return 0;
	supervisor->resolver = resolver_new(supervisor->cgroup.outer_fd, err);
	if (!supervisor->resolver)
		return failure_prefix(err, "network");
	if (supervisor_watch(supervisor, resolver_epoll_fd(supervisor->resolver), EPOLLIN,
			     EVENT_NETWORK))
		return failure_set(err, errno, "network: watch the name server");
	return 0;
}

static int supervisor_apply_network(struct supervisor *supervisor, struct network_plan *plan,
				    struct failure *err)
{
	bool has_resolver = plan->has_resolver;
	struct failure second;
	int r = supervisor_open_network(supervisor, err);
	int r_resolver;

	if (r) {
		network_plan_fini(plan);
		return r;
	}
	r = network_apply(supervisor->network, plan, err);
	r_resolver = supervisor_set_resolver(supervisor, has_resolver, r ? &second : err);
	return r ? r : r_resolver;
}

int supervisor_begin_network(struct supervisor *supervisor, struct failure *err)
{
	if (!supervisor->has_early_network)
		return 0;
	supervisor->has_early_network = false;
	return supervisor_apply_network(supervisor, &supervisor->early_network, err);
}

/* From "start" on nothing about it is fatal: the host's log has it. */
static int supervisor_warn(const struct supervisor *supervisor, int r, struct failure *err)
{
	const struct container_process *first = process_table_get(&supervisor->processes, 0);

	if (!r || first->state < PROCESS_EXECUTING)
		return r;
	r = control_channel_send(&supervisor->channel, PROTOCOL_WARNING, 0, 0, false, err);
	return r ? failure_set(err, -r, "send to the monitor") : 0;
}

int supervisor_on_network(struct supervisor *supervisor, json_t *message, struct failure *err)
{
	struct network_plan plan;
	int r;

	if (supervisor->state == WAITING)
		return failure_invalid(err, "network: there is no container yet");
	if (supervisor->state >= ENDING)
		return 0;
	r = network_plan_init(&plan, message, err);
	if (r)
		return supervisor_warn(supervisor, r, err);
	if (supervisor->state == CREATING) {
		/* Sysctls of all interfaces come first, which are process 0's to set. */
		if (supervisor->has_early_network)
			network_plan_fini(&supervisor->early_network);
		supervisor->early_network = plan;
		supervisor->has_early_network = true;
		return 0;
	}
	return supervisor_warn(supervisor, supervisor_apply_network(supervisor, &plan, err), err);
}

/* Somebody connects to a port of the container; who it is waits for an end if there is no other. */
int supervisor_on_incoming(struct supervisor *supervisor, json_t *message, struct failure *err)
{
	json_int_t id = json_integer_value(json_object_get(message, "id"));
	json_int_t port = json_integer_value(json_object_get(message, "port"));
	int r;

	if (supervisor->state < CREATED || supervisor->state >= ENDING || id < 0 ||
	    id >= PROTOCOL_INCOMING_MAX || port <= 0 || port > UINT16_MAX)
		return 0;
	r = supervisor_open_network(supervisor, err);
	if (!r && !supervisor->incoming) {
		supervisor->incoming = incoming_new(err);
		r = !supervisor->incoming ? -err->code : 0;
		if (!r && supervisor_watch(supervisor, incoming_epoll_fd(supervisor->incoming),
					   EPOLLIN, EVENT_NETWORK))
			r = failure_set(err, errno, "watch connections");
	}
	if (!r)
		incoming_connect(supervisor->incoming, (uint32_t)id, (uint16_t)port);
	return supervisor_warn(supervisor, r, err);
}

bool supervisor_run_network(struct supervisor *supervisor)
{
	bool is_ready = supervisor->resolver && resolver_run(supervisor->resolver);

	return (supervisor->incoming && incoming_run(supervisor->incoming)) || is_ready;
}

void supervisor_end_network(struct supervisor *supervisor)
{
	resolver_free(supervisor->resolver);
	supervisor->resolver = NULL;
	if (supervisor->incoming)
		incoming_end(supervisor->incoming);
}

bool supervisor_network_is_draining(const struct supervisor *supervisor)
{
	return supervisor->incoming && incoming_is_draining(supervisor->incoming);
}

int supervisor_check_network(const struct supervisor *supervisor, struct failure *err)
{
	return network_check_sysctls(supervisor->network, &supervisor->plan, err);
}
