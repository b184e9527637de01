/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/container_cgroup.h"

#include <errno.h>

#include "vmm/base/host_root.h"

/* Longer than the end of a VM with much memory takes. */
#define REMOVE_TIMEOUT_MS 10000

void container_cgroup_limits(const struct container_config *config, struct host_limits *ret)
{
	const struct container_resources *resources = &config->resources;

	*ret = (struct host_limits){
		.memory_reservation = resources->memory_reservation,
		.tasks = host_limits_tasks(config->nr_vcpus),
		.cpu_shares = resources->cpu_shares,
		.cpu_quota = resources->cpu_quota,
		.cpu_period = resources->cpu_period,
		.has_cpu_burst = resources->has_cpu_burst,
		.cpu_burst = resources->cpu_burst,
		.has_cpu_idle = resources->has_cpu_idle,
		.is_cpu_idle = resources->is_cpu_idle,
		.cpus = resources->cpus,
		.mems = resources->mems,
		.io = &resources->block_io,
	};
	ret->memory = resources->memory_limit;
	ret->memory_swap = resources->memory_swap;
	if (resources->memory_limit <= 0)
		return;
	ret->memory =
		(int64_t)(config->memory_bytes + host_limits_memory_overhead(config->memory_bytes));
	/* As much swap as the container may have; what no number can say is no limit. */
	if (resources->memory_swap > 0 &&
	    __builtin_add_overflow(ret->memory, resources->memory_swap - resources->memory_limit,
				   &ret->memory_swap))
		ret->memory_swap = -1;
}

int container_cgroup_plan(const struct global_options *globals, const char *id,
			  const struct container_config *config, struct host_cgroup *ret,
			  struct error *err)
{
	const struct host_cgroup_request request = {
		.manager = globals->cgroup_manager,
		.cgroups_path = config->cgroups_path,
		.id = id,
		.is_rootless = !is_host_root(),
	};
	struct host_limits limits;
	struct cgroup_layout layout;
	int r;

	*ret = (struct host_cgroup){ 0 };
	container_cgroup_limits(config, &limits);
	if (globals->cgroup_manager == CGROUP_MANAGER_DISABLED)
		return host_limits_field(&limits)
			       ? error_invalid(err,
					       "%s: needs a control group on the host, and "
					       "those are disabled",
					       host_limits_field(&limits))
			       : 0;
	r = cgroup_layout_load(&layout, err);
	if (r < 0)
		return r;
	r = host_cgroup_plan(&request, &layout, ret, err);
	cgroup_layout_clear(&layout);
	return r;
}

static int record(const struct host_cgroup *cgroup, struct container_state *state,
		  struct error *err)
{
	json_t *json = host_cgroup_to_json(cgroup);
	int r;

	if (!json)
		return error_set(err, ENOMEM, "record the control group");
	r = container_state_set_host_cgroup(state, json, err);
	json_decref(json);
	return r;
}

/* Without a place of its own it needs none: what is asked for, the VM does. */
static bool can_do_without(const struct container_config *config, const struct host_limits *limits,
			   int code)
{
	return (code == -EACCES || code == -EPERM || code == -EROFS) && !is_host_root() &&
	       !(config->cgroups_path && *config->cgroups_path) && !host_limits_field(limits);
}

int container_cgroup_make(struct host_cgroup *cgroup, const struct container_config *config,
			  struct container_state *state, struct error *err)
{
	struct host_limits limits;
	int r;

	if (!cgroup->nr_dirs)
		return 0;
	container_cgroup_limits(config, &limits);
	r = host_cgroup_make(cgroup, err);
	if (r < 0 && can_do_without(config, &limits, r)) {
		host_cgroup_clear(cgroup);
		return container_state_set_host_cgroup(state, NULL, err);
	}
	if (!r)
		r = record(cgroup, state, err);
	if (!r)
		r = host_limits_apply(cgroup, &limits, err);
	return r;
}

int container_cgroup_remove(const struct container_state *state, struct error *err)
{
	struct host_cgroup cgroup;
	int r = host_cgroup_from_json(state->host_cgroup, &cgroup, err);

	if (!r)
		r = host_cgroup_remove(&cgroup, REMOVE_TIMEOUT_MS, err);
	host_cgroup_clear(&cgroup);
	return r;
}

int container_cgroup_join(const struct container_state *state, struct error *err)
{
	struct host_cgroup cgroup;
	int r = host_cgroup_from_json(state->host_cgroup, &cgroup, err);

	if (!r)
		r = host_cgroup_join(&cgroup, false, err);
	host_cgroup_clear(&cgroup);
	return r;
}
