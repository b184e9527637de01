/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_usage.h - what a container's processes use on the host: the virtual machine with all that is
 * around it
 *
 * Thread: any.
 */
#pragma once

#include <stdint.h>

#include "vmm/host_cgroup/host_cgroup.h"

/* 0 where the host does not count. */
struct host_usage {
	uint64_t memory_bytes,
		memory_max_bytes; /* now, and at most so far; guest memory and caches */
	uint64_t swap_bytes;
	uint64_t cpu_ns, cpu_user_ns, cpu_system_ns;
	uint64_t nr_tasks;
	uint64_t nr_oom_kills; /* version 2 */
};

void host_usage_read(const struct host_cgroup *cgroup, struct host_usage *ret);
