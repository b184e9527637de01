/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/supervisor_network.h"

#include <errno.h>
#include <stdlib.h>

#include "guest-init/network_cards.h"
#include "guest-init/scope.h"

/* Done when it is needed first: a container without a network costs nothing. */
static int supervisor_open_network(struct supervisor *supervisor, struct failure *err)
{
	const struct container_process *first = process_table_get(&supervisor->processes, 0);
	int sysfs_fd;

	if (supervisor->network)
		return 0;
	sysfs_fd = network_cards_open(err);
	if (sysfs_fd < 0)
		return failure_prefix(err, "network");
	supervisor->network = network_new(sysfs_fd, first->pid_fd, &supervisor->plan, err);
	return supervisor->network ? 0 : -err->code;
}

static int supervisor_apply_network(struct supervisor *supervisor, struct network_plan *plan,
				    struct failure *err)
{
	int r = supervisor_open_network(supervisor, err);

	if (r) {
		network_plan_fini(plan);
		return r;
	}
	return network_apply(supervisor->network, plan, err);
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

int supervisor_check_network(const struct supervisor *supervisor, struct failure *err)
{
	return network_check_sysctls(supervisor->network, &supervisor->plan, err);
}
