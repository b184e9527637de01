/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_cgroup.h - the container's control group, version 2
 *
 * guest-init stays in the root group, which nothing limits. Below it are two groups:
 *
 *   workload              what the guest can give at most without running out of memory itself;
 *                         the filter of devices
 *   workload/container    the limits of the configuration; the container's processes are created
 *                         in it, and it is all that they see of the hierarchy
 *
 * The kernel never picks the first process of a machine when memory is short, so guest-init needs
 * no protection of its own.
 *
 * Spec: OCI runtime-spec, config-linux.md "Control groups"; the kernel's "Control Group v2".
 */
#pragma once

#include "guest-init/resource_plan.h"

/*
 * Bytes that stay with the kernel and guest-init whatever the container does, beside what the
 * kernel keeps free: they use 10 to 12 MiB of what is free after the boot.
 */
#define CONTAINER_CGROUP_RESERVE (UINT64_C(16) << 20)

struct container_cgroup {
	int outer_fd;  /* "workload" */
	int dir_fd;    /* the container's group, for CLONE_INTO_CGROUP; -1: there is none */
	int events_fd; /* memory.events of both: EPOLLPRI tells that they changed */
};

/* Make the groups, with the limits of @plan. */
int container_cgroup_create(struct container_cgroup *cgroup, const struct resource_plan *plan,
			    struct failure *err);

/* Change what @plan names, and nothing else. An error leaves what came before it changed. */
int container_cgroup_update(const struct container_cgroup *cgroup, const struct resource_plan *plan,
			    struct failure *err);

/*
 * Give the group to user @uid, to be divided further: the directory and the files that take it, not
 * its limits. Spec: config-linux.md, "Cgroup ownership".
 */
int container_cgroup_give(const struct container_cgroup *cgroup, uint32_t uid, struct failure *err);

/* Let the rules of @plan decide about devices from now on: once the container's nodes are made. */
int container_cgroup_filter_devices(const struct container_cgroup *cgroup,
				    const struct resource_plan *plan, struct failure *err);

/* How many processes of the container the OOM killer has ended; 0 also when that is not known. */
uint32_t container_cgroup_oom_kills(const struct container_cgroup *cgroup);
