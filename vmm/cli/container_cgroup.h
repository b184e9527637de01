/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_cgroup.h - from config.json to the container's control group on the host
 *
 * Thread: the command line's only one.
 */
#pragma once

#include "vmm/cli/command_line.h"
#include "vmm/host_cgroup/host_cgroup.h"
#include "vmm/host_cgroup/host_limits.h"
#include "vmm/oci/container_config.h"
#include "vmm/oci/container_state.h"

/* The limits of the VM that @config asks for and of the processes around it; borrows from it. */
void container_cgroup_limits(const struct container_config *config, struct host_limits *ret);

/*
 * Plan the control group; none when it is disabled, and then no limit may need one. Fills *@ret,
 * which host_cgroup_clear() releases also on failure.
 */
int container_cgroup_plan(const struct global_options *globals, const char *id,
			  const struct container_config *config, struct host_cgroup *ret,
			  struct error *err);

/*
 * Make it, record it and set its limits. On failure container_cgroup_remove() is to follow. A user
 * who may not make any, and asked for nothing that needs one, gets none.
 */
int container_cgroup_make(struct host_cgroup *cgroup, const struct container_config *config,
			  struct container_state *state, struct error *err);

/*
 * Remove the recorded control group with all processes in it. The lock must be held. 0 also when
 * there is none.
 */
int container_cgroup_remove(const struct container_state *state, struct error *err);

/* Move this process into the container's control group: for the processes of `exec`. */
int container_cgroup_join(const struct container_state *state, struct error *err);
